//! Errors of the API: one enum per kind of operation, and [`Error`] for applications.

mod delivery;

use std::{fmt, path::PathBuf};

pub use self::delivery::{Culprit, PollError, PublishError};
use super::AttributeError;
use crate::{
    registry::{Access, AccessError, DirectoryError, NameError, PatternError, RegistryError},
    ring::{header::HeaderError, layout::ShapeError},
    segment::SegmentError,
};

/// Why a bus could not be opened, listed or cleaned.
///
/// Nothing was changed, except that directories which were missing may have been made.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// # let dir = &bus.dir;
/// use ringbus::{Bus, DirectoryError, OpenError};
///
/// match Bus::builder().dir(dir).name("plant").create(false).open() {
///     Ok(bus) => println!("{:?}", bus.path()),
///     Err(OpenError::Directory(DirectoryError::NoBus { path })) => {
///         println!("nobody has made a bus at {} yet", path.display());
/// #         assert_eq!(path, dir.join("plant"));
///     }
///     Err(error) => return Err(error.into()), // the message says which file, and what to do
/// }
/// # assert!(Bus::builder().dir(dir).name("plant").create(false).open().is_err());
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The bus's name is not allowed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The mode is none.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The bus exists and grants less than was asked for.
    #[error(
        "{path}: the access of the bus is `{found}`, and `{asked}` was asked for; ask for no more, \
         or remove the bus once nobody uses it"
    )]
    Closed {
        /// The bus's directory.
        path: PathBuf,
        /// What was asked for.
        asked: Access,
        /// What the bus grants.
        found: Access,
    },
    /// The bus's directory could not be found, made or read.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The registry of participants could not be used.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Why a topic could not be created, opened or removed.
///
/// Nothing was changed: a topic is made whole or not at all.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use ringbus::TopicError;
///
/// # bus.topic("orders").capacity(64).create()?;
/// match bus.topic("orders").capacity(256).open_or_create() {
///     Ok(topic) => println!("{}", topic.name()),
///     Err(TopicError::Mismatch { what, asked, found, .. }) => {
///         eprintln!("orders has {what} {found}, not {asked}"); // take it as it is, or agree
///         assert_eq!((what, &*found), ("capacity", "64"));
///         bus.topic("orders").open()?;
///     }
///     Err(error) => return Err(error.into()),
/// }
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// The topic's name is not allowed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// No topic of that name.
    #[error("topic {topic} does not exist; create it, or check the bus and the spelling")]
    NotFound {
        /// The topic.
        topic: String,
    },
    /// There is a topic of that name already.
    #[error("topic {topic} exists already; open it, or remove it first")]
    Exists {
        /// The topic.
        topic: String,
    },
    /// The topic exists with another property than the one asked for.
    #[error(
        "topic {topic} has {what} {found}, and {asked} was asked for; ask for the same or remove \
         the topic"
    )]
    Mismatch {
        /// The topic.
        topic: String,
        /// The property.
        what: &'static str,
        /// Its value here.
        asked: String,
        /// Its value in the topic.
        found: String,
    },
    /// The topic carries another type.
    #[error(
        "topic {topic} carries {found}, not {asked}; open it as what it carries, or untyped, or remove \
         the topic"
    )]
    Type {
        /// The topic.
        topic: String,
        /// The type here: name, size and alignment.
        asked: TypeDescription,
        /// The type of the topic.
        found: TypeDescription,
    },
    /// The mode is none.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The topic was to grant more than its bus does: nobody could use it.
    #[error(
        "topic {topic}: `{asked}` was asked for, but the access of its bus is `{bus}`; ask for no \
         more, or make the bus anew with a mode that grants it"
    )]
    Closed {
        /// The topic.
        topic: String,
        /// What was asked for.
        asked: Access,
        /// What the bus grants.
        bus: Access,
    },
    /// No topic can have these properties.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A text is longer than a topic can store.
    #[error("{what} is {bytes} bytes long, the most is {max}")]
    TooLong {
        /// Which text.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The longest.
        max: usize,
    },
    /// `TimeSource::Tsc` on a machine without an invariant time-stamp counter.
    #[error(
        "this machine has no invariant time-stamp counter; take the times from the clock instead"
    )]
    NoTsc,
    /// A file is not the segment that it should be.
    #[error("{path}: {source}")]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: HeaderError,
    },
    /// A text has a control character, which could steer a terminal that shows it.
    #[error("{what} has a control character at byte {position}; leave it out")]
    Control {
        /// Which text.
        what: &'static str,
        /// Where it is.
        position: usize,
    },
    /// The ring belongs to a bus with another registry: the bus's files were replaced in part, or since
    /// it was opened.
    #[error(
        "{path}: the topic belongs to another bus than the registry beside it; open the bus again \
         or, if that does not help, remove the topic"
    )]
    OtherBus {
        /// The ring.
        path: PathBuf,
    },
    /// A file of the topic could not be used.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The topic is in use.
    #[error(
        "topic {topic} is in use by {} and {}; stop them, or remove it by force",
        Count(*publishers as u64, "publisher"),
        Count(*subscribers as u64, "subscriber")
    )]
    InUse {
        /// The topic.
        topic: String,
        /// Living publishers.
        publishers: usize,
        /// Living subscribers.
        subscribers: usize,
    },
}

