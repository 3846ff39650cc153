//! A file in the making, which nobody sees before it is whole.

use std::{
    io::ErrorKind,
    ops::Range,
    path::{Path, PathBuf},
    ptr::NonNull,
};

use super::{
    FileAccess, Locks, Pages, PublishDraftError, Rights, Segment, SegmentError, check_len, map, os,
    os::Mapping, own_file::OwnFile, random_id,
};

/// A file of its full length, mapped writable, that has no name yet.
///
/// Dropped, or left by a process that is killed, it vanishes. Only where the file system has no
/// unnamed files may a killed process leave a `.draft-*` file.
pub(crate) struct Draft {
    map: Mapping,
    file: OwnFile,
    /// Where there are no unnamed files, or no /proc to name them by.
    temporary: Option<TemporaryName>,
}

impl Draft {
    /// Makes a file of `len` zero bytes for `dir`, with memory reserved for the ranges `reserved`.
    ///
    /// # Errors
    ///
    /// `NoSpace` where the ranges do not fit, `FileSizeLimit`, and what opening a file can answer.
    /// Nothing is left behind.
    pub(crate) fn new(
        dir: &Path,
        len: u64,
        reserved: &[Range<u64>],
        access: FileAccess,
    ) -> Result<Self, SegmentError> {
        match OwnFile::open(dir, Rights::ReadWrite, || os::create_unnamed(dir)) {
            Err(SegmentError::Os { source, .. }) if source.kind() == ErrorKind::Unsupported => {
                Self::new_named(dir, len, reserved, access)
            }
            unnamed => {
                let file = unnamed?;
                mark(&file)?;
                Self::fill(file, None, len, reserved, access)
            }
        }
    }

    /// The same under a temporary name.
    pub(super) fn new_named(
        dir: &Path,
        len: u64,
        reserved: &[Range<u64>],
        access: FileAccess,
    ) -> Result<Self, SegmentError> {
        loop {
            let name = TemporaryName::new(dir);
            let file = OwnFile::open(dir, Rights::ReadWrite, || os::create_named(&name.0))?;
            if mark(&file)? && file.with("inspect", os::status)?.names > 0 {
                return Self::fill(file, Some(name), len, reserved, access);
            }
        }
    }

    fn fill(
        file: OwnFile,
        temporary: Option<TemporaryName>,
        len: u64,
        reserved: &[Range<u64>],
        access: FileAccess,
    ) -> Result<Self, SegmentError> {
        debug_assert!(
            reserved
                .iter()
                .all(|range| range.start <= range.end && range.end <= len)
        );
        extend(&file, len)?;
        check_room(&file, reserved)?;
        reserve(&file, reserved)?;
        os::set_access(file.get()?, access)
            .map_err(|e| SegmentError::giving(file.path(), access, e))?;
        let mapped = usize::try_from(len).unwrap_or(usize::MAX); // too much for any address space
        let map = map(&file, mapped, Rights::ReadWrite, Pages::Any)?;
        Ok(Self {
            map,
            file,
            temporary,
        })
    }

    /// The first byte, on a page; writable until the draft is published or dropped.
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.map.base()
    }

    /// Copies bytes into the file, and so into the mapping.
    ///
    /// # Errors
    ///
    /// `Truncated` where they would reach past the end.
    pub(crate) fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), SegmentError> {
        check_len(&self.file, offset.saturating_add(bytes.len() as u64))?;
        self.file
            .with("write", |file| os::write_at(file, bytes, offset))
    }

    /// Puts the first `len` bytes, which are backed by memory, on huge pages, but for those at the end
    /// that fill none.
    ///
    /// # Errors
    ///
    /// `NoHugePages`, with what the system needs for it; `Unsupported` by the portable backend.
    pub(crate) fn use_huge_pages(&self, len: u64) -> Result<(), SegmentError> {
        let Some(page) = os::huge_page_bytes() else {
            let unsupported = ErrorKind::Unsupported.into();
            return Err(SegmentError::huge_pages(self.file.path(), unsupported));
        };
        let whole = usize::try_from(len).unwrap_or(usize::MAX) / page * page;
        if whole == 0 {
            return Err(SegmentError::too_short_for_huge_pages(
                self.file.path(),
                len,
                page,
            ));
        }
        let huge = map(&self.file, whole, Rights::ReadWrite, Pages::Huge)?;
        huge.use_huge_pages()
            .map_err(|e| SegmentError::huge_pages(self.file.path(), e))
    }

    /// Gives the file its name, in one step and with all that was written to it. It still counts as
    /// being made until the segment is dropped.
    ///
    /// # Errors
    ///
    /// `Exists` where the name is taken: the draft is gone, and the other file unharmed.
    pub(crate) fn publish(self, path: &Path) -> Result<Segment, PublishDraftError> {
        let linked = match &self.temporary {
            None => os::link_unnamed(self.file.get()?, path),
            Some(temporary) => os::link_named(self.file.get()?, &temporary.0, path),
        };
        match linked {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                return Err(PublishDraftError::Exists {
                    path: path.to_owned(),
                });
            }
            Err(e) => return Err(SegmentError::opening(path, Rights::ReadWrite, e).into()),
        }
        let (map, file) = (self.map, self.file.named(path));
        Ok(Segment {
            map,
            file,
            rights: Rights::ReadWrite,
        })
    }
}

