//! What other users and other umasks may do.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use ringbus::{Bus, JoinError, PollError, SegmentError, Start};

use super::actor::{Actor, Roles, Stage, is_root, say};
use crate::support::{MODES, Scratch, TestBus, checked};

pub const ROLES: Roles = &[
    ("rights/subscriber", subscriber),
    ("rights/stranger", stranger),
    ("rights/masked", masked),
];

const NOBODY: u32 = 65534;

/// The rights with which files of this suffix are mapped here.
fn mapped(suffix: &str) -> Vec<String> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let lines = maps.lines().filter(|line| line.ends_with(suffix));
    lines
        .map(|line| line.split(' ').nth(1).unwrap().to_owned())
        .collect()
}

fn subscriber(stage: &Stage) {
    let topic = stage.topic();
    let mut observer = topic.observer(Start::Latest).unwrap();
    assert_eq!(
        (mapped(".ring"), mapped(".cursors").len()),
        (vec!["r--s".to_owned()], 0)
    );
    let mut subscriber = topic.subscriber().reliable().join().unwrap();
    let mut lossy = topic.subscriber().lossy().join().unwrap();
    say("joined");
    stage.wait();
    for reader in [&mut subscriber, &mut lossy] {
        assert_eq!(reader.poll().unwrap().expect("published").payload(), b"x");
    }
    assert_eq!(observer.poll().unwrap().expect("published").payload(), b"x");
    assert_eq!(mapped(".cursors"), ["rw-s"]);
    say(mapped(".ring").join(" "));
}

#[test]
#[cfg_attr(
    feature = "portable",
    ignore = "memory is always mapped writable, and by one user only"
)]
fn subscribers_map_the_ring_read_only() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).create().unwrap();
        let mut actor = Actor::start("rights/subscriber", bus.root().path(), &[]);
        assert_eq!(actor.hear(), "joined");
        topic.publisher().unwrap().publish(b"x").unwrap();
        actor.cue();
        assert_eq!(actor.hear(), "r--s");
        assert!(actor.ends_well());
    }
}

/// Becomes another user, who may read and not write, and observes.
fn stranger(stage: &Stage) {
    // SAFETY: a list of no groups.
    assert_eq!(unsafe { libc::setgroups(0, std::ptr::null()) }, 0);
    // SAFETY: takes no pointers.
    assert_eq!(unsafe { libc::setgid(NOBODY) }, 0);
    // SAFETY: takes no pointers.
    assert_eq!(unsafe { libc::setuid(NOBODY) }, 0);
    let topic = stage.topic();
    for error in [
        topic.publisher().unwrap_err(),
        topic.subscriber().join().unwrap_err(),
    ] {
        let is_permission = matches!(error, JoinError::Segment(SegmentError::Permission { .. }));
        assert!(is_permission, "{error}");
    }
    let info = topic.info();
    assert_eq!((info.publishers.len(), info.subscribers.len()), (1, 1));
    assert!(info.publishers[0].alive && info.subscribers[0].alive);
    let mut observer = topic.observer(Start::Oldest).unwrap();
    say("observes");
    let (mut received, mut missed) = (0, 0);
    while received + missed < stage.number(0) {
        observer.wait(std::time::Duration::from_secs(30)).unwrap();
        match observer.poll() {
            Ok(Some(message)) => {
                assert_eq!(checked::check(message.payload()), (1, received + missed));
                received += 1;
            }
            Ok(None) => {}
            Err(PollError::Lagged { missed: more }) => missed += more,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(
        mapped(".ring")
            .iter()
            .chain(&mapped("registry"))
            .all(|rights| rights == "r--s")
    );
    say(format!("{received} {missed}"));
}

#[test]
#[cfg_attr(
    feature = "portable",
    ignore = "memory is always mapped writable, and by one user only"
)]
fn observers_need_nothing_but_to_read() {
    const COUNT: u64 = 2_000;
    if !is_root() {
        return;
    }
    for mode in MODES {
        let root = Scratch::new();
        let bus = Bus::builder().dir(root.path()).mode(0o644).open().unwrap();
        let topic = bus.topic("t").capacity(64).payload_max(100);
        let topic = match mode {
            ringbus::PublisherMode::Shared => topic.shared().create().unwrap(),
            ringbus::PublisherMode::Exclusive => topic.create().unwrap(),
        };
        // Not even the cursors, which those who may subscribe can write.
        let files = fs::read_dir(bus.path().join("topics")).unwrap();
        let files = files.map(|entry| entry.unwrap().path());
        let files: Vec<_> = files.chain([bus.path().join("registry")]).collect();
        files.iter().for_each(|file| chmod(file, 0o444));
        let publisher = topic.publisher().unwrap();
        let reliable = topic.subscriber().lossy().join().unwrap();
        for serial in 0..20 {
            publisher
                .publish(&checked::payload(100, 1, serial))
                .unwrap();
        }
        let mut actor = Actor::start("rights/stranger", root.path(), &[&COUNT.to_string()]);
        assert_eq!(actor.hear(), "observes");
        for serial in 20..COUNT {
            publisher
                .publish(&checked::payload(100, 1, serial))
                .unwrap();
        }
        let said = actor.hear();
        println!("{mode}: a stranger received and missed {said}");
        assert!(actor.ends_well());
        assert_eq!(topic.info().subscribers.len(), 1);
        drop(reliable);
    }
}

