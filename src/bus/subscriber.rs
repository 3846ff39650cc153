//! Subscribing.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use super::{
    Batch, Message, Payload,
    error::{JoinError, PollError},
    filter::Filter,
    message::Plain,
    start::Start,
    subscriber_core::{Joining, SubscriberCore},
    topic_shared::TopicShared,
};
use crate::ring::cursor::{Delivery, Next};

/// How a subscriber is to read; made by [`Topic::subscriber`](super::Topic::subscriber).
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use {ringbus::Start, std::time::Duration};
///
/// let topic = bus.topic("orders").open_or_create()?;
/// let mut subscriber = topic
///     .subscriber()
///     .reliable() // publishers wait for it
///     .stall_timeout(Duration::from_secs(1)) // for so long
///     .start(Start::Oldest)
///     .join()?;
/// assert!(subscriber.poll()?.is_none());
/// # Ok::<(), ringbus::Error>(())
/// ```
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
/// after that goes on with the oldest message still retained. Publishers overtake an eighth of a
/// lap early, so count on seven eighths of the capacity. A message that the subscriber holds is
/// never overwritten, even if the process is stopped for an hour: its slot is replaced by a spare
/// chunk.
///
/// A *reliable* subscriber is never overtaken: publishers wait for it, or are told
/// [`PublishError::Full`](super::PublishError::Full). If its process dies, they go on within 50 ms.
/// If it has set a [stall timeout](SubscriberBuilder::stall_timeout) and does not move for that
/// long while it holds up a publisher, it is evicted, and its next poll says
/// [`PollError::Evicted`].
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// # let topic = bus.topic("orders").open_or_create()?;
/// # let publisher = topic.publisher()?;
/// let mut subscriber = topic.subscriber().reliable().join()?;
/// publisher.publish(b"hello")?;
/// while let Some(message) = subscriber.poll()? {
///     println!("{}: {:?}", message.sequence(), message.payload());
/// }
/// assert_eq!(subscriber.cursor(), 1);
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct Subscriber<T: ?Sized> {
    core: SubscriberCore,
    payload: PhantomData<fn() -> Box<T>>,
}

/// How long a wait spins before it sleeps, unless set otherwise.
///
/// `ringbus bench wake --pause P --spin S`, two processors of a virtual machine: what comes within the
/// spin is there in 0.35 us, and its publish takes 0.05; what comes later takes 5 to 6 us and 1.4,
/// whatever the spin was. With a message each 30 us, spins of 0, 5, 10, 20 and 50 us take 19, 34, 51, 82 and
/// 99 % of a processor; each 1 ms, 1.4, 1.7, 2.7, 2.8 and 6 %. So it is about three times what a sleep costs
/// both sides: little for who waits long, and who is sent something every 20 us never sleeps.
pub(super) const DEFAULT_SPIN: Duration = Duration::from_micros(20);

impl<T: Payload + ?Sized> SubscriberBuilder<T> {
    pub(super) fn new(topic: Arc<TopicShared>) -> Self {
        Self {
            topic,
            joining: Joining {
                delivery: Delivery::default(),
                stall_timeout: None,
                start: Start::Latest,
                spin: DEFAULT_SPIN,
                filter: Filter::new(),
                payload_test: None,
            },
            payload: PhantomData,
        }
    }

    /// Gets every message: publishers wait for it, while it lives.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("orders").capacity(2).open_or_create()?;
    /// let mut reliable = topic.subscriber().reliable().join()?;
    /// let publisher = topic.publisher()?;
    /// publisher.publish_batch([&b"1"[..], b"2"])?;
    /// assert!(publisher.try_publish(b"3").is_err());
    /// assert_eq!(reliable.poll()?.expect("the first").payload(), b"1");
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn reliable(mut self) -> Self {
        self.joining.delivery = Delivery::Reliable;
        self
    }

    /// Holds up nobody, and is told exactly what it missed; the default.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # use ringbus::PollError;
    /// let topic = bus.topic("quotes").capacity(8).open_or_create()?;
    /// let mut lossy = topic.subscriber().lossy().join()?;
    /// let publisher = topic.publisher()?;
    /// for _ in 0..20 {
    ///     publisher.try_publish(b"quote")?;
    /// }
    /// assert!(matches!(lossy.poll(), Err(PollError::Lagged { missed: 12.. })));
    /// assert!(lossy.poll()?.is_some()); // goes on with the oldest retained
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn lossy(mut self) -> Self {
        self.joining.delivery = Delivery::Lossy;
        self
    }

