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
    sync::{AtomicU32, AtomicU64, Ordering, prefetch_read, prefetch_read_from, prefetch_write},
};

/// Bytes that move between processors at once.
const LINE: usize = 64;

/// The ring segment of a topic, borrowed for `'m`.
///
/// Invariant R1: `base` is page-aligned, and `geometry.ring_bytes` bytes from there are mapped for
/// `'m`; those that [`Geometry::reserved_at_creation`] leaves out may be touched only after they
/// were reserved. `geometry` is private memory.
#[derive(Clone, Copy)]
pub(crate) struct RingView<'m> {
    base: NonNull<u8>,
    /// Where the slots start: each message asks for it, and for the next.
    slots: NonNull<u8>,
    /// Which bits of a sequence are its slot.
    slot_mask: u64,
    geometry: Geometry,
    mapped: PhantomData<&'m ()>,
}

/// The slot of a message: where it is read that lies in its own.
#[derive(Clone, Copy)]
pub(crate) struct Home<'m> {
    seq: Sequence,
    slot: NonNull<u8>,
    mapped: PhantomData<&'m ()>,
}

/// Slots of one lap, one after the other.
pub(crate) struct Homes<'m> {
    next: Home<'m>,
    left: u64,
    slot_stride: usize,
}

/// The slots of one lap: where many messages are read one after the other, it is found out once.
///
/// Invariant R1, as for [`RingView`]: the slots are mapped for `'m`.
#[derive(Clone, Copy)]
pub(crate) struct Lap<'m> {
    /// One more than its last sequence.
    until: Sequence,
    /// Where the slot of sequence 0 would be, if all slots from there lay one after the other.
    origin: *mut u8,
    slot_stride: u64,
    /// The stamp of messages in their own slots.
    stamp: u64,
    mapped: PhantomData<&'m ()>,
}

