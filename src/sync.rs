//! The model-checking seam: the only place that names `std::sync::atomic` or `loom`.
//!
//! Everything that synchronises takes its atomics from here, so that building with
//! `--cfg ringbus_loom` puts the same algorithms under loom's scheduler.
//!
//! In tests there is a layer more between the algorithms and their atomics, [`watched`]: it lets a
//! participant vanish after any of its steps, as a kill does, and it puts in the bugs of `planted`.

#[cfg(ringbus_loom)]
use loom::sync::atomic as plain;
#[cfg(not(ringbus_loom))]
use std::sync::atomic as plain;

pub(crate) use plain::Ordering;
#[cfg(not(any(test, ringbus_loom, ringbus_planted)))]
pub(crate) use plain::{AtomicU32, AtomicU64, fence};

#[cfg(all(test, ringbus_loom))]
pub(crate) mod model;
#[cfg(any(test, ringbus_loom, ringbus_planted))]
pub mod planted;
#[cfg(any(test, ringbus_loom, ringbus_planted))]
pub(crate) mod watched;
#[cfg(any(test, ringbus_loom, ringbus_planted))]
pub(crate) use watched::{AtomicU32, AtomicU64, fence};

#[cfg(ringbus_loom)]
pub(crate) use loom::{
    hint::spin_loop,
    lazy_static,
    sync::{Condvar, Mutex},
};
#[cfg(not(ringbus_loom))]
pub(crate) use std::{hint::spin_loop, sync::atomic::compiler_fence};

/// Asks for the line of `address` to be read soon, as somebody who polls it does; any address will do.
#[inline(always)]
pub(crate) fn prefetch_read(address: *const u8) {
    prefetch_read_from::<0>(address, 0);
}

/// The same for the byte `AFTER` bytes after `start + offset`, which is not computed first.
#[inline(always)]
pub(crate) fn prefetch_read_from<const AFTER: usize>(start: *const u8, offset: usize) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a hint, which accesses nothing.
    unsafe {
        std::arch::asm!(
            "prefetcht0 [{} + {} + {}]", in(reg) start, in(reg) offset, const AFTER,
            options(nostack, readonly, preserves_flags)
        );
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!(
            "prfm pldl1keep, [{}, {}]", in(reg) start.wrapping_add(AFTER), in(reg) offset,
            options(nostack, readonly, preserves_flags)
        );
    }
    let _ = (start, offset);
}

/// Asks for the line of `address` to be this processor's to write soon; any address will do.
#[inline(always)]
pub(crate) fn prefetch_write(address: *const u8) {
    prefetch_write_from::<0>(address, 0);
}

/// The same for the byte `AFTER` bytes after `start + offset`, which is not computed first.
#[inline(always)]
pub(crate) fn prefetch_write_from<const AFTER: usize>(start: *const u8, offset: usize) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a hint, which accesses nothing; processors without it take it for no operation.
    unsafe {
        std::arch::asm!(
            "prefetchw [{} + {} + {}]", in(reg) start, in(reg) offset, const AFTER,
            options(nostack, readonly, preserves_flags)
        );
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!(
            "prfm pstl1keep, [{}, {}]", in(reg) start.wrapping_add(AFTER), in(reg) offset,
            options(nostack, readonly, preserves_flags)
        );
    }
    let _ = (start, offset);
}

/// Whether [`prefetch_write`] makes a line this processor's that another one has read. AMD's do not heed it
/// then (measured on Zen 4: a store takes as long with it as without), which nobody documents. In unit tests
/// none does, so that what is done instead is tested everywhere.
pub(crate) fn heeds_prefetch_write() -> bool {
    if cfg!(test) {
        return false;
    }
    #[cfg(all(target_arch = "x86_64", not(miri), not(ringbus_loom)))]
    {
        use std::sync::OnceLock;
        static IS_AMD: OnceLock<bool> = OnceLock::new();
        // A virtual machine's host is asked, which takes microseconds.
        return !IS_AMD.get_or_init(|| matches!(&vendor(), b"AuthenticAMD" | b"HygonGenuine"));
    }
    #[allow(unreachable_code)]
    true
}

/// Who made the processor (CPUID 0).
#[cfg(all(target_arch = "x86_64", not(ringbus_loom), not(miri)))]
// Unsafe in the oldest Rust that this crate supports, safe in the newest.
#[allow(unused_unsafe)]
fn vendor() -> [u8; 12] {
    // SAFETY: every x86-64 processor has the instruction.
    let leaf = unsafe { std::arch::x86_64::__cpuid(0) };
    let mut name = [0; 12];
    for (bytes, register) in name.chunks_exact_mut(4).zip([leaf.ebx, leaf.edx, leaf.ecx]) {
        bytes.copy_from_slice(&register.to_le_bytes());
    }
    name
}

/// An Acquire load that is also defined on memory mapped read-only.
///
/// The standard library guarantees only *relaxed* loads of at most 8 bytes on read-only memory
/// (`std::sync::atomic`, "Atomic accesses to read-only memory"), so the ordering comes from a
/// fence. Both compile to a plain load on x86-64. ThreadSanitizer knows nothing of fences: with
/// `--cfg ringbus_tsan` the load itself is ordered.
#[inline(always)]
#[cfg_attr(any(test, ringbus_loom, ringbus_planted), track_caller)]
pub(crate) fn load_acquire(word: &AtomicU64) -> u64 {
    if cfg!(ringbus_tsan) {
        return word.load(Ordering::Acquire);
    }
    let value = word.load(Ordering::Relaxed);
    fence(Ordering::Acquire);
    value
}
