//! Directories, by the standard library alone.

use std::{
    env,
    fs::{self, DirBuilder},
    io,
    path::{Path, PathBuf},
};

use crate::segment::FileAccess;

/// Where a bus is by default. Never in /dev/shm, so as not to meet buses of the native backend.
pub(in crate::segment) fn default_parent() -> PathBuf {
    env::temp_dir()
}

/// Makes a directory that is this user's alone.
pub(in crate::segment) fn create_directory(path: &Path) -> io::Result<()> {
    create_private(&mut DirBuilder::new(), path)
}

#[cfg(unix)]
fn create_private(builder: &mut DirBuilder, path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    builder.mode(0o700).create(path)
}

#[cfg(not(unix))]
fn create_private(builder: &mut DirBuilder, path: &Path) -> io::Result<()> {
    builder.create(path)
}

/// Gives a directory its group and mode, where there are such.
#[cfg(unix)]
pub(in crate::segment) fn set_directory_access(path: &Path, access: FileAccess) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // The umask may have left too little to open it.
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    super::system::set_access(&fs::File::open(path)?, access)
}

/// Gives a directory its group and mode, where there are such.
#[cfg(not(unix))]
pub(in crate::segment) fn set_directory_access(
    _path: &Path,
    _access: FileAccess,
) -> io::Result<()> {
    Ok(())
}

/// True for a directory that belongs to the user `uid`, where there are such; a symbolic link is
/// none.
pub(in crate::segment) fn is_directory_of(path: &Path, uid: u32) -> io::Result<bool> {
    let status = fs::symlink_metadata(path)?;
    #[cfg(unix)]
    let is_owner = std::os::unix::fs::MetadataExt::uid(&status) == uid;
    #[cfg(not(unix))]
    let is_owner = uid == super::system::effective_user();
    Ok(status.is_dir() && is_owner)
}

/// Gives a directory a name, unless it is taken. A new one takes its place, as no portable rename
/// leaves an empty directory of that name alone; for a moment it is its user's alone.
pub(in crate::segment) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    create_directory(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    fs::remove_dir(from)
}
