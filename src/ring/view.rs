//! Borrowed views of the two segments of a topic: from offsets to references.
//!
//! The algorithms see a ring only through these views, so that they run alike on mapped segments,
//! on heap memory (tests, Miri) and, in another implementation of the same methods, under loom.

use std::{marker::PhantomData, ptr::NonNull};

use super::{
    layout::{Cell, Control, CursorsControl, Geometry, PublisherRecord, Spare},
    place::Place,
    sequence::Sequence,
};
use crate::{
    shared::{Offset, Shared},
    sync::{AtomicU32, AtomicU64},
};

/// The ring segment of a topic, borrowed for `'m`.
///
/// Invariant R1: `base` is page-aligned, and `geometry.ring_bytes` bytes from there are mapped for
/// `'m`; those that [`Geometry::reserved_at_creation`] leaves out may be touched only after they
/// were reserved. `geometry` is private memory.
#[derive(Clone, Copy)]
pub(crate) struct RingView<'m> {
    base: NonNull<u8>,
    geometry: Geometry,
    mapped: PhantomData<&'m ()>,
}

/// The cursors segment of a topic, borrowed for `'m`.
///
/// Invariant R2: `base` is page-aligned, and `geometry.cursors_bytes` bytes from there are mapped
/// for `'m`, where `cells` is that geometry's `max_subscribers`.
#[derive(Clone, Copy)]
pub(crate) struct CellsView<'m> {
    base: NonNull<u8>,
    cells: u32,
    mapped: PhantomData<&'m ()>,
}

// SAFETY: a view is a shared borrow of memory made of atomics (`Shared`) and of blocks, which it
// only hands out as raw pointers.
unsafe impl Send for RingView<'_> {}
// SAFETY: as above.
unsafe impl Sync for RingView<'_> {}
// SAFETY: as above.
unsafe impl Send for CellsView<'_> {}
// SAFETY: as above.
unsafe impl Sync for CellsView<'_> {}

impl<'m> RingView<'m> {
    /// Views the segment at `base`.
    ///
    /// # Safety
    ///
    /// Invariant R1 holds, and the segment was formatted for `geometry`.
    pub(crate) unsafe fn new(base: NonNull<u8>, geometry: Geometry) -> Self {
        Self {
            base,
            geometry,
            mapped: PhantomData,
        }
    }

    /// Where everything lies.
    #[inline(always)]
    pub(crate) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The stamp of the slot that `seq` belongs into.
    #[inline(always)]
    pub(crate) fn stamp(&self, seq: Sequence) -> &'m AtomicU64 {
        // SAFETY: a stamp lies at the start of each slot.
        unsafe { self.word(self.slot_offset(seq)) }
    }

    /// [`Control::limit`].
    #[inline]
    pub(crate) fn limit(&self) -> &'m AtomicU64 {
        &self.control().limit
    }

    /// [`Control::publishers_used`].
    pub(crate) fn publishers_used(&self) -> &'m AtomicU64 {
        &self.control().publishers_used
    }

    /// Publisher record `index`, which is less than `max_publishers`.
    pub(crate) fn record(&self, index: u32) -> &'m PublisherRecord {
        assert!(index < self.geometry.shape.max_publishers);
        let offset = self.geometry.records + u64::from(index) * size_of::<PublisherRecord>() as u64;
        // SAFETY: `index` is in range, and the records are a multiple of their size from the
        // page-aligned `records`.
        unsafe { self.at(Offset::new(offset)) }
    }

    /// Entry `index` of the chunk list of publisher `record`.
    pub(crate) fn list_entry(&self, record: u32, index: u32) -> &'m AtomicU64 {
        let per_publisher = self.geometry.shape.chunks_per_publisher();
        assert!(record < self.geometry.shape.max_publishers && u64::from(index) < per_publisher);
        let entry = u64::from(record) * per_publisher + u64::from(index);
        // SAFETY: the entry is in range.
        unsafe { self.word(self.geometry.chunk_lists + entry * 8) }
    }

    /// Spare chunk `index` (from 0) of a shared topic.
    pub(crate) fn spare(&self, index: u32) -> &'m Spare {
        assert!(u64::from(index) < self.geometry.shape.spare_chunks());
        let offset = self.geometry.spares + u64::from(index) * size_of::<Spare>() as u64;
        // SAFETY: `index` is in range, and `spares` is a multiple of their size.
        unsafe { self.at(Offset::new(offset)) }
    }

    /// The first word of spare chunk `chunk` (from 1) of an exclusive topic: one more than the last
    /// sequence written into it. It must have been reserved.
    pub(crate) fn spare_word(&self, chunk: u32) -> &'m AtomicU64 {
        assert!(chunk >= 1 && u64::from(chunk) <= self.geometry.chunks);
        // SAFETY: the chunk is in range, and starts with a word.
        unsafe { self.word(self.geometry.chunk_range(chunk).0) }
    }

    /// The first byte of the block at `place`, whose chunk was checked by [`Place::checked`].
    #[inline(always)]
    pub(crate) fn block(&self, place: Place) -> NonNull<u8> {
        let geometry = &self.geometry;
        let offset = match place.chunk() {
            0 => self.slot_offset(place.sequence()),
            chunk => geometry.chunks_offset + (u64::from(chunk) - 1) * geometry.block_stride,
        };
        // SAFETY: slots and chunks lie within the segment (R1).
        unsafe { self.base.add(offset as usize) }
    }

    #[inline(always)]
    fn slot_offset(&self, seq: Sequence) -> u64 {
        let index = seq.0 & (self.geometry.shape.capacity_slots - 1);
        self.geometry.slots_offset + index * self.geometry.slot_stride
    }

    #[inline(always)]
    fn control(&self) -> &'m Control {
        // SAFETY: the geometry places the control page within the segment (R1).
        unsafe { self.at(Offset::new(self.geometry.control)) }
    }

    /// # Safety
    ///
    /// A word lies at `offset`, a multiple of 8, within the segment.
    #[inline(always)]
    unsafe fn word(&self, offset: u64) -> &'m AtomicU64 {
        // SAFETY: by the caller's promise.
        unsafe { self.at(Offset::new(offset)) }
    }

    /// # Safety
    ///
    /// A `T` lies at `offset` within the segment.
    #[inline(always)]
    unsafe fn at<T: Shared>(&self, offset: Offset<T>) -> &'m T {
        // SAFETY: in bounds by the caller's promise.
        let pointer = unsafe { self.base.add(offset.bytes() as usize) };
        // SAFETY:
        // - mapped for `'m`: R1. Aligned: R1 (`base` is page-aligned) and `Offset::new`.
        // - valid whatever a peer writes, and peer writes are no race on it: `T: Shared`.
        unsafe { pointer.cast().as_ref() }
    }
}

