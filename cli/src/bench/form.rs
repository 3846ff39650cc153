//! The measured topic: how it is made, and how its messages are written and checked.

use ringbus::{Bus, Message, PollError, Start, Subscriber, Topic, TopicInfo};
use serde_json::{Value, json};

use super::backoff::Backoff;
use super::floor::ring::Any;
use crate::args::{FormArgs, Mode, Reading};
use crate::outcome::Failure;

impl FormArgs {
    /// Bytes of payload.
    pub fn payload_bytes(&self) -> usize {
        self.size.unwrap_or(if self.lean { 56 } else { 64 })
    }

    /// Makes a topic of this form.
    pub fn create(&self, bus: &Bus, name: &str) -> Result<Topic<[u8]>, Failure> {
        let mut topic = bus.topic(name);
        topic = match self.lean {
            true => topic.payload_fixed(self.payload_bytes()).tags(false),
            false => topic.payload_max(self.payload_bytes()),
        };
        if self.mode == Mode::Shared {
            topic = topic.shared();
        }
        if let Some(slots) = self.capacity {
            topic = topic.capacity(slots);
        }
        Ok(topic.huge_pages(self.huge_pages).create()?)
    }

    /// What is told of it.
    pub fn setting(&self) -> Value {
        json!({
            "size": self.payload_bytes(),
            "lean": self.lean,
            "huge_pages": self.huge_pages,
            "mode": match self.mode {
                Mode::Exclusive => "exclusive",
                Mode::Shared => "shared",
            },
            "delivery": match self.delivery {
                Reading::Reliable => "reliable",
                Reading::Lossy => "lossy",
            },
        })
    }

    /// The form of an exclusive topic's messages: header and stride are those of ARCHITECTURE.md.
    pub fn layout(&self) -> Any {
        layout(self.payload_bytes(), self.lean)
    }

    /// For a role's numbers: 1 if lossy.
    pub fn is_lossy(&self) -> u64 {
        (self.delivery == Reading::Lossy).into()
    }
}

/// See [`FormArgs::layout`].
pub fn layout(payload: usize, is_lean: bool) -> Any {
    let header = if is_lean { 8 } else { 24 };
    let stride = match header + payload {
        ..=64 => 64,
        more => more.next_multiple_of(32),
    };
    Any {
        stride,
        header,
        payload,
    }
}

/// Bytes of a topic's payload.
pub fn payload_bytes(info: &TopicInfo) -> usize {
    match info.payload {
        ringbus::PayloadKind::Fixed { bytes } => bytes,
        ringbus::PayloadKind::Variable { max_bytes } => max_bytes,
    }
}

/// Subscribes from the next message on.
pub fn subscribe(topic: &Topic<[u8]>, is_lossy: bool) -> Result<Subscriber<[u8]>, Failure> {
    let subscriber = topic.subscriber().start(Start::Latest);
    let subscriber = match is_lossy {
        true => subscriber.lossy(),
        false => subscriber.reliable(),
    };
    Ok(subscriber.join()?)
}

/// Polls until the next message is there, and uses it.
#[inline(always)]
pub fn next<R>(
    subscriber: &mut Subscriber<[u8]>,
    use_it: impl FnOnce(&Message<'_, [u8]>) -> R,
) -> Result<R, PollError> {
    let mut backoff = Backoff::new();
    loop {
        if let Some(message) = subscriber.poll()? {
            return Ok(use_it(&message));
        }
        backoff.pause();
    }
}

/// Writes a number to the beginning and to the end of a payload of 8 bytes at least.
#[inline(always)]
pub fn mark(payload: &mut [u8], number: u64) {
    let end = payload.len() - 8;
    payload[end..].copy_from_slice(&number.to_ne_bytes());
    payload[..8].copy_from_slice(&number.to_ne_bytes());
}

/// The number at the beginning of a payload, unless another one is at its end.
#[inline(always)]
pub fn number_of(payload: &[u8]) -> Option<u64> {
    let (first, last) = (payload.first_chunk()?, payload.last_chunk()?);
    let (first, last) = (u64::from_ne_bytes(*first), u64::from_ne_bytes(*last));
    (first == last).then_some(first)
}

/// What a message that is not the next one means.
#[cold]
pub fn out_of_order(expected: u64, found: Option<u64>) -> Failure {
    Failure::say(match found {
        Some(found) => format!("message {found} came where {expected} was due"),
        None => format!("message {expected} was torn"),
    })
}
