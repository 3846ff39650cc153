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
    let per_publisher = geometry.shape.chunks_per_publisher() as u32;
    for record in 0..geometry.shape.max_publishers {
        for index in 0..per_publisher {
            let chunk = 1 + geometry.shape.capacity_slots as u32 + record * per_publisher + index;
            // "Last held" a lap before the first message: nobody can hold that.
            let before = first.0.wrapping_sub(geometry.shape.capacity_slots);
            let entry = Entry::new(chunk, Sequence(before));
            ring.list_entry(record, index)
                .store(entry.0, Ordering::Relaxed);
        }
    }
}
