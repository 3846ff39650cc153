//! Leases: a participant lives for as long as the kernel holds its lock.
//!
//! The lock begins at the slot's first lock byte and is as long as its epoch says. So the kernel
//! alone can tell whether it is this lease that lives or a later one of the slot: whoever may join a
//! bus may write its registry, and must not be able to declare others dead.
//!
//! A lock of one byte belongs to somebody who is about to begin a lease or to end one, or it is that
//! of the portable backend, whose locks have no length. Then the epoch in the slot decides:
//!
//! | edge  | store                                      | load                               |
//! |-------|--------------------------------------------|------------------------------------|
//! | EPOCH | an owner id, by Release, to a shared word  | it, by Acquire, before `is_alive`  |
//!
//! Through EPOCH, one who has read an owner id also sees its epoch in its slot, or a later one: any
//! other epoch than its own means that the lease is over. Epochs wrap, so that a later one may be
//! the smaller number.

use std::{
    env, process,
    sync::{MutexGuard, PoisonError},
};

use super::{
    OwnerId, Participant, Registry, RegistryError,
    directory::leases_path,
    owner::EPOCH_MASK,
    slot::{Slot, lock_len},
};
use crate::segment::{OpenFile, Rights, SegmentError};

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
        // Without an answer, alive: nothing is ever taken from the living.
        let locked_len = self.leases().locked_len(lock_byte(owner.slot()));
        locked_len.map_or(true, |len| slot.is_alive(owner.epoch(), len))
    }

    /// Who a participant is or, until its slot is taken again, was.
    pub(crate) fn describe(&self, owner: OwnerId) -> Option<Participant> {
        let slot = self.slots().get(owner.slot())?;
        slot.participant_of(owner.epoch())
    }

    /// The process id of a participant, as [`describe`](Self::describe) would tell it; 0: unknown.
    /// Allocates nothing.
    pub(crate) fn pid_of(&self, owner: OwnerId) -> u32 {
        let slot = self.slots().get(owner.slot());
        let told = slot.filter(|slot| !slot.looks_free() && slot.epoch() == owner.epoch());
        told.map_or(0, |slot| slot.pid())
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
        let Ok(slots) = self.slots_to_write() else {
            return 0; // it is not for this process to do
        };
        let _sweep = self.lock_sweep();
        let dead = |(index, slot): &(usize, &Slot)| self.free_if_dead(*index, slot);
        slots.iter().enumerate().filter(dead).count()
    }

    fn take_slot(&self) -> Result<OwnerId, RegistryError> {
        let slots = self.slots_to_write()?;
        let (index, epoch) = self.lock_any_slot(slots)?;
        slots[index].begin_lease(epoch, process::id(), &process_name());
        // For those who may only observe, see `leases`. Where one of them stands in the way, the
        // others will not see that this participant lives; nobody else looks there.
        let shown = self.writable()?.locks();
        let _ = shown.try_lock_range(lock_byte(index), lock_len(epoch));
        Ok(*self.owner.get_or_init(|| OwnerId::new(index, epoch)))
    }

    /// Locks a slot, of those that look free if any of them can be had, for its next epoch.
    fn lock_any_slot(&self, slots: &[Slot]) -> Result<(usize, u64), RegistryError> {
        let Some(leases) = &self.leases else {
            let path = leases_path(self.directory(), self.bus_id());
            return Err(SegmentError::denied(&path, Rights::ReadWrite).into());
        };
        let leases = leases.locks();
        let free = (0..slots.len()).filter(|&index| slots[index].looks_free());
        let taken = (0..slots.len()).filter(|&index| !slots[index].looks_free());
        for index in free.chain(taken) {
            let byte = lock_byte(index);
            if !leases.try_lock(byte)? {
                continue;
            }
            // Nobody else begins a lease here while that byte is locked.
            let epoch = slots[index].next_epoch();
            if leases.try_lock_range(byte, lock_len(epoch))? {
                return Ok((index, epoch));
            }
            leases.unlock(byte)?; // somebody locks what is no lock of ours
        }
        let path = self.segment.path().to_owned();
        Err(RegistryError::Full {
            path,
            participants_max: slots.len(),
        })
    }

    fn free_if_dead(&self, index: usize, slot: &Slot) -> bool {
        let own = self.owner().is_some_and(|owner| owner.slot() == index);
        if own || slot.looks_free() {
            return false;
        }
        // Holding the lock proves the death, and keeps joiners and other collectors away. One
        // that is killed here leaves the slot as it was, or free.
        let byte = lock_byte(index);
        let Some(leases) = self.leases.as_ref().map(OpenFile::locks) else {
            return false;
        };
        if !leases.try_lock(byte).unwrap_or(false) {
            return false;
        }
        let dead = !slot.looks_free(); // else it has just left
        if dead {
            slot.end_lease();
        }
        let _ = leases.unlock(byte); // where it fails, closing the file does it
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
        if let Ok(slots) = self.slots_to_write()
            && let Some(slot) = slots.get(owner.slot())
        {
            slot.end_lease();
        }
    }
}

/// The first lock byte of a slot: behind the end of any registry, and behind the lock of any epoch of
/// the slot before. The last one still lies where files have bytes, before 2^63.
fn lock_byte(slot: usize) -> u64 {
    LOCK_BASE + slot as u64 * LOCK_STRIDE
}

const LOCK_BASE: u64 = 1 << 30;
const LOCK_STRIDE: u64 = 1 << 47;
const _: () = assert!(EPOCH_MASK + 2 < LOCK_STRIDE);
const _: () = assert!(OwnerId::SLOTS_MAX as u64 <= (i64::MAX as u64 - LOCK_BASE) / LOCK_STRIDE);

fn process_name() -> String {
    let executable = env::current_exe().unwrap_or_default();
    executable
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
