//! The one word of a subscriber that publishers read, and sometimes write.

use super::sequence::Sequence;

/// A subscriber's cursor as it stands in its cell.
///
/// ```text
///  63                                   16 15        3 2     0
/// +---------------------------------------+-----------+-------+
/// | sequence modulo 2^48                  |   pins    | state |
/// +---------------------------------------+-----------+-------+
/// ```
///
/// The sequence is the first one that the subscriber has not finished with; `pins` says how many
/// messages from there on it has been lent. One word, so that a publisher's decision to pass a
/// subscriber and the subscriber's decision to read on exclude each other by compare-and-swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CursorWord(pub(crate) u64);

/// What a subscriber's cursor means to publishers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CursorState {
    /// Nobody there: constrains nothing. Also every value that is not listed here.
    Detached,
    /// Never passed. Stored by its subscriber only.
    Reliable,
    /// Never passed until evicted: changed by compare-and-swap only.
    Evictable,
    /// May be overtaken: changed by compare-and-swap only.
    Lossy,
    /// Overtaken: its pins stay respected, its sequence does not.
    Overtaken,
    /// Evicted after its stall timeout: its pins stay respected, its sequence does not.
    Evicted,
}

impl CursorWord {
    /// The word of a free cell.
    pub(crate) const DETACHED: Self = Self(0);
    /// The most messages that one subscriber can hold at once.
    pub(crate) const PINS_MAX: u32 = (1 << 13) - 1;

    /// As many as an entry of a chunk list has room for.
    pub(crate) const SEQUENCE_BITS_KEPT: u32 = 40;

    const SEQUENCE_SHIFT: u32 = 16;
    const PINS_SHIFT: u32 = 3;

    /// The word of a subscriber that is at `seq` and holds `pins` messages.
    #[inline(always)]
    pub(crate) const fn new(seq: Sequence, pins: u32, state: CursorState) -> Self {
        debug_assert!(pins <= Self::PINS_MAX);
        Self(seq.0 << Self::SEQUENCE_SHIFT | (pins as u64) << Self::PINS_SHIFT | Self::code(state))
    }

    /// The same cursor in another state.
    pub(crate) const fn with_state(self, state: CursorState) -> Self {
        Self(self.0 & !0b111 | Self::code(state))
    }

    /// The same cursor, holding nothing.
    pub(crate) const fn without_pins(self) -> Self {
        Self(self.0 & !((Self::PINS_MAX as u64) << Self::PINS_SHIFT))
    }

    /// What publishers must do about it.
    #[inline(always)]
    pub(crate) const fn state(self) -> CursorState {
        match self.0 & 0b111 {
            1 => CursorState::Reliable,
            2 => CursorState::Evictable,
            3 => CursorState::Lossy,
            4 => CursorState::Overtaken,
            5 => CursorState::Evicted,
            _ => CursorState::Detached,
        }
    }

    /// How many messages the subscriber holds.
    #[inline(always)]
    pub(crate) const fn pins(self) -> u32 {
        (self.0 >> Self::PINS_SHIFT) as u32 & Self::PINS_MAX
    }

    /// The sequence, taken to be the one of its 2^48 aliases that is nearest to `near`.
    #[inline(always)]
    pub(crate) const fn sequence(self, near: Sequence) -> Sequence {
        let behind = near.0.wrapping_sub(self.0 >> Self::SEQUENCE_SHIFT);
        let behind = (behind << Self::SEQUENCE_SHIFT) as i64 >> Self::SEQUENCE_SHIFT;
        Sequence(near.0.wrapping_sub(behind as u64))
    }

    /// How far `seq` lies behind the first held message, modulo `capacity_slots` (a power of two).
    #[inline(always)]
    pub(crate) const fn slot_distance(self, seq: Sequence, capacity_slots: u64) -> u64 {
        seq.0.wrapping_sub(self.0 >> Self::SEQUENCE_SHIFT) & (capacity_slots - 1)
    }

    /// Whether the subscriber may hold message `seq`, of which only the lower
    /// [`SEQUENCE_BITS_KEPT`](Self::SEQUENCE_BITS_KEPT) bits count: it says `true` for what is held,
    /// however long ago it was published, and for what lies a multiple of 2^40 away from that.
    pub(crate) const fn holds(self, seq: Sequence) -> bool {
        let offset = seq.0.wrapping_sub(self.0 >> Self::SEQUENCE_SHIFT);
        offset & ((1 << Self::SEQUENCE_BITS_KEPT) - 1) < self.pins() as u64
    }

    const fn code(state: CursorState) -> u64 {
        match state {
            CursorState::Detached => 0,
            CursorState::Reliable => 1,
            CursorState::Evictable => 2,
            CursorState::Lossy => 3,
            CursorState::Overtaken => 4,
            CursorState::Evicted => 5,
        }
    }
}
