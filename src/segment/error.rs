//! What can go wrong with a file in shared memory, and what to do about it.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::{Denial, FileAccess, Ownership, Rights, effective_user, os, ownership};

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
    #[error("{path}: {}", refusal(path, *rights, denial.as_ref()))]
    Permission {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        rights: Rights,
        /// What stands in the way, where the system tells.
        denial: Option<Denial>,
    },

    /// The directory that it is in forbids to remove it. It is as it was.
    #[error("{path}: {}", removal_refusal(path, denial.as_ref()))]
    NotRemovable {
        /// What was to be removed.
        path: PathBuf,
        /// The directory, where the system tells of it.
        denial: Option<Denial>,
    },

    /// A file was to be given to a group of which this user is no member.
    #[error(
        "{path}: user {user} cannot give it to group {gid}; choose a group of which that user is a \
         member (`id`)"
    )]
    Group {
        /// The file, or the directory where it should be.
        path: PathBuf,
        /// The group.
        gid: u32,
        /// The user whose rights this process has.
        user: u32,
    },

    /// The process, or the system, has no room for another open file.
    #[error("{path}: too many open files; raise the limit (`ulimit -n`) or close some")]
    TooManyFiles {
        /// The file that was to be opened.
        path: PathBuf,
    },

    /// The file system has no room for another file, however small. Nothing was left behind.
    #[error(
        "{path}: its file system has no room for another file; remove some there, or give it more \
         (of tmpfs: `nr_inodes`)"
    )]
    NoRoomForFile {
        /// The file, or the directory where it should be.
        path: PathBuf,
    },

    /// The file system is mounted read-only.
    #[error("{path}: its file system is mounted read-only; mount it writable, or only observe")]
    ReadOnlyFileSystem {
        /// The file, or the directory where it should be.
        path: PathBuf,
    },

    /// The process has no room to map the file.
    #[error(
        "{path}: {needed_bytes} bytes of address space are needed, and the process has no room for \
         them; raise its limit (`ulimit -v`) or, where it has very many maps, `vm.max_map_count`"
    )]
    NoAddressSpace {
        /// The file.
        path: PathBuf,
        /// Bytes that were to be mapped.
        needed_bytes: u64,
    },

    /// The process may not lock so much in memory. What it locks in other segments counts as well.
    #[error(
        "{path}: {needed_bytes} bytes are to be locked in memory, and this process may lock \
         {limit_bytes} in all; raise the limit (`ulimit -l`), give it CAP_IPC_LOCK, or lock nothing"
    )]
    LockLimit {
        /// The file.
        path: PathBuf,
        /// Bytes that were to be locked.
        needed_bytes: u64,
        /// Bytes that the process may lock.
        limit_bytes: u64,
    },

    /// The system does not put the file on huge pages. Nothing was made.
    #[error("{path}: it cannot be put on huge pages: {why}; {advice}")]
    NoHugePages {
        /// The file, or the directory where it should be.
        path: PathBuf,
        /// What the system said.
        why: String,
        /// What to do about it.
        advice: &'static str,
    },

    /// The portable backend knows no way to do it.
    #[error(
        "{path}: the portable backend cannot {what}; leave it out, or use the native one (Linux)"
    )]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        what: &'static str,
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
    #[error(
        "{path}: {need_bytes} bytes are needed, but the file has {have_bytes}: it was cut; remove what it is \
         of, a topic or the bus (`ringbus rm --force`, `ringbus destroy --force`)"
    )]
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
    /// Whether this process has too little of something, so that it cannot tell what is there.
    pub(crate) fn is_shortage(&self) -> bool {
        matches!(
            self,
            Self::TooManyFiles { .. } | Self::NoAddressSpace { .. }
        )
    }

    /// For a failure to open, or to make, a file.
    pub(super) fn opening(path: &Path, rights: Rights, source: io::Error) -> Self {
        if source.kind() == ErrorKind::PermissionDenied {
            return Self::denied(path, rights);
        }
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::NotFound => Self::NotFound { path },
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnlyFileSystem { path },
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::NoRoomForFile { path },
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

    /// For what this user may not do with a file.
    pub(crate) fn denied(path: &Path, rights: Rights) -> Self {
        Self::Permission {
            path: path.to_owned(),
            rights,
            denial: find_denial(path),
        }
    }

    /// For what this user may not remove.
    pub(super) fn keeping(path: &Path) -> Self {
        Self::NotRemovable {
            path: path.to_owned(),
            denial: path.parent().and_then(find_denial),
        }
    }

    /// For a failure to give a file its group and mode.
    pub(super) fn giving(path: &Path, access: FileAccess, source: io::Error) -> Self {
        match access.group {
            Some(gid) if source.kind() == ErrorKind::PermissionDenied => Self::Group {
                path: path.to_owned(),
                gid,
                user: effective_user(),
            },
            _ => Self::os("set the group and mode of", path, source),
        }
    }

    /// For any other failure.
    pub(super) fn os(op: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::NoRoomForFile { path },
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnlyFileSystem { path },
            _ if os::is_out_of_files(&source) => Self::TooManyFiles { path },
            _ => Self::Os { op, path, source },
        }
    }

    /// For a failure to lock `needed_bytes` in memory.
    pub(super) fn locking(path: &Path, needed_bytes: u64, source: io::Error) -> Self {
        let path = path.to_owned();
        let what = "lock it in memory";
        match source.kind() {
            ErrorKind::Unsupported => Self::Unsupported { path, what },
            ErrorKind::OutOfMemory | ErrorKind::PermissionDenied => Self::LockLimit {
                path,
                needed_bytes,
                limit_bytes: os::memory_lock_limit(),
            },
            _ => Self::os(what, &path, source),
        }
    }

    /// For a failure to put a file on huge pages.
    pub(super) fn huge_pages(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        let advice = match source.kind() {
            ErrorKind::Unsupported => {
                let what = "put it on huge pages";
                return Self::Unsupported { path, what };
            }
            ErrorKind::InvalidInput => {
                "that takes Linux 6.1 or later, a bus on a tmpfs such as /dev/shm, and anything but \
                 `deny` in /sys/kernel/mm/transparent_hugepage/shmem_enabled"
            }
            _ => {
                "there may be no memory left in pieces that large: as root, \
                 `echo 1 > /proc/sys/vm/compact_memory`, and try again, or go without"
            }
        };
        let why = source.to_string();
        Self::NoHugePages { path, why, advice }
    }

    /// For a file of `len` bytes, less than a huge page has.
    pub(super) fn too_short_for_huge_pages(path: &Path, len: u64, page: usize) -> Self {
        Self::NoHugePages {
            path: path.to_owned(),
            why: format!("it has {len} bytes, and one of them has {page}"),
            advice: "give the topic a larger capacity, or go without",
        }
    }

    /// For a failure to map `needed_bytes`.
    pub(super) fn mapping(path: &Path, needed_bytes: u64, source: io::Error) -> Self {
        match source.kind() {
            ErrorKind::OutOfMemory => Self::NoAddressSpace {
                path: path.to_owned(),
                needed_bytes,
            },
            _ => Self::os("map", path, source),
        }
    }
}

