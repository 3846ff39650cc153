//! What victims note in memory that they share with their case, so that it outlives them.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::faults::{Faults, Kind};
use super::ledger::Account;
use crate::outcome::Failure;

/// The notes of the victims of a case, one for each [seat](SEATS): who dies leaves it to the next.
pub struct Notes {
    notes: NonNull<[Note; SEATS]>,
    /// The file, in the case, which removes it.
    file: Option<PathBuf>,
}

/// What one victim notes. It is the only one who writes it while it lives, but for the last word.
#[repr(C)]
pub struct Note {
    /// What it is doing; see [`Note::begins`].
    step: AtomicU32,
    acknowledged: AtomicU64,
    /// The sequence of each of the last messages, one more than it is; 0 if unknown.
    sequences: [AtomicU64; RECENT],
    received: AtomicU64,
    missed: AtomicU64,
    torn: AtomicU64,
    disorder: AtomicU64,
    /// How often it has made each kind of change.
    changes: [AtomicU64; CHANGES],
    /// Written by the case alone: it is to end, or to keep still for a while.
    is_over: AtomicU32,
}

/// The kinds of changes that are counted; their numbers are the case's.
pub const CHANGES: usize = 4;

/// How many victims have a note at the same time.
pub const SEATS: usize = 64;
const RECENT: usize = 8;

// SAFETY: the notes are atomics in a mapping that any thread may use, and that ends with `self`.
unsafe impl Send for Notes {}
// SAFETY: as above.
unsafe impl Sync for Notes {}

impl Notes {
    /// Makes the notes of a case in its directory.
    pub fn create(root: &Path) -> Result<Self, Failure> {
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path(root));
        let file = file.and_then(|file| file.set_len(BYTES as u64).map(|()| file));
        let mut notes = Self::map(file)?;
        notes.file = Some(path(root));
        Ok(notes)
    }

    /// Opens them, in a victim.
    pub fn open(root: &Path) -> Result<Self, Failure> {
        Self::map(File::options().read(true).write(true).open(path(root)))
    }

    fn map(file: io::Result<File>) -> Result<Self, Failure> {
        let file = file.map_err(|e| Failure::io("cannot open the notes", &e))?;
        // SAFETY:
        // - a new mapping, at an address of the kernel's choice: it replaces none.
        // - the file is `BYTES` long and is never truncated while the case runs.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        let notes = NonNull::new(address.cast());
        match notes.filter(|_| address != libc::MAP_FAILED) {
            Some(notes) => Ok(Self { notes, file: None }),
            None => Err(Failure::io(
                "cannot map the notes",
                &io::Error::last_os_error(),
            )),
        }
    }

    /// The note of the victim in this seat, below [`SEATS`].
    pub fn of(&self, seat: usize) -> &Note {
        // SAFETY:
        // - mapped for as long as `self` lives, which the reference does not outlive; page-aligned.
        // - atomics only: any bits are valid, and another process's writes are no race on them.
        let notes = unsafe { self.notes.as_ref() };
        &notes[seat]
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this length; no reference outlives `self`.
        unsafe { libc::munmap(self.notes.as_ptr().cast(), BYTES) };
        if let Some(file) = &self.file {
            // What cannot be removed goes with the case's directory.
            let _ = fs::remove_file(file);
        }
    }
}

impl Note {
    /// Clears it for the next victim.
    pub fn clear(&self) {
        self.step.store(0, Ordering::Relaxed);
        let counts = [
            &self.acknowledged,
            &self.received,
            &self.missed,
            &self.torn,
            &self.disorder,
        ];
        let counts = counts.into_iter().chain(&self.sequences);
        for count in counts.chain(&self.changes) {
            count.store(0, Ordering::Relaxed);
        }
        self.is_over.store(0, Ordering::Relaxed);
    }

    /// The victim begins `step`, which is not 0.
    pub fn begins(&self, step: u32) {
        self.step.store(step, Ordering::Release);
    }

    /// What the victim is doing, or was when it died; 0: it was never at work.
    pub fn step(&self) -> u32 {
        self.step.load(Ordering::Acquire)
    }

    /// The victim's message `serial` was acknowledged, with its sequence where that was told.
    pub fn acknowledge(&self, serial: u64, sequence: Option<u64>) {
        let told = sequence.map_or(0, |sequence| sequence + 1);
        self.sequences[serial as usize % RECENT].store(told, Ordering::Relaxed);
        // Release: whoever sees the count sees the sequence.
        self.acknowledged.store(serial + 1, Ordering::Release);
    }

    /// What to hold the publisher `origin` to.
    pub fn account(&self, origin: u64) -> Account {
        let acknowledged = self.acknowledged.load(Ordering::Acquire);
        let last = acknowledged.wrapping_sub(1) as usize % RECENT;
        let told = self.sequences[last].load(Ordering::Relaxed);
        Account {
            origin,
            acknowledged,
            last_sequence: told.checked_sub(1),
        }
    }

    /// The victim has received a message, whole or not.
    pub fn receive(&self, is_whole: bool) {
        add(&self.received, 1);
        add(&self.torn, u64::from(!is_whole));
    }

    /// The victim was told that it has missed so many.
    pub fn miss(&self, count: u64) {
        add(&self.missed, count);
    }

    /// The victim has found a sequence that is not the one to come.
    pub fn disorder(&self) {
        add(&self.disorder, 1);
    }

    /// The victim has made one more change of this kind.
    pub fn change(&self, kind: usize) {
        add(&self.changes[kind], 1);
    }

    /// How many changes of each kind it has made.
    pub fn changes(&self) -> [u64; CHANGES] {
        self.changes
            .each_ref()
            .map(|count| count.load(Ordering::Relaxed))
    }

    /// Asks it to end, or to keep still.
    pub fn end(&self) {
        self.is_over.store(1, Ordering::Release);
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.is_over.store(0, Ordering::Release);
    }

    /// Whether it was asked to end, or to keep still.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire) != 0
    }

    /// What the victim found out, which is now dead: messages received and missed; faults.
    pub fn collect(&self, life: u64, faults: &mut Faults) -> (u64, u64) {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let words = || format!("reader {life}");
        faults.add(Kind::Torn, count(&self.torn), words);
        faults.add(Kind::Miscounted, count(&self.disorder), words);
        (count(&self.received), count(&self.missed))
    }
}

/// Adds to a count that the caller alone writes.
fn add(count: &AtomicU64, by: u64) {
    count.store(count.load(Ordering::Relaxed) + by, Ordering::Relaxed);
}

const BYTES: usize = size_of::<[Note; SEATS]>();

fn path(root: &Path) -> PathBuf {
    root.join("notes")
}
