//! An open file that belongs to one process, not to its children.

use std::{
    io,
    mem::ManuallyDrop,
    path::{Path, PathBuf},
};

use super::{
    Rights, SegmentError, fork,
    os::{self, File},
};

/// An open file, and what to call it in errors; a forked child does not have it.
pub(super) struct OwnFile {
    /// Open while `generation` is the process's own; else its number may be anybody's.
    file: ManuallyDrop<File>,
    generation: u32,
    path: PathBuf,
}

impl OwnFile {
    /// Opens a file by `open`, which must neither block nor fork. `path` and `rights` are for
    /// errors.
    pub(super) fn open(
        path: &Path,
        rights: Rights,
        open: impl FnOnce() -> io::Result<File>,
    ) -> Result<Self, SegmentError> {
        let file = os::open_own(open).map_err(|e| SegmentError::opening(path, rights, e))?;
        Ok(Self {
            file: ManuallyDrop::new(file),
            generation: fork::generation(),
            path: path.to_owned(),
        })
    }

    /// The same file under the name that it has got.
    pub(super) fn named(mut self, path: &Path) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Does something with the file; `op` names it, as in "cannot {op} it".
    ///
    /// # Errors
    ///
    /// `Forked` in a forked child, else `Os`.
    pub(super) fn with<T>(
        &self,
        op: &'static str,
        f: impl FnOnce(&File) -> io::Result<T>,
    ) -> Result<T, SegmentError> {
        f(self.get()?).map_err(|e| SegmentError::os(op, &self.path, e))
    }

    /// The file.
    ///
    /// # Errors
    ///
    /// `Forked` in a forked child.
    pub(super) fn get(&self) -> Result<&File, SegmentError> {
        match self.is_forked() {
            false => Ok(&self.file),
            true => Err(SegmentError::Forked {
                path: self.path.clone(),
            }),
        }
    }

    /// What to call the file in errors.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// True in a child of the process that opened it.
    pub(super) fn is_forked(&self) -> bool {
        self.generation != fork::generation()
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        if self.is_forked() {
            return;
        }
        // Closing is not enough while a child that was forked a moment ago, or is about to exec, has
        // not closed its copy yet.
        let _ = os::unlock_all(&self.file);
        // SAFETY: taken once: here, where `self` ends.
        os::close(unsafe { ManuallyDrop::take(&mut self.file) });
    }
}
