//! Subscribers, step by step.

use super::{
    heap::{HeapTopic, publish, publish_shared, read},
    shapes::{exclusive, shared},
};
use crate::{
    ring::{
        cursor::{Delivery, Interruption, Next, Run},
        cursor_word::CursorWord,
        gate::{evict, holder},
        layout::{PublisherMode, Shape},
        observe::ObserverCursor,
        publish::Shut,
        sequence::Sequence,
    },
    sync::Ordering,
};

#[test]
fn held_message_keeps_its_place_after_its_subscriber_was_overtaken() {
    let topic = HeapTopic::new(exclusive(2));
    let (ring, mut publisher) = (topic.ring(), topic.exclusive());
    let mut subscriber = topic.join(0, 0, Delivery::Lossy);
    publish(&mut publisher, &ring).unwrap();
    let first = Sequence(0);
    assert_eq!(subscriber.take(1), Ok(Some(Run { first, len: 1 })));

    for _ in 0..2 {
        publish(&mut publisher, &ring).unwrap();
    }
    assert_eq!(read(&ring, subscriber.place(first).unwrap()), 0);
}

#[test]
fn held_message_of_a_shared_topic_keeps_its_place_too() {
    let topic = HeapTopic::new(shared(2));
    let (ring, mut publisher) = (topic.ring(), topic.shared(0));
    let mut subscriber = topic.join(0, 0, Delivery::Lossy);
    publish_shared(&mut publisher, &ring, 0).unwrap();
    let first = Sequence(0);
    assert_eq!(subscriber.take(1), Ok(Some(Run { first, len: 1 })));

    for content in 1..3 {
        publish_shared(&mut publisher, &ring, content).unwrap();
    }
    assert_eq!(read(&ring, subscriber.place(first).unwrap()), 0);
}

#[test]
fn one_look_takes_the_next_message_of_a_reliable_subscriber_and_no_other() {
    let topic = HeapTopic::new(exclusive(4));
    let (ring, mut publisher) = (topic.ring(), topic.exclusive());
    let mut reliable = topic.join(0, 0, Delivery::Reliable);
    let mut lossy = topic.join(1, 0, Delivery::Lossy);
    let untold = || -> bool { panic!("nothing was given back") };
    assert!(matches!(reliable.take_next(untold), Next::Nothing));
    for _ in 0..2 {
        publish(&mut publisher, &ring).unwrap();
    }
    assert!(matches!(lossy.take_next(untold), Next::Other));
    for content in 0..2 {
        let Next::Home(home) = reliable.take_next(|| false) else {
            panic!("message {content} is there");
        };
        let place = home.place();
        assert_eq!(place.sequence(), Sequence(content));
        assert_eq!((read(&ring, place), reliable.held()), (content, 1));
    }
    assert!(matches!(reliable.take_next(|| false), Next::Nothing));
    assert_eq!((reliable.held(), reliable.next()), (0, Sequence(2)));
}

#[test]
fn what_somebody_must_be_told_of_stays_to_be_released() {
    let topic = HeapTopic::new(exclusive(2));
    let (ring, mut publisher) = (topic.ring(), topic.exclusive());
    let mut subscriber = topic.join(0, 0, Delivery::Reliable);
    for _ in 0..2 {
        publish(&mut publisher, &ring).unwrap();
    }
    assert_eq!(subscriber.take(1), Ok(Some(run(0, 1))));
    assert!(publish(&mut publisher, &ring).is_err());
    // The cell must say it before anybody is asked.
    let asked = || publish(&mut publisher, &ring).is_ok();
    assert!(matches!(subscriber.take_next(asked), Next::Other));
    assert_eq!(subscriber.held(), 1);
    assert!(subscriber.release(), "nobody would be told");
    assert_eq!(subscriber.take(1), Ok(Some(run(1, 1))));
}

#[test]
fn overtaking_without_a_loss_is_not_reported() {
    let topic = HeapTopic::new(exclusive(4));
    let (ring, mut publisher) = (topic.ring(), topic.exclusive());
    let mut subscriber = topic.join(0, 0, Delivery::Lossy);
    publish(&mut publisher, &ring).unwrap();
    assert_eq!(subscriber.take(1), Ok(Some(run(0, 1))));
    for _ in 1..5 {
        publish(&mut publisher, &ring).unwrap();
    }
    // Message 4 went around what it holds, which is behind it: it has lost nothing.
    assert_eq!(subscriber.take(2), Ok(Some(run(1, 2))));
    assert_eq!(subscriber.next(), Sequence(3));
}

