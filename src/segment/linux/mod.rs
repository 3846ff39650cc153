//! The system behind segments, on Linux. The module of another platform has the same items.

mod file;
mod lock;
mod mapping;

use std::{ffi::c_int, io};

pub(super) use super::fork::{close, open as open_own};
pub(super) use std::fs::File;

pub(super) use self::{
    file::{
        available_bytes, create_directory, create_named, create_unnamed, default_parent,
        effective_user, file_size_limit, is_abandoned_draft, is_directory_of, is_not_regular,
        is_out_of_files, link_named, link_unnamed, open, read_at, remove, rename_new, reserve,
        set_access, set_directory_access, set_len, status, write_at,
    },
    lock::{is_locked, try_lock, unlock, unlock_all},
    mapping::Mapping,
};

/// The result of a system call that answers -1 for an error.
fn check(result: c_int) -> io::Result<()> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// A place in a file, as the system counts it.
fn file_offset(bytes: u64) -> io::Result<libc::off_t> {
    libc::off_t::try_from(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EFBIG))
}
