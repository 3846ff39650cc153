//! A bell of this process, until it is dropped.

use super::super::Bus;
use crate::{
    registry::RegistryError,
    wait::{Bell, Ticket},
};

pub(super) struct OwnBell {
    bus: Bus,
    index: u32,
}

impl OwnBell {
    pub(super) fn claim(bus: &Bus) -> Result<Self, RegistryError> {
        let owner = bus.join()?;
        let index = bus.inner.registry.claim_bell(owner, bus)?;
        let bus = bus.clone();
        Ok(Self { bus, index })
    }

    /// To be rung for event number `event`.
    pub(super) fn ticket(&self, event: usize) -> Ticket {
        Ticket::new(self.index, event)
    }

    /// The bell; `None` in a forked child.
    pub(super) fn get(&self) -> Option<Bell<'_>> {
        self.bus.inner.registry.bell(self.index)
    }
}

impl Drop for OwnBell {
    fn drop(&mut self) {
        self.bus.inner.registry.release_bell(self.index);
    }
}
