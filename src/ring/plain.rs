//! Publishing plain messages: short ones in their own slots, with a tag beside them at most.
//!
//! Nearly all messages of an exclusive topic are of that kind, and what their publisher needs of the ring
//! is little enough to stay in registers from one message of a batch to the next.

use std::{marker::PhantomData, ptr::NonNull};

use super::{
    ahead::Ahead,
    block::{BlockHeader, copy_in_pieces, write_tagged_header},
    layout::HeaderForm,
    place::Place,
    publish::ReadyStamp,
    sequence::{Sequence, StampFormat},
    view::RingView,
};
use crate::sync::AtomicU64;

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
    mapped: PhantomData<&'m ()>,
}

/// How far ahead a publisher asks to own the slots that it will write, so that no store waits for a line to
/// come from a reader: measured, one publisher and one subscriber, batches of messages of 64 B, in millions
/// a second: 16 ahead 172, 32 ahead 175, 64 ahead 167.
const SLOTS_AHEAD: u64 = 32;

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
}
