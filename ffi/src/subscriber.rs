//! Receiving from C.

use std::mem::offset_of;

use ringbus::{AttributesView, Batch, Filter, Message, Start, Timestamp};

use crate::argument::{Options, Out, number, places, timeout, unused};
use crate::code::Code;
use crate::failure::Failure;
use crate::filter::{self, RawFilter, Tester};
use crate::guard::{guard, guard_hot};
use crate::handle::{self, Handle, Kind, Taken};
use crate::message::{RawMessage, put_message};
use crate::owned::Owned;
use crate::topic::Topic;

/// Receives the messages of one topic in place, each once and in order. May move between threads, but
/// one call at a time may use it: a second one returns `RINGBUS_BUSY`.
pub struct Subscriber {
    /// What C may be reading. Dropped before what it borrows from.
    held: Held,
    /// Used only while nothing is held.
    inner: Owned<ringbus::Subscriber<[u8]>>,
}

/// What the last call gave to C. It borrows from the subscriber, whatever its type says.
enum Held {
    /// One message or none: the subscriber itself knows. Where nearly every poll is done by `poll_at_once`.
    Plainly,
    Nothing,
    One(Message<'static, [u8]>),
    Many(Batch<'static, [u8]>),
}

impl Handle for Subscriber {
    const KIND: Kind = Kind::Subscriber;
    const IS_SHARED: bool = false;
}

// SAFETY: a `ringbus::Subscriber` may be sent, together with what borrows from it, which is in here.
unsafe impl Send for Subscriber {}

impl Subscriber {
    /// The subscriber, after giving back what was held.
    #[inline(always)]
    pub(crate) fn release(&mut self) -> &mut ringbus::Subscriber<[u8]> {
        let held = std::mem::replace(&mut self.held, Held::Nothing);
        let is_plainly = matches!(held, Held::Plainly);
        drop(held);
        // SAFETY: the result borrows `self`, which owns it; what borrowed from it is dropped.
        let subscriber = unsafe { self.inner.borrow_mut() };
        if is_plainly {
            subscriber.give_back();
        }
        if subscriber.polls_at_once() {
            self.held = Held::Plainly;
        }
        subscriber
    }

    /// The same for what will be held: it borrows from the subscriber until `release`.
    #[inline(always)]
    fn release_to_hold(&mut self) -> &'static mut ringbus::Subscriber<[u8]> {
        let subscriber: *mut _ = self.release();
        // SAFETY: who gets it keeps what borrows from it in `held`, which is dropped before the
        // subscriber is used or dropped.
        unsafe { &mut *subscriber }
    }

    /// Polls without a call, if that can be; whether there was a message. `None` says nothing.
    #[inline(always)]
    fn poll_at_once(&mut self, out: &mut Out<RawMessage>) -> Option<bool> {
        if !matches!(self.held, Held::Plainly) {
            return None;
        }
        // SAFETY: the result borrows `self`, which owns it; nothing is held that borrows from it.
        let subscriber = unsafe { self.inner.borrow_mut() };
        let found = subscriber.poll_at_once()?;
        if let Some(plain) = found {
            put_message!(out.place(), plain.sequence, plain.payload, plain.head);
        }
        Some(found.is_some())
    }

    /// Keeps a message for as long as C reads it.
    fn hold(&mut self, message: Message<'static, [u8]>, mut out: Out<RawMessage>) {
        let (sequence, head) = (message.sequence(), message.head());
        put_message!(out.place(), sequence, message.payload(), head);
        match self.held {
            // As if `poll_at_once` had found it, so that it finds the next.
            Held::Plainly => std::mem::forget(message),
            _ => self.held = Held::One(message),
        }
    }
}

/// Where a subscriber or observer starts to read.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RawStart {
    /// `RINGBUS_START_...`.
    pub kind: u32,
    /// 0.
    pub reserved: u32,
    /// What the kind asks for, else 0.
    pub value: u64,
}

