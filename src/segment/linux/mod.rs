//! The system behind segments, on Linux. The module of another platform has the same items.

mod file;
mod lock;
mod mapping;

use std::{ffi::c_int, fs, io, sync::OnceLock};

pub(super) use super::fork::{close, open as open_own};
pub(super) use super::unix::{effective_user, file_size_limit, may_remove};
pub(super) use std::fs::File;

pub(super) use self::{
    file::{
        available_bytes, create_directory, create_named, create_unnamed, default_parent,
        free_space_in, is_abandoned_draft, is_directory_of, is_not_regular, is_out_of_files,
        link_named, link_unnamed, open, ownership, read_at, remove, rename_new, reserve,
        set_access, set_directory_access, set_len, status, write_at,
    },
    lock::{locked_len, try_lock_range, unlock, unlock_all},
    mapping::Mapping,
};

#[cfg(test)]
pub(super) use self::file::in_steps;

/// The result of a system call that answers -1 for an error.
fn check(result: c_int) -> io::Result<()> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Bytes of a huge page of files in memory, as the system has them.
pub(super) fn huge_page_bytes() -> Option<usize> {
    const USUAL: usize = 2 << 20;
    static FOUND: OnceLock<usize> = OnceLock::new();
    let ask = || {
        let told = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");
        let told = told.ok()?.trim().parse::<usize>().ok()?;
        told.is_power_of_two().then_some(told)
    };
    Some(*FOUND.get_or_init(|| ask().unwrap_or(USUAL)))
}

/// Bytes that the process may lock in memory.
pub(super) fn memory_lock_limit() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: `limit` is one `rlimit`, exclusively borrowed. Where the call fails, it stays
    // infinite.
    unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &mut limit) };
    limit.rlim_cur
}

/// A place in a file, as the system counts it.
fn file_offset(bytes: u64) -> io::Result<libc::off_t> {
    libc::off_t::try_from(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EFBIG))
}
