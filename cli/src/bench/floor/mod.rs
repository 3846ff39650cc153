//! What the machine itself can do: each case's work on bare shared memory, by hand.
//!
//! These are no libraries: they serve one writer and one reader that trust each other, know the form
//! of each message beforehand, and do nothing about death, loss, late joiners or sleep. What they
//! cost is what the processors ask for moving the bytes.

pub mod lines;
pub mod ring;

/// Asks for the line at `address` to be read soon; any address will do.
#[inline(always)]
pub fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, which accesses nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a hint, which accesses nothing.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack, readonly));
    }
}

/// Asks for the line at `address` to be this processor's to write soon; any address will do.
#[inline(always)]
pub fn prefetch_to_write(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which accesses nothing; processors without it take it for no operation.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) address, options(nostack, readonly, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("prfm pstl1keep, [{}]", in(reg) address, options(nostack, readonly));
    }
}

/// Whether [`prefetch_to_write`] does anything for a line that another processor has read: not with AMD.
pub fn heeds_prefetch_to_write() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        // Unsafe in the oldest Rust that this crate supports, safe in the newest.
        #[allow(unused_unsafe)]
        // SAFETY: every x86-64 processor has the instruction.
        let vendor = unsafe { std::arch::x86_64::__cpuid(0) };
        return vendor.ebx.to_le_bytes() != *b"Auth" && vendor.ebx.to_le_bytes() != *b"Hygo";
    }
    #[allow(unreachable_code)]
    true
}