/// At the first message published after joining; the default.
pub const RINGBUS_START_LATEST: u32 = 0;
/// At the oldest message retained: at least seven eighths of the capacity are.
pub const RINGBUS_START_OLDEST: u32 = 1;
/// At the sequence `value`. If it is no longer retained, the first poll says `RINGBUS_LAGGED`.
pub const RINGBUS_START_SEQUENCE: u32 = 2;
/// At the last `value` messages, or as many as are retained.
pub const RINGBUS_START_LAST: u32 = 3;
/// At the first message published at `value` nanoseconds of `CLOCK_MONOTONIC` or later.
pub const RINGBUS_START_TIME: u32 = 4;

impl RawStart {
    pub(crate) fn read(self) -> Result<Start, Failure> {
        unused(self.reserved, "start.reserved")?;
        match (self.kind, self.value) {
            (RINGBUS_START_LATEST, 0) => Ok(Start::Latest),
            (RINGBUS_START_OLDEST, 0) => Ok(Start::Oldest),
            (RINGBUS_START_SEQUENCE, sequence) => Ok(Start::Sequence(sequence)),
            (RINGBUS_START_LAST, count) => Ok(Start::Last(count)),
            (RINGBUS_START_TIME, nanos) => Ok(Start::Time(Timestamp::from_nanos(nanos))),
            (kind, value) => Err(Failure::invalid(format!(
                "no start has kind {kind} with value {value}"
            ))),
        }
    }
}

/// Holds up nobody, and is told exactly what it missed; the default.
pub const RINGBUS_LOSSY: u32 = 1;
/// Gets every message: publishers wait for it, while it lives.
pub const RINGBUS_RELIABLE: u32 = 2;

/// How a subscriber is to read. All zeros but the size are the defaults. Start from
/// ringbus_subscriber_options_init().
#[derive(Clone, Copy)]
#[repr(C)]
pub struct SubscriberOptions {
    /// `sizeof(ringbus_subscriber_options)`, by which the library knows the fields that the caller has.
    pub size_bytes: usize,
    /// `RINGBUS_LOSSY` or `RINGBUS_RELIABLE`.
    pub delivery: u32,
    /// 0.
    pub reserved: u32,
    /// The first message to read.
    pub start: RawStart,
    /// Lets publishers evict this reliable subscriber if it holds them up for so long without moving.
    /// Default: it is waited for as long as it takes.
    pub stall_timeout_ns: u64,
    /// How long a wait spins before it sleeps; default 20 us. `RINGBUS_ZERO` saves the processor.
    pub spin_ns: u64,
    /// The messages wanted; NULL: all. Others are skipped and counted.
    pub filter: *const RawFilter,
}

// SAFETY: `repr(C)`, the size comes first, pointers and integers.
unsafe impl Options for SubscriberOptions {
    const FIRST_SIZE: usize = 56;
}

const _: () = assert!(offset_of!(SubscriberOptions, size_bytes) == 0);

/// Joins the topic as a subscriber. NULL `options` are the defaults.
///
/// Everything published after it returns is delivered, or counted as missed. Works whether or not a
/// publisher is there. The place of a subscriber that died is taken over. `*subscriber` is the caller's
/// to close; it may outlive the handles of topic and bus.
///
/// `RINGBUS_TOO_MANY_SUBSCRIBERS` until one leaves; `RINGBUS_NOT_YET` and `RINGBUS_NO_TIME` for
/// impossible starts; `RINGBUS_NOT_KEPT` for a filter by what the topic does not keep; `RINGBUS_REMOVED`; `RINGBUS_PERMISSION_DENIED` where this process may not write
/// the topic's cursors: an observer needs no such right.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_subscriber_open(
    topic: *const Topic,
    options: *const SubscriberOptions,
    subscriber: *mut *mut Subscriber,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(subscriber, "subscriber") }?;
        // SAFETY: as the crate's contract says.
        let asked = unsafe { crate::argument::options(options, "options") }?;
        // SAFETY: as the crate's contract says.
        let filter = unsafe { filter::read(asked.filter) }?;
        handle::share(topic, "topic", |topic| {
            let inner = join(&topic.inner, &asked, filter)?;
            let held = match inner.polls_at_once() {
                true => Held::Plainly,
                false => Held::Nothing,
            };
            let inner = Owned::new(inner);
            out.set(handle::give(Subscriber { held, inner })?);
            Ok(Code::Ok)
        })
    })
}

