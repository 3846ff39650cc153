//! What a forked child can do with its parent's handles: nothing, and no harm.

use std::{thread, time::Duration};

use ringbus::{
    Bus, Filter, JoinError, Observer, OpenError, PollError, PublishError, Publisher, Start,
    Subscriber, Topic, TopicEvent, TopicName, Watch,
};

use super::actor::{Actor, Roles, Stage, eventually, say};
use crate::support::{MODES, TestBus};

pub const ROLES: Roles = &[
    ("fork/parent", parent),
    ("fork/dies", dies),
    ("fork/watches", watches),
];

const CONTENT: i32 = 7;

struct Handles {
    bus: Bus,
    topic: Topic<[u8]>,
    publisher: Publisher<[u8]>,
    reliable: Subscriber<[u8]>,
    lossy: Subscriber<[u8]>,
    filtered: Subscriber<[u8]>,
    observer: Observer<[u8]>,
}

impl Handles {
    fn new(stage: &Stage) -> Self {
        let bus = stage.bus();
        let topic = bus.topic("t").open().unwrap();
        Self {
            publisher: topic.publisher().unwrap(),
            reliable: topic.subscriber().reliable().join().unwrap(),
            lossy: topic.subscriber().lossy().join().unwrap(),
            filtered: {
                let wants = Filter::new().tag(0);
                topic.subscriber().lossy().filter(wants).join().unwrap()
            },
            observer: topic.observer(Start::Latest).unwrap(),
            bus,
            topic,
        }
    }

    /// Publishes, and reads it back in three ways.
    fn work(&mut self) {
        let seq = self.publisher.publish(b"work").unwrap();
        for reader in [&mut self.reliable, &mut self.lossy, &mut self.filtered] {
            let message = reader.poll().unwrap().expect("published");
            assert_eq!((message.sequence(), message.payload()), (seq, &b"work"[..]));
        }
        assert_eq!(
            self.observer.poll().unwrap().expect("published").sequence(),
            seq
        );
    }

    /// In a child: tries everything, on a topic with a message to read.
    fn are_all_forked(&mut self) -> bool {
        let forked = PublishError::Forked;
        let long = Duration::from_secs(5);
        let Self {
            bus,
            topic,
            publisher,
            reliable,
            lossy,
            filtered,
            observer,
        } = self;
        let publishes = [
            publisher.publish(b"x") == Err(forked),
            publisher.try_publish(b"x") == Err(forked),
            publisher.publish_timeout(b"x", long) == Err(forked),
            publisher.publish_batch([&b"x"[..]]) == Err(forked),
            publisher.loan(1).err() == Some(forked),
            publisher.try_loan(1).err() == Some(forked),
            matches!(publisher.wait_subscribers(1, long), Err(JoinError::Forked)),
        ];
        let (reliable_lag, lossy_lag) = (reliable.lag() + reliable.lagged(), lossy.lag());
        let polls = [reliable, lossy, filtered].map(|reader| {
            reader.poll().err() == Some(PollError::Forked)
                && reader.poll_batch(2).err() == Some(PollError::Forked)
                && reader.latest().err() == Some(PollError::Forked)
                && reader.wait(long) == Err(PollError::Forked)
                && reader.seek(Start::Oldest) == Err(PollError::Forked)
        });
        let observes = [
            observer.poll().err() == Some(PollError::Forked),
            observer.latest().err() == Some(PollError::Forked),
            observer.wait(long) == Err(PollError::Forked),
        ];
        let joins = [
            matches!(topic.publisher(), Err(JoinError::Forked)),
            matches!(topic.subscriber().join(), Err(JoinError::Forked)),
            matches!(topic.observer(Start::Latest), Err(JoinError::Forked)),
            bus.gc().is_err(),
        ];
        // Those that cannot say it know nothing.
        assert_eq!((reliable_lag, lossy_lag, observer.lag()), (0, 0, 0));
        let info = topic.info();
        assert_eq!((info.capacity_slots, info.published), (4, 0));
        assert!(info.publishers.is_empty() && info.subscribers.is_empty());
        [&publishes[..], &polls, &observes, &joins]
            .concat()
            .into_iter()
            .all(|is_forked| is_forked)
    }
}

/// A batch whose iterator forks before message `at`: in the child it is refused, in the parent complete.
fn fork_in_a_batch(handles: &Handles, at: usize) {
    let before = handles.publisher.published();
    let mut pid = -1;
    let sent = handles.publisher.publish_batch((0..2).map(|index| {
        if index == at {
            // SAFETY: as in `in_child`, where the child ends by `_exit`.
            pid = unsafe { libc::fork() };
        }
        &b"batch"[..]
    }));
    if pid == 0 {
        let code = if sent == Err(PublishError::Forked) {
            CONTENT
        } else {
            1
        };
        // SAFETY: ends the process.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: `status` is a place for the result.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    assert!(
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == CONTENT,
        "{status:#x}"
    );
    assert_eq!((sent, handles.publisher.published()), (Ok(2), before + 2));
}

/// Forks; the child does something and ends with its exit code, which the parent returns.
fn in_child(act: impl FnOnce() -> i32) -> i32 {
    // SAFETY: this process runs the role in its only busy thread; the child allocates, which the C
    // library provides for, and ends by `_exit`.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).unwrap_or(99);
        // SAFETY: ends the process.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: `status` is a place for the result.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    assert!(libc::WIFEXITED(status), "{status:#x}");
    libc::WEXITSTATUS(status)
}

