//! Whether anybody still reads stdout: a pipe tells so without being written to.

/// True once nobody will ever read what is written there.
#[cfg(unix)]
pub fn is_closed() -> bool {
    let mut poll = libc::pollfd {
        fd: libc::STDOUT_FILENO,
        events: 0, // what is asked for here is told without being asked
        revents: 0,
    };
    let at_once = 0;
    // SAFETY: one valid `pollfd`.
    let told = unsafe { libc::poll(&mut poll, 1, at_once) };
    told > 0 && poll.revents & (libc::POLLERR | libc::POLLHUP) != 0
}

/// Found out by the next write.
#[cfg(not(unix))]
pub fn is_closed() -> bool {
    false
}
