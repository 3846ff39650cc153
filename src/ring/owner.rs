//! Who owns a subscriber's cell or a publisher's record, and taking them back from the dead.
//!
//! Both name their owner in a word; 0 is free. Who an owner is, and whether it lives, is for the layer
//! above to say; what counts here is that the dead stay dead, so that a place whose owner is dead may
//! be taken by one compare-and-swap. Whoever takes a cell marks it with its own name as being reaped
//! until it is cleared: if it dies meanwhile, that is again a place whose owner is dead, and if it is
//! stopped, publishers do not heed the cell.

use super::{
    cursor_word::CursorWord,
    layout::{Cell, REAPING},
    view::{CellsView, RingView},
};
use crate::sync::{AtomicU64, Ordering};

/// Whether the owner that a word names, with or without [`REAPING`], is dead; nobody is not.
pub(crate) trait Deaths {
    /// The word was read by Acquire.
    fn is_dead(&self, owner: u64) -> bool;
}

/// Claims a subscriber's cell for `owner`; `None` if all are taken by the living.
pub(crate) fn claim_cell(cells: &CellsView, owner: u64, deaths: &impl Deaths) -> Option<u32> {
    let place = |index| &cells.cell(index).owner;
    let index = claim(owner | REAPING, cells.len(), place, deaths)?;
    let cell = cells.cell(index);
    clear(cell);
    // Release: edge PLACE; publishers heed the cell from now on.
    cell.owner.store(owner, Ordering::Release);
    Some(index)
}

/// Claims a publisher's record for `owner`: that of the only one, or of a shared one. `None` if all are
/// taken by the living.
pub(crate) fn claim_record(ring: &RingView, owner: u64, deaths: &impl Deaths) -> Option<u32> {
    let count = ring.geometry().shape.max_publishers;
    claim(owner, count, |index| &ring.record(index).owner, deaths)
}

/// Gives up a cell.
pub(crate) fn release_cell(cell: &Cell) {
    clear(cell);
    // Release: edge PLACE.
    cell.owner.store(0, Ordering::Release);
}

/// Frees the cell of a dead subscriber, in the name of `reaper`; `false` if it is alive or gone.
///
/// A cursor in a cell that nobody has, which no honest subscriber leaves there, goes as well: it would
/// hold up publishers for ever.
pub(crate) fn reap_cell_if_dead(cell: &Cell, reaper: u64, deaths: &impl Deaths) -> bool {
    let reaping = reaper | REAPING;
    let is_taken = match cell.owner.load(Ordering::Acquire) {
        0 => is_left_over(cell) && take_from_nobody(&cell.owner, reaping),
        _ => take_from_the_dead(&cell.owner, reaping, deaths),
    };
    if is_taken {
        release_cell(cell);
    }
    is_taken
}

/// Whether a cell, seen without an owner, has a cursor all the same.
fn is_left_over(cell: &Cell) -> bool {
    CursorWord(cell.cursor.load(Ordering::Acquire)) != CursorWord::DETACHED
}

/// Frees the record of a dead publisher; `false` if it is alive or gone. A shared one's chunk list
/// is put in order by the next one to claim it.
///
/// One swap: the successor of an exclusive publisher, who writes its lease there by the right of
/// its lock, loses nothing.
pub(crate) fn reap_record_if_dead(owner: &AtomicU64, deaths: &impl Deaths) -> bool {
    take_from_the_dead(owner, 0, deaths)
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
    cell.bell.store(0, Ordering::Relaxed);
    cell.more.store(0, Ordering::Relaxed);
}

/// Claims the first of `count` places that is free or, if none is, whose owner is dead.
pub(crate) fn claim<'a>(
    taker: u64,
    count: u32,
    place: impl Fn(u32) -> &'a AtomicU64,
    deaths: &impl Deaths,
) -> Option<u32> {
    let take_free = |index: &u32| take_from_nobody(place(*index), taker);
    let take_dead = |index: &u32| take_from_the_dead(place(*index), taker, deaths);
    // Who found a dead owner may have been stopped while others reaped it: the place is free by now,
    // and must not look taken.
    let take_any = |index: &u32| take_dead(index) || take_free(index);
    (0..count)
        .find(take_free)
        .or_else(|| (0..count).find(take_any))
}

fn take_from_nobody(place: &AtomicU64, taker: u64) -> bool {
    // AcqRel: edge PLACE, pairs with the Release that freed it; what its last holder left is seen.
    place
        .compare_exchange(0, taker, Ordering::AcqRel, Ordering::Relaxed)
        .is_ok()
}

fn take_from_the_dead(place: &AtomicU64, taker: u64, deaths: &impl Deaths) -> bool {
    // Acquire: edge PLACE, as in `claim`.
    let word = place.load(Ordering::Acquire);
    deaths.is_dead(word)
        && place
            .compare_exchange(word, taker, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
}
