//! Names of topics and buses.

use ringbus::{Bus, NameError, OpenError, Start, TopicError};

use crate::support::{self, Scratch, TestBus};

#[test]
fn names_are_data_and_never_paths() {
    let bus = TestBus::new();
    let longest = "é".repeat(127) + "x";
    let names = [
        "a",
        "robot/7/pose",
        "a b",
        "-",
        "~",
        "a.b/..c",
        "\u{1f980}/ring",
        "$HOME",
        &longest,
    ];
    for name in names {
        let topic = bus.topic(name).create().unwrap();
        assert_eq!(topic.name().as_str(), name);
        topic.publisher().unwrap().publish(name.as_bytes()).unwrap();
    }
    for name in names {
        let topic = bus.topic(name).open().unwrap();
        let mut observer = topic.observer(Start::Oldest).unwrap();
        assert_eq!(
            observer.poll().unwrap().expect("published").payload(),
            name.as_bytes()
        );
    }
    // All files lie side by side.
    let topics = bus.path().join("topics");
    let files = support::names(&topics);
    assert!(files.iter().all(|name| topics.join(name).is_file()));
    let mut sorted = names;
    sorted.sort_unstable();
    let listed = bus.topics().unwrap();
    assert!(listed.iter().map(|info| info.name.as_str()).eq(sorted));
}

#[test]
fn names_that_are_not_allowed_are_refused() {
    let bus = TestBus::new();
    let long = "x".repeat(256);
    for name in [
        "", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a\n", "a\0", "a/*", ">", &long,
    ] {
        for result in [
            bus.topic(name).create(),
            bus.topic(name).open(),
            bus.topic(name).open_or_create(),
        ] {
            assert!(
                matches!(result, Err(TopicError::Name(_))),
                "{name:?}: {result:?}"
            );
        }
        let removed = bus.remove(name, ringbus::Remove::Force);
        assert!(matches!(removed, Err(TopicError::Name(_))), "{name:?}");
    }
    assert!(bus.topics().unwrap().is_empty());
}

#[test]
fn a_bus_has_a_plain_name() {
    let scratch = Scratch::new();
    let open = |name: &str| Bus::builder().dir(scratch.path()).name(name).open();
    for name in ["", ".hidden", "a/b", "..", "a b", "é", &"x".repeat(65)] {
        let error = open(name).unwrap_err();
        assert!(matches!(error, OpenError::Name(_)), "{name:?}: {error}");
    }
    let too_long = open(&"x".repeat(65)).unwrap_err();
    let is_len = matches!(
        too_long,
        OpenError::Name(NameError::TooLong { len_bytes: 65, .. })
    );
    assert!(is_len, "{too_long}");
    let bus = open("Robot-7_x.1").unwrap();
    assert_eq!(
        (bus.name(), bus.path()),
        ("Robot-7_x.1", &*scratch.path().join("Robot-7_x.1"))
    );
}

#[test]
fn two_names_of_one_hash_are_two_topics() {
    // Both have the 64-bit FNV-1a hash 4eac0c95540867e4.
    let names = ["8yn0iYCKYHlIj4-BwPqk", "GReLUrM4wMqfg9yzV3KQ"];
    for names in [names, [names[1], names[0]]] {
        let bus = TestBus::new();
        let topics = names.map(|name| bus.topic(name).create().unwrap());
        for (topic, name) in topics.iter().zip(names) {
            topic.publisher().unwrap().publish(name.as_bytes()).unwrap();
        }
        let first_message = |name: &str| {
            let topic = bus.topic(name).open()?;
            let mut observer = topic.observer(Start::Oldest).unwrap();
            Ok::<_, TopicError>(observer.poll().unwrap().expect("published").to_vec())
        };
        for name in names {
            assert_eq!(first_message(name).unwrap(), name.as_bytes());
        }
        assert_eq!(bus.topics().unwrap().len(), 2);
        // The second is found behind the gap that the first leaves, and does not fill it.
        drop(topics);
        bus.remove(names[0], ringbus::Remove::IfUnused).unwrap();
        assert!(matches!(
            first_message(names[0]),
            Err(TopicError::NotFound { .. })
        ));
        assert_eq!(first_message(names[1]).unwrap(), names[1].as_bytes());
        let reopened = bus.topic(names[1]).open_or_create().unwrap();
        assert_eq!(reopened.info().next, 1);
        assert!(matches!(
            bus.topic(names[1]).create(),
            Err(TopicError::Exists { .. })
        ));
        assert_eq!(bus.topic(names[0]).create().unwrap().info().next, 0);
        assert_eq!(bus.topics().unwrap().len(), 2);
    }
}

#[test]
fn buses_of_one_directory_are_apart() {
    let scratch = Scratch::new();
    let open = |name: &str| {
        Bus::builder()
            .dir(scratch.path())
            .name(name)
            .open()
            .unwrap()
    };
    let (one, two) = (open("one"), open("two"));
    one.topic("t").create().unwrap();
    assert!(matches!(
        two.topic("t").open(),
        Err(TopicError::NotFound { .. })
    ));
    assert!(two.topics().unwrap().is_empty());
}
