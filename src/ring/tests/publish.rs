//! The exclusive publisher, step by step.

use std::cell::Cell;

use super::{
    heap::{AllReserved, HeapTopic, publish, read, write},
    shapes::exclusive,
};
use crate::ring::{
    cursor::{Delivery, Interruption, Run},
    layout::Shape,
    publish::{Reserve, Shut},
    sequence::Sequence,
};

#[test]
fn aborted_run_leaves_held_messages_alone() {
    let topic = HeapTopic::new(exclusive(4));
    let (ring, mut publisher) = (topic.ring(), topic.exclusive());
    let mut subscriber = topic.join(0, 0, Delivery::Lossy);
    for _ in 0..4 {
        publish(&mut publisher, &ring).unwrap();
    }
    assert_eq!(subscriber.take(1), Ok(Some(run(0, 1))));

    for _ in 0..3 {
        for ahead in 0..4 {
            let place = publisher.place(ahead, &AllReserved).unwrap();
            write(&ring, place, 100 + ahead);
        }
    }
    assert_eq!(read(&ring, subscriber.place(Sequence(0)).unwrap()), 0);
    for seq in 4..20 {
        assert_eq!(publish(&mut publisher, &ring), Ok(seq));
    }
    assert_eq!(read(&ring, subscriber.place(Sequence(0)).unwrap()), 0);
}

#[test]
fn run_that_is_lent_from_its_middle_first_leaves_held_messages_alone() {
    let topic = HeapTopic::new(exclusive(4));
    let (ring, mut publisher) = (topic.ring(), topic.exclusive());
    let mut subscriber = topic.join(0, 0, Delivery::Lossy);
    for _ in 0..4 {
        publish(&mut publisher, &ring).unwrap();
    }
    assert_eq!(subscriber.take(1), Ok(Some(run(0, 1))));

    for run in [2..4, 0..4] {
        for ahead in run {
            let place = publisher.place(ahead, &AllReserved).unwrap();
            write(&ring, place, 100 + ahead);
        }
    }
    assert_eq!(read(&ring, subscriber.place(Sequence(0)).unwrap()), 0);
}

#[test]
fn subscriber_that_stops_with_a_message_in_hand_holds_up_nobody() {
    for capacity in [1, 2, 4, 16] {
        let shape = Shape {
            max_subscribers: 1,
            pins: 1,
            ..exclusive(capacity)
        };
        let topic = HeapTopic::new(shape);
        let (ring, mut publisher) = (topic.ring(), topic.exclusive());
        let mut subscriber = topic.join(0, 0, Delivery::Lossy);
        publish(&mut publisher, &ring).unwrap();
        assert_eq!(subscriber.take(1), Ok(Some(run(0, 1))));
        for seq in 1..5 * capacity {
            assert_eq!(publish(&mut publisher, &ring), Ok(seq));
        }
        assert_eq!(read(&ring, subscriber.place(Sequence(0)).unwrap()), 0);
    }
}

#[test]
fn subscriber_that_is_overtaken_at_every_message_holds_up_nobody() {
    for (capacity, pins) in [(1, 1), (2, 1), (4, 2), (8, 1), (16, 3)] {
        let shape = Shape {
            max_subscribers: 1,
            pins,
            ..exclusive(capacity)
        };
        let topic = HeapTopic::new(shape);
        let (ring, mut publisher) = (topic.ring(), topic.exclusive());
        let mut subscriber = topic.join(0, 0, Delivery::Lossy);
        // Each time it takes what is about to be overwritten, so each slot goes on in a spare.
        for _ in 0..6 * capacity {
            publish(&mut publisher, &ring).unwrap();
            while let Err(Interruption::Lagged { .. }) = subscriber.take(pins) {}
        }
        let held = subscriber.next().0 - u64::from(subscriber.held());
        for _ in 0..3 * capacity {
            publish(&mut publisher, &ring).unwrap();
        }
        for seq in held..subscriber.next().0 {
            let place = subscriber.place(Sequence(seq)).unwrap();
            assert_eq!(read(&ring, place), seq);
        }
    }
}

/// Counts the chunks that were asked for, and has only so many.
struct Space {
    chunks: u32,
    reserved: Cell<u32>,
}

impl Reserve for Space {
    fn reserve(&self, chunk: u32) -> bool {
        self.reserved.set(self.reserved.get().max(chunk));
        chunk <= self.chunks
    }
}

#[test]
fn no_more_spare_chunks_are_reserved_than_are_in_use_at_once() {
    let topic = HeapTopic::new(exclusive(4));
    let (ring, mut publisher) = (topic.ring(), topic.exclusive());
    let space = Space {
        chunks: 2,
        reserved: Cell::new(0),
    };
    let mut subscriber = topic.join(0, 0, Delivery::Lossy);
    for round in 0..20 {
        for _ in 0..4 {
            let place = publisher.place(0, &space).unwrap();
            write(&ring, place, place.sequence().0);
            publisher.commit(place);
        }
        if round % 3 == 0 {
            while subscriber.take(1).is_err() {}
        }
    }
    // One in a slot whose message it held until now, one in the slot of what it holds now.
    assert_eq!(space.reserved.get(), 2);
}

#[test]
fn publisher_without_space_for_a_spare_chunk_says_so() {
    let topic = HeapTopic::new(exclusive(1));
    let (ring, mut publisher) = (topic.ring(), topic.exclusive());
    let space = Space {
        chunks: 0,
        reserved: Cell::new(0),
    };
    let mut subscriber = topic.join(0, 0, Delivery::Lossy);
    publish(&mut publisher, &ring).unwrap();
    assert_eq!(subscriber.take(1), Ok(Some(run(0, 1))));
    assert_eq!(publisher.place(0, &space), Err(Shut::Space));
    assert!(subscriber.release_pins());
    assert!(publisher.place(0, &space).is_ok());
}

fn run(first: u64, len: u32) -> Run {
    let first = Sequence(first);
    Run { first, len }
}
