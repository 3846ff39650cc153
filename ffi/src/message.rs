//! Messages as C sees them.

use std::ffi::c_void;

/// A message, where it lies in shared memory, or an observer's copy of one.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RawMessage {
    /// `payload_len_bytes` readable bytes; never NULL. Nobody changes them until the next call on the
    /// handle that gave it, whichever that is: that call takes them back.
    pub payload: *const c_void,
    /// 0 is a message too.
    pub payload_len_bytes: usize,
    /// Its position in the topic, never reused.
    pub sequence: u64,
    /// The publisher's; 0 where the topic keeps none.
    pub tag: u64,
    /// `CLOCK_MONOTONIC` when it was sent; 0 where the topic keeps no time, or ticks of the processor:
    /// then ringbus_subscriber_time() and ringbus_observer_time() tell.
    pub time_ns: u64,
    /// The number of its publisher in the topic, or `RINGBUS_NO_PUBLISHER` where the topic keeps none.
    pub publisher: u32,
    /// The publisher's; 0 where the topic keeps none.
    pub flags: u16,
    /// 0.
    pub reserved: u16,
}

/// The publisher of a message of a topic of fixed size without tags and time.
pub const RINGBUS_NO_PUBLISHER: u32 = u32::MAX;

/// Writes a message, as C sees it, to a `MaybeUninit`.
///
/// Field by field, each as soon as it is read: held until all are read, they would need more registers
/// than there are.
macro_rules! put_message {
    ($place:expr, $sequence:expr, $payload:expr, $head:expr) => {{
        let (place, head): (_, ringbus::Head) = ($place.as_mut_ptr(), $head);
        macro_rules! put {
            ($field:ident, $value:expr) => {
                // SAFETY: a field of a place that may be written.
                unsafe { (&raw mut (*place).$field).write($value) }
            };
        }
        let payload: &[u8] = $payload;
        put!(payload, payload.as_ptr().cast());
        put!(payload_len_bytes, payload.len());
        put!(sequence, $sequence);
        put!(tag, head.tag());
        put!(flags, head.flags());
        put!(reserved, 0);
        put!(
            publisher,
            head.publisher()
                .map_or($crate::message::RINGBUS_NO_PUBLISHER, u32::from)
        );
        put!(time_ns, head.clock_ns());
    }};
}
pub(crate) use put_message;

/// A message of any of the library's three types, as C sees it.
macro_rules! raw_message {
    ($message:expr) => {{
        let mut place = std::mem::MaybeUninit::<$crate::message::RawMessage>::uninit();
        let message = $message;
        let (sequence, head) = (message.sequence(), message.head());
        $crate::message::put_message!(place, sequence, message.payload(), head);
        // SAFETY: every field was written.
        unsafe { place.assume_init() }
    }};
}
pub(crate) use raw_message;
