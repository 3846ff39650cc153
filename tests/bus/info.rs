//! What a topic tells about itself.

use std::{env, process};

use ringbus::{Delivery, PayloadKind, PublishError, PublisherMode, Remove, Start, TimeSource};

use crate::support::{MODES, TestBus};

#[test]
fn counters_count() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus
            .topic_of(mode)
            .capacity(4)
            .first_sequence(100)
            .create()
            .unwrap();
        let publisher = topic.publisher().unwrap();
        let mut reliable = topic.subscriber().reliable().join().unwrap();
        let lossy = topic.subscriber().lossy().join().unwrap();
        for payload in [&b"a"[..], b"bb", b"", b"dddd"] {
            publisher.publish(payload).unwrap();
        }
        for _ in 0..3 {
            assert!(matches!(
                publisher.try_publish(b"x"),
                Err(PublishError::Full(_))
            ));
        }
        let info = topic.info();
        assert_eq!(
            (info.first_sequence, info.next, info.published),
            (100, 104, 4)
        );
        assert_eq!(
            (info.bytes, info.full, info.waited, info.evicted),
            (7, 3, 0, 0)
        );
        assert_eq!(publisher.published(), 4);
        let [of_publisher] = &info.publishers[..] else {
            panic!("{:?}", info.publishers);
        };
        assert_eq!(
            (of_publisher.id, of_publisher.pid),
            (publisher.id(), process::id())
        );
        assert_eq!((of_publisher.published, of_publisher.bytes), (4, 7));
        assert_eq!((of_publisher.full, of_publisher.waited), (3, 0));
        assert!(of_publisher.alive);
        assert!(own_name().starts_with(&of_publisher.process) && !of_publisher.process.is_empty());

        let held = reliable.poll_batch(2).unwrap();
        let subscribers = topic.info().subscribers;
        let [of_reliable, of_lossy] = &subscribers[..] else {
            panic!("{subscribers:?}");
        };
        assert_eq!(
            (of_reliable.delivery, of_reliable.pid),
            (Delivery::Reliable, process::id())
        );
        assert_eq!(
            (of_reliable.cursor, of_reliable.lag, of_reliable.lagged),
            (100, 4, 0)
        );
        assert_eq!((of_lossy.delivery, of_lossy.lagged), (Delivery::Lossy, 0));
        assert!(of_reliable.alive && of_lossy.alive);
        drop(held);
        assert_eq!((reliable.cursor(), reliable.lag()), (102, 2));
        let of_reliable = &topic.info().subscribers[0];
        assert_eq!((of_reliable.cursor, of_reliable.lag), (102, 2));

        // Who leaves is listed no more; what was counted stays.
        drop((publisher, reliable, lossy));
        let info = topic.info();
        assert!(info.publishers.is_empty() && info.subscribers.is_empty());
        assert_eq!((info.published, info.bytes, info.full), (4, 7, 3));
        let successor = topic.publisher().unwrap();
        successor.publish(b"e").unwrap();
        assert_eq!((topic.info().published, topic.info().bytes), (5, 8));
    }
}

fn own_name() -> String {
    let executable = env::current_exe().unwrap();
    executable.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn a_holder_of_messages_is_shown() {
    let bus = TestBus::new();
    let topic = bus.topic("t").capacity(8).create().unwrap();
    let publisher = topic.publisher().unwrap();
    let mut lossy = topic.subscriber().join().unwrap();
    for _ in 0..5 {
        publisher.publish(b"x").unwrap();
    }
    let held = lossy.poll_batch(3).unwrap();
    assert_eq!((held.len(), topic.info().subscribers[0].holds), (3, 3));
    drop(held);
    lossy.seek(Start::Latest).unwrap();
    assert_eq!(topic.info().subscribers[0].holds, 0);
}

#[test]
fn properties_are_those_it_was_created_with() {
    let bus = TestBus::new();
    let builder = bus
        .topic("a/b")
        .shared()
        .capacity(64)
        .payload_fixed(100)
        .alignment(128);
    let builder = builder
        .max_publishers(3)
        .max_subscribers(7)
        .loans(5)
        .pins(6)
        .tags(false);
    let topic = builder.time(TimeSource::Clock).create().unwrap();
    // The same from a list and from another handle.
    let opened = bus.topic("a/b").open().unwrap();
    let listed = bus.topics().unwrap().remove(0);
    for info in [topic.info(), opened.info(), listed] {
        assert_eq!(
            (info.name.as_str(), info.mode),
            ("a/b", PublisherMode::Shared)
        );
        assert_eq!((info.capacity_slots, info.alignment_bytes), (64, 128));
        assert_eq!(info.payload, PayloadKind::Fixed { bytes: 100 });
        assert_eq!((info.tags, info.time), (false, TimeSource::Clock));
        assert_eq!((info.max_publishers, info.max_subscribers), (3, 7));
        assert_eq!((info.loans, info.pins), (5, 6));
        assert_eq!(info.payload_type.name, None);
        assert!(info.memory_bytes >= 64 * 128);
    }
}

#[test]
fn defaults_are_as_documented() {
    let bus = TestBus::new();
    let info = bus.topic("t").create().unwrap().info();
    assert_eq!(
        (info.mode, info.capacity_slots),
        (PublisherMode::Exclusive, 4096)
    );
    assert_eq!(info.payload, PayloadKind::Variable { max_bytes: 1024 });
    assert_eq!(
        (info.alignment_bytes, info.tags, info.time),
        (8, true, TimeSource::None)
    );
    assert_eq!((info.max_subscribers, info.first_sequence), (128, 0));
    let shared = bus.topic("s").shared().create().unwrap().info();
    assert_eq!((shared.max_publishers, shared.loans), (64, 31));
}

#[test]
fn topics_are_listed_by_name() {
    let bus = TestBus::new();
    assert!(bus.topics().unwrap().is_empty());
    for name in ["b", "a/c", "a", "z", "a/b"] {
        bus.topic(name).capacity(1).create().unwrap();
    }
    let names: Vec<_> = bus
        .topics()
        .unwrap()
        .iter()
        .map(|info| info.name.to_string())
        .collect();
    assert_eq!(names, ["a", "a/b", "a/c", "b", "z"]);
    bus.remove("a", Remove::IfUnused).unwrap();
    assert_eq!(bus.topics().unwrap().len(), 4);
}
