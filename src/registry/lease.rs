//! Leases: a participant lives for as long as the kernel holds its lock byte.
//!
//! | edge  | store                                      | load                               |
//! |-------|--------------------------------------------|------------------------------------|
//! | EPOCH | an owner id, by Release, to a shared word  | it, by Acquire, before `is_alive`  |
//!
//! Through EPOCH, one who has read an owner id also sees at least that epoch in its slot. A smaller
//! one, seen without it, proves nothing, and the lock decides.

use std::{
    env, process,
    sync::{MutexGuard, PoisonError},
};

use super::{OwnerId, Registry, RegistryError};

/// What there is to tell people about a participant; no decision may rest on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Participant {
    /// Its process id, in its own PID namespace.
    pub(crate) pid: u32,
    /// The name of its executable, cut to 32 bytes.
    pub(crate) process: String,
}

impl Registry {
    /// This participant's identity; the first call takes a slot, free or left by a dead process.
    ///
    /// The lease ends when the registry is dropped or its process ends.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Full`]; `Permission` where this user may only read the registry; `Forked`.
    pub(crate) fn join(&self) -> Result<OwnerId, RegistryError> {
        self.segment.check_not_forked()?;
        let _sweep = self.lock_sweep();
        match self.owner() {
            Some(owner) => Ok(owner),
            None => self.take_slot(),
        }
    }

    /// This participant's identity, once it has joined.
    pub(crate) fn owner(&self) -> Option<OwnerId> {
        self.owner.get().copied()
    }

    /// False only for a participant of which no thread will ever run again, or that has left.
    ///
    /// The caller has read `owner` by Acquire (edge EPOCH). About 0.3 us: not for the fast path.
    pub(crate) fn is_alive(&self, owner: OwnerId) -> bool {
        if self.owner() == Some(owner) || self.segment.is_forked() {
            return true;
        }
        let Some(slot) = self.slots().get(owner.slot()) else {
            return false; // no such slot: nobody ever was that owner
        };
        if slot.epoch() > owner.epoch() {
            return false; // a later lease has begun in that slot
        }
        // Without an answer, alive: nothing is ever taken from the living.
        self.segment
            .is_locked(lock_byte(owner.slot()))
            .unwrap_or(true)
    }

    /// Who a participant is or, until its slot is taken again, was.
    pub(crate) fn describe(&self, owner: OwnerId) -> Option<Participant> {
        let slot = self.slots().get(owner.slot())?;
        let told = !slot.looks_free() && slot.epoch() == owner.epoch();
        let participant = told.then(|| slot.participant())?;
        (slot.epoch() == owner.epoch()).then_some(participant)
    }

    /// All who have joined and not left; some may be dead.
    pub(crate) fn participants(&self) -> impl Iterator<Item = OwnerId> {
        let taken = self
            .slots()
            .iter()
            .enumerate()
            .filter(|(_, slot)| !slot.looks_free());
        taken.map(|(index, slot)| OwnerId::new(index, slot.epoch()))
    }

    /// Frees the slots of the dead; returns how many. What else they had is for others to reap, by
    /// the owner id, which stays dead.
    pub(crate) fn collect(&self) -> usize {
        if self.segment.is_forked() {
            return 0;
        }
        let _sweep = self.lock_sweep();
        let dead = |index: &usize| self.free_if_dead(*index);
        (0..self.slots().len()).filter(dead).count()
    }

    fn take_slot(&self) -> Result<OwnerId, RegistryError> {
        let index = self.lock_any_slot()?;
        let epoch = self.slots()[index].begin_lease(process::id(), &process_name());
        Ok(*self.owner.get_or_init(|| OwnerId::new(index, epoch)))
    }

    /// Locks a slot, of those that look free if any of them can be had.
    fn lock_any_slot(&self) -> Result<usize, RegistryError> {
        let slots = self.slots();
        let free = (0..slots.len()).filter(|&index| slots[index].looks_free());
        let taken = (0..slots.len()).filter(|&index| !slots[index].looks_free());
        for index in free.chain(taken) {
            if self.segment.try_lock(lock_byte(index))? {
                return Ok(index);
            }
        }
        let path = self.segment.path().to_owned();
        Err(RegistryError::Full {
            path,
            participants_max: slots.len(),
        })
    }

    fn free_if_dead(&self, index: usize) -> bool {
        let slot = &self.slots()[index];
        let own = self.owner().is_some_and(|owner| owner.slot() == index);
        if own || slot.looks_free() {
            return false;
        }
        // Holding the lock proves the death, and keeps joiners and other collectors away. One
        // that is killed here leaves the slot as it was, or free.
        let byte = lock_byte(index);
        if !self.segment.try_lock(byte).unwrap_or(false) {
            return false;
        }
        let dead = !slot.looks_free(); // else it has just left
        if dead {
            slot.end_lease();
        }
        let _ = self.segment.unlock(byte); // where it fails, closing the file does it
        dead
    }

    fn lock_sweep(&self) -> MutexGuard<'_, ()> {
        self.sweep.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registry {
    /// Leaves: frees the slot, then, with the segment, its lock. In a forked child it does nothing.
    fn drop(&mut self) {
        let Some(owner) = self.owner() else { return };
        if let Some(slot) = self.slots().get(owner.slot()) {
            slot.end_lease();
        }
    }
}

/// The lock byte of a slot: behind the end of any registry, within reach of a 32-bit offset.
fn lock_byte(slot: usize) -> u64 {
    const LOCK_BASE: u64 = 1 << 30;
    LOCK_BASE + slot as u64
}

fn process_name() -> String {
    let executable = env::current_exe().unwrap_or_default();
    executable
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
