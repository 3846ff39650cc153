//! What is taken from a file system, to the byte and to the name.

use std::ffi::CString;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::torture::namespaces::check;

/// Equal before and after what leaves nothing behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    free_bytes: u64,
    free_files: u64,
    names: Vec<String>,
}

impl Usage {
    /// That of the file system at `root`, all of which is this process's own.
    pub fn of(root: &Path) -> io::Result<Self> {
        let (free_bytes, free_files) = free(root)?;
        let mut names = Vec::new();
        collect_names(root, root, &mut names)?;
        names.sort();
        Ok(Self {
            free_bytes,
            free_files,
            names,
        })
    }

    /// What is taken now and was not at the time of `before`, in words; nothing if that is nothing.
    pub fn beyond(&self, before: &Self) -> Option<String> {
        if self == before {
            return None;
        }
        let new: Vec<_> = self
            .names
            .iter()
            .filter(|name| !before.names.contains(name))
            .collect();
        Some(format!(
            "{} bytes and {} files less than before; new: {new:?}",
            before.free_bytes.cast_signed() - self.free_bytes.cast_signed(),
            before.free_files.cast_signed() - self.free_files.cast_signed(),
        ))
    }
}

/// Bytes and files that the file system at `root` has room for.
pub fn free(root: &Path) -> io::Result<(u64, u64)> {
    let path = CString::new(root.as_os_str().as_bytes())?;
    let mut status = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends in NUL; the kernel writes no more than one `statvfs`.
    check(unsafe { libc::statvfs(path.as_ptr(), status.as_mut_ptr()) })?;
    // SAFETY: the call has filled it.
    let status = unsafe { status.assume_init() };
    Ok((status.f_bfree * status.f_frsize, status.f_ffree))
}

fn collect_names(directory: &Path, root: &Path, names: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.strip_prefix(root).unwrap_or(&path);
        names.push(name.display().to_string());
        if path.is_dir() {
            collect_names(&path, root, names)?;
        }
    }
    Ok(())
}