#[test]
#[cfg_attr(
    feature = "portable",
    ignore = "memory is always mapped writable, and by one user only"
)]
fn observers_write_nothing() {
    if !is_root() {
        return;
    }
    let root = Scratch::new();
    let bus = Bus::builder().dir(root.path()).mode(0o644).open().unwrap();
    let topic = bus
        .topic("t")
        .capacity(64)
        .payload_max(100)
        .create()
        .unwrap();
    let publisher = topic.publisher().unwrap();
    let _lossy = topic.subscriber().lossy().join().unwrap();
    for serial in 0..20 {
        publisher
            .publish(&checked::payload(100, 1, serial))
            .unwrap();
    }
    let all = || {
        let files = fs::read_dir(bus.path().join("topics")).unwrap();
        let files = files.map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = files.chain([bus.path().join("registry")]).collect();
        files.sort();
        files
            .into_iter()
            .map(|file| fs::read(file).unwrap())
            .collect::<Vec<_>>()
    };
    fs::read_dir(bus.path().join("topics"))
        .unwrap()
        .for_each(|entry| chmod(&entry.unwrap().path(), 0o444));
    chmod(&bus.path().join("registry"), 0o444);
    let before = all();
    let mut actor = Actor::start("rights/stranger", root.path(), &["20"]);
    assert_eq!(actor.hear(), "observes");
    assert_eq!(actor.hear(), "20 0");
    assert!(actor.ends_well());
    assert!(all() == before, "a file has changed");
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Makes buses and topics under a umask.
fn masked(stage: &Stage) {
    // SAFETY: takes no pointers.
    unsafe { libc::umask(stage.number(0) as libc::mode_t) };
    for (name, mode) in [("own", 0o600), ("group", 0o650), ("all", 0o666)] {
        let bus = Bus::builder()
            .dir(&stage.root)
            .name(name)
            .mode(mode)
            .open()
            .unwrap();
        bus.topic("inherits").create().unwrap();
        bus.topic("own").mode(0o600).create().unwrap();
        drop(bus.topic("inherits").open().unwrap().publisher().unwrap());
    }
    say("made");
}

#[test]
fn the_umask_decides_nothing() {
    let modes_under = |umask: u32| {
        let root = Scratch::new();
        let mut actor = Actor::start("rights/masked", root.path(), &[&umask.to_string()]);
        assert_eq!(actor.hear(), "made");
        assert!(actor.ends_well());
        let mut modes = Vec::new();
        for bus in ["own", "group", "all"].map(|name| root.path().join(name)) {
            let topics = fs::read_dir(bus.join("topics")).unwrap();
            // Cursors have a random part in their names: sort by mode.
            let topics = topics.map(|entry| entry.unwrap().path());
            let topics = topics.filter(|path| !path.ends_with(".locks"));
            let files = topics.chain([bus.clone(), bus.join("registry"), bus.join("topics")]);
            let mut found: Vec<_> = files
                .map(|file| {
                    (
                        file.extension().map(|it| it.to_owned()),
                        fs::metadata(file).unwrap().mode() & 0o7777,
                    )
                })
                .collect();
            found.sort();
            modes.push(found);
        }
        modes
    };
    let open = modes_under(0);
    assert_eq!(open, modes_under(0o077));
    assert_eq!(open, modes_under(0o777));
    let of = |bus: usize, suffix: &str| -> Vec<u32> {
        let is_it = |(extension, _): &&(Option<std::ffi::OsString>, u32)| {
            extension
                .as_ref()
                .is_some_and(|extension| extension == suffix)
        };
        open[bus]
            .iter()
            .filter(is_it)
            .map(|(_, mode)| *mode)
            .collect()
    };
    assert_eq!(of(0, "ring"), [0o600, 0o600]);
    assert_eq!(of(1, "ring"), [0o600, 0o640]);
    assert_eq!(of(2, "ring"), [0o600, 0o666]);
    assert_eq!(of(0, "cursors"), [0o600, 0o600]);
    assert_eq!(of(1, "cursors"), [0o600, 0o660]);
}
