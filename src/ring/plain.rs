//! Publishing plain messages: short ones in their own slots, with a tag beside them at most.
//!
//! Nearly all messages of an exclusive topic are of that kind, and what their publisher needs of the ring
//! is little enough to stay in registers from one message of a batch to the next.

use std::{marker::PhantomData, ptr::NonNull};

use super::{
    ahead::{Ahead, LINE},
    block::{BlockHeader, copy_in_pieces, write_tagged_header},
    layout::{Geometry, HeaderForm},
    place::Place,
    publish::ReadyStamp,
    sequence::{Sequence, StampFormat},
    view::RingView,
};
use crate::sync::{AtomicU64, Ordering, heeds_prefetch_write};

/// The slots of an exclusive topic whose messages have neither time nor attributes.
///
/// Invariant R1, as for [`RingView`]: the slots are mapped for `'m`.
#[derive(Clone, Copy)]
pub(crate) struct PlainSlots<'m> {
    slots: NonNull<u8>,
    slot_mask: u64,
    slot_stride: u64,
    stamps: StampFormat,
    payload_offset: usize,
    is_tagged: bool,
    ahead: Ahead,
    /// One less than the slots that are claimed together: a power of two.
    group_mask: u64,
    mapped: PhantomData<&'m ()>,
}

/// How far ahead a publisher asks to own the slots that it will write, so that no store waits for a line to
/// come from a reader: measured, one publisher and one subscriber, batches of messages of 64 B, in millions
/// a second: 16 ahead 172, 32 ahead 175, 64 ahead 167.
const SLOTS_AHEAD: u64 = 32;

/// Slots that are claimed together, where a processor does not heed what it is asked ahead: measured on one
/// (AMD Zen 4), one publisher and one subscriber, in millions of messages of 64 B a second, with both on one
/// cache and on two: none 26 and 6, 4 slots 21 on two, 8 slots 57 and 18, 16 slots 19 on two, 64 slots 7 on
/// two.
const GROUP_SLOTS: u64 = 8;
/// Longer slots have lines enough of their own to be under way at once.
const CLAIMED_STRIDE_MAX: u64 = 128;
/// The end of a line has no stamp: slots begin at its first byte or in its middle.
const CLAIMED_WORD: u64 = 56;

impl<'m> PlainSlots<'m> {
    /// Those of `ring`; to be used where its messages are plain.
    pub(crate) fn of(ring: &RingView<'m>) -> Self {
        let geometry = ring.geometry();
        Self {
            slots: ring.block(Place::home(Sequence(0))),
            slot_mask: geometry.shape.capacity_slots - 1,
            slot_stride: geometry.slot_stride,
            stamps: geometry.stamps,
            payload_offset: geometry.payload_offset as usize,
            is_tagged: geometry.header_form == HeaderForm::Tagged,
            ahead: Ahead::new(geometry, SLOTS_AHEAD),
            group_mask: match !heeds_prefetch_write() && Self::can_claim(geometry) {
                true => GROUP_SLOTS - 1,
                false => u64::MAX,
            },
            mapped: PhantomData,
        }
    }

    /// Writes header and payload into the slot of `seq`, as [`RingView::write`] does; what makes them
    /// visible.
    ///
    /// # Safety
    ///
    /// - The ring's messages are plain, and `payload` is at most `payload_max_bytes` and
    ///   [`COPIED_IN_PIECES_MAX`](super::block::COPIED_IN_PIECES_MAX) long.
    /// - It does not overlap the slot, which nobody else reads or writes until it is published.
    #[inline(always)]
    pub(crate) unsafe fn write(
        &self,
        seq: Sequence,
        header: BlockHeader,
        payload: &[u8],
    ) -> ReadyStamp<'m> {
        // All that is read is read before the first store, as in `RingView::write`.
        let stamp = self.stamps.stamp(seq, 0);
        let offset = (seq.0 & self.slot_mask) * self.slot_stride;
        // SAFETY: slots lie within the segment (R1).
        let slot = unsafe { self.slots.add(offset as usize) };
        // SAFETY:
        // - mapped for `'m`: R1. Aligned: slots are a multiple of 8 from a page.
        // - a stamp lies at the start of each slot; peer writes are no race on an atomic.
        let word: &'m AtomicU64 = unsafe { slot.cast().as_ref() };
        self.ahead.ask_to_write(word);
        // SAFETY: the payload lies within its slot, which lies within the segment (R1).
        let target = unsafe { slot.add(self.payload_offset) };
        // SAFETY: the caller's promise.
        unsafe { copy_in_pieces(payload.as_ptr(), target.as_ptr(), payload.len()) };
        if self.is_tagged {
            // SAFETY: a tagged header lies within each slot of such a ring (R1).
            unsafe { write_tagged_header(slot, header) };
        }
        ReadyStamp::of(word, stamp, seq)
    }

    /// After message `seq`: stores something into each line of the next slots, if they are free until
    /// `limit`, and it is time. All those lines are on their way then, while stores into one slot after the
    /// other wait for each, as stores are seen in their order.
    #[inline(always)]
    pub(crate) fn claim_after(&self, seq: Sequence, limit: Sequence) {
        if seq.0 & self.group_mask == self.group_mask {
            self.claim_group(seq.plus(1), limit);
        }
    }

    #[inline(never)]
    fn claim_group(&self, first: Sequence, limit: Sequence) {
        if first.plus(GROUP_SLOTS) > limit {
            return;
        }
        let offset = (first.0 & self.slot_mask) * self.slot_stride;
        let words = (CLAIMED_WORD..GROUP_SLOTS * self.slot_stride).step_by(LINE);
        for word in words.map(|word| offset + word) {
            // SAFETY: within the slots, as a group begins at a multiple of its slots (R1).
            let word = unsafe { self.slots.add(word as usize) };
            // SAFETY: as in `write`.
            let word: &'m AtomicU64 = unsafe { word.cast().as_ref() };
            // Relaxed: what nobody reads, as the message before is overwritten from the limit's raise on.
            word.store(0, Ordering::Relaxed);
        }
    }

    /// Whether groups of slots are whole lines, and only those, with stamps where they are expected.
    fn can_claim(geometry: &Geometry) -> bool {
        let (stride, capacity) = (geometry.slot_stride, geometry.shape.capacity_slots);
        stride <= CLAIMED_STRIDE_MAX
            && stride.is_multiple_of(LINE as u64 / 2)
            && capacity >= GROUP_SLOTS
    }
}
