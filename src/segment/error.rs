//! What can go wrong with a file in shared memory, and what to do about it.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::{Rights, os};

/// Why a file in shared memory could not be made, opened, mapped or locked. What was half made is
/// gone.
///
/// ```
/// use ringbus::{SegmentError, TopicError};
///
/// /// How many bytes to free before a topic can be created.
/// fn missing_bytes(error: &TopicError) -> Option<u64> {
///     match error {
///         TopicError::Segment(SegmentError::NoSpace { needed_bytes, available_bytes, .. }) => {
///             Some(needed_bytes.saturating_sub(*available_bytes))
///         }
///         _ => None,
///     }
/// }
/// # let (path, needed_bytes, available_bytes) = ("/dev/shm".into(), 9000, 8000);
/// # let error = SegmentError::NoSpace { path, needed_bytes, available_bytes }.into();
/// assert_eq!(missing_bytes(&error), Some(1000));
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// The file system is too full. Nothing was left behind.
    #[error(
        "{path}: {needed_bytes} bytes are needed, but its file system has {available_bytes} free; \
         make room there, or give it more"
    )]
    NoSpace {
        /// The file, or the directory where it should be.
        path: PathBuf,
        /// Bytes that were to be reserved.
        needed_bytes: u64,
        /// Bytes that were free before.
        available_bytes: u64,
    },

    /// There is no such file.
    #[error("{path}: no such file")]
    NotFound {
        /// The file.
        path: PathBuf,
    },

    /// The mode and the group of the file, or of a directory above it, forbid it.
    #[error("{path}: this user may not {rights} it; its owner, group and mode decide")]
    Permission {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        rights: Rights,
    },

    /// The process, or the system, has no room for another open file.
    #[error("{path}: too many open files; raise the limit (`ulimit -n`) or close some")]
    TooManyFiles {
        /// The file that was to be opened.
        path: PathBuf,
    },

    /// A directory, a symbolic link, a device or a pipe stands in its place.
    #[error("{path}: not a regular file; remove it, or name another")]
    NotRegular {
        /// What is there.
        path: PathBuf,
    },

    /// The portable backend finds a file that it has not made, or that is damaged.
    #[error(
        "{path}: not a segment of the portable backend, or damaged; programs with and without the \
         feature `portable` do not share a bus: remove it, or use another directory"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },

    /// The file is shorter than it should be.
    #[error("{path}: {need_bytes} bytes are needed, but the file has {have_bytes}")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes that it should have.
        need_bytes: u64,
        /// Bytes that it has.
        have_bytes: u64,
    },

    /// The process may not make files of this size.
    #[error(
        "{path}: {needed_bytes} bytes are needed, but this process may make files of \
         {limit_bytes} at most; raise the limit (`ulimit -f`)"
    )]
    FileSizeLimit {
        /// The file, or the directory where it should be.
        path: PathBuf,
        /// Bytes that the file was to have.
        needed_bytes: u64,
        /// Bytes that the process may give it.
        limit_bytes: u64,
    },

    /// This process is a forked child; what its parent opened is not open here.
    #[error("{path}: opened before fork() by the parent process; open it again in this one")]
    Forked {
        /// The file.
        path: PathBuf,
    },

    /// The system refused for another reason.
    #[error("{path}: cannot {op} it: {source}")]
    Os {
        /// What was tried.
        op: &'static str,
        /// The file, or the directory where it should be.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl SegmentError {
    /// For a failure to open, or to make, a file.
    pub(super) fn opening(path: &Path, rights: Rights, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::NotFound => Self::NotFound { path },
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Self::Permission { path, rights }
            }
            ErrorKind::InvalidData => Self::Foreign { path },
            _ if os::is_out_of_files(&source) => Self::TooManyFiles { path },
            _ if os::is_not_regular(&source) => Self::NotRegular { path },
            _ => Self::Os {
                op: "open",
                path,
                source,
            },
        }
    }

    /// For any other failure.
    pub(super) fn os(op: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match os::is_out_of_files(&source) {
            true => Self::TooManyFiles { path },
            false => Self::Os { op, path, source },
        }
    }
}

/// A draft could not be given its name.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PublishDraftError {
    /// Somebody else was first: open theirs.
    #[error("{path}: exists already")]
    Exists {
        /// The name.
        path: PathBuf,
    },

    /// Anything else.
    #[error(transparent)]
    Segment(#[from] SegmentError),
}