    /// Lets publishers evict this reliable subscriber if it holds them up for so long without
    /// moving. Without it a living subscriber is waited for as long as it takes.
    ///
    /// Costs two atomic swaps for each poll, and limits batches to the topic's pins. Means nothing
    /// to a lossy subscriber, for which nobody waits.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use {ringbus::PollError, std::time::Duration};
    ///
    /// let topic = bus.topic("orders").capacity(1).open_or_create()?;
    /// let timeout = Duration::from_millis(5);
    /// let mut stuck = topic.subscriber().reliable().stall_timeout(timeout).join()?;
    /// let publisher = topic.publisher()?;
    /// publisher.publish(b"1")?;
    /// publisher.publish(b"2")?; // after 5 ms, in which `stuck` did not move
    /// assert!(matches!(stuck.poll(), Err(PollError::Evicted { missed: 1 })));
    /// assert_eq!(stuck.poll()?.expect("the second").payload(), b"2");
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.joining.stall_timeout = Some(timeout);
        self
    }

    /// Sets the first message to read; [`Start::Latest`] by default.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::Start;
    ///
    /// let topic = bus.topic("orders").open_or_create()?;
    /// topic.publisher()?.publish_batch([&b"1"[..], b"2", b"3"])?;
    /// let mut subscriber = topic.subscriber().start(Start::Last(2)).join()?;
    /// assert_eq!(subscriber.poll()?.expect("the last but one").payload(), b"2");
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn start(mut self, start: Start) -> Self {
        self.joining.start = start;
        self
    }

    /// Sets how long [`wait`](Subscriber::wait) spins before it sleeps; 20 us by default. Zero
    /// saves the processor, more than the pause between messages saves the wake-up.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # use std::time::Duration;
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let mut frugal = topic.subscriber().spin(Duration::ZERO).join()?;
    /// assert!(!frugal.wait(Duration::from_millis(5))?); // slept all the time
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn spin(mut self, time: Duration) -> Self {
        self.joining.spin = time;
        self
    }

    /// Gets only the messages that pass `filter`; others are skipped and
    /// [counted](Subscriber::skipped).
    ///
    /// Up to 64 messages are looked at at once: publishers may wait for a reliable subscriber to be
    /// done with the last of those that it wants. One that may be passed holds only what lies from the
    /// first wanted one on. A poll that finds a lap of unwanted messages returns
    /// nothing, and the next one goes on; [`wait`](Subscriber::wait) does so by itself.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::{Filter, Meta, Patience};
    ///
    /// let topic = bus.topic("quotes").open_or_create()?;
    /// let mut subscriber = topic.subscriber().filter(Filter::new().tag(7)).join()?;
    /// let publisher = topic.publisher()?;
    /// publisher.publish(b"of another instrument")?;
    /// publisher.publish_with(Meta::new().tag(7), b"of this one", Patience::Forever)?;
    /// assert_eq!(subscriber.poll()?.expect("a quote").payload(), b"of this one");
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn filter(mut self, filter: Filter) -> Self {
        self.joining.filter = filter;
        self
    }

    /// Gets only the messages whose payload passes `test`, which looks at it in place. It is asked
    /// after the tests of the [filter](Self::filter), but for those of sampling.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("levels").typed::<u64>().open_or_create()?;
    /// let mut subscriber = topic.subscriber().filter_payload(|level| *level > 100).join()?;
    /// topic.publisher()?.publish_batch([&99, &101])?;
    /// assert_eq!(*subscriber.poll()?.expect("a level").payload(), 101);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn filter_payload(mut self, mut test: impl FnMut(&T) -> bool + Send + 'static) -> Self {
        // One that does not fit its type is for the poll to tell.
        let test = move |bytes: &[u8]| T::from_payload(bytes).is_none_or(&mut test);
        self.joining.payload_test = Some(Box::new(test));
        self
    }

    /// Joins the topic.
    ///
    /// Everything published after it returns is delivered (or counted as missed). Works whether or
    /// not a publisher is there. The place of a subscriber that died is taken over.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// assert_eq!(topic.info().subscribers[0].pid, std::process::id());
    /// drop(subscriber); // leaves
    /// assert!(topic.info().subscribers.is_empty());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`JoinError::TooManySubscribers`] until one leaves, [`JoinError::NotYet`] and
    /// [`JoinError::NoTime`] for impossible starts, [`JoinError::NotKept`] for a filter by what the
    /// topic does not keep, [`JoinError::Removed`] where the topic is gone, [`JoinError::Segment`] where this process may not write the topic's cursors: an
    /// [`Observer`](super::Observer) needs no such right.
    pub fn join(self) -> Result<Subscriber<T>, JoinError> {
        let core = SubscriberCore::join(&self.topic, self.joining)?;
        Ok(Subscriber {
            core,
            payload: PhantomData,
        })
    }
}

