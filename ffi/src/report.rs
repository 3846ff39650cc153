//! What a bus and its topics are and how they fare, as C reads it.
//!
//! What C gets is the library's: one report of each kind for each thread, replaced by the next. So there
//! is nothing to free, and structs may grow at their end.

use std::cell::RefCell;
use std::ffi::{CString, c_char, c_void};
use std::ptr;

use ringbus::{
    Delivery, ParticipantInfo, PayloadKind, PublisherInfo, PublisherMode, SubscriberInfo,
    TimeSource, TopicInfo,
};

use crate::argument::{Out, c_text};
use crate::bus::{self, Bus, BusOptions, RINGBUS_NO_GROUP};
use crate::code::Code;
use crate::guard::guard;
use crate::handle;
use crate::subscriber::{RINGBUS_LOSSY, RINGBUS_RELIABLE};
use crate::topic::{
    RINGBUS_EXCLUSIVE, RINGBUS_SHARED, RINGBUS_TIME_CLOCK, RINGBUS_TIME_NONE, RINGBUS_TIME_TSC,
    Topic,
};

/// One publisher of a topic, or one that died and whose place nobody has taken over yet.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RawPublisherInfo {
    /// Bytes of this struct in the library's version.
    pub size_bytes: usize,
    /// Its number in the topic, which its messages carry.
    pub id: u32,
    /// Its process, as it sees itself; 0 if unknown.
    pub pid: u32,
    /// The name of its process.
    pub process: *const c_char,
    /// Whether it lives: 1 or 0.
    pub alive: u32,
    /// 0.
    pub reserved: u32,
    /// Messages published from this place, by predecessors as well.
    pub published: u64,
    /// Payload bytes published from this place.
    pub bytes: u64,
    /// Publishes refused because the topic was full.
    pub full: u64,
    /// Publishes that waited because the topic was full.
    pub waited: u64,
}

/// One registered subscriber of a topic, or one that died and whom nobody has met yet.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RawSubscriberInfo {
    /// Bytes of this struct in the library's version.
    pub size_bytes: usize,
    /// Its number in the topic.
    pub id: u32,
    /// Its process, as it sees itself; 0 if unknown.
    pub pid: u32,
    /// The name of its process.
    pub process: *const c_char,
    /// Whether it lives: 1 or 0.
    pub alive: u32,
    /// `RINGBUS_LOSSY` or `RINGBUS_RELIABLE`.
    pub delivery: u32,
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
    pub holds: u64,
}

/// A topic's properties, participants and counters. Each number was true at some moment while it was
/// read; they are not one moment's picture. Counts never decrease, and survive the publishers that made
/// them.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RawTopicInfo {
    /// Bytes of this struct in the library's version; fields past it are not there.
    pub size_bytes: usize,
    /// Its name.
    pub name: *const c_char,
    /// `RINGBUS_EXCLUSIVE` or `RINGBUS_SHARED`.
    pub mode: u32,
    /// `RINGBUS_TIME_...`.
    pub time: u32,
    /// Whether messages carry tags and flags: 1 or 0.
    pub tags: u32,
    /// Whether each payload has exactly `payload_max_bytes`: 1 or 0.
    pub payload_fixed: u32,
    /// Slots in the ring.
    pub capacity_slots: u64,
    /// The longest payload in bytes.
    pub payload_max_bytes: u64,
    /// The alignment of payloads in bytes.
    pub alignment_bytes: u64,
    /// Publishers at the same time.
    pub max_publishers: u64,
    /// Registered subscribers at the same time.
    pub max_subscribers: u64,
    /// Loans that one shared publisher may have out; 0 if exclusive.
    pub loans: u64,
    /// Messages that one lossy subscriber may hold.
    pub pins: u64,
    /// The type of the payload; NULL: untyped bytes.
    pub type_name: *const c_char,
    /// Its size in bytes, of one value.
    pub type_size_bytes: u64,
    /// Its alignment in bytes.
    pub type_alignment_bytes: u64,
    /// The name of the payload's encoding; "" if none was given.
    pub encoding: *const c_char,
    /// The schema of the payload.
    pub schema: *const c_void,
    /// Its length in bytes; 0 if none was given.
    pub schema_len_bytes: usize,
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
    /// Publishes refused because the topic was full.
    pub full: u64,
    /// Publishes that waited because the topic was full.
    pub waited: u64,
    /// Reliable subscribers evicted.
    pub evicted: u64,
    /// Bytes of memory that the topic takes.
    pub memory_bytes: u64,
    /// The number of the user to whom the topic belongs.
    pub owner: u32,
    /// Who may use it besides its owner, as in ringbus_bus_options.
    pub access: u32,
    /// The number of the group meant there, or `RINGBUS_NO_GROUP`.
    pub group: u32,
    /// 1: its ring was made on huge pages.
    pub huge_pages: u32,
    /// Who publishes: `publisher_count` pointers.
    pub publishers: *const *const RawPublisherInfo,
    /// How many publishers.
    pub publisher_count: usize,
    /// Who is registered to read: `subscriber_count` pointers; none where this process may not read
    /// the topic's cursors.
    pub subscribers: *const *const RawSubscriberInfo,
    /// How many subscribers.
    pub subscriber_count: usize,
    /// Room for the attributes of each message, in bytes; 0 where none are kept.
    pub attributes_max_bytes: u64,
}

