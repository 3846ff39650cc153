//! Bare shared memory, for the floors: a file that is mapped, all of it there from the start.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64};

use crate::outcome::Failure;

/// Bytes that several processes map, zero at first. Page-aligned, unmapped on drop.
pub struct Region {
    base: NonNull<u8>,
    bytes: usize,
}

/// What processors do not share unless they mean to: two lines, as they are fetched in pairs.
pub const LINE_PAIR: usize = 128;

impl Region {
    /// Makes it, `bytes` long at least.
    pub fn create(root: &Path, name: &str, bytes: usize) -> Result<Self, Failure> {
        let make = || {
            let mut options = OpenOptions::new();
            let file = options
                .read(true)
                .write(true)
                .create_new(true)
                .open(root.join(name))?;
            file.set_len(bytes.next_multiple_of(4096) as u64)?;
            Self::map(&file)
        };
        make().map_err(|e| Failure::io(format_args!("cannot make memory for {name}"), &e))
    }

    /// Opens what another process has made.
    pub fn open(root: &Path, name: &str) -> Result<Self, Failure> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).open(root.join(name));
        file.and_then(|file| Self::map(&file))
            .map_err(|e| Failure::io(format_args!("cannot open memory for {name}"), &e))
    }

    fn map(file: &File) -> io::Result<Self> {
        let bytes = file.metadata()?.len() as usize;
        // SAFETY: a new mapping of a file that is open; nothing is replaced.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_POPULATE,
                file.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or_else(io::Error::last_os_error)?;
        Ok(Self { base, bytes })
    }

    /// The first byte.
    pub fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// How long it is.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// The word at byte `offset`, a multiple of 8.
    pub fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset + 8 <= self.bytes);
        // SAFETY: within the mapping, by the check above.
        let word = unsafe { self.base.add(offset) };
        // SAFETY:
        // - mapped while `self` lives, and aligned: the base is, and the offset by the check above.
        // - an atomic, whose value may be any.
        unsafe { word.cast().as_ref() }
    }

    /// The half word at byte `offset`, a multiple of 4.
    pub fn half_word(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset + 4 <= self.bytes);
        // SAFETY: within the mapping, by the check above.
        let word = unsafe { self.base.add(offset) };
        // SAFETY: as in `word`.
        unsafe { word.cast().as_ref() }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and nothing borrowed from it is left.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}
