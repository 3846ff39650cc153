//! One participant's line in the registry.

use std::{array, iter};

use super::{lease::Participant, owner::EPOCH_MASK};
use crate::{
    shared::{Offset, Shared},
    sync::{AtomicU32, AtomicU64, Ordering, load_acquire},
};

/// Written only by the one who holds the slot's lock byte; readable to all.
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
    /// Begins a lease and returns its epoch.
    pub(super) fn begin_lease(&self, pid: u32, process: &str) -> u64 {
        let epoch = self.epoch.load(Ordering::Relaxed).wrapping_add(1) & EPOCH_MASK;
        // Relaxed: no peer knows this epoch before the new owner publishes it (edge EPOCH,
        // `lease`).
        self.epoch.store(epoch, Ordering::Relaxed);
        self.store_name(process);
        self.pid.store(pid, Ordering::Relaxed);
        self.state.store(TAKEN, Ordering::Relaxed);
        epoch
    }

    /// Ends a lease; its epoch stays, so that the next one gets another.
    pub(super) fn end_lease(&self) {
        self.state.store(FREE, Ordering::Relaxed);
        self.pid.store(0, Ordering::Relaxed);
        self.store_name("");
    }

    /// The epoch of the last lease.
    pub(super) fn epoch(&self) -> u64 {
        load_acquire(&self.epoch) & EPOCH_MASK
    }

    /// True unless a lease has begun and not been ended; the death of a process ends none.
    pub(super) fn looks_free(&self) -> bool {
        self.state.load(Ordering::Relaxed) == FREE
    }

    /// Who holds the lease, or held it; words may be torn while it changes hands.
    pub(super) fn participant(&self) -> Participant {
        let mut name = [0; NAME_WORDS * WORD_BYTES];
        for (bytes, word) in name.chunks_exact_mut(WORD_BYTES).zip(&self.name) {
            bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
        Participant {
            pid: self.pid.load(Ordering::Relaxed),
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
const _: () = assert!(size_of::<Slot>() == 64);