/// A process that takes part in a bus, now or until it died.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RawParticipantInfo {
    /// Bytes of this struct in the library's version.
    pub size_bytes: usize,
    /// Its process id, as it sees it itself.
    pub pid: u32,
    /// Whether it lives: 1 or 0.
    pub alive: u32,
    /// The name of its program.
    pub process: *const c_char,
}

/// Tells what a topic is and how it fares. `*info` and all that it points to are the library's, and
/// valid until the next call of this function on this thread, or its end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_topic_describe(
    topic: *const Topic,
    info: *mut *const RawTopicInfo,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(info, "info") }?;
        handle::share(topic, "topic", |topic| {
            let report = TopicReport::new(topic.inner.info());
            out.set(ptr::from_ref(&report.raw));
            keep(&TOPIC, report);
            Ok(Code::Ok)
        })
    })
}

/// Tells of all topics of a bus, by name. Files that are no topics, or that this process may not read,
/// are left out. `*topics` are `*count` pointers; they and all that they point to are the library's, and
/// valid until the next call of this function on this thread, or its end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_bus_topics(
    bus: *const Bus,
    topics: *mut *const *const RawTopicInfo,
    count: *mut usize,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(topics, "topics") }?;
        // SAFETY: as the crate's contract says.
        let out_count = unsafe { Out::new(count, "count") }?;
        handle::share(bus, "bus", |bus| {
            let reports = bus.inner.topics()?.into_iter().map(TopicReport::new);
            let list = List::new(reports.collect(), |report| ptr::from_ref(&report.raw));
            out.set(list.pointers.as_ptr());
            out_count.set(list.pointers.len());
            keep(&TOPICS, list);
            Ok(Code::Ok)
        })
    })
}

/// Tells which processes take part in a bus, through a publisher or subscriber, now or until they died.
/// A dead one stays in the list until somebody takes its place, or ringbus_bus_gc() frees it.
/// `*participants` are `*count` pointers; they and all that they point to are the library's, and valid
/// until the next call of this function on this thread, or its end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_bus_participants(
    bus: *const Bus,
    participants: *mut *const *const RawParticipantInfo,
    count: *mut usize,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(participants, "participants") }?;
        // SAFETY: as the crate's contract says.
        let out_count = unsafe { Out::new(count, "count") }?;
        handle::share(bus, "bus", |bus| {
            let found = bus.inner.participants().into_iter().map(participant);
            let list = List::new(found.collect(), |(raw, _)| ptr::from_ref(raw));
            out.set(list.pointers.as_ptr());
            out_count.set(list.pointers.len());
            keep(&PARTICIPANTS, list);
            Ok(Code::Ok)
        })
    })
}

/// Lists the buses that are where `options` say; NULL are the defaults. `*names` are `*count` pointers;
/// they and the names are the library's, and valid until the next call of this function on this thread,
/// or its end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_bus_names(
    options: *const BusOptions,
    names: *mut *const *const c_char,
    count: *mut usize,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(names, "names") }?;
        // SAFETY: as the crate's contract says.
        let out_count = unsafe { Out::new(count, "count") }?;
        // SAFETY: as the crate's contract says.
        let found = unsafe { bus::place(options) }?.names()?;
        let found = found.iter().map(|name| c_text(name)).collect();
        let list = List::new(found, |name| name.as_ptr());
        out.set(list.pointers.as_ptr());
        out_count.set(list.pointers.len());
        keep(&NAMES, list);
        Ok(Code::Ok)
    })
}

/// Everything that a [`RawTopicInfo`] points to.
struct TopicReport {
    raw: RawTopicInfo,
    _texts: [CString; 3],
    _schema: Vec<u8>,
    _publishers: List<(RawPublisherInfo, CString), RawPublisherInfo>,
    _subscribers: List<(RawSubscriberInfo, CString), RawSubscriberInfo>,
}

/// Items that stay where they are, and pointers to them for C.
pub(crate) struct List<T, R> {
    _items: Box<[T]>,
    pub(crate) pointers: Vec<*const R>,
}

impl<T, R> List<T, R> {
    pub(crate) fn new(items: Box<[T]>, pointer: impl Fn(&T) -> *const R) -> Self {
        let pointers = items.iter().map(pointer).collect();
        let _items = items;
        Self { _items, pointers }
    }
}

