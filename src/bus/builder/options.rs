//! What can be asked of a topic.

use std::marker::PhantomData;

use super::TopicBuilder;
use crate::{
    bus::{Payload, error::TypeDescription},
    registry::{Access, AccessOptions},
    ring::layout::{PublisherMode, TimeSource},
};

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

    /// Makes room for so many bytes of [`Attributes`](crate::Attributes) beside each payload, up to
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
