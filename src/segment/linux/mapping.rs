//! Files in memory: every `mmap` of the crate.

use std::{fs::File, io, ops::Range, os::fd::AsRawFd, ptr, ptr::NonNull};

use super::{check, huge_page_bytes};
use crate::segment::{Pages, Rights, fork};

/// The first `len` bytes of a file at `base`, which is on a page, until this is dropped.
pub(in crate::segment) struct Mapping {
    base: NonNull<u8>,
    len: usize,
    /// Of the process that mapped it: a forked child has nothing mapped there.
    generation: u32,
}

impl Mapping {
    /// Maps the first `len` bytes of a file, which it must have.
    pub(in crate::segment) fn new(
        file: &File,
        len: usize,
        rights: Rights,
        pages: Pages,
    ) -> io::Result<Self> {
        let protection = match rights {
            Rights::ReadOnly => libc::PROT_READ,
            Rights::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
        };
        let room = match pages {
            Pages::Any => None,
            Pages::Huge => Room::on_huge_page(len),
        };
        let (place, flags) = match &room {
            None => (ptr::null_mut(), libc::MAP_SHARED),
            Some(room) => (room.begin, libc::MAP_SHARED | libc::MAP_FIXED),
        };
        let (fd, from_start) = (file.as_raw_fd(), 0);
        // SAFETY:
        // - replaces nothing but `room`, of which nobody else knows.
        // - the kernel checks everything else.
        let base = unsafe { libc::mmap(place, len, protection, flags, fd, from_start) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        if let Some(room) = room {
            room.keep(len);
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

    /// Faults a range in that begins on a page, to be written where that is allowed; `false` where the
    /// system, before Linux 5.14, cannot be told to.
    pub(in crate::segment) fn prefault(
        &self,
        range: Range<usize>,
        rights: Rights,
    ) -> io::Result<bool> {
        let advice = match rights {
            Rights::ReadOnly => libc::MADV_POPULATE_READ,
            Rights::ReadWrite => libc::MADV_POPULATE_WRITE,
        };
        loop {
            match self.advise(range.clone(), advice) {
                Ok(()) => return Ok(true),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::InvalidInput => return Ok(false),
                Err(e) => return Err(e),
            }
        }
    }

    /// Keeps a range in memory that begins on a page; it is faulted in by that.
    pub(in crate::segment) fn lock(&self, range: Range<usize>) -> io::Result<()> {
        let (start, len) = self.part(range);
        // SAFETY:
        // - the range is part of this mapping; no byte of it changes.
        check(unsafe { libc::mlock(start.as_ptr().cast(), len) })
    }

    /// Puts the file's bytes that are mapped here on huge pages, for all who map it.
    pub(in crate::segment) fn use_huge_pages(&self) -> io::Result<()> {
        self.advise(0..self.len, libc::MADV_COLLAPSE)
    }

    fn advise(&self, range: Range<usize>, advice: libc::c_int) -> io::Result<()> {
        let (start, len) = self.part(range);
        // SAFETY:
        // - the range is part of this mapping; none of the advice given here changes a byte of it.
        check(unsafe { libc::madvise(start.as_ptr().cast(), len, advice) })
    }

    /// A range of the mapping, as the system takes it.
    fn part(&self, range: Range<usize>) -> (NonNull<u8>, usize) {
        let start = range.start.min(self.len);
        let len = range.end.min(self.len) - start;
        // SAFETY: in bounds of one mapping.
        (unsafe { self.base.byte_add(start) }, len)
    }

    /// Leaves the mapping out of forked children, which must not act for their parent.
    fn keep_from_children(&self) -> io::Result<()> {
        self.advise(0..self.len, libc::MADV_DONTFORK)
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

/// Addresses that nobody else is given, with those among them where a huge page may begin. Given back when it
/// is dropped.
struct Room {
    start: *mut libc::c_void,
    len: usize,
    begin: *mut libc::c_void,
}

impl Room {
    /// Room for `len` bytes; none where there are no huge pages, or not so many addresses.
    fn on_huge_page(len: usize) -> Option<Self> {
        let page = huge_page_bytes().filter(|page| len >= *page)?;
        let room = len.checked_add(page)?;
        let (anywhere, nothing) = (ptr::null_mut(), libc::PROT_NONE);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: replaces no mapping, no address is asked for; nobody may touch it.
        let start = unsafe { libc::mmap(anywhere, room, nothing, flags, -1, 0) };
        (start != libc::MAP_FAILED).then(|| Self {
            start,
            len: room,
            begin: start.map_addr(|address| address.next_multiple_of(page)),
        })
    }

    /// Leaves the `len` bytes from `begin` on to what was mapped there, and gives back the rest.
    fn keep(self, len: usize) {
        let whole = std::mem::ManuallyDrop::new(self);
        let before = whole.begin.addr() - whole.start.addr();
        // A mapping takes whole pages, and ends on the page that its last byte is on.
        let kept = len.next_multiple_of(4096);
        let after = (whole.len - before).saturating_sub(kept);
        if before > 0 {
            // SAFETY: of the mapping of `on_huge_page`, of which nobody knows.
            unsafe { libc::munmap(whole.start, before) };
        }
        if after > 0 {
            // SAFETY: as above, behind what was mapped over it.
            unsafe { libc::munmap(whole.begin.wrapping_byte_add(kept), after) };
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // SAFETY: the mapping of `on_huge_page`, of which nobody knows.
        unsafe { libc::munmap(self.start, self.len) };
    }
}

// SAFETY: a mapping belongs to the process; no thread has a special part in it.
unsafe impl Send for Mapping {}
// SAFETY: as above; `&Mapping` gives away a raw pointer and numbers.
unsafe impl Sync for Mapping {}
