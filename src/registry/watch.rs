//! Waiting for a directory to change.

#[cfg(target_os = "linux")]
use std::os::fd::BorrowedFd;
use std::{
    collections::BTreeSet,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::Duration,
};

use super::DirectoryError;
use crate::segment::SegmentError;

/// A watch for files that appear in a directory or vanish from it.
pub(crate) struct DirectoryWatch {
    changes: os::Changes,
    changed: Changed,
    path: PathBuf,
    /// Which directory it was when the watch began.
    identity: Identity,
}

/// Which files may have appeared, vanished or been replaced.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    /// Any of them, whatever the names below are.
    pub(crate) is_any: bool,
    pub(crate) names: BTreeSet<String>,
}

/// What no other directory of that name has.
type Identity = (u64, u64);

impl DirectoryWatch {
    /// Starts to watch.
    pub(crate) fn new(path: &Path) -> Result<Self, DirectoryError> {
        let path = path.to_owned();
        let changes = os::Changes::new(&path);
        match changes.and_then(|changes| Ok((changes, identify(&path)?))) {
            Ok((changes, identity)) => Ok(Self {
                changes,
                changed: Changed {
                    is_any: true,
                    names: BTreeSet::new(),
                },
                path,
                identity,
            }),
            Err(e) => Err(match e.kind() {
                ErrorKind::NotFound => DirectoryError::Removed { path },
                ErrorKind::PermissionDenied => DirectoryError::read(&path, e),
                _ => DirectoryError::Watch { path, source: e },
            }),
        }
    }

    /// Waits until something may have changed since the last call; `false` after `timeout`.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Removed`] from then on when the directory itself is gone, `Forked` in a
    /// child of the process that watches.
    pub(crate) fn wait(&mut self, timeout: Duration) -> Result<bool, DirectoryError> {
        self.check()?;
        let changed = match self.changes.wait(timeout, &mut self.changed) {
            Err(e) if e.kind() == ErrorKind::Interrupted => Ok(true),
            changed => changed,
        };
        self.check()?;
        changed.map_err(|e| DirectoryError::read(&self.path, e))
    }

    /// Whether something may have changed since the last call of this or of [`wait`](Self::wait). One
    /// system call, and no look at the directory itself.
    pub(crate) fn has_changed(&mut self) -> Result<bool, DirectoryError> {
        if self.changes.is_forked() {
            let path = self.path.clone();
            return Err(SegmentError::Forked { path }.into());
        }
        match self.changes.has_changed(&mut self.changed) {
            Err(e) if e.kind() == ErrorKind::Interrupted => Ok(true),
            changed => changed.map_err(|e| DirectoryError::read(&self.path, e)),
        }
    }

    /// Readable when something has changed; `None` in a forked child.
    #[cfg(target_os = "linux")]
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.changes.fd()
    }

    /// What may have changed since it was [forgotten](Self::forget); at first, everything.
    pub(crate) fn changed(&self) -> &Changed {
        &self.changed
    }

    /// Forgets what has changed, which was looked at.
    pub(crate) fn forget(&mut self) {
        self.changed = Changed::default();
    }

    /// Refuses a directory that is not there any more, and a child of the process that watches it.
    pub(crate) fn check(&self) -> Result<(), DirectoryError> {
        let path = || self.path.clone();
        if self.changes.is_forked() {
            return Err(SegmentError::Forked { path: path() }.into());
        }
        match identify(&self.path) {
            Ok(identity) if identity == self.identity => Ok(()),
            Err(e) if e.kind() != ErrorKind::NotFound => Err(DirectoryError::read(&self.path, e)),
            _ => Err(DirectoryError::Removed { path: path() }),
        }
    }
}

#[cfg(unix)]
fn identify(path: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt;
    let status = fs::metadata(path)?;
    Ok((status.dev(), status.ino()))
}

/// Tells only whether it is there.
#[cfg(not(unix))]
fn identify(path: &Path) -> io::Result<Identity> {
    fs::metadata(path).map(|_| (0, 0))
}

