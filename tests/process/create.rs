//! Processes that make the same thing at the same time.

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

use ringbus::{Bus, Remove, TopicError};

use super::actor::{Actor, Roles, Stage, binary, is_root, say};
use crate::support::{Scratch, TestBus, checked, names};

pub const ROLES: Roles = &[
    ("create/racer", racer),
    ("create/remover", remover),
    ("create/maker", maker),
];

const RACERS: u64 = 16;
const ROUNDS: u64 = 20;

/// Makes or opens each round's topic on each round's bus, and meets the others there.
fn racer(stage: &Stage) {
    let own = stage.number(0);
    for round in 0..ROUNDS {
        say("ready");
        stage.wait();
        let root = stage.root.join(format!("root-{}", round / 2));
        let bus = Bus::builder().dir(root).open().unwrap();
        let topic = || bus.topic(&format!("race/{round}")).shared().capacity(64);
        let is_creator = match round % 2 {
            0 => false,
            _ => match topic().create() {
                Ok(_) => true,
                Err(TopicError::Exists { .. }) => false,
                Err(error) => panic!("{error}"),
            },
        };
        let topic = topic().open_or_create().unwrap();
        let mut reader = topic
            .subscriber()
            .reliable()
            .start(ringbus::Start::Oldest)
            .join()
            .unwrap();
        let publisher = topic.publisher().unwrap();
        publisher
            .publish(&checked::payload(100, own, round))
            .unwrap();
        let mut order = Vec::new();
        while order.len() < RACERS as usize {
            assert!(reader.wait(Duration::from_secs(20)).unwrap());
            let message = reader.poll().unwrap().expect("waited for");
            let (origin, of_round) = checked::check(message.payload());
            assert_eq!((of_round, message.sequence()), (round, order.len() as u64));
            order.push(origin);
        }
        say(format!("{is_creator} {order:?}"));
        // Nobody leaves before all have seen all.
        stage.wait();
    }
}

#[test]
fn racing_creators_get_one_ring() {
    let bus = TestBus::new();
    let start = |own: u64| Actor::start("create/racer", bus.root().path(), &[&own.to_string()]);
    let mut racers: Vec<_> = (0..RACERS).map(start).collect();
    for round in 0..ROUNDS {
        for racer in &mut racers {
            assert_eq!(racer.hear(), "ready");
        }
        racers.iter_mut().for_each(Actor::cue);
        let said: Vec<_> = racers.iter_mut().map(Actor::hear).collect();
        let split = |said: &String| {
            said.split_once(' ')
                .map(|(is, order)| (is == "true", order.to_owned()))
        };
        let said: Vec<_> = said
            .iter()
            .map(|said| split(said).expect("two words"))
            .collect();
        let (_, order) = &said[0];
        assert!(said.iter().all(|(_, other)| other == order), "{said:?}");
        let creators = said.iter().filter(|(is_creator, _)| *is_creator).count() as u64;
        assert_eq!(
            creators,
            round % 2,
            "open_or_create does not tell, create says it to one"
        );
        let topics = bus
            .root()
            .path()
            .join(format!("root-{}/default/topics", round / 2));
        assert_eq!(names(&topics).len() as u64, 2 * (1 + round % 2));
        racers.iter_mut().for_each(Actor::cue);
    }
    for racer in racers {
        assert!(racer.ends_well());
    }
}

/// Makes, uses and removes one topic again and again, beside others who do so.
fn remover(stage: &Stage) {
    let bus = stage.bus();
    for round in 0..150 {
        let topic = match bus.topic("t").shared().capacity(8).open_or_create() {
            Ok(topic) => topic,
            Err(TopicError::NotFound { .. }) => continue,
            Err(error) => panic!("{error}"),
        };
        if let Ok(publisher) = topic.publisher() {
            publisher
                .try_publish(&checked::payload(100, 1, round))
                .unwrap();
        }
        let how = if round % 3 == 0 {
            Remove::Force
        } else {
            Remove::IfUnused
        };
        match bus.remove("t", how) {
            Ok(()) | Err(TopicError::NotFound { .. } | TopicError::InUse { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        if round % 10 == 0 {
            bus.gc().unwrap();
        }
    }
    say("done");
}

#[test]
fn racing_creators_and_removers_leave_nothing_behind() {
    let bus = TestBus::new();
    let mut removers = [0; 4].map(|_| Actor::start("create/remover", bus.root().path(), &[]));
    for remover in &mut removers {
        assert_eq!(remover.hear(), "done");
    }
    for remover in removers {
        assert!(remover.ends_well());
    }
    match bus.remove("t", Remove::IfUnused) {
        Ok(()) | Err(TopicError::NotFound { .. }) => {}
        Err(error) => panic!("{error}"),
    }
    bus.gc().unwrap();
    let topics = bus.path().join("topics");
    assert_eq!(names(&topics), [""; 0]);
}

/// Makes buses and topics, and uses each.
fn maker(stage: &Stage) {
    assert!(!Path::new("/proc/self").exists());
    for round in 0..300 {
        let bus = Bus::builder().dir(&stage.root).name("made");
        let topic = bus.clone().open().unwrap();
        let topic = topic.topic("t").capacity(4).create().unwrap();
        topic.subscriber().join().unwrap();
        let publisher = topic.publisher().unwrap();
        assert_eq!(publisher.publish(b"x"), Ok(0), "round {round}");
        bus.destroy().unwrap();
    }
    say("made");
    stage.wait();
}

/// Where files need temporary names: without /proc, for example, by which to name unnamed ones.
#[test]
#[cfg_attr(
    feature = "portable",
    ignore = "temporary names are the only kind there"
)]
fn nobody_collects_what_somebody_is_making() {
    let may_mount = Command::new("unshare").args(["-m", "true"]).status();
    if !is_root() || !may_mount.is_ok_and(|status| status.success()) {
        return println!("skipped: no mount namespace can be made here");
    }
    let root = Scratch::new();
    let mut hidden = Command::new("unshare");
    let script = "mount -t tmpfs tmpfs /proc && exec \"$0\" \"$@\"";
    hidden.args(["-m", "--", "sh", "-c", script]).arg(binary());
    let mut actor = Actor::start_by(hidden, "create/maker", root.path(), &[]);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let place = || Bus::builder().dir(root.path()).name("made").create(false);
            while !is_over.load(Relaxed) {
                let _ = place().open().and_then(|bus| bus.gc()); // there may be none just now
            }
        });
        let made = actor.hear_or_end();
        is_over.store(true, Relaxed);
        assert_eq!(made.as_deref(), Some("made"));
    });
    assert!(actor.ends_well());
    assert_eq!(names(root.path()), [""; 0]);
}