fn join(
    topic: &ringbus::Topic<[u8]>,
    asked: &SubscriberOptions,
    (filter, tester): (Filter, Option<Tester>),
) -> Result<ringbus::Subscriber<[u8]>, Failure> {
    unused(asked.reserved, "options->reserved")?;
    let mut builder = topic.subscriber().start(asked.start.read()?).filter(filter);
    builder = match asked.delivery {
        0 => builder,
        RINGBUS_LOSSY => builder.lossy(),
        RINGBUS_RELIABLE => builder.reliable(),
        other => return Err(Failure::invalid(format!("`options->delivery` is {other}"))),
    };
    if asked.stall_timeout_ns != 0 {
        builder = builder.stall_timeout(timeout(number(asked.stall_timeout_ns).unwrap_or(0)));
    }
    if let Some(tester) = tester {
        builder = builder.filter_payload(move |payload| tester.wants(payload));
    }
    if let Some(spin_ns) = number(asked.spin_ns) {
        builder = builder.spin(timeout(spin_ns));
    }
    Ok(builder.join()?)
}

/// Closes the subscriber; NULL does nothing. What it was given is no longer valid. Publishers that wait
/// for it go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_subscriber_close(subscriber: *mut Subscriber) -> Code {
    guard(|| handle::close(subscriber, "subscriber"))
}

/// Takes the next message, without waiting, where its publisher wrote it. Nobody changes it until the
/// next call on this subscriber, whichever that is: that call takes it back.
///
/// `RINGBUS_EMPTY`: none yet. `RINGBUS_LAGGED` and `RINGBUS_EVICTED`, once each time: messages were
/// lost, ringbus_last_failure() says how many, and the next poll goes on at the oldest that is kept.
/// `RINGBUS_CORRUPTED` and `RINGBUS_FORKED` come again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_subscriber_poll(
    subscriber: *mut Subscriber,
    message: *mut RawMessage,
) -> Code {
    let polled = guard_hot(|| {
        // SAFETY: as the crate's contract says.
        let mut out = unsafe { Out::sound(message) }.ok_or(None)?;
        let mut subscriber = handle::take_at_once(subscriber).ok_or(None)?;
        match subscriber.poll_at_once(&mut out) {
            Some(true) => Ok(Code::Ok),
            Some(false) => Ok(Code::Empty),
            None => Err(Some(subscriber)),
        }
    });
    match polled {
        Ok(code) => code,
        // SAFETY: as the crate's contract says.
        Err(Some(taken)) => unsafe { poll_taken(taken, message) },
        // SAFETY: as the crate's contract says.
        Err(None) => unsafe { poll_all(subscriber, message) },
    }
}

/// Polls where that takes more than to look at one stamp.
///
/// # Safety
///
/// As the crate's contract says.
#[cold]
#[inline(never)]
#[allow(improper_ctypes_definitions, reason = "called by Rust only")]
unsafe extern "C" fn poll_taken(
    subscriber: Taken<'_, Subscriber>,
    message: *mut RawMessage,
) -> Code {
    // SAFETY: as this function requires.
    guard(|| unsafe { poll(subscriber, message) })
}

/// # Safety
///
/// As the crate's contract says.
#[cold]
#[inline(never)]
unsafe extern "C" fn poll_all(subscriber: *mut Subscriber, message: *mut RawMessage) -> Code {
    // SAFETY: as this function requires.
    guard(|| unsafe { poll(handle::take(subscriber, "subscriber")?, message) })
}

/// # Safety
///
/// As the crate's contract says.
unsafe fn poll(
    mut subscriber: Taken<'_, Subscriber>,
    message: *mut RawMessage,
) -> Result<Code, Failure> {
    // SAFETY: as this function requires.
    let out = unsafe { Out::new(message, "message") }?;
    match subscriber.release_to_hold().poll()? {
        Some(message) => subscriber.hold(message, out),
        None => return Ok(Code::Empty),
    }
    Ok(Code::Ok)
}

