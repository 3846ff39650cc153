//! Words that no honest process writes: an error, never a wait without an end.

use super::{
    heap::{HeapTopic, Refusal, publish, publish_shared},
    shapes::{exclusive, shared},
};
use crate::{
    ring::{
        cursor::{Delivery, Interruption},
        observe::{CopyBuffer, Observation, ObserverCursor},
        publish::Shut,
        publish_shared::CommitRefusal,
        sequence::Sequence,
    },
    sync::Ordering,
};

/// Limits that put the tail where no message is.
const IMPOSSIBLE: [u64; 3] = [u64::MAX, u64::MAX - 3, 1 << 63];

#[test]
fn an_exclusive_publisher_notices_an_impossible_limit() {
    for limit in IMPOSSIBLE {
        let topic = HeapTopic::new(exclusive(8));
        let ring = topic.ring();
        publish(&mut topic.exclusive(), &ring).unwrap();
        ring.limit().store(limit, Ordering::Relaxed);
        // As if it were published up to the limit.
        for seq in limit.saturating_sub(8)..limit {
            let stamp = ring.geometry().stamps.stamp(Sequence(seq), 0);
            ring.stamp(Sequence(seq)).store(stamp, Ordering::Relaxed);
        }
        // Somebody to be blamed for it.
        let mut innocent = topic.join(0, 0, Delivery::Reliable);
        let mut successor = topic.exclusive();
        let refused = publish(&mut successor, &ring);
        assert!(
            matches!(refused, Err(Shut::Corrupted { .. })),
            "{refused:?}"
        );
        innocent.leave();
    }
}

#[test]
fn a_shared_publisher_notices_an_impossible_limit() {
    for limit in IMPOSSIBLE {
        let topic = HeapTopic::new(shared(8));
        let ring = topic.ring();
        ring.limit().store(limit, Ordering::Relaxed);
        for seq in limit.saturating_sub(8)..limit {
            let stamp = ring.geometry().stamps.stamp(Sequence(seq), 1);
            ring.stamp(Sequence(seq)).store(stamp, Ordering::Relaxed);
        }
        let mut publisher = topic.shared(0);
        let refused = publish_shared(&mut publisher, &ring, 1);
        assert!(
            matches!(
                refused,
                Err(Refusal::Commit(CommitRefusal::Corrupted { .. }))
            ),
            "{refused:?}"
        );
    }
}

#[test]
fn a_stamp_of_a_later_lap_that_no_limit_allows_is_damage_to_all_readers() {
    let topic = HeapTopic::new(exclusive(8));
    let (ring, mut publisher) = (topic.ring(), topic.exclusive());
    let mut reliable = topic.join(0, 0, Delivery::Reliable);
    let mut lossy = topic.join(1, 0, Delivery::Lossy);
    let mut observer = ObserverCursor::new(ring, Sequence(0));
    publish(&mut publisher, &ring).unwrap();
    let later = ring.geometry().stamps.stamp(Sequence(8), 0);
    ring.stamp(Sequence(0)).store(later, Ordering::Relaxed);

    let seq = Sequence(0);
    for _ in 0..2 {
        assert_eq!(reliable.take(1), Err(Interruption::Corrupted { seq }));
        assert_eq!(lossy.take(1), Err(Interruption::Corrupted { seq }));
        let observed = observer.observe(&mut CopyBuffer::new(8));
        assert_eq!(observed, Observation::Corrupted { seq });
    }
}
