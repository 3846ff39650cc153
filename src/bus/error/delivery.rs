//! Why a message was not published, or not received: numbers alone, which cost nothing to make.

use std::fmt;

use super::Count;

/// Why a message was not published. Nothing of it is visible to anybody.
///
/// [`Full`](Self::Full) and [`NoSpace`](Self::NoSpace) pass when somebody moves or makes room;
/// [`LoanOutstanding`](Self::LoanOutstanding) and [`LoanLimit`](Self::LoanLimit) when a loan is
/// committed or dropped. The others will be the same the next time.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use ringbus::PublishError;
///
/// let topic = bus.topic("orders").capacity(2).payload_max(8).open_or_create()?;
/// let slow = topic.subscriber().reliable().join()?;
/// let publisher = topic.publisher()?;
/// let outcome = loop {
///     match publisher.try_publish(b"buy") {
///         Ok(sequence) => println!("published {sequence}"),
///         Err(PublishError::Full(culprit)) => break culprit, // drop it, queue it, or wait
///         Err(error) => return Err(error.into()),
///     }
/// };
/// assert_eq!((outcome.pid, outcome.behind), (std::process::id(), 2));
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The gate is shut: publishing would overwrite what a subscriber still needs. Try again later.
    #[error("the topic is full: {0}")]
    Full(Culprit),
    /// The payload is longer than the topic's maximum.
    #[error("payload of {bytes} bytes is longer than the topic's maximum of {max}")]
    TooLong {
        /// The payload's length.
        bytes: usize,
        /// The topic's maximum.
        max: usize,
    },
    /// The topic's messages have a fixed size, and this payload has another.
    #[error("payload of {bytes} bytes on a topic of exactly {fixed}")]
    WrongLength {
        /// The payload's length.
        bytes: usize,
        /// The topic's payload size.
        fixed: usize,
    },
    /// The payload is not a whole number of the topic's elements.
    #[error("payload of {bytes} bytes is not a multiple of the topic's element of {element}")]
    PartialElement {
        /// The payload's length.
        bytes: usize,
        /// The size of an element.
        element: usize,
    },
    /// The attributes take up more than the topic has room for.
    #[error("the attributes take up {bytes} bytes, the topic has room for {max}")]
    AttributesTooLong {
        /// Bytes that they take up.
        bytes: usize,
        /// The topic's `attributes_max`.
        max: usize,
    },
    /// A tag or flags on a topic that does not keep them.
    #[error("the topic keeps no {what}; create it with them")]
    NotKept {
        /// What it does not keep.
        what: &'static str,
    },
    /// The publisher of an exclusive topic has a loan out: the next slot is taken.
    #[error("a loan of the next slot is outstanding; commit or drop it first")]
    LoanOutstanding,
    /// As many chunks are on loan as the topic allows one publisher.
    #[error("{loans} loans are outstanding, the topic's limit; commit or drop one first")]
    LoanLimit {
        /// The limit.
        loans: u32,
    },
    /// `loan_run` asked for more consecutive slots than the ring has.
    #[error("a run of {count} messages does not fit into {capacity} slots")]
    RunTooLong {
        /// How many were asked for.
        count: usize,
        /// The topic's capacity.
        capacity: u64,
    },
    /// `loan_run` on a topic with shared publishers, whose messages may interleave.
    #[error("runs of consecutive slots exist on exclusive topics only")]
    NoRuns,
    /// A spare chunk is needed because a stopped subscriber holds a message, and the file system
    /// has no room for it.
    #[error(
        "a spare chunk needs {needed_bytes} bytes, and the bus's file system has no room for them; \
         make room there"
    )]
    NoSpace {
        /// Bytes that were to be reserved.
        needed_bytes: u64,
    },
    /// The ring holds what no publisher writes. The topic can no longer be used.
    #[error("the ring is damaged at sequence {sequence}; remove the topic")]
    Corrupted {
        /// Where.
        sequence: u64,
    },
    /// The handle belongs to the parent of this process.
    #[error("the bus was opened before fork(); open it again in the child")]
    Forked,
}

