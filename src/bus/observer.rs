//! Observing: reading without being registered.

use std::{
    fmt,
    marker::PhantomData,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Payload, Start,
    clock::Clock,
    error::{JoinError, PollError},
    head::Head,
    mapping::RingMap,
    message::message_accessors,
    start::resolve,
    topic_shared::TopicShared,
};
use crate::{
    ring::{
        block::BlockHeader,
        observe::{CopyBuffer, Observation, ObserverCursor},
        place::Place,
        sequence::Sequence,
        tail::find_tail,
        view::RingView,
    },
    segment::generation,
    sync::spin_loop,
};

/// Reads the messages of a topic through a read-only mapping, as copies, unknown to everybody.
///
/// Any number of observers can watch a topic: they take no place, write nothing and hold up nobody.
/// In return each message is copied, and one that is overwritten meanwhile counts as missed. For
/// monitors, and for readers that are not trusted.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// # let topic = bus.topic("orders").open_or_create()?;
/// # let publisher = topic.publisher()?;
/// publisher.publish(b"hello")?;
/// let mut observer = topic.observer(ringbus::Start::Oldest)?;
/// assert_eq!(observer.poll()?.expect("a message").payload(), b"hello");
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct Observer<T: ?Sized> {
    cursor: ObserverCursor<'static>,
    buffer: CopyBuffer,
    clock: Clock,
    lagged: u64,
    generation: u32,
    ring: RingView<'static>,
    // Dropped last: the views above point into it.
    _ring_map: Arc<RingMap>,
    payload: PhantomData<fn() -> Box<T>>,
}

/// A private copy of a message, made and checked by an observer. It lives until the next poll,
/// which reuses its memory; nobody else can change it.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// # use ringbus::Start;
/// let topic = bus.topic("pose").capacity(1).open_or_create()?;
/// let mut observer = topic.observer(Start::Latest)?;
/// let publisher = topic.publisher()?;
/// publisher.publish(b"here")?;
/// let snapshot = observer.poll()?.expect("a message");
/// publisher.publish(b"there")?; // in the same slot
/// assert_eq!((snapshot.sequence(), snapshot.payload()), (0, &b"here"[..]));
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct Snapshot<'o, T: ?Sized> {
    place: Place,
    payload: &'o T,
    attributes: &'o [u8],
    head: Head,
}

message_accessors!(Snapshot);

/// An observer cannot tell publishers that it sleeps: it looks again after a pause, which grows
/// from the first to the second of these.
const PAUSES: (Duration, Duration) = (Duration::from_micros(50), Duration::from_millis(1));
const SPINS_BEFORE_PAUSE: u32 = 2_000;
/// How often reading the newest message gives way to a publisher that laps the ring meanwhile.
const NEWEST_ROUNDS_MAX: u32 = 1 << 16;

impl<T: Payload + ?Sized> Observer<T> {
    pub(super) fn new(topic: Arc<TopicShared>, start: Start) -> Result<Self, JoinError> {
        topic.check_not_forked()?;
        let ring_map = Arc::clone(&topic.ring);
        // SAFETY: the view is dropped with `Self`, which holds the map.
        let ring = unsafe { ring_map.view_for_owner() };
        let shape = ring.geometry().shape;
        let clock = Clock::new(shape.time, topic.description().tsc_hz);
        let start =
            resolve(&ring, clock, start).map_err(|error| error.into_join_error(&topic.name))?;
        Ok(Self {
            cursor: ObserverCursor::new(ring, start),
            buffer: CopyBuffer::new(shape.alignment_bytes as usize),
            clock,
            lagged: 0,
            generation: generation(),
            ring,
            _ring_map: ring_map,
            payload: PhantomData,
        })
    }

