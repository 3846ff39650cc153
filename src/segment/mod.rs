//! Memory that processes share through files: made whole, mapped, locked by the byte, unmapped.
//!
//! A segment knows nothing of what is in it. Its life:
//!
//! 1. A [`Draft`] is a file that nobody sees. Its bytes are reserved and written, its mode and
//!    group set; a creator that is killed meanwhile leaves nothing behind.
//! 2. [`Draft::publish`] gives it its name in one step, or finds that somebody else was first.
//! 3. [`Segment::open`] finds it by name and hands out an [`OpenFile`], whose header the caller
//!    reads and checks before [`OpenFile::map`] makes it a [`Segment`].
//! 4. Dropping the segment unmaps it, and the kernel drops its locks, as it does at death.
//!
//! # Invariants
//!
//! - **S1 (mapped).** From the return of `map` to the drop of the segment, `base .. base + len`
//!   is mapped readable (and writable with [`Rights::ReadWrite`]) in the process that mapped it;
//!   `base` is aligned to a page.
//! - **S2 (backed).** `len` was not beyond the end of the file when it was opened. A process that
//!   may write the file may also truncate it, and the next access ends in SIGBUS: whoever may
//!   write is trusted not to.
//! - **S3 (not inherited).** A forked child has neither the mapping nor the file, and so keeps no
//!   lock of a dead parent; there, a segment answers [`SegmentError::Forked`].
//!
//! # Platforms
//!
//! `os` has every system call and all that is special to its files; the rest speaks only to its
//! functions. It is `linux` or, elsewhere and by the feature `portable`, `portable`. There, S3 says
//! less: a forked child has the mapping, and its segments answer `Forked` all the same.

mod access;
mod directory;
mod draft;
mod error;
#[cfg(unix)]
mod fork;
#[cfg(not(unix))]
#[path = "no_fork.rs"]
mod fork;
mod locks;
mod map;
#[cfg_attr(
    all(target_os = "linux", not(feature = "portable")),
    path = "linux/mod.rs"
)]
#[cfg_attr(
    not(all(target_os = "linux", not(feature = "portable"))),
    path = "portable/mod.rs"
)]
mod os;
mod own_file;
mod placement;
#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)] // lists of ranges to reserve are often of one
mod tests;
#[cfg(unix)]
mod unix;
mod unshared;

use std::{
    fs,
    hash::{BuildHasher, RandomState},
    io,
    path::Path,
    process,
    ptr::NonNull,
    slice,
    time::SystemTime,
};

use self::{os::Mapping, own_file::OwnFile};
use crate::shared::{Offset, Shared};

#[cfg(any(not(target_os = "linux"), feature = "portable"))]
pub(crate) use self::os::{ROOM_BYTES, Room};
pub use self::{
    access::{Denial, Rights},
    error::{PublishDraftError, SegmentError},
};
pub(crate) use self::{
    access::{FileAccess, Ownership},
    directory::{check_removable, create_directory, default_parent, is_directory_of, remove},
    draft::{Draft, check_room_in, remove_abandoned},
    fork::generation,
    locks::Locks,
    placement::{Pages, Placement},
    unshared::Unshared,
};

/// A file mapped whole or in its first `len` bytes.
pub(crate) struct Segment {
    map: Mapping,
    file: OwnFile,
    rights: Rights,
}

impl Segment {
    /// Opens a file to look at it before it is mapped.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Permission`, `TooManyFiles`; `NotRegular` for anything but a regular file, a
    /// symbolic link included.
    pub(crate) fn open(path: &Path, rights: Rights) -> Result<OpenFile, SegmentError> {
        let file = OwnFile::open(path, rights, || os::open(path, rights))?;
        let status = file.with("inspect", os::status)?;
        if !status.is_regular {
            return Err(SegmentError::NotRegular {
                path: path.to_owned(),
            });
        }
        Ok(OpenFile {
            file,
            rights,
            status,
        })
    }

