//! A full file system: an error that says so, and never a signal.

use std::{fs, io::Write, process::Command};

use ringbus::{CallError, JoinError, PollError, PublishError, SegmentError, Start, TopicError};

use super::actor::{Actor, Roles, Stage, binary, is_root, say};
use crate::support::{MODES, Scratch};

pub const ROLES: Roles = &[
    ("full/creates", creates),
    ("full/serves", serves),
    ("full/locks", locks),
    ("full/uses", uses),
    ("full/lists", lists),
];

/// Runs a role on a file system of its own with so many KiB.
fn on_small_file_system(role: &str, kib: u32) {
    if !is_root() {
        return;
    }
    let may_mount = Command::new("unshare").args(["-m", "true"]).status();
    if !may_mount.is_ok_and(|status| status.success()) {
        return println!("skipped: no mount namespace can be made here");
    }
    let root = Scratch::new();
    let mut mount = Command::new("unshare");
    let script = format!(
        "mount -t tmpfs -o size={kib}k,mode=755 tmpfs {} && exec \"$0\" \"$@\"",
        root.path().display()
    );
    mount.args(["-m", "--", "sh", "-c", &script]).arg(binary());
    let mut actor = Actor::start_by(mount, role, root.path(), &[]);
    assert_eq!(actor.hear(), "done");
    assert!(actor.ends_well());
    assert_eq!(
        fs::read_dir(root.path()).unwrap().count(),
        0,
        "it was seen outside"
    );
}

fn creates(stage: &Stage) {
    let bus = stage.bus();
    let files = || fs::read_dir(bus.path().join("topics")).unwrap().count();
    for shared in [false, true] {
        let topic = |name: &str, capacity| {
            let builder = bus.topic(name).capacity(capacity).payload_max(1000);
            if shared { builder.shared() } else { builder }
        };
        for _ in 0..3 {
            for result in [
                topic("large", 4096).create(),
                topic("large", 4096).open_or_create(),
            ] {
                let error = result.unwrap_err();
                let text = error.to_string();
                let TopicError::Segment(SegmentError::NoSpace {
                    needed_bytes,
                    available_bytes,
                    ..
                }) = error
                else {
                    panic!("{text}");
                };
                assert!(
                    needed_bytes >= 4096 * 1000 && available_bytes <= 2 << 20,
                    "{text}"
                );
                assert!(text.contains(&needed_bytes.to_string()), "{text}");
                assert!(text.contains(&available_bytes.to_string()), "{text}");
                assert_eq!(files(), 0);
            }
            assert!(matches!(
                topic("large", 4096).open(),
                Err(TopicError::NotFound { .. })
            ));
            assert!(bus.topics().unwrap().is_empty());
            // All that was taken is free again.
            let small = topic("small", 512).create().unwrap();
            small.publisher().unwrap().publish(b"x").unwrap();
            drop(small);
            bus.remove("small", ringbus::Remove::IfUnused).unwrap();
        }
    }
    say("done");
}

#[test]
#[cfg_attr(
    feature = "portable",
    ignore = "there is no portable way to reserve memory"
)]
fn a_topic_that_does_not_fit_is_refused_and_leaves_nothing() {
    on_small_file_system("full/creates", 2048);
}

fn serves(stage: &Stage) {
    let bus = stage.bus();
    let files = || fs::read_dir(bus.path().join("topics")).unwrap().count();
    // Requests fit, replies do not; or two of them do, but not the three that a publisher brings.
    for (reply_bytes, is_topic) in [(1500 << 10, true), (450 << 10, false)] {
        let server = bus.server("s").capacity(2).reply_max(reply_bytes);
        let refused = server.join().unwrap_err();
        let is_space = match &refused {
            CallError::Topic(TopicError::Segment(error)) if is_topic => is_no_space(error),
            CallError::Join(JoinError::Segment(error)) if !is_topic => is_no_space(error),
            _ => false,
        };
        assert!(is_space, "{refused}");
        assert_eq!(files(), 0, "{refused}");
    }
    bus.server("s").capacity(2).join().unwrap();
    assert_eq!(files(), 4);
    say("done");
}