/// A type as a topic stores it: what must be the same in every program that names it.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// let topic = bus.topic("readings").typed::<[u32]>().create()?;
/// let stored = topic.info().payload_type;
/// assert_eq!(stored.name.as_deref(), Some("[u32]"));
/// assert_eq!((stored.size_bytes, stored.alignment_bytes), (4, 4));
/// assert_eq!(stored.to_string(), "type [u32] (size 4 bytes, alignment 4)");
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeDescription {
    /// Its name; `None`: untyped bytes.
    pub name: Option<String>,
    /// Its size in bytes; of one element, if it is a slice.
    pub size_bytes: u64,
    /// Its alignment in bytes.
    pub alignment_bytes: u64,
}

impl fmt::Display for TypeDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            None => f.write_str("untyped bytes"),
            Some(name) => write!(
                f,
                "type {name} (size {} bytes, alignment {})",
                self.size_bytes, self.alignment_bytes
            ),
        }
    }
}

/// Why a publisher, subscriber or observer could not join a topic. It has taken no place there.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use ringbus::JoinError;
///
/// let topic = bus.topic("orders").exclusive().open_or_create()?;
/// let active = topic.publisher()?;
/// match topic.publisher() {
///     Ok(_) => unreachable!("an exclusive topic has one publisher"),
///     Err(JoinError::PublisherExists { pid, .. }) => {
///         assert_eq!(pid, std::process::id()); // stand by: it may stop, or die
///     }
///     Err(error) => return Err(error.into()),
/// }
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The topic is exclusive, and its publisher is alive.
    #[error(
        "topic {topic} has a living publisher (pid {pid}) and is exclusive; stop that one, or \
         create the topic with shared publishers"
    )]
    PublisherExists {
        /// The topic.
        topic: String,
        /// The publisher's process, as it saw itself.
        pid: u32,
    },
    /// All places for publishers are taken by living ones.
    #[error(
        "topic {topic} has all of its {max} publishers; create it with a larger max_publishers"
    )]
    TooManyPublishers {
        /// The topic.
        topic: String,
        /// The limit.
        max: u32,
    },
    /// All places for subscribers are taken by living ones.
    #[error(
        "topic {topic} has all of its {max} subscribers; create it with a larger max_subscribers"
    )]
    TooManySubscribers {
        /// The topic.
        topic: String,
        /// The limit.
        max: u32,
    },
    /// The topic was removed, or replaced by another of the same name, after it was opened.
    #[error("topic {topic} was removed since it was opened; open it again")]
    Removed {
        /// The topic.
        topic: String,
    },
    /// The start lies in the future.
    #[error(
        "sequence {asked} is not published yet, the next one is {next}; start at the latest instead"
    )]
    NotYet {
        /// The sequence asked for.
        asked: u64,
        /// The sequence of the next message.
        next: u64,
    },
    /// A start by time on a topic that keeps none.
    #[error("topic {topic} keeps no publish times; start at a sequence, or create it with a time")]
    NoTime {
        /// The topic.
        topic: String,
    },
    /// A filter by something that the topic does not keep.
    #[error("topic {topic} keeps no {what}: filter by the payload, or create the topic with them")]
    NotKept {
        /// The topic.
        topic: String,
        /// What it does not keep.
        what: &'static str,
    },
    /// The file is not the segment that it should be.
    #[error("{path}: {source}")]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: HeaderError,
    },
    /// A file of the topic could not be used.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The registry of participants could not be used.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The handle belongs to the parent of this process.
    #[error("the bus was opened before fork(); open it again in the child")]
    Forked,
}

/// Any error of this crate, for applications that only report it.
///
/// Every other error of the crate converts into it with `?`, or is the source of one that does.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// # let dir = &bus.dir;
/// fn run(dir: &std::path::Path) -> Result<(), ringbus::Error> {
///     let bus = ringbus::Bus::builder().dir(dir).open()?; // OpenError
///     let topic = bus.topic("orders").open()?; // TopicError
///     topic.publisher()?.publish(b"buy")?; // JoinError, PublishError
///     Ok(())
/// }
/// let error = run(dir).unwrap_err();
/// assert!(error.to_string().starts_with("topic orders does not exist"));
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A bus could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A topic could not be created, opened or removed.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// A topic could not be joined.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// A message was not published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// A message was not received.
    #[error(transparent)]
    Poll(#[from] PollError),
    /// A subscription to many topics has something to tell.
    #[error(transparent)]
    Multi(#[from] super::MultiError),
    /// A call was not answered, or a service could not be joined.
    #[error(transparent)]
    Call(#[from] super::CallError),
    /// A wait set cannot wait.
    #[error(transparent)]
    Wait(#[from] super::WaitError),
    /// A name is not allowed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A pattern is not allowed.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// An attribute cannot be set.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// A policy cannot be read.
    #[cfg(feature = "policy")]
    #[error(transparent)]
    Policy(#[from] super::PolicyError),
}

/// `1 message`, `2 messages`.
struct Count(u64, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, noun) = self;
        let ending = if *count == 1 { "" } else { "s" };
        write!(f, "{count} {noun}{ending}")
    }
}
