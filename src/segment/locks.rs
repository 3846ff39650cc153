//! Locks on the bytes of a file.

use super::{Rights, SegmentError, os, own_file::OwnFile};

/// The locks on the bytes of an open file, whether or not it is mapped.
///
/// To take one takes the right to write the file, and so does standing in the way of one: whoever may
/// read a file may share a lock on it. So what others rely on is locked on files that only they can
/// open.
#[derive(Clone, Copy)]
pub(crate) struct Locks<'f> {
    pub(super) file: &'f OwnFile,
    pub(super) rights: Rights,
}

impl Locks<'_> {
    /// Takes the lock on one byte. No other open file gets it before this one is dropped, its
    /// process dead, or the byte unlocked. `false`: another one has it.
    ///
    /// A byte that this file holds already is had again, not counted.
    ///
    /// # Errors
    ///
    /// `Permission` with [`Rights::ReadOnly`].
    pub(crate) fn try_lock(self, byte: u64) -> Result<bool, SegmentError> {
        self.try_lock_range(byte, 1)
    }

    /// Takes the lock on `len` bytes from `first` on, all or none. Others can ask how long it is, by
    /// [`locked_len`](Self::locked_len), and nobody can say otherwise; with the portable backend
    /// it is the lock on `first` alone.
    ///
    /// # Errors
    ///
    /// `Permission` with [`Rights::ReadOnly`].
    pub(crate) fn try_lock_range(self, first: u64, len: u64) -> Result<bool, SegmentError> {
        if self.rights != Rights::ReadWrite {
            return Err(SegmentError::denied(self.file.path(), Rights::ReadWrite));
        }
        self.file
            .with("lock bytes of", |file| os::try_lock_range(file, first, len))
    }

    /// Gives up the lock on one byte.
    pub(crate) fn unlock(self, byte: u64) -> Result<(), SegmentError> {
        self.file
            .with("unlock a byte of", |file| os::unlock(file, byte))
    }

    /// True while another open file, in this process or not, holds the lock on one byte.
    #[cfg(test)]
    pub(crate) fn is_locked(self, byte: u64) -> Result<bool, SegmentError> {
        Ok(self.locked_len(byte)?.is_some())
    }

    /// How many bytes, from this one on, another open file holds by the lock that it has on it;
    /// `None` where there is no such lock.
    pub(crate) fn locked_len(self, byte: u64) -> Result<Option<u64>, SegmentError> {
        self.file
            .with("query a lock of", |file| os::locked_len(file, byte))
    }
}
