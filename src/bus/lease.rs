//! Places in a topic, and taking them back from the dead.
//!
//! A place (a subscriber's cell, a shared publisher's record) names its holder's lease in its owner
//! word; 0 is free. A lease never comes back to life, so a place whose holder is dead may be taken by
//! one compare-and-swap. Whoever takes a cell marks it with its own lease as being reaped until it is
//! cleared: if it dies meanwhile, that is again a place whose holder is dead, and if it is stopped,
//! publishers do not heed the cell.

use super::Bus;
use crate::{
    registry::OwnerId,
    ring::{
        cursor_word::CursorWord,
        layout::Cell,
        view::{CellsView, RingView},
    },
    sync::{AtomicU64, Ordering},
};

/// Claims a subscriber's cell; `None` if all are taken by the living.
pub(super) fn claim_cell(bus: &Bus, cells: &CellsView, owner: OwnerId) -> Option<u32> {
    let reaping = owner.word() | OwnerId::REAPING;
    let index = claim(bus, reaping, cells.len(), |index| &cells.cell(index).owner)?;
    let cell = cells.cell(index);
    clear(cell);
    // Release: edge PLACE; publishers heed the cell from now on.
    cell.owner.store(owner.word(), Ordering::Release);
    Some(index)
}

/// Claims the record of a shared publisher; `None` if all are taken by the living.
pub(super) fn claim_record(bus: &Bus, ring: &RingView, owner: OwnerId) -> Option<u32> {
    claim(
        bus,
        owner.word(),
        ring.geometry().shape.max_publishers,
        |index| &ring.record(index).owner,
    )
}

/// Gives up a cell.
pub(super) fn release_cell(cell: &Cell) {
    clear(cell);
    // Release: edge PLACE.
    cell.owner.store(0, Ordering::Release);
}

fn clear(cell: &Cell) {
    // Release: edge RELEASE; a dead holder's pins go with it.
    cell.cursor.store(CursorWord::DETACHED.0, Ordering::Release);
    for count in [
        &cell.lagged,
        &cell.lag_events,
        &cell.evictions,
        &cell.stall_timeout_ns,
    ] {
        count.store(0, Ordering::Relaxed);
    }
}

/// Frees the cell of a dead subscriber; `false` if it is alive or gone.
pub(super) fn reap_cell_if_dead(bus: &Bus, cell: &Cell) -> bool {
    let Some(me) = bus.participant() else {
        return false;
    };
    if !take_from_the_dead(bus, &cell.owner, me.word() | OwnerId::REAPING) {
        return false;
    }
    release_cell(cell);
    true
}

/// Frees the record of a dead publisher; `false` if it is alive or gone. A shared one's chunk list
/// is put in order by the next one to claim it.
///
/// One swap: the successor of an exclusive publisher, who writes its lease there by the right of
/// its lock, loses nothing.
pub(super) fn reap_record_if_dead(bus: &Bus, owner: &AtomicU64) -> bool {
    take_from_the_dead(bus, owner, 0)
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

/// The process that a publisher's record names; 0 if none.
pub(super) fn publisher_pid(bus: &Bus, ring: &RingView, index: u32) -> u32 {
    let owner = OwnerId::from_word(ring.record(index).owner.load(Ordering::Acquire));
    owner
        .and_then(|owner| bus.process_of(owner))
        .map_or(0, |process| process.pid)
}

fn is_living(bus: &Bus, place: &AtomicU64) -> bool {
    let word = place.load(Ordering::Acquire);
    let owner = OwnerId::from_word(word).filter(|_| word & OwnerId::REAPING == 0);
    owner.is_some_and(|owner| bus.is_alive(owner))
}

/// The first of `count` places that is free or, if none is, whose holder is dead.
fn claim<'a>(
    bus: &Bus,
    taker: u64,
    count: u32,
    place: impl Fn(u32) -> &'a AtomicU64,
) -> Option<u32> {
    let take_free = |index: &u32| {
        // AcqRel: edge PLACE, pairs with the Release that freed it; what its last holder left is
        // seen.
        place(*index)
            .compare_exchange(0, taker, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    };
    let take_dead = |index: &u32| take_from_the_dead(bus, place(*index), taker);
    (0..count)
        .find(take_free)
        .or_else(|| (0..count).find(take_dead))
}

fn take_from_the_dead(bus: &Bus, place: &AtomicU64, taker: u64) -> bool {
    // Acquire: edge PLACE, as in `claim`.
    let word = place.load(Ordering::Acquire);
    let is_dead = OwnerId::from_word(word).is_some_and(|owner| !bus.is_alive(owner));
    is_dead
        && place
            .compare_exchange(word, taker, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
}
