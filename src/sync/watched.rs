//! The atomics of test builds: a participant can vanish after any of its steps, and an access can be
//! made wrong on purpose.
//!
//! A *step* is whatever others can see: a store, a swap that succeeded, a fence that orders stores.
//! A load is none: to vanish after it is, for everybody else, to vanish before it.
//!
//! Which access is wrong, if any, is said by the module `planted`, by the place in the source from
//! which it is made; so the sources carry no marks.

use std::{
    cell::Cell,
    panic::{self, Location},
};

use super::{
    plain::{self, Ordering},
    planted::{self, Flaw},
};

macro_rules! watched_atomic {
    ($name:ident, $integer:ty) => {
        #[derive(Debug, Default)]
        #[repr(transparent)]
        pub(crate) struct $name(plain::$name);

        #[allow(
            dead_code,
            reason = "as much as is needed, in one of the builds or another"
        )]
        impl $name {
            #[cfg(not(ringbus_loom))]
            pub(crate) const fn new(value: $integer) -> Self {
                Self(plain::$name::new(value))
            }

            #[cfg(ringbus_loom)]
            pub(crate) fn new(value: $integer) -> Self {
                Self(plain::$name::new(value))
            }

            #[track_caller]
            pub(crate) fn load(&self, order: Ordering) -> $integer {
                match flaw("load", order) {
                    Some(Flaw::LeftOut) => 0,
                    flaw => self.0.load(weakened(order, flaw)),
                }
            }

            #[track_caller]
            pub(crate) fn store(&self, value: $integer, order: Ordering) {
                let flaw = flaw("store", order);
                if flaw != Some(Flaw::LeftOut) {
                    self.0.store(
                        changed(value.into(), flaw) as $integer,
                        weakened(order, flaw),
                    );
                }
                step();
            }

            #[track_caller]
            pub(crate) fn swap(&self, value: $integer, order: Ordering) -> $integer {
                let before = self.0.swap(value, weakened(order, flaw("swap", order)));
                step();
                before
            }

            #[track_caller]
            pub(crate) fn compare_exchange(
                &self,
                current: $integer,
                new: $integer,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$integer, $integer> {
                let flaw = flaw("compare_exchange", success);
                let new = changed(new.into(), flaw) as $integer;
                let exchanged = match flaw {
                    Some(Flaw::LeftOut) => Err(self.0.load(failure)),
                    Some(Flaw::Stored) => {
                        self.0.store(new, Ordering::Release);
                        Ok(current)
                    }
                    _ => self.0.compare_exchange(
                        current,
                        new,
                        weakened(success, flaw),
                        weakened_failure(failure, flaw),
                    ),
                };
                if exchanged.is_ok() {
                    step();
                }
                exchanged
            }

            #[track_caller]
            pub(crate) fn fetch_add(&self, more: $integer, order: Ordering) -> $integer {
                let before = self
                    .0
                    .fetch_add(more, weakened(order, flaw("fetch_add", order)));
                step();
                before
            }

            #[track_caller]
            pub(crate) fn fetch_or(&self, bits: $integer, order: Ordering) -> $integer {
                let before = match flaw("fetch_or", order) {
                    Some(Flaw::LeftOut) => self.0.load(Ordering::Relaxed),
                    flaw => self.0.fetch_or(bits, weakened(order, flaw)),
                };
                step();
                before
            }

            #[track_caller]
            pub(crate) fn fetch_max(&self, at_least: $integer, order: Ordering) -> $integer {
                let before = match flaw("fetch_max", order) {
                    Some(Flaw::LeftOut) => self.0.load(Ordering::Relaxed),
                    flaw => self.0.fetch_max(at_least, weakened(order, flaw)),
                };
                step();
                before
            }
        }
    };
}

watched_atomic!(AtomicU32, u32);
watched_atomic!(AtomicU64, u64);

#[track_caller]
pub(crate) fn fence(order: Ordering) {
    if flaw("fence", order).is_none() {
        plain::fence(order);
    }
    if order != Ordering::Acquire {
        step();
    }
}

#[track_caller]
fn flaw(access: &'static str, order: Ordering) -> Option<Flaw> {
    planted::flaw_at(Location::caller(), access, order)
}

fn weakened(order: Ordering, flaw: Option<Flaw>) -> Ordering {
    match (flaw, order) {
        (Some(Flaw::Relaxed), _) => Ordering::Relaxed,
        (Some(Flaw::NoRelease), Ordering::AcqRel) => Ordering::Acquire,
        (Some(Flaw::NoAcquire), Ordering::AcqRel) => Ordering::Release,
        _ => order,
    }
}

fn weakened_failure(order: Ordering, flaw: Option<Flaw>) -> Ordering {
    match flaw {
        Some(Flaw::Relaxed | Flaw::RelaxedFailure) => Ordering::Relaxed,
        _ => order,
    }
}

fn changed(value: u64, flaw: Option<Flaw>) -> u64 {
    match flaw {
        Some(Flaw::Plus(more)) => value.wrapping_add_signed(more),
        _ => value,
    }
}

/// The payload of the unwinding that ends a participant.
struct Vanished;

#[cfg(ringbus_loom)]
use loom::thread_local;

thread_local! {
    /// Steps that this thread still takes.
    #[allow(clippy::missing_const_for_thread_local, reason = "loom's has no `const`")]
    static STEPS_LEFT: Cell<u32> = Cell::new(u32::MAX);
}

/// Something happened that others can see.
pub(crate) fn step() {
    let is_last = STEPS_LEFT.with(|left| match left.get() {
        u32::MAX => false,
        1 => {
            left.set(u32::MAX);
            true
        }
        more => {
            left.set(more - 1);
            false
        }
    });
    if is_last {
        panic::resume_unwind(Box::new(Vanished));
    }
}

/// What `work` returns, or `None` if it vanished after so many steps.
#[cfg(test)]
pub(crate) fn vanishing_after<R>(steps: u32, work: impl FnOnce() -> R) -> Option<R> {
    if steps == 0 {
        return None;
    }
    STEPS_LEFT.with(|left| left.set(steps));
    let result = panic::catch_unwind(panic::AssertUnwindSafe(work));
    STEPS_LEFT.with(|left| left.set(u32::MAX));
    match result {
        Ok(done) => Some(done),
        Err(payload) if payload.is::<Vanished>() => None,
        Err(payload) => panic::resume_unwind(payload),
    }
}
