//! One participant's line in the registry.

use std::{array, iter};

use super::owner::EPOCH_MASK;
use crate::{
    shared::{Offset, Shared},
    sync::{AtomicU32, AtomicU64, Ordering, load_acquire},
};

/// What there is to tell people about a participant; no decision may rest on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Participant {
    /// Its process id, in its own PID namespace.
    pub(crate) pid: u32,
    /// The name of its executable, cut to 32 bytes.
    pub(crate) process: String,
}

/// Written only by the one who holds the slot's lock byte; readable to all.
#[derive(Default)]
#[repr(C)]
pub(super) struct Slot {
    /// How many leases there were; the number of the last one.
    epoch: AtomicU64,
    /// `FREE` or `TAKEN`: a hint where to look first; the lock decides.
    state: AtomicU32,
    /// In the PID namespace of the participant: shown to people, decides nothing.
    pid: AtomicU32,
    /// The process's name in UTF-8, padded with zeros: shown to people.
    name: [AtomicU64; NAME_WORDS],
    reserved: [AtomicU64; 2],
}

impl Slot {
    /// The epoch of the next lease. The caller has the slot's first lock byte.
    pub(super) fn next_epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed).wrapping_add(1) & EPOCH_MASK
    }

    /// Begins a lease.
    pub(super) fn begin_lease(&self, epoch: u64, pid: u32, process: &str) {
        // Relaxed: no peer knows this epoch before the new owner publishes it (edge EPOCH,
        // `lease`).
        self.epoch.store(epoch, Ordering::Relaxed);
        self.store_name(process);
        self.pid.store(pid, Ordering::Relaxed);
        self.state.store(TAKEN, Ordering::Relaxed);
    }

    /// As if there had been so many leases.
    #[cfg(test)]
    pub(super) fn set_epoch(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Relaxed);
    }

    /// Ends a lease; its epoch stays, so that the next one gets another.
    pub(super) fn end_lease(&self) {
        self.state.store(FREE, Ordering::Relaxed);
        self.pid.store(0, Ordering::Relaxed);
        self.store_name("");
    }

    /// Whether lease `epoch` goes on, where the lock that was found on the slot is so long.
    pub(super) fn is_alive(&self, epoch: u64, locked_len: Option<u64>) -> bool {
        match locked_len {
            None => false,
            // Another: a later lease has begun in this slot.
            Some(1) => self.epoch() == epoch,
            Some(len) => len == lock_len(epoch),
        }
    }

    /// Who has lease `epoch` or, until the slot is taken again, had it.
    pub(super) fn participant_of(&self, epoch: u64) -> Option<Participant> {
        let told = !self.looks_free() && self.epoch() == epoch;
        let participant = told.then(|| self.participant())?;
        (self.epoch() == epoch).then_some(participant)
    }

    /// The epoch of the last lease.
    pub(super) fn epoch(&self) -> u64 {
        load_acquire(&self.epoch) & EPOCH_MASK
    }

    /// True unless a lease has begun and not been ended; the death of a process ends none.
    pub(super) fn looks_free(&self) -> bool {
        self.state.load(Ordering::Relaxed) == FREE
    }

    /// The process id of whoever holds the lease, or held it.
    pub(super) fn pid(&self) -> u32 {
        self.pid.load(Ordering::Relaxed)
    }

    /// Who holds the lease, or held it; words may be torn while it changes hands.
    pub(super) fn participant(&self) -> Participant {
        let mut name = [0; NAME_WORDS * WORD_BYTES];
        for (bytes, word) in name.chunks_exact_mut(WORD_BYTES).zip(&self.name) {
            bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
        Participant {
            pid: self.pid(),
            process: printable(&name),
        }
    }

    /// Stores as much of a name as fits; a character cut in two is shown as unknown.
    fn store_name(&self, name: &str) {
        let mut padded = name.bytes().chain(iter::repeat(0));
        for word in &self.name {
            let bytes = array::from_fn(|_| padded.next().unwrap_or(0));
            word.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
        }
    }
}

// SAFETY: `repr(C)`, atomic integers and arrays of them only.
unsafe impl Shared for Slot {}

/// How long the lock of a lease is: more than one byte, and different for each epoch.
pub(super) fn lock_len(epoch: u64) -> u64 {
    2 + epoch
}

/// A peer's bytes as text that is safe to show on a terminal.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.split(|&byte| byte == 0).next().unwrap_or_default());
    text.replace(char::is_control, "\u{fffd}")
}

/// The first slot: on the page after the header's.
pub(super) const SLOTS: Offset<Slot> = Offset::new(4096);

const FREE: u32 = 0;
const TAKEN: u32 = 1;
const NAME_WORDS: usize = 4;
const WORD_BYTES: usize = size_of::<u64>();
#[cfg(not(ringbus_loom))]
const _: () = assert!(size_of::<Slot>() == 64);