// SAFETY: as for `RingView`.
unsafe impl Send for Lap<'_> {}
// SAFETY: as for `RingView`.
unsafe impl Sync for Lap<'_> {}

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
            // SAFETY: the slots lie within the segment (R1).
            slots: unsafe { base.add(geometry.slots_offset as usize) },
            slot_mask: geometry.shape.capacity_slots - 1,
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
        self.home(seq).stamp()
    }

    /// The slot that `seq` belongs into.
    #[inline(always)]
    pub(crate) fn home(&self, seq: Sequence) -> Home<'m> {
        Home {
            seq,
            slot: self.slot(seq),
            mapped: PhantomData,
        }
    }

    /// The lap of `seq`.
    pub(crate) fn lap(&self, seq: Sequence) -> Lap<'m> {
        let first = Sequence(seq.0 & !self.slot_mask);
        let before = first.0.wrapping_mul(self.geometry.slot_stride) as usize;
        Lap {
            until: first.plus(self.slot_mask + 1),
            origin: self.slots.as_ptr().wrapping_sub(before),
            slot_stride: self.geometry.slot_stride,
            stamp: self.geometry.stamps.stamp(first, 0),
            mapped: PhantomData,
        }
    }

    /// The slots of `len` messages from `first` on, but none after its lap.
    #[inline(always)]
    pub(crate) fn homes(&self, first: Sequence, len: u64) -> Homes<'m> {
        let left_of_lap = self.slot_mask + 1 - (first.0 & self.slot_mask);
        Homes {
            next: self.home(first),
            left: len.min(left_of_lap),
            slot_stride: self.geometry.slot_stride as usize,
        }
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

    /// [`Control::publishers_changed`].
    pub(crate) fn publishers_changed(&self) -> &'m AtomicU64 {
        &self.control().publishers_changed
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

    /// The chunk list of publisher `record`.
    pub(crate) fn chunk_list(&self, record: u32) -> &'m [AtomicU64] {
        let per_publisher = self.geometry.shape.chunks_per_publisher();
        assert!(record < self.geometry.shape.max_publishers);
        let offset = self.geometry.chunk_lists + u64::from(record) * per_publisher * 8;
        // SAFETY: the list of each record lies within the segment (R1).
        let first = unsafe { self.base.add(offset as usize) }.cast();
        // SAFETY:
        // - the entries lie one after the other, mapped for `'m`: R1. Aligned: a multiple of 8 from a page.
        // - peer writes are no race on an atomic, and any value is valid.
        unsafe { std::slice::from_raw_parts(first.as_ptr(), per_publisher as usize) }
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
            0 => return self.slot(place.sequence()),
            chunk => geometry.chunks_offset + (u64::from(chunk) - 1) * geometry.block_stride,
        };
        // SAFETY: chunks lie within the segment (R1).
        unsafe { self.base.add(offset as usize) }
    }

    /// Asks for the second line of the slot of `seq`, whose stamp is in the first: a message that is
    /// waited for then comes in one transfer instead of two, one after the other.
    #[inline(always)]
    pub(crate) fn prefetch_second_line(&self, seq: Sequence) {
        // The slots of a shared topic are one line each, as are short blocks.
        if self.geometry.slot_stride > LINE as u64 {
            let slot = self.slot(seq).as_ptr();
            prefetch_read(slot.wrapping_add(LINE - slot.addr() % LINE));
        }
    }

    /// Asks for the first two lines of each of `len` slots from that of `first` on.
    pub(crate) fn prefetch_slots_to_read(&self, first: Sequence, len: u64) {
        for home in self.homes(first, len) {
            prefetch_read_from::<0>(home.block().as_ptr(), 0);
            prefetch_read_from::<LINE>(home.block().as_ptr(), 0);
        }
    }

    /// Asks for the first lines of chunk `place`, which the caller is going to read; of a slot it has
    /// read the stamp already.
    #[inline(always)]
    pub(crate) fn prefetch_to_read(&self, place: Place) {
        if place.chunk() == 0 {
            return;
        }
        let block = self.block(place).as_ptr();
        prefetch_read(block);
        if self.geometry.block_stride > LINE as u64 {
            prefetch_read(block.wrapping_add(LINE));
        }
    }

    /// Asks for the stamp of `seq`, which this publisher is going to write.
    #[inline(always)]
    pub(crate) fn prefetch_stamp_to_write(&self, seq: Sequence) {
        prefetch_write(self.slot(seq).as_ptr());
    }

    /// Asks for the first lines of chunk `place`, which this publisher is going to write.
    #[inline(always)]
    pub(crate) fn prefetch_to_write(&self, place: Place) {
        let block = self.block(place).as_ptr();
        prefetch_write(block);
        if self.geometry.block_stride > LINE as u64 {
            prefetch_write(block.wrapping_add(LINE));
        }
    }

    /// Makes the stamp of `seq`, of a shared topic, this processor's to write: stores something into the last
    /// word of its line, which nobody reads.
    #[inline(always)]
    pub(crate) fn claim_stamp(&self, seq: Sequence) {
        debug_assert_eq!(self.geometry.slot_stride, LINE as u64);
        self.store_for_its_line(self.slot(seq), LINE - size_of::<u64>());
    }

    /// The same of the first two lines of chunk `place`, which is this publisher's and not published.
    #[inline(always)]
    pub(crate) fn claim_block(&self, place: Place) {
        let (block, last_word) = (
            self.block(place),
            self.geometry.block_stride as usize - size_of::<u64>(),
        );
        self.store_for_its_line(block, 0);
        self.store_for_its_line(block, last_word.min(LINE));
    }

    #[inline(always)]
    fn store_for_its_line(&self, start: NonNull<u8>, offset: usize) {
        // SAFETY: the callers stay within a slot or a block, which lie within the segment (R1).
        let word = unsafe { start.add(offset) };
        // SAFETY: mapped for `'m`, and aligned as slots and blocks are.
        let word: &AtomicU64 = unsafe { word.cast().as_ref() };
        // Relaxed: nobody reads it.
        word.store(0, Ordering::Relaxed);
    }

    #[inline(always)]
    fn slot(&self, seq: Sequence) -> NonNull<u8> {
        let offset = (seq.0 & self.slot_mask) * self.geometry.slot_stride;
        // SAFETY: slots lie within the segment (R1).
        unsafe { self.slots.add(offset as usize) }
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

impl<'m> Lap<'m> {
    /// One more than its last sequence.
    #[inline(always)]
    pub(crate) fn until(&self) -> Sequence {
        self.until
    }

    /// The stamp of messages of this lap in their own slots.
    #[inline(always)]
    pub(crate) fn stamp(&self) -> u64 {
        self.stamp
    }

    /// The slot of `seq`.
    ///
    /// # Safety
    ///
    /// `seq` is of this lap.
    #[inline(always)]
    pub(crate) unsafe fn home(&self, seq: Sequence) -> Home<'m> {
        let offset = seq.0.wrapping_mul(self.slot_stride) as usize;
        Home {
            seq,
            // SAFETY: a slot, as the caller promises, which lies within the segment (R1).
            slot: unsafe { NonNull::new_unchecked(self.origin.wrapping_add(offset)) },
            mapped: PhantomData,
        }
    }
}

impl<'m> Iterator for Homes<'m> {
    type Item = Home<'m>;

    #[inline(always)]
    fn next(&mut self) -> Option<Home<'m>> {
        self.left = self.left.checked_sub(1)?;
        let home = self.next;
        let after = home.slot.as_ptr().wrapping_add(self.slot_stride);
        self.next = Home {
            seq: home.seq.plus(1),
            // SAFETY: the end of a slot.
            slot: unsafe { NonNull::new_unchecked(after) },
            mapped: PhantomData,
        };
        Some(home)
    }
}

impl Homes<'_> {
    /// How many there are left.
    pub(crate) fn len(&self) -> usize {
        self.left as usize
    }
}

impl<'m> Home<'m> {
    /// The sequence of the message.
    #[inline(always)]
    pub(crate) fn sequence(self) -> Sequence {
        self.seq
    }

    /// The same as a place of the ring.
    #[inline(always)]
    pub(crate) fn place(self) -> Place {
        Place::home(self.seq)
    }

    /// The block of the slot; exclusive topics only.
    #[inline(always)]
    pub(crate) fn block(self) -> NonNull<u8> {
        self.slot
    }

    /// The stamp of the slot.
    #[inline(always)]
    pub(crate) fn stamp(self) -> &'m AtomicU64 {
        // SAFETY:
        // - mapped for `'m`: R1. Aligned: slots are a multiple of 8 from a page.
        // - a stamp lies at the start of each slot; peer writes are no race on an atomic.
        unsafe { self.slot.cast().as_ref() }
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
