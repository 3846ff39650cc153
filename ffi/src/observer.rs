//! Reading from C without being known to anybody.

use ringbus::{AttributesView, Snapshot};

use crate::argument::{Out, timeout};
use crate::code::Code;
use crate::failure::Failure;
use crate::guard::guard;
use crate::handle::{self, Handle, Kind};
use crate::message::{RawMessage, raw_message};
use crate::owned::Owned;
use crate::subscriber::{RawStart, known_time, no_message};
use crate::topic::Topic;

/// Reads a topic without taking a place, writing anything or holding up anybody: it copies each message
/// and checks that it was whole. May move between threads, but one call at a time may use it: a second
/// one returns `RINGBUS_BUSY`.
pub struct Observer {
    /// What C may be reading. Dropped before what it borrows from.
    held: Option<Snapshot<'static, [u8]>>,
    /// Used only while nothing is held.
    inner: Owned<ringbus::Observer<[u8]>>,
}

impl Handle for Observer {
    const KIND: Kind = Kind::Observer;
    const IS_SHARED: bool = false;
}

// SAFETY: a `ringbus::Observer` may be sent, together with what borrows from it, which is in here.
unsafe impl Send for Observer {}

impl Observer {
    /// The observer, after giving back what was held.
    fn release(&mut self) -> &mut ringbus::Observer<[u8]> {
        self.held = None;
        // SAFETY: the result borrows `self`, which owns it; what borrowed from it is dropped.
        unsafe { self.inner.borrow_mut() }
    }

    /// The same for what will be held: it borrows from the observer until `release`.
    fn release_to_hold(&mut self) -> &'static mut ringbus::Observer<[u8]> {
        let observer: *mut _ = self.release();
        // SAFETY: who gets it keeps what borrows from it in `held`, which is dropped before the
        // observer is used or dropped.
        unsafe { &mut *observer }
    }

    /// Keeps a copy for as long as C reads it.
    fn hold(&mut self, copy: Option<Snapshot<'static, [u8]>>, out: Out<RawMessage>) -> Code {
        let Some(copy) = copy else {
            return Code::Empty;
        };
        out.set(raw_message!(&copy));
        self.held = Some(copy);
        Code::Ok
    }
}

/// Starts to observe the topic. Needs read access to its ring only, and any number may do so.
/// `*observer` is the caller's to close; it may outlive the handles of topic and bus.
///
/// `RINGBUS_NOT_YET` for a start in the future, `RINGBUS_NO_TIME` for one by time on a topic that keeps
/// none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_observer_open(
    topic: *const Topic,
    start: RawStart,
    observer: *mut *mut Observer,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(observer, "observer") }?;
        handle::share(topic, "topic", |topic| {
            let inner = topic.inner.observer(start.read()?)?;
            let (held, inner) = (None, Owned::new(inner));
            out.set(handle::give(Observer { held, inner })?);
            Ok(Code::Ok)
        })
    })
}

/// Closes the observer; NULL does nothing. What it was given is no longer valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_observer_close(observer: *mut Observer) -> Code {
    guard(|| handle::close(observer, "observer"))
}

/// Takes a copy of the next message, without waiting. It is valid until the next call on this observer,
/// whichever that is.
///
/// `RINGBUS_EMPTY`: none yet. `RINGBUS_LAGGED`: messages were overwritten before they could be copied,
/// ringbus_last_failure() says how many; the next poll goes on at the oldest that is kept.
/// `RINGBUS_CORRUPTED` and `RINGBUS_FORKED` come again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_observer_poll(
    observer: *mut Observer,
    message: *mut RawMessage,
) -> Code {
    // SAFETY: as the crate's contract says.
    guard(|| unsafe { take(observer, message, |inner| inner.poll()) })
}

/// Takes a copy of the newest message, unless it was read before, and skips everything in between, which
/// does not count as missed. The rest is as for ringbus_observer_poll(), but never `RINGBUS_LAGGED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_observer_latest(
    observer: *mut Observer,
    message: *mut RawMessage,
) -> Code {
    // SAFETY: as the crate's contract says.
    guard(|| unsafe { take(observer, message, |inner| inner.latest()) })
}

/// Takes a copy of the newest message, whether or not it was read before: the current value of a topic that
/// is used as a blackboard, which takes no place among subscribers. What ringbus_observer_poll() reads next
/// does not change. The copy is valid until the next call on this observer.
///
/// `RINGBUS_EMPTY`: nothing was ever published. `RINGBUS_LAGGED` only where publishers overwrote 65536
/// messages in a row, each while it was copied: give the topic more capacity.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_observer_current(
    observer: *mut Observer,
    message: *mut RawMessage,
) -> Code {
    // SAFETY: as the crate's contract says.
    guard(|| unsafe { take(observer, message, |inner| inner.current()) })
}