/// The file itself or, where not even that can be looked at, the directory that nobody else may
/// pass.
fn find_denial(path: &Path) -> Option<Denial> {
    let look = |path: &'_ Path| Some((path.to_owned(), ownership(path).ok()?));
    let (path, found) = path.ancestors().find_map(look)?;
    let Ownership { uid, gid, mode } = found?;
    Some(Denial {
        path,
        owner: uid,
        gid,
        mode,
        user: effective_user(),
    })
}

/// What this user may not do, why, and whether a group would help.
fn refusal(path: &Path, rights: Rights, denial: Option<&Denial>) -> String {
    let Some(denial) = denial else {
        return format!("this user may not {rights} it; its owner, group and mode decide");
    };
    let is_above = denial.path != path;
    let (subject, needed) = match (is_above, rights) {
        (true, _) => (denial.path.display().to_string(), PASS),
        (false, Rights::ReadOnly) => ("it".to_owned(), READ),
        (false, Rights::ReadWrite) => ("it".to_owned(), READ | WRITE),
    };
    let advice = match denial.mode >> 3 & needed == needed {
        true => format!("join group {}", denial.gid),
        false => "have the bus, or the topic, made with a mode that grants more".to_owned(),
    };
    let Denial { user, .. } = denial;
    format!("user {user} may not {rights} it: {subject} {denial}; {advice}")
}

/// Whose right it is to remove it.
fn removal_refusal(path: &Path, denial: Option<&Denial>) -> String {
    let Some(denial) = denial else {
        return "this user may not remove it; its owner may".to_owned();
    };
    let directory = denial.path.display();
    let advice = match owner_of(path) {
        _ if denial.mode & STICKY == 0 => format!("user {} may, and root", denial.owner),
        Some(owner) => format!("there, user {owner} alone may remove what is its own, and root"),
        None => "its owner may, and root".to_owned(),
    };
    let user = denial.user;
    format!("user {user} may not remove it, as {directory} {denial}; {advice}")
}

fn owner_of(path: &Path) -> Option<u32> {
    Some(ownership(path).ok()??.uid)
}

/// The bit of a directory's mode by which each user's files there are its own to remove.
const STICKY: u32 = 0o1000;

/// The bits of a mode for one class of users.
const READ: u32 = 4;
const WRITE: u32 = 2;
const PASS: u32 = 1;

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
