//! Waiting for many subscribers at once, within one process.

use std::{
    thread,
    time::{Duration, Instant},
};

use ringbus::{Bus, Filter, Meta, Patience, PollError, Start, Subscriber, WaitError, WaitSet};

use crate::support::{MODES, TestBus};

const LONG: Duration = Duration::from_secs(30);
const A_MOMENT: Duration = Duration::from_millis(20);

/// Subscribers of as many topics, and a set of them by their numbers.
fn set_of(bus: &Bus, topics: u64) -> (Vec<Subscriber<[u8]>>, WaitSet) {
    let mut set = WaitSet::new(bus).unwrap();
    let join = |number| {
        let topic = bus.topic(&format!("topic/{number}")).capacity(8);
        let topic = topic.max_subscribers(4).payload_max(64);
        let subscriber = topic.open_or_create().unwrap().subscriber().join().unwrap();
        set.add(&subscriber, number).unwrap();
        subscriber
    };
    ((0..topics).map(join).collect(), set)
}

fn publish(bus: &Bus, number: u64) {
    let topic = bus.topic(&format!("topic/{number}")).open().unwrap();
    topic.publisher().unwrap().publish(b"x").unwrap();
}

#[test]
fn only_what_is_ready_is_told_and_until_it_is_polled() {
    let bus = TestBus::new();
    let (mut subscribers, mut set) = set_of(&bus, 200);
    assert!(set.wait(Duration::ZERO).unwrap().is_empty());
    for number in [7, 71, 135] {
        publish(&bus, number);
    }
    for _ in 0..3 {
        let mut ready = set.wait(LONG).unwrap().to_vec();
        ready.sort_unstable();
        assert_eq!(ready, [7, 71, 135]);
    }
    assert!(subscribers[71].poll().unwrap().is_some());
    assert!(subscribers[71].poll().unwrap().is_none());
    let mut ready = set.wait(LONG).unwrap().to_vec();
    ready.sort_unstable();
    assert_eq!(ready, [7, 135]);
    for number in [7, 135] {
        while subscribers[number].poll().unwrap().is_some() {}
    }
    assert!(set.wait(Duration::ZERO).unwrap().is_empty());
}

#[test]
fn a_sleeping_set_is_woken_by_each_of_its_topics() {
    let bus = TestBus::new();
    let (mut subscribers, mut set) = set_of(&bus, 130);
    let publishing = bus.clone();
    let order = |step: u64| step * 37 % 130;
    let (says, heard) = std::sync::mpsc::channel();
    let publisher = thread::spawn(move || {
        for step in 0..130 {
            publish(&publishing, order(step));
            heard.recv().unwrap();
        }
    });
    let started = Instant::now();
    for step in 0..130 {
        assert_eq!(set.wait(LONG).unwrap(), [order(step)]);
        let subscriber = &mut subscribers[order(step) as usize];
        assert!(subscriber.poll().unwrap().is_some());
        assert!(subscriber.poll().unwrap().is_none());
        says.send(()).unwrap();
    }
    publisher.join().unwrap();
    assert!(started.elapsed() < LONG);
}

#[test]
fn every_kind_of_news_counts() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(8).create().unwrap();
        let publisher = topic.publisher().unwrap();
        for _ in 0..20 {
            publisher.publish(b"x").unwrap();
        }
        let mut set = WaitSet::new(&bus).unwrap();
        // What it asked for was gone before it began.
        let mut late = topic.subscriber().start(Start::Sequence(0)).join().unwrap();
        set.add(&late, 1).unwrap();
        assert_eq!(set.wait(Duration::ZERO).unwrap(), [1]);
        assert!(matches!(late.poll(), Err(PollError::Lagged { .. })));
        while late.poll().unwrap().is_some() {}
        assert!(set.wait(Duration::ZERO).unwrap().is_empty());
        // It is overtaken while it sleeps.
        for _ in 0..20 {
            publisher.publish(b"x").unwrap();
        }
        assert_eq!(set.wait(Duration::ZERO).unwrap(), [1]);
        assert!(matches!(late.poll(), Err(PollError::Lagged { .. })));
        late.seek(Start::Latest).unwrap();
        assert!(set.wait(Duration::ZERO).unwrap().is_empty());
        late.seek(Start::Last(1)).unwrap();
        assert_eq!(set.wait(Duration::ZERO).unwrap(), [1]);
    }
}