/// Removes a file that its maker has left unfinished or, once finished, that nothing refers to, as
/// `is_needed` says; `true` if it did.
///
/// Whoever makes a file holds [`MAKING_BYTE`] of it from the first moment on, until what refers to it
/// is made as well.
pub(crate) fn remove_abandoned(path: &Path, is_needed: impl FnOnce() -> bool) -> bool {
    if let Some(is_abandoned) = os::is_abandoned_draft(path) {
        return is_abandoned && !is_needed() && os::remove(path).is_ok();
    }
    let Ok(file) = Segment::open(path, Rights::ReadWrite) else {
        return false;
    };
    // The lock is held until the name is gone: a maker that has just begun notices either.
    let is_made = matches!(file.locks().try_lock(MAKING_BYTE), Ok(true));
    is_made && !is_needed() && os::remove(path).is_ok()
}

/// Marks a new file as being made; `false` if somebody has just taken it for abandoned.
fn mark(file: &OwnFile) -> Result<bool, SegmentError> {
    let rights = Rights::ReadWrite;
    Locks { file, rights }.try_lock(MAKING_BYTE)
}

/// Reserves memory for ranges that lie inside a file.
pub(super) fn reserve(file: &OwnFile, ranges: &[Range<u64>]) -> Result<(), SegmentError> {
    let available_bytes = file.with("inspect the file system of", os::available_bytes)?;
    for range in ranges {
        os::reserve(file.get()?, range.clone()).map_err(|e| match e.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => SegmentError::NoSpace {
                path: file.path().to_owned(),
                needed_bytes: total_bytes(ranges),
                available_bytes,
            },
            _ => SegmentError::os("reserve memory for", file.path(), e),
        })?;
    }
    Ok(())
}

/// Refuses what cannot fit before any of it is taken: other users of a nearly full file system, and
/// of the memory behind it, would feel the attempt.
fn check_room(file: &OwnFile, ranges: &[Range<u64>]) -> Result<(), SegmentError> {
    let available_bytes = file.with("inspect the file system of", os::available_bytes)?;
    let needed_bytes = total_bytes(ranges);
    if needed_bytes > available_bytes {
        let path = file.path().to_owned();
        return Err(SegmentError::NoSpace {
            path,
            needed_bytes,
            available_bytes,
        });
    }
    Ok(())
}

/// Refuses before anything is made what a directory cannot take: `files` files and directories, of
/// which the only one that has a length is `len` bytes long, all of them reserved.
pub(crate) fn check_room_in(dir: &Path, files: u64, len: u64) -> Result<(), SegmentError> {
    let free =
        os::free_space_in(dir).map_err(|e| SegmentError::opening(dir, Rights::ReadOnly, e))?;
    let path = || dir.to_owned();
    check_file_size(path, len)?;
    if len > free.bytes {
        return Err(SegmentError::NoSpace {
            path: path(),
            needed_bytes: len,
            available_bytes: free.bytes,
        });
    }
    match files > free.files {
        true => Err(SegmentError::NoRoomForFile { path: path() }),
        false => Ok(()),
    }
}

fn total_bytes(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

/// Gives a file its length, unless the kernel would kill the process for it.
fn extend(file: &OwnFile, needed_bytes: u64) -> Result<(), SegmentError> {
    check_file_size(|| file.path().to_owned(), needed_bytes)?;
    file.with("extend", |file| os::set_len(file, needed_bytes))
}

fn check_file_size(path: impl Fn() -> PathBuf, needed_bytes: u64) -> Result<(), SegmentError> {
    let limit_bytes = os::file_size_limit();
    match needed_bytes > limit_bytes {
        true => Err(SegmentError::FileSizeLimit {
            path: path(),
            needed_bytes,
            limit_bytes,
        }),
        false => Ok(()),
    }
}

/// The byte of a file that is locked while it, or what refers to it, is being made.
const MAKING_BYTE: u64 = 0;

/// A name that is removed again on drop.
struct TemporaryName(PathBuf);

impl TemporaryName {
    fn new(dir: &Path) -> Self {
        Self(dir.join(format!(".draft-{:016x}", random_id())))
    }
}

impl Drop for TemporaryName {
    fn drop(&mut self) {
        let _ = os::remove(&self.0);
    }
}
