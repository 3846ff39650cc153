//! Locks on bytes: fcntl(2), "open file description locks".
//!
//! They belong to the open file, not to the process: two open files of one process exclude each
//! other, closing a third does not release them, and the kernel drops them with the last copy of
//! the open file, at the death of its process at the latest.

use std::{ffi::c_int, fs::File, io, os::fd::AsRawFd};

use libc::{flock, off_t};

use super::{check, file_offset};

/// Takes the lock on `len` bytes from `first` on for this open file, all or none; `false` where
/// another one holds some of it.
pub(in crate::segment) fn try_lock_range(file: &File, first: u64, len: u64) -> io::Result<bool> {
    let bytes = (file_offset(first)?, file_offset(len)?);
    match call(file, libc::F_OFD_SETLK, libc::F_WRLCK, bytes) {
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

/// Up to where the lock reaches that another open file holds on one byte, in bytes from there on.
/// Reading rights are enough to ask, and not to answer: only write locks count.
pub(in crate::segment) fn locked_len(file: &File, byte: u64) -> io::Result<Option<u64>> {
    let start = file_offset(byte)?;
    let found = call(file, libc::F_OFD_GETLK, libc::F_RDLCK, (start, 1))?;
    Ok(match c_int::from(found.l_type) {
        libc::F_UNLCK => None,
        _ if found.l_len == 0 => Some(u64::MAX), // to the end of all files
        _ => Some((found.l_start + found.l_len - start) as u64),
    })
}

/// Where the bytes of a lock begin, and how many they are; 0: all that follow.
type Bytes = (off_t, off_t);

fn one(byte: u64) -> io::Result<Bytes> {
    Ok((file_offset(byte)?, 1))
}

/// Does one command for a lock of some kind; returns what the kernel leaves in its place.
fn call(file: &File, command: c_int, kind: c_int, (start, len): Bytes) -> io::Result<flock> {
    let mut lock = flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start,
        l_len: len,
        l_pid: 0, // as these locks require
    };
    // SAFETY:
    // - the file is open: `&File`. `lock` is the one `flock` that these commands read and write.
    check(unsafe { libc::fcntl(file.as_raw_fd(), command, &mut lock) })?;
    Ok(lock)
}

const ALL_BYTES: Bytes = (0, 0);
