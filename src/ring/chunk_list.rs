//! The chunks of a shared publisher, in shared memory, so that its death loses none.
//!
//! Every chunk of a shared topic is in the ring (named by a stamp), in exactly one publisher's list,
//! or a spare. A commit exchanges one of the list against one of the ring, in steps that a crash can
//! fall between:
//!
//! 1. `displaced` := the chunk to be won and the sequence it holds
//! 2. `intent`    := the sequence to be published and the list entry that it is published from
//! 3. the swap of the stamp: the message is in the ring, its predecessor's chunk is not
//! 4. the list entry := `displaced`
//! 5. `intent`    := none
//!
//! Whether a publisher that died at 2-5 made its swap can be read from the stamp, as long as no
//! later message has taken the slot. So whoever raises the limit first marks each intent a lap
//! behind it that did succeed ([`mark_won`]); an unmarked intent whose slot has moved on failed.
//!
//! A chunk won like that may hold a message that a passed subscriber has not given back. Before it
//! is lent, it is exchanged for a spare that nobody holds ([`exchange`]), so that a subscriber which
//! stops with messages in hand takes no publisher's chunks away:
//!
//! 1. the spare's `taker` := this publisher, by compare-and-swap
//! 2. `displaced` := the spare's entry
//! 3. `intent`    := an exchange for this list entry
//! 4. the spare's entry := the list entry
//! 5. the list entry := `displaced`
//! 6. `intent`    := none
//! 7. the spare's `taker` := nobody
//!
use super::{
    gate,
    layout::{PublisherRecord, Spare},
    place::Place,
    publish::Reserve,
    sequence::{Sequence, Slot},
    view::{CellsView, RingView},
};
use crate::sync::{AtomicU64, Ordering, fence};

/// One entry of a chunk list: a chunk and the last sequence (modulo 2^40) that it held.
///
/// ```text
///  63                              24 23        0
/// +----------------------------------+-----------+
/// | sequence modulo 2^40             |   chunk   |
/// +----------------------------------+-----------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry(pub(crate) u64);

impl Entry {
    /// The entry of a chunk that last held `seq`.
    #[inline(always)]
    pub(crate) const fn new(chunk: u32, seq: Sequence) -> Self {
        Self(seq.0 << 24 | chunk as u64)
    }

    /// The chunk's number.
    #[inline(always)]
    pub(crate) const fn chunk(self) -> u32 {
        self.0 as u32 & 0xff_ffff
    }

    /// The last sequence it held, modulo 2^40.
    #[inline(always)]
    pub(crate) const fn last(self) -> Sequence {
        Sequence(self.0 >> 24)
    }
}

/// What a publisher's swap that is under way is about.
///
/// ```text
///  63                               16 15      8     2        1    0
/// +-----------------------------------+---------+----------+-----+---+
/// | sequence modulo 2^48              |  entry  | exchange | won | 1 |
/// +-----------------------------------+---------+----------+-----+---+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Intent(pub(crate) u64);

impl Intent {
    /// No swap is under way.
    pub(crate) const NONE: Self = Self(0);

    const SOME: u64 = 1;
    const WON: u64 = 2;
    const EXCHANGE: u64 = 4;

    /// The swap that publishes `seq` from list entry `entry`.
    #[inline(always)]
    pub(crate) const fn new(seq: Sequence, entry: u32) -> Self {
        Self(seq.0 << 16 | ((entry as u64) & 0xff) << 8 | Self::SOME)
    }

    /// The exchange of list entry `entry` for a spare.
    const fn exchange(entry: u32) -> Self {
        Self((entry as u64 & 0xff) << 8 | Self::EXCHANGE | Self::SOME)
    }

    const fn is_none(self) -> bool {
        self.0 & Self::SOME == 0
    }

    const fn is_exchange(self) -> bool {
        self.0 & Self::EXCHANGE != 0
    }

    const fn is_won(self) -> bool {
        self.0 & Self::WON != 0
    }

    const fn won(self) -> Self {
        Self(self.0 | Self::WON)
    }

    const fn entry(self) -> u32 {
        (self.0 >> 8) as u32 & 0xff
    }

    /// The sequence, taken to be the alias nearest to `near`.
    const fn sequence(self, near: Sequence) -> Sequence {
        let behind = (near.0 << 16).wrapping_sub(self.0 & !0xffff) as i64 >> 16;
        Sequence(near.0.wrapping_sub(behind as u64))
    }
}

