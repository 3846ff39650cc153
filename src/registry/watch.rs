//! Waiting for a directory to change.

use std::{io, path::Path, time::Duration};

use super::DirectoryError;

/// A watch for files that appear in a directory or vanish from it.
pub(crate) struct DirectoryWatch {
    changes: os::Changes,
}

impl DirectoryWatch {
    /// Starts to watch.
    pub(crate) fn new(path: &Path) -> Result<Self, DirectoryError> {
        let changes = os::Changes::new(path).map_err(|source| DirectoryError::Read {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self { changes })
    }

    /// Waits until something may have changed since the last call; `false` after `timeout`.
    pub(crate) fn wait(&mut self, timeout: Duration) -> Result<bool, DirectoryError> {
        match self.changes.wait(timeout) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(true),
            changed => changed.map_err(|source| DirectoryError::Read {
                path: self.changes.path().to_owned(),
                source,
            }),
        }
    }
}

#[cfg(target_os = "linux")]
mod os {
    use std::{
        ffi::CString,
        fs::File,
        io::{self, Read},
        os::{
            fd::{AsRawFd, FromRawFd},
            unix::ffi::OsStrExt,
        },
        path::{Path, PathBuf},
        time::Duration,
    };

    /// An inotify instance.
    pub(super) struct Changes {
        events: File,
        path: PathBuf,
    }

    impl Changes {
        pub(super) fn new(path: &Path) -> io::Result<Self> {
            let name = CString::new(path.as_os_str().as_bytes())?;
            // SAFETY: takes no pointer.
            let fd = unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) };
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: `fd` was just opened and belongs to nobody else.
            let events = unsafe { File::from_raw_fd(fd) };
            let mask = libc::IN_CREATE | libc::IN_DELETE | libc::IN_MOVE;
            // SAFETY: `name` is a C string that lives past the call.
            if unsafe { libc::inotify_add_watch(fd, name.as_ptr(), mask) } < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(Self {
                events,
                path: path.to_owned(),
            })
        }

        pub(super) fn path(&self) -> &Path {
            &self.path
        }

        pub(super) fn wait(&mut self, timeout: Duration) -> io::Result<bool> {
            let (fd, events) = (self.events.as_raw_fd(), libc::POLLIN);
            let mut poll = libc::pollfd {
                fd,
                events,
                revents: 0,
            };
            // Rounded up: a wait of less than a millisecond is still a wait.
            let milliseconds = timeout.as_nanos().div_ceil(1_000_000);
            let milliseconds = i32::try_from(milliseconds).unwrap_or(i32::MAX);
            // SAFETY: one valid `pollfd`.
            if unsafe { libc::poll(&mut poll, 1, milliseconds) } < 0 {
                return Err(io::Error::last_os_error());
            }
            let mut unread = [0; 4096];
            let mut changed = false;
            // What changed is found by looking at the directory.
            while self.events.read(&mut unread).is_ok_and(|bytes| bytes > 0) {
                changed = true;
            }
            Ok(changed)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod os {
    use std::{
        io,
        path::{Path, PathBuf},
        thread,
        time::Duration,
    };

    const LOOK_EVERY: Duration = Duration::from_millis(50);

    /// Looks again after a while.
    pub(super) struct Changes {
        path: PathBuf,
    }

    impl Changes {
        pub(super) fn new(path: &Path) -> io::Result<Self> {
            Ok(Self {
                path: path.to_owned(),
            })
        }

        pub(super) fn path(&self) -> &Path {
            &self.path
        }

        pub(super) fn wait(&mut self, timeout: Duration) -> io::Result<bool> {
            thread::sleep(timeout.min(LOOK_EVERY));
            Ok(timeout > LOOK_EVERY)
        }
    }
}
