//! Publishing from C.

use std::ffi::{c_char, c_void};
use std::time::Duration;

use ringbus::{Bus, Meta, Patience, Publisher};

use crate::argument::{Out, borrow, bytes, close, timeout};
use crate::code::Code;
use crate::guard::guard;
use crate::topic::{self, TopicOptions};

/// Opens a publisher of a topic.
///
/// # Safety
///
/// Every pointer is NULL or valid, as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_publisher_open(
    bus: *const Bus,
    topic: *const c_char,
    options: *const TopicOptions,
    publisher: *mut *mut Publisher<[u8]>,
) -> Code {
    guard(|| {
        // SAFETY: as this function requires.
        let out = unsafe { Out::new(publisher, "publisher") }?;
        // SAFETY: as this function requires.
        let topic = unsafe { topic::open(bus, topic, options) }?;
        out.give(topic.publisher()?);
        Ok(Code::Ok)
    })
}

/// Closes a publisher.
///
/// # Safety
///
/// `publisher` is NULL, or from [`ringbus_publisher_open`] and used by nobody, now or later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_publisher_close(publisher: *mut Publisher<[u8]>) -> Code {
    // SAFETY: as this function requires.
    guard(|| unsafe { close(publisher) })
}

/// Sends a copy of a payload.
///
/// # Safety
///
/// `publisher` is NULL or open and used by this thread only; `payload` has `len_bytes` bytes, or is
/// NULL; `sequence` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_publish(
    publisher: *mut Publisher<[u8]>,
    payload: *const c_void,
    len_bytes: usize,
    tag: u64,
    timeout_ns: u64,
    sequence: *mut u64,
) -> Code {
    guard(|| {
        // SAFETY: as this function requires.
        let publisher = unsafe { borrow(publisher, "publisher") }?;
        // SAFETY: as this function requires.
        let payload = unsafe { bytes(payload.cast(), len_bytes, "payload") }?;
        let patience = match timeout(timeout_ns) {
            None => Patience::Forever,
            Some(time) if time.is_zero() => Patience::Try,
            Some(time) => Patience::For(time),
        };
        // No tag is what topics without tags take.
        let meta = if tag == 0 {
            Meta::new()
        } else {
            Meta::new().tag(tag)
        };
        let sent = publisher.publish_with(meta, payload, patience)?;
        // SAFETY: as this function requires.
        if let Ok(out) = unsafe { Out::new(sequence, "sequence") } {
            out.set(sent);
        }
        Ok(Code::Ok)
    })
}

/// Waits until so many subscribers have joined.
///
/// # Safety
///
/// `publisher` is NULL or open and used by this thread only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_publisher_wait_subscribers(
    publisher: *mut Publisher<[u8]>,
    count: usize,
    timeout_ns: u64,
) -> Code {
    guard(|| {
        // SAFETY: as this function requires.
        let publisher = unsafe { borrow(publisher, "publisher") }?;
        let time = timeout(timeout_ns).unwrap_or(Duration::MAX);
        let there = publisher.wait_subscribers(count, time)?;
        Ok(if there { Code::Ok } else { Code::Timeout })
    })
}
