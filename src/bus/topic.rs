//! A topic that was opened: from here publishers, subscribers and observers start.

use std::{
    fmt,
    marker::PhantomData,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use super::{
    Bus, Observer, Payload, Publisher, Start, SubscriberBuilder, TopicInfo,
    error::JoinError,
    info,
    mapping::{CursorsMap, MapError, RingMap},
    publisher_core::PublisherCore,
};
use crate::{
    registry::TopicName,
    ring::header::RingDescription,
    segment::{Rights, SegmentError},
    wait::FenceSide,
};

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

/// What all handles of a topic in this process have in common.
pub(super) struct TopicShared {
    pub(super) bus: Bus,
    pub(super) name: TopicName,
    pub(super) schema: Vec<u8>,
    /// Mapped read-only.
    pub(super) ring: Arc<RingMap>,
    pub(super) ring_path: PathBuf,
    pub(super) cursors_path: PathBuf,
    /// Mapped read-write when the first handle needs them.
    cursors: OnceLock<Arc<CursorsMap>>,
}

impl<T: Payload + ?Sized> Topic<T> {
    pub(super) fn new(shared: TopicShared) -> Self {
        Self {
            shared: Arc::new(shared),
            payload: PhantomData,
        }
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

    /// The topic's properties, participants and counters as they are now.
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

impl TopicShared {
    pub(super) fn new(
        bus: Bus,
        name: TopicName,
        ring: RingMap,
        schema: Vec<u8>,
        ring_path: PathBuf,
        cursors_path: PathBuf,
    ) -> Self {
        let cursors = OnceLock::new();
        Self {
            bus,
            name,
            schema,
            ring: Arc::new(ring),
            ring_path,
            cursors_path,
            cursors,
        }
    }

    /// What the ring's header says.
    pub(super) fn description(&self) -> &Arc<RingDescription> {
        self.ring.description()
    }

    /// The cursors, writable.
    pub(super) fn cursors(&self) -> Result<Arc<CursorsMap>, JoinError> {
        if let Some(cursors) = self.cursors.get() {
            return Ok(Arc::clone(cursors));
        }
        let cursors = self
            .open_cursors(Rights::ReadWrite)
            .map_err(|error| self.removed(error))?;
        Ok(Arc::clone(self.cursors.get_or_init(|| Arc::new(cursors))))
    }

    /// The cursors to look at, if this process may.
    pub(super) fn cursors_to_read(&self) -> Option<Arc<CursorsMap>> {
        match self.cursors.get() {
            Some(cursors) => Some(Arc::clone(cursors)),
            None => self.open_cursors(Rights::ReadOnly).ok().map(Arc::new),
        }
    }

    /// The ring, writable, in a mapping and an open file of its own.
    pub(super) fn ring_to_write(&self) -> Result<Arc<RingMap>, JoinError> {
        let (ring, _) = RingMap::open(&self.ring_path, Rights::ReadWrite)
            .map_err(|error| self.removed(error))?;
        if ring.description().incarnation != self.description().incarnation {
            return Err(JoinError::Removed {
                topic: self.name.to_string(),
            });
        }
        Ok(Arc::new(ring))
    }

    fn open_cursors(&self, rights: Rights) -> Result<CursorsMap, MapError> {
        CursorsMap::open(&self.cursors_path, rights, self.description())
    }

    fn removed(&self, error: MapError) -> JoinError {
        match error {
            MapError::Segment(SegmentError::NotFound { .. }) => JoinError::Removed {
                topic: self.name.to_string(),
            },
            error => error.into(),
        }
    }
}

/// Who pays so that sleepers are woken.
pub(super) fn fence_side(description: &RingDescription) -> FenceSide {
    match description.wake_fence {
        true => FenceSide::Both,
        false => FenceSide::Sleeper,
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
