//! What clients and servers agree on: two topics, and what tags and flags mean there.
//!
//! A service `NAME` is a shared topic `NAME/requests` and a shared topic `NAME/replies`. A client is a
//! publisher of the first and a subscriber of the second, a server the other way round; so each has
//! the number of a publisher, and its lease says whether it lives.
//!
//! | message | tag | flags |
//! |---|---|---|
//! | request | the number of the server that is to answer, or [`ALL`] | 0 |
//! | reply | the client's number, 16 bits, and the sequence of the request, 48 bits | [`LAST`], [`FAILED`], [`EMPTY`] |
//!
//! A sequence is never used twice, so that a reply to a client that died is nobody's.

use std::{fmt, marker::PhantomData, ops::Deref};

use super::{
    Bus, Payload, TopicBuilder, TypeDescription,
    error::{JoinError, PollError, PublishError, TopicError},
};
use crate::ring::observe::CopyBuffer;

/// Why a call has no answer, or a service could not be joined.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use {ringbus::CallError, std::time::Duration};
///
/// assert!(matches!(bus.client("sums").join(), Err(CallError::NoServer { .. })));
/// let server = bus.server("sums").join()?;
/// let mut client = bus.client("sums").join()?;
/// drop(server);
/// let answer = client.call(b"1 2", Duration::from_secs(10));
/// assert!(matches!(answer, Err(CallError::NoServer { .. }))); // at once
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// Nobody serves; nothing was sent.
    #[error("no server of {service} lives; start one, or check the bus and the spelling")]
    NoServer {
        /// The service.
        service: String,
    },
    /// No answer came in time. One that comes later is dropped.
    #[error("no answer within the time")]
    Timeout,
    /// The server that was to answer died, or left. It may have done what it was asked for.
    #[error("server {server} ended before it answered")]
    ServerEnded {
        /// Its number.
        server: u16,
    },
    /// The server says that it could not do it.
    #[error("server {server}: {why}")]
    Failed {
        /// Its number.
        server: u16,
        /// Its words.
        why: String,
    },
    /// The client was overtaken, and so does not know whether there was an answer. A client that takes
    /// many replies at a time can be [reliable](super::ClientBuilder::reliable).
    #[error("{missed} replies on the service, to whomever, were overwritten before being read")]
    Lost {
        /// How many.
        missed: u64,
    },
    /// The server ended its answer without any reply.
    #[error("the server answered with nothing")]
    NoReply,
    /// The call ended before, or is another client's.
    #[error("this client has no such call any more")]
    Unknown,
    /// One of the service's topics cannot be used.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// One of the service's topics cannot be joined.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The message could not be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The topic cannot be read.
    #[error(transparent)]
    Poll(#[from] PollError),
}

/// An answer, or a part of one: a copy. It is its payload, by `Deref`.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// # use std::time::Duration;
/// let mut server = bus.server("echo").join()?;
/// let mut client = bus.client("echo").join()?;
/// let call = client.send(b"hello", Duration::from_secs(1))?;
/// let request = server.poll()?.expect("a request");
/// request.reply(b"hello yourself")?;
/// let reply = client.next(&call, Duration::from_secs(10))?.expect("a reply");
/// assert_eq!((reply.payload(), reply.server()), (&b"hello yourself"[..], server.id()));
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct Reply<R: ?Sized> {
    server: u16,
    copy: CopyBuffer,
    payload: PhantomData<fn() -> Box<R>>,
}

impl<R: Payload + ?Sized> Reply<R> {
    /// `None` where the bytes are no `R`.
    pub(super) fn new(server: u16, copy: CopyBuffer) -> Option<Self> {
        R::from_payload(copy.payload())?;
        Some(Self {
            server,
            copy,
            payload: PhantomData,
        })
    }

    /// What was answered.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # use std::time::Duration;
    /// # let mut server = bus.server("echo").join()?;
    /// # let mut client = bus.client("echo").join()?;
    /// # let call = client.send(b"hello", Duration::from_secs(1))?;
    /// # server.poll()?.expect("a request").reply(b"yes")?;
    /// let reply = client.next(&call, Duration::from_secs(10))?.expect("a reply");
    /// assert_eq!(reply.payload(), b"yes");
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn payload(&self) -> &R {
        R::from_payload(self.copy.payload()).expect("looked at when it was made")
    }

