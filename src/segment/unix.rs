//! What all backends ask a Unix.

use std::{
    ffi::CString,
    fs, io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
};

/// The size past which the kernel kills a process that extends a file (SIGXFSZ).
pub(super) fn file_size_limit() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: `limit` is one `rlimit`, exclusively borrowed. Where the call fails, it stays
    // infinite.
    unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) };
    limit.rlim_cur
}

/// The user whose rights this process has.
pub(super) fn effective_user() -> u32 {
    // SAFETY: it only returns a number.
    unsafe { libc::geteuid() }
}

/// Whether the rights of the directory that a file is in let this user remove it.
pub(super) fn may_remove(path: &Path) -> io::Result<bool> {
    const STICKY: u32 = 0o1000;
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let name = CString::new(directory.as_os_str().as_bytes())?;
    let wanted = libc::W_OK | libc::X_OK;
    // SAFETY: `name` is a C string that lives past the call.
    let refused =
        unsafe { libc::faccessat(libc::AT_FDCWD, name.as_ptr(), wanted, libc::AT_EACCESS) };
    if refused != 0 {
        let error = io::Error::last_os_error();
        return match error.kind() {
            io::ErrorKind::PermissionDenied => Ok(false),
            _ => Err(error),
        };
    }
    let (within, own) = (fs::metadata(directory)?, fs::symlink_metadata(path)?);
    let user = effective_user();
    let is_its = user == 0 || [within.uid(), own.uid()].contains(&user);
    Ok(within.mode() & STICKY == 0 || is_its)
}
