//! The files of a bus: their rights, and what does not belong there.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use ringbus::{
    Access, Bus, HeaderError, OpenError, Publisher, Remove, Start, Subscriber, Topic, TopicError,
};

use crate::support::{MODES, Orphan, Scratch, TestBus, memory, names};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

/// The files of the bus's topics with this suffix.
fn files(bus: &Bus, suffix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(bus.path().join("topics")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.to_str().unwrap().ends_with(suffix))
        .collect()
}

/// The file of the bus's one topic.
fn ring(bus: &Bus) -> PathBuf {
    let mut files = files(bus, ".ring");
    assert_eq!(files.len(), 1);
    files.remove(0)
}

fn resize(path: &Path, len: u64) {
    fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(len)
        .unwrap();
}

#[test]
fn by_default_a_bus_is_its_users_own() {
    let scratch = Scratch::new();
    let root = scratch.path().join("root");
    let bus = Bus::builder().dir(&root).open().unwrap();
    bus.topic("t").create().unwrap();
    for directory in [&*root, bus.path(), &bus.path().join("topics")] {
        assert_eq!(mode(directory) & 0o077, 0, "{directory:?}");
    }
    assert_eq!(mode(&bus.path().join("registry")), 0o600);
    assert_eq!(mode(&ring(&bus)), 0o600);
    assert_eq!(mode(&files(&bus, ".cursors")[0]), 0o600);
}

#[test]
fn topics_have_the_mode_and_group_of_their_bus_or_their_own() {
    let scratch = Scratch::new();
    let gid = fs::metadata(scratch.path()).unwrap().gid();
    let bus = Bus::builder()
        .dir(scratch.path())
        .mode(0o640)
        .group(gid)
        .open()
        .unwrap();
    bus.topic("inherits").create().unwrap();
    let inherited = ring(&bus);
    assert_eq!(
        (mode(&inherited), fs::metadata(&inherited).unwrap().gid()),
        (0o640, gid)
    );
    // Who may observe writes nothing.
    assert_eq!(mode(&files(&bus, ".cursors")[0]), 0o640);
    assert_eq!(mode(&bus.path().join("registry")), 0o640);
    bus.remove("inherits", Remove::IfUnused).unwrap();
}

#[test]
fn a_topic_grants_what_its_own_mode_says() {
    let scratch = Scratch::new();
    let gid = fs::metadata(scratch.path()).unwrap().gid();
    let bus = Bus::builder().dir(scratch.path()).mode(0o666).open();
    let bus = bus.unwrap();
    for (own, of_ring, of_cursors) in [
        (0o600, 0o600, 0o600),
        (0o640, 0o640, 0o640),
        (0o650, 0o640, 0o660),
        (0o660, 0o660, 0o660),
        (0o644, 0o644, 0o644),
        (0o654, 0o644, 0o664),
        (0o666, 0o666, 0o666),
    ] {
        let topic = bus.topic("own").mode(own).group(gid).create().unwrap();
        let found = (mode(&ring(&bus)), mode(&files(&bus, ".cursors")[0]));
        assert_eq!(found, (of_ring, of_cursors), "{own:o}");
        let info = topic.info();
        assert_eq!((info.access.mode(), info.access.gid), (own, Some(gid)));
        assert_eq!(info.owner, fs::metadata(ring(&bus)).unwrap().uid());
        bus.remove("own", Remove::IfUnused).unwrap();
    }
}

#[test]
fn who_opens_a_bus_without_a_word_makes_topics_for_all_who_use_it() {
    let scratch = Scratch::new();
    let builder = || Bus::builder().dir(scratch.path());
    drop(builder().mode(0o650).open().unwrap());
    let bus = builder().open().unwrap();
    assert_eq!(bus.access().mode(), 0o650);
    assert_eq!(bus.topic("t").create().unwrap().info().access.mode(), 0o650);
    // Less is had for the asking.
    let private = builder().access(Access::PRIVATE).open().unwrap();
    let topic = private.topic("own").create().unwrap();
    assert_eq!(topic.info().access.mode(), 0o600);
}

#[test]
fn more_than_a_bus_grants_is_refused() {
    let scratch = Scratch::new();
    let builder = || Bus::builder().dir(scratch.path());
    let bus = builder().mode(0o640).open().unwrap();
    for mode in [0o650, 0o660, 0o644] {
        let refused = builder().mode(mode).open().unwrap_err();
        assert!(matches!(refused, OpenError::Closed { .. }), "{refused:?}");
        let refused = bus.topic("t").mode(mode).create().unwrap_err();
        assert!(matches!(refused, TopicError::Closed { .. }), "{refused:?}");
        let text = refused.to_string();
        assert!(
            text.contains("topic t") && text.contains("may observe"),
            "{text}"
        );
    }
    assert!(bus.topics().unwrap().is_empty());
}

