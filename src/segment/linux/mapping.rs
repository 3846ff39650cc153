//! Files in memory: every `mmap` of the crate.

use std::{fs::File, io, os::fd::AsRawFd, ptr, ptr::NonNull};

use super::check;
use crate::segment::{Rights, fork};

/// The first `len` bytes of a file at `base`, which is on a page, until this is dropped.
pub(in crate::segment) struct Mapping {
    base: NonNull<u8>,
    len: usize,
    /// Of the process that mapped it: a forked child has nothing mapped there.
    generation: u32,
}

impl Mapping {
    /// Maps the first `len` bytes of a file, which it must have.
    pub(in crate::segment) fn new(file: &File, len: usize, rights: Rights) -> io::Result<Self> {
        let protection = match rights {
            Rights::ReadOnly => libc::PROT_READ,
            Rights::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
        };
        let (anywhere, shared, from_start) = (ptr::null_mut(), libc::MAP_SHARED, 0);
        // SAFETY:
        // - replaces no mapping: no address is asked for.
        // - the kernel checks everything else.
        let base = unsafe {
            libc::mmap(
                anywhere,
                len,
                protection,
                shared,
                file.as_raw_fd(),
                from_start,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let mapping = Self {
            base: NonNull::new(base.cast()).expect("the kernel maps nothing at address 0"),
            len,
            generation: fork::generation(),
        };
        mapping.keep_from_children()?;
        Ok(mapping)
    }

    pub(in crate::segment) fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(in crate::segment) fn len(&self) -> usize {
        self.len
    }

    /// True in a child of the process that mapped it: nothing of it is mapped there.
    pub(in crate::segment) fn is_forked(&self) -> bool {
        self.generation != fork::generation()
    }

    /// Leaves the mapping out of forked children, which must not act for their parent.
    fn keep_from_children(&self) -> io::Result<()> {
        // SAFETY:
        // - the range is this whole mapping; the advice changes nothing in this process.
        check(unsafe { libc::madvise(self.base.as_ptr().cast(), self.len, libc::MADV_DONTFORK) })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if self.is_forked() {
            return; // not mapped here; something else may be
        }
        // SAFETY:
        // - the range is this whole mapping. No borrow of it outlives `self`.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}

// SAFETY: a mapping belongs to the process; no thread has a special part in it.
unsafe impl Send for Mapping {}
// SAFETY: as above; `&Mapping` gives away a raw pointer and numbers.
unsafe impl Sync for Mapping {}
