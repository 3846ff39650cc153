//! Directories made with exactly the rights asked for, and names removed.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use super::{FileAccess, Rights, SegmentError, os, random_id};

/// Makes a directory in an existing one, unless its name is taken.
///
/// It appears in one step, with its group and mode set.
/// A process that is killed meanwhile may leave an empty `.new-*` directory beside it.
pub(crate) fn create_directory(path: &Path, access: FileAccess) -> Result<(), SegmentError> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    let staged = parent.join(format!(".new-{:016x}", random_id()));
    os::create_directory(&staged)
        .map_err(|e| SegmentError::opening(parent, Rights::ReadWrite, e))?;
    let made = os::set_directory_access(&staged, access)
        .map_err(|e| SegmentError::giving(path, access, e))
        .and_then(|()| match os::rename_new(&staged, path) {
            Err(e) if !is_taken(&e) => Err(SegmentError::os("make", path, e)),
            renamed => Ok(renamed.is_ok()),
        });
    if !matches!(made, Ok(true)) {
        let _ = fs::remove_dir(&staged);
    }
    made.map(drop)
}

/// True for a directory that belongs to the user `uid`; a symbolic link is none.
pub(crate) fn is_directory_of(path: &Path, uid: u32) -> io::Result<bool> {
    os::is_directory_of(path, uid)
}

/// The directory in which a bus's is, if nobody says another.
pub(crate) fn default_parent() -> PathBuf {
    os::default_parent()
}

/// Removes a segment, or another file that stands in its place, if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), SegmentError> {
    match os::remove(path) {
        Err(e) if e.kind() == ErrorKind::PermissionDenied => Err(SegmentError::keeping(path)),
        Err(e) if e.kind() != ErrorKind::NotFound => Err(SegmentError::os("remove", path, e)),
        _ => Ok(()),
    }
}

/// Refuses what this user may not remove, by the rights of the directory that it is in. Nothing is tried.
pub(crate) fn check_removable(path: &Path) -> Result<(), SegmentError> {
    match os::may_remove(path) {
        Ok(false) => Err(SegmentError::keeping(path)),
        Ok(true) => Ok(()),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(SegmentError::os("inspect", path, e)),
    }
}

/// True where a name was not given because there is something under it.
fn is_taken(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == ErrorKind::AlreadyExists || kind == ErrorKind::DirectoryNotEmpty
}
