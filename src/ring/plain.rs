//! Publishing plain messages: short ones in their own slots, with a tag beside them at most.
//!
//! Nearly all messages of an exclusive topic are of that kind. Whatever might stand in their way is looked
//! at once for a [`Stretch`] of slots, and not again for each message: whether there is room, where the ring
//! begins again, whether something is on loan.

use std::cell::Cell;

use super::{
    ahead::{Ahead, LINE},
    block::{BlockHeader, COPIED_AT_ONCE_MAX, copy_at_once, write_tagged_header},
    layout::{Geometry, HeaderForm, PublisherMode},
    publish::ReadyStamp,
    sequence::Sequence,
    view::{Lap, RingView},
};
use crate::sync::{AtomicU64, Ordering, heeds_prefetch_write};

/// The slots of a topic, as the publisher of plain messages sees them; on topics whose messages are none,
/// there never is a stretch.
///
/// Invariant R1, as for [`RingView`]: the slots are mapped for `'m`. A copy that is nowhere in memory is not
/// read again after each message.
#[derive(Clone)]
pub(crate) struct PlainSlots<'m> {
    stretch: Cell<Stretch<'m>>,
    payload_offset: usize,
    is_tagged: bool,
    ahead: Ahead,
    /// The shortest payload that is written plainly, and how much longer one may be.
    len_min: usize,
    len_span: usize,
    /// Whether there are stretches.
    is_plain: bool,
    /// One less than the slots that are claimed together: a power of two.
    group_mask: u64,
}

/// Messages that may be written into their own slots without a closer look: from the publisher's next one
/// on, as long as nothing is on loan.
#[derive(Clone, Copy)]
struct Stretch<'m> {
    /// Those before this one.
    until: Sequence,
    /// The lap of all of them.
    lap: Lap<'m>,
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
    /// Those of `ring`. Its payloads are a multiple of `unit_bytes` long.
    pub(crate) fn of(ring: &RingView<'m>, unit_bytes: usize) -> Self {
        let geometry = ring.geometry();
        let shape = &geometry.shape;
        let len_max = shape.payload_max_bytes as usize;
        let len_min = if shape.fixed { len_max } else { 0 };
        Self {
            stretch: Cell::new(Stretch {
                until: Sequence(0),
                lap: ring.lap(Sequence(0)),
            }),
            payload_offset: geometry.payload_offset as usize,
            is_tagged: geometry.header_form == HeaderForm::Tagged,
            ahead: Ahead::new(geometry, SLOTS_AHEAD),
            len_min,
            len_span: len_max.min(COPIED_AT_ONCE_MAX).saturating_sub(len_min),
            is_plain: shape.mode == PublisherMode::Exclusive
                && geometry.header_form != HeaderForm::Other
                && len_min <= COPIED_AT_ONCE_MAX
                && (unit_bytes == 1 || shape.fixed),
            group_mask: match !heeds_prefetch_write() && Self::can_claim(geometry) {
                true => GROUP_SLOTS - 1,
                false => u64::MAX,
            },
        }
    }

    /// From here on messages from `next` to `limit` may be written plainly, those of the lap of `next`:
    /// nothing is on loan, and no subscriber is in the way.
    #[inline]
    pub(crate) fn begin_stretch(&self, ring: &RingView<'m>, next: Sequence, limit: Sequence) {
        if self.is_plain {
            let lap = ring.lap(next);
            let until = limit.min(lap.until());
            self.stretch.set(Stretch { until, lap });
        }
    }

    /// Nothing more is written plainly, until the next stretch begins.
    #[inline(always)]
    pub(crate) fn end_stretch(&self) {
        let none = Stretch {
            until: Sequence(0),
            ..self.stretch.get()
        };
        self.stretch.set(none);
    }

    /// Whether message `next`, with such a payload, and a tag or flags if it is marked, may be written plainly.
    #[inline(always)]
    pub(crate) fn takes(&self, next: Sequence, len: usize, is_marked: bool) -> bool {
        // A plain message without a header has no room for marks.
        len.wrapping_sub(self.len_min) <= self.len_span
            && next < self.stretch.get().until
            && (!is_marked || self.is_tagged)
    }

    /// Writes header and payload into the slot of `seq`, as [`RingView::write`] does; what makes them
    /// visible.
    ///
    /// # Safety
    ///
    /// - [`takes`](Self::takes) says so of this message, which is the publisher's next.
    /// - `payload` does not overlap the slot.
    #[inline(always)]
    pub(crate) unsafe fn write(
        &self,
        seq: Sequence,
        header: BlockHeader,
        payload: &[u8],
    ) -> ReadyStamp<'m> {
        let Stretch { lap, .. } = self.stretch.get();
        // SAFETY: it is in the stretch, all of which is of this lap.
        let home = unsafe { lap.home(seq) };
        self.ahead.ask_to_write(home.stamp());
        let target = home.block().as_ptr().wrapping_add(self.payload_offset);
        // SAFETY:
        // - the slot takes as much, as `takes` found, and no more than is copied at once.
        // - nobody else reads or writes it until it is published: it is in the stretch.
        // - no overlap: the caller's promise.
        unsafe { copy_at_once(payload.as_ptr(), target, payload.len()) };
        if self.is_tagged {
            // SAFETY: a tagged header lies within each slot of such a ring (R1).
            unsafe { write_tagged_header(home.block(), header) };
        }
        ReadyStamp::of(home.stamp(), self.stretch.get().lap.stamp(), seq)
    }

    /// Whether [`claim`](Self::claim) is due before message `next`.
    #[inline(always)]
    pub(crate) fn is_claim_due(&self, next: Sequence) -> bool {
        next.0 & self.group_mask == 0
    }

    /// Before message `next`, once the one before is published: stores something into each line of the next
    /// slots, if they are free until `limit`, and it is due. All those lines are on their way then, while
    /// stores into one slot after the other wait for each, as stores are seen in their order.
    #[inline(never)]
    pub(crate) fn claim(&self, ring: &RingView<'m>, next: Sequence, limit: Sequence) {
        if !self.is_claim_due(next) || next.plus(GROUP_SLOTS) > limit {
            return;
        }
        let slots = ring.home(next).block();
        let words = (CLAIMED_WORD..GROUP_SLOTS * ring.geometry().slot_stride).step_by(LINE);
        for offset in words {
            // SAFETY: within the slots, as a group begins at a multiple of its slots (R1).
            let word = unsafe { slots.add(offset as usize) };
            // SAFETY:
            // - mapped while `ring` is: R1. Aligned: slots are a multiple of 8 from a page.
            // - peer writes are no race on an atomic.
            let word: &AtomicU64 = unsafe { word.cast().as_ref() };
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
