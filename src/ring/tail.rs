//! Where a ring ends and begins, found in the stamps: no index is stored with every message.

use super::{
    sequence::{Sequence, Slot},
    view::RingView,
};
use crate::sync::{Ordering, load_acquire};

/// How often a search starts anew because publishers ran away from it.
const SEARCHES_MAX: u32 = 64;

/// The sequence of the next message: the first that was not published yet, at some moment during
/// the call.
///
/// Stamps are written in order, and the limit is never more than a lap ahead of the tail, so the
/// tail is the border between published and unpublished slots in the lap before the limit: a
/// binary search finds it. It begins where the tail was when the limit was raised, with leaps that
/// grow: in a ring that was just mapped each look at another page may be a fault, which takes longer
/// than all the looks.
pub(crate) fn find_tail(ring: &RingView) -> Sequence {
    let mut tail = ring.geometry().first();
    for _ in 0..SEARCHES_MAX {
        // Acquire: edge LIMIT; whoever raised the limit has seen the tail near to it.
        let limit = Sequence(load_acquire(ring.limit()));
        let mut from = window_start(ring, limit);
        let mut to = limit;
        let mut leap = Some(limit.minus(ring.geometry().quantum()));
        let mut stride = 1;
        while from < to {
            leap = leap.filter(|seq| (from..to).contains(seq));
            let middle = Sequence(from.0 + (to.0 - from.0) / 2);
            let seq = leap.unwrap_or(middle);
            if is_published(ring, seq) {
                from = seq.plus(1);
                leap = leap.map(|seq| seq.plus(stride));
                stride *= 2;
            } else {
                (to, leap) = (seq, None);
            }
        }
        tail = from;
        // All of the window published: the limit was raised meanwhile, unless nobody needed to.
        if tail < limit || ring.limit().load(Ordering::Relaxed) == limit.0 {
            break;
        }
    }
    tail
}

/// The oldest message that a newcomer can still count on reading.
///
/// A message older than a lap before the limit may be overwritten at any moment, so up to an
/// eighth of a lap of what is still there is given up.
pub(crate) fn find_oldest(ring: &RingView) -> Sequence {
    // Acquire: edge LIMIT.
    window_start(ring, Sequence(load_acquire(ring.limit())))
}

fn window_start(ring: &RingView, limit: Sequence) -> Sequence {
    let geometry = ring.geometry();
    limit
        .minus(geometry.shape.capacity_slots)
        .max(geometry.first())
}

fn is_published(ring: &RingView, seq: Sequence) -> bool {
    // Acquire: edge COMMIT.
    let stamp = load_acquire(ring.stamp(seq));
    !matches!(ring.geometry().stamps.read(stamp, seq), Slot::Empty)
}
