//! Where tests let a publisher vanish, as a kill does: after each step that others can see.

/// Nothing, unless a test said that the caller vanishes here.
#[cfg(not(test))]
#[inline(always)]
pub(super) const fn crash_point() {}

#[cfg(test)]
pub(super) use testing::crash_point;

#[cfg(test)]
pub(super) mod testing {
    use std::{
        cell::Cell,
        panic::{self, AssertUnwindSafe},
    };

    /// The payload of the unwinding that ends a publisher.
    struct Vanished;

    crate::sync::thread_local! {
        /// Crash points that this thread still passes.
        #[allow(clippy::missing_const_for_thread_local, reason = "loom's has no `const`")]
        static PASSES_LEFT: Cell<u32> = Cell::new(u32::MAX);
    }

    pub(crate) fn crash_point() {
        let left = PASSES_LEFT.with(|left| left.replace(left.get().saturating_sub(1)));
        if left == 0 {
            panic::resume_unwind(Box::new(Vanished));
        }
    }

    /// What `work` returns, or `None` if it vanished at its crash point number `point` (from 0).
    pub(crate) fn vanishing_at<R>(point: u32, work: impl FnOnce() -> R) -> Option<R> {
        PASSES_LEFT.with(|left| left.set(point));
        let result = panic::catch_unwind(AssertUnwindSafe(work));
        PASSES_LEFT.with(|left| left.set(u32::MAX));
        match result {
            Ok(done) => Some(done),
            Err(payload) if payload.is::<Vanished>() => None,
            Err(payload) => panic::resume_unwind(payload),
        }
    }
}