#[test]
fn a_filter_that_has_messages_left_is_ready() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(64).tags(true).create().unwrap();
        let publisher = topic.publisher().unwrap();
        for reliable in [false, true] {
            let builder = topic.subscriber().filter(Filter::new().tag(7));
            let builder = match reliable {
                true => builder.reliable(),
                false => builder,
            };
            let mut subscriber = builder.join().unwrap();
            let mut set = WaitSet::new(&bus).unwrap();
            set.add(&subscriber, 3).unwrap();
            for tag in [7, 1, 7, 1] {
                let meta = Meta::new().tag(tag);
                publisher
                    .publish_with(meta, b"x", Patience::Forever)
                    .unwrap();
            }
            let mut read = 0;
            while !set.wait(Duration::ZERO).unwrap().is_empty() {
                read += u32::from(subscriber.poll().unwrap().is_some());
            }
            assert_eq!(read, 2);
        }
    }
}

#[test]
fn a_wait_ends_at_its_timeout_and_an_interrupt_ends_it_before() {
    let bus = TestBus::new();
    let (_subscribers, mut set) = set_of(&bus, 3);
    for timeout in [A_MOMENT, Duration::from_millis(250)] {
        let started = Instant::now();
        assert!(set.wait(timeout).unwrap().is_empty());
        assert!(started.elapsed() >= timeout);
        assert!(!set.was_interrupted());
    }
    for _ in 0..50 {
        let interrupter = set.interrupt_handle();
        let interrupting = thread::spawn(move || interrupter.interrupt());
        assert!(set.wait(Duration::MAX).unwrap().is_empty());
        assert!(set.was_interrupted());
        interrupting.join().unwrap();
    }
    assert!(set.wait(Duration::ZERO).unwrap().is_empty());
    assert!(!set.was_interrupted());
}

#[test]
fn who_leaves_is_waited_for_no_more() {
    let bus = TestBus::new();
    let (mut subscribers, mut set) = set_of(&bus, 3);
    (0..3).for_each(|number| publish(&bus, number));
    subscribers.remove(1);
    assert!(set.remove(2));
    assert_eq!(set.wait(LONG).unwrap(), [0]);
    assert_eq!(set.len(), 1);
    assert!(!set.remove(1));
    // Both tokens, and the subscriber that was taken out, may be in a set again.
    let mut another = WaitSet::new(&bus).unwrap();
    another.add(&subscribers[1], 0).unwrap();
    assert_eq!(another.wait(LONG).unwrap(), [0]);
    let topic = bus.topic("topic/1").open().unwrap();
    set.add(&topic.subscriber().join().unwrap(), 1).unwrap();
}

#[test]
fn what_cannot_be_added_is_refused() {
    let bus = TestBus::new();
    let (subscribers, mut set) = set_of(&bus, 2);
    let mut another = WaitSet::new(&bus).unwrap();
    let added = another.add(&subscribers[0], 9);
    assert!(matches!(added, Err(WaitError::Watched)), "{added:?}");
    set.remove(0);
    let added = set.add(&subscribers[0], 1);
    assert!(matches!(added, Err(WaitError::TokenTaken { token: 1 })));
    drop(set);
    another.add(&subscribers[0], 9).unwrap();
    let elsewhere = TestBus::new();
    let (theirs, _) = set_of(&elsewhere, 1);
    let added = another.add(&theirs[0], 1);
    assert!(matches!(added, Err(WaitError::OtherBus)));
}

#[test]
fn a_bus_has_two_bells_for_each_participant_and_takes_them_back() {
    let bus = TestBus::new();
    let sets: Vec<_> = (0..2048).map(|_| WaitSet::new(&bus).unwrap()).collect();
    let refused = WaitSet::new(&bus).unwrap_err().to_string();
    assert!(
        refused.contains("all 2048 bells of the bus are taken"),
        "{refused}"
    );
    drop(sets);
    WaitSet::new(&bus).unwrap();
}

#[test]
fn a_set_over_thousands_of_topics_is_woken_by_one() {
    let bus = TestBus::new();
    let (mut subscribers, mut set) = set_of(&bus, 2000);
    let publishing = bus.clone();
    let publisher = thread::spawn(move || publish(&publishing, 1234));
    assert_eq!(set.wait(LONG).unwrap(), [1234]);
    publisher.join().unwrap();
    assert!(subscribers[1234].poll().unwrap().is_some());
    assert!(subscribers[1234].poll().unwrap().is_none());
    assert!(set.wait(A_MOMENT).unwrap().is_empty());
}

/// Whether a descriptor can be read, within `timeout`.
#[cfg(target_os = "linux")]
fn is_readable(fd: i32, timeout: Duration) -> bool {
    let mut poll = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one `pollfd`.
    unsafe { libc::poll(&mut poll, 1, timeout.as_millis() as i32) == 1 }
}

