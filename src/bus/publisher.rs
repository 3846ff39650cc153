//! Publishing.

use std::{
    fmt,
    marker::PhantomData,
    time::{Duration, Instant},
};

use super::{
    Attributes, Payload,
    error::{JoinError, PublishError},
    publisher_core::PublisherCore,
};
use crate::ring::sequence::Sequence;

/// What stands beside a payload and is chosen by its publisher: a tag, flags and attributes.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use ringbus::{Meta, Patience};
///
/// const ORDERS: Meta<'_> = Meta::new().tag(7).flags(0b1);
///
/// let topic = bus.topic("orders").open_or_create()?;
/// let mut subscriber = topic.subscriber().join()?;
/// topic.publisher()?.publish_with(ORDERS, b"buy", Patience::Forever)?;
/// let message = subscriber.poll()?.expect("a message");
/// assert_eq!((message.tag(), message.flags()), (7, 0b1));
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Meta<'a> {
    pub(super) tag: u64,
    pub(super) flags: u16,
    pub(super) attributes: Option<&'a Attributes>,
}

/// How long a publish waits while the gate is shut.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use {ringbus::{Meta, Patience}, std::time::Duration};
///
/// let topic = bus.topic("orders").capacity(1).open_or_create()?;
/// let slow = topic.subscriber().reliable().join()?;
/// let publisher = topic.publisher()?;
/// let patience = Patience::For(Duration::from_millis(5));
/// publisher.publish_with(Meta::new(), b"buy", patience)?;
/// assert!(publisher.publish_with(Meta::new(), b"sell", patience).is_err());
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Patience {
    /// Not at all.
    Try,
    /// Until the gate opens. A dead subscriber is reaped meanwhile, within 50 ms.
    #[default]
    Forever,
    /// For at most this long.
    For(Duration),
}

/// Publishes messages to a topic.
///
/// Can be sent to another thread, but is used by one at a time. All publishers of a topic produce
/// one order: the sequences 0, 1, 2, ... without a hole, each message whole or not there at all,
/// wherever a publisher is killed.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// let topic = bus.topic("orders").open_or_create()?;
/// let publisher = topic.publisher()?;
/// let first = publisher.publish(b"hello")?;
/// assert_eq!(publisher.publish(b"world")?, first + 1);
///
/// let mut loan = publisher.loan(5)?; // the next slot of the ring itself
/// loan.copy_from_slice(b"again");
/// loan.set_tag(7);
/// assert_eq!(loan.commit()?, first + 2);
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct Publisher<T: ?Sized> {
    pub(super) core: PublisherCore,
    payload: PhantomData<fn(&T)>,
}

impl<'a> Meta<'a> {
    /// Tag 0, no flags and no attributes: what [`Publisher::publish`] sends.
    ///
    /// ```
    /// use ringbus::Meta;
    ///
    /// assert_eq!(Meta::new(), Meta::default());
    /// assert_eq!(Meta::new(), Meta::new().tag(0).flags(0));
    /// ```
    pub const fn new() -> Self {
        Self {
            tag: 0,
            flags: 0,
            attributes: None,
        }
    }

