//! A request, and how it is answered.

use std::{fmt, marker::PhantomData, ops::Deref, time::Duration};

use super::{
    Attributes, Message, Meta, Patience, Payload,
    call::{EMPTY, FAILED, LAST, WHY, WHY_MAX},
    error::PublishError,
    publisher_core::PublisherCore,
};

/// A request, read in place. It is its payload, by `Deref`.
///
/// One that is dropped without an answer, as by a panic, is answered by a failure.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// # use {ringbus::CallError, std::time::Duration};
/// let mut server = bus.server("echo").join()?;
/// let mut client = bus.client("echo").join()?;
/// let call = client.send(b"hello", Duration::from_secs(1))?;
/// let request = server.poll()?.expect("a request");
/// assert_eq!(request.payload(), b"hello");
/// drop(request);
/// let answer = client.next(&call, Duration::from_secs(10));
/// assert!(matches!(answer, Err(CallError::Failed { .. })));
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct Request<'s, Q: ?Sized, R: ?Sized> {
    message: Message<'s, Q>,
    replies: &'s PublisherCore,
    tag: u64,
    is_answered: bool,
    payload: PhantomData<fn(&R)>,
}

/// A request that is to be answered later, by [`Server::reply`](super::Server::reply) and the like.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// # use std::time::Duration;
/// let mut server = bus.server("slow").join()?;
/// let mut client = bus.client("slow").join()?;
/// let first = client.send(b"1", Duration::from_secs(1))?;
/// let second = client.send(b"2", Duration::from_secs(1))?;
/// let later = server.poll()?.expect("a request").defer();
/// server.poll()?.expect("a request").reply(b"2")?;
/// server.reply(later, b"1")?;
/// assert_eq!(client.next(&first, Duration::from_secs(10))?.expect("a reply").payload(), b"1");
/// assert_eq!(client.next(&second, Duration::from_secs(10))?.expect("a reply").payload(), b"2");
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "the client waits for an answer"]
pub struct Deferred {
    pub(super) tag: u64,
}

impl<'s, Q: Payload + ?Sized, R: Payload + ?Sized> Request<'s, Q, R> {
    pub(super) fn new(message: Message<'s, Q>, replies: &'s PublisherCore, tag: u64) -> Self {
        Self {
            message,
            replies,
            tag,
            is_answered: false,
            payload: PhantomData,
        }
    }

    /// Answers, as the only reply or the last of several.
    ///
    /// # Errors
    ///
    /// [`PublishError`]: the reply is too long, or the topic cannot be written. The client is told, if that
    /// is possible, that there is no answer.
    pub fn reply(mut self, payload: &R) -> Result<(), PublishError> {
        send(self.replies, self.tag, LAST, payload)?;
        self.is_answered = true;
        Ok(())
    }

    /// Sends a part of the answer; more follow, and at last a [`reply`](Self::reply), a
    /// [`finish`](Self::finish) or a [`fail`](Self::fail).
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # use std::time::Duration;
    /// let mut server = bus.server("count").typed::<u64, u64>().join()?;
    /// let mut client = bus.client("count").typed::<u64, u64>().join()?;
    /// let call = client.send(&3, Duration::from_secs(1))?;
    /// let request = server.poll()?.expect("a request");
    /// for number in 0..*request {
    ///     request.send(&number)?;
    /// }
    /// request.finish()?;
    /// let mut numbers = Vec::new();
    /// while let Some(number) = client.next(&call, Duration::from_secs(10))? {
    ///     numbers.push(*number);
    /// }
    /// assert_eq!(numbers, [0, 1, 2]);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`reply`](Self::reply).
    pub fn send(&self, payload: &R) -> Result<(), PublishError> {
        send(self.replies, self.tag, 0, payload)
    }

    /// Ends the answer without a further reply.
    ///
    /// # Errors
    ///
    /// Those of [`reply`](Self::reply).
    pub fn finish(mut self) -> Result<(), PublishError> {
        finish(self.replies, self.tag)?;
        self.is_answered = true;
        Ok(())
    }

    /// Says why there is no answer, in up to 200 bytes; the rest is cut off.
    ///
    /// # Errors
    ///
    /// Those of [`reply`](Self::reply).
    pub fn fail(mut self, why: &str) -> Result<(), PublishError> {
        fail(self.replies, self.tag, why, Patience::Forever)?;
        self.is_answered = true;
        Ok(())
    }

    /// Gives the request back, to be answered later.
    pub fn defer(mut self) -> Deferred {
        self.is_answered = true;
        Deferred { tag: self.tag }
    }

    /// What is asked for.
    pub fn payload(&self) -> &Q {
        self.message.payload()
    }
}

impl<Q: ?Sized, R: ?Sized> Deref for Request<'_, Q, R> {
    type Target = Q;

    fn deref(&self) -> &Q {
        &self.message
    }
}

impl<Q: ?Sized, R: ?Sized> Drop for Request<'_, Q, R> {
    fn drop(&mut self) {
        if !self.is_answered {
            tell_dropped(self.replies, self.tag);
        }
    }
}

pub(super) fn tell_dropped(replies: &PublisherCore, tag: u64) {
    // Not for long: nobody is held up by what is only told.
    let patience = Patience::For(Duration::from_millis(10));
    let _ = fail(replies, tag, "the request was dropped", patience);
}

impl<Q: ?Sized + fmt::Debug, R: ?Sized> fmt::Debug for Request<'_, Q, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

pub(super) fn send<R: Payload + ?Sized>(
    replies: &PublisherCore,
    tag: u64,
    flags: u16,
    payload: &R,
) -> Result<(), PublishError> {
    let meta = Meta::new().tag(tag).flags(flags);
    send_bytes(replies, meta, Some(payload.bytes()), Patience::Forever)
}

pub(super) fn finish(replies: &PublisherCore, tag: u64) -> Result<(), PublishError> {
    let meta = Meta::new().tag(tag).flags(LAST | EMPTY);
    send_bytes(replies, meta, None, Patience::Forever)
}

pub(super) fn fail(
    replies: &PublisherCore,
    tag: u64,
    why: &str,
    patience: Patience,
) -> Result<(), PublishError> {
    let end = (0..=WHY_MAX.min(why.len()))
        .rev()
        .find(|end| why.is_char_boundary(*end));
    let why = &why[..end.unwrap_or(0)];
    let attributes = Attributes::new().with(WHY, why).unwrap_or_default();
    let meta = Meta::new().tag(tag).flags(LAST | FAILED | EMPTY);
    send_bytes(replies, meta.attributes(&attributes), None, patience)
}

/// Without a payload, as short a message as the topic may have.
fn send_bytes(
    replies: &PublisherCore,
    meta: Meta<'_>,
    payload: Option<&[u8]>,
    patience: Patience,
) -> Result<(), PublishError> {
    let published = match payload {
        Some(payload) => replies.publish(meta, payload, patience),
        None if replies.shape().fixed => {
            let zeros = vec![0; replies.shape().payload_max_bytes as usize];
            replies.publish(meta, &zeros, patience)
        }
        None => replies.publish(meta, &[], patience),
    };
    published.map(drop)
}
