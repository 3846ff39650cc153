//! What a topic is and how it fares: read from its segments by anybody who may.

use std::fmt;

use super::{Bus, TypeDescription, topic_shared::TopicShared};
use crate::{
    registry::{Access, OwnerId, TopicName},
    ring::{
        cursor::Delivery,
        cursor_word::{CursorState, CursorWord},
        header::RingDescription,
        layout::{Cell, PublisherMode, PublisherRecord, Shape, TimeSource},
        sequence::Sequence,
        tail::{find_oldest, find_tail},
        view::RingView,
    },
    sync::{AtomicU64, Ordering},
};

/// A topic's properties, participants and counters.
///
/// Each number was true at some moment while it was read; they are not one moment's picture. Counts
/// never decrease, and survive the publishers that made them.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// let topic = bus.topic("orders").capacity(64).open_or_create()?;
/// topic.publisher()?.publish(b"buy")?;
/// let info = topic.info();
/// assert_eq!((info.capacity_slots, info.published, info.bytes), (64, 1, 3));
/// assert_eq!((info.oldest, info.next), (0, 1));
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TopicInfo {
    /// Its name.
    pub name: TopicName,
    /// Exclusive or shared publishers.
    pub mode: PublisherMode,
    /// Slots in the ring.
    pub capacity_slots: u64,
    /// How long payloads are.
    pub payload: PayloadKind,
    /// The alignment of payloads, in bytes.
    pub alignment_bytes: usize,
    /// Whether messages carry tags and flags.
    pub tags: bool,
    /// Whether messages carry their publish time.
    pub time: TimeSource,
    /// Room for the attributes of each message, in bytes; 0 where none are kept.
    pub attributes_max_bytes: usize,
    /// The type of the payload.
    pub payload_type: TypeDescription,
    /// The name of the payload's encoding; empty if none was given.
    pub encoding: String,
    /// The schema of the payload; empty if none was given.
    pub schema: Vec<u8>,
    /// Publishers at the same time.
    pub max_publishers: u32,
    /// Registered subscribers at the same time.
    pub max_subscribers: u32,
    /// Chunks that one shared publisher may have on loan; 0 if exclusive.
    pub loans: u32,
    /// Messages that one lossy subscriber may hold.
    pub pins: u32,
    /// The sequence of the first message ever.
    pub first_sequence: u64,
    /// The sequence of the oldest message that a newcomer can read.
    pub oldest: u64,
    /// The sequence of the next message.
    pub next: u64,
    /// Messages published.
    pub published: u64,
    /// Payload bytes published.
    pub bytes: u64,
    /// Publishes refused because the gate was shut.
    pub full: u64,
    /// Publishes that waited at the gate.
    pub waited: u64,
    /// Reliable subscribers evicted.
    pub evicted: u64,
    /// Bytes of memory that the topic takes.
    pub memory_bytes: u64,
    /// Whether its ring was made on huge pages.
    pub huge_pages: bool,
    /// The number of the user to whom the topic belongs; 0 where files have no owners.
    pub owner: u32,
    /// Who may use it besides its owner.
    pub access: Access,
    /// Who publishes.
    pub publishers: Vec<PublisherInfo>,
    /// Who is registered to read; empty where this process may not read the cursors.
    pub subscribers: Vec<SubscriberInfo>,
}

/// How long a topic's payloads are.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use ringbus::PayloadKind;
///
/// let log = bus.topic("log").payload_max(200).create()?;
/// let ticks = bus.topic("ticks").typed::<u64>().create()?;
/// assert_eq!(log.info().payload, PayloadKind::Variable { max_bytes: 200 });
/// assert_eq!(ticks.info().payload, PayloadKind::Fixed { bytes: 8 });
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadKind {
    /// Each message has its own length.
    Variable {
        /// The longest, in bytes.
        max_bytes: usize,
    },
    /// All messages have the same length.
    Fixed {
        /// That length, in bytes.
        bytes: usize,
    },
}

