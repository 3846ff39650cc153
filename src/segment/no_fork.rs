//! Open files and processes on systems that do not fork: every process is the one that began.

use std::{fs::File, io};

/// How many forks lie between this process and the one that loaded the library: none.
#[inline]
pub(crate) fn generation() -> u32 {
    0
}

/// Opens a file by `open`.
pub(in crate::segment) fn open(open: impl FnOnce() -> io::Result<File>) -> io::Result<File> {
    open()
}

/// Closes a file opened by [`open`].
pub(in crate::segment) fn close(file: File) {
    drop(file);
}

/// Does something.
pub(in crate::segment) fn exclude<T>(f: impl FnOnce() -> T) -> T {
    f()
}

/// Does nothing.
pub(in crate::segment) fn watch() -> io::Result<()> {
    Ok(())
}
