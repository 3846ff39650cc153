//! Receiving from many topics at once, from C.

use std::ffi::{CString, c_char};
use std::mem::offset_of;

use ringbus::{Filter, MultiMessage, Order, Timestamp};

use crate::argument::{Options, Out, c_text, needed_text, number, slice, timeout};
use crate::attribute::RawAttribute;
use crate::bus::Bus;
use crate::code::Code;
use crate::failure::Failure;
use crate::filter::{self, RawFilter, Tester};
use crate::guard::guard;
use crate::handle::{self, Handle, Kind};
use crate::message::{RawMessage, raw_message};
use crate::owned::Owned;
use crate::reading::{All, One};
use crate::report::List;
use crate::subscriber::{RINGBUS_LOSSY, RINGBUS_RELIABLE, RawStart};

/// Receives the messages of all topics that match patterns, now and later, in place. May move between
/// threads, but one call at a time may use it: a second one returns `RINGBUS_BUSY`.
pub struct MultiSubscriber {
    /// What C may be reading. Dropped before what it borrows from.
    held: Option<MultiMessage<'static, [u8]>>,
    /// Used only while nothing is held.
    inner: Owned<ringbus::MultiSubscriber<[u8]>>,
    /// The topic of the last message.
    topic: CString,
    /// What the last list of topics gave to C.
    topics: Option<List<(RawMultiTopic, CString), RawMultiTopic>>,
}

impl Handle for MultiSubscriber {
    const KIND: Kind = Kind::MultiSubscriber;
    const IS_SHARED: bool = false;
}

// SAFETY: a `ringbus::MultiSubscriber` may be sent, together with what borrows from it, which is in
// here; the list points to its own items.
unsafe impl Send for MultiSubscriber {}

impl MultiSubscriber {
    /// The subscriber, after giving back what was held.
    fn release(&mut self) -> &mut ringbus::MultiSubscriber<[u8]> {
        self.held = None;
        // SAFETY: the result borrows `self`, which owns it; what borrowed from it is dropped.
        unsafe { self.inner.borrow_mut() }
    }

    /// The same for what will be held: it borrows from the subscriber until `release`.
    fn release_to_hold(&mut self) -> &'static mut ringbus::MultiSubscriber<[u8]> {
        let subscriber: *mut _ = self.release();
        // SAFETY: who gets it keeps what borrows from it in `held`, which is dropped before the
        // subscriber is used or dropped.
        unsafe { &mut *subscriber }
    }

    /// Keeps a message for as long as C reads it.
    fn hold(&mut self, message: MultiMessage<'static, [u8]>) -> RawMultiMessage {
        let raw = RawMultiMessage::new(&message, &mut self.topic);
        self.held = Some(message);
        raw
    }

    fn held(&self) -> Result<&MultiMessage<'static, [u8]>, Failure> {
        self.held.as_ref().ok_or_else(|| {
            let message = "the last poll gave no message, or it was taken back";
            Failure::new(Code::NoMessage, message)
        })
    }
}

/// Topics take turns, a message each; the default.
pub const RINGBUS_ORDER_ROUND_ROBIN: u32 = 1;
/// The message that was published first, of all that are there, comes first. Those of topics that keep no
/// times count as published when they are first seen.
pub const RINGBUS_ORDER_TIME: u32 = 2;

/// How many topics are to be read. All zeros but the size are the defaults. Start from
/// ringbus_multi_options_init().
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RawMultiOptions {
    /// `sizeof(ringbus_multi_options)`, by which the library knows the fields that the caller has.
    pub size_bytes: usize,
    /// `RINGBUS_LOSSY` or `RINGBUS_RELIABLE`, on each topic.
    pub delivery: u32,
    /// `RINGBUS_ORDER_...`.
    pub order: u32,
    /// The first message to read of each topic that exists; those that appear later are read from their
    /// first message on.
    pub start: RawStart,
    /// As for a subscriber, on each topic.
    pub stall_timeout_ns: u64,
    /// As for a subscriber.
    pub spin_ns: u64,
    /// The messages wanted of each topic; NULL: all. A sample is one of each topic.
    pub filter: *const RawFilter,
}

// SAFETY: `repr(C)`, the size comes first, pointers and integers.
unsafe impl Options for RawMultiOptions {
    const FIRST_SIZE: usize = 56;
}

const _: () = assert!(offset_of!(RawMultiOptions, size_bytes) == 0);

/// A message and where it is from.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RawMultiMessage {
    /// The message. Its time is there even where the topic keeps ticks.
    pub message: RawMessage,
    /// The name of its topic, valid as long as the message.
    pub topic: *const c_char,
    /// The patterns that the topic matches, by their indices, in order; valid as long as the message.
    pub patterns: *const usize,
    /// How many.
    pub pattern_count: usize,
}

