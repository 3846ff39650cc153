//! A lock-free shared-memory message bus for the processes of one host.

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
    Message, MessageRef, Meta, Observer, OpenError, Patience, Payload, PayloadKind, PollError,
    PublishError, Publisher, PublisherInfo, Refused, Remove, SlicePayload, Snapshot, Start,
    Subscriber, SubscriberBuilder, SubscriberInfo, Timestamp, Topic, TopicBuilder, TopicError,
    TopicEvent, TopicInfo, TypeDescription, Watch,
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
pub use segment::SegmentError;