/// The subscriber that a full topic waits for, as it was when the publish was refused.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// # use ringbus::PublishError;
/// let topic = bus.topic("orders").capacity(1).open_or_create()?;
/// let slow = topic.subscriber().reliable().join()?;
/// let publisher = topic.publisher()?;
/// publisher.try_publish(b"buy")?;
/// if let Err(PublishError::Full(culprit)) = publisher.try_publish(b"sell") {
///     println!("{culprit}"); // subscriber 0 (pid 4711) is 1 message behind
///     assert_eq!(culprit.subscriber, topic.info().subscribers[0].id);
/// }
/// # assert!(publisher.try_publish(b"sell").is_err());
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Culprit {
    /// Its number in the topic, as listed by [`TopicInfo`](crate::TopicInfo).
    pub subscriber: u32,
    /// Its process, as it sees itself; 0 if unknown.
    pub pid: u32,
    /// How many messages it has not finished reading.
    pub behind: u64,
    /// It was overtaken or evicted and still holds messages, and all spare chunks are in use.
    pub holds_pins: bool,
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            subscriber,
            pid,
            behind,
            holds_pins,
        } = self;
        match holds_pins {
            false => write!(
                f,
                "subscriber {subscriber} (pid {pid}) is {} behind",
                Count(*behind, "message")
            ),
            true => write!(
                f,
                "subscriber {subscriber} (pid {pid}) holds messages, and no spare chunk is left"
            ),
        }
    }
}

/// Why a subscriber or observer got no message.
///
/// After [`Lagged`](Self::Lagged) and [`Evicted`](Self::Evicted) the next poll goes on: each is
/// said once, with the exact number of messages that are gone.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use ringbus::PollError;
///
/// let topic = bus.topic("quotes").capacity(8).open_or_create()?;
/// let mut subscriber = topic.subscriber().join()?;
/// # let publisher = topic.publisher()?;
/// # for _ in 0..20 { publisher.publish(b"quote")?; }
/// let (mut read, mut lost) = (0, 0);
/// loop {
///     match subscriber.poll() {
///         Ok(Some(_message)) => read += 1,
///         Ok(None) => break,
///         Err(PollError::Lagged { missed } | PollError::Evicted { missed }) => lost += missed,
///         Err(error) => return Err(error.into()),
///     }
/// }
/// assert_eq!(read + lost, 20);
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PollError {
    /// Publishers overtook this subscriber: it goes on with the message after the missed ones.
    #[error("lagged: {} overwritten before being read", Count(*missed, "message"))]
    Lagged {
        /// Messages between the last one read and the next one to be read.
        missed: u64,
    },
    /// This reliable subscriber held up publishers for longer than its stall timeout.
    #[error("evicted after its stall timeout: {} missed", Count(*missed, "message"))]
    Evicted {
        /// Messages between the last one read and the next one to be read.
        missed: u64,
    },
    /// The ring holds what no publisher writes. The topic can no longer be used.
    #[error("the ring is damaged at sequence {sequence}; remove the topic")]
    Corrupted {
        /// Where.
        sequence: u64,
    },
    /// A server's topics were removed, or its bus was, and no client is left on them: nobody finds it any
    /// more. Comes again.
    #[error(
        "the service's topics were removed, and no client is left on them; open the bus again and serve anew"
    )]
    Removed,
    /// The start lies in the future.
    #[error("sequence {asked} is not published yet, the next one is {next}")]
    NotYet {
        /// The sequence asked for.
        asked: u64,
        /// The sequence of the next message.
        next: u64,
    },
    /// A start by time on a topic that keeps none.
    #[error("the topic keeps no publish times")]
    NoTime,
    /// The handle belongs to the parent of this process.
    #[error("the bus was opened before fork(); open it again in the child")]
    Forked,
}
