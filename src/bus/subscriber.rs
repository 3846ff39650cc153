//! Subscribing.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use super::{
    Batch, Message, Payload,
    error::{JoinError, PollError},
    start::Start,
    subscriber_core::{Joining, SubscriberCore},
    topic_shared::TopicShared,
};
use crate::ring::cursor::Delivery;

/// How a subscriber is to read; made by [`Topic::subscriber`](super::Topic::subscriber).
#[must_use = "a builder does nothing until `join`"]
pub struct SubscriberBuilder<T: ?Sized> {
    topic: Arc<TopicShared>,
    joining: Joining,
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
/// # let dir = std::env::temp_dir().join(format!("ringbus-doc-{}", std::process::id()));
/// # let place = ringbus::Bus::builder().dir(&dir).name("subscriber");
/// # let bus = place.clone().open()?;
/// # let topic = bus.topic("doc/subscriber").open_or_create()?;
/// # let publisher = topic.publisher()?;
/// let mut subscriber = topic.subscriber().reliable().join()?;
/// publisher.publish(b"hello")?;
/// while let Some(message) = subscriber.poll()? {
///     println!("{}: {:?}", message.sequence(), message.payload());
/// }
/// # drop((publisher, subscriber));
/// # place.destroy()?;
/// # let _ = std::fs::remove_dir(dir);
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct Subscriber<T: ?Sized> {
    core: SubscriberCore,
    payload: PhantomData<fn() -> Box<T>>,
}

/// How long a wait spins before it sleeps, unless set otherwise.
const DEFAULT_SPIN: Duration = Duration::from_micros(20);

impl<T: Payload + ?Sized> SubscriberBuilder<T> {
    pub(super) fn new(topic: Arc<TopicShared>) -> Self {
        Self {
            topic,
            joining: Joining {
                delivery: Delivery::default(),
                stall_timeout: None,
                start: Start::Latest,
                spin: DEFAULT_SPIN,
            },
            payload: PhantomData,
        }
    }

    /// Gets every message: publishers wait for it.
    pub fn reliable(mut self) -> Self {
        self.joining.delivery = Delivery::Reliable;
        self
    }

    /// Holds up nobody, and is told exactly what it missed; the default.
    pub fn lossy(mut self) -> Self {
        self.joining.delivery = Delivery::Lossy;
        self
    }

    /// Lets publishers evict this reliable subscriber if it holds them up for so long without
    /// moving. Without it a living subscriber is waited for as long as it takes.
    ///
    /// Costs two atomic swaps for each poll, and limits batches to the topic's pins.
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.joining.stall_timeout = Some(timeout);
        self
    }

    /// The first message to read; [`Start::Latest`] by default.
    pub fn start(mut self, start: Start) -> Self {
        self.joining.start = start;
        self
    }

    /// How long [`wait`](Subscriber::wait) spins before it sleeps; 20 us by default. Zero saves the
    /// processor, more than the pause between messages saves the wake-up.
    pub fn spin(mut self, time: Duration) -> Self {
        self.joining.spin = time;
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
        let core = SubscriberCore::join(&self.topic, &self.joining)?;
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
        Message::new(&mut self.core, run.first).map(Some)
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
        let run = self.core.take(max)?;
        Ok(Batch::new(&mut self.core, run))
    }

    /// The newest message, unless it was read before; skips everything in between, which does not
    /// count as missed.
    ///
    /// # Errors
    ///
    /// Those of [`poll`](Self::poll), but never [`PollError::Lagged`].
    pub fn latest(&mut self) -> Result<Option<Message<'_, T>>, PollError> {
        let Some(run) = self.core.take_newest()? else {
            return Ok(None);
        };
        Message::new(&mut self.core, run.first).map(Some)
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
        self.core.cursor()
    }

    /// Messages that publishers leave alone for it: a lossy subscriber keeps those of its last poll
    /// until it polls or waits again.
    pub fn held(&self) -> u32 {
        self.core.held()
    }

    /// Messages that are published and not read yet, at some moment during the call.
    pub fn lag(&self) -> u64 {
        self.core.lag()
    }

    /// Messages missed since it joined, all in all.
    pub fn lagged(&self) -> u64 {
        self.core.lagged()
    }
}

impl<T: ?Sized> fmt::Debug for Subscriber<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("cursor", &self.core.cursor())
            .finish_non_exhaustive()
    }
}