/// One publisher of a topic, or one that died and whose place nobody has taken over yet.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// let topic = bus.topic("orders").open_or_create()?;
/// let publisher = topic.publisher()?;
/// publisher.publish(b"buy")?;
/// let seen = &topic.info().publishers[0];
/// assert_eq!((seen.pid, seen.alive, seen.published), (std::process::id(), true, 1));
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PublisherInfo {
    /// Its number in the topic, which its messages carry.
    pub id: u16,
    /// Its process, as it sees itself; 0 if unknown.
    pub pid: u32,
    /// The name of its process.
    pub process: String,
    /// Whether it lives.
    pub alive: bool,
    /// Messages published from this place, by predecessors as well.
    pub published: u64,
    /// Payload bytes published from this place.
    pub bytes: u64,
    /// Publishes refused because the gate was shut.
    pub full: u64,
    /// Publishes that waited at the gate.
    pub waited: u64,
}

/// One registered subscriber of a topic, or one that died and whom nobody has met yet.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// let topic = bus.topic("orders").open_or_create()?;
/// let subscriber = topic.subscriber().reliable().join()?;
/// topic.publisher()?.publish(b"buy")?;
/// for seen in topic.info().subscribers {
///     println!("{} (pid {}) is {} behind", seen.process, seen.pid, seen.lag);
///     assert_eq!((seen.delivery, seen.lag), (ringbus::Delivery::Reliable, 1));
/// }
/// # assert_eq!(topic.info().subscribers.len(), 1);
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SubscriberInfo {
    /// Its number in the topic.
    pub id: u32,
    /// Its process, as it sees itself; 0 if unknown.
    pub pid: u32,
    /// The name of its process.
    pub process: String,
    /// Whether it lives.
    pub alive: bool,
    /// Reliable or lossy.
    pub delivery: Delivery,
    /// The sequence of the first message that it has not finished with.
    pub cursor: u64,
    /// Messages published and not finished with.
    pub lag: u64,
    /// Messages it missed, in all.
    pub lagged: u64,
    /// How often it missed messages.
    pub lag_events: u64,
    /// How often it was evicted.
    pub evictions: u64,
    /// Messages that it holds, as far as publishers must know.
    pub holds: u32,
}

impl PayloadKind {
    pub(super) fn of(shape: &Shape) -> Self {
        let bytes = shape.payload_max_bytes as usize;
        match shape.fixed {
            true => Self::Fixed { bytes },
            false => Self::Variable { max_bytes: bytes },
        }
    }

    /// The longest payload in bytes.
    ///
    /// ```
    /// use ringbus::PayloadKind;
    ///
    /// assert_eq!(PayloadKind::Variable { max_bytes: 1024 }.max_bytes(), 1024);
    /// assert_eq!(PayloadKind::Fixed { bytes: 8 }.max_bytes(), 8);
    /// ```
    pub fn max_bytes(self) -> usize {
        match self {
            Self::Variable { max_bytes } => max_bytes,
            Self::Fixed { bytes } => bytes,
        }
    }
}

impl fmt::Display for PayloadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable { max_bytes } => write!(f, "of up to {max_bytes} bytes"),
            Self::Fixed { bytes } => write!(f, "of exactly {bytes} bytes"),
        }
    }
}

/// Reads everything about a topic.
pub(super) fn describe(topic: &TopicShared) -> TopicInfo {
    let RingDescription {
        geometry,
        type_name,
        type_size,
        type_align,
        encoding,
        huge_pages,
        ..
    } = &**topic.description();
    let shape = geometry.shape;
    let ring = (!topic.is_forked()).then(|| topic.ring.view());
    let next = ring.as_ref().map_or(geometry.first(), find_tail);
    let oldest = ring.as_ref().map_or(next, find_oldest).min(next);
    let records = ring.as_ref().map_or_else(Vec::new, used_records);
    let sum = |count: fn(&PublisherRecord) -> &AtomicU64| {
        records
            .iter()
            .map(|(_, record)| read(count(record)))
            .fold(0, u64::wrapping_add)
    };
    TopicInfo {
        name: topic.name.clone(),
        mode: shape.mode,
        capacity_slots: shape.capacity_slots,
        payload: PayloadKind::of(&shape),
        alignment_bytes: shape.alignment_bytes as usize,
        tags: shape.tags,
        time: shape.time,
        attributes_max_bytes: shape.attributes_max_bytes as usize,
        payload_type: TypeDescription {
            name: type_name.clone(),
            size_bytes: *type_size,
            alignment_bytes: *type_align,
        },
        encoding: encoding.clone(),
        schema: topic.schema.clone(),
        max_publishers: shape.max_publishers,
        max_subscribers: shape.max_subscribers,
        loans: shape.loans,
        pins: shape.pins,
        first_sequence: shape.first_sequence,
        oldest: oldest.0,
        next: next.0,
        published: next.since(geometry.first()),
        bytes: sum(|record| &record.bytes),
        full: sum(|record| &record.full),
        waited: sum(|record| &record.waited),
        evicted: sum(|record| &record.evicted),
        memory_bytes: memory_bytes(topic),
        huge_pages: *huge_pages,
        owner: topic.ring.segment().ownership().map_or(0, |file| file.uid),
        access: topic.access().unwrap_or_default(),
        publishers: publishers(&topic.bus, &records),
        subscribers: match ring {
            Some(_) => subscribers(topic, next),
            None => Vec::new(),
        },
    }
}