fn is_no_space(error: &SegmentError) -> bool {
    matches!(error, SegmentError::NoSpace { .. })
}

#[test]
#[cfg_attr(
    feature = "portable",
    ignore = "there is no portable way to reserve memory"
)]
fn a_service_that_does_not_fit_is_refused_and_leaves_nothing() {
    on_small_file_system("full/serves", 2048);
}

fn locks(stage: &Stage) {
    let bus = stage.bus();
    let topic = || bus.topic("t").lock_memory(true);
    for refused in [topic().create(), topic().open_or_create()] {
        let refused = refused.unwrap_err();
        let is_limit = matches!(refused, TopicError::Segment(SegmentError::LockLimit { .. }));
        assert!(is_limit, "{refused}");
        assert!(bus.topics().unwrap().is_empty());
    }
    // What others made stays.
    bus.topic("t").create().unwrap();
    topic().open_or_create().unwrap_err();
    assert_eq!(bus.topics().unwrap().len(), 1);
    say("done");
}

#[test]
#[cfg_attr(
    feature = "portable",
    ignore = "there is no portable way to lock memory"
)]
fn a_topic_that_may_not_be_locked_is_refused_and_leaves_nothing() {
    // The right to exceed the limit, which root has, is given up; others have it not.
    let set_right = ["--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock"];
    let may_set = Command::new("setpriv").args(set_right).arg("true").output();
    let may_set = may_set.is_ok_and(|ended| ended.status.success());
    if !may_set && is_root() {
        return println!(
            "skipped: root is bound to the limit by setpriv(1) only, which is not there"
        );
    }
    let mut shell = Command::new(if may_set { "setpriv" } else { "env" });
    if may_set {
        shell.args(set_right);
    }
    shell.args(["sh", "-c", "ulimit -l 64 && exec \"$0\" \"$@\""]);
    shell.arg(binary());
    let root = Scratch::new();
    let mut actor = Actor::start_by(shell, "full/locks", root.path(), &[]);
    assert_eq!(actor.hear(), "done");
    assert!(actor.ends_well());
}

/// Takes the rest of the file system.
fn fill(stage: &Stage) -> std::path::PathBuf {
    let path = stage.root.join("filler");
    let mut file = fs::File::create(&path).unwrap();
    for len in [1 << 16, 1 << 12, 1] {
        while file.write(&vec![1; len]).is_ok_and(|written| written > 0) {}
    }
    path
}

fn uses(stage: &Stage) {
    let bus = stage.bus();
    for mode in MODES {
        let builder = bus.topic("t").capacity(16).payload_max(8000);
        let topic = match mode {
            ringbus::PublisherMode::Shared => builder.shared().create().unwrap(),
            ringbus::PublisherMode::Exclusive => builder.create().unwrap(),
        };
        let publisher = topic.publisher().unwrap();
        let mut reliable = topic.subscriber().reliable().join().unwrap();
        let mut lossy = topic.subscriber().lossy().join().unwrap();
        let filler = fill(stage);

        // Every byte of the ring was reserved: many laps find no byte missing.
        let payload = [7; 8000];
        for seq in 0..100 {
            assert_eq!(publisher.try_publish(&payload), Ok(seq));
            assert_eq!(
                reliable.poll().unwrap().expect("published").payload(),
                payload
            );
        }
        // What must be reserved now is refused, with nothing taken.
        assert!(bus.topic("another").create().is_err());
        if mode == ringbus::PublisherMode::Shared {
            let error = topic.publisher().unwrap_err();
            let is_space = matches!(error, JoinError::Segment(SegmentError::NoSpace { .. }));
            assert!(is_space, "{error}");
            assert_eq!(topic.info().publishers.len(), 1);
        }
        // A spare chunk for what is held: if there is no room, then no publish, and no harm.
        lossy.seek(Start::Last(1)).unwrap();
        let held = lossy.poll().unwrap().expect("retained");
        let outcomes: Vec<_> = (0..200)
            .map(|_| {
                let outcome = publisher.try_publish(&payload);
                while reliable.poll().unwrap().is_some() {}
                outcome
            })
            .collect();
        let is_fine = |outcome: &Result<u64, PublishError>| {
            matches!(
                outcome,
                Ok(_)
                    | Err(PublishError::NoSpace {
                        needed_bytes: 8032..
                    })
            )
        };
        assert!(outcomes.iter().all(is_fine), "{outcomes:?}");
        if mode == ringbus::PublisherMode::Exclusive {
            assert_eq!(
                outcomes.last(),
                Some(&Err(PublishError::NoSpace { needed_bytes: 8032 }))
            );
        }
        assert_eq!(held.payload(), payload);
        drop(held);
        // With room it goes on.
        fs::remove_file(filler).unwrap();
        for _ in 0..100 {
            publisher.try_publish(&payload).unwrap();
            while reliable.poll().unwrap().is_some() {}
        }
        assert!(matches!(lossy.poll(), Err(PollError::Lagged { .. })));
        topic.publisher().map_or_else(
            |error| {
                assert!(
                    matches!(error, JoinError::PublisherExists { .. }),
                    "{error}"
                )
            },
            drop,
        );
        drop((publisher, reliable, lossy, topic));
        bus.remove("t", ringbus::Remove::IfUnused).unwrap();
    }
    say("done");
}

