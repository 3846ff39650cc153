//! Subscribers: joining, taking messages in place, moving on.

mod sift;

use super::{
    ahead::Ahead,
    chunk_guess::ChunkGuess,
    cursor_word::{CursorState, CursorWord},
    layout::{Cell, PublisherMode},
    pace::{self, Pace},
    place::Place,
    sequence::{Sequence, Slot},
    tail::{find_oldest, find_tail},
    view::{CellsView, Home, Lap, RingView},
};
use crate::sync::{Ordering, fence, load_acquire, spin_loop};

/// How often reading the newest message gives way to a publisher that laps the ring meanwhile.
const NEWEST_ROUNDS_MAX: u32 = 1 << 16;

/// How often a subscriber may find that it was passed and yet missed nothing, in one take.
const PASSED_ROUNDS_MAX: u32 = 1 << 10;

/// How far ahead a subscriber that has messages before it asks for those to read: measured, one publisher
/// and one subscriber, batches of messages of 64 B, in millions a second: none 148, 16 ahead 170, 32 ahead
/// 172, 48 ahead 180.
const SLOTS_AHEAD: u64 = 40;

/// How a registered subscriber and the publishers treat each other.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use ringbus::Delivery;
///
/// let topic = bus.topic("orders").open_or_create()?;
/// let archive = topic.subscriber().reliable().join()?;
/// let screen = topic.subscriber().join()?;
/// let found: Vec<_> = topic.info().subscribers.iter().map(|seen| seen.delivery).collect();
/// assert_eq!(found, [Delivery::Reliable, Delivery::Lossy]);
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// Publishers wait for it: it sees every message.
    Reliable,
    /// Publishers overtake it when the ring is full: it learns exactly how many messages it missed.
    #[default]
    Lossy,
}

/// A run of messages that a subscriber may read in place until it releases them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first: Sequence,
    pub(crate) len: u32,
}

impl Run {
    pub(crate) const EMPTY: Self = Self {
        first: Sequence(0),
        len: 0,
    };
}

/// What a subscriber finds where its next message belongs.
pub(crate) enum Next<'m> {
    /// The message, in its own slot; it is lent now.
    Home(Home<'m>),
    /// Nothing yet.
    Nothing,
    /// Something that [`Cursor::take`] knows about.
    Other,
}

/// Why a subscriber did not get the messages it was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interruption {
    /// A lossy subscriber was overtaken, and goes on after `missed` messages.
    Lagged { missed: u64 },
    /// An evictable subscriber was evicted, and goes on after `missed` messages.
    Evicted { missed: u64 },
    /// A stamp that no honest publisher writes.
    Corrupted { seq: Sequence },
}

/// One subscriber's place in a ring. Its cell is its own until it is dropped by the layer above.
pub(crate) struct Cursor<'m> {
    ring: RingView<'m>,
    cell: &'m Cell,
    /// How this subscriber stands when it is not overtaken or evicted.
    state: CursorState,
    /// Whether nothing passes it, and messages lie in their own slots but for a few.
    is_plain: bool,
    next: Sequence,
    /// That of `next`, or an earlier one.
    lap: Lap<'m>,
    /// The cell's word as this subscriber last left it.
    word: CursorWord,
    /// Messages lent from `next` on, reliable subscribers only.
    lent: u32,
    /// The place of the first of those: of many takes it is the only one.
    lent_first: Place,
    /// How many of those, from the first on, lie in their own slots.
    lent_home: u32,
    /// The chunks of the messages that were taken last, those of a subscriber that may be passed:
    /// once it is, the slots belong to later messages and no longer tell.
    chunks: Box<[u32]>,
    /// The first message that `chunks` tells about.
    chunks_from: Sequence,
    /// Messages it had asked for that were gone before it started.
    missed_before_start: u64,
    pace: Pace,
    ahead: Ahead,
    guess: ChunkGuess,
}

/// Messages that are ready to be read.
struct Ready {
    len: u32,
    /// How many of them, from the first on, lie in their own slots.
    home: u32,
    first: Place,
    last: Place,
}

