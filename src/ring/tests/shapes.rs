//! Topics that tests start from: lean on memory, nothing else.

use crate::ring::layout::{PublisherMode, Shape, TimeSource};

/// The words of payload that a test message has.
pub(crate) const PAYLOAD_WORDS: usize = 3;

fn shape(mode: PublisherMode, capacity_slots: u64) -> Shape {
    let (max_publishers, loans) = match mode {
        PublisherMode::Exclusive => (1, 0),
        PublisherMode::Shared => (2, 1),
    };
    Shape {
        mode,
        capacity_slots,
        payload_max_bytes: 8 * PAYLOAD_WORDS as u64,
        fixed: false,
        alignment_bytes: 8,
        tags: true,
        time: TimeSource::None,
        attributes_max_bytes: 0,
        max_publishers,
        loans,
        max_subscribers: 2,
        pins: 2,
        first_sequence: 0,
        schema_bytes: 0,
    }
}

pub(crate) fn exclusive(capacity_slots: u64) -> Shape {
    shape(PublisherMode::Exclusive, capacity_slots)
}

pub(crate) fn shared(capacity_slots: u64) -> Shape {
    shape(PublisherMode::Shared, capacity_slots)
}

/// For one subscriber that holds one message at a time.
#[cfg(ringbus_loom)]
pub(crate) fn slim(shape: Shape) -> Shape {
    Shape {
        max_subscribers: 1,
        pins: 1,
        ..shape
    }
}
