//! What a bus must not fall for: parts of it replaced, damaged or asked for the impossible.

use std::{fs, time::Duration};

use ringbus::{Bus, PollError, PublishError, Remove, ShapeError, Start, TopicError};

use crate::support::{MODES, Orphan, TestBus, memory, names};

#[test]
fn a_topic_of_another_registry_is_refused() {
    let bus = TestBus::new();
    let topic = bus.topic("t").capacity(4).create().unwrap();
    let mut reliable = topic.subscriber().reliable().join().unwrap();
    topic.publisher().unwrap().publish(b"kept").unwrap();
    let registry = bus.path().join("registry");
    let _memory = Orphan(memory(&registry));
    fs::remove_file(registry).unwrap();

    // To the new registry all of the old one's participants would be dead.
    let other = Bus::builder().dir(bus.root().path()).open().unwrap();
    assert_ne!(other.id(), bus.id());
    let refused = other.topic("t").open_or_create().unwrap_err();
    assert!(
        matches!(refused, TopicError::OtherBus { .. }),
        "{refused:?}"
    );
    assert!(other.topics().unwrap().is_empty());
    other.gc().unwrap();
    assert_eq!(reliable.poll().unwrap().unwrap().payload(), b"kept");
    other.remove("t", Remove::Force).unwrap();
    other.topic("t").create().unwrap();
}

#[test]
fn gc_keeps_the_cursors_of_a_ring_that_it_cannot_read() {
    let bus = TestBus::new();
    bus.topic("t").create().unwrap();
    let topics = bus.path().join("topics");
    let ring = names(&topics).into_iter().find(|n| n.ends_with(".ring"));
    let ring = memory(&topics.join(ring.unwrap()));
    let whole = fs::read(&ring).unwrap();
    let mut newer = whole.clone();
    newer[8] = 99; // the layout version
    fs::write(&ring, &newer).unwrap();
    assert_eq!(bus.gc().unwrap().files, 0);
    fs::write(&ring, &whole).unwrap();
    let topic = bus.topic("t").open().unwrap();
    topic.publisher().unwrap().publish(b"x").unwrap();
}

#[test]
fn absurd_payload_lengths_are_refused() {
    let bus = TestBus::new();
    for bytes in [usize::MAX, usize::MAX - 30, 1 << 40] {
        for topic in [
            bus.topic("t").payload_max(bytes),
            bus.topic("t").payload_fixed(bytes).shared(),
        ] {
            let refused = topic.create().unwrap_err();
            assert!(
                matches!(refused, TopicError::Shape(ShapeError::Payload { .. })),
                "{refused:?}"
            );
        }
    }
}

#[test]
fn names_that_could_steer_a_terminal_are_refused() {
    let bus = TestBus::new();
    let refused = bus.topic("t").encoding("\u{1b}[2J").create().unwrap_err();
    assert!(
        matches!(refused, TopicError::Control { position: 0, .. }),
        "{refused:?}"
    );
}

#[test]
fn observers_read_empty_payloads_of_any_type() {
    let bus = TestBus::new();
    let topic = bus.topic("t").typed::<[u64]>().create().unwrap();
    topic.publisher().unwrap().publish(&[]).unwrap();
    let mut observer = topic.observer(Start::Oldest).unwrap();
    assert_eq!(observer.poll().unwrap().unwrap().payload(), &[] as &[u64]);
}

#[test]
fn a_run_of_nothing_leaves_no_trace() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).create().unwrap();
        let publisher = topic.publisher().unwrap();
        for _ in 0..3 {
            match publisher.loan_run(0, 8) {
                Ok(run) => assert!(run.is_empty()),
                Err(refused) => assert_eq!(refused, PublishError::NoRuns),
            }
            drop(publisher.loan(8).unwrap());
        }
    }
}

#[test]
fn damage_inside_of_a_batch_is_told() {
    for reliable in [true, false] {
        let bus = TestBus::new();
        // A stamp each 64 bytes from the slots' page on; 8 slots of 64 bytes.
        let topic = bus.topic("t").capacity(8).payload_fixed(56).tags(false);
        let topic = topic.create().unwrap();
        let subscriber = topic.subscriber();
        let subscriber = if reliable {
            subscriber.reliable()
        } else {
            subscriber
        };
        let mut subscriber = subscriber.join().unwrap();
        let publisher = topic.publisher().unwrap();
        for _ in 0..8 {
            publisher.publish(&[7; 56]).unwrap();
        }
        damage_the_fourth_stamp(&bus);
        let batch = subscriber.poll_batch(8).unwrap();
        assert_eq!(batch.iter().count(), batch.len());
        assert_eq!(batch.len(), 3);
        drop(batch);
        let told = subscriber.poll_batch(8).map(|batch| batch.len());
        assert_eq!(told, Err(PollError::Corrupted { sequence: 3 }));
    }
}

/// Names a chunk that does not exist in the slot of message 3.
fn damage_the_fourth_stamp(bus: &Bus) {
    let topics = bus.path().join("topics");
    let ring = names(&topics).into_iter().find(|n| n.ends_with(".ring"));
    let ring = memory(&topics.join(ring.unwrap()));
    let mut bytes = fs::read(&ring).unwrap();
    let slots = bytes
        .windows(56)
        .position(|window| window == [7; 56])
        .unwrap()
        - 8;
    let stamp = slots + 3 * 64;
    // The chunk is in the low 13 bits: 8 + 128 x 32 spares.
    bytes[stamp] = 0xff;
    bytes[stamp + 1] |= 0x1f;
    // In place: the file is mapped.
    let file = fs::OpenOptions::new().write(true).open(&ring).unwrap();
    use std::os::unix::fs::FileExt;
    file.write_all_at(&bytes[stamp..stamp + 8], stamp as u64)
        .unwrap();
}

#[test]
fn a_cursor_that_nobody_has_holds_up_nobody() {
    use std::os::unix::fs::FileExt;
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(4).create().unwrap();
        drop(topic.subscriber().reliable().join().unwrap());
        let topics = bus.path().join("topics");
        let cursors = names(&topics).into_iter().find(|n| n.ends_with(".cursors"));
        let cursors = memory(&topics.join(cursors.unwrap()));
        let file = fs::OpenOptions::new().write(true).open(cursors).unwrap();
        // The cell at 8 KiB: a reliable subscriber before sequence 0, without an owner.
        file.write_all_at(&1_u64.to_ne_bytes(), 8192).unwrap();

        let publisher = topic.publisher().unwrap();
        for _ in 0..20 {
            publisher
                .publish_timeout(b"x", Duration::from_secs(5))
                .unwrap();
        }
        file.write_all_at(&1_u64.to_ne_bytes(), 8192).unwrap();
        assert_eq!(bus.gc().unwrap().subscribers, 1);
        assert_eq!(bus.gc().unwrap().subscribers, 0);
    }
}
