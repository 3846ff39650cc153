//! Creating and opening topics.

mod placement;

use std::{fmt, marker::PhantomData, sync::Arc};

use super::{
    Bus, Payload, PayloadKind, Topic,
    clock::measure_tsc_hz,
    error::{TopicError, TypeDescription},
    find::{Found, FoundRing, find},
    mapping::fill_ring,
    topic_shared::TopicShared,
};
use crate::{
    registry::{Access, AccessOptions, TopicName},
    ring::{
        header::{NAME_MAX, RingDescription},
        layout::{Geometry, PublisherMode, Shape, TimeSource},
    },
    segment::{Draft, Placement, PublishDraftError, random_id, remove},
    shared::fnv1a,
};

/// What a topic is to be like; made by [`Bus::topic`].
///
/// All options concern creation. When an existing topic is opened, those that were set must agree
/// with it, and the others are whatever its creator chose. Values out of range are refused by
/// [`create`](Self::create) and [`open_or_create`](Self::open_or_create), not before.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// let topic = bus
///     .topic("quotes")
///     .shared() // many publishers
///     .capacity(1024) // messages
///     .payload_max(256) // bytes
///     .open_or_create()?;
/// assert_eq!(topic.info().capacity_slots, 1024);
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until `open`, `create` or `open_or_create`"]
pub struct TopicBuilder<T: ?Sized> {
    bus: Bus,
    name: String,
    options: Options,
    payload: PhantomData<fn(&T)>,
}

#[derive(Clone, Default)]
struct Options {
    mode: Option<PublisherMode>,
    capacity: Option<usize>,
    payload_max: Option<usize>,
    payload_fixed: Option<usize>,
    alignment: Option<usize>,
    max_publishers: Option<usize>,
    max_subscribers: Option<usize>,
    loans: Option<usize>,
    pins: Option<usize>,
    tags: Option<bool>,
    time: Option<TimeSource>,
    attributes_max: Option<usize>,
    encoding: Option<String>,
    schema: Option<Vec<u8>>,
    access: AccessOptions,
    first_sequence: Option<u64>,
    type_name: Option<String>,
    payload_type: Option<TypeDescription>,
    wake_fence: bool,
    huge_pages: bool,
    placement: Placement,
}

/// The least with which reader and writer keep out of each other's lines: `ringbus bench stream --capacity
/// N`, 64 B, two processors of a virtual machine, million messages a second: 1024 25, 2048 24, 4096 66,
/// 8192 67, 65536 56.
const DEFAULT_CAPACITY: usize = 4096;
const DEFAULT_PAYLOAD_MAX: usize = 1024;
const DEFAULT_ALIGNMENT: usize = 8;
const DEFAULT_MAX_PUBLISHERS: usize = 64;
const DEFAULT_MAX_SUBSCRIBERS: usize = 128;
/// How often creating gives way to others who create and remove the same topic.
const RACES_MAX: u32 = 1000;

impl TopicBuilder<[u8]> {
    pub(super) fn new(bus: Bus, name: &str) -> Self {
        Self {
            bus,
            name: name.to_owned(),
            options: Options::default(),
            payload: PhantomData,
        }
    }
}

/// Options.
impl<T: Payload + ?Sized> TopicBuilder<T> {
    /// Sets the slots in the ring, a power of two from 1 to 2^30; 4096 by default. At least seven
    /// eighths of the last so many messages are retained for those who join late or read slowly. 1
    /// or 2 make a blackboard of the latest value.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::Start;
    ///
    /// let topic = bus.topic("pose").capacity(1).create()?;
    /// let publisher = topic.publisher()?;
    /// publisher.publish(b"here")?;
    /// publisher.publish(b"there")?;
    /// let mut reader = topic.subscriber().start(Start::Oldest).join()?;
    /// assert_eq!(reader.latest()?.expect("a pose").payload(), b"there");
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn capacity(mut self, slots: usize) -> Self {
        self.options.capacity = Some(slots);
        self
    }