impl<'m> CellsView<'m> {
    /// Views the segment at `base`.
    ///
    /// # Safety
    ///
    /// Invariant R2 holds for `geometry`.
    pub(crate) unsafe fn new(base: NonNull<u8>, geometry: &Geometry) -> Self {
        Self {
            base,
            cells: geometry.shape.max_subscribers,
            mapped: PhantomData,
        }
    }

    /// [`CursorsControl::cells_used`].
    pub(crate) fn cells_used(&self) -> &'m AtomicU64 {
        &self.control().cells_used
    }

    /// Cells that may be in use, one after the other.
    pub(crate) fn used(&self, used: u64) -> impl Iterator<Item = (u32, &'m Cell)> {
        let view = *self;
        (0..u64::from(self.cells).min(used) as u32).map(move |index| (index, view.cell(index)))
    }

    /// How many cells there are.
    pub(crate) fn len(&self) -> u32 {
        self.cells
    }

    /// [`CursorsControl::arrivals`].
    #[inline(always)]
    pub(crate) fn arrivals(&self) -> &'m AtomicU32 {
        &self.control().arrivals
    }

    /// [`CursorsControl::departures`].
    #[inline(always)]
    pub(crate) fn departures(&self) -> &'m AtomicU32 {
        &self.control().departures
    }

    /// Cell `index`, which is less than `max_subscribers`.
    pub(crate) fn cell(&self, index: u32) -> &'m Cell {
        assert!(index < self.cells);
        let offset = Geometry::CELLS + u64::from(index) * size_of::<Cell>() as u64;
        // SAFETY: `index` is in range, and cells are a multiple of their size from a page.
        unsafe { self.at(Offset::new(offset)) }
    }

    #[inline(always)]
    fn control(&self) -> &'m CursorsControl {
        // SAFETY: the control page follows the header (R2).
        unsafe { self.at(Geometry::CURSORS_CONTROL) }
    }

    /// # Safety
    ///
    /// A `T` lies at `offset` within the segment.
    #[inline(always)]
    unsafe fn at<T: Shared>(&self, offset: Offset<T>) -> &'m T {
        // SAFETY: in bounds by the caller's promise.
        let pointer = unsafe { self.base.add(offset.bytes() as usize) };
        // SAFETY:
        // - mapped for `'m`: R2. Aligned: R2 (`base` is page-aligned) and `Offset::new`.
        // - valid whatever a peer writes, and peer writes are no race on it: `T: Shared`.
        unsafe { pointer.cast().as_ref() }
    }
}
