//! How many calls use an object that many threads may use at once.
//!
//! The handle itself counts as one; whoever ends the last use frees the object. A count of zero never
//! grows: a call that comes too late gets nothing.

use std::sync::atomic::{AtomicU32, Ordering};

use super::table::Slot;

pub(super) struct Uses(AtomicU32);

/// A call that uses the object of a place.
pub(super) struct Use<'s>(&'s Slot);

impl Uses {
    pub(super) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// The handle's own use begins.
    pub(super) fn start(&self) {
        // Relaxed: seen by those who see the handle.
        self.0.store(1, Ordering::Relaxed);
    }

    /// Begins another use of what is in `slot`, unless there is nothing any more.
    pub(super) fn begin<'s>(&self, slot: &'s Slot) -> Option<Use<'s>> {
        let one_more = |count: u32| (count > 0).then_some(count + 1);
        self.0
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, one_more)
            .ok()?;
        Some(Use(slot))
    }

    /// Ends a use of what is in `slot`; the last frees it.
    pub(super) fn end(&self, slot: &Slot) {
        // Release and Acquire: every use happens before the object is freed.
        if self.0.fetch_sub(1, Ordering::AcqRel) == 1 {
            // SAFETY: the handle's own use has ended, so that nobody begins another, and this was the
            // last.
            unsafe { slot.vacate() };
        }
    }
}

impl Drop for Use<'_> {
    fn drop(&mut self) {
        self.0.uses.end(self.0);
    }
}
