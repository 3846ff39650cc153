//! Subscribing.

use std::{
    fmt,
    marker::PhantomData,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Batch, Message, MessageRef, Payload,
    clock::Clock,
    error::{JoinError, PollError},
    lease,
    mapping::{CursorsMap, RingMap},
    message::Head,
    start::{Start, StartError, resolve},
    topic::{TopicShared, fence_side},
};
use crate::{
    ring::{
        cursor::{Cursor, Delivery, Interruption, Run},
        sequence::Sequence,
        tail::find_tail,
        view::{CellsView, RingView},
    },
    segment::generation,
    sync::{Ordering, spin_loop},
    wait::Event,
};

/// How a subscriber is to read; made by [`Topic::subscriber`](super::Topic::subscriber).
#[must_use = "a builder does nothing until `join`"]
pub struct SubscriberBuilder<T: ?Sized> {
    topic: Arc<TopicShared>,
    delivery: Delivery,
    stall_timeout: Option<Duration>,
    start: Start,
    spin: Duration,
    payload: PhantomData<fn(&T)>,
}

/// Reads the messages of a topic in place, each once and in order, at its own pace.
///
/// # Lagging
///
/// A *lossy* subscriber (the default) that is more than a lap behind is overtaken: its next poll
/// says [`PollError::Lagged`] with the exact number of messages that it did not get, and the poll
/// after that goes on with the oldest message still retained. Publishers overtake an eighth of a lap
/// early, so count on seven eighths of the capacity. A message that the subscriber holds is never
/// overwritten, even if the process is stopped for an hour: its slot is replaced by a spare chunk.
///
/// A *reliable* subscriber is never overtaken: publishers wait for it, or are told
/// [`PublishError::Full`](super::PublishError::Full). If its process dies, they go on within 50 ms.
/// If it has set a [stall timeout](SubscriberBuilder::stall_timeout) and does not move for that
/// long while it holds up a publisher, it is evicted, and its next poll says
/// [`PollError::Evicted`].
///
/// ```
/// # let bus = ringbus::Bus::builder().dir(std::env::temp_dir().join("ringbus-doc")).open()?;
/// # let topic = bus.topic("doc/subscriber").open_or_create()?;
/// # let publisher = topic.publisher()?;
/// let mut subscriber = topic.subscriber().reliable().join()?;
/// publisher.publish(b"hello")?;
/// while let Some(message) = subscriber.poll()? {
///     println!("{}: {:?}", message.sequence(), message.payload());
/// }
/// # drop((publisher, subscriber));
/// # bus.remove("doc/subscriber", ringbus::Remove::Force)?;
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct Subscriber<T: ?Sized> {
    core: SubscriberCore,
    payload: PhantomData<fn() -> Box<T>>,
}

/// How long a wait spins before it sleeps, unless set otherwise.
const DEFAULT_SPIN: Duration = Duration::from_micros(20);
const SPINS_PER_LOOK: u32 = 32;

impl<T: Payload + ?Sized> SubscriberBuilder<T> {
    pub(super) fn new(topic: Arc<TopicShared>) -> Self {
        Self {
            topic,
            delivery: Delivery::default(),
            stall_timeout: None,
            start: Start::Latest,
            spin: DEFAULT_SPIN,
            payload: PhantomData,
        }
    }

    /// Gets every message: publishers wait for it.
    pub fn reliable(mut self) -> Self {
        self.delivery = Delivery::Reliable;
        self
    }

    /// Holds up nobody, and is told exactly what it missed; the default.
    pub fn lossy(mut self) -> Self {
        self.delivery = Delivery::Lossy;
        self
    }

    /// Lets publishers evict this reliable subscriber if it holds them up for so long without
    /// moving. Without it a living subscriber is waited for as long as it takes.
    ///
    /// Costs two atomic swaps for each poll, and limits batches to the topic's pins.
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.stall_timeout = Some(timeout);
        self
    }

    /// The first message to read; [`Start::Latest`] by default.
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// How long [`wait`](Subscriber::wait) spins before it sleeps; 20 us by default. Zero saves the
    /// processor, more than the pause between messages saves the wake-up.
    pub fn spin(mut self, time: Duration) -> Self {
        self.spin = time;
        self
    }

    /// Joins the topic.
    ///
    /// Everything published after it returns is delivered (or counted as missed). Works whether or
    /// not a publisher is there.
    ///
    /// # Errors
    ///
    /// [`JoinError::TooManySubscribers`], [`JoinError::NotYet`] and [`JoinError::NoTime`] for
    /// impossible starts, [`JoinError::Segment`] where this process may not write the topic's
    /// cursors: an [`Observer`](super::Observer) needs no such right.
    pub fn join(self) -> Result<Subscriber<T>, JoinError> {
        let core = SubscriberCore::join(&self)?;
        Ok(Subscriber {
            core,
            payload: PhantomData,
        })
    }
}