#[test]
fn overtaken_subscriber_can_give_up_its_pins_without_taking() {
    let topic = HeapTopic::new(exclusive(1));
    let (ring, mut publisher) = (topic.ring(), topic.exclusive());
    let mut subscriber = topic.join(0, 0, Delivery::Lossy);
    publish(&mut publisher, &ring).unwrap();
    assert_eq!(subscriber.take(1), Ok(Some(run(0, 1))));
    publish(&mut publisher, &ring).unwrap();
    assert_eq!(holder(&topic.cells(), Sequence(0)), Some(0));

    assert!(subscriber.release_pins());
    assert_eq!(holder(&topic.cells(), Sequence(0)), None);
    assert_eq!(subscriber.held(), 0);
    assert!(!subscriber.release_pins());
    assert_eq!(subscriber.take(1), Ok(Some(run(1, 1))));
}

#[test]
fn evicted_subscriber_can_give_up_its_pins_without_taking() {
    let topic = HeapTopic::new(exclusive(1));
    let (ring, mut publisher) = (topic.ring(), topic.exclusive());
    let mut subscriber = topic.join_evictable(0, 0);
    publish(&mut publisher, &ring).unwrap();
    assert_eq!(subscriber.take(1), Ok(Some(run(0, 1))));
    assert_eq!(publish(&mut publisher, &ring), Err(Shut::Gate { cell: 0 }));

    let cell = topic.cells().cell(0);
    assert!(evict(cell, CursorWord(cell.cursor.load(Ordering::Relaxed))));
    publish(&mut publisher, &ring).unwrap();
    assert!(subscriber.release());
    assert_eq!(holder(&topic.cells(), Sequence(0)), None);
    let interruption = Interruption::Evicted { missed: 0 };
    assert_eq!(subscriber.take(1), Err(interruption));
    assert_eq!(subscriber.take(1), Ok(Some(run(1, 1))));
}

#[test]
fn messages_before_the_first_sequence_are_neither_read_nor_missed() {
    let shape = Shape {
        first_sequence: 1000,
        ..exclusive(8)
    };
    let topic = HeapTopic::new(shape);
    let mut observer = ObserverCursor::new(topic.ring(), Sequence(995));
    assert!(!observer.is_ready());
    observer.seek(Sequence(993));
    assert_eq!(observer.next(), Sequence(1000));
    for delivery in [Delivery::Lossy, Delivery::Reliable] {
        let mut subscriber = topic.join(0, 0, delivery);
        assert_eq!(subscriber.take(1), Ok(None));
        assert_eq!(subscriber.next(), Sequence(1000));
    }
}

#[test]
fn stamp_of_a_later_lap_without_being_passed_is_an_error() {
    for is_reliable in [false, true] {
        let topic = HeapTopic::new(exclusive(4));
        let delivery = match is_reliable {
            true => Delivery::Reliable,
            false => Delivery::Lossy,
        };
        let mut subscriber = topic.join(0, 0, delivery);
        let forged = topic.ring().geometry().stamps.stamp(Sequence(8), 0);
        topic
            .ring()
            .stamp(Sequence(0))
            .store(forged, Ordering::Relaxed);
        let corrupted = Interruption::Corrupted { seq: Sequence(0) };
        assert_eq!(subscriber.take(1), Err(corrupted));
    }
}

fn run(first: u64, len: u32) -> Run {
    let first = Sequence(first);
    Run { first, len }
}

#[test]
fn looks_of_one_who_waits_take_nothing_and_tell_what_is_there() {
    for (shape, delivery) in [
        (exclusive(4), Delivery::Reliable),
        (exclusive(4), Delivery::Lossy),
        (shared(4), Delivery::Reliable),
        (shared(4), Delivery::Lossy),
    ] {
        let topic = HeapTopic::new(shape);
        let ring = topic.ring();
        let mut subscriber = topic.join(0, 0, delivery);
        let (mut one, mut many) = match shape.mode {
            PublisherMode::Exclusive => (Some(topic.exclusive()), None),
            PublisherMode::Shared => (None, Some(topic.shared(0))),
        };
        for content in 0..20 {
            let first = Sequence(content);
            // As long as it takes to have a guess where the message will lie; the last one is held.
            for _ in 0..20 {
                assert!(!subscriber.is_ready_at_last());
            }
            assert_eq!(u64::from(subscriber.held()), content.min(1));
            if let Some(one) = &mut one {
                publish(one, &ring).unwrap();
            }
            if let Some(many) = &mut many {
                publish_shared(many, &ring, content).unwrap();
            }
            assert!(subscriber.is_ready_at_last() && subscriber.is_ready_at_last());
            assert_eq!(subscriber.take(1), Ok(Some(Run { first, len: 1 })));
            assert_eq!(read(&ring, subscriber.place(first).unwrap()), content);
        }
    }
}
