//! Watching topics appear and vanish.

use std::{
    fs::File,
    thread,
    time::{Duration, Instant},
};

use ringbus::{Bus, DirectoryError, OpenError, Remove, TopicEvent, TopicName, Watch};

use crate::support::TestBus;

const LONG: Duration = Duration::from_secs(10);

fn appeared(name: &str) -> TopicEvent {
    TopicEvent::Appeared(TopicName::new(name).unwrap())
}

fn vanished(name: &str) -> TopicEvent {
    TopicEvent::Vanished(TopicName::new(name).unwrap())
}

fn next(watch: &mut Watch) -> TopicEvent {
    watch.next(LONG).unwrap().expect("an event")
}

#[test]
fn existing_topics_come_first_and_changes_follow() {
    let bus = TestBus::new();
    bus.topic("a").create().unwrap();
    bus.topic("b").create().unwrap();
    let mut watch = bus.watch().unwrap();
    bus.topic("c").create().unwrap();
    let mut first: Vec<_> = (0..2).map(|_| next(&mut watch)).collect();
    first.sort_by_key(|event| format!("{event:?}"));
    assert_eq!(first, [appeared("a"), appeared("b")]);
    assert_eq!(next(&mut watch), appeared("c"));
    bus.remove("a", Remove::IfUnused).unwrap();
    assert_eq!(next(&mut watch), vanished("a"));
    assert_eq!(watch.next(Duration::from_millis(20)).unwrap(), None);
}

#[test]
fn a_topic_made_anew_is_reported_as_both() {
    let bus = TestBus::new();
    bus.topic("a").create().unwrap();
    let mut watch = bus.watch().unwrap();
    assert_eq!(next(&mut watch), appeared("a"));
    bus.remove("a", Remove::IfUnused).unwrap();
    bus.topic("a").create().unwrap();
    assert_eq!(next(&mut watch), vanished("a"));
    assert_eq!(next(&mut watch), appeared("a"));
    assert_eq!(watch.next(Duration::ZERO).unwrap(), None);
}

#[test]
fn a_watch_sleeps_until_something_appears() {
    let bus = TestBus::new();
    let mut watch = bus.watch().unwrap();
    assert_eq!(watch.next(Duration::from_millis(10)).unwrap(), None);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| next(&mut watch));
        thread::sleep(Duration::from_millis(20));
        bus.topic("late").create().unwrap();
        assert_eq!(waiting.join().unwrap(), appeared("late"));
    });
    // Traffic is no event.
    let topic = bus.topic("late").open().unwrap();
    topic.publisher().unwrap().publish(b"x").unwrap();
    assert_eq!(watch.next(Duration::from_millis(10)).unwrap(), None);
}

#[test]
fn a_watch_sees_every_topic_that_stays() {
    let bus = TestBus::new();
    let mut watch = bus.watch().unwrap();
    let names: Vec<_> = (0..40).map(|index| format!("t/{index:02}")).collect();
    let mut seen = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            for name in &names {
                bus.topic(name).capacity(1).create().unwrap();
            }
        });
        while seen.len() < names.len() {
            match next(&mut watch) {
                TopicEvent::Appeared(name) => seen.push(name.to_string()),
                TopicEvent::Vanished(name) => panic!("{name} vanished"),
            }
        }
    });
    seen.sort_unstable();
    assert_eq!(seen, names);
}

fn is_removed(watch: &mut Watch) -> bool {
    let next = watch.next(LONG);
    matches!(
        next,
        Err(OpenError::Directory(DirectoryError::Removed { .. }))
    )
}

#[test]
fn a_watch_of_a_bus_that_is_removed_says_so() {
    let bus = TestBus::new();
    let builder = || Bus::builder().dir(bus.root().path());
    bus.topic("a").create().unwrap();
    let mut watch = bus.watch().unwrap();
    assert_eq!(next(&mut watch), appeared("a"));
    builder().destroy().unwrap();
    assert_eq!(next(&mut watch), vanished("a"));
    assert!(is_removed(&mut watch) && is_removed(&mut watch));
    // Another bus of the same name is another bus.
    let anew = builder().open().unwrap();
    anew.topic("b").create().unwrap();
    assert!(is_removed(&mut watch));
    assert!(bus.watch().is_ok_and(|mut watch| watch.next(LONG).is_ok()));
}

