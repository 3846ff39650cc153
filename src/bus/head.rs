//! What stands beside a payload.

use super::{
    Meta,
    clock::{Clock, Timestamp},
};
use crate::ring::block::BlockHeader;

/// What stands beside the payload of a message: a copy of it, which outlives the message.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// let topic = bus.topic("orders").open_or_create()?;
/// let mut subscriber = topic.subscriber().join()?;
/// topic.publisher()?.publish(b"buy")?;
/// let head = subscriber.poll()?.expect("an order").head();
/// assert_eq!((head.tag(), head.flags(), head.time()), (0, 0, None));
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Head {
    pub(super) header: BlockHeader,
    pub(super) clock: Clock,
    pub(super) is_lean: bool,
}

impl Head {
    /// As [`Message::tag`](super::Message::tag).
    #[inline(always)]
    pub fn tag(&self) -> u64 {
        self.header.tag
    }

    /// As [`Message::flags`](super::Message::flags).
    #[inline(always)]
    pub fn flags(&self) -> u16 {
        self.header.flags
    }

    /// As [`Message::publisher`](super::Message::publisher).
    #[inline(always)]
    pub fn publisher(&self) -> Option<u16> {
        (!self.is_lean).then_some(self.header.publisher)
    }

    /// [`time`](Self::time) in nanoseconds; 0 without one, or where it is to be computed from ticks.
    #[doc(hidden)]
    #[inline(always)]
    pub fn clock_ns(&self) -> u64 {
        self.clock.read_ns(self.header.time)
    }

    /// As [`Message::time`](super::Message::time).
    #[inline(always)]
    pub fn time(&self) -> Option<Timestamp> {
        self.clock.read(self.header.time)
    }
}

/// What a publisher sets beside a payload, once its attributes are written.
#[derive(Clone, Copy, Default)]
pub(super) struct Marks {
    pub(super) tag: u64,
    pub(super) flags: u16,
    pub(super) attributes_len: u16,
}

impl From<Meta<'_>> for Marks {
    #[inline(always)]
    fn from(meta: Meta) -> Self {
        Self {
            tag: meta.tag,
            flags: meta.flags,
            attributes_len: meta.attributes.map_or(0, |found| found.len_bytes() as u16),
        }
    }
}