fn parent(stage: &Stage) {
    let mut handles = Handles::new(stage);
    handles.work();
    handles.publisher.publish(b"unread").unwrap();
    // Something found already, which the child is not to have either.
    assert!(handles.filtered.wait(Duration::ZERO).unwrap());
    let code = in_child(|| if handles.are_all_forked() { CONTENT } else { 1 });
    assert_eq!(code, CONTENT);
    let loan = handles.publisher.loan(1).unwrap();
    let mut loan = Some(loan);
    let code = in_child(|| {
        let refused = loan.take().expect("not taken here").commit();
        if refused == Err(PublishError::Forked) {
            CONTENT
        } else {
            1
        }
    });
    assert_eq!(code, CONTENT);
    drop(loan);
    // The child may also drop them, and open the bus for itself.
    let mut handles = Some(handles);
    let code = in_child(|| {
        drop(handles.take());
        let topic = stage.topic();
        let mut observer = topic.observer(Start::Latest).unwrap();
        let mut own = topic.subscriber().reliable().join().unwrap();
        let is_quiet = own.poll().unwrap().is_none() && observer.poll().unwrap().is_none();
        // A shared topic has room for it, an exclusive one has its parent.
        let publishes = match topic.publisher() {
            Ok(publisher) => publisher.publish(b"child").is_ok(),
            Err(JoinError::PublisherExists { .. }) => true,
            Err(_) => false,
        };
        if is_quiet && publishes { CONTENT } else { 1 }
    });
    assert_eq!(code, CONTENT);
    let mut handles = handles.expect("the child took its own");
    for reader in [
        &mut handles.reliable,
        &mut handles.lossy,
        &mut handles.filtered,
    ] {
        assert_eq!(
            reader.poll().unwrap().expect("published").payload(),
            b"unread"
        );
        while reader.poll().unwrap().is_some() {}
    }
    while handles.observer.poll().unwrap().is_some() {}
    for _ in 0..20 {
        handles.work();
    }
    for at in 0..2 {
        fork_in_a_batch(&handles, at);
        for reader in [
            &mut handles.reliable,
            &mut handles.lossy,
            &mut handles.filtered,
        ] {
            while reader.poll().unwrap().is_some() {}
        }
    }
    let info = handles.topic.info();
    assert_eq!((info.publishers.len(), info.subscribers.len()), (1, 3));
    say("works");
}

#[test]
fn a_forked_child_can_use_no_handle_and_the_parent_all() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(4).create().unwrap();
        let mut actor = Actor::start("fork/parent", bus.root().path(), &[]);
        assert_eq!(actor.hear(), "works");
        assert!(actor.ends_well());
        assert!(topic.info().publishers.is_empty() && topic.info().subscribers.is_empty());
        topic.publisher().unwrap().publish(b"x").unwrap();
    }
}

/// Leaves a child behind that outlives it.
fn dies(stage: &Stage) {
    let mut handles = Handles::new(stage);
    handles.work();
    // SAFETY: as in `in_child`; the child only sleeps.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        thread::sleep(Duration::from_secs(20));
        // SAFETY: ends the process.
        unsafe { libc::_exit(0) };
    }
    say(pid);
    stage.wait();
}

#[test]
fn a_forked_child_keeps_nothing_of_a_dead_parent() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(4).create().unwrap();
        let mut actor = Actor::start("fork/dies", bus.root().path(), &[]);
        let child: i32 = actor.hear().parse().unwrap();
        actor.kill();
        // The child lets go of its copy of the lock when it first runs.
        let mut publisher = None;
        eventually("let go", || {
            publisher = topic.publisher().ok();
            publisher.is_some()
        });
        let publisher = publisher.unwrap();
        for seq in 1..20 {
            assert_eq!(publisher.publish(b"x"), Ok(seq));
        }
        eventually("collected", || {
            bus.gc().unwrap();
            topic.info().subscribers.is_empty()
        });
        assert_eq!(topic.info().publishers.len(), 1);
        // SAFETY: takes no pointers; the child of the actor sleeps for much longer than this took.
        assert_eq!(unsafe { libc::kill(child, libc::SIGKILL) }, 0);
    }
}

/// Watches; a child has no part in it, and takes nothing away.
fn watches(stage: &Stage) {
    let bus = stage.bus();
    let mut watch = Some(bus.watch().unwrap());
    let code = in_child(|| {
        let is_refused = |watch: &mut Option<Watch>| {
            let next = watch.as_mut().unwrap().next(Duration::from_secs(5));
            matches!(next, Err(OpenError::Directory(error)) if error.to_string().contains("fork"))
        };
        let refused = is_refused(&mut watch);
        stage.bus().topic("by a child").create().unwrap();
        let fds = std::fs::read_dir("/proc/self/fd").unwrap();
        let links = fds.map(|fd| std::fs::read_link(fd.unwrap().path()).unwrap_or_default());
        let has_a_watch = |link: std::path::PathBuf| link.to_string_lossy().contains("inotify");
        let is_content = refused && is_refused(&mut watch) && !links.into_iter().any(has_a_watch);
        drop(watch.take());
        if is_content { CONTENT } else { 1 }
    });
    assert_eq!(code, CONTENT);
    let event = watch.unwrap().next(Duration::from_secs(5)).unwrap();
    let name = TopicName::new("by a child").unwrap();
    assert_eq!(event, Some(TopicEvent::Appeared(name)));
    say("watched");
}

#[test]
fn a_child_has_no_part_in_its_parents_watch() {
    let bus = TestBus::new();
    let mut actor = Actor::start("fork/watches", bus.root().path(), &[]);
    assert_eq!(actor.hear(), "watched");
    assert!(actor.ends_well());
}
