//! A subscriber of bytes: what `Subscriber<T>`, messages and batches share.

use std::{
    cell::Cell,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Payload, Start,
    clock::Clock,
    error::{JoinError, PollError},
    head::Head,
    lease,
    mapping::{CursorsMap, RingMap},
    start::{StartError, resolve},
    topic_shared::{TopicShared, fence_side},
};
use crate::{
    ring::{
        cursor::{Cursor, Delivery, Interruption, Run},
        place::Place,
        sequence::Sequence,
        tail::find_tail,
        view::{CellsView, RingView},
    },
    segment::generation,
    sync::{Ordering, spin_loop},
    wait::Event,
};

/// What a subscriber asked for.
pub(super) struct Joining {
    pub(super) delivery: Delivery,
    pub(super) stall_timeout: Option<Duration>,
    pub(super) start: Start,
    pub(super) spin: Duration,
}

pub(super) struct SubscriberCore {
    cursor: Cursor<'static>,
    index: u32,
    clock: Clock,
    /// The longest run that can be taken at once.
    run_max: u32,
    spin: Duration,
    arrivals: Event<'static>,
    departures: Event<'static>,
    /// What was wrong with a message of the last batch, to be told with the next poll.
    damage: Cell<Option<PollError>>,
    generation: u32,
    ring: RingView<'static>,
    cells: CellsView<'static>,
    // Dropped last: the views above point into them.
    _topic: Arc<TopicShared>,
    _ring_map: Arc<RingMap>,
    _cursors_map: Arc<CursorsMap>,
}

impl SubscriberCore {
    pub(super) fn join(topic: &Arc<TopicShared>, joining: &Joining) -> Result<Self, JoinError> {
        topic.check_not_forked()?;
        let (ring_map, cursors_map) = (Arc::clone(&topic.ring), topic.cursors()?);
        // SAFETY: the views are dropped with `Self`, which holds the maps.
        let ring = unsafe { ring_map.view_for_owner() };
        // SAFETY: as above.
        let cells = unsafe { cursors_map.cells_for_owner() };
        let description = Arc::clone(topic.description());
        let shape = description.geometry.shape;
        let clock = Clock::new(shape.time, description.tsc_hz);
        let start = resolve(&ring, clock, joining.start)
            .map_err(|error| error.into_join_error(&topic.name))?;

        let owner = topic.bus.join()?;
        let index = lease::claim_cell(&topic.bus, &cells, owner).ok_or_else(|| {
            let max = shape.max_subscribers;
            JoinError::TooManySubscribers {
                topic: topic.name.to_string(),
                max,
            }
        })?;
        let is_evictable =
            joining.delivery == Delivery::Reliable && joining.stall_timeout.is_some();
        if let Some(timeout) = joining.stall_timeout {
            let timeout_ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
            cells
                .cell(index)
                .stall_timeout_ns
                .store(timeout_ns, Ordering::Relaxed);
        }
        let mut cursor = Cursor::join(ring, cells, index, start, joining.delivery, is_evictable);
        if !joining.start.is_exact() {
            cursor.pardon_start();
        }
        let is_pinning = joining.delivery == Delivery::Lossy || is_evictable;
        let side = fence_side(&description);
        Ok(Self {
            cursor,
            index,
            clock,
            run_max: if is_pinning { shape.pins } else { u32::MAX },
            spin: joining.spin,
            arrivals: Event::new(cells.arrivals(), side),
            departures: Event::new(cells.departures(), side),
            damage: Cell::new(None),
            generation: generation(),
            ring,
            cells,
            _topic: Arc::clone(topic),
            _ring_map: ring_map,
            _cursors_map: cursors_map,
        })
    }

    #[inline(always)]
    pub(super) fn take(&mut self, max: u32) -> Result<Option<Run>, PollError> {
        if self.is_forked() {
            return Err(PollError::Forked);
        }
        if let Some(damage) = self.damage.take() {
            return Err(damage);
        }
        self.cursor
            .take(max.min(self.run_max))
            .map_err(PollError::from)
    }

    /// Keeps what is wrong with a message for the next poll to tell.
    #[cold]
    pub(super) fn note_damage(&self, error: PollError) {
        self.damage.set(Some(error));
    }

    /// Where message `seq` of a run that was taken lies.
    #[inline(always)]
    pub(super) fn place(&self, seq: Sequence) -> Result<Place, PollError> {
        self.cursor.place(seq).map_err(PollError::from)
    }

