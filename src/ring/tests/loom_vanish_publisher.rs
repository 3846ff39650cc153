//! Publishers that vanish after any of their steps, and those who go on.
//!
//! The successor follows its predecessor in the same thread: the kernel hands it the dead one's lock,
//! or the record whose owner is dead.

use loom::thread;

use super::{
    chunks::assert_chunks_conserved,
    loom_cursor::{follow_to_the_end, publish_evicting},
    loom_publish::{observe, publish_to_be_copied},
    loom_publish_shared::{exchange, leave_one_spare, return_the_spares},
    model::explore_vanishing,
    shapes::{exclusive, shared, slim},
};
use crate::{
    ring::{cursor::Delivery, observe::ObserverCursor, sequence::Sequence, tail::find_tail},
    sync::watched::vanishing_after,
};

/// What an exclusive publisher left undone, its successor does, under the eyes of a subscriber that
/// holds messages. Fails if the stamp is stored before the message is written.
#[test]
fn loom_vanished_exclusive_publisher_leaves_whole_messages() {
    explore_vanishing(slim(exclusive(1)), Some(3), |topic, victim| {
        let mut subscriber = topic.join(0, 0, Delivery::Lossy);
        topic.publish(&mut topic.exclusive()).unwrap();
        let subscriber = thread::spawn(move || {
            topic.follow(&mut subscriber, 2, 1);
            subscriber
        });
        victim.act(|| topic.publish(&mut topic.exclusive()).unwrap());
        let next = topic.publish(&mut topic.exclusive()).unwrap();
        assert!((1..=2).contains(&next));
        let mut subscriber = subscriber.join().unwrap();
        follow_to_the_end(topic, &mut subscriber, next + 1);
    });
}

/// The same beside a reliable subscriber, which misses nothing.
#[test]
fn loom_vanished_exclusive_publisher_is_nothing_to_a_reliable_subscriber() {
    explore_vanishing(slim(exclusive(2)), None, |topic, victim| {
        let mut subscriber = topic.join(0, 0, Delivery::Reliable);
        let subscriber = thread::spawn(move || {
            let got = topic.follow(&mut subscriber, 2, 1);
            (got, subscriber)
        });
        victim.act(|| {
            let mut publisher = topic.exclusive();
            [0; 2].map(|_| topic.publish(&mut publisher))
        });
        let mut successor = topic.exclusive();
        let _ = topic.publish(&mut successor);
        let end = successor.next().0;
        let (got, mut subscriber) = subscriber.join().unwrap();
        assert_eq!(got + topic.follow(&mut subscriber, 3, 1), end);
    });
}

/// The same under the eyes of an observer: edge OBSERVE of what a successor writes anew.
#[test]
fn loom_vanished_exclusive_publisher_shows_an_observer_nothing_torn() {
    explore_vanishing(slim(exclusive(1)), Some(3), |topic, victim| {
        publish_to_be_copied(topic, &mut topic.exclusive());
        let observer = thread::spawn(move || {
            let mut observer = ObserverCursor::new(topic.ring(), Sequence(0));
            observe(&mut observer);
            observe(&mut observer);
        });
        victim.act(|| publish_to_be_copied(topic, &mut topic.exclusive()));
        publish_to_be_copied(topic, &mut topic.exclusive());
        observer.join().unwrap();
    });
}

/// A publisher that vanishes while it looks, or evicts, takes no message from the subscriber, and
/// none that it holds is written.
#[test]
fn loom_publisher_that_vanishes_while_it_evicts_harms_no_message() {
    explore_vanishing(slim(exclusive(1)), Some(3), |topic, victim| {
        let mut subscriber = topic.join_evictable(0, 0);
        topic.publish(&mut topic.exclusive()).unwrap();
        let subscriber = thread::spawn(move || {
            topic.follow(&mut subscriber, 2, 1);
            subscriber
        });
        victim.act(|| publish_evicting(topic, &mut topic.exclusive()));
        publish_evicting(topic, &mut topic.exclusive());
        let mut subscriber = subscriber.join().unwrap();
        let tail = find_tail(&topic.ring());
        follow_to_the_end(topic, &mut subscriber, tail.0);
    });
}

