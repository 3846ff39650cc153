//! The bells of a bus: behind the slots, two for each participant on average.
//!
//! A bell belongs to the lease in its owner word, as a subscriber's cell does: it is claimed by a swap
//! from nobody or from the dead. Whoever may join a bus may write and ring all of them; a bell rung for
//! nothing costs a needless look, and one that was muted a ring that comes by itself within 40 ms.

use super::{OwnerId, Registry, RegistryError, slot::SLOTS};
use crate::{
    ring::owner::{self, Deaths},
    shared::Offset,
    sync::Ordering,
    wait::{Bell, BellWords, Ticket},
};

impl Registry {
    /// Claims a bell for this participant, which has joined as `owner`, and returns its number.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NoBells`] while all belong to the living.
    pub(crate) fn claim_bell(
        &self,
        owner: OwnerId,
        deaths: &impl Deaths,
    ) -> Result<u32, RegistryError> {
        let bells = self.bells()?;
        let place = |index| &bells[index as usize].owner;
        owner::claim(owner.word(), bells.len() as u32, place, deaths).ok_or_else(|| {
            RegistryError::NoBells {
                path: self.segment.path().to_owned(),
                bells_max: bells.len(),
            }
        })
    }

    /// Gives a bell back. Who rings it all the same, wakes the next one for nothing.
    pub(crate) fn release_bell(&self, index: u32) {
        if let Ok(bells) = self.bells()
            && let Some(bell) = bells.get(index as usize)
        {
            // Release: edge PLACE.
            bell.owner.store(0, Ordering::Release);
        }
    }

    /// The bell of a number that a peer may have written; `None` where there is none, or where this
    /// process has not joined, or is a forked child. Allocates nothing.
    pub(crate) fn bell(&self, index: u32) -> Option<Bell<'_>> {
        self.owner()?;
        self.bells().ok()?.get(index as usize).map(Bell::new)
    }

    fn bells(&self) -> Result<&[BellWords], RegistryError> {
        let first = Offset::new(bells_at(self.participants_max()) as u64);
        let bells = self
            .writable()?
            .array(first, bells_max(self.participants_max()));
        Ok(bells.unwrap_or(&[]))
    }
}

/// Where the bells begin.
fn bells_at(participants_max: usize) -> usize {
    SLOTS.bytes() as usize + participants_max * size_of::<super::Slot>()
}

/// How many there are.
fn bells_max(participants_max: usize) -> usize {
    (2 * participants_max).min(Ticket::BELLS_MAX as usize)
}

/// The bytes before the end of the bells.
pub(super) fn end_of_bells(participants_max: usize) -> usize {
    bells_at(participants_max) + bells_max(participants_max) * size_of::<BellWords>()
}
