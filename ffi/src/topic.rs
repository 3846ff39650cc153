//! What a topic is to be: the options that C passes by pointer.

use std::ffi::c_char;
use std::mem::offset_of;

use ringbus::{Bus, Topic};

use crate::argument::{borrow, bytes, text};
use crate::failure::Failure;

const SHARED: u32 = 1;
const EXISTING: u32 = 2;

/// `ringbus_topic_options`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct TopicOptions {
    size_bytes: usize,
    flags: u32,
    reserved: u32,
    capacity_slots: u64,
    payload_max_bytes: u64,
    payload_fixed_bytes: u64,
}

/// The largest size that a later version of the options may have.
const OPTIONS_MAX_BYTES: usize = 4096;

impl TopicOptions {
    /// The options at `pointer`, or the defaults where it is NULL.
    ///
    /// # Safety
    ///
    /// `pointer` is NULL or points to options of as many bytes as they say, unchanged meanwhile.
    unsafe fn read(pointer: *const Self) -> Result<Self, Failure> {
        if pointer.is_null() {
            return Ok(Self::default());
        }
        // SAFETY:
        // - the size comes first in every version: the caller's promise that these are options.
        let size_bytes = *unsafe { borrow(pointer.cast::<usize>(), "options") }?;
        if !(size_of::<Self>()..=OPTIONS_MAX_BYTES).contains(&size_bytes) {
            return Err(Failure::invalid(format!(
                "the options' size_bytes is {size_bytes}; start from RINGBUS_TOPIC_OPTIONS_INIT"
            )));
        }
        // SAFETY:
        // - as many bytes as they say: the caller's promise.
        let raw = unsafe { bytes(pointer.cast::<u8>(), size_bytes, "options") }?;
        // SAFETY:
        // - at least this many bytes, checked above; every bit pattern is valid for its fields.
        let options = *unsafe { borrow(pointer, "options") }?;
        let unknown = options.flags & !(SHARED | EXISTING);
        let later = raw[size_of::<Self>()..].iter().any(|byte| *byte != 0);
        if unknown != 0 || options.reserved != 0 || later {
            return Err(Failure::invalid(
                "the options ask for what this library does not know",
            ));
        }
        Ok(options)
    }
}

const _: () = assert!(offset_of!(TopicOptions, size_bytes) == 0);

/// Opens or creates a topic as C asks for it.
///
/// # Safety
///
/// Every pointer is NULL or valid, as the header says, and nobody changes what it points to.
pub(crate) unsafe fn open(
    bus: *const Bus,
    topic: *const c_char,
    options: *const TopicOptions,
) -> Result<Topic<[u8]>, Failure> {
    // SAFETY: as this function requires.
    let bus = unsafe { borrow(bus, "bus") }?;
    // SAFETY: as this function requires.
    let topic = unsafe { text(topic, "topic") }?.ok_or_else(|| Failure::null("topic"))?;
    // SAFETY: as this function requires.
    let options = unsafe { TopicOptions::read(options) }?;
    let mut builder = bus.topic(topic);
    if options.flags & SHARED != 0 {
        builder = builder.shared();
    }
    if options.capacity_slots != 0 {
        builder = builder.capacity(size(options.capacity_slots)?);
    }
    if options.payload_max_bytes != 0 {
        builder = builder.payload_max(size(options.payload_max_bytes)?);
    }
    if options.payload_fixed_bytes != 0 {
        builder = builder.payload_fixed(size(options.payload_fixed_bytes)?);
    }
    if options.flags & EXISTING != 0 {
        Ok(builder.open()?)
    } else {
        Ok(builder.open_or_create()?)
    }
}

fn size(value: u64) -> Result<usize, Failure> {
    usize::try_from(value).map_err(|_| Failure::invalid(format!("{value} is too large")))
}