    /// Sets the longest payload in bytes, up to 1 GiB; 1024 by default. Each message has its own
    /// length.
    ///
    /// Every slot has room for the longest payload, whatever the messages are.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::PublishError;
    ///
    /// let publisher = bus.topic("log").payload_max(16).create()?.publisher()?;
    /// publisher.publish(b"short")?;
    /// let refused = publisher.publish(b"longer than that, by far");
    /// assert_eq!(refused, Err(PublishError::TooLong { bytes: 24, max: 16 }));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn payload_max(mut self, bytes: usize) -> Self {
        self.options.payload_max = Some(bytes);
        self
    }

    /// Makes every payload exactly this long, up to 1 GiB; no length is stored with it.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::PublishError;
    ///
    /// let publisher = bus.topic("samples").payload_fixed(4).create()?.publisher()?;
    /// publisher.publish(&[0, 1, 2, 3])?;
    /// let refused = publisher.publish(&[0, 1]);
    /// assert_eq!(refused, Err(PublishError::WrongLength { bytes: 2, fixed: 4 }));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn payload_fixed(mut self, bytes: usize) -> Self {
        self.options.payload_fixed = Some(bytes);
        self
    }

    /// Sets the alignment of payloads in memory, a power of two from 8 (the default) to 4096 bytes.
    ///
    /// A typed topic has at least the alignment of its type.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let publisher = bus.topic("frames").alignment(64).create()?.publisher()?;
    /// let loan = publisher.loan(640)?;
    /// assert_eq!(loan.as_ptr().align_offset(64), 0);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn alignment(mut self, bytes: usize) -> Self {
        self.options.alignment = Some(bytes);
        self
    }

    /// Lets many publishers in at once, from any process, in one total order.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("events").shared().create()?;
    /// let (first, second) = (topic.publisher()?, topic.publisher()?);
    /// assert_eq!(first.publish(b"from one")?, 0);
    /// assert_eq!(second.publish(b"from another")?, 1);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn shared(mut self) -> Self {
        self.options.mode = Some(PublisherMode::Shared);
        self
    }

    /// Lets one publisher in at a time: the fastest kind, and the default at creation.
    ///
    /// If it stops or dies, the next one goes on where it stopped.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("quotes").exclusive().create()?;
    /// let first = topic.publisher()?;
    /// assert!(topic.publisher().is_err());
    /// first.publish(b"one")?;
    /// drop(first);
    /// assert_eq!(topic.publisher()?.publish(b"two")?, 1);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn exclusive(mut self) -> Self {
        self.options.mode = Some(PublisherMode::Exclusive);
        self
    }

    /// Sets how many shared publishers there can be at the same time, 1 to 1024; 64 by default. An
    /// exclusive topic has 1.
    ///
    /// A place whose publisher died is free for the next.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::JoinError;
    ///
    /// let topic = bus.topic("events").shared().max_publishers(1).create()?;
    /// let only = topic.publisher()?;
    /// assert!(matches!(topic.publisher(), Err(JoinError::TooManyPublishers { max: 1, .. })));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn max_publishers(mut self, count: usize) -> Self {
        self.options.max_publishers = Some(count);
        self
    }

    /// Sets how many registered subscribers there can be at the same time, 1 to 4096; 128 by
    /// default.
    ///
    /// A place whose subscriber died is free for the next. Observers take none.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::JoinError;
    ///
    /// let topic = bus.topic("quotes").max_subscribers(1).create()?;
    /// let only = topic.subscriber().join()?;
    /// let refused = topic.subscriber().join();
    /// assert!(matches!(refused, Err(JoinError::TooManySubscribers { max: 1, .. })));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn max_subscribers(mut self, count: usize) -> Self {
        self.options.max_subscribers = Some(count);
        self
    }

    /// Sets how many messages one shared publisher may have on loan at the same time, 1 to 255; by
    /// default 31, less where payloads are longer than 2 KiB, at least 2. An exclusive publisher
    /// has one loan at a time.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::PublishError;
    ///
    /// let publisher = bus.topic("events").shared().loans(2).create()?.publisher()?;
    /// let (one, two) = (publisher.loan(8)?, publisher.loan(8)?);
    /// assert_eq!(publisher.loan(8).unwrap_err(), PublishError::LoanLimit { loans: 2 });
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn loans(mut self, count: usize) -> Self {
        self.options.loans = Some(count);
        self
    }

    /// Sets how many messages one lossy subscriber may hold in a batch, 1 to 8191; by default 32,
    /// less where payloads are longer than 2 KiB, at least 1. Each of them can keep a spare chunk
    /// busy, which takes memory only once it is needed.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("quotes").pins(2).create()?;
    /// let mut lossy = topic.subscriber().join()?;
    /// topic.publisher()?.publish_batch([&b"1"[..], b"2", b"3"])?;
    /// assert_eq!(lossy.poll_batch(64)?.len(), 2);
    /// assert_eq!(lossy.poll_batch(64)?.len(), 1);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn pins(mut self, count: usize) -> Self {
        self.options.pins = Some(count);
        self
    }

    /// Decides whether each message carries a tag and flags; `true` by default.
    ///
    /// A topic of fixed size without tags and time carries payloads only, and so a payload of up to
    /// 56 bytes in a single cache line.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::{Meta, Patience, PublishError};
    ///
    /// let publisher = bus.topic("ticks").typed::<u64>().tags(false).create()?.publisher()?;
    /// publisher.publish(&7)?;
    /// let refused = publisher.publish_with(Meta::new().tag(1), &7, Patience::Forever);
    /// assert_eq!(refused, Err(PublishError::NotKept { what: "tags" }));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn tags(mut self, yes: bool) -> Self {
        self.options.tags = Some(yes);
        self
    }

    /// Decides whether each message carries the time of its publishing, and by which clock;
    /// [`TimeSource::None`] by default.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::TimeSource;
    ///
    /// let topic = bus.topic("quotes").time(TimeSource::Clock).create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// topic.publisher()?.publish(b"quote")?;
    /// let message = subscriber.poll()?.expect("a message");
    /// let age = message.time().expect("this topic keeps times").elapsed();
    /// assert!(age.as_secs() < 60);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn time(mut self, source: TimeSource) -> Self {
        self.options.time = Some(source);
        self
    }

    /// Makes room for so many bytes of [`Attributes`](super::Attributes) beside each payload, up to
    /// 65,535; none by default, and then they cost nothing.
    ///
    /// An attribute takes up four bytes, its key and its value.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::{Attributes, Meta, Patience, PublishError};
    ///
    /// let publisher = bus.topic("orders").attributes_max(16).create()?.publisher()?;
    /// let venue = Attributes::new().with("venue", "XNYS")?; // 4 + 5 + 4 bytes
    /// publisher.publish_with(Meta::new().attributes(&venue), b"buy", Patience::Forever)?;
    /// let long = venue.with("urgent", true)?;
    /// let refused = publisher.publish_with(Meta::new().attributes(&long), b"buy", Patience::Forever);
    /// assert_eq!(refused, Err(PublishError::AttributesTooLong { bytes: 24, max: 16 }));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn attributes_max(mut self, bytes: usize) -> Self {
        self.options.attributes_max = Some(bytes);
        self
    }

    /// Names the payload's encoding, such as `json` or `protobuf`; at most 255 bytes. For people
    /// and for tools that read many topics; the bus does not look into payloads.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("orders").encoding("json").create()?;
    /// assert_eq!(topic.info().encoding, "json");
    /// assert!(bus.topic("orders").encoding("cbor").open().is_err());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn encoding(mut self, name: &str) -> Self {
        self.options.encoding = Some(name.to_owned());
        self
    }

    /// Stores the schema of the payload, in whatever form its encoding has; at most 64 KiB.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let schema = br#"{"type": "object"}"#;
    /// bus.topic("orders").encoding("json").schema(schema).create()?;
    /// let found = bus.topic("orders").open()?.info().schema; // by a reader that knows nothing of it
    /// assert_eq!(found, schema);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn schema(mut self, bytes: &[u8]) -> Self {
        self.options.schema = Some(bytes.to_owned());
        self
    }

    /// Decides who may use the topic besides this user; whoever may use its bus, by default. It can
    /// grant no more than the bus does.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let dir = &bus.dir;
    /// use ringbus::{Access, Bus, Grant};
    ///
    /// let bus = Bus::builder().dir(dir).name("team").mode(0o660).open()?;
    /// let access = Access::of_group(Grant::Observe);
    /// let topic = bus.topic("quotes").access(access).open_or_create()?;
    /// println!("{}", topic.info().access); // group 1000 may observe
    /// # assert!(cfg!(not(unix)) || topic.info().access.group == Grant::Observe);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn access(mut self, access: Access) -> Self {
        self.options.access = AccessOptions::of(access);
        self
    }

    /// The same by a mode, such as `0o640`: see [`Access::from_mode`].
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let dir = &bus.dir;
    /// let bus = ringbus::Bus::builder().dir(dir).name("team").mode(0o660).open()?;
    /// let topic = bus.topic("notes").mode(0o600).create()?; // this user's own
    /// # assert!(cfg!(not(unix)) || topic.info().access.mode() == 0o600);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn mode(mut self, mode: u32) -> Self {
        self.options.access.mode = Some(mode);
        self
    }

    /// Gives the topic's files to this group, by its number; to that of its bus by default.
    ///
    /// A user can give files to a group of which it is a member.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let dir = &bus.dir;
    /// # use std::os::unix::fs::MetadataExt;
    /// # let traders = bus.path().metadata().expect("a directory").gid();
    /// let bus = ringbus::Bus::builder().dir(dir).name("team").mode(0o660).open()?;
    /// let topic = bus.topic("quotes").mode(0o640).group(traders).open_or_create()?;
    /// assert!(topic.observer(ringbus::Start::Latest).is_ok());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn group(mut self, gid: u32) -> Self {
        self.options.access.gid = Some(gid);
        self
    }

    /// Sets the sequence of the first message, up to 2^62; 0 by default. For a topic that continues
    /// one which is kept elsewhere.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("journal").first_sequence(1_000_000).create()?;
    /// assert_eq!(topic.publisher()?.publish(b"entry")?, 1_000_000);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn first_sequence(mut self, seq: u64) -> Self {
        self.options.first_sequence = Some(seq);
        self
    }

    /// Sets the name under which `T` is stored and compared, at most 255 bytes; by default the Rust
    /// name without its path. Ignored on untyped topics.
    ///
    /// For a type that programs in other languages, or other crates, know by another name.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("level").typed::<u32>().type_name("Litres").create()?;
    /// assert_eq!(topic.info().payload_type.name.as_deref(), Some("Litres"));
    /// assert!(bus.topic("level").typed::<u32>().open().is_err()); // asks for "u32"
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn type_name(mut self, name: &str) -> Self {
        self.options.type_name = Some(name.to_owned());
        self
    }

    /// Sets the type of the payload where it is known at run time only, as to bindings of other
    /// languages: what [`typed`](Self::typed) takes from a Rust type. Its name is that of the type
    /// in every program, `[Name]` for messages of several values; without a name it means nothing.
    ///
    /// A topic whose [`payload_fixed`](Self::payload_fixed) is the size of the type carries one value
    /// in each message, any other as many as fit. That any bytes are a value is for the caller to
    /// know.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::TypeDescription;
    ///
    /// let float = TypeDescription {
    ///     name: Some("f64".to_owned()),
    ///     size_bytes: 8,
    ///     alignment_bytes: 8,
    /// };
    /// let topic = bus.topic("load").payload_type(float).payload_fixed(8).create()?;
    /// let mut typed = bus.topic("load").typed::<f64>().open()?.subscriber().join()?;
    /// topic.publisher()?.publish(&0.5f64.to_ne_bytes())?;
    /// assert_eq!(*typed.poll()?.expect("a message"), 0.5);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn payload_type(mut self, description: TypeDescription) -> Self {
        self.options.payload_type = Some(description);
        self
    }

    /// Makes publishers pay a full fence with each message, so that a subscriber which goes to
    /// sleep need not interrupt the cores of running publishers by `membarrier(2)`. `false` by
    /// default; for publishers on isolated cores.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("quotes").wake_fence(true).create()?;
    /// topic.publisher()?.publish(b"quote")?;
    /// assert_eq!(topic.info().published, 1);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn wake_fence(mut self, yes: bool) -> Self {
        self.options.wake_fence = yes;
        self
    }

    /// Makes it a topic of `U`, a plain data type, or of `[U]`.
    ///
    /// Whoever opens it as typed must ask for the same name, size and alignment. It can always be
    /// opened untyped, as bytes.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("levels").typed::<[f64]>().open_or_create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// topic.publisher()?.publish(&[1.5, 2.5])?;
    /// assert_eq!(subscriber.poll()?.expect("a message").payload(), [1.5, 2.5]);
    /// assert!(bus.topic("levels").typed::<[f32]>().open().is_err());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn typed<U: Payload + ?Sized>(self) -> TopicBuilder<U> {
        let Self {
            bus, name, options, ..
        } = self;
        TopicBuilder {
            bus,
            name,
            options,
            payload: PhantomData,
        }
    }
}

