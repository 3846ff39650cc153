//! Subscribers that join, or go back, while publishers overwrite what they want to read.

use loom::thread;

use super::{
    model::{content, explore},
    shapes::{exclusive, shared, slim},
};
use crate::{
    ring::{
        cursor::Delivery,
        sequence::Sequence,
        tail::{find_oldest, find_tail},
    },
    sync::Ordering,
};

/// Edge JOIN. Fails without the fence in `attach`, without the one in `raise`, and if the limit is
/// not read again after the cursor was stored.
#[test]
fn loom_reliable_newcomer_at_the_oldest_misses_nothing_after_its_first_message() {
    join_at_the_oldest(Delivery::Reliable);
}

/// Edge JOIN, as above.
#[test]
fn loom_lossy_newcomer_at_the_oldest_counts_what_it_misses() {
    join_at_the_oldest(Delivery::Lossy);
}

fn join_at_the_oldest(delivery: Delivery) {
    explore(slim(exclusive(2)), None, move |topic| {
        let mut publisher = topic.exclusive();
        for seq in 0..2 {
            assert_eq!(topic.publish(&mut publisher), Ok(seq));
        }
        let publisher = thread::spawn(move || {
            for _ in 0..2 {
                let _ = topic.publish(&mut publisher);
            }
            publisher.next()
        });
        let mut subscriber = topic.join(0, 0, delivery);
        topic.follow_from(&mut subscriber, 0, 1, 1);
        let end = publisher.join().unwrap();
        topic.follow(&mut subscriber, 4, 2);
        assert_eq!(subscriber.next(), end);
    });
}

/// Edge JOIN of a subscriber that publishers know already. Fails as above.
#[test]
fn loom_reliable_subscriber_can_go_back_to_the_oldest() {
    explore(slim(exclusive(2)), None, |topic| {
        let mut subscriber = topic.join(0, 0, Delivery::Reliable);
        let mut publisher = topic.exclusive();
        for seq in 0..2 {
            assert_eq!(topic.publish(&mut publisher), Ok(seq));
        }
        assert_eq!(topic.follow(&mut subscriber, 1, 2), 2);
        let mut publisher = topic.exclusive();
        let publisher = thread::spawn(move || {
            for _ in 0..2 {
                let _ = topic.publish(&mut publisher);
            }
            publisher.next()
        });
        subscriber.seek(Sequence(0));
        topic.follow_from(&mut subscriber, 0, 2, 1);
        let end = publisher.join().unwrap();
        topic.follow(&mut subscriber, 3, 2);
        assert_eq!(subscriber.next(), end);
    });
}

/// A newcomer at the tail gets everything that is published after it joined.
#[test]
fn loom_newcomer_at_the_tail_misses_nothing() {
    explore(slim(exclusive(2)), Some(3), |topic| {
        let mut publisher = topic.exclusive();
        let publisher = thread::spawn(move || {
            for _ in 0..2 {
                let _ = topic.publish(&mut publisher);
            }
            publisher.next()
        });
        let tail = find_tail(&topic.ring());
        let mut subscriber = topic.join(0, tail.0, Delivery::Reliable);
        topic.follow_from(&mut subscriber, tail.0, 1, 2);
        let end = publisher.join().unwrap();
        topic.follow(&mut subscriber, 3, 2);
        assert_eq!(subscriber.next(), end);
    });
}

/// Edge JOIN with two publishers, each of which has a limit of its own. Fails as above.
#[test]
fn loom_newcomer_to_a_shared_topic_is_seen_by_all_publishers() {
    explore(slim(shared(2)), Some(2), |topic| {
        let mut publisher = topic.shared(0);
        for seq in 0..2 {
            assert_eq!(
                topic.publish_shared(&mut publisher, content(seq)),
                Some(seq)
            );
        }
        let publishers = [0, 1].map(|index| {
            thread::spawn(move || {
                let mut publisher = topic.shared(index);
                topic.publish_shared(&mut publisher, content(2)).is_some()
            })
        });
        let mut subscriber = topic.join(0, 0, Delivery::Reliable);
        let got = topic.take(&mut subscriber, 2);
        if let Ok(got) = got {
            assert!(
                got.starts_with(&[content(0)]) || got.starts_with(&[content(1)]) || got.is_empty()
            );
        }
        let published = publishers.map(|publisher| u64::from(publisher.join().unwrap()));
        assert!(find_tail(&topic.ring()) == Sequence(2 + published[0] + published[1]));
    });
}

/// Edge LIMIT. Fails if the limit is raised Relaxed, and if it is read Relaxed: the first stamp looked
/// at, in the middle of the lap, must be as new as the limit.
#[test]
fn loom_tail_is_found_near_the_limit() {
    explore(slim(exclusive(4)), Some(2), |topic| {
        let mut publisher = topic.exclusive();
        let publisher = thread::spawn(move || {
            for seq in 0..3 {
                assert_eq!(topic.publish(&mut publisher), Ok(seq));
            }
        });
        let ring = topic.ring();
        let limit = Sequence(ring.limit().load(Ordering::Relaxed));
        let tail = find_tail(&ring);
        assert!(tail.plus(ring.geometry().quantum()) >= limit);
        assert!(find_oldest(&ring) <= find_tail(&ring));
        publisher.join().unwrap();
        assert_eq!(find_tail(&ring), Sequence(3));
    });
}
