//! Processes that end, or become other programs, with live handles.

use std::{
    os::unix::process::CommandExt,
    process, ptr,
    sync::atomic::{AtomicPtr, Ordering},
    thread,
};

use ringbus::{Collected, PublishError, Publisher};

use super::actor::{Actor, Roles, Stage, eventually, say};
use crate::support::{MODES, TestBus};

pub const ROLES: Roles = &[("exec/ends", ends), ("exec/exits", exits)];

/// Holds all that can be held, and ends without giving anything back.
fn ends(stage: &Stage) {
    let topic = stage.topic();
    let publisher = topic.publisher().unwrap();
    let mut reliable = topic.subscriber().reliable().join().unwrap();
    let mut lossy = topic.subscriber().lossy().join().unwrap();
    for _ in 0..3 {
        publisher.publish(b"x").unwrap();
    }
    let _held = (reliable.poll().unwrap(), lossy.poll().unwrap());
    let mut loan = publisher.loan(4).unwrap();
    loan.copy_from_slice(b"gone");
    say("holds");
    stage.wait();
    match stage.arg(0) {
        "exits" => process::exit(0),
        "aborts" => process::abort(),
        "panics" => panic!("as it should"),
        "execs" => panic!("{}", process::Command::new("sleep").arg("30").exec()),
        other => panic!("{other}"),
    }
}

#[test]
fn whoever_ends_with_live_handles_leaves_nothing_stuck() {
    for mode in MODES {
        for how in ["exits", "aborts", "panics", "execs"] {
            let bus = TestBus::new();
            let topic = bus.topic_of(mode).capacity(4).create().unwrap();
            let mut actor = Actor::start("exec/ends", bus.root().path(), &[how]);
            assert_eq!(actor.hear(), "holds");
            let info = topic.info();
            assert_eq!((info.publishers.len(), info.subscribers.len()), (1, 2));
            actor.cue();
            // The program that it becomes lives on, but holds nothing of the bus.
            eventually("a successor", || topic.publisher().is_ok());
            eventually("dead", || {
                topic.info().subscribers.iter().all(|reader| !reader.alive)
            });
            let publisher = topic.publisher().unwrap();
            for seq in 3..30 {
                assert_eq!(publisher.publish(b"y"), Ok(seq), "{mode} {how}");
            }
            // Whoever panics drops its handles on the way.
            let left = usize::from(how != "panics");
            assert_eq!(bus.gc().unwrap().participants, left, "{mode} {how}");
            let info = topic.info();
            assert_eq!((info.publishers.len(), info.subscribers.len()), (1, 0));
            assert_eq!(bus.gc().unwrap(), Collected::default());
            assert_eq!(publisher.try_publish(b"z"), Ok::<_, PublishError>(30));
            drop(actor);
        }
    }
}

/// Never dropped.
static LAST_WORDS: AtomicPtr<Publisher<[u8]>> = AtomicPtr::new(ptr::null_mut());

extern "C" fn publish_last_words() {
    // SAFETY: it is never dropped, and only the exiting thread uses it from now on.
    let publisher = unsafe { &*LAST_WORDS.load(Ordering::Relaxed) };
    publisher.publish(b"last words").unwrap();
}

/// Exits by another thread, in the middle of whatever this one does; a handler publishes on the way.
fn exits(stage: &Stage) {
    let topic = stage.bus().topic("last").open().unwrap();
    let publisher = Box::new(topic.publisher().unwrap());
    LAST_WORDS.store(Box::into_raw(publisher), Ordering::Relaxed);
    // SAFETY: the handler is a function of this program.
    assert_eq!(unsafe { libc::atexit(publish_last_words) }, 0);
    let busy = stage.topic();
    let publisher = busy.publisher().unwrap();
    let mut lossy = busy.subscriber().lossy().join().unwrap();
    say("ready");
    stage.wait();
    thread::spawn(|| process::exit(7));
    loop {
        publisher.publish(b"busy").unwrap();
        let held = lossy.poll();
        assert_eq!(held.unwrap().expect("published").payload(), b"busy");
    }
}

#[test]
fn handles_work_while_their_process_exits() {
    for mode in MODES {
        for _ in 0..10 {
            let bus = TestBus::new();
            let topic = bus.topic_of(mode).capacity(4).create().unwrap();
            let last = bus.topic("last").capacity(4).create().unwrap();
            let mut words = last.subscriber().reliable().join().unwrap();
            let mut actor = Actor::start("exec/exits", bus.root().path(), &[]);
            assert_eq!(actor.hear(), "ready");
            actor.cue();
            assert_eq!(actor.end().code(), Some(7), "{mode}");
            let said = words.poll().unwrap().expect("published on the way out");
            assert_eq!(said.payload(), b"last words");
            let next = topic.info().next;
            let publisher = topic.publisher().unwrap();
            for seq in next..next + 10 {
                assert_eq!(publisher.try_publish(b"x"), Ok(seq), "{mode}");
            }
            assert_eq!(bus.gc().unwrap().participants, 2, "of two handles");
            assert!(topic.info().subscribers.is_empty());
        }
    }
}
