//! Asking for a slot before it is read or written, so that nobody waits for its lines when it is.

use super::layout::Geometry;
use crate::sync::{AtomicU64, prefetch_read_from, prefetch_write_from};

/// Where the slot some way ahead is: bytes from the start of a slot. Two lines are asked for there, whichever
/// of them are of that slot.
///
/// At the end of a lap there is no slot, and perhaps nothing; asking for that does no harm.
#[derive(Clone, Copy)]
pub(super) struct Ahead(usize);

/// Bytes that move between processors at once.
pub(super) const LINE: usize = 64;

impl Ahead {
    /// So many slots ahead, or less in a ring of few.
    pub(super) fn new(geometry: &Geometry, slots: u64) -> Self {
        let slots = slots.min(geometry.shape.capacity_slots / 2);
        Self((slots * geometry.slot_stride) as usize)
    }

    /// Asks for it to be read, from the slot that begins with `stamp`.
    #[inline(always)]
    pub(super) fn ask_to_read(self, stamp: &AtomicU64) {
        let slot = std::ptr::from_ref(stamp).cast();
        prefetch_read_from::<0>(slot, self.0);
        prefetch_read_from::<LINE>(slot, self.0);
    }

    /// Asks for it to be written.
    #[inline(always)]
    pub(super) fn ask_to_write(self, stamp: &AtomicU64) {
        let slot = std::ptr::from_ref(stamp).cast();
        prefetch_write_from::<0>(slot, self.0);
        prefetch_write_from::<LINE>(slot, self.0);
    }
}
