//! Who may read and write a file: decided by its maker, never by the umask.

use std::fmt;

/// The mode and group that a new file gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileAccess {
    /// Permission bits for a file, such as 0o640.
    pub mode: u32,
    /// The group, or `None` for the one that the system gives it.
    pub group: Option<u32>,
}

/// What the system says of a file's owner, group and mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ownership {
    /// The user to whom it belongs.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its permission bits.
    pub mode: u32,
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

/// What stands in the way of a user: a file, or a directory above it.
///
/// ```
/// use ringbus::{SegmentError, TopicError};
///
/// /// The group that a user has to join.
/// fn group_to_join(error: &TopicError) -> Option<u32> {
///     match error {
///         TopicError::Segment(SegmentError::Permission { denial: Some(denial), .. }) => {
///             Some(denial.gid)
///         }
///         _ => None,
///     }
/// }
/// # let error = TopicError::NoTsc;
/// # assert_eq!(group_to_join(&error), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Denial {
    /// The file or directory that this user may not use.
    pub path: std::path::PathBuf,
    /// Its owner.
    pub owner: u32,
    /// Its group.
    pub gid: u32,
    /// Its permission bits.
    pub mode: u32,
    /// The user whose rights this process has.
    pub user: u32,
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            owner, gid, mode, ..
        } = self;
        write!(f, "has mode {mode:04o}, owner {owner} and group {gid}")
    }
}