    /// The payload of a message of a run that was taken.
    ///
    /// # Safety
    ///
    /// The run is not released, nor the subscriber dropped, while the reference lives.
    #[inline(always)]
    pub(super) unsafe fn payload<'a, T: Payload + ?Sized>(
        &self,
        place: Place,
    ) -> Result<&'a T, PollError> {
        let len = self.ring.payload_len(place);
        let start = self.ring.payload(place);
        // SAFETY:
        // - the block holds `payload_max_bytes`, which bound `payload_len`, and is mapped while the
        //   subscriber lives, which is longer than `'a`.
        // - no publisher writes it while the run is held (R3), which is longer than `'a`.
        let bytes = unsafe { std::slice::from_raw_parts(start.as_ptr(), len) };
        T::from_payload(bytes).ok_or(PollError::Corrupted {
            sequence: place.sequence().0,
        })
    }

    /// What stands beside the payload of a message of a run that was taken.
    pub(super) fn head(&self, place: Place) -> Head {
        Head {
            header: self.ring.read_header(place),
            clock: self.clock,
            is_lean: self.ring.geometry().shape.is_lean(),
        }
    }

    pub(super) fn cursor(&self) -> u64 {
        self.cursor.next().0
    }

    pub(super) fn held(&self) -> u32 {
        self.cursor.held()
    }

    pub(super) fn lag(&self) -> u64 {
        if self.is_forked() {
            return 0;
        }
        find_tail(&self.ring).since(self.cursor.next())
    }

    pub(super) fn lagged(&self) -> u64 {
        if self.is_forked() {
            return 0;
        }
        self.cells.cell(self.index).lagged.load(Ordering::Relaxed)
    }

    #[inline(always)]
    pub(super) fn release(&mut self) {
        // A message that a forked child inherited is the parent's to release.
        if !self.is_forked() && self.cursor.release() {
            self.departures.notify();
        }
    }

    pub(super) fn take_newest(&mut self) -> Result<Option<Run>, PollError> {
        if self.is_forked() {
            return Err(PollError::Forked);
        }
        let (taken, has_moved) = self.cursor.take_newest();
        if has_moved {
            self.departures.notify();
        }
        Ok(taken?)
    }

    pub(super) fn seek(&mut self, start: Start) -> Result<(), PollError> {
        if self.is_forked() {
            return Err(PollError::Forked);
        }
        let first = resolve(&self.ring, self.clock, start).map_err(PollError::from)?;
        self.cursor.seek(first);
        if !start.is_exact() {
            self.cursor.pardon_start();
        }
        self.departures.notify();
        Ok(())
    }

    pub(super) fn wait(&mut self, timeout: Duration) -> Result<bool, PollError> {
        if self.is_forked() {
            return Err(PollError::Forked);
        }
        if self.cursor.is_ready() {
            return Ok(true);
        }
        if self.cursor.release_pins() {
            self.departures.notify();
        }
        let started = Instant::now();
        let deadline = started.checked_add(timeout);
        loop {
            for _ in 0..SPINS_PER_LOOK {
                if self.cursor.is_ready() {
                    return Ok(true);
                }
                spin_loop();
            }
            let now = Instant::now();
            let left = deadline.map_or(Duration::MAX, |deadline| deadline.duration_since(now));
            if left.is_zero() {
                return Ok(false);
            }
            if now.duration_since(started) >= self.spin {
                let token = self.arrivals.prepare();
                if self.cursor.is_ready() {
                    return Ok(true);
                }
                self.arrivals.sleep(token, left);
            }
        }
    }

    #[inline(always)]
    fn is_forked(&self) -> bool {
        self.generation != generation()
    }
}

const SPINS_PER_LOOK: u32 = 32;

impl Drop for SubscriberCore {
    fn drop(&mut self) {
        if self.is_forked() {
            return;
        }
        self.cursor.leave();
        lease::release_cell(self.cells.cell(self.index));
        self.departures.notify();
    }
}

impl From<Interruption> for PollError {
    fn from(interruption: Interruption) -> Self {
        match interruption {
            Interruption::Lagged { missed } => Self::Lagged { missed },
            Interruption::Evicted { missed } => Self::Evicted { missed },
            Interruption::Corrupted { seq } => Self::Corrupted { sequence: seq.0 },
        }
    }
}

impl From<StartError> for PollError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::NotYet { asked, next } => Self::NotYet { asked, next },
            StartError::NoTime => Self::NoTime,
        }
    }
}
