//! Topics: what one is to be, and opening it.

use std::ffi::{c_char, c_void};
use std::mem::offset_of;

use ringbus::{TimeSource, TopicBuilder, TopicError, TypeDescription};

use crate::argument::{
    Options, Out, choice, known_flags, needed_text, number, options, size, slice, text, unused,
};
use crate::bus::Bus;
use crate::code::Code;
use crate::failure::Failure;
use crate::guard::guard;
use crate::handle::{self, Handle, Kind};

/// An open topic, from which publishers, subscribers and observers start. Many threads may use one at
/// once.
pub struct Topic {
    pub(crate) inner: ringbus::Topic<[u8]>,
}

impl Handle for Topic {
    const KIND: Kind = Kind::Topic;
    const IS_SHARED: bool = true;
}

/// One publisher at a time, which writes in place; the default of a new topic.
pub const RINGBUS_EXCLUSIVE: u32 = 1;
/// Many publishers at once, in one total order.
pub const RINGBUS_SHARED: u32 = 2;

/// Messages carry no publish time; the default of a new topic.
pub const RINGBUS_TIME_NONE: u32 = 1;
/// Publish times by `CLOCK_MONOTONIC`: about 20 ns for each publish.
pub const RINGBUS_TIME_CLOCK: u32 = 2;
/// Publish times by the processor's time-stamp counter, where it is invariant.
pub const RINGBUS_TIME_TSC: u32 = 3;

/// `group` counts.
pub const RINGBUS_TOPIC_GROUP: u32 = 1;

/// What a topic is to be. Zeros and NULLs take an existing topic as it is, and the default where it is
/// created; anything else must be so in an existing topic (`RINGBUS_MISMATCH`), except `wake_fence`, `huge_pages`,
/// `prefault` and `lock_memory`. Start from ringbus_topic_options_init().
#[derive(Clone, Copy)]
#[repr(C)]
pub struct TopicOptions {
    /// `sizeof(ringbus_topic_options)`, by which the library knows the fields that the caller has.
    pub size_bytes: usize,
    /// `RINGBUS_TOPIC_...`, or'ed.
    pub flags: u32,
    /// `RINGBUS_EXCLUSIVE` or `RINGBUS_SHARED`.
    pub publishers: u32,
    /// Messages kept, a power of two; default 4096.
    pub capacity_slots: u64,
    /// Payloads of any length up to this; default 1024. `RINGBUS_ZERO` for none.
    pub payload_max_bytes: u64,
    /// Payloads of exactly this length, instead of a maximum. `RINGBUS_ZERO` for none.
    pub payload_fixed_bytes: u64,
    /// What the addresses of payloads are multiples of, a power of two from 8 to 4096; default 8.
    pub alignment_bytes: u64,
    /// Publishers at once, of a shared topic; default 64.
    pub max_publishers: u64,
    /// Registered subscribers at once; default 128.
    pub max_subscribers: u64,
    /// Loans that one shared publisher may have out at once. Default: by the payload's size.
    pub loans: u64,
    /// Messages that one lossy subscriber may hold at once, each with a spare chunk. Default: by the
    /// payload's size.
    pub pins: u64,
    /// The sequence of the first message ever; default 0. `RINGBUS_ZERO` to ask for 0.
    pub first_sequence: u64,
    /// Whether messages carry tags and flags, `RINGBUS_YES` or `RINGBUS_NO`; default yes.
    pub tags: u32,
    /// `RINGBUS_TIME_...`.
    pub time: u32,
    /// Publishers fence, instead of sleepers interrupting every core of the bus: for publishers on
    /// isolated cores. `RINGBUS_YES` or `RINGBUS_NO`; default no.
    pub wake_fence: u32,
    /// Who may use the topic, as in ringbus_bus_options; default those whom the bus admits.
    pub mode: u32,
    /// The number of a group of which the user is a member, with `RINGBUS_TOPIC_GROUP`; default the
    /// bus's.
    pub group: u32,
    /// 0.
    pub reserved: u32,
    /// The type of the payload: the same name in every program, `[Name]` for messages of several
    /// values. NULL is untyped bytes, as which every topic can be opened.
    pub type_name: *const c_char,
    /// Its size in bytes, of one value. With `payload_fixed_bytes` of this size, each message is one
    /// value.
    pub type_size_bytes: u64,
    /// Its alignment in bytes.
    pub type_alignment_bytes: u64,
    /// The name of the payload's encoding, at most 255 bytes; default none.
    pub encoding: *const c_char,
    /// The payload's schema, at most 64 KiB; default none.
    pub schema: *const c_void,
    /// Its length in bytes.
    pub schema_len_bytes: usize,
    /// Room for the attributes of each message, at most 65535 bytes: four for each, its key and its
    /// value. Default none, which `RINGBUS_ZERO` asks for.
    pub attributes_max_bytes: u64,
    /// Where it is created, its ring is on huge pages: Linux 6.1, a bus on a tmpfs, and a ring at least
    /// as large as one; else `RINGBUS_SYSTEM`, nothing is made, and ringbus_last_error() says what is
    /// missing. `RINGBUS_YES` or `RINGBUS_NO`; default no.
    pub huge_pages: u32,
    /// All memory of the topic that handles opened from this one use is faulted in when they are.
    /// `RINGBUS_YES` or `RINGBUS_NO`; default no.
    pub prefault: u32,
    /// All memory of the topic that this handle maps is locked, never to be swapped out.
    /// `RINGBUS_SYSTEM` where the process may not lock so much (`ulimit -l`). `RINGBUS_YES` or
    /// `RINGBUS_NO`; default no.
    pub lock_memory: u32,
    /// 0.
    pub reserved_too: u32,
}