impl Subscriber<[u8]> {
    /// Whether [`poll_at_once`](Self::poll_at_once) does most polls: this kind of subscriber, on this kind of
    /// topic.
    #[doc(hidden)]
    pub fn polls_at_once(&self) -> bool {
        self.core.is_plain() && self.core.has_plain_heads() && self.core.picks().is_none()
    }

    /// [`poll`](Self::poll) as far as it makes no call, for functions that need no stack frame then, where
    /// [`polls_at_once`](Self::polls_at_once). `None`: there is more to do; poll.
    ///
    /// What it finds is a message that was leaked: the next poll gives it back, or
    /// [`give_back`](Self::give_back).
    #[doc(hidden)]
    #[inline(always)]
    pub fn poll_at_once(&mut self) -> Option<Option<Plain<'_>>> {
        match self.core.take_next() {
            Next::Home(home) => {
                // SAFETY: the result borrows the subscriber, and so ends before the run is released.
                Some(Some(unsafe {
                    Plain::read(self.core.ring().plain_form(), home)
                }))
            }
            Next::Nothing => Some(None),
            Next::Other => None,
        }
    }

    /// Whether this is the message that was leaked, and it was not given back.
    #[doc(hidden)]
    pub fn has_leaked(&self, sequence: u64) -> bool {
        self.core.holds(sequence)
    }

    /// Gives back a message that was leaked.
    #[doc(hidden)]
    pub fn give_back(&mut self) {
        self.core.release();
    }
}

