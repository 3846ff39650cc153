//! One message at a time from one process to another, as fast as lines move.
//!
//! A message of one or two lines has its sequence in each of them, and the reader polls all of them
//! together: it has the message as soon as the last line has come. A sequence behind or before the
//! payload costs another transfer, one after the other (measured: 204-242 ns for two lines instead
//! of 148-163). Of longer messages only the sequence is polled, and the payload then read in one go.

use std::ptr::copy_nonoverlapping;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::super::backoff::Backoff;
use super::super::region::{LINE_PAIR, Region};

/// A place for one message.
pub struct Mailbox<'r> {
    region: &'r Region,
    offset: usize,
    size: usize,
}

const LINE: usize = 64;
const STAMP: usize = 8;
/// Payload bytes of a line.
const ROOM: usize = LINE - STAMP;

impl<'r> Mailbox<'r> {
    /// Bytes for a message of `size`.
    pub fn bytes(size: usize) -> usize {
        (LINE + size.max(2 * LINE)).next_multiple_of(LINE_PAIR)
    }

    /// Mailbox `number` for messages of `size` bytes in a region of nothing else.
    pub fn new(region: &'r Region, number: usize, size: usize) -> Self {
        let offset = number * Self::bytes(size);
        assert!(offset + Self::bytes(size) <= region.len());
        Self {
            region,
            offset,
            size,
        }
    }

    /// Writes message `sequence`, 1 at first.
    #[inline(always)]
    pub fn put(&self, sequence: u64, payload: &[u8]) {
        debug_assert_eq!(payload.len(), self.size);
        match self.size {
            // The lengths as constants, so that a copy is a few moves.
            8 => self.put_line::<8>(0, sequence, payload),
            56 => self.put_line::<56>(0, sequence, payload),
            64 => {
                self.put_line::<56>(0, sequence, payload);
                self.put_line::<8>(1, sequence, &payload[ROOM..]);
            }
            size => {
                // SAFETY: the mailbox has room for `size` bytes behind the stamp's line, which the
                // reader does not read before it sees the stamp; it has read the last message.
                unsafe { copy_nonoverlapping(payload.as_ptr(), self.line(1), size) };
                self.stamp(0).store(sequence, Ordering::Release);
            }
        }
    }

    /// Waits for message `sequence` and copies it out.
    #[inline(always)]
    pub fn take(&self, sequence: u64, payload: &mut [u8]) {
        debug_assert_eq!(payload.len(), self.size);
        let mut backoff = Backoff::new();
        while !self.has_come(sequence) {
            backoff.pause();
        }
        fence(Ordering::Acquire);
        match self.size {
            8 => self.take_line::<8>(0, payload),
            56 => self.take_line::<56>(0, payload),
            64 => {
                self.take_line::<56>(0, payload);
                self.take_line::<8>(1, &mut payload[ROOM..]);
            }
            // SAFETY: as in `put`; the writer waits until it is answered.
            size => unsafe { copy_nonoverlapping(self.line(1), payload.as_mut_ptr(), size) },
        }
    }

    #[inline(always)]
    fn has_come(&self, sequence: u64) -> bool {
        let first = self.stamp(0).load(Ordering::Relaxed);
        match self.size {
            // Both loads are under way before either is looked at.
            64 => (first ^ sequence) | (self.stamp(1).load(Ordering::Relaxed) ^ sequence) == 0,
            _ => first == sequence,
        }
    }

    #[inline(always)]
    fn put_line<const BYTES: usize>(&self, line: usize, sequence: u64, payload: &[u8]) {
        let from = &payload[..BYTES];
        // SAFETY:
        // - a line has room for 56 bytes behind its stamp, and `from` is as long as it says.
        // - the reader has read the last message, and reads this one after it sees the stamp.
        unsafe { copy_nonoverlapping(from.as_ptr(), self.room(line), BYTES) };
        self.stamp(line).store(sequence, Ordering::Release);
    }

    #[inline(always)]
    fn take_line<const BYTES: usize>(&self, line: usize, payload: &mut [u8]) {
        let to = &mut payload[..BYTES];
        // SAFETY: as in `put_line`; the stamp was seen, and the writer waits until it is answered.
        unsafe { copy_nonoverlapping(self.room(line), to.as_mut_ptr(), BYTES) };
    }

    #[inline(always)]
    fn stamp(&self, line: usize) -> &AtomicU64 {
        // SAFETY: a word within the mailbox, aligned as the lines are; atomics may have any value.
        unsafe { &*self.line(line).cast::<AtomicU64>() }
    }

    /// What is behind the stamp of a line.
    #[inline(always)]
    fn room(&self, line: usize) -> *mut u8 {
        // SAFETY: within the line.
        unsafe { self.line(line).add(STAMP) }
    }

    #[inline(always)]
    fn line(&self, line: usize) -> *mut u8 {
        // SAFETY: within the region, by the check in `new`: at most the second line of two at least.
        unsafe { self.region.base().add(self.offset + line * LINE) }
    }
}
