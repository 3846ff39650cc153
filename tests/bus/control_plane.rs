//! Creating, opening, listing and removing topics and buses.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use ringbus::{
    Bus, Collected, DirectoryError, JoinError, OpenError, PublishError, Remove, Start, TimeSource,
    TopicBuilder, TopicError,
};

use crate::support::{MODES, Scratch, TestBus, names};

#[test]
fn a_topic_is_created_once() {
    let bus = TestBus::new();
    assert!(matches!(
        bus.topic("t").open(),
        Err(TopicError::NotFound { .. })
    ));
    bus.topic("t").create().unwrap();
    let error = bus.topic("t").create().unwrap_err();
    assert!(matches!(error, TopicError::Exists { .. }), "{error}");
    assert!(error.to_string().contains("topic t exists"), "{error}");
    let opened = [
        bus.topic("t").open().unwrap(),
        bus.topic("t").open_or_create().unwrap(),
    ];
    let publisher = opened[0].publisher().unwrap();
    let mut subscriber = opened[1].subscriber().join().unwrap();
    publisher.publish(b"one ring").unwrap();
    assert_eq!(
        subscriber.poll().unwrap().expect("published").payload(),
        b"one ring"
    );
}

#[test]
fn a_creator_beside_removers_gets_its_own_topic_or_is_told_that_there_is_one() {
    let bus = TestBus::new();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let creators = [(); 2].map(|()| {
            scope.spawn(|| {
                let mut created = 0;
                while created < 20 {
                    match bus.topic("t").capacity(4).max_subscribers(1).create() {
                        // Nobody else got this one: it has no other publisher.
                        Ok(topic) => match topic.publisher() {
                            Ok(_) | Err(JoinError::Removed { .. }) => created += 1,
                            Err(error) => panic!("{error}"),
                        },
                        Err(TopicError::Exists { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        });
        scope.spawn(|| {
            while !is_over.load(Ordering::Acquire) {
                match bus.remove("t", Remove::Force) {
                    Ok(()) | Err(TopicError::NotFound { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
        let ended = creators.map(|creator| creator.join().is_ok());
        is_over.store(true, Ordering::Release);
        assert_eq!(ended, [true; 2]);
    });
}

type Setter = fn(TopicBuilder<[u8]>) -> TopicBuilder<[u8]>;

#[test]
fn what_is_asked_for_must_agree_with_what_is_there() {
    let bus = TestBus::new();
    let create: Setter = |topic| {
        let topic = topic
            .capacity(8)
            .payload_max(100)
            .alignment(64)
            .shared()
            .max_publishers(3);
        let topic = topic
            .max_subscribers(5)
            .loans(4)
            .pins(2)
            .tags(false)
            .time(TimeSource::Clock);
        topic.encoding("json").schema(b"{}").first_sequence(7)
    };
    create(bus.topic("t")).create().unwrap();
    create(bus.topic("t")).open().unwrap();
    bus.topic("t").open().unwrap();
    let others: [(&str, Setter, &str, &str); 14] = [
        ("capacity", |topic| topic.capacity(16), "16", "8"),
        ("payload", |topic| topic.payload_max(101), "101", "100"),
        (
            "payload",
            |topic| topic.payload_fixed(100),
            "exactly 100",
            "up to 100",
        ),
        ("alignment", |topic| topic.alignment(8), "8", "64"),
        (
            "publisher mode",
            |topic| topic.exclusive(),
            "exclusive",
            "shared",
        ),
        ("max_publishers", |topic| topic.max_publishers(4), "4", "3"),
        (
            "max_subscribers",
            |topic| topic.max_subscribers(6),
            "6",
            "5",
        ),
        ("loans", |topic| topic.loans(5), "5", "4"),
        ("pins", |topic| topic.pins(3), "3", "2"),
        ("tags", |topic| topic.tags(true), "true", "false"),
        (
            "time source",
            |topic| topic.time(TimeSource::None),
            "none",
            "clock",
        ),
        ("encoding", |topic| topic.encoding("xml"), "xml", "json"),
        ("schema", |topic| topic.schema(b"{ }"), "3 bytes", "2 bytes"),
        ("first sequence", |topic| topic.first_sequence(8), "8", "7"),
    ];
    for (property, set, asked, found) in others {
        for result in [
            set(bus.topic("t")).open(),
            set(bus.topic("t")).open_or_create(),
        ] {
            let error = result.unwrap_err();
            let is_it = matches!(error, TopicError::Mismatch { what, .. } if what == property);
            assert!(is_it, "{property}: {error}");
            let text = error.to_string();
            assert!(
                text.contains(asked) && text.contains(found),
                "{property}: {text}"
            );
        }
    }
}

#[test]
fn options_that_contradict_each_other_create_nothing() {
    let bus = TestBus::new();
    let contradictions: [Setter; 2] = [
        |topic| topic.exclusive().loans(3),
        |topic| topic.exclusive().max_publishers(3),
    ];
    for set in contradictions {
        let error = set(bus.topic("t")).create().unwrap_err();
        assert!(matches!(error, TopicError::Mismatch { .. }), "{error}");
        assert!(matches!(
            bus.topic("t").open(),
            Err(TopicError::NotFound { .. })
        ));
        let error = set(bus.topic("t")).open_or_create().unwrap_err();
        assert!(matches!(error, TopicError::Mismatch { .. }), "{error}");
        assert!(bus.topics().unwrap().is_empty());
    }
    assert!(
        bus.topic("t")
            .payload_max(9)
            .typed::<u64>()
            .create()
            .is_err()
    );
    assert!(bus.topics().unwrap().is_empty());
}

#[test]
fn a_topic_in_use_is_not_removed_unless_by_force() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let subscriber = topic.subscriber().join().unwrap();
        let in_use = |expected: (usize, usize)| {
            let error = bus.remove("t", Remove::IfUnused).unwrap_err();
            let TopicError::InUse {
                publishers,
                subscribers,
                ..
            } = error
            else {
                panic!("{error}");
            };
            assert_eq!((publishers, subscribers), expected);
            bus.topic("t").open().unwrap();
        };
        in_use((1, 1));
        drop(publisher);
        in_use((0, 1));
        drop(subscriber);
        let publisher = topic.publisher().unwrap();
        in_use((1, 0));
        drop(publisher);
        let _observer = topic.observer(Start::Latest).unwrap();
        bus.remove("t", Remove::IfUnused).unwrap();
        assert!(matches!(
            bus.topic("t").open(),
            Err(TopicError::NotFound { .. })
        ));
        let error = bus.remove("t", Remove::Force).unwrap_err();
        assert!(matches!(error, TopicError::NotFound { .. }), "{error}");
    }
}

#[test]
fn peers_of_a_removed_topic_go_on_among_themselves() {
    for mode in MODES {
        let bus = TestBus::new();
        let old = bus.topic_of(mode).capacity(4).create().unwrap();
        let publisher = old.publisher().unwrap();
        let mut subscriber = old.subscriber().reliable().join().unwrap();
        let mut observer = old.observer(Start::Latest).unwrap();
        bus.remove("t", Remove::Force).unwrap();
        assert!(bus.topics().unwrap().is_empty());

        // Whoever opens the name now meets others.
        let new = bus.topic_of(mode).capacity(4).create().unwrap();
        let new_publisher = new.publisher().unwrap();
        let mut new_subscriber = new.subscriber().reliable().join().unwrap();
        for serial in 0..20_u8 {
            assert_eq!(publisher.publish(&[serial, 1]), Ok(serial.into()));
            assert_eq!(new_publisher.publish(&[serial, 2]), Ok(serial.into()));
            assert_eq!(
                subscriber.poll().unwrap().expect("published").payload(),
                [serial, 1]
            );
            assert_eq!(
                observer.poll().unwrap().expect("published").payload(),
                [serial, 1]
            );
            assert_eq!(
                new_subscriber.poll().unwrap().expect("published").payload(),
                [serial, 2]
            );
        }
        for _ in 0..4 {
            publisher.try_publish(b"x").unwrap();
        }
        assert!(matches!(
            publisher.try_publish(b"x"),
            Err(PublishError::Full(_))
        ));
    }
}

#[test]
fn an_old_handle_never_mixes_with_the_new_topic() {
    for mode in MODES {
        let bus = TestBus::new();
        let unused = bus.topic_of(mode).create().unwrap();
        let used = bus.topic("t").open().unwrap();
        drop(used.subscriber().join().unwrap());
        bus.remove("t", Remove::IfUnused).unwrap();
        for recreated in [false, true] {
            if recreated {
                bus.topic_of(mode).create().unwrap();
            }
            for handle in [&unused, &used] {
                let error = handle.publisher().unwrap_err();
                assert!(matches!(error, JoinError::Removed { .. }), "{error}");
                assert!(error.to_string().contains("open it again"), "{error}");
            }
            let error = unused.subscriber().join().unwrap_err();
            assert!(matches!(error, JoinError::Removed { .. }), "{error}");
        }
        let new = bus.topic("t").open().unwrap();
        new.publisher().unwrap().publish(b"new").unwrap();
        let mut old = unused.observer(Start::Oldest).unwrap();
        assert!(old.poll().unwrap().is_none());
    }
}

#[test]
fn removing_and_making_anew_is_a_fresh_topic_each_time() {
    let bus = TestBus::new();
    for round in 0..50 {
        let mode = MODES[round % 2];
        let topic = bus
            .topic_of(mode)
            .capacity(1 << (round % 5))
            .create()
            .unwrap();
        assert_eq!((topic.info().next, topic.info().mode), (0, mode));
        topic.publisher().unwrap().publish(b"x").unwrap();
        bus.remove(
            "t",
            if round % 3 == 0 {
                Remove::Force
            } else {
                Remove::IfUnused
            },
        )
        .unwrap();
    }
    assert_eq!(names(&bus.path().join("topics")), [""; 0]);
}

#[test]
fn a_bus_that_is_not_there_can_be_refused() {
    let scratch = Scratch::new();
    let root = scratch.path().join("root");
    let error = Bus::builder().dir(&root).create(false).open().unwrap_err();
    assert!(matches!(error, OpenError::Directory(_)), "{error}");
    assert!(!root.exists());
    Bus::builder().dir(&root).open().unwrap();
    let bus = Bus::builder().dir(&root).create(false).open().unwrap();
    assert_eq!(
        (bus.name(), bus.path()),
        ("default", &*root.join("default"))
    );
    // Nor does a look finish what somebody is just making, or removing.
    fs::rename(bus.path().join("registry"), bus.path().join("aside")).unwrap();
    let error = Bus::builder().dir(&root).create(false).open().unwrap_err();
    let is_no_bus = matches!(error, OpenError::Directory(DirectoryError::NoBus { .. }));
    assert!(is_no_bus, "{error}");
    assert!(!bus.path().join("registry").exists());
}

#[test]
fn gc_takes_nothing_from_the_living() {
    for mode in MODES {
        let bus = TestBus::new();
        let other = Bus::builder().dir(bus.root().path()).open().unwrap();
        let topic = bus.topic_of(mode).capacity(4).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut reliable = topic.subscriber().reliable().join().unwrap();
        for _ in 0..3 {
            for bus in [&*bus, &other] {
                assert_eq!(bus.gc().unwrap(), Collected::default());
            }
            publisher.publish(b"x").unwrap();
            assert_eq!(reliable.poll().unwrap().expect("published").payload(), b"x");
        }
        let info = topic.info();
        assert!(info.publishers[0].alive && info.subscribers[0].alive);
    }
}

#[test]
fn two_handles_of_one_bus_are_two_participants() {
    let bus = TestBus::new();
    let other = Bus::builder().dir(bus.root().path()).open().unwrap();
    let topic = bus.topic("t").create().unwrap();
    let publisher = topic.publisher().unwrap();
    let same = other.topic("t").open().unwrap();
    assert!(matches!(
        same.publisher(),
        Err(JoinError::PublisherExists { .. })
    ));
    let mut subscriber = same.subscriber().reliable().join().unwrap();
    drop(other);
    // The topic keeps its bus open.
    publisher.publish(b"x").unwrap();
    assert_eq!(
        subscriber.poll().unwrap().expect("published").payload(),
        b"x"
    );
    drop((subscriber, same));
    assert_eq!(bus.gc().unwrap(), Collected::default());
    assert!(topic.info().subscribers.is_empty());
}

#[test]
fn handles_go_to_other_threads() {
    fn goes<T: Send>(handle: T) -> T {
        thread::scope(|scope| scope.spawn(move || handle).join().unwrap())
    }
    let bus = TestBus::new();
    let topic = bus.topic("t").create().unwrap();
    let publisher = goes(topic.publisher().unwrap());
    let mut subscriber = goes(topic.subscriber().join().unwrap());
    let mut observer = goes(topic.observer(Start::Latest).unwrap());
    publisher.publish(b"x").unwrap();
    assert_eq!(
        subscriber.poll().unwrap().expect("published").payload(),
        b"x"
    );
    assert_eq!(observer.poll().unwrap().expect("published").payload(), b"x");
}