    /// A copy of the next message, if there is one. Never waits.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # use ringbus::Start;
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let mut observer = topic.observer(Start::Latest)?;
    /// assert!(observer.poll()?.is_none());
    /// topic.publisher()?.publish(b"buy")?;
    /// while let Some(message) = observer.poll()? {
    ///     assert_eq!(message.payload(), b"buy");
    /// }
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PollError::Lagged`] when messages were overwritten before they could be copied; the next
    /// poll goes on with the oldest that is retained. [`PollError::Corrupted`] and
    /// [`PollError::Forked`] come again.
    pub fn poll(&mut self) -> Result<Option<Snapshot<'_, T>>, PollError> {
        let copied = self.copy_next();
        if let Err(PollError::Lagged { missed }) = copied {
            self.lagged = self.lagged.saturating_add(missed);
        }
        copied?.map(|copied| self.snapshot(copied)).transpose()
    }

    /// A copy of the newest message, unless it was read before; skips everything in between, which
    /// does not count as missed.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # use ringbus::Start;
    /// let topic = bus.topic("pose").open_or_create()?;
    /// topic.publisher()?.publish_batch([&b"here"[..], b"there"])?;
    /// let mut observer = topic.observer(Start::Oldest)?;
    /// assert_eq!(observer.latest()?.expect("a pose").payload(), b"there");
    /// assert!(observer.latest()?.is_none()); // nothing newer
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`poll`](Self::poll), but never [`PollError::Lagged`].
    pub fn latest(&mut self) -> Result<Option<Snapshot<'_, T>>, PollError> {
        if self.generation != generation() {
            return Err(PollError::Forked);
        }
        for _ in 0..NEWEST_ROUNDS_MAX {
            let newest = find_tail(&self.ring).minus(1);
            if newest > self.cursor.next() {
                self.cursor.seek(newest);
            }
            match self.copy_next() {
                // Overwritten while it was copied: there is a newer one.
                Err(PollError::Lagged { .. }) => {}
                copied => return copied?.map(|copied| self.snapshot(copied)).transpose(),
            }
        }
        Ok(None)
    }

    /// A copy of the newest message, whether or not it was read before; `None` where nothing was ever
    /// published. What [`poll`](Self::poll) reads next does not change.
    ///
    /// So a topic is a blackboard: its current value is there for everybody at any time, whole, also
    /// for those who come late, and takes no place among subscribers.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # use ringbus::Start;
    /// let topic = bus.topic("pose").capacity(4).open_or_create()?;
    /// let mut early = topic.observer(Start::Latest)?;
    /// assert!(early.current()?.is_none());
    /// topic.publisher()?.publish_batch([&b"here"[..], b"there"])?;
    /// let mut late = topic.observer(Start::Latest)?;
    /// for _ in 0..2 {
    ///     assert_eq!(early.current()?.expect("a pose").payload(), b"there");
    ///     assert_eq!(late.current()?.expect("a pose").payload(), b"there");
    /// }
    /// assert_eq!(early.poll()?.expect("the first").payload(), b"here");
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`poll`](Self::poll); [`PollError::Lagged`] only where publishers overwrote 65536 messages
    /// in a row, each while it was copied: give the topic more capacity.
    pub fn current(&mut self) -> Result<Option<Snapshot<'_, T>>, PollError> {
        self.current_after(None)
    }

    /// The same, but only if it is newer than message `sequence`: a look at two words if not.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # use ringbus::Start;
    /// let topic = bus.topic("pose").open_or_create()?;
    /// let mut observer = topic.observer(Start::Latest)?;
    /// let publisher = topic.publisher()?;
    /// let sequence = publisher.publish(b"here")?;
    /// assert!(observer.changed_since(sequence)?.is_none());
    /// publisher.publish(b"there")?;
    /// let pose = observer.changed_since(sequence)?.expect("another pose");
    /// assert_eq!((pose.sequence(), pose.payload()), (1, &b"there"[..]));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`current`](Self::current).
    pub fn changed_since(&mut self, sequence: u64) -> Result<Option<Snapshot<'_, T>>, PollError> {
        self.current_after(Some(Sequence(sequence)))
    }

    /// Waits until there is something to poll; `false` after `timeout`. Looks again and again with
    /// pauses of up to 1 ms, since nobody knows that it waits.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use {ringbus::Start, std::time::Duration};
    ///
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let mut observer = topic.observer(Start::Latest)?;
    /// assert!(!observer.wait(Duration::from_millis(5))?);
    /// topic.publisher()?.publish(b"buy")?;
    /// assert!(observer.wait(Duration::from_secs(1))?);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PollError::Forked`] in a child of the process that made it.
    pub fn wait(&mut self, timeout: Duration) -> Result<bool, PollError> {
        if self.generation != generation() {
            return Err(PollError::Forked);
        }
        let deadline = Instant::now().checked_add(timeout);
        for _ in 0..SPINS_BEFORE_PAUSE {
            if self.cursor.is_ready() {
                return Ok(true);
            }
            spin_loop();
        }
        let mut pause = PAUSES.0;
        while !self.cursor.is_ready() {
            let left = deadline.map_or(pause, |end| end.duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(false);
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(PAUSES.1);
        }
        Ok(true)
    }

    /// The sequence of the next message that it will read, unless that one is gone by then.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # use ringbus::Start;
    /// let topic = bus.topic("orders").open_or_create()?;
    /// topic.publisher()?.publish(b"buy")?;
    /// let mut observer = topic.observer(Start::Oldest)?;
    /// assert_eq!(observer.cursor(), 0);
    /// observer.poll()?;
    /// assert_eq!(observer.cursor(), 1);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn cursor(&self) -> u64 {
        self.cursor.next().0
    }

    /// Messages that are published and not read yet, at some moment during the call. Those that
    /// were overwritten meanwhile are among them until the next poll tells.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # use ringbus::Start;
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let observer = topic.observer(Start::Latest)?;
    /// topic.publisher()?.publish_batch([&b"buy"[..], b"sell"])?;
    /// assert_eq!(observer.lag(), 2);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn lag(&self) -> u64 {
        if self.generation != generation() {
            return 0;
        }
        find_tail(&self.ring).since(self.cursor.next())
    }

    /// Messages missed since it was made, all in all: the sum of what its polls have told.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # use ringbus::{PollError, Start};
    /// let topic = bus.topic("quotes").capacity(8).open_or_create()?;
    /// let mut observer = topic.observer(Start::Latest)?;
    /// # let publisher = topic.publisher()?;
    /// for _ in 0..20 {
    ///     publisher.publish(b"quote")?;
    /// }
    /// let Err(PollError::Lagged { missed }) = observer.poll() else { panic!("it keeps 8 of 20") };
    /// assert_eq!(observer.lagged(), missed);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn lagged(&self) -> u64 {
        self.lagged
    }
}

