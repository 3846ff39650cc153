//! Writing a new topic into fresh memory, before anybody else can see it.

use super::{chunk_list::Entry, layout::PublisherMode, sequence::Sequence, view::RingView};
use crate::sync::Ordering;

/// Formats the words of a ring whose segment is all zero: every slot says that its first message is
/// still to come, and every chunk has its place.
pub(crate) fn format(ring: &RingView) {
    let geometry = *ring.geometry();
    let first = geometry.first();
    // Relaxed throughout: making the segment visible publishes all of it.
    ring.limit().store(first.0, Ordering::Relaxed);
    for index in 0..geometry.shape.capacity_slots {
        let seq = first.plus(index);
        let chunk = match geometry.shape.mode {
            PublisherMode::Exclusive => 0,
            PublisherMode::Shared => 1 + index as u32,
        };
        let stamp = geometry.stamps.stamp_before(seq, chunk);
        ring.stamp(seq).store(stamp, Ordering::Relaxed);
    }
    // "Last held" a lap before the first message: nobody can hold that.
    let before = Sequence(first.0.wrapping_sub(geometry.shape.capacity_slots));
    let mut chunk = 1 + geometry.shape.capacity_slots as u32;
    let mut next_entry = || {
        let entry = Entry::new(chunk, before);
        chunk += 1;
        entry.0
    };
    for record in 0..geometry.shape.max_publishers {
        for index in 0..geometry.shape.chunks_per_publisher() as u32 {
            let entry = ring.list_entry(record, index);
            entry.store(next_entry(), Ordering::Relaxed);
        }
    }
    for index in 0..geometry.shape.spare_chunks() as u32 {
        let spare = ring.spare(index);
        spare.entry.store(next_entry(), Ordering::Relaxed);
    }
}