/// Opening and creating.
impl<T: Payload + ?Sized> TopicBuilder<T> {
    /// Opens the topic, which exists.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::TopicError;
    ///
    /// assert!(matches!(bus.topic("orders").open(), Err(TopicError::NotFound { .. })));
    /// bus.topic("orders").create()?;
    /// assert_eq!(bus.topic("orders").open()?.name().as_str(), "orders");
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`TopicError::NotFound`]: wait for it with a [`Watch`](crate::Watch), or create it.
    /// [`TopicError::Mismatch`] and [`TopicError::Type`] where the topic is not as asked for.
    /// Others where its files cannot be used: [`TopicError::Header`] for one of another release, or
    /// damaged.
    pub fn open(self) -> Result<Topic<T>, TopicError> {
        let name = TopicName::new(&self.name)?;
        match find(&self.bus, &name)? {
            Found::Ring(found) => self.check_and_wrap(name, found),
            Found::Nothing { .. } => Err(TopicError::NotFound { topic: self.name }),
        }
    }

    /// Creates the topic, which does not exist. Nobody sees it before it is whole: a creator that
    /// dies leaves no topic.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::TopicError;
    ///
    /// let topic = bus.topic("orders").create()?;
    /// assert!(topic.subscriber().join().is_ok());
    /// assert!(matches!(bus.topic("orders").create(), Err(TopicError::Exists { .. })));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`TopicError::Exists`]; [`TopicError::Shape`] for impossible options,
    /// [`TopicError::TooLong`] for texts, [`TopicError::NoTsc`]; a
    /// [`SegmentError::NoSpace`](crate::SegmentError) that names the bytes needed and available
    /// where the file system is too full. Nothing was made then.
    pub fn create(self) -> Result<Topic<T>, TopicError> {
        let name = TopicName::new(&self.name)?;
        for _ in 0..RACES_MAX {
            let made = match find(&self.bus, &name)? {
                Found::Nothing { free_id } => self.create_at(&name, free_id)?,
                Found::Ring(_) => None,
            };
            let Some(incarnation) = made else {
                return Err(TopicError::Exists { topic: self.name });
            };
            match find(&self.bus, &name)? {
                Found::Ring(found) if found.ring.description().incarnation == incarnation => {
                    return self.wrap_made(name, found);
                }
                // Removed as soon as it was there, and perhaps made again by somebody else.
                _ => {}
            }
        }
        Err(TopicError::NotFound { topic: self.name })
    }

    /// Opens the topic, or creates it if it does not exist. Of several processes that do so at the
    /// same time one creates it, and all open the same.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let here = bus.topic("orders").capacity(64).open_or_create()?;
    /// let there = bus.topic("orders").open_or_create()?; // takes it as it is
    /// assert_eq!(there.info().capacity_slots, 64);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open) and [`create`](Self::create), except that it is no error
    /// whether the topic exists.
    pub fn open_or_create(self) -> Result<Topic<T>, TopicError> {
        self.open_or_make().map(|(topic, _)| topic)
    }

    /// The same, and whether this call has created it.
    pub(super) fn open_or_make(self) -> Result<(Topic<T>, bool), TopicError> {
        let name = TopicName::new(&self.name)?;
        let mut made = None;
        for _ in 0..RACES_MAX {
            match find(&self.bus, &name)? {
                Found::Ring(found) if made == Some(found.ring.description().incarnation) => {
                    return Ok((self.wrap_made(name, found)?, true));
                }
                Found::Ring(found) => return Ok((self.check_and_wrap(name, found)?, false)),
                Found::Nothing { free_id } => made = self.create_at(&name, free_id)?,
            }
        }
        Err(TopicError::NotFound { topic: self.name })
    }

    /// Wraps a topic that this call has created; where that fails, it is removed again.
    fn wrap_made(self, name: TopicName, made: FoundRing) -> Result<Topic<T>, TopicError> {
        let bus = self.bus.clone();
        let incarnation = made.ring.description().incarnation;
        let wrapped = self.check_and_wrap(name.clone(), made);
        wrapped.inspect_err(|_| bus.unmake(&name, incarnation))
    }

    /// Makes the topic, and returns its incarnation; `None` if somebody else was first.
    fn create_at(&self, name: &TopicName, id: u64) -> Result<Option<u64>, TopicError> {
        let description = self.describe(name)?;
        // Options that contradict each other, before anything is there.
        self.check(&description, self.options.schema.as_deref().unwrap_or(&[]))?;
        let geometry = description.geometry;
        let directory = self.bus.directory();
        let access = self.options.access.resolve(self.bus.topics_access())?;
        if !access.is_within(self.bus.access()) {
            return Err(TopicError::Closed {
                topic: self.name.clone(),
                asked: access,
                bus: self.bus.access(),
            });
        }

        let topics = directory.topics();
        let draft = Draft::new(
            &topics,
            geometry.cursors_bytes,
            std::slice::from_ref(&(0..geometry.cursors_bytes)),
            access.cursors(),
        )?;
        draft.write_at(0, &description.to_cursors_page())?;
        let cursors_path = directory.cursors(id, description.incarnation);

        let schema = self.options.schema.as_deref().unwrap_or(&[]);
        let reserved = 0..geometry.reserved_at_creation();
        let reserved = std::slice::from_ref(&reserved);
        let ring = Draft::new(&topics, geometry.ring_bytes, reserved, access.ring())?;
        fill_ring(&ring, &description, schema)?;

        // They count as being made until the ring is there, and needs them.
        let _cursors = match draft.publish(&cursors_path) {
            Ok(segment) => segment,
            Err(PublishDraftError::Exists { .. }) => return Ok(None),
            Err(PublishDraftError::Segment(error)) => return Err(error.into()),
        };
        match ring.publish(&directory.ring(id)) {
            Ok(_) => Ok(Some(description.incarnation)),
            Err(error) => {
                let _ = remove(&cursors_path);
                match error {
                    PublishDraftError::Exists { .. } => Ok(None),
                    PublishDraftError::Segment(error) => Err(error.into()),
                }
            }
        }
    }

    fn describe(&self, name: &TopicName) -> Result<RingDescription, TopicError> {
        let options = &self.options;
        let stored = self.stored_type();
        let type_name = stored.as_ref().and_then(|stored| stored.name.clone());
        let encoding = options.encoding.clone().unwrap_or_default();
        let schema = options.schema.as_deref().unwrap_or(&[]);
        let schema_bytes = schema.len();
        check_len("encoding name", encoding.len(), NAME_MAX)?;
        check_len(
            "type name",
            type_name.as_ref().map_or(0, String::len),
            NAME_MAX,
        )?;
        check_text("encoding name", &encoding)?;
        check_text("type name", type_name.as_deref().unwrap_or(""))?;
        check_len("schema", schema_bytes, Shape::SCHEMA_MAX as usize)?;
        let time = options.time.unwrap_or_default();
        let tsc_hz = match time {
            TimeSource::Tsc => measure_tsc_hz().ok_or(TopicError::NoTsc)?,
            TimeSource::None | TimeSource::Clock => 0,
        };
        Ok(RingDescription {
            geometry: Geometry::new(self.shape(time, schema_bytes as u32))?,
            incarnation: random_id(),
            bus_id: self.bus.id(),
            name: name.to_string(),
            type_name,
            type_size: stored.as_ref().map_or(0, |stored| stored.size_bytes),
            type_align: stored.as_ref().map_or(0, |stored| stored.alignment_bytes),
            encoding,
            tsc_hz,
            wake_fence: options.wake_fence,
            huge_pages: options.huge_pages,
            schema_sum: fnv1a(schema),
        })
    }

    fn shape(&self, time: TimeSource, schema_bytes: u32) -> Shape {
        let options = &self.options;
        let fixed = if T::FIXED {
            Some(T::UNIT_BYTES)
        } else {
            options.payload_fixed
        };
        let payload_max = fixed.or(options.payload_max).unwrap_or(DEFAULT_PAYLOAD_MAX);
        let alignment = options.alignment.unwrap_or(DEFAULT_ALIGNMENT).max(
            self.stored_type().map_or(1, |stored| {
                usize::try_from(stored.alignment_bytes).unwrap_or(usize::MAX)
            }),
        );
        let is_shared = options.mode == Some(PublisherMode::Shared);
        let max_publishers = options.max_publishers.unwrap_or(DEFAULT_MAX_PUBLISHERS);
        let mut shape = Shape {
            mode: options.mode.unwrap_or_default(),
            capacity_slots: options.capacity.unwrap_or(DEFAULT_CAPACITY) as u64,
            payload_max_bytes: payload_max as u64,
            fixed: fixed.is_some(),
            alignment_bytes: saturate(alignment),
            tags: options.tags.unwrap_or(true),
            time,
            attributes_max_bytes: saturate(options.attributes_max.unwrap_or(0)),
            max_publishers: if is_shared {
                saturate(max_publishers)
            } else {
                1
            },
            loans: 0,
            max_subscribers: saturate(options.max_subscribers.unwrap_or(DEFAULT_MAX_SUBSCRIBERS)),
            pins: 0,
            first_sequence: options.first_sequence.unwrap_or(0),
            schema_bytes,
        };
        shape.pins = options.pins.map_or_else(|| shape.default_pins(), saturate);
        if is_shared {
            shape.loans = options
                .loans
                .map_or_else(|| shape.default_loans(), saturate);
        }
        shape
    }

    /// The type that the topic is to carry; `None`: untyped bytes.
    fn stored_type(&self) -> Option<TypeDescription> {
        let options = &self.options;
        let described = options.payload_type.clone();
        let mut stored = described
            .filter(|described| described.name.is_some())
            .or_else(|| {
                Some(TypeDescription {
                    name: Some(T::type_name()?),
                    size_bytes: T::UNIT_BYTES as u64,
                    alignment_bytes: T::ALIGNMENT_BYTES as u64,
                })
            })?;
        if options.type_name.is_some() {
            stored.name.clone_from(&options.type_name);
        }
        Some(stored)
    }

    fn check_and_wrap(self, name: TopicName, found: FoundRing) -> Result<Topic<T>, TopicError> {
        let description = Arc::clone(found.ring.description());
        self.check(&description, &found.schema)?;
        let cursors_path = self
            .bus
            .directory()
            .cursors(found.id, description.incarnation);
        let FoundRing {
            ring, schema, path, ..
        } = found;
        let (asked, placement) = (self.options.access, self.options.placement);
        let bus = self.bus.clone();
        let topic = TopicShared::new(bus, name, ring, schema, path, cursors_path);
        let topic = topic.placed(placement)?;
        if asked.is_any()
            && let Some(found) = topic.access()
            && !asked.agree(found)?
        {
            return Err(TopicError::Mismatch {
                topic: self.name,
                what: "access",
                asked: asked.resolve(found)?.to_string(),
                found: found.to_string(),
            });
        }
        Ok(Topic::new(topic))
    }

    /// Compares what was asked for explicitly with what the topic is.
    fn check(&self, found: &RingDescription, schema: &[u8]) -> Result<(), TopicError> {
        let (options, shape) = (&self.options, &found.geometry.shape);
        self.check_type(found)?;
        self.agree("publisher mode", options.mode, shape.mode)?;
        self.agree("capacity", as_u64(options.capacity), shape.capacity_slots)?;
        let fixed = options
            .payload_fixed
            .map(|bytes| PayloadKind::Fixed { bytes });
        let variable = options
            .payload_max
            .map(|max_bytes| PayloadKind::Variable { max_bytes });
        self.agree("payload", fixed.or(variable), PayloadKind::of(shape))?;
        self.agree(
            "alignment",
            as_u64(options.alignment),
            shape.alignment_bytes.into(),
        )?;
        self.agree(
            "max_publishers",
            as_u64(options.max_publishers),
            shape.max_publishers.into(),
        )?;
        let max_subscribers = as_u64(options.max_subscribers);
        self.agree(
            "max_subscribers",
            max_subscribers,
            shape.max_subscribers.into(),
        )?;
        self.agree("loans", as_u64(options.loans), shape.loans.into())?;
        self.agree("pins", as_u64(options.pins), shape.pins.into())?;
        self.agree("tags", options.tags, shape.tags)?;
        self.agree("time source", options.time, shape.time)?;
        self.agree(
            "attributes_max",
            as_u64(options.attributes_max),
            shape.attributes_max_bytes.into(),
        )?;
        self.agree(
            "encoding",
            options.encoding.as_deref(),
            found.encoding.as_str(),
        )?;
        self.agree(
            "schema",
            options.schema.as_deref().map(SchemaSummary),
            SchemaSummary(schema),
        )?;
        self.agree(
            "first sequence",
            options.first_sequence,
            shape.first_sequence,
        )
    }

    /// A typed topic carries its type only; every topic can be opened untyped.
    fn check_type(&self, found: &RingDescription) -> Result<(), TopicError> {
        let Some(asked) = self.stored_type() else {
            return Ok(());
        };
        let shape = found.geometry.shape;
        let found = TypeDescription {
            name: found.type_name.clone(),
            size_bytes: found.type_size,
            alignment_bytes: found.type_align,
        };
        match asked == found && self.fits(&asked, &shape) {
            true => Ok(()),
            false => Err(TopicError::Type {
                topic: self.name.clone(),
                asked,
                found,
            }),
        }
    }

    /// Whether every payload of such a topic is well placed and well sized for the type.
    fn fits(&self, stored: &TypeDescription, shape: &Shape) -> bool {
        let size = shape.payload_max_bytes;
        let is_one = T::FIXED || as_u64(self.options.payload_fixed) == Some(stored.size_bytes);
        u64::from(shape.alignment_bytes) >= stored.alignment_bytes
            && (!is_one || (shape.fixed && size == stored.size_bytes))
            && (!shape.fixed || size.is_multiple_of(stored.size_bytes.max(1)))
    }

    fn agree<V: PartialEq + fmt::Display>(
        &self,
        what: &'static str,
        asked: Option<V>,
        found: V,
    ) -> Result<(), TopicError> {
        match asked {
            Some(asked) if asked != found => Err(TopicError::Mismatch {
                topic: self.name.clone(),
                what,
                asked: asked.to_string(),
                found: found.to_string(),
            }),
            _ => Ok(()),
        }
    }
}

/// A schema in a message: its length and its start.
#[derive(PartialEq)]
struct SchemaSummary<'a>(&'a [u8]);

impl fmt::Display for SchemaSummary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "of {} bytes", self.0.len())?;
        match self.0 {
            [] => Ok(()),
            bytes => write!(f, " starting with {:02x?}", &bytes[..bytes.len().min(8)]),
        }
    }
}

fn check_len(what: &'static str, bytes: usize, max: usize) -> Result<(), TopicError> {
    match bytes > max {
        true => Err(TopicError::TooLong { what, bytes, max }),
        false => Ok(()),
    }
}

/// What is shown on terminals must not steer them.
fn check_text(what: &'static str, text: &str) -> Result<(), TopicError> {
    match text.find(char::is_control) {
        Some(position) => Err(TopicError::Control { what, position }),
        None => Ok(()),
    }
}

/// The nearest `u32`: what is too large stays too large, and is refused with the shape.
fn saturate(value: usize) -> u32 {
    value.try_into().unwrap_or(u32::MAX)
}

fn as_u64(value: Option<usize>) -> Option<u64> {
    value.map(|value| value as u64)
}
