//! Subscribing to many topics at once.

use std::{
    fmt,
    ops::Deref,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Message, Payload, multi_error::MultiError, multi_members::Members, wait_set::Interrupter,
};
use crate::{registry::TopicName, ring::cursor::Run, sync::spin_loop};

/// Reads the messages of all topics that match a pattern, those of topics that do not exist yet
/// included.
///
/// Which topics these are is found out when it is made and whenever topics appear or vanish, never per
/// message. A topic that appears later is read from its first message on. One that is removed is
/// read to its end. Each topic takes a place among its subscribers, files and memory maps in this
/// process.
///
/// What is said of [`Subscriber`](super::Subscriber)s about lagging holds for each topic by itself:
/// losses are told per topic, and exactly.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// let mut readings = bus.subscribe_pattern("sensors/*/temperature").join()?;
/// let kitchen = bus.topic("sensors/kitchen/temperature").create()?;
/// kitchen.publisher()?.publish(b"21.5")?;
/// let reading = readings.poll()?.expect("a reading");
/// assert_eq!(reading.topic().as_str(), "sensors/kitchen/temperature");
/// assert_eq!(reading.payload(), b"21.5");
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct MultiSubscriber<T: ?Sized> {
    members: Members<T>,
    spin: Duration,
    /// What the next poll returns.
    ready: Option<Result<(usize, Run), MultiError>>,
}

/// A message and where it is from. It is the [`Message`], by `Deref`.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// let mut all = bus.subscribe_pattern(">").join()?;
/// bus.topic("orders/eu").create()?.publisher()?.publish(b"buy")?;
/// let order = all.poll()?.expect("an order");
/// assert_eq!((order.topic().as_str(), order.sequence()), ("orders/eu", 0));
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct MultiMessage<'s, T: ?Sized> {
    topic: &'s Arc<TopicName>,
    patterns: &'s [usize],
    message: Message<'s, T>,
}

/// One topic of a [`MultiSubscriber`], as it stands.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// bus.topic("orders/eu").create()?;
/// let all = bus.subscribe_pattern("orders/*").join()?;
/// let topic = all.topics().next().expect("one");
/// assert_eq!((topic.name.as_str(), topic.cursor, topic.lag), ("orders/eu", 0, 0));
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MultiTopic {
    /// Its name.
    pub name: Arc<TopicName>,
    /// The sequence of its next message.
    pub cursor: u64,
    /// Messages published and not handed out yet.
    pub lag: u64,
    /// Messages missed.
    pub lagged: u64,
    /// Messages that the filter did not want.
    pub skipped: u64,
}

impl<T: Payload + ?Sized> MultiSubscriber<T> {
    pub(super) fn new(members: Members<T>, spin: Duration) -> Self {
        Self {
            members,
            spin,
            ready: None,
        }
    }