    /// With this tag: a filter key, a type, an instrument; the bus gives it no meaning.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::{Meta, Patience};
    ///
    /// let topic = bus.topic("quotes").open_or_create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// let instrument = Meta::new().tag(4711);
    /// topic.publisher()?.publish_with(instrument, b"quote", Patience::Forever)?;
    /// assert_eq!(subscriber.poll()?.expect("a quote").tag(), 4711);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub const fn tag(self, tag: u64) -> Self {
        Self { tag, ..self }
    }

    /// Whether it has a tag or flags.
    #[inline(always)]
    pub(super) fn is_marked(self) -> bool {
        self.tag != 0 || self.flags != 0
    }

    /// With these flags; the bus gives them no meaning.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::{Meta, Patience};
    ///
    /// const LAST: u16 = 1 << 0;
    /// let topic = bus.topic("chunks").open_or_create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// topic.publisher()?.publish_with(Meta::new().flags(LAST), b"end", Patience::Try)?;
    /// assert!(subscriber.poll()?.expect("a chunk").flags() & LAST != 0);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub const fn flags(self, flags: u16) -> Self {
        Self { flags, ..self }
    }

    /// With these attributes, on a topic that [has room](super::TopicBuilder::attributes_max) for
    /// them.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::{Attributes, Meta, Patience};
    ///
    /// let topic = bus.topic("orders").attributes_max(64).open_or_create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// let attributes = Attributes::new().with("venue", "XNYS")?;
    /// let meta = Meta::new().tag(7).attributes(&attributes);
    /// topic.publisher()?.publish_with(meta, b"buy", Patience::Forever)?;
    /// let order = subscriber.poll()?.expect("an order");
    /// assert_eq!(order.attributes().to_owned(), attributes);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub const fn attributes(self, attributes: &'a Attributes) -> Self {
        Self {
            attributes: Some(attributes),
            ..self
        }
    }
}

impl<T: Payload + ?Sized> Publisher<T> {
    pub(super) fn new(core: PublisherCore) -> Self {
        Self {
            core,
            payload: PhantomData,
        }
    }

    /// Publishes a message and returns its sequence. Waits while the gate is shut: for as long as a
    /// living reliable subscriber takes, within its stall timeout if it has one; for a dead one at
    /// most 50 ms.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let mut subscriber = topic.subscriber().reliable().join()?;
    /// let sequence = topic.publisher()?.publish(b"buy")?;
    /// let message = subscriber.poll()?.expect("just published");
    /// assert_eq!((message.sequence(), message.payload()), (sequence, &b"buy"[..]));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`TooLong`](PublishError::TooLong), [`WrongLength`](PublishError::WrongLength) and
    /// [`PartialElement`](PublishError::PartialElement) for a payload that no message of this topic
    /// has, [`LoanOutstanding`](PublishError::LoanOutstanding) while the loan of an exclusive
    /// publisher is out, [`Corrupted`](PublishError::Corrupted), [`Forked`](PublishError::Forked).
    /// After an error nothing was published.
    #[inline]
    pub fn publish(&self, payload: &T) -> Result<u64, PublishError> {
        self.core
            .publish(Meta::new(), payload.bytes(), Patience::Forever)
    }

    /// Publishes a message unless the gate is shut, and returns its sequence. Never waits.
    ///
    /// On Linux this may be called in a signal handler, through a publisher that nothing but the
    /// handler uses: it takes no lock and allocates nothing, whatever it answers. Like any system call
    /// it may change `errno`. No other method of a publisher promises as much, and with the portable
    /// backend this one does not either.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::PublishError;
    ///
    /// let topic = bus.topic("orders").capacity(1).open_or_create()?;
    /// let mut slow = topic.subscriber().reliable().join()?;
    /// let publisher = topic.publisher()?;
    /// publisher.try_publish(b"buy")?;
    /// assert!(matches!(publisher.try_publish(b"sell"), Err(PublishError::Full(_))));
    /// slow.poll()?; // reads one, and lets it go
    /// assert_eq!(publisher.try_publish(b"sell")?, 1);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError::Full`] names the slowest subscriber; try again, or drop the message. Those
    /// of [`publish`](Self::publish), and [`PublishError::NoSpace`]. After an error nothing was
    /// published.
    #[inline]
    pub fn try_publish(&self, payload: &T) -> Result<u64, PublishError> {
        self.core
            .publish(Meta::new(), payload.bytes(), Patience::Try)
    }