impl<T: Payload + ?Sized> Observer<T> {
    fn current_after(
        &mut self,
        known: Option<Sequence>,
    ) -> Result<Option<Snapshot<'_, T>>, PollError> {
        if self.generation != generation() {
            return Err(PollError::Forked);
        }
        let next = self.cursor.next();
        let copied = self.copy_newest(known);
        self.cursor.seek(next);
        copied?.map(|copied| self.snapshot(copied)).transpose()
    }

    /// A copy of the newest message, if it is newer than `known`. Leaves the cursor wherever it was found.
    fn copy_newest(
        &mut self,
        known: Option<Sequence>,
    ) -> Result<Option<(Sequence, BlockHeader)>, PollError> {
        let mut overwritten = 0;
        while overwritten < NEWEST_ROUNDS_MAX {
            let newest = find_tail(&self.ring).minus(1);
            if known.is_some_and(|known| newest <= known) {
                return Ok(None);
            }
            self.cursor.seek(newest);
            match self.copy_next() {
                // Overwritten while it was copied: there is a newer one.
                Err(PollError::Lagged { .. }) => overwritten += 1,
                copied => return copied,
            }
        }
        Err(PollError::Lagged {
            missed: overwritten.into(),
        })
    }

    fn copy_next(&mut self) -> Result<Option<(Sequence, BlockHeader)>, PollError> {
        if self.generation != generation() {
            return Err(PollError::Forked);
        }
        match self.cursor.observe(&mut self.buffer) {
            Observation::Copied(seq, header) => Ok(Some((seq, header))),
            Observation::Empty => Ok(None),
            Observation::Lagged { missed } => Err(PollError::Lagged { missed }),
            Observation::Corrupted { seq } => Err(PollError::Corrupted { sequence: seq.0 }),
        }
    }

    fn snapshot(
        &self,
        (seq, header): (Sequence, BlockHeader),
    ) -> Result<Snapshot<'_, T>, PollError> {
        let payload = T::from_payload(self.buffer.payload());
        let head = Head {
            header,
            clock: self.clock,
            is_lean: self.ring.geometry().shape.is_lean(),
        };
        Ok(Snapshot {
            place: Place::home(seq),
            payload: payload.ok_or(PollError::Corrupted { sequence: seq.0 })?,
            attributes: self.buffer.attributes(),
            head,
        })
    }
}

impl<T: ?Sized> Snapshot<'_, T> {
    fn read_head(&self) -> Head {
        self.head
    }

    fn attribute_bytes(&self) -> &[u8] {
        self.attributes
    }
}

impl<T: ?Sized> fmt::Debug for Observer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer")
            .field("cursor", &self.cursor.next().0)
            .finish_non_exhaustive()
    }
}
