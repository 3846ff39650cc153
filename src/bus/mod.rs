//! The API: buses, topics, publishers, subscribers, observers. The only place where the layers meet.

mod builder;
mod clock;
mod error;
mod gatekeeper;
mod gc;
mod head;
mod info;
mod lease;
mod loan;
mod mapping;
mod message;
mod observer;
mod payload;
mod publisher;
mod publisher_core;
mod start;
mod subscriber;
mod subscriber_core;
mod topic;
mod topic_shared;
mod watch;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use self::{
    builder::TopicBuilder,
    clock::Timestamp,
    error::{
        Culprit, Error, JoinError, OpenError, PollError, PublishError, TopicError, TypeDescription,
    },
    gc::{Collected, Remove},
    info::{PayloadKind, PublisherInfo, SubscriberInfo, TopicInfo},
    loan::{Loan, LoanRun, Refused},
    message::{Batch, BatchIter, Message, MessageRef},
    observer::{Observer, Snapshot},
    payload::{Payload, SlicePayload},
    publisher::{Meta, Patience, Publisher},
    start::Start,
    subscriber::{Subscriber, SubscriberBuilder},
    topic::Topic,
    watch::{TopicEvent, Watch},
};
use crate::{
    registry::{
        BusDirectory, BusName, OwnerId, Participant, Registry, RegistryError, list_buses,
        remove_bus,
    },
    segment::Access,
};

/// A bus: a directory of topics that processes of this host share.
///
/// Clones are the same participant of the bus. A process becomes a participant with its first
/// publisher or subscriber, and stops being one when the last clone and handle are gone, or when it
/// dies: there is no daemon, and nothing to start or to clean up.
///
/// ```
/// # let dir = std::env::temp_dir().join(format!("ringbus-doc-{}", std::process::id()));
/// # let place = ringbus::Bus::builder().dir(&dir).name("example");
/// let bus = ringbus::Bus::builder().dir(&dir).name("example").open()?;
/// let topic = bus.topic("orders/new").open_or_create()?;
/// let mut subscriber = topic.subscriber().join()?;
/// topic.publisher()?.publish(b"buy 100")?;
/// assert_eq!(subscriber.poll()?.expect("a message").payload(), b"buy 100");
/// # drop(subscriber);
/// # place.destroy()?;
/// # let _ = std::fs::remove_dir(dir);
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone)]
pub struct Bus {
    inner: Arc<BusInner>,
}

struct BusInner {
    name: BusName,
    directory: BusDirectory,
    access: Access,
    registry: Registry,
}

/// A process that takes part in a bus.
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
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `open`"]
pub struct BusBuilder {
    dir: Option<PathBuf>,
    name: Option<String>,
    access: Access,
    create: bool,
}

impl Bus {
    /// Opens the bus `name` of this user, or creates it.
    ///
    /// A bus is a directory of that name in `$RINGBUS_DIR` or, if that is not set, in
    /// `/dev/shm/ringbus-<uid>`; with the portable backend, among the temporary files.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says which file could not be used and why.
    pub fn open(name: &str) -> Result<Self, OpenError> {
        Self::builder().name(name).open()
    }

    /// Starts to describe a bus in another place, or for other users as well.
    pub fn builder() -> BusBuilder {
        BusBuilder {
            dir: None,
            name: None,
            access: Access {
                mode: 0o600,
                group: None,
            },
            create: true,
        }
    }

    /// The bus's name.
    pub fn name(&self) -> &str {
        self.inner.name.as_str()
    }

    /// The bus's directory.
    pub fn path(&self) -> &Path {
        self.inner.directory.path()
    }

    /// The bus's identity, drawn at random when it was created: the same for two processes exactly if
    /// they share the bus, whatever their paths say.
    pub fn id(&self) -> u64 {
        self.inner.registry.bus_id()
    }

    /// The processes that take part, through a publisher or subscriber, now or until they died.
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

    /// Starts to open or create a topic. The name is checked then: `/`-separated levels in UTF-8,
    /// at most 255 bytes, such as `robot/7/pose`.
    pub fn topic(&self, name: &str) -> TopicBuilder<[u8]> {
        TopicBuilder::new(self.clone(), name)
    }

    fn directory(&self) -> &BusDirectory {
        &self.inner.directory
    }

    fn access(&self) -> Access {
        self.inner.access
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

    fn process_of(&self, owner: OwnerId) -> Option<Participant> {
        self.inner.registry.describe(owner)
    }
}

impl BusBuilder {
    /// The directory that holds buses, instead of `$RINGBUS_DIR` or the default. Processes in other
    /// containers join by sharing it.
    pub fn dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.dir = Some(path.into());
        self
    }

    /// The bus's name: 1 to 64 letters, digits, `.`, `_` and `-`; `default` unless set.
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Permission bits of the bus's files, should it be created, and of the topics created through
    /// this handle; `0o600` by default. The umask does not matter.
    pub fn mode(mut self, mode: u32) -> Self {
        self.access.mode = mode;
        self
    }

    /// The group of those files.
    pub fn group(mut self, gid: u32) -> Self {
        self.access.group = Some(gid);
        self
    }

    /// Whether to create the bus if it does not exist; `true` by default.
    pub fn create(mut self, yes: bool) -> Self {
        self.create = yes;
        self
    }

    /// The names of the buses that exist in the directory.
    ///
    /// # Errors
    ///
    /// [`OpenError`] where it cannot be read.
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
    /// # let dir = std::env::temp_dir().join(format!("ringbus-doc-{}", std::process::id()));
    /// # let builder = ringbus::Bus::builder().dir(&dir).name("destroy");
    /// let bus = builder.clone().open()?;
    /// bus.topic("doc/doomed").create()?;
    /// drop(bus);
    /// builder.destroy()?;
    /// # let _ = std::fs::remove_dir(dir);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`OpenError`] where there is no such bus, or which file could not be removed; what was
    /// removed before it stays so.
    pub fn destroy(self) -> Result<(), OpenError> {
        let name = self
            .name
            .as_deref()
            .map_or(Ok(BusName::default()), BusName::new)?;
        Ok(remove_bus(self.dir.as_deref(), &name)?)
    }

    /// Opens the bus.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says which file could not be used and why.
    pub fn open(self) -> Result<Bus, OpenError> {
        let name = self
            .name
            .as_deref()
            .map_or(Ok(BusName::default()), BusName::new)?;
        let root = self.dir.as_deref();
        let directory = match self.create {
            true => BusDirectory::open_or_create(root, &name, self.access)?,
            false => BusDirectory::open(root, &name)?,
        };
        let registry = Registry::open_or_create(directory.path(), self.access)?;
        let access = self.access;
        Ok(Bus {
            inner: Arc::new(BusInner {
                name,
                directory,
                access,
                registry,
            }),
        })
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus")
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}
