//! Why a wait set cannot wait.

use crate::registry::RegistryError;

/// Why nobody can be waited for in this way.
///
/// Nothing was changed.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use ringbus::{WaitError, WaitSet};
///
/// let subscriber = bus.topic("orders").open_or_create()?.subscriber().join()?;
/// let (mut one, mut another) = (WaitSet::new(&bus)?, WaitSet::new(&bus)?);
/// one.add(&subscriber, 7)?;
/// assert!(matches!(another.add(&subscriber, 7), Err(WaitError::Watched)));
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The process cannot take part in the bus, or there is no bell left.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Somebody waits in the subscriber's place already.
    #[error("the subscriber is in a wait set already, or has a stream: remove it there first")]
    Watched,
    /// Another member has the token.
    #[error("token {token} is another member's: choose one that is free, or remove that member")]
    TokenTaken {
        /// The token.
        token: u64,
    },
    /// The subscriber is one of another bus.
    #[error(
        "the subscriber is of another bus, or opened by another handle than a clone of the \
             wait set's: make a wait set for each bus"
    )]
    OtherBus,
    /// The set was made by this process's parent.
    #[error("this is a forked child: make its own bus, subscribers and wait set")]
    Forked,
    /// The descriptor is one that is always ready.
    #[error(
        "the descriptor is one that is always ready and cannot be waited for (a regular file, a directory, \
         or a device such as /dev/null): use it without waiting"
    )]
    NotWaitable,
    /// The descriptor stands for a name only, and nothing can be read by it.
    #[error(
        "the descriptor was opened with O_PATH, and nothing can be read by it: open it for reading first"
    )]
    NotReadable,
    /// There is no such descriptor.
    #[error("the descriptor is not open: add it while it is, and look where it was closed")]
    NotOpen,
    /// The descriptor is the set's own, or that of an epoll which waits for the set.
    #[error("the set would wait for itself: the descriptor is its own, or waits for it")]
    Circular,
    /// The system refuses file descriptors or the thread that serves them.
    #[error("cannot wait by file descriptors: {source}; see `ulimit -n` and `ulimit -u`")]
    System {
        /// The system's reason.
        #[from]
        source: std::io::Error,
    },
}