impl<'m> Cursor<'m> {
    /// Joins through cell `index`, which the caller owns, at `start` or the oldest message after it
    /// that is retained. `evictable` matters to reliable subscribers only.
    pub(crate) fn join(
        ring: RingView<'m>,
        cells: CellsView<'m>,
        index: u32,
        start: Sequence,
        delivery: Delivery,
        evictable: bool,
    ) -> Self {
        let state = match delivery {
            Delivery::Reliable if evictable => CursorState::Evictable,
            Delivery::Reliable => CursorState::Reliable,
            Delivery::Lossy => CursorState::Lossy,
        };
        // Release: a publisher that sees the new count looks at the cell.
        cells
            .cells_used()
            .fetch_max(u64::from(index) + 1, Ordering::Release);
        let cell = cells.cell(index);
        let word = CursorWord::DETACHED;
        let chunks = match state {
            CursorState::Reliable => Box::default(),
            _ => vec![0; ring.geometry().shape.pins as usize].into(),
        };
        let mut cursor = Self {
            ring,
            cell,
            state,
            is_plain: state == CursorState::Reliable
                && ring.geometry().shape.mode == PublisherMode::Exclusive,
            next: start,
            lap: ring.lap(start),
            word,
            lent: 0,
            lent_first: Place::home(start),
            lent_home: 0,
            chunks,
            chunks_from: start,
            missed_before_start: 0,
            pace: Pace::new(start),
            ahead: Ahead::new(ring.geometry(), SLOTS_AHEAD),
            guess: ChunkGuess::new(),
        };
        cursor.missed_before_start = cursor.attach(start);
        cursor
    }