impl RawMultiMessage {
    /// Valid as long as `message`, and until `topic` is changed.
    pub(crate) fn new(message: &MultiMessage<'_, [u8]>, topic: &mut CString) -> Self {
        let name = message.topic().as_str();
        if topic.as_bytes() != name.as_bytes() {
            *topic = c_text(name);
        }
        let time_ns = message.time().map_or(0, Timestamp::as_nanos);
        Self {
            message: RawMessage {
                time_ns,
                ..raw_message!(message)
            },
            topic: topic.as_ptr(),
            patterns: message.patterns().as_ptr(),
            pattern_count: message.patterns().len(),
        }
    }
}

/// One topic of a multi subscriber, as it stands.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RawMultiTopic {
    /// Bytes of this struct in the library's version.
    pub size_bytes: usize,
    /// Its name.
    pub name: *const c_char,
    /// The sequence of its next message.
    pub cursor: u64,
    /// Messages published and not handed out yet.
    pub lag: u64,
    /// Messages missed.
    pub lagged: u64,
    /// Messages that the filter did not want.
    pub skipped: u64,
}

/// Subscribes to all topics whose names match one of `pattern_count` patterns, now and later. A topic that
/// matches several is read once. NULL `options` are the defaults.
///
/// A topic that appears later is read from its first message on, and one that is removed to its end. Each
/// takes a place among its subscribers. What is wrong with a single topic is for the polls to tell.
/// `*subscriber` is the caller's to close; it may outlive the bus's handle.
///
/// `RINGBUS_INVALID_ARGUMENT` for what is no pattern: see ringbus_pattern_matches().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_multi_subscriber_open(
    bus: *const Bus,
    patterns: *const *const c_char,
    pattern_count: usize,
    options: *const RawMultiOptions,
    subscriber: *mut *mut MultiSubscriber,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(subscriber, "subscriber") }?;
        // SAFETY: as the crate's contract says.
        let patterns = unsafe { read_patterns(patterns, pattern_count) }?;
        // SAFETY: as the crate's contract says.
        let asked = unsafe { crate::argument::options(options, "options") }?;
        // SAFETY: as the crate's contract says.
        let filter = unsafe { filter::read(asked.filter) }?;
        handle::share(bus, "bus", |bus| {
            let inner = join(&bus.inner, &patterns, &asked, filter)?;
            out.set(handle::give(MultiSubscriber {
                held: None,
                inner: Owned::new(inner),
                topic: CString::default(),
                topics: None,
            })?);
            Ok(Code::Ok)
        })
    })
}

/// # Safety
///
/// As the crate's contract says.
unsafe fn read_patterns<'a>(
    patterns: *const *const c_char,
    count: usize,
) -> Result<Vec<&'a str>, Failure> {
    if count == 0 {
        return Err(Failure::invalid(
            "`pattern_count` is 0: no topic matches no pattern",
        ));
    }
    // SAFETY: as this function requires.
    let patterns = unsafe { slice(patterns, count, "patterns") }?;
    let read = patterns.iter().map(|pattern| {
        // SAFETY: as this function requires.
        unsafe { needed_text(*pattern, "patterns[..]") }
    });
    read.collect()
}

fn join(
    bus: &ringbus::Bus,
    patterns: &[&str],
    asked: &RawMultiOptions,
    (filter, tester): (Filter, Option<Tester>),
) -> Result<ringbus::MultiSubscriber<[u8]>, Failure> {
    let mut builder = bus.subscribe_pattern(patterns[0]);
    for pattern in &patterns[1..] {
        builder = builder.also(pattern);
    }
    builder = builder.start(asked.start.read()?).filter(filter);
    builder = match asked.delivery {
        0 => builder,
        RINGBUS_LOSSY => builder.lossy(),
        RINGBUS_RELIABLE => builder.reliable(),
        other => return Err(Failure::invalid(format!("`options->delivery` is {other}"))),
    };
    builder = builder.order(order(asked.order)?);
    if asked.stall_timeout_ns != 0 {
        builder = builder.stall_timeout(timeout(number(asked.stall_timeout_ns).unwrap_or(0)));
    }
    if let Some(spin_ns) = number(asked.spin_ns) {
        builder = builder.spin(timeout(spin_ns));
    }
    if let Some(tester) = tester {
        let tester = OneAtATime(tester);
        builder = builder.filter_payload(move |payload| tester.wants(payload));
    }
    Ok(builder.join()?)
}

pub(crate) fn order(order: u32) -> Result<Order, Failure> {
    match order {
        0 | RINGBUS_ORDER_ROUND_ROBIN => Ok(Order::RoundRobin),
        RINGBUS_ORDER_TIME => Ok(Order::Time),
        other => Err(Failure::invalid(format!("`options->order` is {other}"))),
    }
}

/// A test of C's that all topics of one subscriber share.
struct OneAtATime(Tester);

// SAFETY: the subscriber alone has it, of which one call at a time polls or waits.
unsafe impl Sync for OneAtATime {}

impl OneAtATime {
    fn wants(&self, payload: &[u8]) -> bool {
        self.0.wants(payload)
    }
}