/// Edges INTENT and WON: no chunk is lost or owned twice, wherever a publisher vanishes while
/// another one publishes. Fails if `mark_won` marks nothing, or after the limit was raised beyond
/// what the mark is for; if the intent is noted after the swap; and if `recover` looks for the mark
/// before it looks at the stamp.
#[test]
fn loom_chunks_of_a_publisher_that_vanished_are_found() {
    explore_vanishing(slim(shared(1)), Some(1), |topic, victim| {
        let (mut publisher, mut survivor) = (topic.shared(0), topic.shared(1));
        let survivor = thread::spawn(move || {
            for content in 2..4 {
                topic.publish_shared(&mut survivor, content).unwrap();
            }
        });
        let published = victim.act(|| topic.publish_shared(&mut publisher, 1).unwrap());
        drop(topic.shared(0));
        survivor.join().unwrap();
        assert_chunks_conserved(&topic.ring());
        let tail = find_tail(&topic.ring());
        match published {
            Some(_) => assert_eq!(tail, Sequence(3)),
            None => assert!((2..=3).contains(&tail.0)),
        }
    });
}

/// The same before a subscriber, which sees each message whole, and none twice.
#[test]
fn loom_vanished_shared_publisher_leaves_whole_messages() {
    explore_vanishing(slim(shared(2)), Some(2), |topic, victim| {
        let mut subscriber = topic.join(0, 0, Delivery::Reliable);
        let (mut publisher, mut survivor) = (topic.shared(0), topic.shared(1));
        let survivor = thread::spawn(move || topic.publish_shared(&mut survivor, 2).unwrap());
        let reader = thread::spawn(move || {
            let got = topic.take(&mut subscriber, 1).unwrap();
            (got, subscriber)
        });
        let published = victim.act(|| topic.publish_shared(&mut publisher, 1).unwrap());
        let survived = survivor.join().unwrap();
        let (mut got, mut subscriber) = reader.join().unwrap();
        subscriber.release();
        got.extend(topic.take(&mut subscriber, 2).unwrap());
        assert_eq!(got[survived as usize], 2);
        assert_eq!(got.iter().filter(|content| **content == 2).count(), 1);
        let ones = got.iter().filter(|content| **content == 1).count();
        assert_eq!(got.len(), 1 + ones);
        assert!(ones == 1 || published.is_none() && ones == 0);
    });
}

/// Edge SPARE: a publisher that vanishes in the middle of an exchange loses no chunk. Fails if
/// `recover` does not finish the exchange, if it repeats one that is finished, and if it leaves the
/// spare claimed.
#[test]
fn loom_exchange_that_was_left_is_finished() {
    explore_vanishing(slim(shared(1)), None, |topic, victim| {
        leave_one_spare(topic);
        let other = thread::spawn(move || exchange(topic, 1, 0).is_some());
        victim.act(|| exchange(topic, 0, 0));
        drop(topic.shared(0));
        other.join().unwrap();
        assert!(exchange(topic, 1, 1).is_some());
        return_the_spares(topic);
        assert_chunks_conserved(&topic.ring());
    });
}

/// A successor that vanishes itself while it puts its predecessor's list in order: the next one
/// finishes that.
#[test]
fn loom_recovery_that_was_left_is_finished() {
    explore_vanishing(slim(shared(1)), Some(1), |topic, victim| {
        leave_one_spare(topic);
        let mut survivor = topic.shared(1);
        let survivor = thread::spawn(move || {
            for content in 2..4 {
                topic.publish_shared(&mut survivor, content).unwrap();
            }
        });
        let mut predecessor = topic.shared(0);
        // After the intent, the swap, the list entry: that of a commit that was begun.
        vanishing_after(8, || topic.publish_shared(&mut predecessor, 1));
        victim.act(|| drop(topic.shared(0)));
        drop(topic.shared(0));
        survivor.join().unwrap();
        return_the_spares(topic);
        assert_chunks_conserved(&topic.ring());
    });
}
