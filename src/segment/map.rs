//! A mapping of a file: every `mmap` of the crate.

use std::{fs::File, io, os::fd::AsRawFd, ptr, ptr::NonNull, slice};

use super::{Rights, fork};
use crate::shared::{Offset, Shared};

/// The first bytes of a file in memory: `base .. base + len` (S1).
pub(super) struct Map {
    base: NonNull<u8>,
    len: usize,
    /// Of the process that mapped it: a forked child has nothing mapped there.
    generation: u32,
}

impl Map {
    /// Maps the first `len` bytes of a file.
    pub(super) fn new(file: &File, len: usize, rights: Rights) -> io::Result<Self> {
        let protection = match rights {
            Rights::ReadOnly => libc::PROT_READ,
            Rights::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
        };
        // SAFETY:
        // - replaces no mapping: no address is asked for, and there is no `MAP_FIXED`.
        // - any `len` and any open file are sound: the kernel checks them.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                protection,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).expect("the kernel maps nothing at address 0");
        let map = Self {
            base,
            len,
            generation: fork::generation(),
        };
        map.keep_from_children()?;
        Ok(map)
    }

    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// `len` values from `first` on, where they lie inside and this is not a forked child.
    pub(super) fn array<T: Shared>(&self, first: Offset<T>, len: usize) -> Option<&[T]> {
        let bytes = len.checked_mul(size_of::<T>())?;
        let start = usize::try_from(first.bytes()).ok()?;
        let inside = start.checked_add(bytes)? <= self.len;
        if !inside || self.is_forked() {
            return None;
        }
        // SAFETY:
        // - in bounds: `start <= self.len`, of one mapping (S1), which fits an `isize` as every one.
        let first = unsafe { self.base.byte_add(start) }.cast::<T>();
        // SAFETY:
        // - mapped for `&self`, readable: S1, not forked, and `inside`.
        // - aligned: `Offset` is a multiple of the alignment and `base` is on a page, which no
        //   alignment in shared memory exceeds.
        // - valid whatever a peer writes, and its writes are no race: `T: Shared`.
        Some(unsafe { slice::from_raw_parts(first.as_ptr(), len) })
    }

    /// Leaves the mapping out of forked children, which must not act for their parent.
    fn keep_from_children(&self) -> io::Result<()> {
        // SAFETY:
        // - the range is one whole mapping (S1); the advice changes nothing in this process.
        let done =
            unsafe { libc::madvise(self.base.as_ptr().cast(), self.len, libc::MADV_DONTFORK) };
        match done {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn is_forked(&self) -> bool {
        self.generation != fork::generation()
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        if self.is_forked() {
            return; // not mapped here; something else may be
        }
        // SAFETY:
        // - the range is this value's own mapping (S1), and no borrow of it outlives `self`.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}

// SAFETY: a mapping belongs to the process; no thread has a special part in it.
unsafe impl Send for Map {}
// SAFETY: as above; `&Map` lends only `Shared` values and a raw pointer.
unsafe impl Sync for Map {}
