//! The gate: how far publishers may write, given every subscriber's cursor.

use super::{
    cursor_word::{CursorState, CursorWord},
    layout::{Cell, REAPING},
    sequence::Sequence,
    view::{CellsView, RingView},
};
use crate::sync::{Ordering, fence};

/// How often a cursor may change while it is to be marked; an honest one wins this race once or twice.
const ROUNDS_MAX: u32 = 1 << 12;

/// What a look at all cursors allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clearance {
    /// No reliable subscriber needs what sequences before this one overwrite.
    pub(crate) until: Sequence,
    /// The cell of the slowest reliable subscriber, if it is what bounds `until`.
    pub(crate) slowest: Option<u32>,
    /// The first sequence from the asked one on whose slot may hold a message that an overtaken
    /// or evicted subscriber still has, and that subscriber's cell.
    pub(crate) pinned: Option<(Sequence, u32)>,
}

/// Raises the ring's limit to `want` and looks at every cursor: what may be written from `seq` on.
///
/// Overtakes each lossy subscriber that is in the way. `want` is more than `seq` and at most a lap
/// after the tail. If a reliable subscriber keeps even `seq` from being written, then nothing is
/// raised, and nobody overtaken: what nothing replaces stays there to be read.
#[cold]
pub(crate) fn raise(
    ring: &RingView,
    cells: &CellsView,
    seq: Sequence,
    want: Sequence,
) -> Clearance {
    let capacity = ring.geometry().shape.capacity_slots;
    if let Some(shut) = refusal(cells, seq, capacity) {
        return shut;
    }
    // AcqRel: edge LIMIT, pairs with the Acquire loads in `tail`; whoever reads the limit finds
    // the tail within a lap of it.
    ring.limit().fetch_max(want.0, Ordering::AcqRel);
    // Edge JOIN, pairs with the fence in `cursor::attach`: either this look sees the newcomer's
    // cursor, or the newcomer sees the new limit. Edge OBSERVE: payload stores that follow are
    // after the limit for an observer.
    fence(Ordering::SeqCst);

    let mut clearance = Clearance {
        until: want,
        slowest: None,
        pinned: None,
    };
    for (index, cell) in cells.used(cells.cells_used().load(Ordering::Acquire)) {
        let word = overtake_if_in_the_way(cell, seq, want, capacity);
        match word.state() {
            CursorState::Detached | CursorState::Lossy => {}
            CursorState::Reliable | CursorState::Evictable => {
                let until = word.sequence(seq).plus(capacity);
                if until < clearance.until {
                    clearance.until = until;
                    clearance.slowest = Some(index);
                }
            }
            CursorState::Overtaken | CursorState::Evicted => {
                if let Some(pinned) = next_pinned(word, seq, capacity)
                    && clearance.pinned.is_none_or(|(first, _)| pinned < first)
                {
                    clearance.pinned = Some((pinned, index));
                }
            }
        }
    }
    clearance
}

/// What the slowest reliable subscriber allows, if that is less than to write `seq`.
fn refusal(cells: &CellsView, seq: Sequence, capacity: u64) -> Option<Clearance> {
    let (until, slowest) = slowest(cells, seq, capacity)?;
    (until <= seq).then_some(Clearance {
        until,
        slowest: Some(slowest),
        pinned: None,
    })
}

/// How far the slowest reliable subscriber lets publishers write, and its cell.
pub(super) fn slowest(cells: &CellsView, seq: Sequence, capacity: u64) -> Option<(Sequence, u32)> {
    let used = cells.cells_used().load(Ordering::Acquire);
    let reliable = cells.used(used).filter_map(|(index, cell)| {
        let word = cursor_of(cell);
        let is_reliable = matches!(word.state(), CursorState::Reliable | CursorState::Evictable);
        is_reliable.then(|| (word.sequence(seq).plus(capacity), index))
    });
    reliable.min()
}

/// Whether any overtaken or evicted subscriber still holds message `seq`; and who.
#[cold]
pub(crate) fn holder(cells: &CellsView, seq: Sequence) -> Option<u32> {
    let used = cells.cells_used().load(Ordering::Acquire);
    cells
        .used(used)
        .find(|(_, cell)| cursor_of(cell).holds(seq))
        .map(|(index, _)| index)
}

/// Evicts an evictable subscriber whose cursor still reads `seen`; `false` if it moved meanwhile.
pub(crate) fn evict(cell: &Cell, seen: CursorWord) -> bool {
    // Acquire: edge RELEASE. Releases nothing, as in `overtake_if_in_the_way`.
    seen.state() == CursorState::Evictable
        && cell
            .cursor
            .compare_exchange(
                seen.0,
                seen.with_state(CursorState::Evicted).0,
                Ordering::Acquire,
                Ordering::Relaxed,
            )
            .is_ok()
}

/// The cell's word after a lossy subscriber that holds back `want` was marked as overtaken.
fn overtake_if_in_the_way(cell: &Cell, seq: Sequence, want: Sequence, capacity: u64) -> CursorWord {
    let mut word = cursor_of(cell);
    // A subscriber that moves is soon out of the way; each round here is one move of its.
    for _ in 0..ROUNDS_MAX {
        if word.state() != CursorState::Lossy || word.sequence(seq).plus(capacity) >= want {
            return word;
        }
        let overtaken = word.with_state(CursorState::Overtaken);
        // Acquire: edge RELEASE, as above. Releases nothing: the subscriber, whose swaps now fail,
        // comes back by edge JOIN, and sees the limit by that.
        match cell.cursor.compare_exchange(
            word.0,
            overtaken.0,
            Ordering::Acquire,
            Ordering::Acquire,
        ) {
            Ok(_) => return overtaken,
            Err(now) => word = CursorWord(now),
        }
    }
    // One that only pretends to move. Waited for this time: it may still hold what is in the way.
    word.with_state(CursorState::Reliable)
}

/// The cursor that publishers must heed.
fn cursor_of(cell: &Cell) -> CursorWord {
    // Acquire: edge RELEASE, pairs with the Release stores and swaps of `Cursor`; its reads of
    // everything before its cursor happened before the publisher's writes.
    let word = CursorWord(cell.cursor.load(Ordering::Acquire));
    // Relaxed: edge JOIN covers the owner like the cursor. One who joined through the cell before a
    // publisher's fence is seen as its owner; for one who joins later, the limit is enough.
    match cell.owner.load(Ordering::Relaxed) & REAPING {
        0 => word,
        _ => CursorWord::DETACHED,
    }
}

/// The first sequence from `seq` on that belongs into the slot of a message which `word` pins.
fn next_pinned(word: CursorWord, seq: Sequence, capacity: u64) -> Option<Sequence> {
    let pins = u64::from(word.pins());
    let behind = word.slot_distance(seq, capacity);
    match pins {
        0 => None,
        _ if behind < pins => Some(seq),
        _ => Some(seq.plus(capacity - behind)),
    }
}
