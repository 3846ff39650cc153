//! What happens to open files and mappings when their process forks: a child gets none of them.
//!
//! A lock on a byte belongs to the open file, which a forked child shares with its parent: were the
//! child to keep it, a dead parent would look alive for as long as the child runs. So handlers around
//! every `fork()` close the files in the child. Opening and closing exclude forking, so that each file
//! is either listed and open, or neither, in the moment of the fork.

use std::{
    cell::RefCell,
    fs::File,
    io,
    mem::ManuallyDrop,
    os::fd::{AsRawFd, RawFd},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use super::{Rights, SegmentError, os};
use crate::sync::{AtomicU32, Ordering};

/// How many forks lie between this process and the one that loaded the library: a handle that was
/// made under another number belongs to a parent.
#[inline]
pub(crate) fn generation() -> u32 {
    // Relaxed: it changes only in a child, before any code of that child runs.
    GENERATION.load(Ordering::Relaxed)
}

/// An open file that is closed in a forked child.
pub(super) struct OwnFile {
    /// Open while `generation` is the process's own; else its number may be anybody's.
    file: ManuallyDrop<File>,
    generation: u32,
    path: PathBuf,
}

impl OwnFile {
    /// Opens a file by `open`, which must neither block nor fork. `path` and `rights` are for errors.
    pub(super) fn open(
        path: &Path,
        rights: Rights,
        open: impl FnOnce() -> io::Result<File>,
    ) -> Result<Self, SegmentError> {
        watch_forks().map_err(|e| SegmentError::os("watch for forks to open", path, e))?;
        let mut files = open_files();
        let file = open().map_err(|e| SegmentError::opening(path, rights, e))?;
        files.push(file.as_raw_fd());
        Ok(Self {
            file: ManuallyDrop::new(file),
            generation: generation(),
            path: path.to_owned(),
        })
    }

    /// The same file under the name that it has got.
    pub(super) fn named(mut self, path: &Path) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Does something with the file; `op` names it, as in "cannot {op} it".
    ///
    /// # Errors
    ///
    /// `Forked` in a forked child, else `Os`.
    pub(super) fn with<T>(
        &self,
        op: &'static str,
        f: impl FnOnce(&File) -> io::Result<T>,
    ) -> Result<T, SegmentError> {
        f(self.get()?).map_err(|e| SegmentError::os(op, &self.path, e))
    }

    /// The file.
    pub(super) fn get(&self) -> Result<&File, SegmentError> {
        match self.is_forked() {
            false => Ok(&self.file),
            true => Err(SegmentError::Forked {
                path: self.path.clone(),
            }),
        }
    }

    /// What to call the file in errors.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// True in a child of the process that opened it.
    pub(super) fn is_forked(&self) -> bool {
        self.generation != generation()
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        if self.is_forked() {
            return;
        }
        let mut files = open_files();
        let fd = self.file.as_raw_fd();
        files.retain(|&open| open != fd);
        // SAFETY:
        // - dropped once: here, where `self` ends. Not closed before: `is_forked` is false.
        unsafe { ManuallyDrop::drop(&mut self.file) };
    }
}

/// The numbers of all files that are open in this process.
fn open_files() -> MutexGuard<'static, Vec<RawFd>> {
    OPEN_FILES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets up the handlers, once per process.
fn watch_forks() -> io::Result<()> {
    static WATCHED: OnceLock<Result<(), i32>> = OnceLock::new();
    let watched = WATCHED.get_or_init(|| os::at_fork(before_fork, in_parent, in_child));
    watched.map_err(io::Error::from_raw_os_error)
}

extern "C" fn before_fork() {
    let _ = FORKING.try_with(|forking| forking.replace(Some(open_files())));
}

extern "C" fn in_parent() {
    let _ = FORKING.try_with(RefCell::take);
}

/// Runs in the child's only thread before `fork()` returns there. It allocates nothing.
extern "C" fn in_child() {
    GENERATION.store(generation() + 1, Ordering::Relaxed);
    let _ = FORKING.try_with(|forking| {
        if let Some(mut files) = forking.take() {
            files.drain(..).for_each(os::close);
        }
    });
}

thread_local! {
    /// Holds `OPEN_FILES` locked while this thread forks.
    static FORKING: RefCell<Option<MutexGuard<'static, Vec<RawFd>>>> = const { RefCell::new(None) };
}

static OPEN_FILES: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());
static GENERATION: AtomicU32 = AtomicU32::new(0);
