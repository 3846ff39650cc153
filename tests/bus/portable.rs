//! What the portable backend does about what its parts cannot do.

use std::fs;

use ringbus::{Bus, Error, OpenError, RegistryError, Remove, SegmentError, TopicError};

use crate::support::{Orphan, Scratch, TestBus, memory, names};

fn is_foreign(error: &TopicError) -> bool {
    matches!(error, TopicError::Segment(SegmentError::Foreign { .. }))
}

#[test]
fn what_is_no_descriptor_is_an_error_of_its_topic_alone() {
    let damages: [fn(&std::path::Path); 4] = [
        |path| fs::write(path, b"").unwrap(),
        |path| fs::write(path, [0; 50_000]).unwrap(),
        |path| fs::write(path, [b"RBUSPORT", &[1; 4088][..]].concat()).unwrap(),
        |path| {
            let object = fs::File::options().write(true).open(memory(path));
            object.unwrap().set_len(4096).unwrap();
        },
    ];
    for damage in damages {
        let bus = TestBus::new();
        let topic = || bus.topic("t").capacity(8);
        topic().create().unwrap();
        let ring = names(&bus.path().join("topics"));
        let ring = ring.iter().find(|name| name.ends_with(".ring")).unwrap();
        let ring = bus.path().join("topics").join(ring);
        let _memory = Orphan(memory(&ring));
        damage(&ring);
        for error in [topic().open(), topic().create(), topic().open_or_create()] {
            let error = error.unwrap_err();
            assert!(is_foreign(&error), "{error}");
        }
        assert_eq!(bus.topics().unwrap().len(), 0);
        let sound = bus.topic("sound").create().unwrap();
        sound.publisher().unwrap().publish(b"x").unwrap();
        bus.remove("t", Remove::Force).unwrap();
        topic().create().unwrap();
    }
}

#[test]
fn a_bus_of_the_native_backend_is_refused_in_words() {
    let scratch = Scratch::new();
    let bus = scratch.path().join("default");
    fs::create_dir_all(bus.join("topics")).unwrap();
    fs::write(
        bus.join("registry"),
        [b"RBUSREG\0", &[0; 69_624][..]].concat(),
    )
    .unwrap();
    let error = Bus::builder().dir(scratch.path()).open().unwrap_err();
    let is_foreign = matches!(
        error,
        OpenError::Registry(RegistryError::Segment(SegmentError::Foreign { .. }))
    );
    assert!(is_foreign, "{error}");
    assert!(Error::from(error).to_string().contains("`portable`"));
}

#[test]
fn memory_lost_with_the_host_is_made_anew() {
    let scratch = Scratch::new();
    let builder = || Bus::builder().dir(scratch.path());
    let bus = builder().open().unwrap();
    bus.topic("t").create().unwrap();
    let id = bus.id();
    let topics = bus.path().join("topics");
    let path = bus.path().to_owned();
    let files = names(&topics).into_iter().map(|name| topics.join(name));
    for file in files.chain([path.join("registry")]) {
        fs::remove_file(memory(&file)).unwrap();
    }
    drop(bus);
    let bus = builder().open().unwrap();
    assert_ne!(bus.id(), id);
    assert!(matches!(
        bus.topic("t").open(),
        Err(TopicError::NotFound { .. })
    ));
    bus.topic("t").create().unwrap();
}

#[test]
fn a_destroyed_bus_leaves_no_memory() {
    let bus = TestBus::new();
    let topic = bus.topic("t").create().unwrap();
    let publisher = topic.publisher().unwrap();
    let topics = bus.path().join("topics");
    let files = names(&topics).into_iter().map(|name| topics.join(name));
    let files = files.chain([bus.path().join("registry")]);
    let objects: Vec<_> = files.map(|file| memory(&file)).collect();
    assert_eq!(objects.len(), 3);
    assert!(objects.iter().all(|object| object.exists()));
    let place = || Bus::builder().dir(bus.root().path());
    place().destroy().unwrap();
    assert!(!objects.iter().any(|object| object.exists()));
    assert!(place().destroy().is_err());
    // Those who have it go on among themselves.
    publisher.publish(b"x").unwrap();
    assert!(topic.is_removed());
}