    /// The number of the server that answered.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # use std::time::Duration;
    /// # let mut server = bus.server("echo").join()?;
    /// # let mut client = bus.client("echo").join()?;
    /// # let call = client.send(b"hello", Duration::from_secs(1))?;
    /// # server.poll()?.expect("a request").reply(b"yes")?;
    /// let reply = client.next(&call, Duration::from_secs(10))?.expect("a reply");
    /// assert_eq!(reply.server(), server.id());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn server(&self) -> u16 {
        self.server
    }
}

impl<R: Payload + ?Sized> Deref for Reply<R> {
    type Target = R;

    fn deref(&self) -> &R {
        self.payload()
    }
}

impl<R: Payload + fmt::Debug + ?Sized> fmt::Debug for Reply<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("server", &self.server)
            .field("payload", &self.payload())
            .finish()
    }
}

/// The tag of a request to all servers.
pub(super) const ALL: u64 = u64::MAX;

/// This reply is the server's last to the request.
pub(super) const LAST: u16 = 1;
/// The server could not do it; why is in the attribute [`WHY`].
pub(super) const FAILED: u16 = 2;
/// There is no payload, whatever the message has.
pub(super) const EMPTY: u16 = 4;

pub(super) const WHY: &str = "why";
/// The longest text that a failure is told with.
pub(super) const WHY_MAX: usize = 200;
/// Room for it and its key.
pub(super) const ATTRIBUTES_MAX: usize = WHY_MAX + 16;

/// The tag of replies of a client's request.
pub(super) fn reply_tag(client: u16, request: u64) -> u64 {
    u64::from(client) << SEQUENCE_BITS | request & SEQUENCE_MASK
}

/// The client that a reply is for, and of which request, as far as the tag tells.
pub(super) fn read_reply_tag(tag: u64) -> (u16, u64) {
    ((tag >> SEQUENCE_BITS) as u16, tag & SEQUENCE_MASK)
}

/// Sequences are compared modulo this: 9 years at a million requests a second.
pub(super) const SEQUENCE_MASK: u64 = (1 << SEQUENCE_BITS) - 1;
const SEQUENCE_BITS: u32 = 48;

/// How a service's topics are made, where they are not there yet.
#[derive(Clone, Default)]
pub(super) struct ServiceForm {
    pub(super) capacity: Option<usize>,
    pub(super) request_max: Option<usize>,
    pub(super) reply_max: Option<usize>,
    pub(super) huge_pages: bool,
    pub(super) prefault: bool,
    pub(super) lock_memory: bool,
    /// Of what is not typed otherwise.
    pub(super) request_type: Option<TypeDescription>,
    pub(super) reply_type: Option<TypeDescription>,
}

/// Clients, and servers, at the same time.
const MEMBERS_MAX: usize = 256;

impl ServiceForm {
    pub(super) fn requests<Q: Payload + ?Sized>(
        &self,
        bus: &Bus,
        service: &str,
    ) -> TopicBuilder<Q> {
        let topic = bus.topic(&format!("{service}/requests"));
        let topic = self.topic(topic, self.request_max);
        described(topic, self.request_type.as_ref()).typed()
    }

    pub(super) fn replies<R: Payload + ?Sized>(&self, bus: &Bus, service: &str) -> TopicBuilder<R> {
        let topic = bus.topic(&format!("{service}/replies"));
        let topic = topic.attributes_max(ATTRIBUTES_MAX);
        let topic = self.topic(topic, self.reply_max);
        described(topic, self.reply_type.as_ref()).typed()
    }

    fn topic(&self, topic: TopicBuilder<[u8]>, payload_max: Option<usize>) -> TopicBuilder<[u8]> {
        let mut topic = topic.shared().tags(true);
        topic = topic
            .max_publishers(MEMBERS_MAX)
            .max_subscribers(MEMBERS_MAX)
            .huge_pages(self.huge_pages)
            .prefault(self.prefault)
            .lock_memory(self.lock_memory);
        if let Some(capacity) = self.capacity {
            topic = topic.capacity(capacity);
        }
        if let Some(bytes) = payload_max {
            topic = topic.payload_max(bytes);
        }
        topic
    }
}

/// Of a type that is described instead of named by Rust: one value, or several where its name says so.
fn described(topic: TopicBuilder<[u8]>, payload: Option<&TypeDescription>) -> TopicBuilder<[u8]> {
    let Some(payload) = payload else {
        return topic;
    };
    let is_slice = payload.name.as_deref();
    let is_slice = is_slice.is_none_or(|name| name.starts_with('['));
    let topic = topic.payload_type(payload.clone());
    match is_slice {
        true => topic,
        false => topic.payload_fixed(payload.size_bytes as usize),
    }
}
