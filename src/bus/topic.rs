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
/// # let dir = std::env::temp_dir().join(format!("ringbus-doc-{}", std::process::id()));
/// # let place = ringbus::Bus::builder().dir(&dir).name("topic");
/// # let bus = place.clone().open()?;
/// let topic = bus.topic("doc/topic").open_or_create()?;
/// assert_eq!(topic.info().capacity_slots, 4096);
/// # place.destroy()?;
/// # let _ = std::fs::remove_dir(dir);
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

    /// The topic's name.
    pub fn name(&self) -> &TopicName {
        &self.shared.name
    }

    /// The topic's properties, participants and counters as they are now; in a forked child, which
    /// has nothing of the topic, its properties only.
    pub fn info(&self) -> TopicInfo {
        info::describe(&self.shared)
    }

    /// Whether the topic was removed since it was opened. Its handles go on among themselves;
    /// whoever opens the name finds nothing, or another topic.
    pub fn is_removed(&self) -> bool {
        self.shared.ring.segment().is_unlinked()
    }

    /// Becomes a publisher: the only one, if the topic is exclusive.
    ///
    /// It takes over where a predecessor that died stopped: what that one did not commit was never
    /// there, and sequences go on without a hole.
    ///
    /// # Errors
    ///
    /// [`JoinError::PublisherExists`] while another publisher of an exclusive topic lives,
    /// [`JoinError::TooManyPublishers`] where a shared one has no place left.
    pub fn publisher(&self) -> Result<Publisher<T>, JoinError> {
        Ok(Publisher::new(PublisherCore::join(&self.shared)?))
    }

    /// Starts to configure a subscriber; [`join`](SubscriberBuilder::join) makes it.
    pub fn subscriber(&self) -> SubscriberBuilder<T> {
        SubscriberBuilder::new(Arc::clone(&self.shared))
    }

    /// Reads without being known to anybody: copies each message and checks that it was whole.
    ///
    /// Needs read access to the topic's ring only, and neither waits for nor holds up anybody.
    ///
    /// # Errors
    ///
    /// [`JoinError::NotYet`] for a start in the future, [`JoinError::NoTime`].
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
