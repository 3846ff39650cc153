//! The system calls behind segments, on Linux. Another platform's file has the same functions.

use std::{
    ffi::CString,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    mem::MaybeUninit,
    ops::Range,
    os::{
        fd::{AsRawFd, RawFd},
        unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    },
    path::Path,
};

use libc::{c_int, c_short, off_t};

use super::Rights;

/// Opens a file, not through a symbolic link, and without waiting for a pipe's other end.
pub(super) fn open(path: &Path, rights: Rights) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(rights == Rights::ReadWrite)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
}

/// True where no further file can be opened.
pub(super) fn is_out_of_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// True where [`open`] met something that is not a regular file.
pub(super) fn is_not_regular(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ELOOP | libc::EISDIR | libc::ENXIO | libc::ENODEV)
    )
}

/// Makes a file without a name, in the file system of `dir`; `Unsupported` where that has none, or
/// where there is no /proc by which [`link_unnamed`] could refer to it.
pub(super) fn create_unnamed(dir: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(libc::O_TMPFILE)
        .mode(0o600);
    match options.open(dir) {
        Ok(file) if Path::new(&proc_path(&file)).exists() => Ok(file),
        Ok(_) => Err(ErrorKind::Unsupported.into()),
        // A kernel older than O_TMPFILE takes it for O_DIRECTORY.
        Err(e) if e.kind() == ErrorKind::IsADirectory => Err(ErrorKind::Unsupported.into()),
        Err(e) => Err(e),
    }
}

/// Gives an unnamed file its name, unless it is taken.
pub(super) fn link_unnamed(file: &File, path: &Path) -> io::Result<()> {
    let from = c_path(Path::new(&proc_path(file)))?;
    let to = c_path(path)?;
    // SAFETY:
    // - both paths end in NUL and outlive the call: `CString`s of this frame.
    check(unsafe {
        libc::linkat(
            libc::AT_FDCWD,
            from.as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            libc::AT_SYMLINK_FOLLOW,
        )
    })
}

/// Renames a directory, unless the new name is taken.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    let (from_c, to_c) = (c_path(from)?, c_path(to)?);
    // SAFETY:
    // - both paths end in NUL and outlive the call: `CString`s of this frame.
    let renamed = check(unsafe {
        libc::renameat2(
            libc::AT_FDCWD,
            from_c.as_ptr(),
            libc::AT_FDCWD,
            to_c.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    });
    match renamed {
        // Not every file system knows the flag; there, only an empty directory is replaced.
        Err(e) if e.kind() == ErrorKind::InvalidInput => fs::rename(from, to),
        renamed => renamed,
    }
}

/// Backs a range of a file with memory, its bytes unchanged.
pub(super) fn reserve(file: &File, range: Range<u64>) -> io::Result<()> {
    let mut start = range.start;
    while start < range.end {
        let len = RESERVE_STEP_BYTES.min(range.end - start);
        match allocate(file, start, len) {
            Ok(()) => start += len,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn allocate(file: &File, offset: u64, len: u64) -> io::Result<()> {
    let (offset, len) = (file_offset(offset)?, file_offset(len)?);
    // SAFETY: the kernel checks the range; the file is open for `&File`.
    check(unsafe { libc::fallocate(file.as_raw_fd(), 0, offset, len) })
}

/// Bytes that the file's file system has free for this user.
pub(super) fn available_bytes(file: &File) -> io::Result<u64> {
    let mut status = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the file is open for `&File`; the kernel writes no more than one `statvfs`.
    check(unsafe { libc::fstatvfs(file.as_raw_fd(), status.as_mut_ptr()) })?;
    // SAFETY: the call has filled it.
    let status = unsafe { status.assume_init() };
    Ok(status.f_bavail.saturating_mul(status.f_frsize))
}

/// The size past which the kernel kills a process that extends a file (SIGXFSZ).
pub(super) fn file_size_limit() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: `limit` is one `rlimit`, exclusively borrowed. Where the call fails, it stays infinite.
    unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) };
    limit.rlim_cur
}

/// Takes the lock on one byte for this open file; `false` where another one holds it.
pub(super) fn try_lock(file: &File, byte: u64) -> io::Result<bool> {
    match lock_call(file, libc::F_OFD_SETLK, libc::F_WRLCK, byte) {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Gives up the lock on one byte.
pub(super) fn unlock(file: &File, byte: u64) -> io::Result<()> {
    lock_call(file, libc::F_OFD_SETLK, libc::F_UNLCK, byte).map(drop)
}

/// True where another open file holds the lock on one byte.
pub(super) fn is_locked(file: &File, byte: u64) -> io::Result<bool> {
    let found = lock_call(file, libc::F_OFD_GETLK, libc::F_WRLCK, byte)?;
    Ok(c_int::from(found) != libc::F_UNLCK)
}

/// One `fcntl` on the lock of one byte; returns the kind of lock that it leaves in its argument.
///
/// "Open file description" locks belong to the open file, not to the process: two handles of one
/// process exclude each other, and closing a third does not release them (fcntl(2)).
fn lock_call(file: &File, command: c_int, kind: c_int, byte: u64) -> io::Result<c_short> {
    let mut lock = libc::flock {
        l_type: kind as c_short,
        l_whence: libc::SEEK_SET as c_short,
        l_start: file_offset(byte)?,
        l_len: 1,
        l_pid: 0, // required by F_OFD_*
    };
    // SAFETY: the file is open for `&File`; `lock` is one `flock`, exclusively borrowed.
    check(unsafe { libc::fcntl(file.as_raw_fd(), command, &mut lock) })?;
    Ok(lock.l_type)
}

/// The user whose rights this process has.
pub(super) fn effective_user() -> u32 {
    // SAFETY: it only returns a number.
    unsafe { libc::geteuid() }
}

/// Has three functions called around every fork; the error is an OS error number.
pub(super) fn at_fork(
    before: extern "C" fn(),
    in_parent: extern "C" fn(),
    in_child: extern "C" fn(),
) -> Result<(), i32> {
    // SAFETY: the functions are of the type asked for, and live as long as the library is loaded.
    match unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) } {
        0 => Ok(()),
        error => Err(error),
    }
}

/// Closes a file by its number, which must be that of a file nothing will use any more.
pub(super) fn close(fd: RawFd) {
    // SAFETY: no memory depends on the file: mappings do not need it.
    unsafe { libc::close(fd) };
}

/// The name by which a process may refer to its own open file.
fn proc_path(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

fn c_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

fn file_offset(bytes: u64) -> io::Result<off_t> {
    off_t::try_from(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EFBIG))
}

fn check(result: c_int) -> io::Result<()> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// A signal undoes the `fallocate` that it interrupts: small steps, so that they get somewhere.
const RESERVE_STEP_BYTES: u64 = 16 << 20;
