//! A topic that was opened: from here publishers, subscribers and observers start.

use std::{fmt, marker::PhantomData, sync::Arc};

use super::{
    Observer, Payload, Publisher, Start, SubscriberBuilder, TopicInfo, error::JoinError, info,
    publisher_core::PublisherCore, topic_shared::TopicShared,
};
use crate::registry::TopicName;

/// An open topic. Clones share it; dropping it ends nothing.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// let topic = bus.topic("orders").open_or_create()?;
/// assert_eq!(topic.info().capacity_slots, 4096);
/// let mut subscriber = topic.subscriber().join()?;
/// let publisher = topic.publisher()?;
/// drop(topic); // its publishers and subscribers go on
/// publisher.publish(b"buy")?;
/// assert!(subscriber.poll()?.is_some());
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct Topic<T: ?Sized> {
    shared: Arc<TopicShared>,
    payload: PhantomData<fn(&T)>,
}

impl<T: Payload + ?Sized> Topic<T> {
    pub(super) fn new(shared: TopicShared) -> Self {
        Self {
            shared: Arc::new(shared),
            payload: PhantomData,
        }
    }

    pub(super) fn shared(&self) -> &Arc<TopicShared> {
        &self.shared
    }

    /// The topic's name.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("robot/7/pose").open_or_create()?;
    /// assert_eq!(topic.name().to_string(), "robot/7/pose");
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn name(&self) -> &TopicName {
        &self.shared.name
    }

    /// The topic's properties, participants and counters as they are now; in a forked child,
    /// which has nothing of the topic, its properties only.
    ///
    /// Counters are read one by one while others write them: each was true during the call.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let before = topic.info().published;
    /// topic.publisher()?.publish(b"buy")?;
    /// assert_eq!(topic.info().published - before, 1);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn info(&self) -> TopicInfo {
        info::describe(&self.shared)
    }

    /// Whether the topic was removed since it was opened. Its handles go on among themselves;
    /// whoever opens the name finds nothing, or another topic.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("orders").open_or_create()?;
    /// assert!(!topic.is_removed());
    /// bus.remove("orders", ringbus::Remove::IfUnused)?;
    /// assert!(topic.is_removed());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn is_removed(&self) -> bool {
        self.shared.ring.segment().is_unlinked()
    }

    /// Becomes a publisher: the only one, if the topic is exclusive.
    ///
    /// It takes over where a predecessor that died stopped: what that one did not commit was never
    /// there, and sequences go on without a hole.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let publisher = topic.publisher()?;
    /// publisher.publish(b"buy")?;
    /// drop(publisher); // or its process dies
    /// assert_eq!(topic.publisher()?.publish(b"sell")?, 1);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`JoinError::PublisherExists`] while another publisher of an exclusive topic lives: try
    /// again when it has ended. [`JoinError::TooManyPublishers`] where a shared one has no place
    /// left. [`JoinError::Removed`] where the topic is gone: open it again. [`JoinError::Segment`]
    /// where this process may not write the topic. In all cases nothing has changed.
    pub fn publisher(&self) -> Result<Publisher<T>, JoinError> {
        Ok(Publisher::new(PublisherCore::join(&self.shared)?))
    }

    /// Starts to configure a subscriber; [`join`](SubscriberBuilder::join) makes it.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let mut subscriber = topic.subscriber().reliable().join()?;
    /// assert!(subscriber.poll()?.is_none()); // nothing was published since
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn subscriber(&self) -> SubscriberBuilder<T> {
        SubscriberBuilder::new(Arc::clone(&self.shared))
    }

    /// Reads without being known to anybody: copies each message and checks that it was whole.
    ///
    /// Needs read access to the topic's ring only, and neither waits for nor holds up anybody.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::Start;
    ///
    /// let topic = bus.topic("orders").open_or_create()?;
    /// topic.publisher()?.publish(b"buy")?;
    /// let mut observer = topic.observer(Start::Oldest)?;
    /// assert_eq!(observer.poll()?.expect("a message").payload(), b"buy");
    /// assert!(topic.info().subscribers.is_empty());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`JoinError::NotYet`] for a start in the future, [`JoinError::NoTime`] for one by time on a
    /// topic that keeps none: choose another start.
    pub fn observer(&self, start: Start) -> Result<Observer<T>, JoinError> {
        Observer::new(Arc::clone(&self.shared), start)
    }
}

impl<T: ?Sized> Clone for Topic<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            payload: PhantomData,
        }
    }
}

impl<T: ?Sized> fmt::Debug for Topic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic")
            .field("name", &self.shared.name)
            .finish_non_exhaustive()
    }
}
