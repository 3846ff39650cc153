//! What a cell tells about its subscriber to those who wait in its place, and whom to tell that
//! something has moved.

use super::{
    cursor_word::{CursorState, CursorWord},
    layout::Cell,
    sequence::{Sequence, Slot},
    view::{CellsView, RingView},
};
use crate::sync::{Ordering, load_acquire};

/// Whether a poll of the subscriber in `cell` would have something to say, for whoever is not the
/// subscriber itself: in doubt, it would.
///
/// A message that a reliable subscriber has in hand counts as one to be polled.
pub(crate) fn has_news(ring: &RingView, cell: &Cell) -> bool {
    if cell.more.load(Ordering::Relaxed) != 0 {
        return true;
    }
    let word = CursorWord(cell.cursor.load(Ordering::Relaxed));
    match word.state() {
        CursorState::Overtaken | CursorState::Evicted => return true,
        CursorState::Detached => return false,
        CursorState::Reliable | CursorState::Evictable | CursorState::Lossy => {}
    }
    // Within 2^47 of it, as of every sequence that may be asked for.
    let near = Sequence(load_acquire(ring.limit()));
    let next = word.sequence(near).plus(word.pins().into());
    // Acquire: edge COMMIT.
    let stamp = load_acquire(ring.stamp(next));
    ring.geometry().stamps.read(stamp, next) != Slot::Empty
}

/// Calls `ring_bell` for each subscriber that wants to be told that something was published.
pub(crate) fn tell_subscribers(cells: &CellsView, ring_bell: impl Fn(u32)) {
    // Relaxed: edge CALL has brought the count and the words here.
    let used = cells.cells_used().load(Ordering::Relaxed);
    for (_, cell) in cells.used(used) {
        match cell.bell.load(Ordering::Relaxed) {
            0 => {}
            bell => ring_bell(bell),
        }
    }
}

/// Calls `ring_bell` for each publisher that wants to be told that a subscriber has moved on.
pub(crate) fn tell_publishers(ring: &RingView, ring_bell: impl Fn(u32)) {
    let used = load_acquire(ring.publishers_used());
    let used = used.min(ring.geometry().shape.max_publishers.into()) as u32;
    for index in 0..used {
        match ring.record(index).bell.load(Ordering::Relaxed) {
            0 => {}
            bell => ring_bell(bell),
        }
    }
}
