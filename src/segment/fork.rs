//! What happens to open files and mappings when their process forks: a child gets none of them.
//!
//! A lock on a byte belongs to the open file, which a forked child shares with its parent: were
//! the child to keep it, a dead parent would look alive for as long as the child runs. So
//! handlers around every `fork()` close the files in the child. Opening and closing exclude
//! forking, so that each file is either listed and open, or neither, in the moment of the fork.

use std::{
    cell::RefCell,
    ffi::c_int,
    fs::File,
    io,
    os::fd::{AsRawFd, RawFd},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use crate::sync::{AtomicU32, Ordering};

/// How many forks lie between this process and the one that loaded the library: a handle that was
/// made under another number belongs to a parent.
#[inline]
pub(crate) fn generation() -> u32 {
    // Relaxed: it changes only in a child, before any code of that child runs.
    GENERATION.load(Ordering::Relaxed)
}

/// Opens a file by `open`, which must neither block nor fork; a forked child will not have it.
pub(in crate::segment) fn open(open: impl FnOnce() -> io::Result<File>) -> io::Result<File> {
    watch()?;
    let mut files = open_files();
    let file = open()?;
    files.push(file.as_raw_fd());
    Ok(file)
}

/// Closes a file opened by [`open`] in this process, not in a parent of it.
pub(in crate::segment) fn close(file: File) {
    let mut files = open_files();
    files.retain(|&fd| fd != file.as_raw_fd());
    drop(file);
}

/// The numbers of all files that are open in this process.
fn open_files() -> MutexGuard<'static, Vec<RawFd>> {
    OPEN_FILES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does something that no fork interrupts, and that neither blocks nor opens.
#[cfg(any(not(target_os = "linux"), feature = "portable"))]
pub(in crate::segment) fn exclude<T>(f: impl FnOnce() -> T) -> T {
    let _files = open_files();
    f()
}

/// Sets up the handlers, once per process.
pub(in crate::segment) fn watch() -> io::Result<()> {
    static ERROR: OnceLock<c_int> = OnceLock::new();
    // SAFETY: the handlers live as long as the library is loaded.
    let watch =
        || unsafe { libc::pthread_atfork(Some(before_fork), Some(in_parent), Some(in_child)) };
    match *ERROR.get_or_init(watch) {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
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
            files.drain(..).for_each(close_number);
        }
    });
}

fn close_number(fd: RawFd) {
    // SAFETY: the number was opened by `open` and is not closed: it is listed. Nothing uses it
    // again in this process: its owner sees another generation.
    unsafe { libc::close(fd) };
}

thread_local! {
    /// Holds `OPEN_FILES` locked while this thread forks.
    static FORKING: RefCell<Option<MutexGuard<'static, Vec<RawFd>>>> = const { RefCell::new(None) };
}

static OPEN_FILES: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());
static GENERATION: AtomicU32 = AtomicU32::new(0);
