//! Locks on single bytes: fcntl(2), "open file description locks".
//!
//! They belong to the open file, not to the process: two open files of one process exclude each
//! other, closing a third does not release them, and the kernel drops them with the last copy of
//! the open file, at the death of its process at the latest.

use std::{ffi::c_int, fs::File, io, os::fd::AsRawFd};

use libc::off_t;

use super::{check, file_offset};

/// Takes the lock on one byte for this open file; `false` where another one holds it.
pub(in crate::segment) fn try_lock(file: &File, byte: u64) -> io::Result<bool> {
    match call(file, libc::F_OFD_SETLK, libc::F_WRLCK, one(byte)?) {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Gives up the lock on one byte.
pub(in crate::segment) fn unlock(file: &File, byte: u64) -> io::Result<()> {
    call(file, libc::F_OFD_SETLK, libc::F_UNLCK, one(byte)?).map(drop)
}

/// Gives up all locks of this open file.
pub(in crate::segment) fn unlock_all(file: &File) -> io::Result<()> {
    call(file, libc::F_OFD_SETLK, libc::F_UNLCK, ALL_BYTES).map(drop)
}

/// True where another open file holds the lock on one byte. Reading rights are enough.
pub(in crate::segment) fn is_locked(file: &File, byte: u64) -> io::Result<bool> {
    let found = call(file, libc::F_OFD_GETLK, libc::F_WRLCK, one(byte)?)?;
    Ok(found != libc::F_UNLCK)
}

/// Where the bytes of a lock begin, and how many they are; 0: all that follow.
type Bytes = (off_t, off_t);

fn one(byte: u64) -> io::Result<Bytes> {
    Ok((file_offset(byte)?, 1))
}

/// Does one command for a lock of some kind; returns the kind that the kernel leaves in its place.
fn call(file: &File, command: c_int, kind: c_int, (start, len): Bytes) -> io::Result<c_int> {
    let mut lock = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start,
        l_len: len,
        l_pid: 0, // as these locks require
    };
    // SAFETY:
    // - the file is open: `&File`. `lock` is the one `flock` that these commands read and write.
    check(unsafe { libc::fcntl(file.as_raw_fd(), command, &mut lock) })?;
    Ok(lock.l_type.into())
}

const ALL_BYTES: Bytes = (0, 0);
