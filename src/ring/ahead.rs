//! Asking for a slot before it is read or written, so that nobody waits for its lines when it is.

use super::layout::Geometry;
use crate::sync::{AtomicU64, prefetch_read, prefetch_write};

/// Where the first two lines of the slot some way ahead are: bytes from the start of a slot.
///
/// At the end of a lap these are no slots, and perhaps nothing; asking for that does no harm.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    first: usize,
    second: usize,
}

/// Bytes that move between processors at once.
pub(super) const LINE: usize = 64;

impl Ahead {
    /// So many slots ahead, or less in a ring of few.
    pub(super) fn new(geometry: &Geometry, slots: u64) -> Self {
        let slots = slots.min(geometry.shape.capacity_slots / 2);
        let first = (slots * geometry.slot_stride) as usize;
        let last_word = geometry.slot_stride as usize - size_of::<u64>();
        Self {
            first,
            second: first + last_word.min(LINE),
        }
    }

    /// Asks for it to be read, from the slot that begins with `stamp`.
    #[inline(always)]
    pub(super) fn ask_to_read(self, stamp: &AtomicU64) {
        let slot = std::ptr::from_ref(stamp).cast::<u8>();
        prefetch_read(slot.wrapping_add(self.first));
        prefetch_read(slot.wrapping_add(self.second));
    }

    /// Asks for it to be written.
    #[inline(always)]
    pub(super) fn ask_to_write(self, stamp: &AtomicU64) {
        let slot = std::ptr::from_ref(stamp).cast::<u8>();
        prefetch_write(slot.wrapping_add(self.first));
        prefetch_write(slot.wrapping_add(self.second));
    }
}
