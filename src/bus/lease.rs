//! Places in a topic: a subscriber's cell, a publisher's record, each owned by a participant's lease.
//!
//! How they are claimed and taken back from the dead is in [`owner`]; who is dead, the registry knows.

use super::Bus;
use crate::{
    registry::OwnerId,
    ring::{
        layout::Cell,
        owner::{self, Deaths},
        view::{CellsView, RingView},
    },
    sync::{AtomicU64, Ordering},
};

pub(super) use owner::release_cell;

impl Deaths for Bus {
    fn is_dead(&self, owner: u64) -> bool {
        OwnerId::from_word(owner).is_some_and(|owner| !self.is_alive(owner))
    }
}

/// Claims a subscriber's cell; `None` if all are taken by the living.
pub(super) fn claim_cell(bus: &Bus, cells: &CellsView, owner: OwnerId) -> Option<u32> {
    owner::claim_cell(cells, owner.word(), bus)
}

/// Claims a publisher's record: that of the only one, or of a shared one. `None` if all are taken by
/// the living.
pub(super) fn claim_record(bus: &Bus, ring: &RingView, owner: OwnerId) -> Option<u32> {
    owner::claim_record(ring, owner.word(), bus)
}

/// Frees the cell of a dead subscriber; `false` if it is alive or gone, or this process may not.
pub(super) fn reap_cell_if_dead(bus: &Bus, cell: &Cell) -> bool {
    let me = bus.participant();
    me.is_some_and(|me| owner::reap_cell_if_dead(cell, me.word(), bus))
}

/// Frees the record of a dead publisher; `false` if it is alive or gone.
pub(super) fn reap_record_if_dead(bus: &Bus, owner: &AtomicU64) -> bool {
    owner::reap_record_if_dead(owner, bus)
}

/// Registered subscribers that are alive.
pub(super) fn living_subscribers(bus: &Bus, cells: &CellsView) -> usize {
    let used = cells.cells_used().load(Ordering::Acquire);
    cells
        .used(used)
        .filter(|(_, cell)| is_living(bus, &cell.owner))
        .count()
}

/// Publishers that are alive.
pub(super) fn living_publishers(bus: &Bus, ring: &RingView) -> usize {
    let used = ring.publishers_used().load(Ordering::Acquire);
    let used = used.min(ring.geometry().shape.max_publishers.into()) as u32;
    (0..used)
        .filter(|index| is_living(bus, &ring.record(*index).owner))
        .count()
}

/// Who publishes, by number; some may be dead. See [`publisher_owner`].
pub(super) fn publishers(ring: &RingView) -> impl Iterator<Item = (u16, OwnerId)> {
    let used = ring.publishers_used().load(Ordering::Acquire);
    let used = used.min(ring.geometry().shape.max_publishers.into()) as u32;
    (0..used).filter_map(|index| Some((index as u16, publisher_owner(ring, index)?)))
}

/// The participant that a publisher's record belongs to; `None` once it has left.
pub(super) fn publisher_owner(ring: &RingView, index: u32) -> Option<OwnerId> {
    // Acquire: edge EPOCH.
    let word = ring.record(index).owner.load(Ordering::Acquire);
    OwnerId::from_word(word).filter(|_| word & OwnerId::REAPING == 0)
}

/// The process that a publisher's record names; 0 if none.
pub(super) fn publisher_pid(bus: &Bus, ring: &RingView, index: u32) -> u32 {
    let owner = OwnerId::from_word(ring.record(index).owner.load(Ordering::Acquire));
    owner.map_or(0, |owner| bus.pid_of(owner))
}

fn is_living(bus: &Bus, place: &AtomicU64) -> bool {
    let word = place.load(Ordering::Acquire);
    let owner = OwnerId::from_word(word).filter(|_| word & OwnerId::REAPING == 0);
    owner.is_some_and(|owner| bus.is_alive(owner))
}