// SAFETY: `repr(C)`, the size comes first, pointers and integers.
unsafe impl Options for TopicOptions {
    const FIRST_SIZE: usize = 160;
}

const _: () = assert!(offset_of!(TopicOptions, size_bytes) == 0);

/// Opens a topic that exists. NULL `options` take it as it is.
///
/// `name` has levels separated by '/', in UTF-8, 255 bytes at most. `*topic` is the caller's to close;
/// it may outlive the bus's handle.
///
/// `RINGBUS_NOT_FOUND`: wait for it with a watch, or create it. `RINGBUS_MISMATCH`: it is not as
/// `options` ask for; ringbus_last_error() says in what. `RINGBUS_INCOMPATIBLE`, `RINGBUS_CORRUPTED`:
/// it is of another release, or damaged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_topic_open(
    bus: *const Bus,
    name: *const c_char,
    options: *const TopicOptions,
    topic: *mut *mut Topic,
) -> Code {
    // SAFETY: as the crate's contract says.
    guard(|| unsafe { open(bus, name, options, topic, TopicBuilder::open) })
}

/// Creates a topic that does not exist: `RINGBUS_EXISTS`. Nobody sees it before it is whole; a creator
/// that dies leaves no topic. The rest is as for ringbus_topic_open().
///
/// `RINGBUS_NO_SPACE`: shared memory has no room for it; nothing was made.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_topic_create(
    bus: *const Bus,
    name: *const c_char,
    options: *const TopicOptions,
    topic: *mut *mut Topic,
) -> Code {
    // SAFETY: as the crate's contract says.
    guard(|| unsafe { open(bus, name, options, topic, TopicBuilder::create) })
}

/// Opens a topic, or creates it where it does not exist. Of several processes that do so at the same
/// time one creates it, and all open the same. The rest is as for the two functions above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_topic_open_or_create(
    bus: *const Bus,
    name: *const c_char,
    options: *const TopicOptions,
    topic: *mut *mut Topic,
) -> Code {
    // SAFETY: as the crate's contract says.
    guard(|| unsafe { open(bus, name, options, topic, TopicBuilder::open_or_create) })
}

/// Closes the topic; NULL does nothing. Publishers, subscribers and observers opened from it go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_topic_close(topic: *mut Topic) -> Code {
    guard(|| handle::close(topic, "topic"))
}

/// Whether the topic was removed since it was opened: 1 or 0. Its handles go on among themselves;
/// whoever opens the name finds nothing, or another topic.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_topic_is_removed(
    topic: *const Topic,
    is_removed: *mut i32,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(is_removed, "is_removed") }?;
        handle::share(topic, "topic", |topic| {
            out.set(topic.inner.is_removed().into());
            Ok(Code::Ok)
        })
    })
}

/// How a topic is opened.
type How = fn(TopicBuilder<[u8]>) -> Result<ringbus::Topic<[u8]>, TopicError>;

/// Opens or creates a topic as C describes it.
///
/// # Safety
///
/// As the crate's contract says.
unsafe fn open(
    bus: *const Bus,
    name: *const c_char,
    options: *const TopicOptions,
    topic: *mut *mut Topic,
    how: How,
) -> Result<Code, Failure> {
    // SAFETY: as this function requires.
    let out = unsafe { Out::new(topic, "topic") }?;
    // SAFETY: as this function requires.
    let name = unsafe { needed_text(name, "name") }?;
    handle::share(bus, "bus", |bus| {
        // SAFETY: as this function requires.
        let builder = unsafe { describe(bus.inner.topic(name), options) }?;
        let inner = how(builder)?;
        out.set(handle::give(Topic { inner })?);
        Ok(Code::Ok)
    })
}

