//! Subscribers that may be passed, and the publisher that passes them.

use std::cell::RefCell;

use loom::thread;

use super::{
    loom_publish::publish_to_be_copied,
    model::{content, explore},
    shapes::{exclusive, slim},
};
use crate::{
    ring::{
        cursor::{Cursor, Delivery, Interruption},
        cursor_word::CursorWord,
        gate,
        publish::{ExclusivePublisher, Shut},
        sequence::Sequence,
        view::ModelTopic,
    },
    sync::Ordering,
};

/// Edges JOIN and RELEASE: a message is held, or passed, never both. Fails if the publisher passes
/// without a swap, if it does not look for pins, and if it or the subscriber's swap is Relaxed.
#[test]
fn loom_held_message_is_not_written() {
    explore(slim(exclusive(1)), None, |topic| {
        let mut subscriber = topic.join(0, 0, Delivery::Lossy);
        topic.publish(&mut topic.exclusive()).unwrap();
        let mut publisher = topic.exclusive();
        let publisher = thread::spawn(move || {
            for seq in 1..3 {
                assert_eq!(topic.publish(&mut publisher), Ok(seq));
            }
        });
        topic.follow(&mut subscriber, 2, 1);
        subscriber.release_pins();
        publisher.join().unwrap();
        follow_to_the_end(topic, &mut subscriber, 3);
    });
}

/// Edge JOIN of one that comes back: it starts where nothing is being overwritten, though its mark as
/// overtaken orders nothing. Fails without the fence in `attach`.
#[test]
fn loom_passed_subscriber_comes_back_by_the_limit() {
    explore(slim(exclusive(1)), None, |topic| {
        let mut subscriber = topic.join(0, 0, Delivery::Lossy);
        let mut publisher = topic.exclusive();
        topic.publish(&mut publisher).unwrap();
        let subscriber = thread::spawn(move || {
            topic.follow(&mut subscriber, 2, 1);
            subscriber.release_pins();
            subscriber
        });
        for seq in 1..3 {
            assert_eq!(topic.publish(&mut publisher), Ok(seq));
        }
        let mut subscriber = subscriber.join().unwrap();
        follow_to_the_end(topic, &mut subscriber, 3);
    });
}

/// Edge RELEASE, in spare chunks. Fails if a spare is lent that is in the ring, that is held, or
/// that was released with a Relaxed swap.
#[test]
fn loom_held_message_in_a_spare_chunk_is_not_written() {
    explore(slim(exclusive(1)), None, |topic| {
        let mut subscriber = topic.join(0, 0, Delivery::Lossy);
        topic.publish(&mut topic.exclusive()).unwrap();
        assert_eq!(topic.take(&mut subscriber, 1), Ok(vec![1]));
        topic.publish(&mut topic.exclusive()).unwrap();
        let mut publisher = topic.exclusive();
        let publisher = thread::spawn(move || {
            for seq in 2..4 {
                assert_eq!(topic.publish(&mut publisher), Ok(seq));
            }
        });
        topic.follow(&mut subscriber, 1, 1);
        publisher.join().unwrap();
        follow_to_the_end(topic, &mut subscriber, 4);
    });
}

/// What a passed subscriber gives up is free again. Fails if `release_pins` leaves the
/// pins of a passed subscriber where they are.
#[test]
fn loom_pins_given_up_are_gone() {
    explore(slim(exclusive(1)), None, |topic| {
        let mut subscriber = topic.join(0, 0, Delivery::Lossy);
        topic.publish(&mut topic.exclusive()).unwrap();
        assert_eq!(topic.take(&mut subscriber, 1), Ok(vec![1]));
        let mut publisher = topic.exclusive();
        let publisher = thread::spawn(move || {
            for seq in 1..3 {
                assert_eq!(topic.publish(&mut publisher), Ok(seq));
            }
        });
        assert_eq!(topic.read_held(&subscriber, 0), 1);
        assert!(subscriber.release_pins());
        publisher.join().unwrap();
        assert_eq!(gate::holder(&topic.cells(), Sequence(0)), None);
        follow_to_the_end(topic, &mut subscriber, 3);
    });
}

/// Edge RELEASE of a subscriber that publishers wait for until they evict it. Fails if it
/// is evicted without a swap, and if the swap is Relaxed.
#[test]
fn loom_evicted_subscriber_keeps_what_it_holds() {
    explore(slim(exclusive(1)), None, |topic| {
        let mut subscriber = topic.join_evictable(0, 0);
        topic.publish(&mut topic.exclusive()).unwrap();
        let mut publisher = topic.exclusive();
        let publisher = thread::spawn(move || {
            publish_evicting(topic, &mut publisher);
        });
        topic.follow(&mut subscriber, 2, 1);
        publisher.join().unwrap();
    });
}

/// Edge RELEASE of what is not held: a header that is being overwritten decides nothing. Fails if `sift`
/// goes past messages without a swap, and if that is Relaxed.
#[test]
fn loom_verdict_on_an_overwritten_header_is_thrown_away() {
    explore(slim(exclusive(1)), None, |topic| {
        let mut subscriber = topic.join(0, 0, Delivery::Lossy);
        let mut publisher = topic.exclusive();
        publish_to_be_copied(topic, &mut publisher);
        let publisher = thread::spawn(move || publish_to_be_copied(topic, &mut publisher));
        let mut accounted = sift_all(&mut subscriber, 1);
        publisher.join().unwrap();
        accounted += sift_all(&mut subscriber, 2);
        assert_eq!((accounted, subscriber.next()), (2, Sequence(2)));
    });
}

/// Wants nothing; how many messages were skipped or missed.
fn sift_all(subscriber: &mut Cursor, rounds: u32) -> u64 {
    let mut accounted = 0;
    for _ in 0..rounds {
        let seen = RefCell::new(vec![]);
        let sifted = subscriber.sift(2, &mut vec![], |ring, place| {
            let tag = ring.read_header(place).tag;
            seen.borrow_mut().push((place.sequence().0, tag));
            false
        });
        match sifted {
            Ok(Some(run)) => {
                // After being passed without a loss it looks again.
                let seen = seen.borrow();
                let seen = &seen[seen.len() - run.len as usize..];
                for (seq, (at, tag)) in (run.first.0..).zip(seen) {
                    assert_eq!((*at, *tag), (seq, content(seq)));
                }
                accounted += u64::from(run.len);
            }
            Ok(None) => {}
            Err(Interruption::Lagged { missed }) => accounted += missed,
            Err(other) => panic!("{other:?}"),
        }
    }
    accounted
}

pub(super) fn publish_evicting(topic: &ModelTopic, publisher: &mut ExclusivePublisher) {
    if let Err(shut) = topic.publish(publisher) {
        assert_eq!(shut, Shut::Gate { cell: 0 });
        let cell = topic.cells().cell(0);
        let word = CursorWord(cell.cursor.load(Ordering::Relaxed));
        gate::evict(cell, word);
        let _ = topic.publish(publisher);
    }
}

/// The rest comes too, or is counted as missed.
pub(super) fn follow_to_the_end(topic: &ModelTopic, subscriber: &mut Cursor, end: u64) {
    topic.follow(subscriber, 4, 1);
    assert_eq!(subscriber.next(), Sequence(end));
}