    /// The next message, if there is one. Never waits.
    ///
    /// It returns `None` only after a look for new topics.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let mut orders = bus.subscribe_pattern("orders/*").join()?;
    /// for name in ["orders/eu", "orders/us"] {
    ///     bus.topic(name).create()?.publisher()?.publish(b"buy")?;
    /// }
    /// while let Some(order) = orders.poll()? {
    ///     println!("{} {}: {:?}", order.topic(), order.sequence(), order.payload());
    /// }
    /// assert!(orders.topics().all(|topic| topic.cursor == 1));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`MultiError::Poll`] names the topic that lagged or was evicted, and by how many messages, once
    /// each time. [`MultiError::Open`] and [`MultiError::Join`], once for each topic that has to be
    /// left out. [`MultiError::Watch`] and [`MultiError::Forked`] come again.
    pub fn poll(&mut self) -> Result<Option<MultiMessage<'_, T>>, MultiError> {
        let next = match self.ready.take() {
            Some(ready) => Some(ready?),
            None => self.members.next()?,
        };
        let Some((index, run)) = next else {
            return Ok(None);
        };
        let Some(member) = self.members.member(index) else {
            return Ok(None);
        };
        let topic = &member.name;
        let message = Message::new(&mut member.core, run.first);
        let message = message.map_err(|source| MultiError::Poll {
            topic: Arc::clone(topic),
            source,
        })?;
        Ok(Some(MultiMessage {
            topic,
            patterns: &member.patterns,
            message,
        }))
    }

    /// Waits until there is something to poll; `false` after `timeout`. Spins first, then sleeps until
    /// a topic has something or appears, however many there are.
    ///
    /// It sleeps as a [`WaitSet`](super::WaitSet) does, from its first wait on, and so takes a bell of
    /// the bus. Where none is left, it looks at all topics every millisecond.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use std::time::Duration;
    ///
    /// let mut orders = bus.subscribe_pattern("orders/*").join()?;
    /// assert!(!orders.wait(Duration::from_millis(5))?);
    /// bus.topic("orders/eu").create()?.publisher()?.publish(b"buy")?;
    /// assert!(orders.wait(Duration::from_secs(10))?);
    /// assert!(orders.poll()?.is_some());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`MultiError::Forked`]; all else is for the poll to tell.
    pub fn wait(&mut self, timeout: Duration) -> Result<bool, MultiError> {
        self.wait_while(timeout, || true)
    }

    /// The same, until `goes_on` is false after an interruption.
    pub(super) fn wait_while(
        &mut self,
        timeout: Duration,
        goes_on: impl Fn() -> bool,
    ) -> Result<bool, MultiError> {
        let started = Instant::now();
        let deadline = started.checked_add(timeout);
        loop {
            if self.is_ready()? {
                return Ok(true);
            }
            let now = Instant::now();
            let left = deadline.map_or(Duration::MAX, |end| end.saturating_duration_since(now));
            if left.is_zero() || !goes_on() {
                return Ok(false);
            }
            match now.duration_since(started) < self.spin {
                true => spin_loop(),
                false => self.members.sleep(left)?,
            }
        }
    }

    fn is_ready(&mut self) -> Result<bool, MultiError> {
        if self.ready.is_none() {
            self.ready = match self.members.next() {
                Err(MultiError::Forked) => return Err(MultiError::Forked),
                next => next.transpose(),
            };
        }
        Ok(self.ready.is_some())
    }

    /// What ends a wait, or the next one; `None` where a wait looks all the time.
    pub(super) fn interrupter(&mut self) -> Option<Interrupter> {
        self.members.interrupter()
    }

    /// The topics that it reads.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # bus.topic("orders/eu").create()?;
    /// # let orders = bus.subscribe_pattern("orders/*").join()?;
    /// for topic in orders.topics() {
    ///     println!("{}: {} behind, {} missed", topic.name, topic.lag, topic.lagged);
    /// }
    /// # assert_eq!(orders.topics().count(), 1);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn topics(&self) -> impl Iterator<Item = MultiTopic> {
        self.members.iter().map(|member| MultiTopic {
            name: Arc::clone(&member.name),
            cursor: member.position().0,
            lag: member.lag(),
            lagged: member.core.lagged(),
            skipped: member.core.skipped(),
        })
    }

    /// Messages missed on all topics since it joined, those that are gone included.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let orders = bus.subscribe_pattern("orders/*").join()?;
    /// assert_eq!(orders.lagged(), 0);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn lagged(&self) -> u64 {
        self.members.lagged()
    }

    /// Remembers how far each topic that exists is now.
    pub(super) fn mark(&mut self) -> Result<(), MultiError> {
        self.members.mark()
    }

    /// Whether all that was published before [`mark`](Self::mark) was handed out or missed.
    pub(super) fn has_reached_mark(&self) -> bool {
        self.members.has_reached_mark()
    }
}

impl<T: ?Sized> MultiMessage<'_, T> {
    /// The topic that it was published on.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let mut all = bus.subscribe_pattern(">").join()?;
    /// bus.topic("orders/eu").create()?.publisher()?.publish(b"buy")?;
    /// assert_eq!(all.poll()?.expect("an order").topic().as_str(), "orders/eu");
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn topic(&self) -> &TopicName {
        self.topic
    }

    /// Which patterns of the subscription its topic matches: 0 is the first, then those that were
    /// [added](super::MultiSubscriberBuilder::also).
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let mut all = bus.subscribe_pattern("quotes/*").also("orders/*").join()?;
    /// bus.topic("orders/eu").create()?.publisher()?.publish(b"buy")?;
    /// assert_eq!(all.poll()?.expect("an order").patterns(), [1]);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn patterns(&self) -> &[usize] {
        self.patterns
    }
}

impl<'s, T: ?Sized> Deref for MultiMessage<'s, T> {
    type Target = Message<'s, T>;

    fn deref(&self) -> &Message<'s, T> {
        &self.message
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MultiMessage<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MultiMessage")
            .field("topic", &self.topic)
            .field("message", &self.message)
            .finish()
    }
}

impl<T: ?Sized> fmt::Debug for MultiSubscriber<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MultiSubscriber").finish_non_exhaustive()
    }
}
