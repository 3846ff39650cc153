//! Publishing.

use std::{
    fmt,
    marker::PhantomData,
    time::{Duration, Instant},
};

use super::{
    Payload,
    error::{JoinError, PublishError},
    publisher_core::PublisherCore,
};

/// What stands beside a payload and is chosen by its publisher.
///
/// ```
/// use ringbus::Meta;
///
/// const ORDERS: Meta = Meta::new().tag(7).flags(0b1);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    pub(super) tag: u64,
    pub(super) flags: u16,
}

/// How long a publish waits while the gate is shut.
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
/// # let dir = std::env::temp_dir().join(format!("ringbus-doc-{}", std::process::id()));
/// # let place = ringbus::Bus::builder().dir(&dir).name("publisher");
/// # let bus = place.clone().open()?;
/// let topic = bus.topic("doc/publisher").open_or_create()?;
/// let publisher = topic.publisher()?;
/// let first = publisher.publish(b"hello")?;
/// assert_eq!(publisher.publish(b"world")?, first + 1);
///
/// let mut loan = publisher.loan(5)?; // the next slot of the ring itself
/// loan.copy_from_slice(b"again");
/// loan.set_tag(7);
/// loan.commit()?;
/// # drop(publisher);
/// # place.destroy()?;
/// # let _ = std::fs::remove_dir(dir);
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct Publisher<T: ?Sized> {
    pub(super) core: PublisherCore,
    payload: PhantomData<fn(&T)>,
}

impl Meta {
    /// Tag 0 and no flags.
    pub const fn new() -> Self {
        Self { tag: 0, flags: 0 }
    }

    /// With this tag: a filter key, a type, an instrument; the bus gives it no meaning.
    pub const fn tag(self, tag: u64) -> Self {
        Self { tag, ..self }
    }

    /// With these flags; the bus gives them no meaning.
    pub const fn flags(self, flags: u16) -> Self {
        Self { flags, ..self }
    }
}

impl<T: Payload + ?Sized> Publisher<T> {
    pub(super) fn new(core: PublisherCore) -> Self {
        Self {
            core,
            payload: PhantomData,
        }
    }

    /// Publishes a message and returns its sequence. Waits while the gate is shut.
    ///
    /// # Errors
    ///
    /// All but [`PublishError::Full`]. After an error nothing was published.
    #[inline]
    pub fn publish(&self, payload: &T) -> Result<u64, PublishError> {
        self.core
            .publish(Meta::new(), payload.bytes(), Patience::Forever)
    }

    /// Publishes a message unless the gate is shut.
    ///
    /// # Errors
    ///
    /// [`PublishError::Full`] names the slowest subscriber. After an error nothing was published.
    #[inline]
    pub fn try_publish(&self, payload: &T) -> Result<u64, PublishError> {
        self.core
            .publish(Meta::new(), payload.bytes(), Patience::Try)
    }

    /// Publishes a message; waits for at most `timeout` while the gate is shut.
    ///
    /// # Errors
    ///
    /// [`PublishError::Full`] when the time is up. After an error nothing was published.
    pub fn publish_timeout(&self, payload: &T, timeout: Duration) -> Result<u64, PublishError> {
        self.core
            .publish(Meta::new(), payload.bytes(), Patience::For(timeout))
    }

    /// Publishes a message with a tag and flags.
    ///
    /// # Errors
    ///
    /// [`PublishError::NotKept`] on a topic that was created without tags, and those of
    /// [`publish`](Self::publish). After an error nothing was published.
    #[inline]
    pub fn publish_with(
        &self,
        meta: Meta,
        payload: &T,
        patience: Patience,
    ) -> Result<u64, PublishError> {
        self.core.publish(meta, payload.bytes(), patience)
    }

    /// Publishes several messages in order and returns how many; looks for sleeping subscribers
    /// once. Waits while the gate is shut.
    ///
    /// On a shared topic, messages of other publishers may come in between.
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
        if self.core.is_forked() {
            return Err(PublishError::Forked);
        }
        let mut count = 0;
        for payload in payloads {
            if self.core.publish_quietly(payload.bytes()).is_none() {
                // Whoever holds up this publisher may be asleep itself.
                self.core.ring_the_bell();
                self.publish(payload)?;
            }
            count += 1;
        }
        self.core.ring_the_bell();
        Ok(count)
    }

    /// This publisher's number among those of its topic, which its messages carry.
    pub fn id(&self) -> u16 {
        self.core.id()
    }

    /// Messages published through this publisher's place in the topic, by predecessors as well.
    pub fn published(&self) -> u64 {
        self.core.published()
    }

    /// Waits until at least `count` living subscribers are registered; `false` after `timeout`.
    ///
    /// # Errors
    ///
    /// [`JoinError::Forked`].
    pub fn wait_subscribers(&self, count: usize, timeout: Duration) -> Result<bool, JoinError> {
        const LOOK_EVERY: Duration = Duration::from_millis(1);
        let deadline = Instant::now().checked_add(timeout);
        loop {
            if self.core.living_subscribers()? >= count {
                return Ok(true);
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(false);
            }
            std::thread::sleep(LOOK_EVERY);
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