impl<T: Payload + ?Sized> Subscriber<T> {
    /// The next message, if there is one. Never waits.
    ///
    /// # Errors
    ///
    /// [`PollError::Lagged`] and [`PollError::Evicted`], once each time; the next poll goes on.
    #[inline]
    pub fn poll(&mut self) -> Result<Option<Message<'_, T>>, PollError> {
        let Some(run) = self.core.take(1)? else {
            return Ok(None);
        };
        let core: *mut SubscriberCore = &mut self.core;
        // SAFETY: `core` is `self.core`, borrowed for the message's lifetime; the reference made
        // here ends with this statement, and what it returns lies in the mapping, not in `core`.
        let core_ref = unsafe { &*core };
        // SAFETY: `take` holds the message until `Message::drop` releases it.
        let view = unsafe { core_ref.message(run.first) }?;
        Ok(Some(Message::new(&mut self.core, view)))
    }

    /// Up to `max` of the next messages; an empty batch if there is none. Never waits, and moves
    /// the cursor once, when the batch is dropped. A lossy subscriber, or one with a stall timeout,
    /// gets at most the topic's `pins`.
    ///
    /// # Errors
    ///
    /// Those of [`poll`](Self::poll).
    #[inline]
    pub fn poll_batch(&mut self, max: usize) -> Result<Batch<'_, T>, PollError> {
        let max = max.min(u32::MAX as usize) as u32;
        let nothing = Run {
            first: Sequence(0),
            len: 0,
        };
        let run = self.core.take(max)?.unwrap_or(nothing);
        Ok(Batch::new(&mut self.core, run))
    }

    /// The newest message, unless it was read before; skips everything in between, which does not
    /// count as missed.
    ///
    /// # Errors
    ///
    /// Those of [`poll`](Self::poll).
    pub fn latest(&mut self) -> Result<Option<Message<'_, T>>, PollError> {
        self.core.skip_to_latest()?;
        self.poll()
    }

    /// Waits until there is something to poll; `false` after `timeout`. Spins first, then sleeps:
    /// publishers pay for a wake-up only while somebody sleeps.
    ///
    /// # Errors
    ///
    /// [`PollError::Forked`].
    pub fn wait(&mut self, timeout: Duration) -> Result<bool, PollError> {
        self.core.wait(timeout)
    }

    /// Goes on at `start`. What lies between does not count as missed, except that a sequence
    /// which is no longer retained makes the next poll say [`PollError::Lagged`].
    ///
    /// # Errors
    ///
    /// [`PollError::NotYet`], [`PollError::NoTime`]; then nothing has changed.
    pub fn seek(&mut self, start: Start) -> Result<(), PollError> {
        self.core.seek(start)
    }

    /// The sequence of the next message that it will read.
    pub fn cursor(&self) -> u64 {
        self.core.cursor.next().0
    }

    /// Messages that are published and not read yet, at some moment during the call.
    pub fn lag(&self) -> u64 {
        find_tail(&self.core.ring).since(self.core.cursor.next())
    }

    /// Messages missed since it joined, all in all.
    pub fn lagged(&self) -> u64 {
        self.core
            .cells
            .cell(self.core.index)
            .lagged
            .load(Ordering::Relaxed)
    }
}

impl<T: ?Sized> fmt::Debug for Subscriber<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("cursor", &self.core.cursor.next().0)
            .finish_non_exhaustive()
    }
}