/// Adds what the options ask for.
///
/// # Safety
///
/// As the crate's contract says.
unsafe fn describe(
    mut builder: TopicBuilder<[u8]>,
    topic_options: *const TopicOptions,
) -> Result<TopicBuilder<[u8]>, Failure> {
    // SAFETY: as this function requires.
    let asked = unsafe { options(topic_options, "options") }?;
    known_flags(asked.flags, RINGBUS_TOPIC_GROUP, "options->flags")?;
    unused(asked.reserved, "options->reserved")?;
    unused(asked.reserved_too, "options->reserved_too")?;
    builder = match asked.publishers {
        0 => builder,
        RINGBUS_EXCLUSIVE => builder.exclusive(),
        RINGBUS_SHARED => builder.shared(),
        other => return Err(Failure::invalid(format!("`publishers` is {other}"))),
    };
    builder = match asked.time {
        0 => builder,
        RINGBUS_TIME_NONE => builder.time(TimeSource::None),
        RINGBUS_TIME_CLOCK => builder.time(TimeSource::Clock),
        RINGBUS_TIME_TSC => builder.time(TimeSource::Tsc),
        other => return Err(Failure::invalid(format!("`time` is {other}"))),
    };
    builder = with_sizes(builder, &asked)?;
    if let Some(first) = number(asked.first_sequence) {
        builder = builder.first_sequence(first);
    }
    if let Some(yes) = choice(asked.tags, "tags")? {
        builder = builder.tags(yes);
    }
    if let Some(yes) = choice(asked.wake_fence, "wake_fence")? {
        builder = builder.wake_fence(yes);
    }
    if let Some(yes) = choice(asked.huge_pages, "huge_pages")? {
        builder = builder.huge_pages(yes);
    }
    if let Some(yes) = choice(asked.prefault, "prefault")? {
        builder = builder.prefault(yes);
    }
    if let Some(yes) = choice(asked.lock_memory, "lock_memory")? {
        builder = builder.lock_memory(yes);
    }
    if asked.mode != 0 {
        builder = builder.mode(asked.mode);
    }
    if asked.flags & RINGBUS_TOPIC_GROUP != 0 {
        builder = builder.group(asked.group);
    }
    // SAFETY: as this function requires.
    unsafe { with_texts(builder, &asked) }
}

fn with_sizes(
    mut builder: TopicBuilder<[u8]>,
    asked: &TopicOptions,
) -> Result<TopicBuilder<[u8]>, Failure> {
    type Set = fn(TopicBuilder<[u8]>, usize) -> TopicBuilder<[u8]>;
    let sizes: [(&str, u64, Set); 9] = [
        ("capacity_slots", asked.capacity_slots, |topic, size| {
            topic.capacity(size)
        }),
        (
            "payload_max_bytes",
            asked.payload_max_bytes,
            |topic, size| topic.payload_max(size),
        ),
        (
            "payload_fixed_bytes",
            asked.payload_fixed_bytes,
            |topic, size| topic.payload_fixed(size),
        ),
        ("alignment_bytes", asked.alignment_bytes, |topic, size| {
            topic.alignment(size)
        }),
        ("max_publishers", asked.max_publishers, |topic, size| {
            topic.max_publishers(size)
        }),
        ("max_subscribers", asked.max_subscribers, |topic, size| {
            topic.max_subscribers(size)
        }),
        ("loans", asked.loans, |topic, size| topic.loans(size)),
        ("pins", asked.pins, |topic, size| topic.pins(size)),
        (
            "attributes_max_bytes",
            asked.attributes_max_bytes,
            |topic, size| topic.attributes_max(size),
        ),
    ];
    for (name, value, set) in sizes {
        if let Some(value) = size(value, name)? {
            builder = set(builder, value);
        }
    }
    Ok(builder)
}

/// # Safety
///
/// As the crate's contract says.
unsafe fn with_texts(
    mut builder: TopicBuilder<[u8]>,
    asked: &TopicOptions,
) -> Result<TopicBuilder<[u8]>, Failure> {
    // SAFETY: as this function requires.
    if let Some(name) = unsafe { text(asked.type_name, "options->type_name") }? {
        let (size, alignment) = (asked.type_size_bytes, asked.type_alignment_bytes);
        if size == 0 || !alignment.is_power_of_two() || !size.is_multiple_of(alignment) {
            return Err(Failure::invalid(format!(
                "the type {name} cannot have size {size} and alignment {alignment}; set \
                 `type_size_bytes` to its `sizeof` and `type_alignment_bytes` to its `alignof`"
            )));
        }
        builder = builder.payload_type(TypeDescription {
            name: Some(name.to_owned()),
            size_bytes: size,
            alignment_bytes: alignment,
        });
    }
    // SAFETY: as this function requires.
    if let Some(encoding) = unsafe { text(asked.encoding, "options->encoding") }? {
        builder = builder.encoding(encoding);
    }
    let schema = asked.schema.cast::<u8>();
    // SAFETY: as this function requires.
    let schema = unsafe { slice(schema, asked.schema_len_bytes, "options->schema") }?;
    if !schema.is_empty() {
        builder = builder.schema(schema);
    }
    Ok(builder)
}