    /// The first byte; see S1.
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.map.base()
    }

    /// The file's name when it was opened or published.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// `len` values that begin at `first`, or `None` where they would reach past the end, or where
    /// this is a forked child.
    ///
    /// With [`Rights::ReadOnly`], relaxed loads only: a store is a SIGSEGV.
    pub(crate) fn array<T: Shared>(&self, first: Offset<T>, len: usize) -> Option<&[T]> {
        map::array(&self.map, first, len)
    }

    /// Reserves memory for a range of a sparse file, so that touching it cannot fail later.
    ///
    /// # Errors
    ///
    /// `NoSpace` where the file system is full, `Truncated` for a range past the end of the file,
    /// `Os` with [`Rights::ReadOnly`].
    pub(crate) fn reserve(&self, offset: u64, len: u64) -> Result<(), SegmentError> {
        let range = offset..offset.saturating_add(len);
        check_len(&self.file, range.end)?;
        draft::reserve(&self.file, slice::from_ref(&range))
    }

    /// The same without a reason, and so without allocating: for publishers, also in signal
    /// handlers.
    pub(crate) fn has_reserved(&self, offset: u64, len: u64) -> bool {
        let end = offset.saturating_add(len);
        let Ok(file) = self.file.get() else {
            return false;
        };
        os::status(file).is_ok_and(|status| end <= status.len)
            && os::reserve(file, offset..end).is_ok()
    }

    /// True once the file has lost its name: whoever opens that name now gets another file.
    pub(crate) fn is_unlinked(&self) -> bool {
        let status = self.file.with("inspect", os::status);
        status.is_ok_and(|status| status.names == 0)
    }

    /// Bytes of memory that the file takes: less than its length where it is sparse.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let status = self.file.with("inspect", os::status);
        status.map_or(0, |status| status.memory_bytes)
    }

    /// Whose the file is, and what its group and others may do with it; `None` where files have no
    /// such things.
    pub(crate) fn ownership(&self) -> Option<Ownership> {
        let status = self.file.with("inspect", os::status);
        status.ok()?.ownership
    }

    /// The locks on its bytes.
    pub(crate) fn locks(&self) -> Locks<'_> {
        let Self { file, rights, .. } = self;
        Locks {
            file,
            rights: *rights,
        }
    }

    /// Refuses a child of the process that mapped it, by `Forked`.
    pub(crate) fn check_not_forked(&self) -> Result<(), SegmentError> {
        self.file.get().map(drop)
    }

    /// True in a child of the process that mapped it: nothing is mapped there (S3).
    pub(crate) fn is_forked(&self) -> bool {
        self.file.is_forked()
    }
}

/// A regular file, open and not yet mapped.
pub(crate) struct OpenFile {
    file: OwnFile,
    rights: Rights,
    status: Status,
}

impl OpenFile {
    /// Bytes in the file when it was opened.
    pub(crate) fn len(&self) -> u64 {
        self.status.len
    }

    /// Copies bytes out of the file; fewer than asked for where it ends.
    pub(crate) fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<usize, SegmentError> {
        self.file
            .with("read", |file| os::read_at(file, bytes, offset))
    }

    /// The locks on its bytes.
    pub(crate) fn locks(&self) -> Locks<'_> {
        let Self { file, rights, .. } = self;
        Locks {
            file,
            rights: *rights,
        }
    }

    /// Maps the first `len` bytes.
    ///
    /// # Errors
    ///
    /// `Truncated` where the file has fewer, `NoAddressSpace`.
    pub(crate) fn map(self, len: usize) -> Result<Segment, SegmentError> {
        self.map_in(Pages::Any, len)
    }

    /// The same, in such pages.
    pub(crate) fn map_in(self, pages: Pages, len: usize) -> Result<Segment, SegmentError> {
        let Self {
            file,
            rights,
            status,
        } = self;
        check_len_is(&file, status.len, len as u64)?;
        let map = map(&file, len, rights, pages)?;
        Ok(Segment { map, file, rights })
    }
}

/// What the system says of an open file.
struct Status {
    is_regular: bool,
    len: u64,
    names: u64,
    memory_bytes: u64,
    ownership: Option<Ownership>,
}

/// What a directory's file system has room for.
struct FreeSpace {
    bytes: u64,
    /// Files and directories; as many as can be counted where it has no limit.
    files: u64,
}

fn map(file: &OwnFile, len: usize, rights: Rights, pages: Pages) -> Result<Mapping, SegmentError> {
    Mapping::new(file.get()?, len, rights, pages)
        .map_err(|e| SegmentError::mapping(file.path(), len as u64, e))
}

fn check_len(file: &OwnFile, need_bytes: u64) -> Result<(), SegmentError> {
    let have_bytes = file.with("inspect", os::status)?.len;
    check_len_is(file, have_bytes, need_bytes)
}

fn check_len_is(file: &OwnFile, have_bytes: u64, need_bytes: u64) -> Result<(), SegmentError> {
    if have_bytes < need_bytes {
        let path = file.path().to_owned();
        return Err(SegmentError::Truncated {
            path,
            need_bytes,
            have_bytes,
        });
    }
    Ok(())
}

/// Whose a file or directory is, and what its group and others may do with it; a symbolic link
/// speaks for itself. `None` where files have no such things.
pub(crate) fn ownership(path: &Path) -> io::Result<Option<Ownership>> {
    Ok(os::ownership(&fs::symlink_metadata(path)?))
}

/// The user whose rights this process has.
pub(crate) fn effective_user() -> u32 {
    os::effective_user()
}

/// A number that no other process is likely to draw: for names and identities, not for secrets.
pub(crate) fn random_id() -> u64 {
    // A forked child shares its parent's random keys: the process id and the time tell them apart.
    RandomState::new().hash_one((process::id(), SystemTime::now()))
}