/// Closes the subscriber; NULL does nothing. What it was given is no longer valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_multi_subscriber_close(subscriber: *mut MultiSubscriber) -> Code {
    guard(|| handle::close(subscriber, "subscriber"))
}

/// Takes the next message of any topic, without waiting, where its publisher wrote it. Nobody changes it
/// until the next call on this subscriber, whichever that is but for those that read its attributes: that
/// call takes it back.
///
/// `RINGBUS_EMPTY`, only after a look for new topics. `RINGBUS_LAGGED` and `RINGBUS_EVICTED`, once each
/// time: the `topic` of ringbus_last_failure() has lost `missed` messages, and the next poll goes on. Other
/// failures come once for each topic that has to be left out, until it is made anew;
/// `RINGBUS_FORKED`, and that the bus cannot be watched any more, come again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_multi_subscriber_poll(
    subscriber: *mut MultiSubscriber,
    message: *mut RawMultiMessage,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(message, "message") }?;
        handle::with(subscriber, "subscriber", |subscriber| {
            let Some(message) = subscriber.release_to_hold().poll()? else {
                return Ok(Code::Empty);
            };
            out.set(subscriber.hold(message));
            Ok(Code::Ok)
        })
    })
}

/// Waits until there is something to poll, for at most `timeout_ns`; `RINGBUS_TIMEOUT` if nothing came.
/// Something to poll may also be a failure. Takes back what was given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_multi_subscriber_wait(
    subscriber: *mut MultiSubscriber,
    timeout_ns: u64,
) -> Code {
    guard(|| {
        handle::with(subscriber, "subscriber", |subscriber| {
            let there = subscriber.release().wait(timeout(timeout_ns))?;
            Ok(if there { Code::Ok } else { Code::Timeout })
        })
    })
}

/// Takes back what was given now rather than at the next poll: publishers that wait for it go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_multi_subscriber_release(
    subscriber: *mut MultiSubscriber,
) -> Code {
    guard(|| {
        handle::with(subscriber, "subscriber", |subscriber| {
            subscriber.release();
            Ok(Code::Ok)
        })
    })
}

/// The attributes of the message that the last poll gave: `*count` gets how many it has, and up to `max` of
/// them go to `attributes`. They are valid as long as the message, which is not taken back. `attributes`
/// may be NULL where `max` is 0.
///
/// `RINGBUS_NO_MESSAGE`: the last poll gave none, or it was taken back.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_multi_subscriber_attributes(
    subscriber: *mut MultiSubscriber,
    attributes: *mut RawAttribute,
    max: usize,
    count: *mut usize,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let all = unsafe { All::new(attributes, max, count) }?;
        handle::with(subscriber, "subscriber", |subscriber| {
            Ok(all.set(subscriber.held()?.attributes()))
        })
    })
}

/// The attribute of one key, of the message that the last poll gave, valid as long as that, which is not
/// taken back. `RINGBUS_ABSENT`: it has none of this key. `RINGBUS_NO_MESSAGE`: there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_multi_subscriber_attribute(
    subscriber: *mut MultiSubscriber,
    key: *const c_char,
    attribute: *mut RawAttribute,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let one = unsafe { One::new(key, attribute) }?;
        handle::with(subscriber, "subscriber", |subscriber| {
            Ok(one.set(subscriber.held()?.attributes()))
        })
    })
}

/// The topics that are read now, and how each stands: `*topics` are `*count` pointers. They and all that
/// they point to are the library's, and valid until the next call of this function on this subscriber, or
/// its end. Takes back what was given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_multi_subscriber_topics(
    subscriber: *mut MultiSubscriber,
    topics: *mut *const *const RawMultiTopic,
    count: *mut usize,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(topics, "topics") }?;
        // SAFETY: as the crate's contract says.
        let out_count = unsafe { Out::new(count, "count") }?;
        handle::with(subscriber, "subscriber", |subscriber| {
            let topics = subscriber.release().topics().map(|topic| {
                let name = c_text(topic.name.as_str());
                let raw = RawMultiTopic {
                    size_bytes: size_of::<RawMultiTopic>(),
                    name: name.as_ptr(),
                    cursor: topic.cursor,
                    lag: topic.lag,
                    lagged: topic.lagged,
                    skipped: topic.skipped,
                };
                (raw, name)
            });
            let list = List::new(topics.collect(), |(raw, _)| std::ptr::from_ref(raw));
            out.set(list.pointers.as_ptr());
            out_count.set(list.pointers.len());
            subscriber.topics = Some(list);
            Ok(Code::Ok)
        })
    })
}

/// Messages missed on all topics since it joined, those that are gone included. Takes back what was given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_multi_subscriber_lagged(
    subscriber: *mut MultiSubscriber,
    messages: *mut u64,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(messages, "messages") }?;
        handle::with(subscriber, "subscriber", |subscriber| {
            out.set(subscriber.release().lagged());
            Ok(Code::Ok)
        })
    })
}
