//! Where the chunks of a shared topic are.

use crate::{
    ring::{chunk_list::Entry, sequence::Sequence, view::RingView},
    sync::{AtomicU64, Ordering},
};

/// Every chunk of a shared topic is in exactly one place, as long as no publisher is at work.
pub(crate) fn assert_chunks_conserved(ring: &RingView) {
    let geometry = *ring.geometry();
    let shape = geometry.shape;
    let chunk_of = |entry: &AtomicU64| Entry(entry.load(Ordering::Relaxed)).chunk();
    let in_ring = (0..shape.capacity_slots).map(|index| {
        let stamp = ring.stamp(Sequence(index)).load(Ordering::Relaxed);
        geometry.stamps.chunk(stamp)
    });
    let per_publisher = shape.chunks_per_publisher() as u32;
    let in_lists = (0..shape.max_publishers).flat_map(|record| {
        (0..per_publisher).map(move |index| chunk_of(ring.list_entry(record, index)))
    });
    let spare = (0..shape.spare_chunks() as u32).map(|index| {
        let spare = ring.spare(index);
        assert_eq!(spare.taker.load(Ordering::Relaxed), 0);
        chunk_of(&spare.entry)
    });
    let mut chunks: Vec<u32> = in_ring.chain(in_lists).chain(spare).collect();
    chunks.sort_unstable();
    let all: Vec<u32> = (1..=geometry.chunks as u32).collect();
    assert_eq!(chunks, all);
}