fn memory_bytes(topic: &TopicShared) -> u64 {
    let cursors = topic.cursors_to_read();
    let cursors_bytes = cursors.map_or(0, |cursors| cursors.segment().memory_bytes());
    topic.ring.segment().memory_bytes() + cursors_bytes
}

fn used_records<'m>(ring: &RingView<'m>) -> Vec<(u32, &'m PublisherRecord)> {
    let max = u64::from(ring.geometry().shape.max_publishers);
    let used = ring.publishers_used().load(Ordering::Acquire).min(max) as u32;
    (0..used).map(|index| (index, ring.record(index))).collect()
}

fn publishers(bus: &Bus, records: &[(u32, &PublisherRecord)]) -> Vec<PublisherInfo> {
    let describe = |(index, record): &(u32, &PublisherRecord)| {
        let owner = OwnerId::from_word(record.owner.load(Ordering::Acquire))?;
        let process = bus.process_of(owner);
        Some(PublisherInfo {
            id: *index as u16,
            pid: process.as_ref().map_or(0, |process| process.pid),
            process: process.map_or_else(String::new, |process| process.process),
            alive: bus.is_alive(owner),
            published: read(&record.published),
            bytes: read(&record.bytes),
            full: read(&record.full),
            waited: read(&record.waited),
        })
    };
    records.iter().filter_map(describe).collect()
}

fn subscribers(topic: &TopicShared, next: Sequence) -> Vec<SubscriberInfo> {
    let Some(cursors) = topic.cursors_to_read() else {
        return Vec::new();
    };
    let cells = cursors.cells();
    let used = cells.cells_used().load(Ordering::Acquire);
    let describe = |(index, cell)| describe_subscriber(&topic.bus, index, cell, next);
    cells.used(used).filter_map(describe).collect()
}

fn describe_subscriber(
    bus: &Bus,
    index: u32,
    cell: &Cell,
    next: Sequence,
) -> Option<SubscriberInfo> {
    let owner = cell.owner.load(Ordering::Acquire);
    let owner = OwnerId::from_word(owner).filter(|_| owner & OwnerId::REAPING == 0)?;
    let word = CursorWord(cell.cursor.load(Ordering::Acquire));
    let delivery = match word.state() {
        CursorState::Detached => return None,
        CursorState::Reliable | CursorState::Evictable | CursorState::Evicted => Delivery::Reliable,
        CursorState::Lossy | CursorState::Overtaken => Delivery::Lossy,
    };
    let process = bus.process_of(owner);
    let cursor = word.sequence(next);
    Some(SubscriberInfo {
        id: index,
        pid: process.as_ref().map_or(0, |process| process.pid),
        process: process.map_or_else(String::new, |process| process.process),
        alive: bus.is_alive(owner),
        delivery,
        cursor: cursor.0,
        lag: next.since(cursor),
        lagged: read(&cell.lagged),
        lag_events: read(&cell.lag_events),
        evictions: read(&cell.evictions),
        holds: word.pins(),
    })
}

fn read(count: &AtomicU64) -> u64 {
    // Relaxed: a count, compared with nothing.
    count.load(Ordering::Relaxed)
}
