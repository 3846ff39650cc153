//! Sleeping for file descriptors, on Linux: epoll(7) and eventfd(2).

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    time::Duration,
};

/// File descriptors to wait for, each known by a number. It is one itself, readable while one of them
/// is.
pub(crate) struct Epoll {
    fd: OwnedFd,
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no memory is involved.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        let fd = own(fd)?;
        Ok(Self { fd })
    }

    /// Waits for it to be readable, or to have an error or an end.
    pub(crate) fn add(&self, fd: BorrowedFd<'_>, number: u64) -> io::Result<()> {
        self.add_for(fd, number, libc::EPOLLIN | libc::EPOLLRDHUP)
    }

    /// Waits for more to be read from it than there was when that was told the last time.
    pub(crate) fn add_news(&self, fd: BorrowedFd<'_>, number: u64) -> io::Result<()> {
        self.add_for(fd, number, libc::EPOLLIN | libc::EPOLLET)
    }

    fn add_for(&self, fd: BorrowedFd<'_>, number: u64, events: i32) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: events as u32,
            u64: number,
        };
        let (epoll, fd) = (self.fd.as_raw_fd(), fd.as_raw_fd());
        // SAFETY: `event` is one, and outlives the call.
        check(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event) }).map(drop)
    }

    pub(crate) fn remove(&self, fd: BorrowedFd<'_>) {
        let (epoll, fd) = (self.fd.as_raw_fd(), fd.as_raw_fd());
        // SAFETY: no memory is involved. Where it fails, it was not there.
        unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_DEL, fd, std::ptr::null_mut()) };
    }

    /// The numbers of those that are ready, once one is; none after `timeout` or a signal.
    pub(crate) fn wait(&self, timeout: Duration, numbers: &mut Vec<u64>) -> io::Result<()> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; EVENTS_MAX];
        // Rounded up: the time is over when it ends.
        let whole = timeout.as_nanos().div_ceil(1_000_000);
        let milliseconds = i32::try_from(whole).unwrap_or(i32::MAX);
        let (epoll, room) = (self.fd.as_raw_fd(), EVENTS_MAX as i32);
        // SAFETY: there is room for so many events.
        let found = unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), room, milliseconds) };
        match check(found) {
            Ok(found) => numbers.extend(events[..found as usize].iter().map(|event| event.u64)),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Readable from when it is set until it is cleared.
pub(crate) struct EventFd {
    fd: OwnedFd,
}

impl EventFd {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no memory is involved.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        let fd = own(fd)?;
        Ok(Self { fd })
    }

    pub(crate) fn set(&self) {
        let one = 1_u64;
        let (fd, bytes) = (self.fd.as_raw_fd(), size_of::<u64>());
        // SAFETY: so many bytes can be read there. Where it fails, it is set as often as can be.
        unsafe { libc::write(fd, std::ptr::from_ref(&one).cast(), bytes) };
    }

    pub(crate) fn clear(&self) {
        let mut count = 0_u64;
        let (fd, bytes) = (self.fd.as_raw_fd(), size_of::<u64>());
        // SAFETY: so many bytes can be written there. Where it fails, it was not set.
        unsafe { libc::read(fd, std::ptr::from_mut(&mut count).cast(), bytes) };
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn own(fd: i32) -> io::Result<OwnedFd> {
    let fd = check(fd)?;
    // SAFETY: a new one, that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn check(returned: i32) -> io::Result<i32> {
    match returned {
        -1 => Err(io::Error::last_os_error()),
        returned => Ok(returned),
    }
}

/// How many are told at once; the others are told next.
const EVENTS_MAX: usize = 64;