/// Takes up to `max` of the next messages, without waiting, into the array at `messages`; `*count` gets
/// how many. All are valid until the next call on this subscriber, which takes them back and moves the
/// cursor once. A lossy subscriber, or one with a stall timeout, gets at most the topic's `pins`.
///
/// `RINGBUS_EMPTY`, with a count of 0: none yet. The failures are those of ringbus_subscriber_poll();
/// the count is 0 then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_subscriber_poll_batch(
    subscriber: *mut Subscriber,
    messages: *mut RawMessage,
    max: usize,
    count: *mut usize,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(count, "count") }?;
        out.put(0);
        if max == 0 {
            return Err(Failure::invalid("`max` is 0"));
        }
        // SAFETY: as the crate's contract says.
        let messages = unsafe { places(messages, max, "messages") }?;
        handle::with(subscriber, "subscriber", |subscriber| {
            let batch = subscriber.release_to_hold().poll_batch(max)?;
            let mut taken = 0;
            for (place, plain) in messages.iter_mut().zip(batch.plain()) {
                put_message!(place, plain.sequence, plain.payload, plain.head);
                taken += 1;
            }
            if taken < batch.len() {
                for (place, message) in messages.iter_mut().zip(&batch).skip(taken) {
                    let (sequence, head) = (message.sequence(), message.head());
                    put_message!(place, sequence, message.payload(), head);
                    taken += 1;
                }
            }
            let is_damaged = taken == 0 && !batch.is_empty();
            subscriber.held = Held::Many(batch);
            if is_damaged {
                // The next poll says so.
                subscriber.release().poll()?;
            }
            out.set(taken);
            Ok(if taken > 0 { Code::Ok } else { Code::Empty })
        })
    })
}

/// Takes the newest message, unless it was read before, and skips everything in between, which does not
/// count as missed. The rest is as for ringbus_subscriber_poll(), but never `RINGBUS_LAGGED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_subscriber_latest(
    subscriber: *mut Subscriber,
    message: *mut RawMessage,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(message, "message") }?;
        handle::with(subscriber, "subscriber", |subscriber| {
            match subscriber.release_to_hold().latest()? {
                Some(message) => {
                    subscriber.hold(message, out);
                    Ok(Code::Ok)
                }
                None => Ok(Code::Empty),
            }
        })
    })
}

/// When the message with this sequence, of the last poll, was published, in nanoseconds of
/// `CLOCK_MONOTONIC`. Takes nothing back. `RINGBUS_NO_MESSAGE`: the last poll gave no such message;
/// `RINGBUS_NO_TIME`: the topic keeps no times.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_subscriber_time(
    subscriber: *mut Subscriber,
    sequence: u64,
    time_ns: *mut u64,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(time_ns, "time_ns") }?;
        handle::with(subscriber, "subscriber", |subscriber| {
            let time = match &subscriber.held {
                Held::Plainly if subscriber.has_plain(sequence) => Some(None),
                Held::One(message) if message.sequence() == sequence => Some(message.time()),
                Held::Many(batch) => batch
                    .iter()
                    .find(|message| message.sequence() == sequence)
                    .map(|message| message.time()),
                _ => None,
            };
            out.set(known_time(time, sequence)?);
            Ok(Code::Ok)
        })
    })
}

impl Subscriber {
    /// Whether C has this message, and it has neither a time nor attributes.
    fn has_plain(&self, sequence: u64) -> bool {
        // SAFETY: the result ends here.
        unsafe { self.inner.borrow() }.has_leaked(sequence)
    }

