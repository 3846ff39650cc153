//! A lock-free shared-memory message bus for the processes of one host.
//!
//! A *topic* is a ring of messages in shared memory. Publishers write messages in place, subscribers
//! read them in place, each at its own pace; neither knows the other, and both come and go at any
//! time. There is no daemon, and no process can block, tear or lose another one's messages, wherever it
//! is killed or stopped.
//!
//! ```standalone_crate
//! # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
//! # // Sound, as this is the only thread.
//! # unsafe { std::env::set_var("RINGBUS_DIR", &bus.dir) };
//! use ringbus::Bus;
//!
//! let bus = Bus::open("default")?;
//! let topic = bus.topic("greetings").open_or_create()?;
//!
//! let mut subscriber = topic.subscriber().join()?; // in one process
//! let publisher = topic.publisher()?; // in another
//!
//! publisher.publish(b"hello")?;
//! while let Some(message) = subscriber.poll()? {
//!     assert_eq!(message.payload(), b"hello");
//! }
//! # Ok::<(), ringbus::Error>(())
//! ```
//!
//! # Choosing
//!
//! | when the topic is created | |
//! |---|---|
//! | one publisher at a time (default) | [`exclusive`](TopicBuilder::exclusive): writes in place, one store to publish |
//! | many publishers, one order | [`shared`](TopicBuilder::shared): one compare-and-swap to publish |
//! | messages of one type | [`typed`](TopicBuilder::typed): `T` or `[T]`, checked by name, size and alignment |
//! | messages of any length | [`payload_max`](TopicBuilder::payload_max), or [`payload_fixed`](TopicBuilder::payload_fixed) |
//!
//! | when a reader joins | it gets | publishers |
//! |---|---|---|
//! | [`lossy`](SubscriberBuilder::lossy) (default) | messages in place, and the exact number of those it was too slow for | never wait for it |
//! | [`reliable`](SubscriberBuilder::reliable) | every message in place | wait for it while it lives, or as long as its [`stall_timeout`](SubscriberBuilder::stall_timeout) |
//! | [`observer`](Topic::observer) | copies, and the exact number of those it was too slow for | do not know of it |
//!
//! | to listen to | |
//! |---|---|
//! | one topic, by [`poll`](Subscriber::poll), [`poll_batch`](Subscriber::poll_batch) or [`wait`](Subscriber::wait) | [`Topic::subscriber`] |
//! | only some of its messages | [`filter`](SubscriberBuilder::filter): tag, flags, publisher, sampling, attributes; [`filter_payload`](SubscriberBuilder::filter_payload) |
//! | all topics that match a pattern, now and later | [`Bus::subscribe_pattern`] |
//! | several subscribers and file descriptors in one sleep | [`WaitSet`], itself a file descriptor |
//! | messages as they are pushed to handlers | [`Bus::dispatcher`] |
//! | the newest value, at any time | [`Observer::current`], [`changed_since`](Observer::changed_since) |
//! | replies to requests | [`Bus::client`] and [`Bus::server`] |
//! | a stream of an async runtime's | feature `async`: `Subscriber::into_stream`, `Publisher::publish_async` |
//!
//! # When a process dies
//!
//! What a publisher did not commit was never there; the next one goes on with the same sequence. A dead
//! subscriber is noticed by the publisher that it holds up, within 50 ms. Liveness is a kernel lock,
//! which ends with its process in every container and PID namespace; a stopped process is alive.

// The models use a part of what they are built from.
#![cfg_attr(ringbus_loom, allow(dead_code, unused_imports))]

#[cfg(not(ringbus_loom))]
mod bus;
#[cfg(not(ringbus_loom))]
mod registry;
#[cfg(ringbus_loom)]
#[path = "registry/model.rs"]
mod registry;
mod ring;
#[cfg(not(ringbus_loom))]
mod segment;
mod shared;
mod sync;
mod wait;

#[cfg(all(test, not(ringbus_loom)))]
mod testing;

#[cfg(all(feature = "async", not(ringbus_loom)))]
pub use bus::MessageStream;
#[cfg(not(ringbus_loom))]
pub use bus::{
    Attribute, AttributeError, Attributes, AttributesView, Batch, BatchIter, Bus, BusBuilder, Call,
    CallError, Client, ClientBuilder, Collected, Culprit, Deferred, DispatchError, Dispatched,
    Dispatcher, DispatcherBuilder, Dispatching, Error, Filter, Head, Interrupter, JoinError, Loan,
    LoanRun, Message, MessageRef, Meta, MultiError, MultiMessage, MultiSubscriber,
    MultiSubscriberBuilder, MultiTopic, Observer, OpenError, Order, ParticipantInfo, Patience,
    Payload, PayloadKind, PollError, PublishError, Publisher, PublisherInfo, Refused, Remove,
    Reply, Request, Server, ServerBuilder, SlicePayload, Snapshot, Start, Subscriber,
    SubscriberBuilder, SubscriberInfo, Timestamp, Topic, TopicBuilder, TopicError, TopicEvent,
    TopicInfo, Trouble, TroubleKind, TypeDescription, WaitError, WaitSet, Watch,
};
#[cfg(all(feature = "policy", not(ringbus_loom)))]
pub use bus::{Policy, PolicyError};
#[cfg(not(ringbus_loom))]
pub use registry::{
    Access, AccessError, DirectoryError, Grant, NameError, Pattern, PatternError, RegistryError,
    TopicName,
};
#[cfg(not(ringbus_loom))]
pub use ring::{
    cursor::Delivery,
    header::HeaderError,
    layout::{PublisherMode, ShapeError, TimeSource},
};
#[cfg(not(ringbus_loom))]
pub use segment::{Denial, Rights, SegmentError};
#[cfg(ringbus_planted)]
#[doc(hidden)]
pub use sync::planted;
