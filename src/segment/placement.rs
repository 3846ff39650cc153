//! Where the memory of a segment is: faulted in before it is used, locked, on huge pages.

use std::ops::Range;

use super::{Segment, SegmentError, map};
use crate::{
    shared::Offset,
    sync::{AtomicU64, Ordering},
};

/// In which pages a file is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pages {
    /// As it comes.
    Any,
    /// In huge ones, as far as the file lies in such: the mapping then begins where one may.
    Huge,
}

impl Pages {
    /// Huge ones if asked for.
    pub(crate) fn huge_if(asked: bool) -> Self {
        match asked {
            true => Self::Huge,
            false => Self::Any,
        }
    }
}

/// What is done to the memory of a segment once it is mapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Placement {
    /// Faults every page in.
    pub(crate) prefault: bool,
    /// Keeps every page in memory, for as long as it is mapped.
    pub(crate) lock: bool,
}

impl Segment {
    /// Places the bytes of a range, which is backed by memory.
    ///
    /// # Errors
    ///
    /// `LockLimit`; `Unsupported` by the portable backend, which locks nothing.
    pub(crate) fn place(&self, range: Range<u64>, how: Placement) -> Result<(), SegmentError> {
        if how.lock {
            self.lock(range.clone())?;
        }
        match how.prefault {
            true => self.prefault(range),
            false => Ok(()),
        }
    }

    /// Faults a range in, to be written as well where it may be.
    pub(crate) fn prefault(&self, range: Range<u64>) -> Result<(), SegmentError> {
        let range = self.clip(range);
        match self.map.prefault(range.clone(), self.rights) {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.touch(range);
                Ok(())
            }
            Err(e) => Err(SegmentError::os("fault in", self.file.path(), e)),
        }
    }

    fn lock(&self, range: Range<u64>) -> Result<(), SegmentError> {
        let range = self.clip(range);
        let needed_bytes = (range.end - range.start) as u64;
        self.map
            .lock(range)
            .map_err(|e| SegmentError::locking(self.file.path(), needed_bytes, e))
    }

    /// Reads a word of every page, where the system cannot be told to fault them in.
    fn touch(&self, range: Range<usize>) {
        const WORDS_OF_A_PAGE: usize = 4096 / size_of::<AtomicU64>();
        let words = range.end / size_of::<AtomicU64>();
        let words = map::array::<AtomicU64>(&self.map, Offset::new(0), words).unwrap_or(&[]);
        let touched = words[range.start / size_of::<AtomicU64>()..].iter();
        for word in touched.step_by(WORDS_OF_A_PAGE) {
            // Relaxed: nothing is done with it. Atomic loads are not left out.
            word.load(Ordering::Relaxed);
        }
    }

    /// The part of a range that is mapped, from a page on.
    fn clip(&self, range: Range<u64>) -> Range<usize> {
        const PAGE: usize = 1 << 16; // the largest of the usual sizes
        let end = usize::try_from(range.end).unwrap_or(usize::MAX);
        let end = end.min(self.map.len());
        let start = usize::try_from(range.start).unwrap_or(usize::MAX);
        start.min(end) / PAGE * PAGE..end
    }
}
