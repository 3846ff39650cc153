//! Receiving from C.

use std::ffi::{c_char, c_void};
use std::ptr::NonNull;
use std::time::Duration;

use ringbus::{Bus, Message, Start};

use crate::argument::{Out, borrow_mut, close, timeout};
use crate::code::Code;
use crate::failure::Failure;
use crate::guard::guard;
use crate::topic::{self, TopicOptions};

const RELIABLE: u32 = 1;
const OLDEST: u32 = 2;

/// A subscriber and the message that C may be reading.
pub struct Subscriber {
    /// Borrows `*inner`; none whenever `inner` is used otherwise.
    held: Option<Message<'static, [u8]>>,
    /// From a box, owned.
    inner: NonNull<ringbus::Subscriber<[u8]>>,
}

impl Subscriber {
    fn new(inner: ringbus::Subscriber<[u8]>) -> Self {
        Self {
            held: None,
            inner: NonNull::from(Box::leak(Box::new(inner))),
        }
    }

    /// The subscriber, after giving back the message that borrows from it.
    fn release(&mut self) -> &mut ringbus::Subscriber<[u8]> {
        self.held = None;
        // SAFETY:
        // - from a box that lives until `drop`: `new`. Borrowed by nobody else: `held` is none, and
        //   the result borrows `self`.
        unsafe { self.inner.as_mut() }
    }

    /// Takes the next message and holds it.
    fn poll(&mut self) -> Result<Option<&Message<'static, [u8]>>, Failure> {
        let message = self.release().poll()?;
        // SAFETY:
        // - only the lifetime changes. The message borrows `*inner`, which is neither used nor freed
        //   before `held` is none: `release` and `drop`, the only users of `inner`.
        self.held = unsafe {
            std::mem::transmute::<Option<Message<'_, [u8]>>, Option<Message<'static, [u8]>>>(
                message,
            )
        };
        Ok(self.held.as_ref())
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let inner: *mut _ = self.release();
        // SAFETY:
        // - from a box: `new`. Not used again: `held` is none, and `self` ends here.
        drop(unsafe { Box::from_raw(inner) });
    }
}

/// `ringbus_message`.
#[repr(C)]
pub struct RawMessage {
    payload: *const c_void,
    payload_len_bytes: usize,
    sequence: u64,
    tag: u64,
    time_ns: u64,
}

/// Opens a subscriber of a topic.
///
/// # Safety
///
/// Every pointer is NULL or valid, as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_subscriber_open(
    bus: *const Bus,
    topic: *const c_char,
    topic_options: *const TopicOptions,
    flags: u32,
    subscriber: *mut *mut Subscriber,
) -> Code {
    guard(|| {
        // SAFETY: as this function requires.
        let out = unsafe { Out::new(subscriber, "subscriber") }?;
        if flags & !(RELIABLE | OLDEST) != 0 {
            return Err(Failure::invalid(format!(
                "unknown flags of a subscriber: {flags:#x}"
            )));
        }
        // SAFETY: as this function requires.
        let topic = unsafe { topic::open(bus, topic, topic_options) }?;
        let mut builder = topic.subscriber();
        if flags & RELIABLE != 0 {
            builder = builder.reliable();
        }
        if flags & OLDEST != 0 {
            builder = builder.start(Start::Oldest);
        }
        out.give(Subscriber::new(builder.join()?));
        Ok(Code::Ok)
    })
}

/// Closes a subscriber.
///
/// # Safety
///
/// `subscriber` is NULL, or from [`ringbus_subscriber_open`] and used by nobody, now or later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_subscriber_close(subscriber: *mut Subscriber) -> Code {
    // SAFETY: as this function requires.
    guard(|| unsafe { close(subscriber) })
}

/// Takes the next message, without waiting.
///
/// # Safety
///
/// `subscriber` is NULL or open and used by this thread only; `message` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_subscriber_poll(
    subscriber: *mut Subscriber,
    message: *mut RawMessage,
) -> Code {
    guard(|| {
        // SAFETY: as this function requires.
        let subscriber = unsafe { borrow_mut(subscriber, "subscriber") }?;
        // SAFETY: as this function requires.
        let out = unsafe { Out::new(message, "message") }?;
        let Some(message) = subscriber.poll()? else {
            return Ok(Code::Empty);
        };
        let payload = message.payload();
        out.set(RawMessage {
            payload: payload.as_ptr().cast(),
            payload_len_bytes: payload.len(),
            sequence: message.sequence(),
            tag: message.tag(),
            time_ns: message.time().map_or(0, |time| time.as_nanos()),
        });
        Ok(Code::Ok)
    })
}

/// Sleeps until there is something to poll.
///
/// # Safety
///
/// `subscriber` is NULL or open and used by this thread only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_subscriber_wait(
    subscriber: *mut Subscriber,
    timeout_ns: u64,
) -> Code {
    guard(|| {
        // SAFETY: as this function requires.
        let subscriber = unsafe { borrow_mut(subscriber, "subscriber") }?;
        let time = timeout(timeout_ns).unwrap_or(Duration::MAX);
        let there = subscriber.release().wait(time)?;
        Ok(if there { Code::Ok } else { Code::Timeout })
    })
}

/// Takes back the last message's payload.
///
/// # Safety
///
/// `subscriber` is NULL or open and used by this thread only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_subscriber_release(subscriber: *mut Subscriber) -> Code {
    guard(|| {
        // SAFETY: as this function requires.
        unsafe { borrow_mut(subscriber, "subscriber") }?.release();
        Ok(Code::Ok)
    })
}

/// How many messages the subscriber has lost in all.
///
/// # Safety
///
/// `subscriber` is NULL or open and used by this thread only; `messages` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_subscriber_lagged(
    subscriber: *mut Subscriber,
    messages: *mut u64,
) -> Code {
    guard(|| {
        // SAFETY: as this function requires.
        let subscriber = unsafe { borrow_mut(subscriber, "subscriber") }?;
        // SAFETY: as this function requires.
        let out = unsafe { Out::new(messages, "messages") }?;
        out.set(subscriber.release().lagged());
        Ok(Code::Ok)
    })
}