#[cfg(target_os = "linux")]
#[test]
fn a_set_is_readable_from_a_publish_until_a_wait_finds_nothing() {
    use std::os::fd::AsRawFd;
    let bus = TestBus::new();
    let (mut subscribers, mut set) = set_of(&bus, 100);
    publish(&bus, 3); // before there is a descriptor
    let fd = set.as_fd().unwrap().as_raw_fd();
    let mut expected = 3;
    for next in [99, 0, 64, 63, 3] {
        assert!(is_readable(fd, LONG));
        assert_eq!(set.wait(Duration::ZERO).unwrap(), [expected]);
        assert!(is_readable(fd, Duration::ZERO), "it was not polled");
        while subscribers[expected as usize].poll().unwrap().is_some() {}
        assert!(set.wait(Duration::ZERO).unwrap().is_empty());
        assert!(!is_readable(fd, A_MOMENT));
        publish(&bus, next);
        expected = next;
    }
    assert!(is_readable(fd, LONG));
    assert_eq!(set.wait(LONG).unwrap(), [expected]);
}

#[cfg(target_os = "linux")]
#[test]
fn subscribers_and_descriptors_wake_one_set() {
    use std::{io::Read, io::Write, os::unix::net::UnixStream};
    let bus = TestBus::new();
    let (mut subscribers, mut set) = set_of(&bus, 70);
    let pairs: Vec<_> = (0..3).map(|_| UnixStream::pair().unwrap()).collect();
    for (index, (ours, _)) in pairs.iter().enumerate() {
        set.add_fd(ours, 1000 + index as u64).unwrap();
    }
    let taken = set.add_fd(&pairs[0].0, 5);
    assert!(matches!(taken, Err(WaitError::TokenTaken { token: 5 })));
    assert_eq!(set.len(), 73);
    for round in 0..20 {
        let publishing = bus.clone();
        let publisher = thread::spawn(move || publish(&publishing, round));
        assert_eq!(set.wait(LONG).unwrap(), [round]);
        publisher.join().unwrap();
        while subscribers[round as usize].poll().unwrap().is_some() {}
        let index = round as usize % 3;
        (&pairs[index].1).write_all(b"x").unwrap();
        assert_eq!(set.wait(LONG).unwrap(), [1000 + index as u64]);
        (&pairs[index].0).read_exact(&mut [0]).unwrap();
    }
    for interrupts in [1, 2] {
        let interrupter = set.interrupt_handle();
        (0..interrupts).for_each(|_| interrupter.interrupt());
        assert!(set.wait(Duration::MAX).unwrap().is_empty());
        assert!(set.was_interrupted());
    }
    let started = Instant::now();
    assert!(set.wait(A_MOMENT).unwrap().is_empty());
    assert!(started.elapsed() >= A_MOMENT && !set.was_interrupted());
    assert!(set.remove(1001));
    (&pairs[1].1).write_all(b"x").unwrap();
    assert!(set.wait(Duration::ZERO).unwrap().is_empty());
    // A file is no descriptor to wait for.
    let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    let refused = set.add_fd(&file, 7777).unwrap_err();
    assert!(matches!(refused, WaitError::NotWaitable), "{refused}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_descriptor_that_cannot_be_waited_for_is_refused_with_the_right_words() {
    let bus = TestBus::new();
    let mut set = WaitSet::new(&bus).unwrap();
    let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    let directory = std::fs::File::open("/").unwrap();
    let device = std::fs::File::open("/dev/null").unwrap();
    let mut path = std::fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::custom_flags(path.read(true), libc::O_PATH);
    let path = path.open("/dev/null").unwrap();
    // SAFETY: nobody uses it: so many are never open.
    let closed = unsafe { std::os::fd::BorrowedFd::borrow_raw(1 << 29) };
    let itself = set.as_fd().unwrap().try_clone_to_owned().unwrap();
    let refused = [
        (set.add_fd(&file, 1), "regular file"),
        (set.add_fd(&directory, 2), "directory"),
        (set.add_fd(closed, 3), "not open"),
        (set.add_fd(&itself, 4), "itself"),
        (set.add_fd(&device, 5), "a device such as /dev/null"),
        (set.add_fd(&path, 6), "O_PATH"),
    ];
    for (refused, words) in refused {
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(words), "{words}: {refused}");
        assert!(!refused.contains("ulimit"), "{refused}");
    }
    // Nothing of it is left: their tokens are free.
    let pairs = [(); 4].map(|()| std::os::unix::net::UnixStream::pair().unwrap());
    for (token, (ours, _)) in (1..).zip(&pairs) {
        set.add_fd(ours, token).unwrap();
    }
}
