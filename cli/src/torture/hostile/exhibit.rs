//! A segment's file under the hands of somebody who writes into it what he likes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use super::book::map;
use crate::outcome::Failure;

/// A file, mapped writable, and what was in it.
pub struct Exhibit {
    path: PathBuf,
    base: NonNull<u8>,
    words: usize,
    before: Vec<u64>,
    /// Words that are not 0, where damage says most.
    telling: Vec<usize>,
}

impl Exhibit {
    /// Maps the file and remembers its contents.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let map = || {
            let file = File::options().read(true).write(true).open(path)?;
            let len = file.metadata()?.len() as usize;
            Ok((map(&file, len)?, len / 8))
        };
        let (base, words) = map().map_err(|e| Failure::io(path.display(), &e))?;
        let mut this = Self {
            path: path.to_owned(),
            base,
            words,
            before: Vec::new(),
            telling: Vec::new(),
        };
        this.remember();
        Ok(this)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many words it has.
    pub fn len(&self) -> usize {
        self.words
    }

    /// The words that were not 0 when it was remembered.
    pub fn telling(&self) -> &[usize] {
        &self.telling
    }

    /// Takes what is in it now for what belongs there.
    pub fn remember(&mut self) {
        self.before = (0..self.words).map(|index| self.read(index)).collect();
        self.telling = (0..self.words)
            .filter(|&index| self.before[index] != 0)
            .collect();
    }

    /// Puts back what belongs there.
    pub fn restore(&self) {
        for (word, before) in self.all().iter().zip(&self.before) {
            // Most have not changed: a look is cheaper than a write.
            if word.load(Ordering::Relaxed) != *before {
                word.store(*before, Ordering::Relaxed);
            }
        }
    }

    /// The word at `index`.
    pub fn read(&self, index: usize) -> u64 {
        self.all()[index].load(Ordering::Relaxed)
    }

    /// Overwrites the word at `index`.
    pub fn write(&self, index: usize, value: u64) {
        self.all()[index].store(value, Ordering::Relaxed);
    }

    /// The byte at `index`.
    pub fn byte(&self, index: usize) -> u8 {
        self.read(index / 8).to_ne_bytes()[index % 8]
    }

    /// Overwrites the byte at `index`.
    pub fn write_byte(&self, index: usize, value: u8) {
        let mut bytes = self.read(index / 8).to_ne_bytes();
        bytes[index % 8] = value;
        self.write(index / 8, u64::from_ne_bytes(bytes));
    }

    /// Makes the checksum right that ends at byte `end` and is over all bytes before it.
    pub fn reseal(&self, end: usize) {
        let bytes = (0..end / 8 - 1).flat_map(|index| self.read(index).to_ne_bytes());
        // FNV-1a of 64 bits, as the headers have it.
        let fold = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        self.write(end / 8 - 1, bytes.fold(0xcbf2_9ce4_8422_2325, fold));
    }

    fn all(&self) -> &[AtomicU64] {
        // SAFETY:
        // - mapped for as long as `self` lives, `words` long and page-aligned. The file is not
        //   truncated while it is an exhibit.
        // - atomics: any bits are valid, and others' writes are no race on them.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr().cast(), self.words) }
    }
}

impl Drop for Exhibit {
    fn drop(&mut self) {
        // SAFETY: mapped by `open` with this length; no reference outlives `self`.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.words * 8) };
    }
}
