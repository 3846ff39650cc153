//! Files and directories: found, made, named, measured.

use std::{
    env,
    ffi::CString,
    fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions},
    io::{self, ErrorKind},
    mem::MaybeUninit,
    ops::Range,
    os::{
        fd::AsRawFd,
        unix::{
            ffi::OsStrExt,
            fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
        },
    },
    path::{Path, PathBuf},
};

use super::{check, file_offset};
use crate::segment::{FileAccess, FreeSpace, Ownership, Rights, Status};

/// Opens a file, not through a symbolic link, and without waiting for a pipe's other end.
pub(in crate::segment) fn open(path: &Path, rights: Rights) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(rights == Rights::ReadWrite)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
}

/// True where no further file can be opened.
pub(in crate::segment) fn is_out_of_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// True where [`open`] met something that is not a regular file.
pub(in crate::segment) fn is_not_regular(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ELOOP | libc::EISDIR | libc::ENXIO | libc::ENODEV)
    )
}

/// What the system says of an open file.
pub(in crate::segment) fn status(file: &File) -> io::Result<Status> {
    let status = file.metadata()?;
    Ok(Status {
        is_regular: status.is_file(),
        len: status.len(),
        names: status.nlink(),
        memory_bytes: status.blocks() * BLOCK_BYTES,
        ownership: ownership(&status),
    })
}

/// Whose a file is, and what others may do with it.
pub(in crate::segment) fn ownership(status: &Metadata) -> Option<Ownership> {
    Some(Ownership {
        uid: status.uid(),
        gid: status.gid(),
        mode: status.mode() & 0o7777,
    })
}

/// The unit of `st_blocks`, whatever the file system's own.
const BLOCK_BYTES: u64 = 512;

/// Copies bytes out of a file; fewer than asked for where it ends.
pub(in crate::segment) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    file.read_at(bytes, offset)
}

/// Copies bytes into a file.
pub(in crate::segment) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

/// Gives a file its group and mode; the group first, so that the mode never serves another one.
pub(in crate::segment) fn set_access(file: &File, access: FileAccess) -> io::Result<()> {
    if access.group.is_some() {
        fchown(file, None, access.group)?;
    }
    file.set_permissions(Permissions::from_mode(access.mode))
}

/// Makes a file that is this user's alone, under a name that is not taken.
pub(in crate::segment) fn create_named(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    options.mode(0o600).open(path)
}

/// Makes a file without a name, in the file system of `dir`; `Unsupported` where that has none, or
/// where there is no /proc by which [`link_unnamed`] could refer to it.
pub(in crate::segment) fn create_unnamed(dir: &Path) -> io::Result<File> {
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

/// Gives a file of the name `from` another one, unless it is taken. It has both until `from` is
/// removed.
pub(in crate::segment) fn link_named(_file: &File, from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to)
}

/// Removes a file. Those who have it open keep it.
pub(in crate::segment) fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// Whether a draft was left by a dead process: nobody can say, so the lock of a segment decides.
pub(in crate::segment) fn is_abandoned_draft(_path: &Path) -> Option<bool> {
    None
}

/// Gives a file its length; what is new in it is zero, and takes no memory.
pub(in crate::segment) fn set_len(file: &File, len: u64) -> io::Result<()> {
    file.set_len(len)
}

/// Gives an unnamed file its name, unless it is taken.
pub(in crate::segment) fn link_unnamed(file: &File, path: &Path) -> io::Result<()> {
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

/// Where a bus is by default: in memory, if there is such a directory.
pub(in crate::segment) fn default_parent() -> PathBuf {
    let shared_memory = Path::new("/dev/shm");
    match shared_memory.is_dir() {
        true => shared_memory.to_owned(),
        false => env::temp_dir(),
    }
}

/// Makes a directory that is this user's alone.
pub(in crate::segment) fn create_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Gives a directory its group and mode.
pub(in crate::segment) fn set_directory_access(path: &Path, access: FileAccess) -> io::Result<()> {
    // The umask may have left too little to open it.
    fs::set_permissions(path, Permissions::from_mode(0o700))?;
    set_access(&File::open(path)?, access)
}

/// True for a directory that belongs to the user `uid`; a symbolic link is none.
pub(in crate::segment) fn is_directory_of(path: &Path, uid: u32) -> io::Result<bool> {
    let status = fs::symlink_metadata(path)?;
    Ok(status.is_dir() && status.uid() == uid)
}

/// Renames a directory, unless the new name is taken.
pub(in crate::segment) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
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
pub(in crate::segment) fn reserve(file: &File, range: Range<u64>) -> io::Result<()> {
    in_steps(range, |start, len| allocate(file, start, len))
}

/// Does something to a range in steps that are halved by each interruption: before Linux 5.19 a
/// signal undoes the `fallocate` that it interrupts, so that under a steady stream of signals only
/// short ones get anywhere.
pub(in crate::segment) fn in_steps(
    range: Range<u64>,
    mut act: impl FnMut(u64, u64) -> io::Result<()>,
) -> io::Result<()> {
    let (mut start, mut step) = (range.start, STEP_BYTES.end);
    while start < range.end {
        let len = step.min(range.end - start);
        match act(start, len) {
            Ok(()) => start += len,
            Err(e) if e.kind() == ErrorKind::Interrupted => step = (step / 2).max(STEP_BYTES.start),
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
pub(in crate::segment) fn available_bytes(file: &File) -> io::Result<u64> {
    let mut status = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the file is open for `&File`; the kernel writes no more than one `statvfs`.
    check(unsafe { libc::fstatvfs(file.as_raw_fd(), status.as_mut_ptr()) })?;
    // SAFETY: the call has filled it.
    Ok(free_space(&unsafe { status.assume_init() }).bytes)
}

/// What the file system of a directory has room for.
pub(in crate::segment) fn free_space_in(dir: &Path) -> io::Result<FreeSpace> {
    let dir = c_path(dir)?;
    let mut status = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY:
    // - the path ends in NUL and outlives the call: a `CString` of this frame.
    // - the kernel writes no more than one `statvfs`.
    check(unsafe { libc::statvfs(dir.as_ptr(), status.as_mut_ptr()) })?;
    // SAFETY: the call has filled it.
    Ok(free_space(&unsafe { status.assume_init() }))
}

fn free_space(status: &libc::statvfs) -> FreeSpace {
    let has_limit = status.f_files > 0; // btrfs, for one, makes inodes as it needs them
    FreeSpace {
        bytes: status.f_bavail.saturating_mul(status.f_frsize),
        files: if has_limit { status.f_favail } else { u64::MAX },
    }
}

/// The name by which a process may refer to its own open file.
fn proc_path(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

fn c_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

/// The shortest and the longest step of [`in_steps`].
const STEP_BYTES: Range<u64> = 4096..16 << 20;
