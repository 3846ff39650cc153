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
mod ring;
#[cfg(not(ringbus_loom))]
mod segment;
mod shared;
mod sync;
mod wait;

#[cfg(all(test, not(ringbus_loom)))]
mod testing;

#[cfg(not(ringbus_loom))]
pub use bus::{
    Batch, BatchIter, Bus, BusBuilder, Collected, Culprit, Error, JoinError, Loan, LoanRun,
    Message, MessageRef, Meta, Observer, OpenError, ParticipantInfo, Patience, Payload,
    PayloadKind, PollError, PublishError, Publisher, PublisherInfo, Refused, Remove, SlicePayload,
    Snapshot, Start, Subscriber, SubscriberBuilder, SubscriberInfo, Timestamp, Topic, TopicBuilder,
    TopicError, TopicEvent, TopicInfo, TypeDescription, Watch,
};
#[cfg(not(ringbus_loom))]
pub use registry::{DirectoryError, NameError, RegistryError, TopicName};
#[cfg(not(ringbus_loom))]
pub use ring::{
    cursor::Delivery,
    header::HeaderError,
    layout::{PublisherMode, ShapeError, TimeSource},
};
#[cfg(not(ringbus_loom))]
pub use segment::{Rights, SegmentError};
