//! Publishers and subscribers at once, on one piece of memory: the one place where a race detector can
//! see both ends of an edge (`.ci/sanitize thread`).

use std::thread;

use super::{
    heap::{HeapTopic, publish, publish_shared, read},
    shapes::{exclusive, shared},
};
use crate::ring::{
    cursor::{Cursor, Delivery, Interruption},
    sequence::Sequence,
};

const MESSAGES: u64 = if cfg!(miri) { 50 } else { 5_000 };

/// Reads up to the message before `end`, and returns how many it has read and missed.
fn read_until(mut cursor: Cursor, topic: &HeapTopic, end: u64) -> (u64, u64) {
    let (mut got, mut missed) = (0, 0);
    while cursor.next() < Sequence(end) {
        match cursor.take(2) {
            Ok(Some(run)) => {
                for ahead in 0..run.len {
                    let place = cursor.place(run.first.plus(ahead.into())).unwrap();
                    read(&topic.ring(), place);
                    got += 1;
                }
                cursor.release();
            }
            Ok(None) => thread::yield_now(),
            Err(Interruption::Lagged { missed: some }) => missed += some,
            Err(other) => panic!("{other:?}"),
        }
    }
    (got, missed)
}

#[test]
fn one_publisher_and_its_subscribers_in_threads() {
    let topic = &HeapTopic::new(exclusive(8));
    let reliable = topic.join(0, 0, Delivery::Reliable);
    let lossy = topic.join(1, 0, Delivery::Lossy);
    thread::scope(|scope| {
        let reliable = scope.spawn(move || read_until(reliable, topic, MESSAGES));
        let lossy = scope.spawn(move || read_until(lossy, topic, MESSAGES));
        let mut publisher = topic.exclusive();
        while publisher.next() < Sequence(MESSAGES) {
            if publish(&mut publisher, &topic.ring()).is_err() {
                thread::yield_now();
            }
        }
        assert_eq!(reliable.join().unwrap(), (MESSAGES, 0));
        let (got, missed) = lossy.join().unwrap();
        assert_eq!(got + missed, MESSAGES);
    });
}

#[test]
fn two_publishers_and_their_subscribers_in_threads() {
    let topic = &HeapTopic::new(shared(8));
    let reliable = topic.join(0, 0, Delivery::Reliable);
    let lossy = topic.join(1, 0, Delivery::Lossy);
    thread::scope(|scope| {
        let reliable = scope.spawn(move || read_until(reliable, topic, 2 * MESSAGES));
        let lossy = scope.spawn(move || read_until(lossy, topic, 2 * MESSAGES));
        let publish = |index| {
            scope.spawn(move || {
                let mut publisher = topic.shared(index);
                let mut content = 0;
                while content < MESSAGES {
                    match publish_shared(&mut publisher, &topic.ring(), content) {
                        Ok(_) => content += 1,
                        Err(_) => thread::yield_now(),
                    }
                }
            })
        };
        // Joined one by one: how a scope waits is not for a race detector to see.
        for publisher in [publish(0), publish(1)] {
            publisher.join().unwrap();
        }
        assert_eq!(reliable.join().unwrap(), (2 * MESSAGES, 0));
        let (got, missed) = lossy.join().unwrap();
        assert_eq!(got + missed, 2 * MESSAGES);
    });
}