#[test]
fn a_topic_with_another_access_is_no_match() {
    let scratch = Scratch::new();
    let bus = Bus::builder().dir(scratch.path()).mode(0o660).open();
    let bus = bus.unwrap();
    let topic = || bus.topic("t");
    topic().mode(0o640).create().unwrap();
    topic().mode(0o640).open().unwrap();
    topic().open().unwrap();
    for refused in [
        topic().mode(0o600).open().unwrap_err(),
        topic().group(u32::MAX - 1).open_or_create().unwrap_err(),
    ] {
        let is_access = matches!(refused, TopicError::Mismatch { what: "access", .. });
        assert!(is_access, "{refused:?}");
    }
    let nonsense = topic().mode(0o620).open_or_create().unwrap_err();
    assert!(matches!(nonsense, TopicError::Access(_)), "{nonsense:?}");
}

/// What is said of a topic whose file `damage` has changed; all others go on.
fn assert_clear_error(damage: impl Fn(&Path), is_expected: impl Fn(&TopicError) -> bool) {
    for mode in MODES {
        let bus = TestBus::new();
        bus.topic_of(mode)
            .capacity(8)
            .schema(&[1; 5000])
            .create()
            .unwrap();
        let file = ring(&bus);
        let sound = bus.topic("sound").create().unwrap();
        damage(&file);

        let topic = || bus.topic("t");
        for result in [topic().open(), topic().create(), topic().open_or_create()] {
            let error = result.unwrap_err();
            assert!(is_expected(&error), "{error:?}");
            let text = error.to_string();
            assert!(text.contains(file.to_str().unwrap()), "{text}");
        }
        assert!(bus.remove("t", Remove::IfUnused).is_err());
        let (publisher, mut subscriber) = pair(&sound);
        publisher.publish(b"x").unwrap();
        assert_eq!(
            subscriber.poll().unwrap().expect("published").payload(),
            b"x"
        );
        let listed = bus.topics().unwrap();
        assert!(listed.iter().map(|info| info.name.as_str()).eq(["sound"]));
        bus.topic("another").create().unwrap();
        bus.gc().unwrap();
        bus.watch().unwrap();
        assert!(file.symlink_metadata().is_ok(), "only force removes it");
    }
}

fn pair(topic: &Topic<[u8]>) -> (Publisher<[u8]>, Subscriber<[u8]>) {
    (
        topic.publisher().unwrap(),
        topic.subscriber().reliable().join().unwrap(),
    )
}

fn is_header(error: &TopicError, is_expected: impl Fn(&HeaderError) -> bool) -> bool {
    matches!(error, TopicError::Header { source, .. } if is_expected(source))
}

/// Changes bytes of a file.
fn overwrite(path: &Path, offset: usize, bytes: &[u8]) {
    let path = &memory(path);
    let mut contents = fs::read(path).unwrap();
    contents[offset..][..bytes.len()].copy_from_slice(bytes);
    fs::write(path, contents).unwrap();
}

/// Makes the checksum at the end of a header right again after a change.
fn reseal(path: &Path) {
    let contents = fs::read(memory(path)).unwrap();
    let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let sum = contents[..4088].iter().fold(0xcbf2_9ce4_8422_2325, fnv);
    overwrite(path, 4088, &sum.to_le_bytes());
}

#[test]
#[cfg_attr(
    feature = "portable",
    ignore = "a descriptor of another length is refused as a whole: see portable.rs"
)]
fn garbage_is_an_error_of_its_topic_alone() {
    let noise = |at: u32| (at.wrapping_mul(0x9e37_79b9) >> 24) as u8;
    let garbage = [vec![0; 50_000], (0..100_000).map(noise).collect()];
    for garbage in garbage {
        assert_clear_error(
            |path| fs::write(path, &garbage).unwrap(),
            |error| is_header(error, |source| *source == HeaderError::Magic),
        );
    }
}

#[test]
#[cfg_attr(
    feature = "portable",
    ignore = "a descriptor of another length is refused as a whole: see portable.rs"
)]
fn a_truncated_file_is_an_error_of_its_topic_alone() {
    for len in [0, 1, 100, 4095, 4096, 8192, 9095, 12_000] {
        assert_clear_error(
            |path| resize(path, len),
            |error| {
                is_header(
                    error,
                    |source| matches!(source, HeaderError::Truncated { found, .. } if *found == len),
                )
            },
        );
    }
}

#[test]
fn a_damaged_header_is_an_error_of_its_topic_alone() {
    // Any byte of it, the reserved ones and the checksum included.
    for offset in [48, 56, 64, 100, 160, 500, 939, 2000, 4087, 4095] {
        let flip = |path: &Path| {
            let byte = fs::read(memory(path)).unwrap()[offset];
            overwrite(path, offset, &[byte ^ 0x10]);
        };
        assert_clear_error(flip, |error| {
            is_header(error, |source| *source == HeaderError::Checksum)
        });
    }
}

