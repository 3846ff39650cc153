//! What workers write down in memory that outlives them: where they are, and what they found.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::outcome::Failure;

/// A page of counts for each worker.
pub struct Book {
    seats: NonNull<[Seat; SEATS]>,
}

/// The counts of one worker, which it alone writes while it lives.
#[repr(C, align(64))]
pub struct Seat([AtomicU64; COUNTS]);

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub enum Count {
    /// One more than the number of the attempt under way; 0: none.
    At,
    /// Attempts that ended.
    Done,
    /// Segments that opened all the same.
    Opened,
    /// Segments that were refused.
    Refused,
    /// Operations that did what they are for.
    Worked,
    /// Operations that were refused.
    Failed,
    /// Attempts that ended in another way than they must.
    Wrong,
    /// One more than the number of the first of those.
    FirstWrong,
    /// Nanoseconds of the slowest attempt.
    Slowest,
    /// Nanoseconds of the middle one.
    Middle,
    /// Looks at the maps in which a segment lay between pages that nobody may touch.
    Guarded,
    /// Looks at the maps in which one did not.
    Unguarded,
    /// Words that were written where they do not belong.
    Words,
}

const COUNTS: usize = Count::Words as usize + 1;
/// How many workers can be at work at once.
pub const SEATS: usize = 16;
const BYTES: usize = size_of::<[Seat; SEATS]>();

// SAFETY: the seats are atomics in a mapping that any thread may use, and that ends with `self`.
unsafe impl Send for Book {}
// SAFETY: as above.
unsafe impl Sync for Book {}

impl Book {
    /// Makes the book of a case, in its directory, or opens it in a worker.
    pub fn open(root: &Path) -> Result<Self, Failure> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let map = || {
            let file = options.open(root.join(NAME))?;
            file.set_len(BYTES as u64)?;
            map(&file, BYTES)
        };
        let seats = map().map_err(|e| Failure::io("cannot open the book", &e))?;
        Ok(Self {
            seats: seats.cast(),
        })
    }

    /// The seat of worker `index`, below [`SEATS`].
    pub fn seat(&self, index: usize) -> &Seat {
        // SAFETY:
        // - mapped for as long as `self` lives, which the reference does not outlive; page-aligned.
        // - atomics only: any bits are valid, and another process's writes are no race on them.
        let seats = unsafe { self.seats.as_ref() };
        &seats[index]
    }

    /// A count, summed up over all workers.
    pub fn sum(&self, count: Count) -> u64 {
        let counts = (0..SEATS).map(|index| self.seat(index).read(count));
        counts.fold(0, u64::wrapping_add)
    }

    /// The largest of all workers'.
    pub fn max(&self, count: Count) -> u64 {
        let counts = (0..SEATS).map(|index| self.seat(index).read(count));
        counts.max().unwrap_or(0)
    }

    /// Forgets everything.
    pub fn clear(&self) {
        for index in 0..SEATS {
            for count in &self.seat(index).0 {
                count.store(0, Ordering::Relaxed);
            }
        }
    }

    /// Removes its file.
    pub fn remove(root: &Path) {
        // What cannot be removed goes with the case's directory.
        let _ = std::fs::remove_file(root.join(NAME));
    }
}

impl Drop for Book {
    fn drop(&mut self) {
        // SAFETY: mapped by `open` with this length; no reference outlives `self`.
        unsafe { libc::munmap(self.seats.as_ptr().cast(), BYTES) };
    }
}

impl Seat {
    /// What was written.
    pub fn read(&self, count: Count) -> u64 {
        self.0[count as usize].load(Ordering::Relaxed)
    }

    /// Writes a count.
    pub fn write(&self, count: Count, value: u64) {
        self.0[count as usize].store(value, Ordering::Relaxed);
    }

    /// Counts one more.
    pub fn add(&self, count: Count) {
        self.write(count, self.read(count) + 1);
    }

    /// Begins attempt `number`.
    pub fn begin(&self, number: u64) {
        self.write(Count::At, number + 1);
    }

    /// Ends the attempt, which took so long, and must not have ended so if `wrong`.
    pub fn end(&self, took_ns: u64, wrong: bool) {
        self.write(Count::Slowest, self.read(Count::Slowest).max(took_ns));
        if wrong {
            self.add(Count::Wrong);
            if self.read(Count::FirstWrong) == 0 {
                self.write(Count::FirstWrong, self.read(Count::At));
            }
        }
        self.add(Count::Done);
    }
}

/// Maps the first `len` bytes of a file that is as long, to be read and written.
pub fn map(file: &File, len: usize) -> io::Result<NonNull<u8>> {
    // SAFETY: a new mapping, at an address of the kernel's choice: it replaces none.
    let address = unsafe {
        libc::mmap(
            ptr::null_mut(),
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    let base = NonNull::new(address.cast()).filter(|_| address != libc::MAP_FAILED);
    base.ok_or_else(io::Error::last_os_error)
}

const NAME: &str = "book";
