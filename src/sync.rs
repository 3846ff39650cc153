//! The model-checking seam: the only file that names `std::sync::atomic` or `loom`.
//!
//! Everything that synchronises takes its atomics from here, so that building with
//! `--cfg ringbus_loom` puts the same algorithms under loom's scheduler.

#[cfg(ringbus_loom)]
pub(crate) use loom::{
    hint::spin_loop,
    lazy_static,
    sync::{
        Condvar, Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering, fence},
    },
};
#[cfg(not(ringbus_loom))]
pub(crate) use std::{
    hint::spin_loop,
    sync::atomic::{AtomicU32, AtomicU64, Ordering, compiler_fence, fence},
};

#[cfg(all(test, ringbus_loom))]
pub(crate) use loom::thread_local;
#[cfg(all(test, not(ringbus_loom)))]
pub(crate) use std::thread_local;

/// An Acquire load that is also defined on memory mapped read-only.
///
/// The standard library guarantees only *relaxed* loads of at most 8 bytes on read-only memory
/// (`std::sync::atomic`, "Atomic accesses to read-only memory"), so the ordering comes from a
/// fence. Both compile to a plain load on x86-64.
#[inline(always)]
pub(crate) fn load_acquire(word: &AtomicU64) -> u64 {
    let value = word.load(Ordering::Relaxed);
    fence(Ordering::Acquire);
    value
}