    /// Where it reads.
    #[inline(always)]
    pub(crate) fn ring(&self) -> &RingView<'m> {
        &self.ring
    }

    /// Whether [`take_next`](Self::take_next) finds what there is, nearly always.
    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Leaves: publishers no longer heed this subscriber.
    pub(crate) fn leave(&mut self) {
        // Release: edge RELEASE.
        self.cell
            .cursor
            .store(CursorWord::DETACHED.0, Ordering::Release);
    }

    /// The next sequence that this subscriber will read.
    #[inline]
    pub(crate) fn next(&self) -> Sequence {
        self.next
    }

    /// How many messages the subscriber holds.
    pub(crate) fn held(&self) -> u32 {
        self.lent.max(self.word.pins())
    }

    /// Whether a call of [`take`](Self::take) would have something to say.
    #[inline]
    pub(crate) fn is_ready(&self) -> bool {
        if self.missed_before_start > 0 {
            return true;
        }
        let next = self.next.plus(self.lent.into());
        // Acquire: edge COMMIT.
        let stamp = load_acquire(self.ring.stamp(next));
        self.ring.geometry().stamps.read(stamp, next) != Slot::Empty
    }

    /// The same, asked again and again by one who waits, and has looked in vain before: where the message
    /// will lie is asked for together with the stamp that will tell of it, as by a take that finds none.
    #[inline(always)]
    pub(crate) fn is_ready_at_last(&mut self) -> bool {
        let is_ready = self.is_ready();
        if !is_ready && self.lent == 0 {
            self.found_none();
        }
        is_ready
    }

    /// Takes up to `max` of the next messages, in place, until [`release`](Self::release); `None`
    /// when there is none. Gives back what was taken before.
    #[inline(always)]
    pub(crate) fn take(&mut self, max: u32) -> Result<Option<Run>, Interruption> {
        if max == 1 {
            let len = 1;
            match self.take_next(|| false) {
                Next::Home(home) => {
                    let first = home.sequence();
                    return Ok(Some(Run { first, len }));
                }
                Next::Nothing => return Ok(None),
                Next::Other => {}
            }
        }
        self.take_otherwise(max)
    }

    /// The same where [`take_next`](Self::take_next) was tried.
    #[inline(always)]
    pub(crate) fn take_otherwise(&mut self, max: u32) -> Result<Option<Run>, Interruption> {
        match self.state {
            CursorState::Reliable if self.missed_before_start == 0 => self.take_gated(max),
            _ => self.take_counted(max),
        }
    }

    /// Gives back what was taken, and takes the next message if it lies where nearly all messages of an
    /// exclusive topic do: one look at one stamp, for the poll that does nothing but this. Makes no call.
    ///
    /// Asks `must_tell` once the cell says what was given back. If somebody must be told, only the cell
    /// knows: [`release`](Self::release) is still to be called.
    #[inline(always)]
    pub(crate) fn take_next(&mut self, must_tell: impl FnOnce() -> bool) -> Next<'m> {
        match self.is_plain && self.missed_before_start == 0 {
            true => self.take_next_plainly(must_tell),
            false => Next::Other,
        }
    }

    /// The same of a subscriber that [is plain](Self::is_plain) and has
    /// [missed nothing](Self::has_missed_start) before it started.
    #[inline(always)]
    pub(crate) fn take_next_plainly(&mut self, must_tell: impl FnOnce() -> bool) -> Next<'m> {
        debug_assert!(self.is_plain && self.missed_before_start == 0);
        if self.lent > 0 {
            self.store_cursor(self.next.plus(self.lent.into()));
            if must_tell() {
                return Next::Other;
            }
            self.next = self.next.plus(self.lent.into());
            (self.lent, self.lent_home) = (0, 0);
        }
        let seq = self.next;
        if seq >= self.lap.until() {
            self.lap = self.ring.lap(seq);
        }
        // SAFETY: `next` goes forward only, but where the lap is set as well.
        let home = unsafe { self.lap.home(seq) };
        // Acquire: edge COMMIT, as in `count_ready`.
        let stamp = load_acquire(home.stamp());
        if stamp == self.lap.stamp() {
            if self.pace.is_behind(seq) {
                self.ahead.ask_to_read(home.stamp());
            }
            (self.lent, self.lent_home) = (1, 1);
            return Next::Home(home);
        }
        match self.ring.geometry().stamps.read(stamp, seq) {
            Slot::Empty if !self.pace.is_dense_at(seq) => {
                self.pace.found_none(seq);
                if self.pace.is_waiting() {
                    self.ring.prefetch_second_line(seq);
                }
                Next::Nothing
            }
            _ => Next::Other,
        }
    }

    /// Takes where messages may have been missed, and counts those.
    fn take_counted(&mut self, max: u32) -> Result<Option<Run>, Interruption> {
        let taken = if self.missed_before_start > 0 {
            let missed = std::mem::take(&mut self.missed_before_start);
            Err(Interruption::Lagged { missed })
        } else {
            self.take_pinned(max)
        };
        taken.inspect_err(|interruption| self.count_loss(interruption))
    }

    /// Takes the newest message, in place, unless it was taken before; gives back what was taken
    /// before, and skips what lies between. The second is `true` if publishers at the gate must be
    /// told.
    pub(crate) fn take_newest(&mut self) -> (Result<Option<Run>, Interruption>, bool) {
        let mut has_moved = self.release();
        for _ in 0..NEWEST_ROUNDS_MAX {
            let newest = find_tail(&self.ring).minus(1);
            if newest > self.next {
                has_moved |= self.skip_to(newest);
            }
            self.missed_before_start = 0;
            let taken = match self.state {
                CursorState::Reliable => self.take_gated(1),
                _ => self.take_pinned(1),
            };
            // Passed while it looked: there is a newer one, and what was skipped was not missed.
            if !matches!(taken, Err(Interruption::Lagged { .. })) {
                return (taken, has_moved);
            }
        }
        (Ok(None), has_moved)
    }

    /// Where message `seq` of the run that was taken last lies.
    #[inline(always)]
    pub(crate) fn place(&self, seq: Sequence) -> Result<Place, Interruption> {
        let index = seq.since(self.next);
        if index < self.lent_home.into() {
            return Ok(Place::home(seq));
        }
        if self.lent > 0 && index == 0 {
            return Ok(self.lent_first);
        }
        let geometry = self.ring.geometry();
        let chunk = match self.state {
            // Relaxed: `take` has seen this stamp, and nobody passes this subscriber.
            CursorState::Reliable => {
                let stamp = self.ring.stamp(seq).load(Ordering::Relaxed);
                Some(geometry.stamps.chunk(stamp))
            }
            _ => {
                let index = seq.since(self.chunks_from) as usize;
                self.chunks.get(index).copied()
            }
        };
        chunk
            .and_then(|chunk| Place::checked(geometry, seq, chunk))
            .ok_or(Interruption::Corrupted { seq })
    }

    /// How many messages of what was taken last, from the first on, are known to lie in their own slots.
    #[inline(always)]
    pub(crate) fn lent_home(&self) -> u32 {
        self.lent_home
    }

    /// Gives back everything that was taken. `true` if the cursor moved, so that publishers at the
    /// gate must be told.
    ///
    /// A lossy subscriber keeps its pins until it takes again, or until
    /// [`release_pins`](Self::release_pins): they hold up nobody, and one swap then does for both.
    #[inline(always)]
    pub(crate) fn release(&mut self) -> bool {
        match self.state {
            CursorState::Reliable => self.release_gated(),
            CursorState::Evictable => self.release_pins(),
            _ => false,
        }
    }

    /// The same of a reliable subscriber that cannot be evicted.
    #[inline(always)]
    pub(crate) fn release_gated(&mut self) -> bool {
        debug_assert_eq!(self.state, CursorState::Reliable);
        if self.lent == 0 {
            return false;
        }
        self.next = self.next.plus(self.lent.into());
        (self.lent, self.lent_home) = (0, 0);
        self.store_cursor(self.next);
        true
    }

    /// Lets the cell of a reliable subscriber say that it is at `seq`.
    #[inline(always)]
    fn store_cursor(&self, seq: Sequence) {
        let word = CursorWord::new(seq, 0, CursorState::Reliable);
        // Release: edge RELEASE, pairs with the Acquire in `gate::raise`; the reads of the messages before
        // `seq` are over.
        self.cell.cursor.store(word.0, Ordering::Release);
    }

    /// Gives up pins that were kept by [`release`](Self::release); `true` if there were any.
    pub(crate) fn release_pins(&mut self) -> bool {
        let pins = self.word.pins();
        if pins == 0 {
            return false;
        }
        let unpinned = CursorWord::new(self.next, 0, self.state);
        if !self.swap_word(unpinned) {
            // Passed: publishers leave the word alone from now on, and the next `take` finds out.
            let passed = CursorWord(self.cell.cursor.load(Ordering::Relaxed));
            // Release: edge RELEASE.
            self.cell
                .cursor
                .store(passed.without_pins().0, Ordering::Release);
            self.word = unpinned;
        }
        true
    }

    /// Goes forward to `seq`, which is published. `true` if publishers at the gate must be told.
    fn skip_to(&mut self, seq: Sequence) -> bool {
        debug_assert!(seq >= self.next);
        let was_released = self.release();
        self.missed_before_start = 0;
        self.next = seq;
        if self.state != CursorState::Reliable {
            // The cell follows with the next swap; a publisher may pass it until then, which costs
            // nothing but coming back.
            return was_released;
        }
        self.store_cursor(seq);
        true
    }

    /// Whether the next take tells that messages were missed before it started.
    pub(crate) fn has_missed_start(&self) -> bool {
        self.missed_before_start > 0
    }

    /// Does not count what was overtaken while it joined or sought: nobody asked for those messages.
    pub(crate) fn pardon_start(&mut self) {
        self.missed_before_start = 0;
    }

    /// Goes to `start`, forgetting everything in between; publishers may be told.
    pub(crate) fn seek(&mut self, start: Sequence) {
        (self.lent, self.lent_home) = (0, 0);
        self.missed_before_start = 0;
        if self.state == CursorState::Reliable && start >= self.next {
            // Nobody has passed what its own cell guards, however far the limit was raised.
            self.next = start;
            self.store_cursor(start);
        } else {
            self.next = start;
            self.missed_before_start = self.attach(start);
        }
    }

    /// Gives back what was taken last, but goes on at `seq`, one of it.
    pub(crate) fn return_to(&mut self, seq: Sequence) {
        (self.lent, self.lent_home) = (0, 0);
        self.next = seq;
        match self.state {
            CursorState::Reliable => self.store_cursor(seq),
            // If it was passed meanwhile, the next `take` finds out.
            _ => _ = self.swap_word(CursorWord::new(seq, 0, self.state)),
        }
    }

    #[inline(always)]
    fn take_gated(&mut self, max: u32) -> Result<Option<Run>, Interruption> {
        self.release();
        let ready = self.count_ready(max)?;
        let len = ready.len;
        if len == 0 {
            self.found_none();
        } else if ready.last.chunk() != 0 {
            self.guess.saw(ready.last.chunk(), len);
        }
        (self.lent, self.lent_home) = (len, ready.home);
        self.lent_first = ready.first;
        Ok((len > 0).then_some(Run {
            first: self.next,
            len,
        }))
    }

    /// Nothing is there yet: prepares for the next look.
    #[inline(always)]
    fn found_none(&mut self) {
        if self.pace.found_none(self.next) {
            self.let_publisher_ahead();
        }
        if !self.pace.is_waiting() {
            return;
        }
        self.ring.prefetch_second_line(self.next);
        let due = self.guess.due();
        let due = due.and_then(|chunk| Place::checked(self.ring.geometry(), self.next, chunk));
        if let Some(place) = due {
            self.ring.prefetch_to_read(place);
        }
    }

    /// Waits until a batch of messages is there, but not for long, and only while they come.
    #[cold]
    fn let_publisher_ahead(&mut self) {
        let batch = pace::BATCH.min(self.ring.geometry().quantum());
        for look in 1..=pace::LOOKS_AHEAD_MAX {
            (0..pace::SPINS_PER_LOOK).for_each(|_| spin_loop());
            if self.has_come(self.next.plus(batch - 1)) {
                self.pace.publisher_is_ahead(self.next);
                // As far as is not asked for on the way.
                return self
                    .ring
                    .prefetch_slots_to_read(self.next, batch.min(SLOTS_AHEAD));
            }
            // It takes a moment to get away.
            if look >= pace::LOOKS_AHEAD_MIN && !self.has_come(self.next.plus(look / 2)) {
                return self.pace.publisher_is_slow();
            }
        }
    }

    fn has_come(&self, seq: Sequence) -> bool {
        // Relaxed: only when to look is decided here.
        let stamp = self.ring.stamp(seq).load(Ordering::Relaxed);
        self.ring.geometry().stamps.read(stamp, seq) != Slot::Empty
    }

    fn take_pinned(&mut self, max: u32) -> Result<Option<Run>, Interruption> {
        // A second round only after being passed without a loss; then nothing is held, and whoever
        // passes this cursor again overwrites its next message. Many only if somebody else writes
        // this cell.
        for _ in 0..PASSED_ROUNDS_MAX {
            let (len, is_lapped) = self.note_ready(max);
            let first = self.next;
            let is_still_there = if len == 0 && self.word.pins() == 0 {
                !self.was_passed()
            } else {
                self.swap_word(CursorWord::new(first, len, self.state))
            };
            match (is_still_there, len) {
                // Passed by a publisher that did not mark this cursor.
                (true, 0) if is_lapped => return Err(Interruption::Corrupted { seq: first }),
                (true, 0) => {
                    self.found_none();
                    return Ok(None);
                }
                // The swap won against every publisher's: none has passed this cursor, and none
                // will without respecting the pins. So what was noted is still there.
                (true, _) => {
                    let last = self.chunks[len as usize - 1];
                    if last != 0 {
                        self.guess.saw(last, len);
                    }
                    self.next = first.plus(len.into());
                    return Ok(Some(Run { first, len }));
                }
                (false, _) => match self.come_back() {
                    Interruption::Lagged { missed: 0 } => {}
                    interruption => return Err(interruption),
                },
            }
        }
        Err(Interruption::Corrupted { seq: self.next })
    }

    /// Which messages are ready from `next` on, at most `max`.
    #[inline(always)]
    fn count_ready(&self, max: u32) -> Result<Ready, Interruption> {
        let geometry = self.ring.geometry();
        let home = match geometry.shape.mode {
            PublisherMode::Exclusive => self.count_home(max),
            PublisherMode::Shared => 0,
        };
        let (mut len, mut first) = (home, Place::home(self.next));
        let mut last = first;
        while len < max {
            let seq = self.next.plus(len.into());
            // Acquire: edge COMMIT, pairs with the Release in `publish`; the block is written.
            let stamp = load_acquire(self.ring.stamp(seq));
            let ready = match geometry.stamps.read(stamp, seq) {
                Slot::Ready(chunk) => Place::checked(geometry, seq, chunk),
                Slot::Empty => break,
                Slot::Lapped => None,
            };
            if let Some(place) = ready {
                // All lines of a run are on their way before the first is looked at.
                self.ring.prefetch_to_read(place);
            }
            match ready {
                Some(place) if len == 0 => (first, last) = (place, place),
                Some(place) => last = place,
                // Damage is for the next take to tell, once what is before it was read.
                None if len > 0 => break,
                None => return Err(Interruption::Corrupted { seq }),
            }
            len += 1;
        }
        Ok(Ready {
            len,
            home,
            first,
            last,
        })
    }

    /// How many messages, from `next` to the end of the lap, at most `max`, are ready in their own
    /// slots, as nearly all of an exclusive topic's are: all have the same stamp then.
    #[inline(always)]
    fn count_home(&self, max: u32) -> u32 {
        let at_home = self.ring.geometry().stamps.stamp(self.next, 0);
        let homes = self.ring.homes(self.next, max.into());
        // Acquire: edge COMMIT, as above.
        let ready = homes.map(Home::stamp);
        let ready = ready.take_while(|stamp| load_acquire(stamp) == at_home);
        if !self.pace.is_behind(self.next) {
            return ready.count() as u32;
        }
        let mut count = 0;
        for stamp in ready {
            self.ahead.ask_to_read(stamp);
            count += 1;
        }
        count
    }

    /// The same for a subscriber that publishers may have passed, which the swap will tell, and
    /// whether it found a later message instead. Notes the chunks; at most `pins` messages.
    #[inline(always)]
    fn note_ready(&mut self, max: u32) -> (u32, bool) {
        let geometry = self.ring.geometry();
        let stamps = geometry.stamps;
        let mut len = 0;
        self.chunks_from = self.next;
        for noted in self.chunks.iter_mut().take(max as usize) {
            let seq = self.next.plus(len.into());
            // Acquire: edge COMMIT, as above. A later message there is after the marking of this
            // cursor.
            let stamp = load_acquire(self.ring.stamp(seq));
            match stamps.read(stamp, seq) {
                Slot::Ready(chunk) => match Place::checked(geometry, seq, chunk) {
                    Some(place) => {
                        self.ring.prefetch_to_read(place);
                        *noted = chunk;
                    }
                    None => return (len, true),
                },
                Slot::Empty => break,
                Slot::Lapped => return (len, true),
            }
            len += 1;
        }
        (len, false)
    }

    fn was_passed(&self) -> bool {
        // Relaxed: one who was passed comes back by edge JOIN. Where a later message was found, its
        // publisher had seen this cursor marked: edge COMMIT.
        self.cell.cursor.load(Ordering::Relaxed) != self.word.0
    }

    #[inline(always)]
    fn swap_word(&mut self, word: CursorWord) -> bool {
        // Release: edge RELEASE, the reads of what was held are over. Acquires nothing: what it finds
        // is this subscriber's own word or, where it fails, a mark, after which it comes back by edge
        // JOIN.
        let swapped = self.cell.cursor.compare_exchange(
            self.word.0,
            word.0,
            Ordering::Release,
            Ordering::Relaxed,
        );
        if swapped.is_ok() {
            self.word = word;
        }
        swapped.is_ok()
    }

    /// Joins again after being overtaken or evicted, at the oldest retained message.
    #[cold]
    fn come_back(&mut self) -> Interruption {
        let missed = self.attach(self.next);
        match self.state {
            CursorState::Evictable => Interruption::Evicted { missed },
            _ => Interruption::Lagged { missed },
        }
    }

    /// Counts missed messages; being passed without a loss does not count.
    #[cold]
    fn count_loss(&self, interruption: &Interruption) {
        let missed = match *interruption {
            Interruption::Lagged { missed } | Interruption::Evicted { missed } => missed,
            Interruption::Corrupted { .. } => 0,
        };
        if missed == 0 {
            return;
        }
        // Relaxed: counts, written by this subscriber only.
        let add = |word: &crate::sync::AtomicU64, count| {
            word.store(
                word.load(Ordering::Relaxed).wrapping_add(count),
                Ordering::Relaxed,
            );
        };
        add(&self.cell.lagged, missed);
        add(&self.cell.lag_events, 1);
    }

    /// Puts the cursor at `start` or, where that may be overwritten already, at the oldest message
    /// that is safe; how many messages lie between the two.
    fn attach(&mut self, start: Sequence) -> u64 {
        let start = start.max(self.ring.geometry().first());
        let at = start.max(find_oldest(&self.ring));
        let word = CursorWord::new(at, 0, self.state);
        // Release: edge RELEASE, gives up what was held before.
        self.cell.cursor.store(word.0, Ordering::Release);
        self.word = word;
        // Edge JOIN, pairs with the fence in `gate::raise`: a look at the cursors that misses this
        // one raised the limit to no more than what is read here; any other heeds it.
        fence(Ordering::SeqCst);
        self.next = at.max(find_oldest(&self.ring));
        self.lap = self.ring.lap(self.next);
        if self.next > at {
            self.move_up();
        }
        self.next.since(start)
    }

    /// Lets the cell, which stands further back, say where the cursor is.
    fn move_up(&mut self) {
        let word = CursorWord::new(self.next, 0, self.state);
        if self.state == CursorState::Reliable {
            // Release: edge RELEASE.
            self.cell.cursor.store(word.0, Ordering::Release);
            self.word = word;
        } else {
            // If it was passed meanwhile, the next `take` finds out.
            self.swap_word(word);
        }
    }
}
