//! The one publisher of an exclusive topic, and its successor.

use std::time::Duration;

use ringbus::{JoinError, Start};

use super::actor::{Actor, Roles, Stage, say};
use crate::support::{TestBus, checked};

pub const ROLES: Roles = &[("takeover/publisher", publisher), ("takeover/batch", batch)];

/// Is killed after 100 messages of a batch.
fn batch(stage: &Stage) {
    let publisher = stage.topic().publisher().unwrap();
    let killed_after_100 = (0..200).map(|number| {
        if number == 100 {
            // SAFETY: it touches no memory.
            unsafe { libc::raise(libc::SIGKILL) };
        }
        &b"message"[..]
    });
    let _ = publisher.publish_batch(killed_after_100);
}

#[test]
fn what_was_published_of_a_batch_is_counted_though_its_publisher_was_killed() {
    let bus = TestBus::new();
    let topic = bus.topic("t").create().unwrap();
    let actor = Actor::start("takeover/batch", bus.root().path(), &[]);
    assert!(!actor.ends_well());
    let publisher = topic.publisher().unwrap();
    assert_eq!(publisher.published(), 100);
    publisher.publish(b"one more").unwrap();
    let info = topic.info();
    assert_eq!((info.published, info.publishers[0].published), (101, 101));
}

/// Publishes 10 checked messages, writes half of another one, and leaves or is killed.
fn publisher(stage: &Stage) {
    let topic = stage.topic();
    let publisher = topic.publisher().unwrap();
    let origin = stage.number(0);
    for serial in 0..10 {
        publisher
            .publish(&checked::payload(100, origin, serial))
            .unwrap();
    }
    let mut loan = publisher.loan(100).unwrap();
    loan[..50].fill(0xff);
    say("published");
    stage.wait();
    drop(loan);
}

/// Reads ten messages of this origin.
fn assert_next_ten(reader: &mut ringbus::Subscriber<[u8]>, origin: u64) {
    for serial in 0..10 {
        let message = reader.poll().unwrap().expect("published");
        assert_eq!(message.sequence(), origin * 10 + serial);
        assert_eq!(checked::check(message.payload()), (origin, serial));
    }
    assert!(reader.poll().unwrap().is_none());
}

#[test]
fn a_second_publisher_is_refused_by_the_pid_of_the_first() {
    let bus = TestBus::new();
    let topic = bus.topic("t").create().unwrap();
    let mut first = Actor::start("takeover/publisher", bus.root().path(), &["0"]);
    first.hear();
    let error = topic.publisher().unwrap_err();
    let JoinError::PublisherExists { pid, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(pid, first.pid());
    let text = error.to_string();
    assert!(text.contains(&format!("pid {pid}")), "{text}");
    let info = topic.info();
    assert_eq!(
        (info.publishers[0].pid, info.publishers[0].alive),
        (pid, true)
    );
    // A stopped publisher is not a dead one.
    first.stop();
    assert!(matches!(
        topic.publisher(),
        Err(JoinError::PublisherExists { .. })
    ));
    first.signal(libc::SIGCONT);
    assert!(first.ends_well());
    topic.publisher().unwrap();
}

#[test]
fn the_next_publisher_continues_without_a_hole() {
    for capacity in [4, 16] {
        let bus = TestBus::new();
        let topic = bus.topic("t").capacity(capacity).create().unwrap();
        let root = bus.root().path().to_owned();
        let mut readers = [topic.subscriber().reliable().join().unwrap()];
        for origin in 0..12 {
            let mut actor = Actor::start("takeover/publisher", &root, &[&origin.to_string()]);
            // Ten messages do not fit into the small ring: read while they are published.
            let reader = &mut readers[0];
            if capacity < 10 {
                for serial in 0..10 {
                    assert!(reader.wait(Duration::from_secs(20)).unwrap());
                    let message = reader.poll().unwrap().expect("published");
                    assert_eq!(message.sequence(), origin * 10 + serial);
                    assert_eq!(checked::check(message.payload()), (origin, serial));
                }
                actor.hear();
            } else {
                actor.hear();
                assert_next_ten(reader, origin);
            }
            match origin % 2 {
                0 => drop(actor.kill()),
                _ => assert!(actor.ends_well()),
            }
            let info = topic.info();
            assert_eq!(
                (info.next, info.published),
                (origin * 10 + 10, origin * 10 + 10)
            );
            assert!(info.publishers.iter().all(|publisher| !publisher.alive));
        }
        let publisher = topic.publisher().unwrap();
        assert_eq!(publisher.publish(b"x"), Ok(120));
        let mut late = topic.subscriber().start(Start::Last(1)).join().unwrap();
        assert_eq!(late.poll().unwrap().expect("published").sequence(), 120);
    }
}