/// The same, but only if it is newer than the message with this sequence, else `RINGBUS_EMPTY`: a look at
/// two words then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_observer_changed_since(
    observer: *mut Observer,
    sequence: u64,
    message: *mut RawMessage,
) -> Code {
    // SAFETY: as the crate's contract says.
    guard(|| unsafe { take(observer, message, |inner| inner.changed_since(sequence)) })
}

/// Gives C a copy that its observer makes.
///
/// # Safety
///
/// As the crate's contract says.
unsafe fn take<E: Into<Failure>>(
    observer: *mut Observer,
    message: *mut RawMessage,
    copy: impl FnOnce(&'static mut ringbus::Observer<[u8]>) -> Copied<E>,
) -> Result<Code, Failure> {
    // SAFETY: as this function requires.
    let out = unsafe { Out::new(message, "message") }?;
    handle::with(observer, "observer", |observer| {
        let copy = copy(observer.release_to_hold()).map_err(Into::into)?;
        Ok(observer.hold(copy, out))
    })
}

type Copied<E> = Result<Option<Snapshot<'static, [u8]>>, E>;

/// When the message with this sequence, of the last poll, was published, in nanoseconds of
/// `CLOCK_MONOTONIC`. Takes nothing back. `RINGBUS_NO_MESSAGE`: the last poll gave no such message;
/// `RINGBUS_NO_TIME`: the topic keeps no times.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_observer_time(
    observer: *mut Observer,
    sequence: u64,
    time_ns: *mut u64,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(time_ns, "time_ns") }?;
        handle::with(observer, "observer", |observer| {
            let held = observer.held.as_ref();
            let time = held
                .filter(|copy| copy.sequence() == sequence)
                .map(|copy| copy.time());
            out.set(known_time(time, sequence)?);
            Ok(Code::Ok)
        })
    })
}

impl Observer {
    /// The attributes of the message that C has.
    pub(crate) fn attributes(&self, sequence: u64) -> Result<AttributesView<'_>, Failure> {
        let held = self.held.as_ref();
        let copy = held.filter(|copy| copy.sequence() == sequence);
        Ok(copy.ok_or_else(|| no_message(sequence))?.attributes())
    }
}

/// Waits until there is something to poll, for at most `timeout_ns`; `RINGBUS_TIMEOUT` if nothing came.
/// Looks again and again with pauses of up to 1 ms, since nobody knows that it waits. Takes back what
/// was given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_observer_wait(observer: *mut Observer, timeout_ns: u64) -> Code {
    guard(|| {
        handle::with(observer, "observer", |observer| {
            let there = observer.release().wait(timeout(timeout_ns))?;
            Ok(if there { Code::Ok } else { Code::Timeout })
        })
    })
}

/// The sequence of the next message that it will read, unless that one is gone by then. Takes back what
/// was given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_observer_cursor(
    observer: *mut Observer,
    sequence: *mut u64,
) -> Code {
    // SAFETY: as the crate's contract says.
    guard(|| unsafe { tell(observer, sequence, "sequence", |inner| inner.cursor()) })
}

/// Messages published and not read yet; those that were overwritten meanwhile are among them until the
/// next poll tells. Takes back what was given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_observer_lag(observer: *mut Observer, messages: *mut u64) -> Code {
    // SAFETY: as the crate's contract says.
    guard(|| unsafe { tell(observer, messages, "messages", |inner| inner.lag()) })
}

/// How many messages this observer has missed in all. Takes back what was given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_observer_lagged(
    observer: *mut Observer,
    messages: *mut u64,
) -> Code {
    // SAFETY: as the crate's contract says.
    guard(|| unsafe { tell(observer, messages, "messages", |inner| inner.lagged()) })
}

/// Gives C a number of an observer's.
///
/// # Safety
///
/// As the crate's contract says.
unsafe fn tell(
    observer: *mut Observer,
    number: *mut u64,
    name: &str,
    ask: impl FnOnce(&ringbus::Observer<[u8]>) -> u64,
) -> Result<Code, Failure> {
    // SAFETY: as this function requires.
    let out = unsafe { Out::new(number, name) }?;
    handle::with(observer, "observer", |observer| {
        out.set(ask(observer.release()));
        Ok(Code::Ok)
    })
}
