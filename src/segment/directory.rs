//! Directories made with exactly the rights asked for.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
};

use super::{Access, Rights, SegmentError, os, random_id};

/// Makes a directory in an existing one, unless its name is taken.
///
/// It appears in one step, with its group and mode set; `access` is that of the files in it.
/// A process that is killed meanwhile may leave an empty `.new-*` directory beside it.
pub(crate) fn create_directory(path: &Path, access: Access) -> Result<(), SegmentError> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    let staged = parent.join(format!(".new-{:016x}", random_id()));
    DirBuilder::new()
        .mode(0o700)
        .create(&staged)
        .map_err(|e| SegmentError::opening(parent, Rights::ReadWrite, e))?;
    let done = finish(&staged, path, access);
    if done.is_err() {
        let _ = fs::remove_dir(&staged);
    }
    match done {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        done => done.map_err(|e| SegmentError::os("make", path, e)),
    }
}

fn finish(staged: &Path, path: &Path, access: Access) -> io::Result<()> {
    fs::set_permissions(staged, Permissions::from_mode(0o700))?; // whatever the umask left
    access.directory().apply(&File::open(staged)?)?;
    os::rename_new(staged, path)
}
