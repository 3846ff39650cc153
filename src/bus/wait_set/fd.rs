//! A wait set and file descriptors: those that it waits for, and the one that it is.

use std::{
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{WaitError, WaitSet, served::Served, waiter::Watched};

/// With file descriptors, on Linux. From the first such call on, a thread of this process sleeps at
/// the bell for the set: one for each open bus, for all sets and streams.
impl WaitSet {
    /// Adds a file descriptor, to be known by `token`: ready while it can be read, or has an error or
    /// an end. The set has a copy of it until it is removed.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use {ringbus::WaitSet, std::{io::Write, os::unix::net::UnixStream, time::Duration}};
    ///
    /// let (ours, mut theirs) = UnixStream::pair().unwrap();
    /// let mut set = WaitSet::new(&bus)?;
    /// set.add_fd(&ours, 7)?;
    /// assert!(set.wait(Duration::ZERO)?.is_empty());
    /// theirs.write_all(b"x").unwrap();
    /// assert_eq!(set.wait(Duration::MAX)?, [7]);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WaitError::TokenTaken`], [`WaitError::Forked`]; [`WaitError::NotWaitable`] for a regular file, a
    /// directory or a device that is always ready, [`WaitError::NotReadable`] for one opened with `O_PATH`,
    /// [`WaitError::NotOpen`] for no descriptor, [`WaitError::Circular`] for the set's own;
    /// [`WaitError::System`] where there is no room for another one.
    pub fn add_fd(&mut self, fd: impl AsFd, token: u64) -> Result<(), WaitError> {
        self.check_not_forked()?;
        self.check_token(token)?;
        self.serve()?.add_fd(fd.as_fd(), token)
    }

    /// A descriptor for loops of epoll, poll or select: readable when a member may be ready. Then call
    /// [`wait`](Self::wait) with no timeout; it stays readable until such a wait finds nothing.
    /// Nothing else may be done with it.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use {ringbus::WaitSet, std::{os::fd::AsRawFd, time::Duration}};
    ///
    /// let mut set = WaitSet::new(&bus)?;
    /// let fd = set.as_fd()?.as_raw_fd(); // for the loop
    /// assert!(set.wait(Duration::ZERO)?.is_empty());
    /// # assert!(fd >= 0);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WaitError::Forked`], [`WaitError::System`], [`WaitError::Registry`] where no bell is left.
    pub fn as_fd(&mut self) -> Result<BorrowedFd<'_>, WaitError> {
        self.check_not_forked()?;
        let served: &Served = self.serve()?;
        Ok(served.as_fd())
    }

    /// Lets the waiter's thread sleep for the set from now on.
    fn serve(&mut self) -> Result<&mut Served, WaitError> {
        if self.served.is_none() {
            let mut served = Served::new(&self.bus)?;
            for (index, member) in self.members.iter().enumerate() {
                if let Some(member) = member {
                    member.source.leave();
                    served.add(index, &member.source)?;
                }
            }
            self.shared.set_doorstep(served.doorstep());
            (0..self.members.len()).for_each(|index| self.note(index));
            served.doorstep().set(); // for whoever waits by the descriptor first
            self.served = Some(served);
        }
        self.served.as_mut().ok_or(WaitError::Forked)
    }

    pub(super) fn wait_by_fd(&mut self, timeout: Duration) -> Result<&[u64], WaitError> {
        let deadline = Instant::now().checked_add(timeout);
        self.ready.clear();
        let shared = Arc::clone(&self.shared);
        while let Some(served) = &self.served {
            served
                .heard()
                .into_iter()
                .for_each(|member| self.note(member));
            self.was_interrupted = shared.take_interrupt();
            if self.was_interrupted {
                if !self.pending.is_empty() {
                    shared.set();
                }
                break;
            }
            self.look();
            let Some(served) = &self.served else { break };
            if !self.ready.is_empty() {
                // What was heard is not done with.
                served.doorstep().set();
                self.ready.extend(served.sleep(Duration::ZERO)?);
                break;
            }
            if !served.arm(&self.pending) {
                continue;
            }
            self.clear_pending();
            let Some(served) = &self.served else { break };
            let left = deadline.map_or(Duration::MAX, |end| {
                end.saturating_duration_since(Instant::now())
            });
            self.ready = served.sleep(left)?;
            if !self.ready.is_empty() || left.is_zero() {
                break;
            }
        }
        Ok(&self.ready)
    }

    pub(super) fn remove_fd(&mut self, token: u64) -> bool {
        let served = self.served.as_mut();
        served.is_some_and(|served| served.remove_fd(token))
    }

    pub(super) fn has_fd(&self, token: u64) -> bool {
        let served = self.served.as_ref();
        served.is_some_and(|served| served.has_fd(token))
    }

    pub(super) fn fds(&self) -> usize {
        self.served.as_ref().map_or(0, Served::fds)
    }
}
