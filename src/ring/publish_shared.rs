//! A publisher of a shared topic: claim is commit.
//!
//! The message is written into a chunk that the publisher owns; one compare-and-swap on the slot's
//! stamp then gives it its place in the order and makes it visible at once. There is nothing in
//! between: killed or stopped anywhere, a publisher leaves a whole message or none, and the others
//! go on. The swap pays for itself with the chunk of the message it displaces.

use super::{
    chunk_list::{self, Entry, Intent, NoSpare},
    gate,
    layout::PublisherRecord,
    place::Place,
    publish::{Reserve, Shut},
    sequence::{Sequence, Slot},
    tail::find_tail,
    view::{CellsView, RingView},
};
use crate::sync::{AtomicU64, Ordering, fence, heeds_prefetch_write, load_acquire};

/// How often one commit tries a slot; each try but the last was lost to another publisher's
/// success, so only a damaged ring gets there.
const TRIES_MAX: u32 = 1 << 20;
/// How many messages of others a commit steps over before it looks for the tail afresh.
const STEPS_MAX: u32 = 1 << 8;

/// A chunk on loan to a shared publisher: the entry of its list, and the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkLoan {
    entry: u32,
    place: Place,
}

/// Why a commit did not happen; the chunk stays on loan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommitRefusal {
    Shut(Shut),
    /// A stamp that no honest publisher writes.
    Corrupted {
        seq: Sequence,
    },
}

/// Why no chunk can be lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoanRefusal {
    /// All chunks but the one kept for publishing are on loan.
    Limit,
    /// Every chunk left, and every spare, is still held by an overtaken subscriber, such as the one
    /// in this cell.
    Pins { cell: u32 },
    /// A spare chunk could not be reserved: the file system is full.
    Space,
    /// The publisher's chunk list is damaged.
    Corrupted,
}

/// One of the publishers of a shared topic. Its record is its own until it leaves.
pub(crate) struct SharedPublisher<'m> {
    ring: RingView<'m>,
    cells: CellsView<'m>,
    index: u32,
    record: &'m PublisherRecord,
    /// Its chunk list.
    list: &'m [AtomicU64],
    /// Not after the tail; found anew when it has fallen behind by a lap.
    next: Sequence,
    /// Sequences before this one may be written without another look at the cursors.
    limit: Sequence,
    /// List entries not on loan, first in, first out: a chunk's lines have then left the readers'
    /// caches by the time it is written again.
    free: FreeEntries,
    /// Whether the last look found a passed subscriber that still holds something.
    pins_seen: bool,
    /// Where the last spare chunk was found.
    last_spare: u32,
    /// Since when every message was this publisher's.
    alone_since: Sequence,
    /// Whether lines are claimed ahead, as asking for them does nothing here.
    claims: bool,
}

impl ChunkLoan {
    /// The block that was lent.
    #[inline(always)]
    pub(crate) fn place(&self) -> Place {
        self.place
    }
}

impl<'m> SharedPublisher<'m> {
    /// Joins through record `index`, which the caller owns and whose chunks are reserved.
    pub(crate) fn join(ring: RingView<'m>, cells: CellsView<'m>, index: u32) -> Self {
        ring.publishers_used()
            .fetch_max(u64::from(index) + 1, Ordering::AcqRel);
        let next = find_tail(&ring);
        chunk_list::recover(&ring, index, next);
        // Edge OBSERVE: this publisher writes into chunks that the record's former holders won,
        // after their raising of the limit; an observer that sees the one must see the other.
        fence(Ordering::Release);
        Self {
            ring,
            cells,
            index,
            record: ring.record(index),
            list: ring.chunk_list(index),
            next,
            limit: next,
            free: FreeEntries::all(ring.geometry().shape.chunks_per_publisher() as u32),
            pins_seen: true,
            last_spare: index,
            alone_since: next,
            claims: !heeds_prefetch_write(),
        }
    }

    /// A sequence not after that of the next message.
    #[inline]
    pub(crate) fn next(&self) -> Sequence {
        self.next
    }

    /// Lends a chunk to write a message into.
    #[inline(always)]
    pub(crate) fn lend(&mut self, reserve: &dyn Reserve) -> Result<ChunkLoan, LoanRefusal> {
        if self.pins_seen || self.free.len() == 0 {
            return self.lend_what_nobody_holds(reserve);
        }
        let entry = self.free.pop().ok_or(LoanRefusal::Limit)?;
        // Relaxed: only this publisher writes its list.
        let listed = &self.list[entry as usize];
        self.chunk_of(entry, Entry(listed.load(Ordering::Relaxed)))
    }

    /// The chunk that a list entry names.
    #[inline(always)]
    fn chunk_of(&self, entry: u32, named: Entry) -> Result<ChunkLoan, LoanRefusal> {
        match Place::checked(self.ring.geometry(), self.next, named.chunk()) {
            Some(place) => Ok(ChunkLoan { entry, place }),
            None => Err(LoanRefusal::Corrupted),
        }
    }