/// Marks every publisher's swap that has succeeded and whose slot may be written again before
/// `want`. To be called before anything from a lap before `want` on is displaced.
pub(crate) fn mark_won(ring: &RingView, own_record: u32, want: Sequence) {
    let capacity = ring.geometry().shape.capacity_slots;
    let used = ring.publishers_used().load(Ordering::Acquire);
    let used = used.min(ring.geometry().shape.max_publishers.into()) as u32;
    for index in (0..used).filter(|index| *index != own_record) {
        let record = ring.record(index);
        // Acquire: edge INTENT, pairs with the Release in `SharedPublisher::swap`; the list entry that
        // is judged is that of this swap.
        let intent = Intent(record.intent.load(Ordering::Acquire));
        if intent.is_none() || intent.is_won() || intent.is_exchange() {
            continue;
        }
        let seq = intent.sequence(want);
        if seq.plus(capacity) < want && is_in_ring(ring, index, intent, seq) {
            // Relaxed: edge WON; the Release swap of the stamp, which follows, publishes the mark. If
            // the publisher has moved on, there is nothing to mark.
            let _ = record.intent.compare_exchange(
                intent.0,
                intent.won().0,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
    }
}

/// Why a held chunk was not exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoSpare {
    /// All spares are held, or being exchanged.
    InUse,
    /// The spare could not be reserved: the file system is full.
    Space,
}

/// Exchanges list entry `entry` of publisher `index`, which owns it and is not swapping, for a
/// chunk that nobody holds. Searches the spares from `from` on, and leaves there where it ended.
#[cold]
pub(crate) fn exchange(
    ring: &RingView,
    cells: &CellsView,
    index: u32,
    entry: u32,
    from: &mut u32,
    reserve: &dyn Reserve,
) -> Result<Entry, NoSpare> {
    let geometry = ring.geometry();
    let count = geometry.shape.spare_chunks() as u32;
    // As it was formatted: its memory may not have been reserved yet.
    let before = geometry
        .first()
        .0
        .wrapping_sub(geometry.shape.capacity_slots);
    let is_unused = |named: Entry| named == Entry::new(named.chunk(), Sequence(before));
    let is_free = |named: Entry| {
        let place = Place::checked(geometry, geometry.first(), named.chunk());
        place.is_some() && gate::holder(cells, named.last()).is_none()
    };
    for _ in 0..count {
        *from = if *from + 1 < count { *from + 1 } else { 0 };
        let spare = ring.spare(*from);
        let seen = Entry(spare.entry.load(Ordering::Relaxed));
        if spare.taker.load(Ordering::Relaxed) != 0 || !is_free(seen) {
            continue;
        }
        // Acquire: edge SPARE, pairs with the Release that freed it; what its former owner did to
        // the chunk is over.
        let taker = u64::from(index) + 1;
        if spare
            .taker
            .compare_exchange(0, taker, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            continue;
        }
        let found = Entry(spare.entry.load(Ordering::Relaxed));
        let is_usable = is_free(found);
        if !is_usable || is_unused(found) && !reserve.reserve(found.chunk()) {
            spare.taker.store(0, Ordering::Release);
            if is_usable {
                return Err(NoSpare::Space);
            }
            continue;
        }
        let (record, listed) = (ring.record(index), ring.list_entry(index, entry));
        record.displaced.store(found.0, Ordering::Relaxed);
        record
            .intent
            .store(Intent::exchange(entry).0, Ordering::Release);
        finish_exchange(record, spare, listed);
        // Edge OBSERVE: the caller writes into a chunk that another publisher won, after raising
        // the limit; an observer that sees the one must see the other.
        fence(Ordering::Release);
        return Ok(found);
    }
    Err(NoSpare::InUse)
}

/// Steps 4-7 of an exchange, which a successor may have to repeat.
fn finish_exchange(record: &PublisherRecord, spare: &Spare, listed: &AtomicU64) {
    let found = record.displaced.load(Ordering::Relaxed);
    let held = listed.load(Ordering::Relaxed);
    // Otherwise step 5 was done already.
    if held != found {
        spare.entry.store(held, Ordering::Release);
        listed.store(found, Ordering::Release);
    }
    record.intent.store(Intent::NONE.0, Ordering::Release);
    // Release: edge SPARE.
    spare.taker.store(0, Ordering::Release);
}

/// Puts the chunk list of a dead publisher in order: afterwards it names exactly the chunks that
/// belong to it. The caller owns the record; repeating it after a crash does no harm.
pub(crate) fn recover(ring: &RingView, index: u32, near: Sequence) {
    let record: &PublisherRecord = ring.record(index);
    let intent = Intent(record.intent.load(Ordering::Acquire));
    let taken = (0..ring.geometry().shape.spare_chunks() as u32)
        .map(|spare| ring.spare(spare))
        .find(|spare| spare.taker.load(Ordering::Acquire) == u64::from(index) + 1);
    if intent.is_exchange() {
        if let (Some(spare), Some(listed)) = (taken, list_entry(ring, index, intent)) {
            finish_exchange(record, spare, listed);
        }
    } else {
        if !intent.is_none() {
            recover_swap(ring, index, intent, near);
        }
        if let Some(spare) = taken {
            spare.taker.store(0, Ordering::Release);
        }
    }
    record.intent.store(Intent::NONE.0, Ordering::Release);
}

fn recover_swap(ring: &RingView, index: u32, intent: Intent, near: Sequence) {
    let record = ring.record(index);
    let seq = intent.sequence(near);
    // The stamp first: if it has moved on, then the mark of a success was made before.
    let in_ring = is_in_ring(ring, index, intent, seq);
    // Relaxed: edge WON, by the Acquire load of the stamp in `is_in_ring`.
    let won = in_ring || Intent(record.intent.load(Ordering::Relaxed)).is_won();
    if won && let Some(entry) = list_entry(ring, index, intent) {
        entry.store(record.displaced.load(Ordering::Relaxed), Ordering::Release);
    }
}

fn is_in_ring(ring: &RingView, record: u32, intent: Intent, seq: Sequence) -> bool {
    let Some(entry) = list_entry(ring, record, intent) else {
        return false;
    };
    // The entry still names the chunk that was to be published, until step 4.
    let chunk = Entry(entry.load(Ordering::Acquire)).chunk();
    // Acquire: edges COMMIT and WON; a later stamp there was preceded by the marks of `mark_won`.
    let stamp = ring.stamp(seq).load(Ordering::Acquire);
    ring.geometry().stamps.read(stamp, seq) == Slot::Ready(chunk)
}

fn list_entry<'m>(ring: &RingView<'m>, record: u32, intent: Intent) -> Option<&'m AtomicU64> {
    let index = intent.entry();
    let in_range = u64::from(index) < ring.geometry().shape.chunks_per_publisher();
    in_range.then(|| ring.list_entry(record, index))
}