/// A subscriber of bytes: what `Subscriber<T>`, messages and batches share.
pub(super) struct SubscriberCore {
    cursor: Cursor<'static>,
    index: u32,
    clock: Clock,
    is_lean: bool,
    /// The longest run that can be taken at once.
    run_max: u32,
    spin: Duration,
    arrivals: Event<'static>,
    departures: Event<'static>,
    generation: u32,
    ring: RingView<'static>,
    cells: CellsView<'static>,
    // Dropped last: the views above point into them.
    _topic: Arc<TopicShared>,
    _ring_map: Arc<RingMap>,
    _cursors_map: Arc<CursorsMap>,
}

impl SubscriberCore {
    fn join<T: ?Sized>(builder: &SubscriberBuilder<T>) -> Result<Self, JoinError> {
        let topic = Arc::clone(&builder.topic);
        let (ring_map, cursors_map) = (Arc::clone(&topic.ring), topic.cursors()?);
        // SAFETY: the views are dropped with `Self`, which holds the maps.
        let ring = unsafe { ring_map.view_for_owner() };
        // SAFETY: as above.
        let cells = unsafe { cursors_map.cells_for_owner() };
        let description = Arc::clone(topic.description());
        let shape = description.geometry.shape;
        let clock = Clock::new(shape.time, description.tsc_hz);
        let start = resolve(&ring, clock, builder.start)
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
            builder.delivery == Delivery::Reliable && builder.stall_timeout.is_some();
        if let Some(timeout) = builder.stall_timeout {
            let timeout_ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
            cells
                .cell(index)
                .stall_timeout_ns
                .store(timeout_ns, Ordering::Relaxed);
        }
        let cursor = Cursor::join(ring, cells, index, start, builder.delivery, is_evictable);
        let is_pinning = builder.delivery == Delivery::Lossy || is_evictable;
        let side = fence_side(&description);
        Ok(Self {
            cursor,
            index,
            clock,
            is_lean: shape.is_lean(),
            run_max: if is_pinning { shape.pins } else { u32::MAX },
            spin: builder.spin,
            arrivals: Event::new(cells.arrivals(), side),
            departures: Event::new(cells.departures(), side),
            generation: generation(),
            ring,
            cells,
            _topic: topic,
            _ring_map: ring_map,
            _cursors_map: cursors_map,
        })
    }

    #[inline(always)]
    fn take(&mut self, max: u32) -> Result<Option<Run>, PollError> {
        if self.is_forked() {
            return Err(PollError::Forked);
        }
        self.cursor
            .take(max.min(self.run_max))
            .map_err(PollError::from)
    }

    /// A message of a run that was taken.
    ///
    /// # Safety
    ///
    /// The run is not released while the reference lives.
    #[inline(always)]
    pub(super) unsafe fn message<'a, T: Payload + ?Sized>(
        &self,
        seq: Sequence,
    ) -> Result<MessageRef<'a, T>, PollError> {
        let place = self.cursor.place(seq)?;
        let header = self.ring.read_header(place);
        let start = self.ring.payload(place);
        // SAFETY:
        // - the block holds `payload_max_bytes`, which bound the length in `read_header`, and is
        //   mapped while the subscriber, which `'a` is within, lives.
        // - no publisher writes it while the run is held (R3).
        let bytes =
            unsafe { std::slice::from_raw_parts(start.as_ptr(), header.len_bytes as usize) };
        let payload = T::from_payload(bytes).ok_or(PollError::Corrupted { sequence: seq.0 })?;
        let time = self.clock.read(header.time);
        Ok(MessageRef {
            payload,
            head: Head {
                seq,
                header,
                time,
                is_lean: self.is_lean,
            },
        })
    }

    #[inline(always)]
    pub(super) fn release(&mut self) {
        if self.cursor.release() {
            self.departures.notify();
        }
    }

    fn skip_to_latest(&mut self) -> Result<(), PollError> {
        if self.is_forked() {
            return Err(PollError::Forked);
        }
        let newest = find_tail(&self.ring).minus(1);
        if newest > self.cursor.next() && self.cursor.skip_to(newest) {
            self.departures.notify();
        }
        Ok(())
    }

    fn seek(&mut self, start: Start) -> Result<(), PollError> {
        if self.is_forked() {
            return Err(PollError::Forked);
        }
        let start = resolve(&self.ring, self.clock, start).map_err(PollError::from)?;
        self.cursor.seek(start);
        self.departures.notify();
        Ok(())
    }

    fn wait(&mut self, timeout: Duration) -> Result<bool, PollError> {
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