    /// Lends while passed subscribers may still hold some of the chunks.
    #[cold]
    fn lend_what_nobody_holds(&mut self, reserve: &dyn Reserve) -> Result<ChunkLoan, LoanRefusal> {
        let mut refusal = LoanRefusal::Limit;
        for _ in 0..self.free.len() {
            let Some(entry) = self.free.pop() else { break };
            // Relaxed: only this publisher writes its list.
            let listed = &self.list[entry as usize];
            let mut named = Entry(listed.load(Ordering::Relaxed));
            if self.pins_seen
                && let Some(cell) = gate::holder(&self.cells, named.last())
            {
                named = match self.exchange(entry, reserve) {
                    Ok(spare) => spare,
                    Err(no_spare) => {
                        self.free.push(entry);
                        refusal = match no_spare {
                            NoSpare::InUse => LoanRefusal::Pins { cell },
                            NoSpare::Space => LoanRefusal::Space,
                        };
                        continue;
                    }
                };
            }
            return self.chunk_of(entry, named);
        }
        Err(refusal)
    }

    /// Takes a chunk back unpublished.
    #[inline]
    pub(crate) fn abort(&mut self, loan: ChunkLoan) {
        self.free.push(loan.entry);
    }

    /// Publishes a chunk as the next message, or refuses and leaves it on loan.
    #[inline(always)]
    pub(crate) fn commit(&mut self, loan: ChunkLoan) -> Result<Sequence, CommitRefusal> {
        let seq = self.next;
        if seq < self.limit {
            // Acquire: edge COMMIT; what came before this message happened before it.
            let stamp = load_acquire(self.ring.stamp(seq));
            if self.ring.geometry().stamps.read(stamp, seq) == Slot::Empty
                && self.swap(seq, stamp, loan)?
            {
                self.next = seq.plus(1);
                return Ok(seq);
            }
        }
        self.commit_further_on(loan)
    }

    /// Publishes where the next slot is another publisher's, or not to be written yet.
    #[inline(never)]
    fn commit_further_on(&mut self, loan: ChunkLoan) -> Result<Sequence, CommitRefusal> {
        for tries in 1..=TRIES_MAX {
            if tries.is_multiple_of(STEPS_MAX) {
                self.next = find_tail(&self.ring).max(self.next);
                self.alone_since = self.next;
            }
            let seq = self.next;
            // Acquire: edge COMMIT; what came before this message happened before it.
            let stamp = load_acquire(self.ring.stamp(seq));
            match self.ring.geometry().stamps.read(stamp, seq) {
                Slot::Ready(_) => {
                    self.next = seq.plus(1);
                    self.alone_since = self.next;
                }
                Slot::Lapped => {
                    let tail = find_tail(&self.ring);
                    // Whoever wrote that stamp had first raised the limit, and so the tail, past it.
                    if tail <= seq {
                        return Err(CommitRefusal::Corrupted { seq });
                    }
                    (self.next, self.alone_since) = (tail, tail);
                }
                Slot::Empty if seq >= self.limit => self.look(seq)?,
                Slot::Empty => {
                    if self.swap(seq, stamp, loan)? {
                        self.next = seq.plus(1);
                        return Ok(seq);
                    }
                }
            }
        }
        Err(CommitRefusal::Corrupted { seq: self.next })
    }

    #[cold]
    fn exchange(&mut self, entry: u32, reserve: &dyn Reserve) -> Result<Entry, NoSpare> {
        let (ring, cells, from) = (&self.ring, &self.cells, &mut self.last_spare);
        chunk_list::exchange(ring, cells, self.index, entry, from, reserve)
    }

    /// The swap of steps 1-5 in `chunk_list`; `false` if another publisher was first.
    #[inline(always)]
    fn swap(&mut self, seq: Sequence, stamp: u64, loan: ChunkLoan) -> Result<bool, CommitRefusal> {
        let geometry = self.ring.geometry();
        let capacity = geometry.shape.capacity_slots;
        let displaced = geometry.stamps.chunk(stamp);
        let Some(displaced_place) = Place::checked(geometry, seq, displaced) else {
            return Err(CommitRefusal::Corrupted { seq });
        };
        let displaced = Entry::new(displaced, Sequence(seq.0.wrapping_sub(capacity)));
        let record = self.record;
        record.displaced.store(displaced.0, Ordering::Relaxed);
        // Release: edge INTENT, pairs with the Acquire in `chunk_list`; and `displaced` is there first,
        // wherever a death falls.
        record
            .intent
            .store(Intent::new(seq, loan.entry).0, Ordering::Release);
        // Release: edge COMMIT, publishes the block, the intent above to whoever displaces it, and the
        // marks of this publisher's looks (edge WON). Acquires nothing: the displaced message is
        // before the last one that this publisher has seen the stamp of, by edge COMMIT, or has
        // published itself; so its publisher's use of the chunk is over.
        let won = self
            .ring
            .stamp(seq)
            .compare_exchange(
                stamp,
                geometry.stamps.stamp(seq, loan.place.chunk()),
                Ordering::Release,
                Ordering::Relaxed,
            )
            .is_ok();
        if won {
            let entry = &self.list[loan.entry as usize];
            // Release: edge INTENT, a list is read by its next owner only.
            entry.store(displaced.0, Ordering::Release);
            record.intent.store(Intent::NONE.0, Ordering::Release);
            self.free.push(loan.entry);
            if self.claims {
                if self.free.is_begun_anew() {
                    self.claim_ahead(seq.plus(1));
                }
                return Ok(true);
            }
            // Written again when all others in the list were: by then its lines have come back from
            // whoever read them.
            self.ring.prefetch_to_write(displaced_place);
            self.ring.prefetch_stamp_to_write(seq.plus(STAMPS_AHEAD));
        }
        Ok(won)
    }

