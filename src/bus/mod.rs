//! The API: buses, topics, publishers, subscribers, observers. The only place where the layers meet.

mod attributes;
mod builder;
mod bus_builder;
mod call;
mod client;
mod client_builder;
mod clock;
mod dispatched;
mod dispatcher;
mod error;
mod filter;
mod find;
mod gatekeeper;
mod gc;
mod head;
mod info;
mod lease;
mod loan;
mod mapping;
mod message;
mod multi;
mod multi_builder;
mod multi_error;
mod multi_members;
mod multi_sleeper;
mod observer;
mod payload;
#[cfg(feature = "policy")]
mod policy;
#[cfg(feature = "async")]
mod publish_async;
mod publisher;
mod publisher_core;
mod request;
mod selection;
mod server;
mod start;
#[cfg(feature = "async")]
mod stream;
mod subscriber;
mod subscriber_core;
mod tag_set;
mod topic;
mod topic_shared;
mod wait_set;
mod watch;

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, Weak},
};

#[cfg(feature = "policy")]
pub use self::policy::{Policy, PolicyError};
#[cfg(feature = "async")]
pub use self::stream::MessageStream;
pub use self::{
    attributes::{Attribute, AttributeError, Attributes, AttributesView},
    builder::TopicBuilder,
    bus_builder::BusBuilder,
    call::{CallError, Reply},
    client::{Call, Client},
    client_builder::ClientBuilder,
    clock::Timestamp,
    dispatched::{DispatchError, Dispatched, Trouble, TroubleKind},
    dispatcher::{Dispatcher, DispatcherBuilder, Dispatching},
    error::{
        Culprit, Error, JoinError, OpenError, PollError, PublishError, TopicError, TypeDescription,
    },
    filter::Filter,
    gc::{Collected, Remove},
    head::Head,
    info::{PayloadKind, PublisherInfo, SubscriberInfo, TopicInfo},
    loan::{Loan, LoanRun, Refused},
    message::{Batch, BatchIter, Message, MessageRef},
    multi::{MultiMessage, MultiSubscriber, MultiTopic},
    multi_builder::{MultiSubscriberBuilder, Order},
    multi_error::MultiError,
    observer::{Observer, Snapshot},
    payload::{Payload, SlicePayload},
    publisher::{Meta, Patience, Publisher},
    request::{Deferred, Request},
    server::{Server, ServerBuilder},
    start::Start,
    subscriber::{Subscriber, SubscriberBuilder},
    topic::Topic,
    wait_set::{Interrupter, WaitError, WaitSet},
    watch::{TopicEvent, Watch},
};
use crate::{
    registry::{Access, BusDirectory, BusName, OwnerId, Participant, Registry, RegistryError},
    wait::Ticket,
};

/// A bus: a directory of topics that processes of this host share.
///
/// Clones are the same participant of the bus. A process becomes a participant with its first
/// publisher or subscriber, and stops being one when the last clone and handle are gone, or when it
/// dies: there is no daemon, and nothing to start or to clean up.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// # let dir = &bus.dir;
/// let bus = ringbus::Bus::builder().dir(dir).name("example").open()?;
/// let topic = bus.topic("orders/new").open_or_create()?;
/// let mut subscriber = topic.subscriber().join()?;
/// topic.publisher()?.publish(b"buy 100")?;
/// assert_eq!(subscriber.poll()?.expect("a message").payload(), b"buy 100");
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone)]
pub struct Bus {
    inner: Arc<BusInner>,
}

struct BusInner {
    name: BusName,
    directory: BusDirectory,
    /// Of its files.
    access: Access,
    /// For those that are made through this handle.
    topics_access: Access,
    registry: Registry,
    /// The thread that waits for file descriptors and streams, if there are any.
    waiter: Mutex<Weak<wait_set::Waiter>>,
    /// The thread that waits for directories to change, if there is any.
    #[cfg(target_os = "linux")]
    lookout: Mutex<Weak<wait_set::Lookout>>,
}

/// A process that takes part in a bus, as [`Bus::participants`] found it.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// let publisher = bus.topic("orders").open_or_create()?.publisher()?;
/// for participant in bus.participants() {
///     let state = if participant.alive { "alive" } else { "dead" };
///     println!("{} (pid {}): {state}", participant.process, participant.pid);
/// }
/// assert!(bus.participants()[0].alive);
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParticipantInfo {
    /// Its process id, as it sees it itself.
    pub pid: u32,
    /// The name of its program.
    pub process: String,
    /// Whether it lives.
    pub alive: bool,
}