impl<T: Payload + ?Sized> Subscriber<T> {
    /// The next message, if there is one. Never waits.
    ///
    /// The message is read where its publisher wrote it; dropping it moves on to the next.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// assert!(subscriber.poll()?.is_none());
    /// topic.publisher()?.publish(b"buy")?;
    /// while let Some(message) = subscriber.poll()? {
    ///     assert_eq!(message.payload(), b"buy");
    /// }
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PollError::Lagged`] and [`PollError::Evicted`], once each time; the next poll goes on.
    /// [`PollError::Corrupted`] where the ring is damaged, and [`PollError::Forked`] in a child of
    /// the process that joined: these come again.
    #[inline(always)]
    pub fn poll(&mut self) -> Result<Option<Message<'_, T>>, PollError> {
        match self.core.take_next() {
            Next::Home(home) => return Message::at_home(&mut self.core, home).map(Some),
            Next::Nothing => return Ok(None),
            Next::Other => {}
        }
        let Some(run) = self.core.select_one()? else {
            return Ok(None);
        };
        Message::new(&mut self.core, run.first).map(Some)
    }

    /// Up to `max` of the next messages; an empty batch if there is none. Never waits, and moves
    /// the cursor once, when the batch is dropped. A lossy subscriber, or one with a stall timeout,
    /// gets at most the topic's `pins`.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// topic.publisher()?.publish_batch([&b"buy"[..], b"sell"])?;
    /// let lengths: Vec<_> = subscriber.poll_batch(64)?.iter().map(|order| order.len()).collect();
    /// assert_eq!(lengths, [3, 4]);
    /// assert!(subscriber.poll_batch(64)?.is_empty());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`poll`](Self::poll).
    #[inline]
    pub fn poll_batch(&mut self, max: usize) -> Result<Batch<'_, T>, PollError> {
        let max = max.min(u32::MAX as usize) as u32;
        let run = self.core.select(max)?;
        Ok(Batch::new(&mut self.core, run))
    }

    /// The newest message, unless it was read before; skips everything in between, which does not
    /// count as missed.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("pose").open_or_create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// topic.publisher()?.publish_batch([&b"here"[..], b"there"])?;
    /// assert_eq!(subscriber.latest()?.expect("a pose").payload(), b"there");
    /// assert!(subscriber.latest()?.is_none()); // nothing newer
    /// assert_eq!(subscriber.lagged(), 0);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`poll`](Self::poll), but never [`PollError::Lagged`]. After [`PollError::Evicted`] it
    /// stands at the oldest message retained, as after a poll.
    pub fn latest(&mut self) -> Result<Option<Message<'_, T>>, PollError> {
        let unread = self.core.cursor();
        let newest = match self.core.take_newest() {
            Err(PollError::Evicted { .. }) => return Err(self.evicted_at(unread)),
            newest => newest?,
        };
        let Some(run) = newest else {
            return Ok(None);
        };
        Message::new(&mut self.core, run.first).map(Some)
    }

    /// Goes back to where it was evicted, from the newest message, to which it skipped before it found
    /// out: nobody else can say how many of those in between are gone.
    #[cold]
    fn evicted_at(&mut self, unread: u64) -> PollError {
        if let Err(error) = self.core.seek(Start::Sequence(unread)) {
            return error;
        }
        let missed = self.core.cursor() - unread;
        // What is to be told next is this loss, which counts it, or damage that was found before.
        let told = match missed {
            0 => None,
            _ => self.core.take(1).err(),
        };
        match told {
            None | Some(PollError::Lagged { .. }) => PollError::Evicted { missed },
            Some(damage) => damage,
        }
    }

    /// Waits until there is something to poll; `false` after `timeout`. Spins first, then sleeps:
    /// publishers pay for a wake-up only while somebody sleeps.
    ///
    /// While it waits, nothing is kept for it. Something to poll may also be an error.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use std::time::Duration;
    ///
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// let publisher = topic.publisher()?;
    /// std::thread::spawn(move || publisher.publish(b"buy"));
    /// while subscriber.poll()?.is_none() {
    ///     assert!(subscriber.wait(Duration::from_secs(10))?);
    /// }
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PollError::Forked`] in a child of the process that joined.
    pub fn wait(&mut self, timeout: Duration) -> Result<bool, PollError> {
        self.core.wait(timeout)
    }

    /// Goes on at `start`. What lies between does not count as missed, except that a sequence which
    /// is no longer retained makes the next poll say [`PollError::Lagged`].
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::{PollError, Start};
    ///
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// topic.publisher()?.publish(b"buy")?;
    /// assert!(subscriber.poll()?.is_some());
    /// subscriber.seek(Start::Oldest)?; // once more
    /// assert_eq!(subscriber.poll()?.expect("a message").sequence(), 0);
    /// assert_eq!(subscriber.seek(Start::Sequence(9)), Err(PollError::NotYet { asked: 9, next: 1 }));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PollError::NotYet`], [`PollError::NoTime`], [`PollError::Forked`]; then nothing has
    /// changed.
    pub fn seek(&mut self, start: Start) -> Result<(), PollError> {
        self.core.seek(start)
    }

    /// The sequence of the next message that it will read, unless that one is gone by then.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// topic.publisher()?.publish(b"buy")?;
    /// assert_eq!(subscriber.cursor(), 0);
    /// subscriber.poll()?;
    /// assert_eq!(subscriber.cursor(), 1);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn cursor(&self) -> u64 {
        self.core.cursor()
    }

    /// Messages that publishers leave alone for it: a lossy subscriber keeps those of its last poll
    /// until it polls or waits again.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let mut lossy = topic.subscriber().join()?;
    /// topic.publisher()?.publish(b"buy")?;
    /// lossy.poll()?; // read, and kept until the next poll
    /// assert_eq!(lossy.held(), 1);
    /// assert!(lossy.poll()?.is_none());
    /// assert_eq!(lossy.held(), 0);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn held(&self) -> u32 {
        self.core.held()
    }

    /// Messages that are published and not read yet, at some moment during the call. Those that
    /// were overwritten meanwhile are among them until the next poll tells.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let subscriber = topic.subscriber().join()?;
    /// topic.publisher()?.publish_batch([&b"buy"[..], b"sell"])?;
    /// assert_eq!(subscriber.lag(), 2);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn lag(&self) -> u64 {
        self.core.lag()
    }

    /// Messages missed since it joined, all in all: the sum of what its polls have told.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # use ringbus::PollError;
    /// let topic = bus.topic("quotes").capacity(8).open_or_create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// # let publisher = topic.publisher()?;
    /// for _ in 0..20 {
    ///     publisher.publish(b"quote")?;
    /// }
    /// let Err(PollError::Lagged { missed }) = subscriber.poll() else { panic!("it keeps 8 of 20") };
    /// assert_eq!(subscriber.lagged(), missed);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn lagged(&self) -> u64 {
        self.core.lagged()
    }

    /// Messages that its [filter](SubscriberBuilder::filter) did not want, since it joined.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::Filter;
    ///
    /// let topic = bus.topic("quotes").open_or_create()?;
    /// let mut subscriber = topic.subscriber().filter(Filter::new().every(10)).join()?;
    /// topic.publisher()?.publish_batch([&b"quote"[..]; 20])?;
    /// while subscriber.poll()?.is_some() {}
    /// assert_eq!(subscriber.skipped(), 18);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn skipped(&self) -> u64 {
        self.core.skipped()
    }
}

impl<T: ?Sized> Subscriber<T> {
    pub(super) fn core(&self) -> &SubscriberCore {
        &self.core
    }
}

impl<T: ?Sized> fmt::Debug for Subscriber<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("cursor", &self.core.cursor())
            .finish_non_exhaustive()
    }
}
