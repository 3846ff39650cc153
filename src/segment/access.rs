//! Who may read and write a file: decided by its maker, never by the umask.

use std::fmt;

/// The mode and group that a new file gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    /// Permission bits for a file, such as 0o640.
    pub mode: u32,
    /// The group, or `None` for the process's own.
    pub group: Option<u32>,
}

impl Access {
    /// The same for a file of cursors: whoever may read a topic may also write its cursors.
    pub(crate) fn cursors(self) -> Self {
        Self {
            mode: self.mode | (self.mode & 0o444) >> 1,
            ..self
        }
    }

    /// The same for a directory: whoever may read what is in it may also pass through it.
    pub(crate) fn directory(self) -> Self {
        Self {
            mode: self.mode | (self.mode & 0o444) >> 2,
            ..self
        }
    }
}

/// What a process may do with a mapped file; the kernel enforces it.
///
/// ```
/// assert_eq!(ringbus::Rights::ReadOnly.to_string(), "read");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Read.
    ReadOnly,
    /// Read and write.
    ReadWrite,
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadOnly => "read",
            Self::ReadWrite => "read and write",
        })
    }
}