    /// Stores something into each line of the next chunks and, while no other publishes, of the next stamps:
    /// all of them are on their way then, while swaps would wait for one after the other.
    #[inline(never)]
    fn claim_ahead(&self, next: Sequence) {
        if !self.pins_seen {
            for entry in self.free.first(CLAIMED) {
                // Relaxed: only this publisher writes its list.
                let named = Entry(self.list[usize::from(entry)].load(Ordering::Relaxed));
                if let Some(place) = Place::checked(self.ring.geometry(), next, named.chunk()) {
                    self.ring.claim_block(place);
                }
            }
        }
        if next.since(self.alone_since) >= CLAIMED as u64 {
            (0..CLAIMED as u64).for_each(|ahead| self.ring.claim_stamp(next.plus(ahead)));
        }
    }

    /// Looks at all cursors and publishers to raise the limit beyond `seq`, the next sequence.
    #[cold]
    fn look(&mut self, seq: Sequence) -> Result<(), CommitRefusal> {
        if !seq.is_possible() {
            return Err(CommitRefusal::Corrupted { seq });
        }
        let want = seq.plus(self.ring.geometry().quantum());
        let clearance = gate::raise(&self.ring, &self.cells, seq, want);
        if clearance.until <= seq {
            let cell = clearance.slowest.unwrap_or(0);
            return Err(CommitRefusal::Shut(Shut::Gate { cell }));
        }
        chunk_list::mark_won(&self.ring, self.index, want);
        // A passed subscriber's messages may leave the ring: their chunks wait in the lists.
        self.pins_seen = clearance.pinned.is_some();
        self.limit = clearance.until;
        Ok(())
    }
}

/// How far ahead a publisher asks to own the stamps that it will swap, so that no swap waits for a
/// line to come from a reader: measured, one publisher and one subscriber, 64 B: none 39 million
/// messages a second, 2 ahead 51, 8 ahead 54, 32 ahead 57 (and twice the cost where nobody else runs).
const STAMPS_AHEAD: u64 = 8;

/// Chunks and stamps that are claimed together: a power of two.
const CLAIMED: usize = 8;

/// A queue of at most 256 list entries, without allocation after it was made. Its ends count around the
/// array.
struct FreeEntries {
    entries: Box<[u8; ENTRIES_MAX]>,
    head: u8,
    end: u8,
    len: usize,
}

/// As many as an [`Intent`] can tell apart.
const ENTRIES_MAX: usize = 256;

impl FreeEntries {
    fn all(count: u32) -> Self {
        assert!(count as usize <= ENTRIES_MAX);
        Self {
            entries: Box::new(std::array::from_fn(|entry| entry as u8)),
            head: 0,
            end: count as u8,
            len: count as usize,
        }
    }

    fn len(&self) -> usize {
        self.len
    }

    /// Whether the entries that were claimed are used up.
    #[inline(always)]
    fn is_begun_anew(&self) -> bool {
        self.head & (CLAIMED as u8 - 1) == 0
    }

    /// The next entries, at most `count`.
    fn first(&self, count: usize) -> impl Iterator<Item = u8> {
        let next = |index: usize| self.entries[usize::from(self.head.wrapping_add(index as u8))];
        (0..count.min(self.len)).map(next)
    }

    #[inline(always)]
    fn pop(&mut self) -> Option<u32> {
        self.len = self.len.checked_sub(1)?;
        let entry = self.entries[usize::from(self.head)];
        self.head = self.head.wrapping_add(1);
        Some(entry.into())
    }

    #[inline(always)]
    fn push(&mut self, entry: u32) {
        debug_assert!(self.len < ENTRIES_MAX);
        self.entries[usize::from(self.end)] = entry as u8;
        self.end = self.end.wrapping_add(1);
        self.len += 1;
    }
}
