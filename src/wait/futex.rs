//! Sleeping on a shared word, on Linux: futex(2).
//!
//! Not the `PRIVATE` kind: sleepers and wakers are different processes. Both calls work through a
//! read-only mapping too.

use std::{ptr, time::Duration};

use crate::sync::AtomicU32;

/// Sleeps while `word` is `expected`, until woken or for `timeout`; signals may also end it.
pub(super) fn wait(word: &AtomicU32, expected: u32, timeout: Duration) {
    let timeout = libc::timespec {
        tv_sec: timeout.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    // SAFETY:
    // - `word` is mapped and aligned: a reference. `timeout` outlives the call.
    // - the kernel only reads both. No error matters: the caller looks at its predicate again.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            ptr::from_ref(word),
            libc::FUTEX_WAIT,
            expected,
            ptr::from_ref(&timeout),
        )
    };
}

/// Wakes all who sleep on `word`.
pub(super) fn wake_all(word: &AtomicU32) {
    // SAFETY:
    // - `word` is mapped and aligned: a reference. The kernel takes its address and no more.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            ptr::from_ref(word),
            libc::FUTEX_WAKE,
            i32::MAX,
        )
    };
}

// `SYS_futex` takes seconds of the machine's word.
const _: () = assert!(size_of::<libc::time_t>() == size_of::<libc::c_long>());
