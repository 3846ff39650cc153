//! What all backends ask a Unix.

/// The size past which the kernel kills a process that extends a file (SIGXFSZ).
pub(super) fn file_size_limit() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: `limit` is one `rlimit`, exclusively borrowed. Where the call fails, it stays
    // infinite.
    unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) };
    limit.rlim_cur
}

/// The user whose rights this process has.
pub(super) fn effective_user() -> u32 {
    // SAFETY: it only returns a number.
    unsafe { libc::geteuid() }
}