impl TopicReport {
    /// In a box, so that C's pointer to it stays valid.
    fn new(info: TopicInfo) -> Box<Self> {
        let publishers = info.publishers.iter().map(publisher).collect();
        let publishers = List::new(publishers, |(raw, _)| ptr::from_ref(raw));
        let subscribers = info.subscribers.iter().map(subscriber).collect();
        let subscribers = List::new(subscribers, |(raw, _)| ptr::from_ref(raw));
        let type_name = info.payload_type.name.as_deref();
        let texts = [
            c_text(info.name.as_str()),
            c_text(type_name.unwrap_or("")),
            c_text(&info.encoding),
        ];
        let raw = RawTopicInfo {
            size_bytes: size_of::<RawTopicInfo>(),
            name: texts[0].as_ptr(),
            mode: match info.mode {
                PublisherMode::Exclusive => RINGBUS_EXCLUSIVE,
                PublisherMode::Shared => RINGBUS_SHARED,
            },
            time: match info.time {
                TimeSource::None => RINGBUS_TIME_NONE,
                TimeSource::Clock => RINGBUS_TIME_CLOCK,
                TimeSource::Tsc => RINGBUS_TIME_TSC,
            },
            tags: info.tags.into(),
            payload_fixed: matches!(info.payload, PayloadKind::Fixed { .. }).into(),
            capacity_slots: info.capacity_slots,
            payload_max_bytes: info.payload.max_bytes() as u64,
            alignment_bytes: info.alignment_bytes as u64,
            max_publishers: info.max_publishers.into(),
            max_subscribers: info.max_subscribers.into(),
            loans: info.loans.into(),
            pins: info.pins.into(),
            type_name: type_name.map_or(ptr::null(), |_| texts[1].as_ptr()),
            type_size_bytes: info.payload_type.size_bytes,
            type_alignment_bytes: info.payload_type.alignment_bytes,
            encoding: texts[2].as_ptr(),
            schema: info.schema.as_ptr().cast(),
            schema_len_bytes: info.schema.len(),
            first_sequence: info.first_sequence,
            oldest: info.oldest,
            next: info.next,
            published: info.published,
            bytes: info.bytes,
            full: info.full,
            waited: info.waited,
            evicted: info.evicted,
            memory_bytes: info.memory_bytes,
            owner: info.owner,
            access: info.access.mode(),
            group: info.access.gid.unwrap_or(RINGBUS_NO_GROUP),
            huge_pages: info.huge_pages.into(),
            publishers: publishers.pointers.as_ptr(),
            publisher_count: publishers.pointers.len(),
            subscribers: subscribers.pointers.as_ptr(),
            subscriber_count: subscribers.pointers.len(),
            attributes_max_bytes: info.attributes_max_bytes as u64,
        };
        Box::new(Self {
            raw,
            _texts: texts,
            _schema: info.schema,
            _publishers: publishers,
            _subscribers: subscribers,
        })
    }
}

fn publisher(info: &PublisherInfo) -> (RawPublisherInfo, CString) {
    let process = c_text(&info.process);
    let raw = RawPublisherInfo {
        size_bytes: size_of::<RawPublisherInfo>(),
        id: info.id.into(),
        pid: info.pid,
        process: process.as_ptr(),
        alive: info.alive.into(),
        reserved: 0,
        published: info.published,
        bytes: info.bytes,
        full: info.full,
        waited: info.waited,
    };
    (raw, process)
}

fn subscriber(info: &SubscriberInfo) -> (RawSubscriberInfo, CString) {
    let process = c_text(&info.process);
    let raw = RawSubscriberInfo {
        size_bytes: size_of::<RawSubscriberInfo>(),
        id: info.id,
        pid: info.pid,
        process: process.as_ptr(),
        alive: info.alive.into(),
        delivery: match info.delivery {
            Delivery::Lossy => RINGBUS_LOSSY,
            Delivery::Reliable => RINGBUS_RELIABLE,
        },
        cursor: info.cursor,
        lag: info.lag,
        lagged: info.lagged,
        lag_events: info.lag_events,
        evictions: info.evictions,
        holds: info.holds.into(),
    };
    (raw, process)
}

fn participant(info: ParticipantInfo) -> (RawParticipantInfo, CString) {
    let process = c_text(&info.process);
    let raw = RawParticipantInfo {
        size_bytes: size_of::<RawParticipantInfo>(),
        pid: info.pid,
        alive: info.alive.into(),
        process: process.as_ptr(),
    };
    (raw, process)
}

type Kept<T> = std::thread::LocalKey<RefCell<Option<T>>>;

/// Keeps what C reads until the thread's next report of the kind.
fn keep<T>(place: &'static Kept<T>, report: T) {
    place.replace(Some(report));
}

thread_local! {
    static TOPIC: RefCell<Option<Box<TopicReport>>> = const { RefCell::new(None) };
    static TOPICS: RefCell<Option<List<Box<TopicReport>, RawTopicInfo>>> =
        const { RefCell::new(None) };
    static PARTICIPANTS: RefCell<Option<List<(RawParticipantInfo, CString), RawParticipantInfo>>> =
        const { RefCell::new(None) };
    static NAMES: RefCell<Option<List<CString, c_char>>> = const { RefCell::new(None) };
}