#[test]
fn a_damaged_schema_is_an_error_of_its_topic_alone() {
    for offset in [4096, 4096 + 4999] {
        let flip = |path: &Path| overwrite(path, offset, &[2]);
        assert_clear_error(flip, |error| {
            is_header(error, |source| {
                matches!(source, HeaderError::Field { field: "schema" })
            })
        });
    }
}

#[test]
fn a_foreign_layout_is_an_error_of_its_topic_alone() {
    let change = |offset: usize, bytes: &'static [u8]| {
        move |path: &Path| {
            overwrite(path, offset, bytes);
            reseal(path);
        }
    };
    assert_clear_error(change(8, &[99, 0, 0, 0]), |error| {
        is_header(error, |source| {
            matches!(source, HeaderError::LayoutVersion { found: 99, .. })
        }) && error.to_string().contains("version 99")
    });
    assert_clear_error(change(12, &[1, 2, 3, 4]), |error| {
        is_header(error, |source| {
            matches!(source, HeaderError::Platform { .. })
        })
    });
    assert_clear_error(change(16, &[4, 0, 0, 0]), |error| {
        is_header(error, |source| {
            matches!(source, HeaderError::Platform { what: "word size" })
        })
    });
    assert_clear_error(change(24, &[0, 1, 0, 0]), |error| {
        is_header(error, |source| {
            matches!(source, HeaderError::Features { unknown: 0x100 })
        })
    });
    // A capacity whose slots would lie outside of the file.
    assert_clear_error(change(48, &[0, 0, 0, 0, 0, 1, 0, 0]), |error| {
        matches!(error, TopicError::Header { .. })
    });
}

#[test]
fn other_kinds_of_files_are_an_error_of_their_topic_alone() {
    let replacements: [fn(&Path); 2] = [
        |path| fs::create_dir(path).unwrap(),
        |path| symlink("/dev/zero", path).unwrap(),
    ];
    for replace in replacements {
        let damage = |path: &Path| {
            let memory = memory(path);
            fs::remove_file(path).unwrap();
            let _ = fs::remove_file(memory); // there no more, unless it was elsewhere
            replace(path);
        };
        assert_clear_error(damage, |error| {
            error.to_string().contains("not a regular file")
        });
    }
}

#[test]
#[cfg_attr(
    feature = "portable",
    ignore = "a descriptor of another length is refused as a whole: see portable.rs"
)]
fn damaged_cursors_are_an_error_of_their_topic_alone() {
    for len in [0, 5000] {
        let bus = TestBus::new();
        let topic = bus.topic("t").create().unwrap();
        resize(&files(&bus, ".cursors")[0], len);
        let sound = bus.topic("sound").create().unwrap();
        let errors = [
            topic.publisher().unwrap_err(),
            topic.subscriber().join().unwrap_err(),
        ];
        for error in errors {
            let text = error.to_string();
            assert!(
                text.contains(".cursors") && text.contains("bytes"),
                "{text}"
            );
        }
        assert!(
            topic
                .observer(Start::Oldest)
                .unwrap()
                .poll()
                .unwrap()
                .is_none()
        );
        assert_eq!(bus.topics().unwrap().len(), 2);
        pair(&sound).0.publish(b"x").unwrap();
    }
}

#[test]
fn force_removes_a_damaged_topic() {
    let bus = TestBus::new();
    bus.topic("t").create().unwrap();
    let _memory = Orphan(memory(&ring(&bus)));
    fs::write(ring(&bus), b"garbage").unwrap();
    assert!(bus.remove("t", Remove::IfUnused).is_err());
    bus.remove("t", Remove::Force).unwrap();
    let topic = bus.topic("t").create().unwrap();
    pair(&topic).0.publish(b"x").unwrap();
    // The old cursors belong to nobody any more.
    assert_eq!(files(&bus, ".cursors").len(), 2);
    assert_eq!(bus.gc().unwrap().files, 1);
    assert_eq!(files(&bus, ".cursors").len(), 1);
    pair(&topic).0.publish(b"x").unwrap();
}

#[test]
fn files_of_others_stay_where_they_are() {
    let bus = TestBus::new();
    bus.topic("t").create().unwrap();
    let topics = bus.path().join("topics");
    for name in ["README", "x.ring", "0123456789abcdef.ring.bak"] {
        fs::write(topics.join(name), b"not ours").unwrap();
        fs::set_permissions(topics.join(name), fs::Permissions::from_mode(0o000)).unwrap();
    }
    bus.gc().unwrap();
    assert_eq!(bus.topics().unwrap().len(), 1);
    assert_eq!(names(&topics).len(), 5);
}
