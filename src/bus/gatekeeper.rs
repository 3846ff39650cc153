//! What a publisher does while the gate is shut: reap the dead, evict the stuck, wait for the rest.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use super::{
    Bus, Patience,
    error::{Culprit, PublishError},
    lease,
};
use crate::{
    registry::OwnerId,
    ring::{
        cursor_word::{CursorState, CursorWord},
        gate,
        layout::PublisherRecord,
        publish::Shut,
        sequence::Sequence,
        view::CellsView,
    },
    segment::generation,
    sync::{AtomicU64, Ordering, spin_loop},
    wait::{Event, FenceSide},
};

/// One publisher's dealings with the subscribers that hold it up.
pub(super) struct Gatekeeper {
    bus: Bus,
    cells: CellsView<'static>,
    record: &'static PublisherRecord,
    /// Bytes of a spare chunk.
    spare_bytes: u64,
    departures: Event<'static>,
    /// The subscriber that was last found in the way, and since when it has not moved.
    stalled: Cell<Option<Stall>>,
    looked_at: Cell<Option<Instant>>,
    generation: u32,
}

#[derive(Clone, Copy)]
struct Stall {
    cell: u32,
    word: CursorWord,
    since: Instant,
}

/// Why a publish did not happen at once.
#[derive(Clone, Copy)]
pub(super) enum Refusal {
    /// Somebody is in the way: it may be different later.
    Shut(Shut),
    /// It will not be different later.
    Final(PublishError),
}

/// How long a publisher spins at the gate before it sleeps: several times what its wake costs the
/// subscriber. A stream through a ring of 64 slots, million messages a second: without 20-23, 5 us 24-26,
/// 20 us 24-27, 100 us 24-25 (for this one: `ringbus bench stream --capacity 64`).
const SPIN_FOR: Duration = Duration::from_micros(20);
/// The longest sleep before the subscriber in the way is looked at again, so that a dead one is
/// reaped well within 50 ms.
const SLEEP_MAX: Duration = Duration::from_millis(10);
/// How often to ask the kernel whether the subscriber in the way is alive.
const LOOK_EVERY: Duration = Duration::from_millis(1);
const SPINS_PER_TRY: u32 = 32;

impl Gatekeeper {
    pub(super) fn new(
        bus: Bus,
        cells: CellsView<'static>,
        record: &'static PublisherRecord,
        spare_bytes: u64,
        side: FenceSide,
    ) -> Self {
        let departures = Event::new(cells.departures(), side);
        let (stalled, looked_at) = (Cell::new(None), Cell::new(None));
        Self {
            bus,
            cells,
            record,
            spare_bytes,
            departures,
            stalled,
            looked_at,
            generation: generation(),
        }
    }

    /// Calls `again` until it is not refused, or `patience` ends, or the refusal is final. `position` is
    /// the sequence near which the publisher is.
    #[cold]
    pub(super) fn wait<R>(
        &self,
        refusal: Refusal,
        patience: Patience,
        position: u64,
        again: impl Fn() -> Result<R, Refusal>,
    ) -> Result<R, PublishError> {
        let mut shut = refusal.shut()?;
        let is_try = patience == Patience::Try;
        add_one(if is_try {
            &self.record.full
        } else {
            &self.record.waited
        });
        let started = Instant::now();
        let deadline = match patience {
            Patience::Try => Some(started),
            Patience::For(timeout) => started.checked_add(timeout),
            Patience::Forever => None,
        };
        loop {
            if self.generation != generation() {
                return Err(PublishError::Forked);
            }
            let now = Instant::now();
            let is_relieved = self.relieve(shut, now);
            if !is_relieved {
                match shut {
                    Shut::Gate { .. } | Shut::Pins { .. } => {}
                    Shut::Space => {
                        let needed_bytes = self.spare_bytes;
                        return Err(PublishError::NoSpace { needed_bytes });
                    }
                    Shut::Corrupted { seq } => {
                        return Err(PublishError::Corrupted { sequence: seq.0 });
                    }
                }
                if deadline.is_some_and(|end| now >= end) {
                    return Err(PublishError::Full(self.culprit(shut, position)));
                }
                if now.duration_since(started) < SPIN_FOR {
                    (0..SPINS_PER_TRY).for_each(|_| spin_loop());
                } else {
                    let token = self.departures.prepare();
                    match again() {
                        Ok(done) => return Ok(done),
                        Err(refusal) => refusal.shut()?,
                    };
                    let left = deadline.map_or(SLEEP_MAX, |end| end.duration_since(now));
                    self.departures.sleep(token, left.min(SLEEP_MAX));
                }
            }
            match again() {
                Ok(done) => return Ok(done),
                Err(refusal) => shut = refusal.shut()?,
            }
        }
    }

    /// Removes what is in the way if it is dead, or stuck for longer than it allows; `true` if so.
    fn relieve(&self, shut: Shut, now: Instant) -> bool {
        let (Shut::Gate { cell: index } | Shut::Pins { cell: index }) = shut else {
            return false;
        };
        self.reap_if_dead(index, now) || self.evict_if_stalled(index, now)
    }

    fn reap_if_dead(&self, index: u32, now: Instant) -> bool {
        let looked_at = self.looked_at.replace(Some(now));
        if looked_at.is_some_and(|at| now.duration_since(at) < LOOK_EVERY) {
            self.looked_at.set(looked_at);
            return false;
        }
        let is_reaped = lease::reap_cell_if_dead(&self.bus, self.cells.cell(index));
        if is_reaped {
            // The next one in the way may be dead as well.
            self.looked_at.set(None);
        }
        is_reaped
    }

    fn evict_if_stalled(&self, index: u32, now: Instant) -> bool {
        let cell = self.cells.cell(index);
        let word = CursorWord(cell.cursor.load(Ordering::Acquire));
        if word.state() != CursorState::Evictable {
            return false;
        }
        match self.stalled.get() {
            Some(stall) if stall.cell == index && stall.word == word => {
                let timeout = Duration::from_nanos(cell.stall_timeout_ns.load(Ordering::Relaxed));
                if now.duration_since(stall.since) < timeout || !gate::evict(cell, word) {
                    return false;
                }
                cell.evictions.fetch_add(1, Ordering::Relaxed);
                add_one(&self.record.evicted);
                true
            }
            _ => {
                self.stalled.set(Some(Stall {
                    cell: index,
                    word,
                    since: now,
                }));
                false
            }
        }
    }

    fn culprit(&self, shut: Shut, position: u64) -> Culprit {
        let (subscriber, holds_pins) = match shut {
            Shut::Gate { cell } => (cell, false),
            Shut::Pins { cell } => (cell, true),
            // Nobody's doing; `wait` has said so.
            Shut::Space | Shut::Corrupted { .. } => (0, true),
        };
        let cell = self.cells.cell(subscriber);
        let word = CursorWord(cell.cursor.load(Ordering::Acquire));
        let owner = OwnerId::from_word(cell.owner.load(Ordering::Acquire));
        let position = Sequence(position);
        Culprit {
            subscriber,
            pid: owner.map_or(0, |owner| self.bus.pid_of(owner)),
            behind: position.since(word.sequence(position)),
            holds_pins,
        }
    }
}

impl Refusal {
    fn shut(self) -> Result<Shut, PublishError> {
        match self {
            Self::Shut(shut) => Ok(shut),
            Self::Final(error) => Err(error),
        }
    }
}

/// Adds to a count that this publisher alone writes.
fn add_one(count: &AtomicU64) {
    count.store(
        count.load(Ordering::Relaxed).wrapping_add(1),
        Ordering::Relaxed,
    );
}