    /// Publishes a message and returns its sequence; waits for at most `timeout` while the gate is
    /// shut.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use {ringbus::PublishError, std::time::Duration};
    ///
    /// let topic = bus.topic("orders").capacity(1).open_or_create()?;
    /// let slow = topic.subscriber().reliable().join()?;
    /// let publisher = topic.publisher()?;
    /// publisher.publish_timeout(b"buy", Duration::from_millis(5))?;
    /// let refused = publisher.publish_timeout(b"sell", Duration::from_millis(5));
    /// assert!(matches!(refused, Err(PublishError::Full(culprit)) if culprit.behind == 1));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError::Full`] when the time is up, and those of [`try_publish`](Self::try_publish).
    /// After an error nothing was published.
    pub fn publish_timeout(&self, payload: &T, timeout: Duration) -> Result<u64, PublishError> {
        self.core
            .publish(Meta::new(), payload.bytes(), Patience::For(timeout))
    }

    /// Publishes a message with a tag and flags, and returns its sequence; waits as long as
    /// `patience` says.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::{Meta, Patience};
    ///
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// let publisher = topic.publisher()?;
    /// publisher.publish_with(Meta::new().tag(7), b"buy", Patience::Try)?;
    /// assert_eq!(subscriber.poll()?.expect("a message").tag(), 7);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError::NotKept`] on a topic that was created without tags, and those of
    /// [`publish`](Self::publish); with [`Patience::Try`] and [`Patience::For`] those of
    /// [`try_publish`](Self::try_publish). After an error nothing was published.
    #[inline]
    pub fn publish_with(
        &self,
        meta: Meta<'_>,
        payload: &T,
        patience: Patience,
    ) -> Result<u64, PublishError> {
        self.core.publish(meta, payload.bytes(), patience)
    }

