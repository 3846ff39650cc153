//! A file in the making, which nobody sees before it is whole.

use std::{
    io::ErrorKind,
    ops::Range,
    path::{Path, PathBuf},
    ptr::NonNull,
};

use super::{
    Access, PublishDraftError, Rights, Segment, SegmentError, check_len, os, os::Mapping,
    own_file::OwnFile, random_id,
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
        access: Access,
    ) -> Result<Self, SegmentError> {
        match OwnFile::open(dir, Rights::ReadWrite, || os::create_unnamed(dir)) {
            Err(SegmentError::Os { source, .. }) if source.kind() == ErrorKind::Unsupported => {
                Self::new_named(dir, len, reserved, access)
            }
            unnamed => Self::fill(unnamed?, None, len, reserved, access),
        }
    }

    /// The same under a temporary name.
    pub(super) fn new_named(
        dir: &Path,
        len: u64,
        reserved: &[Range<u64>],
        access: Access,
    ) -> Result<Self, SegmentError> {
        let name = TemporaryName::new(dir);
        let file = OwnFile::open(dir, Rights::ReadWrite, || os::create_named(&name.0))?;
        Self::fill(file, Some(name), len, reserved, access)
    }

    fn fill(
        file: OwnFile,
        temporary: Option<TemporaryName>,
        len: u64,
        reserved: &[Range<u64>],
        access: Access,
    ) -> Result<Self, SegmentError> {
        debug_assert!(
            reserved
                .iter()
                .all(|range| range.start <= range.end && range.end <= len)
        );
        extend(&file, len)?;
        check_room(&file, reserved)?;
        reserve(&file, reserved)?;
        file.with("set the group and mode of", |file| {
            os::set_access(file, access)
        })?;
        let mapped = usize::try_from(len).unwrap_or(usize::MAX); // too much for any address space
        let map = file.with("map", |file| Mapping::new(file, mapped, Rights::ReadWrite))?;
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

    /// Takes the lock on one byte, as [`Segment::try_lock`] does; the published segment keeps it.
    pub(crate) fn try_lock(&self, byte: u64) -> Result<bool, SegmentError> {
        self.file
            .with("lock a byte of", |file| os::try_lock(file, byte))
    }

    /// Gives the file its name, in one step and with all that was written to it.
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

/// Whether a draft was left by a dead process; `None` for what has its name, or cannot say.
pub(crate) fn is_abandoned_draft(path: &Path) -> Option<bool> {
    os::is_abandoned_draft(path)
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

fn total_bytes(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

/// Gives a file its length, unless the kernel would kill the process for it.
fn extend(file: &OwnFile, needed_bytes: u64) -> Result<(), SegmentError> {
    let limit_bytes = os::file_size_limit();
    if needed_bytes > limit_bytes {
        let path = file.path().to_owned();
        return Err(SegmentError::FileSizeLimit {
            path,
            needed_bytes,
            limit_bytes,
        });
    }
    file.with("extend", |file| os::set_len(file, needed_bytes))
}

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