#[test]
fn a_watch_wakes_when_its_bus_is_removed_whoever_else_looks_into_it() {
    for anew in [false, true] {
        let bus = TestBus::new();
        let builder = || Bus::builder().dir(bus.root().path());
        let mut watch = bus.watch().unwrap();
        let _open = File::open(bus.path().join("topics")).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| (is_removed(&mut watch), Instant::now()));
            thread::sleep(Duration::from_millis(20));
            let removed = Instant::now();
            builder().destroy().unwrap();
            if anew {
                builder().open().unwrap().topic("b").create().unwrap();
            }
            let (is_told, told) = waiting.join().unwrap();
            assert!(is_told && told.duration_since(removed) < LONG / 2);
        });
    }
}

/// Tells which rings of a bus are opened, by inotify(7).
#[cfg(target_os = "linux")]
struct Openings(File);

#[cfg(target_os = "linux")]
impl Openings {
    fn of(bus: &Bus) -> Self {
        use std::{ffi::CString, os::fd::FromRawFd};
        let topics = bus.path().join("topics");
        let path = CString::new(topics.to_str().unwrap()).unwrap();
        // SAFETY: takes no pointer.
        let fd = unsafe { libc::inotify_init1(libc::IN_NONBLOCK) };
        assert!(fd >= 0);
        // SAFETY: `fd` was just opened and belongs to nobody else.
        let file = unsafe { File::from_raw_fd(fd) };
        // SAFETY: `path` is a C string that lives past the call.
        let watched = unsafe { libc::inotify_add_watch(fd, path.as_ptr(), libc::IN_OPEN) };
        assert!(watched >= 0);
        Self(file)
    }

    /// How many there were since the last call.
    fn count(&mut self) -> usize {
        use std::io::Read;
        let (mut events, mut count) = (vec![0; 1 << 20], 0);
        while let Ok(len) = self.0.read(&mut events) {
            count += events[..len].windows(5).filter(|at| at == b".ring").count();
        }
        count
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_watch_opens_each_topic_once_however_many_appear() {
    const TOPICS: usize = 100;
    let bus = TestBus::new();
    let mut openings = Openings::of(&bus);
    let mut watch = bus.watch().unwrap();
    let mut by_watch = openings.count();
    for number in 0..TOPICS {
        let name = format!("t/{number}");
        bus.topic(&name).capacity(4).create().unwrap();
        openings.count();
        assert_eq!(next(&mut watch), appeared(&name));
        by_watch += openings.count();
    }
    assert_eq!(by_watch, TOPICS);
    bus.remove("t/7", Remove::IfUnused).unwrap();
    bus.topic("t/7").capacity(4).create().unwrap();
    openings.count();
    assert_eq!(next(&mut watch), vanished("t/7"));
    assert_eq!(next(&mut watch), appeared("t/7"));
    assert_eq!(openings.count(), 1);
    // Nor does it look for nothing.
    assert_eq!(watch.next(Duration::ZERO).unwrap(), None);
    assert_eq!(openings.count(), 0);
}

#[test]
fn what_is_no_topic_yet_is_seen_once_it_is() {
    let bus = TestBus::new();
    let mut watch = bus.watch().unwrap();
    let ring = |bus: &Bus| {
        let files = std::fs::read_dir(bus.path().join("topics")).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        let is_ring = |path: &std::path::PathBuf| path.extension().is_some_and(|e| e == "ring");
        paths.into_iter().find(is_ring).unwrap()
    };
    bus.topic("t").capacity(4).create().unwrap();
    let whole = std::fs::read(ring(&bus)).unwrap();
    // Nothing, at first, where a topic is going to be.
    std::fs::write(ring(&bus), b"").unwrap();
    assert_eq!(watch.next(Duration::from_millis(5)).unwrap(), None);
    std::fs::write(ring(&bus), whole).unwrap();
    bus.topic("u").capacity(4).create().unwrap();
    let mut events = [next(&mut watch), next(&mut watch)];
    events.sort_by_key(|event| format!("{event:?}"));
    assert_eq!(events, [appeared("t"), appeared("u")]);
}