    /// Publishes several messages in order and returns how many; looks for sleeping subscribers
    /// once. Waits while the gate is shut.
    ///
    /// On a shared topic, messages of other publishers may come in between. A publisher that dies
    /// in the middle has published the first so many.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// let count = topic.publisher()?.publish_batch([&b"buy"[..], b"sell", b"hold"])?;
    /// assert_eq!(count, 3);
    /// assert_eq!(subscriber.poll_batch(8)?.len(), 3);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`publish`](Self::publish), for the first payload that failed: those before it were
    /// published, and [`published`](Self::published) tells how many.
    pub fn publish_batch<'a>(
        &self,
        payloads: impl IntoIterator<Item = &'a T>,
    ) -> Result<usize, PublishError>
    where
        T: 'a,
    {
        let messages = payloads.into_iter().map(|payload| (Meta::new(), payload));
        self.publish_batch_with(messages, Patience::Forever)
    }

    /// Publishes several messages in order, each with a tag and flags, and returns how many; looks
    /// for sleeping subscribers once. For each it waits as long as `patience` says.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::{Meta, Patience};
    ///
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// let orders = [(Meta::new().tag(1), &b"buy"[..]), (Meta::new().tag(2), b"sell")];
    /// assert_eq!(topic.publisher()?.publish_batch_with(orders, Patience::Try)?, 2);
    /// let tags: Vec<_> = subscriber.poll_batch(8)?.iter().map(|order| order.tag()).collect();
    /// assert_eq!(tags, [1, 2]);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`publish_with`](Self::publish_with), for the first message that failed: those
    /// before it were published, and [`published`](Self::published) tells how many.
    pub fn publish_batch_with<'a>(
        &self,
        messages: impl IntoIterator<Item = (Meta<'a>, &'a T)>,
        patience: Patience,
    ) -> Result<usize, PublishError>
    where
        T: 'a,
    {
        if self.core.is_forked() {
            return Err(PublishError::Forked);
        }
        let _bell = BellAtLast(&self.core);
        let mut published = 0;
        for (meta, payload) in messages {
            let payload = payload.bytes();
            match self.core.publish_plainly(meta, payload) {
                Some(seq) if self.core.is_claim_due(seq) => self.core.claim(),
                Some(_) => {}
                None => {
                    self.core
                        .publish_by_call::<false>(meta, payload, patience)?;
                }
            }
            published += 1;
        }
        Ok(published)
    }

    /// This publisher's number among those of its topic, which its messages carry; 0 on an
    /// exclusive topic.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("events").shared().open_or_create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// let (one, two) = (topic.publisher()?, topic.publisher()?);
    /// assert_ne!(one.id(), two.id());
    /// two.publish(b"event")?;
    /// assert_eq!(subscriber.poll()?.expect("an event").publisher(), Some(two.id()));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn id(&self) -> u16 {
        self.core.id()
    }

    /// Messages published through this publisher's place in the topic, by predecessors as well; 0 in a child
    /// of the process that opened the bus.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let publisher = bus.topic("orders").open_or_create()?.publisher()?;
    /// let before = publisher.published();
    /// publisher.publish(b"buy")?;
    /// assert_eq!(publisher.published() - before, 1);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn published(&self) -> u64 {
        self.core.published()
    }

    /// Waits until at least `count` living subscribers are registered; `false` after `timeout`.
    /// Looks every millisecond. Observers do not count.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use std::time::Duration;
    ///
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let publisher = topic.publisher()?;
    /// assert!(!publisher.wait_subscribers(1, Duration::from_millis(5))?);
    /// let subscriber = topic.subscriber().join()?;
    /// assert!(publisher.wait_subscribers(1, Duration::from_secs(1))?);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`JoinError::Removed`] where the topic is gone and fewer are there: nobody can join it any more.
    /// [`JoinError::Forked`] in a child of the process that opened the bus: open it again there.
    pub fn wait_subscribers(&self, count: usize, timeout: Duration) -> Result<bool, JoinError> {
        const LOOK_EVERY: Duration = Duration::from_millis(1);
        let deadline = Instant::now().checked_add(timeout);
        loop {
            // Looked at first: whoever has joined before it was removed is counted.
            let is_removed = self.core.is_removed();
            if self.core.living_subscribers()? >= count {
                return Ok(true);
            }
            if is_removed {
                return Err(self.core.removed());
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(false);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Publisher<[u8]> {
    /// [`publish_with`](Self::publish_with) as far as it makes no call, for functions that need no stack
    /// frame then. `None`: nothing was sent; publish. Something may be [due](Self::has_more_to_do) after it.
    #[doc(hidden)]
    #[inline(always)]
    pub fn publish_at_once(&self, meta: Meta<'_>, payload: &[u8]) -> Option<u64> {
        self.core.publish_plainly(meta, payload).map(|seq| seq.0)
    }

    /// Whether [`do_more`](Self::do_more) is due after message `sequence`, which was published at once.
    #[doc(hidden)]
    #[inline(always)]
    pub fn has_more_to_do(&self, sequence: u64) -> bool {
        self.core.has_more_to_do(Sequence(sequence))
    }

    /// The same for messages without attributes, up to the first where that cannot be; how many, whose
    /// subscribers were told.
    ///
    /// # Safety
    ///
    /// The iterator does not use this publisher.
    #[doc(hidden)]
    #[inline(always)]
    pub unsafe fn publish_many_at_once<'a>(
        &self,
        messages: impl Iterator<Item = (Meta<'a>, &'a [u8])>,
    ) -> usize {
        let _bell = BellAtLast(&self.core);
        // SAFETY: the caller's promise.
        unsafe { self.core.publish_plainly_all(messages) }
    }

    /// What is due after a message that was published at once: those are woken who sleep until there is one.
    #[doc(hidden)]
    pub fn do_more(&self) {
        self.core.do_more();
    }
}

/// Wakes subscribers of a batch on drop, whether it comes to its end or its iterator panics.
struct BellAtLast<'p>(&'p PublisherCore);

impl Drop for BellAtLast<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.0.is_forked() {
            self.0.ring_the_bell();
        }
    }
}

impl<T: ?Sized> fmt::Debug for Publisher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("id", &self.core.id())
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "async")]
impl<T: ?Sized> Publisher<T> {
    pub(super) fn core(&self) -> &PublisherCore {
        &self.core
    }
}
