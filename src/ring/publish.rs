//! The publisher of an exclusive topic: write in place, then one store.

use super::{
    gate,
    layout::Geometry,
    place::Place,
    sequence::{Sequence, Slot},
    tail::find_tail,
    view::{CellsView, RingView},
};
use crate::sync::{Ordering, load_acquire};

/// Why nothing can be published now: the subscriber in this cell is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shut {
    /// A reliable subscriber has not read what would be overwritten.
    Gate { cell: u32 },
    /// An overtaken subscriber holds messages, and all spare chunks are used up.
    Pins { cell: u32 },
    /// The spare chunk could not be reserved: the file system is full.
    Space,
}

/// Reserves the memory of a spare chunk before its first use.
pub(crate) trait Reserve {
    /// `true` if chunk number `chunk` (from 1) may be touched from now on.
    fn reserve(&self, chunk: u32) -> bool;
}

/// The one publisher of an exclusive topic. The layer above holds the lock that makes it the one.
pub(crate) struct ExclusivePublisher<'m> {
    ring: RingView<'m>,
    cells: CellsView<'m>,
    /// The sequence of the next message.
    next: Sequence,
    /// Sequences before this one may be written at home without another look at the cursors.
    limit: Sequence,
    /// Where the last spare chunk was found.
    last_spare: u32,
}

impl<'m> ExclusivePublisher<'m> {
    /// Takes over where the last publisher stopped: whatever it did not commit was never there.
    pub(crate) fn take_over(ring: RingView<'m>, cells: CellsView<'m>) -> Self {
        let next = find_tail(&ring);
        Self {
            ring,
            cells,
            next,
            limit: next,
            last_spare: 0,
        }
    }

    /// The sequence of the next message.
    #[inline]
    pub(crate) fn next(&self) -> Sequence {
        self.next
    }

    /// Where the next message may be written, if nobody has to be asked.
    #[inline(always)]
    pub(crate) fn home(&self) -> Option<Place> {
        (self.next < self.limit).then_some(Place::home(self.next))
    }

    /// Where the message `ahead` places after the next one may be written; `ahead` is less than
    /// the capacity.
    pub(crate) fn place(&mut self, ahead: u64, spares: &dyn Reserve) -> Result<Place, Shut> {
        let seq = self.next.plus(ahead);
        if seq < self.limit {
            return Ok(Place::home(seq));
        }
        self.place_after_look(seq, spares)
    }

    /// Makes the next message visible; it lies whole in `place`, which is the next sequence's.
    #[inline(always)]
    pub(crate) fn commit(&mut self, place: Place) {
        debug_assert_eq!(place.sequence(), self.next);
        let stamp = self.ring.geometry().stamps.stamp(self.next, place.chunk());
        // Release: edge COMMIT, pairs with the Acquire in `Cursor::take`; publishes the block.
        self.ring.stamp(self.next).store(stamp, Ordering::Release);
        self.next = self.next.plus(1);
    }

    #[cold]
    fn place_after_look(&mut self, seq: Sequence, spares: &dyn Reserve) -> Result<Place, Shut> {
        let geometry = self.ring.geometry();
        let lap_after_tail = self.next.plus(geometry.shape.capacity_slots);
        let want = seq.plus(geometry.quantum()).min(lap_after_tail);
        let clearance = gate::raise(&self.ring, &self.cells, seq, want);
        if clearance.until <= seq {
            // `until` was lowered from `want > seq` by some subscriber.
            return Err(Shut::Gate {
                cell: clearance.slowest.unwrap_or(0),
            });
        }
        match clearance.pinned {
            Some((pinned, cell)) if pinned == seq => {
                self.limit = seq;
                self.spare_place(seq, cell, spares)
            }
            Some((pinned, _)) => {
                self.limit = clearance.until.min(pinned);
                Ok(Place::home(seq))
            }
            None => {
                self.limit = clearance.until;
                Ok(Place::home(seq))
            }
        }
    }

    /// A spare chunk for `seq`, whose slot's own block may still be held by cell `holder`.
    fn spare_place(
        &mut self,
        seq: Sequence,
        holder: u32,
        spares: &dyn Reserve,
    ) -> Result<Place, Shut> {
        let geometry = *self.ring.geometry();
        let count = geometry.chunks as u32;
        for offset in 0..count {
            let chunk = 1 + (self.last_spare + offset) % count;
            if !spares.reserve(chunk) {
                return Err(Shut::Space);
            }
            if self.is_spare_in_use(&geometry, chunk, seq) {
                continue;
            }
            // Relaxed: only a later holder of the publisher's lock reads it.
            self.ring
                .spare_word(chunk)
                .store(seq.0 + 1, Ordering::Relaxed);
            self.last_spare = chunk - 1;
            return Place::checked(&geometry, seq, chunk).ok_or(Shut::Pins { cell: holder });
        }
        Err(Shut::Pins { cell: holder })
    }

    /// Whether a spare chunk is in the ring, lent further ahead, or held by a subscriber.
    fn is_spare_in_use(&self, geometry: &Geometry, chunk: u32, seq: Sequence) -> bool {
        let Some(last) = self
            .ring
            .spare_word(chunk)
            .load(Ordering::Relaxed)
            .checked_sub(1)
        else {
            return false;
        };
        let last = Sequence(last);
        let is_lent = last >= self.next && last < seq;
        let stamp = load_acquire(self.ring.stamp(last));
        is_lent
            || geometry.stamps.read(stamp, last) == Slot::Ready(chunk)
            || gate::holder(&self.cells, last).is_some()
    }
}