#[test]
#[cfg_attr(
    feature = "portable",
    ignore = "there is no portable way to reserve memory"
)]
fn a_file_system_that_fills_up_later_ends_nobody() {
    on_small_file_system("full/uses", 4096);
}

/// Looks at more topics than it may have files open.
fn lists(stage: &Stage) {
    const FILES: u64 = 24;
    let limit = libc::rlimit {
        rlim_cur: FILES,
        rlim_max: FILES,
    };
    let bus = stage.bus();
    let topics = stage.number(0);
    let mut watch = bus.watch().unwrap();
    // SAFETY: `limit` is one `rlimit`; it concerns this process alone.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
    assert!(topics > FILES);
    assert_eq!(bus.topics().unwrap().len() as u64, topics);
    assert_eq!(bus.gc().unwrap(), ringbus::Collected::default());
    let mut appeared = 0;
    while let Some(event) = watch.next(std::time::Duration::ZERO).unwrap() {
        assert!(
            matches!(event, ringbus::TopicEvent::Appeared(_)),
            "{event:?}"
        );
        appeared += 1;
    }
    assert_eq!(appeared, topics);
    // With no descriptor left nothing is said to be missing.
    let open = || fs::File::open(&stage.root);
    let files: Vec<_> = std::iter::from_fn(|| open().ok()).collect();
    let error = bus.topics().unwrap_err();
    assert!(error.to_string().contains("open files"), "{error}");
    // A watch opens only what is new.
    assert_eq!(watch.next(std::time::Duration::ZERO).unwrap(), None);
    say("full");
    stage.wait();
    let error = watch.next(std::time::Duration::ZERO).unwrap_err();
    assert!(error.to_string().contains("open files"), "{error}");
    drop(files);
    let event = watch.next(std::time::Duration::ZERO).unwrap();
    assert!(
        matches!(event, Some(ringbus::TopicEvent::Appeared(_))),
        "{event:?}"
    );
    assert_eq!(watch.next(std::time::Duration::ZERO).unwrap(), None);
    say("done");
}

#[test]
fn a_bus_with_more_topics_than_files_may_be_open_is_listed_whole() {
    const TOPICS: u64 = 40;
    let bus = crate::support::TestBus::new();
    for number in 0..TOPICS {
        let topic = bus.topic(&format!("topic/{number}")).capacity(1);
        topic.create().unwrap();
    }
    let mut actor = Actor::start("full/lists", bus.root().path(), &[&TOPICS.to_string()]);
    assert_eq!(actor.hear(), "full");
    let _new = bus.topic("new").capacity(1).create().unwrap();
    actor.cue();
    assert_eq!(actor.hear(), "done");
    assert!(actor.ends_well());
}
