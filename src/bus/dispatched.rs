//! What became of dispatched messages, and what went wrong.

use std::{error, fmt};

use super::MultiError;
use crate::registry::TopicName;

/// What became of the messages so far.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// let dispatcher = bus.dispatcher().on("orders/*", |_| Ok(())).join()?;
/// assert_eq!(dispatcher.dispatched().messages, 0);
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dispatched {
    /// Messages that were handed to handlers.
    pub messages: u64,
    /// Calls of handlers that went well.
    pub handled: u64,
    /// Calls that returned an error.
    pub failed: u64,
    /// Calls that panicked.
    pub panicked: u64,
    /// Messages that were overwritten before they could be handled.
    pub missed: u64,
}

/// Something that went wrong, for [`DispatcherBuilder::on_trouble`](super::DispatcherBuilder::on_trouble).
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// # use std::sync::mpsc;
/// let (tell, told) = mpsc::channel();
/// let mut dispatcher = bus
///     .dispatcher()
///     .on("orders/*", |_| Err("closed".into()))
///     .on_trouble(move |trouble| drop(tell.send(trouble.to_string())))
///     .join()?;
/// bus.topic("orders/eu").create()?.publisher()?.publish(b"buy")?;
/// dispatcher.drain()?;
/// assert_eq!(told.recv().unwrap(), "orders/eu 0: the handler of orders/* failed: closed");
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Trouble<'t> {
    /// The topic and the sequence, where it is about a message.
    pub message: Option<(&'t TopicName, u64)>,
    /// What.
    pub kind: TroubleKind<'t>,
}

/// What went wrong.
///
/// ```
/// use ringbus::TroubleKind;
///
/// fn is_bug(kind: &TroubleKind) -> bool {
///     matches!(kind, TroubleKind::Panicked { .. })
/// }
/// assert!(is_bug(&TroubleKind::Panicked { pattern: "orders/*", words: "oh" }));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum TroubleKind<'t> {
    /// A handler returned an error.
    Failed {
        /// Whose pattern this is.
        pattern: &'t str,
        /// The error.
        error: &'t DispatchError,
    },
    /// A handler panicked.
    Panicked {
        /// Whose pattern this is.
        pattern: &'t str,
        /// With these words, if they were text.
        words: &'t str,
    },
    /// A topic lagged, or cannot be read.
    Poll(&'t MultiError),
}

/// What a handler may fail with.
pub type DispatchError = Box<dyn error::Error + Send + Sync>;

impl fmt::Display for Trouble<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((topic, sequence)) = self.message {
            write!(f, "{topic} {sequence}: ")?;
        }
        match &self.kind {
            TroubleKind::Failed { pattern, error } => {
                write!(f, "the handler of {pattern} failed: {error}")
            }
            TroubleKind::Panicked { pattern, words } => {
                write!(f, "the handler of {pattern} panicked: {words}")
            }
            TroubleKind::Poll(error) => error.fmt(f),
        }
    }
}