    /// Lets `read` have the attributes of a message that C has.
    pub(crate) fn read_attributes(
        &self,
        sequence: u64,
        read: impl FnOnce(AttributesView<'_>) -> Code,
    ) -> Result<Code, Failure> {
        match &self.held {
            Held::Plainly if self.has_plain(sequence) => Ok(read(AttributesView::default())),
            Held::One(message) if message.sequence() == sequence => Ok(read(message.attributes())),
            Held::Many(batch) => {
                let found = batch.iter().find(|message| message.sequence() == sequence);
                let message = found.ok_or_else(|| no_message(sequence))?;
                Ok(read(message.attributes()))
            }
            _ => Err(no_message(sequence)),
        }
    }
}

/// The message that C asks about is not there.
#[cold]
pub(crate) fn no_message(sequence: u64) -> Failure {
    Failure::new(
        Code::NoMessage,
        format_args!("the last poll gave no message {sequence}, or it was taken back"),
    )
}

/// The time of a message, if there is such a message, if it has one.
pub(crate) fn known_time(time: Option<Option<Timestamp>>, sequence: u64) -> Result<u64, Failure> {
    match time {
        Some(Some(time)) => Ok(time.as_nanos()),
        Some(None) => Err(Failure::new(
            Code::NoTime,
            "the topic keeps no publish times",
        )),
        None => Err(no_message(sequence)),
    }
}

/// Sleeps until there is something to poll, for at most `timeout_ns`; `RINGBUS_TIMEOUT` if nothing
/// came. Something to poll may also be a failure. Spins first, then sleeps. Takes back what was given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_subscriber_wait(
    subscriber: *mut Subscriber,
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
pub unsafe extern "C" fn ringbus_subscriber_release(subscriber: *mut Subscriber) -> Code {
    guard(|| {
        handle::with(subscriber, "subscriber", |subscriber| {
            subscriber.release();
            Ok(Code::Ok)
        })
    })
}

/// Goes on at `start`. What lies between does not count as missed, except that a sequence which is no
/// longer retained makes the next poll say `RINGBUS_LAGGED`. Takes back what was given.
///
/// `RINGBUS_NOT_YET`, `RINGBUS_NO_TIME`: then nothing has changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_subscriber_seek(
    subscriber: *mut Subscriber,
    start: RawStart,
) -> Code {
    guard(|| {
        handle::with(subscriber, "subscriber", |subscriber| {
            subscriber.release().seek(start.read()?)?;
            Ok(Code::Ok)
        })
    })
}

/// The sequence of the next message that it will read, unless that one is gone by then. Takes back what
/// was given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_subscriber_cursor(
    subscriber: *mut Subscriber,
    sequence: *mut u64,
) -> Code {
    // SAFETY: as the crate's contract says.
    guard(|| unsafe { tell(subscriber, sequence, "sequence", |inner| inner.cursor()) })
}

/// Messages published and not read yet. Takes back what was given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_subscriber_lag(
    subscriber: *mut Subscriber,
    messages: *mut u64,
) -> Code {
    // SAFETY: as the crate's contract says.
    guard(|| unsafe { tell(subscriber, messages, "messages", |inner| inner.lag()) })
}

/// How many messages this subscriber has lost in all. Takes back what was given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_subscriber_lagged(
    subscriber: *mut Subscriber,
    messages: *mut u64,
) -> Code {
    // SAFETY: as the crate's contract says.
    guard(|| unsafe { tell(subscriber, messages, "messages", |inner| inner.lagged()) })
}

/// How many messages its filter has skipped in all. Takes back what was given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_subscriber_skipped(
    subscriber: *mut Subscriber,
    messages: *mut u64,
) -> Code {
    // SAFETY: as the crate's contract says.
    guard(|| unsafe { tell(subscriber, messages, "messages", |inner| inner.skipped()) })
}

/// Messages that publishers leave alone for it: a lossy subscriber keeps those of its last poll until
/// it polls or waits again, even when they were taken back. Takes back what was given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_subscriber_held(
    subscriber: *mut Subscriber,
    messages: *mut u64,
) -> Code {
    // SAFETY: as the crate's contract says.
    guard(|| unsafe {
        tell(subscriber, messages, "messages", |inner| {
            inner.held() as u64
        })
    })
}

/// Gives C a number of a subscriber's.
///
/// # Safety
///
/// As the crate's contract says.
unsafe fn tell(
    subscriber: *mut Subscriber,
    number: *mut u64,
    name: &str,
    ask: impl FnOnce(&ringbus::Subscriber<[u8]>) -> u64,
) -> Result<Code, Failure> {
    // SAFETY: as this function requires.
    let out = unsafe { Out::new(number, name) }?;
    handle::with(subscriber, "subscriber", |subscriber| {
        out.set(ask(subscriber.release()));
        Ok(Code::Ok)
    })
}
