//! The API: buses, topics, publishers, subscribers, observers. The only place where the layers meet.

mod attributes;
mod builder;
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
    path::{Path, PathBuf},
    sync::{Arc, Mutex, Weak},
};

#[cfg(feature = "policy")]
pub use self::policy::{Policy, PolicyError};
#[cfg(feature = "async")]
pub use self::stream::MessageStream;
pub use self::{
    attributes::{Attribute, AttributeError, Attributes, AttributesView},
    builder::TopicBuilder,
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
    registry::{
        Access, AccessOptions, BusDirectory, BusName, DirectoryError, OwnerId, Participant,
        Registry, RegistryError, list_buses, remove_bus,
    },
    segment::{SegmentError, ownership},
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

/// Where a bus is and who may use it; made by [`Bus::builder`].
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// # let dir = &bus.dir;
/// use ringbus::{Access, Bus, Grant};
///
/// let bus = Bus::builder()
///     .dir(dir) // shared with other containers
///     .name("plant")
///     .access(Access::of_group(Grant::Observe)) // this user publishes, the group reads
///     .open()?;
/// assert_eq!(bus.path(), dir.join("plant"));
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `open`"]
pub struct BusBuilder {
    dir: Option<PathBuf>,
    name: Option<String>,
    access: AccessOptions,
    create: bool,
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
        BusBuilder {
            dir: None,
            name: None,
            access: AccessOptions::default(),
            create: true,
        }
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

impl BusBuilder {
    /// Puts the bus into this directory, which holds buses, instead of `$RINGBUS_DIR` or the
    /// default. Processes in other containers join by sharing it.
    ///
    /// It is made if it does not exist, unless [`create`](Self::create) says otherwise.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let dir = &bus.dir;
    /// let bus = ringbus::Bus::builder().dir(dir).open()?;
    /// assert_eq!(bus.path(), dir.join("default"));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.dir = Some(path.into());
        self
    }

    /// Names the bus: 1 to 64 letters, digits, `.`, `_` and `-`, and not a `.` first; `default`
    /// unless set. The name is checked by [`open`](Self::open).
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let dir = &bus.dir;
    /// let bus = ringbus::Bus::builder().dir(dir).name("line-2").open()?;
    /// assert_eq!(bus.name(), "line-2");
    /// assert!(ringbus::Bus::builder().dir(dir).name("line/2").open().is_err());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Decides who may use the bus besides this user, should it be created: nobody, by default.
    /// Topics that are created through this handle get the same, unless their own say otherwise.
    ///
    /// On a bus that exists, no more can be had than it grants. Without this, topics get what the bus
    /// grants. The umask does not matter.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let dir = &bus.dir;
    /// use ringbus::{Access, Bus, Grant};
    ///
    /// let access = Access::of_group(Grant::Subscribe);
    /// let bus = Bus::builder().dir(dir).name("shared").access(access).open()?;
    /// # assert!(cfg!(not(unix)) || bus.access().group == Grant::Subscribe);
    /// let topic = bus.topic("quotes").create()?;
    /// # let topic = topic.info();
    /// # assert!(cfg!(not(unix)) || topic.access.group == Grant::Subscribe);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn access(mut self, access: Access) -> Self {
        self.access = AccessOptions::of(access);
        self
    }

    /// The same by a mode, such as `0o640`: see [`Access::from_mode`]. It is checked by
    /// [`open`](Self::open).
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let dir = &bus.dir;
    /// use ringbus::{Bus, OpenError};
    ///
    /// let bus = Bus::builder().dir(dir).name("shared").mode(0o660).open()?;
    /// # assert!(cfg!(not(unix)) || bus.access().mode() == 0o660);
    /// let refused = Bus::builder().dir(dir).name("odd").mode(0o620).open();
    /// assert!(matches!(refused, Err(OpenError::Access(_))));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn mode(mut self, mode: u32) -> Self {
        self.access.mode = Some(mode);
        self
    }

    /// Decides whose group is meant, by its number; the user's own by default.
    ///
    /// A user can give files to a group of which it is a member.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let dir = &bus.dir;
    /// use std::os::unix::fs::MetadataExt;
    ///
    /// # let gid = bus.path().metadata().expect("a directory").gid();
    /// let bus = ringbus::Bus::builder().dir(dir).name("team").mode(0o660).group(gid).open()?;
    /// assert_eq!(bus.path().metadata().expect("a directory").gid(), gid);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn group(mut self, gid: u32) -> Self {
        self.access.gid = Some(gid);
        self
    }

    /// Decides whether the bus is created if it does not exist; `true` by default.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let dir = &bus.dir;
    /// use ringbus::{Bus, DirectoryError, OpenError};
    ///
    /// let absent = Bus::builder().dir(dir).name("absent").create(false).open();
    /// assert!(matches!(absent, Err(OpenError::Directory(DirectoryError::NoBus { .. }))));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn create(mut self, yes: bool) -> Self {
        self.create = yes;
        self
    }

    /// The names of the buses that exist in the directory, in order; none if there is no directory.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let dir = &bus.dir;
    /// use ringbus::Bus;
    ///
    /// Bus::builder().dir(dir).name("plant").open()?;
    /// Bus::builder().dir(dir).name("shop").open()?;
    /// let names = Bus::builder().dir(dir).names()?;
    /// assert!(names.contains(&"plant".to_owned()) && names.contains(&"shop".to_owned()));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`OpenError::Directory`] where it cannot be read, or belongs to another user.
    pub fn names(&self) -> Result<Vec<String>, OpenError> {
        let names = list_buses(self.dir.as_deref())?;
        Ok(names.iter().map(|name| name.as_str().to_owned()).collect())
    }

    /// Removes the bus with all its topics, whoever uses them. Those who have them open go on among
    /// themselves; whoever opens the bus next gets a new one.
    ///
    /// With the portable backend only this, and not the removal of the directory, frees the memory.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let dir = bus.dir.clone();
    /// let builder = ringbus::Bus::builder().dir(dir).name("doomed");
    /// builder.clone().open()?.topic("orders").create()?;
    /// builder.clone().destroy()?;
    /// assert_eq!(builder.names()?, ["default"]);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`OpenError`] where there is no such bus, what is in its directory that is no bus's, or which file
    /// could not be removed; what was removed before that one stays so.
    pub fn destroy(self) -> Result<(), OpenError> {
        let name = self
            .name
            .as_deref()
            .map_or(Ok(BusName::default()), BusName::new)?;
        Ok(remove_bus(self.dir.as_deref(), &name)?)
    }

    /// Opens the bus; creates it unless [`create`](Self::create) said not to.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let dir = &bus.dir;
    /// let bus = ringbus::Bus::builder().dir(dir).name("plant").open()?;
    /// assert!(bus.topics()?.is_empty());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`OpenError`] says which file could not be used and why: [`Name`](OpenError::Name) for a
    /// name that no bus has, [`Directory`](OpenError::Directory) for a place that cannot be found,
    /// made or trusted, [`Registry`](OpenError::Registry) for a bus of another release or
    /// architecture.
    pub fn open(self) -> Result<Bus, OpenError> {
        let name = self
            .name
            .as_deref()
            .map_or(Ok(BusName::default()), BusName::new)?;
        let root = self.dir.as_deref();
        let asked = self.access.resolve(Access::PRIVATE)?;
        let directory = match self.create {
            true => BusDirectory::open_or_create(root, &name, asked)?,
            false => BusDirectory::open(root, &name)?,
        };
        let registry = match self.create {
            true => Registry::open_or_create(directory.path(), asked)?,
            false => Registry::open(directory.path()).map_err(|e| no_bus(&directory, e))?,
        };
        let found = access_of(&directory, &registry).unwrap_or(asked);
        if self.access.mode.is_some() && !asked.is_within(found) {
            let path = directory.path().to_owned();
            return Err(OpenError::Closed { path, asked, found });
        }
        let (access, topics_access) = (found, self.access.resolve(found)?);
        Ok(Bus {
            inner: Arc::new(BusInner {
                name,
                directory,
                access,
                topics_access,
                registry,
                waiter: Mutex::default(),
                #[cfg(target_os = "linux")]
                lookout: Mutex::default(),
            }),
        })
    }
}

/// Without its registry, a directory is no bus, or none yet.
fn no_bus(directory: &BusDirectory, error: RegistryError) -> OpenError {
    match error {
        RegistryError::Segment(SegmentError::NotFound { .. }) => {
            let path = directory.path().to_owned();
            DirectoryError::NoBus { path }.into()
        }
        error => error.into(),
    }
}

/// What the files of a bus grant; `None` where files have no modes.
fn access_of(directory: &BusDirectory, registry: &Registry) -> Option<Access> {
    let topics = ownership(&directory.topics()).ok()??;
    Some(Access::of_files(topics, registry.ownership()))
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus")
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}
