//! Namespaces of a process's own, and what is mounted there.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

/// Moves this process, which has one thread, into new namespaces; without the rights of root, into a
/// new user namespace as well, in which it has them.
pub fn enter(namespaces: libc::c_int) -> io::Result<()> {
    // SAFETY: it only returns a number.
    let user = unsafe { libc::geteuid() };
    // SAFETY: as above.
    let group = unsafe { libc::getegid() };
    let own_users = match user {
        0 => 0,
        _ => libc::CLONE_NEWUSER,
    };
    // SAFETY: takes no pointers.
    check(unsafe { libc::unshare(namespaces | own_users) })?;
    if (namespaces | own_users) & libc::CLONE_NEWUSER != 0 {
        fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/gid_map", format!("0 {group} 1"))?;
    }
    if namespaces & libc::CLONE_NEWNS != 0 {
        // What is mounted from now on is mounted here alone.
        mount(
            None,
            Path::new("/"),
            None,
            libc::MS_REC | libc::MS_PRIVATE,
            "",
        )?;
    }
    Ok(())
}

/// Mounts an empty file system of memory.
pub fn mount_memory(at: &Path, flags: libc::c_ulong, options: &str) -> io::Result<()> {
    mount(Some(Path::new("tmpfs")), at, Some("tmpfs"), flags, options)
}

/// Mounts a directory, with all that is mounted below it, at another place too.
pub fn mount_again(from: &Path, at: &Path) -> io::Result<()> {
    mount(Some(from), at, None, libc::MS_BIND | libc::MS_REC, "")
}

/// Has everything under a mount refuse to be written.
pub fn make_read_only(at: &Path) -> io::Result<()> {
    mount(None, at, None, libc::MS_REMOUNT | libc::MS_RDONLY, "")
}

fn mount(
    from: Option<&Path>,
    at: &Path,
    kind: Option<&str>,
    flags: libc::c_ulong,
    options: &str,
) -> io::Result<()> {
    let text = |bytes: &[u8]| CString::new(bytes).map_err(io::Error::from);
    let from = from
        .map(|from| text(from.as_os_str().as_bytes()))
        .transpose()?;
    let kind = kind.map(|kind| text(kind.as_bytes())).transpose()?;
    let (at, options) = (text(at.as_os_str().as_bytes())?, text(options.as_bytes())?);
    let pointer = |text: &Option<CString>| text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
    // SAFETY: each is a text that ends in NUL and outlives the call, or null where that is allowed.
    check(unsafe {
        libc::mount(
            pointer(&from),
            at.as_ptr(),
            pointer(&kind),
            flags,
            options.as_ptr().cast(),
        )
    })
}

/// The result of a system call that answers -1 for an error.
pub fn check(result: libc::c_int) -> io::Result<()> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
