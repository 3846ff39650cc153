//! The publisher of an exclusive topic: write in place, then one store.

use super::{
    gate,
    headway::Headway,
    layout::Geometry,
    place::Place,
    sequence::{Sequence, Slot},
    tail::find_tail,
    view::{CellsView, RingView},
};
use crate::sync::{AtomicU64, Ordering, load_acquire};

/// Why nothing can be published now: the subscriber in this cell is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shut {
    /// A reliable subscriber has not read what would be overwritten.
    Gate { cell: u32 },
    /// An overtaken subscriber holds messages, and all spare chunks are used up.
    Pins { cell: u32 },
    /// The spare chunk could not be reserved: the file system is full.
    Space,
    /// Nobody: the ring's words lead to a sequence that no message has.
    Corrupted { seq: Sequence },
}

/// Reserves the memory of a spare chunk before its first use.
pub(crate) trait Reserve {
    /// `true` if chunk number `chunk` (from 1) may be touched from now on.
    fn reserve(&self, chunk: u32) -> bool;
}

/// The one publisher of an exclusive topic. The layer above holds the record that makes it the one.
pub(crate) struct ExclusivePublisher<'m> {
    ring: RingView<'m>,
    cells: CellsView<'m>,
    /// The sequence of the next message.
    next: Sequence,
    /// Sequences from the next one up to this one may be written at home without another look at
    /// the cursors.
    limit: Sequence,
    headway: Headway,
    /// The spare chunk that was lent last.
    last_spare: u32,
    /// Spare chunks `1..=spares_known` are reserved; this publisher has looked at each.
    spares_known: u32,
}

/// A stamp, and where it goes. Whoever writes a block makes it ready before: all that is read then is
/// read before the first store into the block, which might be to what is read, for all that the
/// compiler knows.
pub(crate) struct ReadyStamp<'m> {
    word: &'m AtomicU64,
    stamp: u64,
    seq: Sequence,
}

impl<'m> ReadyStamp<'m> {
    /// The stamp of the message in `place`.
    #[inline(always)]
    pub(crate) fn new(ring: &RingView<'m>, place: Place) -> Self {
        let seq = place.sequence();
        let stamp = ring.geometry().stamps.stamp(seq, place.chunk());
        Self::of(ring.stamp(seq), stamp, seq)
    }

    /// The stamp of message `seq`, which goes into `word`.
    #[inline(always)]
    pub(crate) fn of(word: &'m AtomicU64, stamp: u64, seq: Sequence) -> Self {
        Self { word, stamp, seq }
    }

    /// Makes the message visible; the sequence after it, with which its publisher
    /// [goes on](ExclusivePublisher::go_on_at).
    #[inline(always)]
    pub(crate) fn store(self) -> Sequence {
        // Release: edge COMMIT, pairs with the Acquire in `Cursor::take`; publishes the block.
        self.word.store(self.stamp, Ordering::Release);
        self.seq.plus(1)
    }
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
            headway: Headway::new(),
            last_spare: 0,
            spares_known: 0,
        }
    }

    /// The sequence of the next message.
    #[inline]
    pub(crate) fn next(&self) -> Sequence {
        self.next
    }

    /// Slots up to this sequence are this publisher's to write: those of no loan, that is.
    #[inline(always)]
    pub(crate) fn limit(&self) -> Sequence {
        self.limit
    }

    /// Where the next message may be written, if nobody has to be asked.
    #[inline(always)]
    pub(crate) fn home(&self) -> Option<Place> {
        (self.next < self.limit).then_some(Place::home(self.next))
    }

    /// Where the message `ahead` places after the next one may be written; `ahead` is less than
    /// the capacity, and grows from one call to the next until a commit or an abort, which is
    /// simply to ask again for an earlier place.
    #[inline(always)]
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
        let stamp = ReadyStamp::new(&self.ring, place);
        self.stamp(stamp);
    }

    /// The same, by a stamp that was made ready before the block was written.
    #[inline(always)]
    pub(crate) fn stamp(&mut self, ready: ReadyStamp) {
        debug_assert_eq!(ready.seq, self.next);
        self.next = ready.store();
    }

    /// Goes on at `seq`; all before it is visible.
    #[inline(always)]
    pub(crate) fn go_on_at(&mut self, seq: Sequence) {
        self.next = seq;
    }

    #[cold]
    fn place_after_look(&mut self, seq: Sequence, spares: &dyn Reserve) -> Result<Place, Shut> {
        if !seq.is_possible() {
            return Err(Shut::Corrupted { seq });
        }
        let geometry = self.ring.geometry();
        let lap_after_tail = self.next.plus(geometry.shape.capacity_slots);
        let want = seq.plus(geometry.quantum()).min(lap_after_tail);
        self.headway.wait(&self.cells, seq, geometry);
        let clearance = gate::raise(&self.ring, &self.cells, seq, want);
        if clearance.until <= seq {
            // `until` was lowered from `want > seq` by some subscriber.
            return Err(Shut::Gate {
                cell: clearance.slowest.unwrap_or(0),
            });
        }
        let home_until = match clearance.pinned {
            Some((pinned, _)) => clearance.until.min(pinned),
            None => clearance.until,
        };
        // This look says nothing about the places before `seq`, some of which may be pinned.
        if seq <= self.limit.max(self.next) {
            self.limit = home_until;
        }
        match clearance.pinned {
            Some((pinned, cell)) if pinned == seq => self.spare_place(seq, cell, spares),
            _ => Ok(Place::home(seq)),
        }
    }

    /// A spare chunk for `seq`, whose slot's own block may still be held by cell `holder`.
    ///
    /// There always is one: for each slot but this at most one chunk that nobody holds is in use,
    /// and each pin holds at most one (see `Shape::chunks`).
    fn spare_place(
        &mut self,
        seq: Sequence,
        holder: u32,
        spares: &dyn Reserve,
    ) -> Result<Place, Shut> {
        let geometry = *self.ring.geometry();
        // Relaxed: the publishers of a topic come one after the other.
        let stamp = self.ring.stamp(seq).load(Ordering::Relaxed);
        let current = geometry.stamps.chunk(stamp);
        // The chunk that the slot uses now, those used before, the longest unused first, and only
        // then others, which take up more memory.
        let known = self.spares_known;
        let used_before = (0..known).map(|offset| 1 + (self.last_spare + offset) % known);
        let others = known + 1..=geometry.chunks as u32;
        for chunk in std::iter::once(current).chain(used_before).chain(others) {
            let Some(place) = Place::checked(&geometry, seq, chunk).filter(|_| chunk != 0) else {
                continue;
            };
            if chunk > known && !spares.reserve(chunk) {
                return Err(Shut::Space);
            }
            if chunk == self.spares_known + 1 {
                self.spares_known = chunk;
            }
            if self.is_spare_in_use(&geometry, chunk, seq) {
                continue;
            }
            // Relaxed: only a later holder of the publisher's lock reads it.
            self.ring
                .spare_word(chunk)
                .store(seq.plus(1).0, Ordering::Relaxed);
            self.last_spare = chunk;
            return Ok(place);
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
        // The message that `seq` overwrites is in the ring and may go, as it may at home.
        let is_overwritten = last.plus(geometry.shape.capacity_slots) == seq;
        let is_in_ring = geometry.stamps.read(stamp, last) == Slot::Ready(chunk);
        is_lent || is_in_ring && !is_overwritten || gate::holder(&self.cells, last).is_some()
    }
}
