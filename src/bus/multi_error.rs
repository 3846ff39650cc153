//! What a subscription to many topics has to tell.

use std::sync::Arc;

use super::error::{JoinError, OpenError, PollError, TopicError};
use crate::registry::{PatternError, TopicName};

/// Why a [`MultiSubscriber`](super::MultiSubscriber) could not be made, or what it is told of one of
/// its topics. Unless said otherwise, the next poll goes on.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use ringbus::{MultiError, PollError};
///
/// let mut quotes = bus.subscribe_pattern("quotes/*").join()?;
/// let topic = bus.topic("quotes/aud").capacity(8).create()?;
/// # let publisher = topic.publisher()?;
/// for _ in 0..20 {
///     publisher.publish(b"quote")?;
/// }
/// let Err(MultiError::Poll { topic, source }) = quotes.poll() else { panic!("it keeps 8 of 20") };
/// assert_eq!(topic.as_str(), "quotes/aud");
/// assert!(matches!(source, PollError::Lagged { missed: 12.. }));
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MultiError {
    /// The pattern is not allowed.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The bus's topics cannot be watched any more; comes again. Where the bus was removed, it comes once
    /// nobody is left who publishes on what there was to read.
    #[error(transparent)]
    Watch(#[from] OpenError),
    /// A topic that matches cannot be opened, as one of another type. It is left out until it is
    /// made anew.
    #[error(transparent)]
    Open(#[from] TopicError),
    /// A topic that matches cannot be joined. It is left out until it is made anew.
    #[error("topic {topic} is left out: {source}")]
    Join {
        /// The topic.
        topic: Arc<TopicName>,
        /// Why.
        source: JoinError,
    },
    /// What a poll of this topic says: after a loss it goes on, a damaged topic is left out.
    #[error("topic {topic}: {source}")]
    Poll {
        /// The topic.
        topic: Arc<TopicName>,
        /// What.
        source: PollError,
    },
    /// A dispatcher cannot have as many threads.
    #[error("cannot start a thread: {0}; ask for fewer")]
    Thread(#[source] std::io::Error),
    /// The handle belongs to the parent of this process; comes again.
    #[error("the bus was opened before fork(); open it again in the child")]
    Forked,
}
