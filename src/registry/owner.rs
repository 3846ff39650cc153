//! The identity of a participant, as one word that fits into shared memory.

use std::fmt;

/// A participant for as long as it lives: its slot, and the epoch of its lease.
///
/// | bits   | what                                                  |
/// |--------|-------------------------------------------------------|
/// | 0..16  | slot + 1; 0: nobody                                   |
/// | 16..62 | epoch of the slot; at a million leases a second, it lasts two years |
/// | 62     | 0                                                     |
/// | 63     | [`REAPING`](Self::REAPING), not part of the identity  |
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct OwnerId(u64);

impl OwnerId {
    /// Set in a shared word by the one who takes back what the dead owner named in it had.
    pub(crate) const REAPING: u64 = crate::ring::layout::REAPING;

    /// Slots that can be named.
    pub(super) const SLOTS_MAX: u32 = SLOT_MASK as u32;

    pub(super) fn new(slot: usize, epoch: u64) -> Self {
        debug_assert!(slot < Self::SLOTS_MAX as usize);
        Self((epoch & EPOCH_MASK) << SLOT_BITS | (slot as u64 + 1))
    }

    /// The owner that a shared word names, with or without [`REAPING`](Self::REAPING); `None` for
    /// nobody.
    pub(crate) fn from_word(word: u64) -> Option<Self> {
        (word & SLOT_MASK != 0).then_some(Self(word & !Self::REAPING))
    }

    /// What to write into a shared word; never 0.
    pub(crate) fn word(self) -> u64 {
        self.0
    }

    pub(super) fn slot(self) -> usize {
        (self.0 & SLOT_MASK) as usize - 1
    }

    pub(super) fn epoch(self) -> u64 {
        (self.0 & !Self::REAPING) >> SLOT_BITS
    }
}

impl fmt::Debug for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnerId({}@{})", self.slot(), self.epoch())
    }
}

const SLOT_BITS: u32 = 16;
const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;

/// The epochs: as many as the locks of a slot can have lengths (see `lease`).
pub(super) const EPOCH_MASK: u64 = (1 << 46) - 1;
