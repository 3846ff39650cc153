//! Positions in a topic, and the stamps that say which position a slot holds.

use std::fmt;

use super::layout::PublisherMode;

/// The position of a message in its topic: 0, 1, 2, ... without holes, never used twice.
///
/// 64 bits last 584 years at a billion messages a second, so a sequence never wraps; only the
/// packed forms of it ([`StampFormat`], [`CursorWord`](super::cursor_word::CursorWord)) do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Sequence(pub(crate) u64);

impl Sequence {
    /// No message gets here: topics start at 2^62 at most, and last 146 years from there at a billion
    /// messages a second.
    const NEVER: u64 = 1 << 63;

    /// Whether some message may have this sequence; only a damaged ring leads to one that none has.
    #[inline]
    pub(crate) const fn is_possible(self) -> bool {
        self.0 < Self::NEVER
    }

    /// The position `count` messages later.
    #[inline(always)]
    pub(crate) const fn plus(self, count: u64) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// The position `count` messages earlier, or 0.
    #[inline(always)]
    pub(crate) const fn minus(self, count: u64) -> Self {
        Self(self.0.saturating_sub(count))
    }

    /// How many messages lie from `earlier` up to this one; 0 if `earlier` is in fact later.
    #[inline(always)]
    pub(crate) const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a topic packs `{ lap, chunk }` into the 64-bit stamp of a slot.
///
/// ```text
///  63                         chunk_bits            0
/// +------------------------------------+------------+
/// | lap = sequence >> log2(capacity)   |   chunk    |
/// +------------------------------------+------------+
/// ```
///
/// The slot's index is the rest of the sequence. The lap wraps in its field; comparing the field as
/// a signed distance keeps the order as long as nobody is 2^(63 - chunk_bits) laps behind. With the
/// most chunks a topic can have, those are 2^38 laps of up to 2^24 slots, and 2^62 messages of any
/// larger ring: 8 years at capacity 1 and 1,000 messages a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StampFormat {
    capacity_log2: u32,
    chunk_bits: u32,
    /// The lowest `chunk_bits`.
    chunk_mask: u64,
}

/// What a slot's stamp says about one sequence that belongs into that slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// The message is there, in this chunk.
    Ready(u32),
    /// The message has not been published yet.
    Empty,
    /// A message of a later lap has replaced it.
    Lapped,
}

impl StampFormat {
    /// Chunks of a shared topic, or chunks beyond one for each slot of an exclusive one, are fewer
    /// than 2 to the power of this.
    const CHUNK_BITS: u32 = 24;

    /// The most chunks that a topic can have.
    pub(crate) const fn chunks_max(capacity_slots: u64, mode: PublisherMode) -> u64 {
        let beyond = (1 << Self::CHUNK_BITS) - 1;
        match mode {
            PublisherMode::Exclusive => capacity_slots + beyond,
            // Chunk lists have no room for longer numbers.
            PublisherMode::Shared => beyond,
        }
    }

    /// A format for `capacity_slots` (a power of two) and chunk numbers below `chunk_numbers`.
    pub(crate) const fn new(capacity_slots: u64, chunk_numbers: u64) -> Self {
        let chunk_bits = if chunk_numbers <= 1 {
            0
        } else {
            (chunk_numbers - 1).ilog2() + 1
        };
        let capacity_log2 = capacity_slots.ilog2();
        assert!(chunk_bits <= Self::CHUNK_BITS + 1 || chunk_bits <= capacity_log2 + 1);
        Self {
            capacity_log2,
            chunk_bits,
            chunk_mask: (1 << chunk_bits) - 1,
        }
    }

    /// The stamp of the slot that holds message `seq` in chunk `chunk`.
    #[inline(always)]
    pub(crate) const fn stamp(self, seq: Sequence, chunk: u32) -> u64 {
        self.lap_field(seq) | chunk as u64
    }

    /// The stamp that a slot has one lap before `seq` is published in it.
    #[inline(always)]
    pub(crate) const fn stamp_before(self, seq: Sequence, chunk: u32) -> u64 {
        self.lap_field(seq).wrapping_sub(1 << self.chunk_bits) | chunk as u64
    }

    /// What `stamp`, read from the slot of `seq`, says about `seq`.
    #[inline(always)]
    pub(crate) const fn read(self, stamp: u64, seq: Sequence) -> Slot {
        let chunk = stamp & self.chunk_mask;
        let ahead = (stamp ^ chunk).wrapping_sub(self.lap_field(seq)) as i64;
        match ahead {
            0 => Slot::Ready(chunk as u32),
            i64::MIN..0 => Slot::Empty,
            _ => Slot::Lapped,
        }
    }

    /// The chunk named by `stamp`, whatever its lap.
    #[inline(always)]
    pub(crate) const fn chunk(self, stamp: u64) -> u32 {
        (stamp & self.chunk_mask) as u32
    }

    #[inline(always)]
    const fn lap_field(self, seq: Sequence) -> u64 {
        (seq.0 >> self.capacity_log2) << self.chunk_bits
    }
}
