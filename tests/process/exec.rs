//! Processes that end, or become other programs, with live handles.

use std::{os::unix::process::CommandExt, process};

use ringbus::{Collected, PublishError};

use super::actor::{Actor, Roles, Stage, eventually, say};
use crate::support::{MODES, TestBus};

pub const ROLES: Roles = &[("exec/ends", ends)];

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
