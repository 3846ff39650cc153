//! An open file of another kind than segments are, that belongs to one process all the same.

use std::{fs::File, io, mem::ManuallyDrop};

use super::fork;

/// An open file that a forked child does not have: it is closed there.
pub(crate) struct Unshared {
    /// Open while `generation` is the process's own; else its number may be anybody's.
    file: ManuallyDrop<File>,
    generation: u32,
}

impl Unshared {
    /// Opens a file by `open`, which must neither block nor fork.
    pub(crate) fn open(open: impl FnOnce() -> io::Result<File>) -> io::Result<Self> {
        let file = fork::open(open)?;
        Ok(Self {
            file: ManuallyDrop::new(file),
            generation: fork::generation(),
        })
    }

    /// The file; `None` in a child of the process that opened it.
    pub(crate) fn get(&self) -> Option<&File> {
        (self.generation == fork::generation()).then_some(&*self.file)
    }
}

impl Drop for Unshared {
    fn drop(&mut self) {
        if self.get().is_some() {
            // SAFETY: taken once: here, where `self` ends.
            fork::close(unsafe { ManuallyDrop::take(&mut self.file) });
        }
    }
}