#[cfg(target_os = "linux")]
mod os {
    use std::{
        ffi::CString,
        fs::File,
        io::{self, ErrorKind, Read},
        mem::offset_of,
        os::{
            fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd},
            unix::ffi::OsStrExt,
        },
        path::Path,
        time::Duration,
    };

    use super::Changed;
    use crate::segment::Unshared;

    /// An inotify instance.
    pub(super) struct Changes {
        events: Unshared,
        /// The number of the directory itself among those that are watched.
        directory: i32,
    }

    impl Changes {
        pub(super) fn new(path: &Path) -> io::Result<Self> {
            let events = Unshared::open(|| {
                // SAFETY: takes no pointer.
                let fd = unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) };
                if fd < 0 {
                    return Err(io::Error::last_os_error());
                }
                // SAFETY: `fd` was just opened and belongs to nobody else.
                Ok(unsafe { File::from_raw_fd(fd) })
            })?;
            let mut this = Self {
                events,
                directory: -1,
            };
            this.directory = this.add(path, libc::IN_CREATE | libc::IN_DELETE | libc::IN_MOVE)?;
            if let Some(parent) = path.parent() {
                // Of its own end a directory tells only once nobody has it open any more.
                this.add(parent, libc::IN_DELETE | libc::IN_MOVE | libc::IN_MOVE_SELF)?;
            }
            Ok(this)
        }

        fn add(&self, path: &Path, mask: u32) -> io::Result<i32> {
            let name = CString::new(path.as_os_str().as_bytes())?;
            let fd = self.file()?.as_raw_fd();
            // SAFETY: `name` is a C string that lives past the call.
            match unsafe { libc::inotify_add_watch(fd, name.as_ptr(), mask) } {
                -1 => Err(io::Error::last_os_error()),
                number => Ok(number),
            }
        }

        pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
            self.events.get().map(File::as_fd)
        }

        pub(super) fn is_forked(&self) -> bool {
            self.events.get().is_none()
        }

        fn file(&self) -> io::Result<&File> {
            self.events.get().ok_or(ErrorKind::NotConnected.into())
        }

        pub(super) fn has_changed(&mut self, changed: &mut Changed) -> io::Result<bool> {
            self.wait(Duration::ZERO, changed)
        }

        pub(super) fn wait(
            &mut self,
            timeout: Duration,
            changed: &mut Changed,
        ) -> io::Result<bool> {
            let mut file = self.file()?;
            let mut poll = libc::pollfd {
                fd: file.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            // Rounded up: a wait of less than a millisecond is still a wait.
            let milliseconds = timeout.as_nanos().div_ceil(1_000_000);
            let milliseconds = i32::try_from(milliseconds).unwrap_or(i32::MAX);
            // SAFETY: one valid `pollfd`.
            if unsafe { libc::poll(&mut poll, 1, milliseconds) } < 0 {
                return Err(io::Error::last_os_error());
            }
            let mut events = Events([0; 4096]);
            let mut has_changed = false;
            while let Ok(len) = file.read(&mut events.0)
                && len > 0
            {
                has_changed = true;
                note(&events.0[..len], self.directory, changed);
            }
            Ok(has_changed)
        }
    }

    /// Room for events: inotify(7).
    #[repr(align(8))]
    struct Events([u8; 4096]);

    /// Where the length of the name is in an event, and where the name.
    const LEN_AT: usize = offset_of!(libc::inotify_event, len);
    const NAME_AT: usize = size_of::<libc::inotify_event>();

    /// Notes which files of `directory` the events are about.
    fn note(mut events: &[u8], directory: i32, changed: &mut Changed) {
        while let Some((head, rest)) = events.split_at_checked(NAME_AT) {
            let word = |at: usize| {
                let bytes = head[at..].first_chunk().copied().unwrap_or_default();
                u32::from_ne_bytes(bytes)
            };
            let watched = word(offset_of!(libc::inotify_event, wd)) as i32;
            let is_overflow = word(offset_of!(libc::inotify_event, mask)) & libc::IN_Q_OVERFLOW;
            changed.is_any |= is_overflow != 0;
            let Some((name, next)) = rest.split_at_checked(word(LEN_AT) as usize) else {
                changed.is_any = true;
                return;
            };
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            if watched == directory
                && let Ok(name) = str::from_utf8(name)
                && !name.is_empty()
            {
                changed.names.insert(name.to_owned());
            }
            events = next;
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod os {
    use std::{
        io,
        path::Path,
        thread,
        time::{Duration, Instant},
    };

    use super::Changed;
    use crate::segment::generation;

    const LOOK_EVERY: Duration = Duration::from_millis(50);

    /// Looks again after a while.
    pub(super) struct Changes {
        generation: u32,
        looked_at: Instant,
    }

    impl Changes {
        pub(super) fn new(_path: &Path) -> io::Result<Self> {
            Ok(Self {
                generation: generation(),
                looked_at: Instant::now(),
            })
        }

        pub(super) fn is_forked(&self) -> bool {
            self.generation != generation()
        }

        pub(super) fn has_changed(&mut self, changed: &mut Changed) -> io::Result<bool> {
            let is_due = self.looked_at.elapsed() >= LOOK_EVERY;
            if is_due {
                changed.is_any = true;
                self.looked_at = Instant::now();
            }
            Ok(is_due)
        }

        pub(super) fn wait(
            &mut self,
            timeout: Duration,
            changed: &mut Changed,
        ) -> io::Result<bool> {
            thread::sleep(timeout.min(LOOK_EVERY));
            changed.is_any = true;
            Ok(timeout > LOOK_EVERY)
        }
    }
}
