//! The chunks of a shared publisher, in shared memory, so that its death loses none.
//!
//! Every chunk of a shared topic is either in the ring (named by a stamp) or in exactly one
//! publisher's list. A commit exchanges one against the other, in steps a crash can fall between:
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

use super::{
    layout::PublisherRecord,
    sequence::{Sequence, Slot},
    view::RingView,
};
use crate::sync::{AtomicU64, Ordering};

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
///  63                               16 15      8 7    1   0
/// +-----------------------------------+---------+------+---+
/// | sequence modulo 2^48              |  entry  | won  | 1 |
/// +-----------------------------------+---------+------+---+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Intent(pub(crate) u64);

impl Intent {
    /// No swap is under way.
    pub(crate) const NONE: Self = Self(0);

    const SOME: u64 = 1;
    const WON: u64 = 2;

    /// The swap that publishes `seq` from list entry `entry`.
    #[inline(always)]
    pub(crate) const fn new(seq: Sequence, entry: u32) -> Self {
        Self(seq.0 << 16 | ((entry as u64) & 0xff) << 8 | Self::SOME)
    }

    const fn is_none(self) -> bool {
        self.0 & Self::SOME == 0
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
        // Acquire: edge INTENT, pairs with the Release in `SharedPublisher::swap`.
        let intent = Intent(record.intent.load(Ordering::Acquire));
        if intent.is_none() || intent.is_won() {
            continue;
        }
        let seq = intent.sequence(want);
        if seq.plus(capacity) < want && is_in_ring(ring, index, intent, seq) {
            // AcqRel: edge WON. If the publisher has moved on, there is nothing to mark.
            let _ = record.intent.compare_exchange(
                intent.0,
                intent.won().0,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
        }
    }
}

/// Puts the chunk list of a dead publisher in order: afterwards it names exactly the chunks that
/// belong to it. The caller owns the record; repeating it after a crash does no harm.
pub(crate) fn recover(ring: &RingView, index: u32, near: Sequence) {
    let record: &PublisherRecord = ring.record(index);
    let intent = Intent(record.intent.load(Ordering::Acquire));
    if intent.is_none() {
        return;
    }
    let seq = intent.sequence(near);
    // The stamp first: if it has moved on, then the mark of a success was made before.
    let in_ring = is_in_ring(ring, index, intent, seq);
    // Acquire: edge WON.
    let won = in_ring || Intent(record.intent.load(Ordering::Acquire)).is_won();
    if won && let Some(entry) = list_entry(ring, index, intent) {
        entry.store(record.displaced.load(Ordering::Relaxed), Ordering::Release);
    }
    record.intent.store(Intent::NONE.0, Ordering::Release);
}

fn is_in_ring(ring: &RingView, record: u32, intent: Intent, seq: Sequence) -> bool {
    let Some(entry) = list_entry(ring, record, intent) else {
        return false;
    };
    // The entry still names the chunk that was to be published, until step 4.
    let chunk = Entry(entry.load(Ordering::Acquire)).chunk();
    // Acquire: edge COMMIT; a later stamp there was preceded by the marks of `mark_won`.
    let stamp = ring.stamp(seq).load(Ordering::Acquire);
    ring.geometry().stamps.read(stamp, seq) == Slot::Ready(chunk)
}

fn list_entry<'m>(ring: &RingView<'m>, record: u32, intent: Intent) -> Option<&'m AtomicU64> {
    let index = intent.entry();
    let in_range = u64::from(index) < ring.geometry().shape.chunks_per_publisher();
    in_range.then(|| ring.list_entry(record, index))
}