impl Bus {
    /// Opens the bus `name` of this user, or creates it.
    ///
    /// A bus is a directory of that name in `$RINGBUS_DIR` or, if that is not set, in
    /// `/dev/shm/ringbus-<uid>`; with the portable backend, among the temporary files.
    ///
    /// ```standalone_crate
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # // Sound, as this is the only thread.
    /// # unsafe { std::env::set_var("RINGBUS_DIR", &bus.dir) };
    /// use ringbus::Bus;
    ///
    /// let bus = Bus::open("plant")?;
    /// assert_eq!(bus.name(), "plant");
    /// assert_eq!(bus.id(), Bus::open("plant")?.id());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`OpenError`] says which file could not be used and why. Its message tells what to do about
    /// it; trying again alone helps only where another process stands in the way.
    pub fn open(name: &str) -> Result<Self, OpenError> {
        Self::builder().name(name).open()
    }

    /// Starts to describe a bus in another place, or for other users as well.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let dir = &bus.dir;
    /// let bus = ringbus::Bus::builder().dir(dir).name("shop").open()?;
    /// assert_eq!((bus.name(), bus.path()), ("shop", dir.join("shop").as_path()));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn builder() -> BusBuilder {
        BusBuilder::new()
    }

    /// The bus's name, as it was opened: `default` where none was given.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let dir = &bus.dir;
    /// let bus = ringbus::Bus::builder().dir(dir).open()?;
    /// assert_eq!(bus.name(), "default");
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn name(&self) -> &str {
        self.inner.name.as_str()
    }

    /// The bus's directory. Whoever can reach it, and may by its mode, can use the bus.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// assert!(bus.path().is_dir());
    /// assert!(bus.path().ends_with(bus.name()));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn path(&self) -> &Path {
        self.inner.directory.path()
    }

    /// The bus's identity, drawn at random when it was created: the same for two processes exactly
    /// if they share the bus, whatever their paths say.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let dir = &bus.dir;
    /// let again = ringbus::Bus::builder().dir(dir).open()?;
    /// let another = ringbus::Bus::builder().dir(dir).name("another").open()?;
    /// assert_eq!(bus.id(), again.id());
    /// assert_ne!(bus.id(), another.id());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn id(&self) -> u64 {
        self.inner.registry.bus_id()
    }

    /// Who may use the bus besides its owner, by the modes of its files when it was opened.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// println!("{}", bus.access()); // private
    /// # assert!(cfg!(not(unix)) || bus.access().to_string() == "private");
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn access(&self) -> Access {
        self.inner.access
    }

    /// The processes that take part, through a publisher or subscriber, now or until they died.
    ///
    /// A dead one stays in the list until somebody takes its place, or [`gc`](Self::gc) frees it.
    /// Each entry was true at some moment during the call.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// assert!(bus.participants().is_empty());
    /// let publisher = bus.topic("orders").open_or_create()?.publisher()?;
    /// let participants = bus.participants();
    /// assert_eq!(participants.len(), 1);
    /// assert_eq!(participants[0].pid, std::process::id());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn participants(&self) -> Vec<ParticipantInfo> {
        let registry = &self.inner.registry;
        let describe = |owner| {
            let Participant { pid, process } = registry.describe(owner)?;
            let alive = registry.is_alive(owner);
            Some(ParticipantInfo {
                pid,
                process,
                alive,
            })
        };
        registry.participants().filter_map(describe).collect()
    }

    /// Starts to open or create a topic.
    ///
    /// The name is checked when it is opened: `/`-separated levels in UTF-8, at most 255 bytes,
    /// such as `robot/7/pose`. Nothing exists before
    /// [`open_or_create`](TopicBuilder::open_or_create) or [`create`](TopicBuilder::create).
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("robot/7/pose").capacity(256).open_or_create()?;
    /// assert_eq!(topic.name().as_str(), "robot/7/pose");
    /// assert!(bus.topic("robot//pose").open_or_create().is_err());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn topic(&self, name: &str) -> TopicBuilder<[u8]> {
        TopicBuilder::new(self.clone(), name)
    }

    fn directory(&self) -> &BusDirectory {
        &self.inner.directory
    }

    fn topics_access(&self) -> Access {
        self.inner.topics_access
    }

    /// Takes part in the bus, as publishers and subscribers must.
    fn join(&self) -> Result<OwnerId, RegistryError> {
        self.inner.registry.join()
    }

    /// This process's lease, if it takes part.
    fn participant(&self) -> Option<OwnerId> {
        self.inner.registry.owner()
    }

    fn is_alive(&self, owner: OwnerId) -> bool {
        self.inner.registry.is_alive(owner)
    }

    /// Rings the bell that a peer has named.
    fn ring_bell(&self, ticket: u32) {
        let ticket = Ticket::from_word(ticket);
        let bell = ticket.and_then(|ticket| self.inner.registry.bell(ticket.bell()));
        if let (Some(bell), Some(ticket)) = (bell, ticket) {
            bell.ring(ticket.mark());
        }
    }

    fn pid_of(&self, owner: OwnerId) -> u32 {
        self.inner.registry.pid_of(owner)
    }

    fn process_of(&self, owner: OwnerId) -> Option<Participant> {
        self.inner.registry.describe(owner)
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus")
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}
