//! The two segments of a topic to the byte: where each part lies, and the words that change.
//!
//! ```text
//! <id>.ring      publishers map it read-write, everybody else read-only
//!   0            RingHeader          4 KiB, never changes (see `header`)
//!   4 KiB        schema              rounded up to a page
//!   ..           Control             4 KiB: limit | publishers_used | publishers_changed
//!   ..           PublisherRecord     128 B each, max_publishers of them
//!   ..           chunk lists         8 B x (loans + 1) for each publisher; shared topics only
//!   ..           Spare               16 B for each spare chunk; shared topics only
//!   page         slots               exclusive: a block each; shared: a stamp each, 64 B apart
//!   page         chunks              blocks: the spares of an exclusive topic, or all of a shared one
//!
//! <id>.cursors   publishers and subscribers map it read-write
//!   0            CursorsHeader       4 KiB, never changes
//!   4 KiB        CursorsControl      4 KiB: cells_used | arrivals | departures
//!   8 KiB        Cell                128 B each, max_subscribers of them
//!
//! a block        0: stamp (in a slot) or last use (in a spare chunk)    8 B
//!                8: payload length u32 | flags u16 | publisher u16      8 B, absent if lean
//!                   tag                                                 8 B, if kept
//!                   publish time                                        8 B, if kept
//!                   length of the attributes                            8 B, if kept
//!                   payload, at the next multiple of its alignment
//!                   attributes, at the next multiple of 8 after the longest payload
//! ```
//!
//! A topic of fixed size without tags, time and attributes is *lean*: its blocks are stamp and payload only.

use std::fmt;

use crossbeam_utils::CachePadded;

use super::{
    cursor_word::CursorWord,
    sequence::{Sequence, StampFormat},
};
use crate::{
    shared::{Offset, Shared},
    sync::{AtomicU32, AtomicU64},
};

/// The version of everything described in this file and in `header`.
pub(crate) const LAYOUT_VERSION: u32 = 2;

/// How publishers share a topic; chosen when the topic is created.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use ringbus::PublisherMode;
///
/// let quotes = bus.topic("quotes").create()?;
/// let events = bus.topic("events").shared().create()?;
/// assert_eq!(quotes.info().mode, PublisherMode::Exclusive);
/// assert_eq!(events.info().mode, PublisherMode::Shared);
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PublisherMode {
    /// One publisher at a time, which writes in place; the next takes over where it stopped.
    #[default]
    Exclusive,
    /// Many publishers at once, in one total order.
    Shared,
}

/// Whether messages carry the time of their publishing, and by which clock.
///
/// Both clocks read as a [`Timestamp`](crate::Timestamp), in nanoseconds.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use ringbus::{TimeSource, TopicError};
///
/// let topic = match bus.topic("quotes").time(TimeSource::Tsc).create() {
///     Err(TopicError::NoTsc) => bus.topic("quotes").time(TimeSource::Clock).create()?,
///     created => created?,
/// };
/// let mut subscriber = topic.subscriber().join()?;
/// topic.publisher()?.publish(b"quote")?;
/// assert!(subscriber.poll()?.expect("a quote").time().is_some());
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TimeSource {
    /// No time is kept: a publish reads no clock.
    #[default]
    None,
    /// `CLOCK_MONOTONIC`, in nanoseconds; about 20 ns a publish.
    Clock,
    /// The processor's time-stamp counter where it is invariant (x86-64); about 8 ns a publish.
    Tsc,
}

impl fmt::Display for PublisherMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Exclusive => "exclusive",
            Self::Shared => "shared",
        })
    }
}

impl fmt::Display for TimeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Clock => "clock",
            Self::Tsc => "tsc",
        })
    }
}

/// What the creator of a topic chose; everything else follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) mode: PublisherMode,
    pub(crate) capacity_slots: u64,
    pub(crate) payload_max_bytes: u64,
    /// Every payload is exactly `payload_max_bytes` long.
    pub(crate) fixed: bool,
    pub(crate) alignment_bytes: u32,
    pub(crate) tags: bool,
    pub(crate) time: TimeSource,
    /// Room for the attributes of each message; 0: none are kept.
    pub(crate) attributes_max_bytes: u32,
    /// 1 if exclusive.
    pub(crate) max_publishers: u32,
    /// Chunks that a shared publisher may have on loan at once; 0 if exclusive.
    pub(crate) loans: u32,
    pub(crate) max_subscribers: u32,
    /// Messages that one overtakeable subscriber may hold at once.
    pub(crate) pins: u32,
    pub(crate) first_sequence: u64,
    pub(crate) schema_bytes: u32,
}

/// Why no topic can have these options. Nothing was made.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use ringbus::{ShapeError, TopicError};
///
/// let refused = bus.topic("orders").capacity(1000).create();
/// let Err(TopicError::Shape(error)) = refused else { panic!("1000 is no power of two") };
/// assert_eq!(error, ShapeError::Capacity { slots: 1000, max: 1 << 30 });
/// assert!(bus.topic("orders").capacity(1000_usize.next_power_of_two()).create().is_ok());
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// The capacity is not a power of two in range.
    #[error("capacity is {slots} slots; it must be a power of two from 1 to {max}")]
    Capacity {
        /// What was asked for.
        slots: u64,
        /// The largest capacity.
        max: u64,
    },
    /// The payload is longer than a topic can carry.
    #[error("payload of {bytes} bytes is too long; the most is {max} bytes (1 GiB)")]
    Payload {
        /// What was asked for.
        bytes: u64,
        /// The longest payload.
        max: u64,
    },
    /// The payload alignment is not a power of two in range.
    #[error("payload alignment of {bytes} bytes; it must be a power of two from 8 to 4096")]
    Alignment {
        /// What was asked for.
        bytes: u64,
    },
    /// A limit on participants is out of range.
    #[error("{what} is {asked}; it must be from {min} to {max}")]
    Limit {
        /// The option.
        what: &'static str,
        /// What was asked for.
        asked: u64,
        /// The least allowed value.
        min: u64,
        /// The greatest allowed value.
        max: u64,
    },
    /// All chunks together are more than a stamp can number.
    #[error(
        "the topic needs {chunks} chunks, the most is {max}: lower capacity, publishers, loans, \
         subscribers or pins"
    )]
    Chunks {
        /// Chunks that the shape needs.
        chunks: u64,
        /// The most chunks.
        max: u64,
    },
    /// The segment would be larger than a process can map.
    #[error("the topic needs more than {max} bytes of address space: lower capacity or payload")]
    Size {
        /// The largest segment.
        max: u64,
    },
}

/// Where everything lies in the segments of one topic: computed from a validated [`Shape`], never
/// read from shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) shape: Shape,
    pub(crate) stamps: StampFormat,
    pub(crate) header_form: HeaderForm,
    /// Bytes from one block to the next.
    pub(crate) block_stride: u64,
    /// Bytes from one slot to the next.
    pub(crate) slot_stride: u64,
    pub(crate) tag_offset: u64,
    pub(crate) time_offset: u64,
    pub(crate) attributes_len_offset: u64,
    pub(crate) payload_offset: u64,
    pub(crate) attributes_offset: u64,
    /// Chunks outside of the slots.
    pub(crate) chunks: u64,
    pub(crate) schema: u64,
    pub(crate) control: u64,
    pub(crate) records: u64,
    pub(crate) chunk_lists: u64,
    pub(crate) spares: u64,
    pub(crate) slots_offset: u64,
    pub(crate) chunks_offset: u64,
    pub(crate) ring_bytes: u64,
    pub(crate) cursors_bytes: u64,
}

/// What a block has before its payload, so that each message asks once and not for each field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderForm {
    /// The stamp alone.
    Lean,
    /// Length, flags, publisher and tag: the default.
    Tagged,
    /// Anything else: the shape tells.
    Other,
}

const PAGE: u64 = 4096;
/// A shared topic's stamps lie a line apart: eight to a line cost a sixth of the throughput
/// (measured, two publishers, 64 B: 60-75 M msg/s against 10-13).
const STAMP_STRIDE: u64 = 64;
const CACHE_LINE: u64 = 64;
/// The most bytes that default spare chunks and default loans of one participant may take.
const DEFAULT_SPARE_BYTES: u64 = 64 * 1024;

impl Shape {
    pub(crate) const CAPACITY_MAX: u64 = 1 << 30;
    pub(crate) const PAYLOAD_MAX: u64 = 1 << 30;
    pub(crate) const SCHEMA_MAX: u64 = 64 * 1024;
    pub(crate) const ATTRIBUTES_MAX: u64 = u16::MAX as u64;
    pub(crate) const FIRST_SEQUENCE_MAX: u64 = 1 << 62;
    pub(crate) const SEGMENT_MAX: u64 = 1 << 46;

    /// Whether blocks carry neither length, flags and publisher, nor tag, time and attributes.
    pub(crate) const fn is_lean(&self) -> bool {
        self.fixed
            && !self.tags
            && matches!(self.time, TimeSource::None)
            && !self.keeps_attributes()
    }

    fn header_form(&self) -> HeaderForm {
        let is_plain = matches!(self.time, TimeSource::None) && !self.keeps_attributes();
        match (self.is_lean(), self.tags && is_plain) {
            (true, _) => HeaderForm::Lean,
            (false, true) => HeaderForm::Tagged,
            (false, false) => HeaderForm::Other,
        }
    }

    /// Whether messages may have attributes.
    #[inline(always)]
    pub(crate) const fn keeps_attributes(&self) -> bool {
        self.attributes_max_bytes > 0
    }

    /// Chunks in the list of one publisher.
    pub(crate) const fn chunks_per_publisher(&self) -> u64 {
        match self.mode {
            PublisherMode::Exclusive => 0,
            PublisherMode::Shared => self.loans as u64 + 1,
        }
    }

    /// The default for `loans`: 31, less where payloads are large, at least 2.
    pub(crate) fn default_loans(&self) -> u32 {
        (DEFAULT_SPARE_BYTES / self.block_stride()).clamp(2, 31) as u32
    }

    /// The default for `pins`: 32, less where payloads are large, at least 1.
    pub(crate) fn default_pins(&self) -> u32 {
        (DEFAULT_SPARE_BYTES / self.block_stride()).clamp(1, 32) as u32
    }

    fn header_bytes(&self) -> u64 {
        let meta = if self.is_lean() { 0 } else { 8 };
        let tag = if self.tags { 8 } else { 0 };
        let time = if matches!(self.time, TimeSource::None) {
            0
        } else {
            8
        };
        let attributes_len = if self.keeps_attributes() { 8 } else { 0 };
        8 + meta + tag + time + attributes_len
    }

    fn payload_offset(&self) -> u64 {
        self.header_bytes()
            .next_multiple_of(self.alignment_bytes.max(1).into())
    }

    fn attributes_offset(&self) -> u64 {
        let payload_max = self.payload_max_bytes.min(Self::PAYLOAD_MAX);
        (self.payload_offset() + payload_max).next_multiple_of(8)
    }

    /// Blocks of up to a line get a line each; longer ones are packed to 32 bytes, so that a block
    /// of up to 96 bytes never touches a third line.
    fn block_stride(&self) -> u64 {
        // Bounded before the shape is validated, as the defaults are computed from it.
        let bytes = match self.attributes_max_bytes {
            0 => self.payload_offset() + self.payload_max_bytes.min(Self::PAYLOAD_MAX),
            max => self.attributes_offset() + u64::from(max),
        };
        if bytes <= CACHE_LINE {
            return CACHE_LINE.next_multiple_of(self.alignment_bytes.max(1).into());
        }
        bytes.next_multiple_of(u64::from(self.alignment_bytes).max(32))
    }

    fn validate(&self) -> Result<(), ShapeError> {
        let slots = self.capacity_slots;
        if !slots.is_power_of_two() || slots > Self::CAPACITY_MAX {
            return Err(ShapeError::Capacity {
                slots,
                max: Self::CAPACITY_MAX,
            });
        }
        if self.payload_max_bytes > Self::PAYLOAD_MAX {
            let bytes = self.payload_max_bytes;
            return Err(ShapeError::Payload {
                bytes,
                max: Self::PAYLOAD_MAX,
            });
        }
        if !self.alignment_bytes.is_power_of_two() || !(8..=4096).contains(&self.alignment_bytes) {
            return Err(ShapeError::Alignment {
                bytes: self.alignment_bytes.into(),
            });
        }
        let shared = self.mode == PublisherMode::Shared;
        let (publishers, loans) = if shared {
            (1024, (1, 255))
        } else {
            (1, (0, 0))
        };
        let limit = |what, asked: u64, min, max| match (min..=max).contains(&asked) {
            true => Ok(()),
            false => Err(ShapeError::Limit {
                what,
                asked,
                min,
                max,
            }),
        };
        limit("max_publishers", self.max_publishers.into(), 1, publishers)?;
        limit("loans", self.loans.into(), loans.0, loans.1)?;
        limit("max_subscribers", self.max_subscribers.into(), 1, 4096)?;
        limit("pins", self.pins.into(), 1, CursorWord::PINS_MAX.into())?;
        limit(
            "attributes_max",
            self.attributes_max_bytes.into(),
            0,
            Self::ATTRIBUTES_MAX,
        )?;
        limit(
            "first_sequence",
            self.first_sequence,
            0,
            Self::FIRST_SEQUENCE_MAX,
        )?;
        limit(
            "schema length",
            self.schema_bytes.into(),
            0,
            Self::SCHEMA_MAX,
        )
    }

    /// Messages that all subscribers together can hold.
    fn pins_in_all(&self) -> u64 {
        u64::from(self.max_subscribers) * u64::from(self.pins)
    }

    /// Chunks that the publishers of a shared topic exchange for held ones: one for each pin and,
    /// as a publisher may stop in the middle of an exchange, one for each publisher.
    pub(crate) fn spare_chunks(&self) -> u64 {
        match self.mode {
            PublisherMode::Exclusive => 0,
            PublisherMode::Shared => self.pins_in_all() + u64::from(self.max_publishers),
        }
    }

    /// Chunks outside of the slots.
    ///
    /// A slot whose own block is held goes on in a spare chunk, and a message in a spare chunk may
    /// be held as well: hence one for each pin. And a slot stays in its spare chunk for a lap, even
    /// if the pin that sent it there moves on to the next slot at once: hence one for each slot.
    /// With fewer, one slow subscriber that then stops could hold up the publisher. Spare chunks
    /// take up memory only once they were needed.
    fn chunks(&self) -> u64 {
        match self.mode {
            PublisherMode::Exclusive => self.capacity_slots + self.pins_in_all(),
            PublisherMode::Shared => {
                let lists = u64::from(self.max_publishers) * self.chunks_per_publisher();
                self.capacity_slots + lists + self.spare_chunks()
            }
        }
    }
}

impl Geometry {
    /// The geometry of a topic of this shape.
    pub(crate) fn new(shape: Shape) -> Result<Self, ShapeError> {
        shape.validate()?;
        let chunks = shape.chunks();
        let max = StampFormat::chunks_max(shape.capacity_slots, shape.mode);
        if chunks > max {
            return Err(ShapeError::Chunks { chunks, max });
        }
        // No sum below overflows: each factor was bounded above, twice 2^30 slots x (2^30 + 2^13) B
        // being the largest product.
        let block_stride = shape.block_stride();
        let slot_stride = match shape.mode {
            PublisherMode::Exclusive => block_stride,
            PublisherMode::Shared => STAMP_STRIDE,
        };
        let tag_offset = 16;
        let time_offset = if shape.tags { 24 } else { 16 };
        let attributes_len_offset = match shape.time {
            TimeSource::None => time_offset,
            _ => time_offset + 8,
        };
        let control = PAGE + u64::from(shape.schema_bytes).next_multiple_of(PAGE);
        let records = control + PAGE;
        let publishers = u64::from(shape.max_publishers);
        let chunk_lists = records + publishers * size_of::<PublisherRecord>() as u64;
        let lists_bytes = publishers * shape.chunks_per_publisher() * 8;
        let spares = (chunk_lists + lists_bytes).next_multiple_of(size_of::<Spare>() as u64);
        let spares_end = spares + shape.spare_chunks() * size_of::<Spare>() as u64;
        let slots_offset = spares_end.next_multiple_of(PAGE);
        let slots_end = slots_offset + shape.capacity_slots * slot_stride;
        let chunks_offset = slots_end.next_multiple_of(PAGE);
        let ring_bytes = (chunks_offset + chunks * block_stride).next_multiple_of(PAGE);
        if ring_bytes > Shape::SEGMENT_MAX {
            return Err(ShapeError::Size {
                max: Shape::SEGMENT_MAX,
            });
        }
        let cells_bytes = u64::from(shape.max_subscribers) * size_of::<Cell>() as u64;
        Ok(Self {
            shape,
            stamps: StampFormat::new(shape.capacity_slots, chunks + 1),
            header_form: shape.header_form(),
            block_stride,
            slot_stride,
            tag_offset,
            time_offset,
            attributes_len_offset,
            payload_offset: shape.payload_offset(),
            attributes_offset: shape.attributes_offset(),
            chunks,
            schema: PAGE,
            control,
            records,
            chunk_lists,
            spares,
            slots_offset,
            chunks_offset,
            ring_bytes,
            cursors_bytes: (Self::CELLS + cells_bytes).next_multiple_of(PAGE),
        })
    }

    /// Where the words of the cursors segment lie.
    pub(crate) const CURSORS_CONTROL: Offset<CursorsControl> = Offset::new(PAGE);
    /// Where the cells of the cursors segment start.
    pub(crate) const CELLS: u64 = 2 * PAGE;

    /// The bytes of the ring segment that must be there before anybody uses it; the rest is
    /// reserved when it is first needed.
    pub(crate) fn reserved_at_creation(&self) -> u64 {
        match self.shape.mode {
            PublisherMode::Exclusive => self.chunks_offset,
            PublisherMode::Shared => {
                self.chunks_offset + self.shape.capacity_slots * self.block_stride
            }
        }
    }

    /// The bytes (offset, length) of the chunks with which publisher `record` starts.
    pub(crate) fn initial_chunks(&self, record: u32) -> (u64, u64) {
        let count = self.shape.chunks_per_publisher();
        let first = self.shape.capacity_slots + u64::from(record) * count;
        (
            self.chunks_offset + first * self.block_stride,
            count * self.block_stride,
        )
    }

    /// The bytes (offset, length) of chunk number `chunk` (from 1).
    pub(crate) fn chunk_range(&self, chunk: u32) -> (u64, u64) {
        let index = u64::from(chunk) - 1;
        (
            self.chunks_offset + index * self.block_stride,
            self.block_stride,
        )
    }

    /// How far publishers raise the limit at a time: the price of looking at every cursor is
    /// spread over an eighth of the ring.
    ///
    /// Measured as [`pace::BATCH`](super::pace::BATCH), in batches and one by one: a quarter 90-110 and
    /// 57-59 million messages a second, an eighth 107 and 48-52, a sixteenth 77-97 and 52-75, a
    /// thirty-second 101-105 and 38-51. All alike, so what counts is how much of the ring is kept for those
    /// who are slow: seven eighths, where a quarter would leave three.
    #[inline]
    pub(crate) const fn quantum(&self) -> u64 {
        let eighth = self.shape.capacity_slots / 8;
        if eighth == 0 { 1 } else { eighth }
    }

    /// The first sequence of the topic.
    pub(crate) const fn first(&self) -> Sequence {
        Sequence(self.shape.first_sequence)
    }
}

/// The words of a ring that all publishers write.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Control {
    /// The first sequence that no publisher may write yet. Messages more than a lap before it may
    /// be overwritten at any moment. Only grows.
    pub(crate) limit: CachePadded<AtomicU64>,
    /// Records that were ever in use: `0..publishers_used`. Only grows.
    pub(crate) publishers_used: CachePadded<AtomicU64>,
    /// Counts publishers that joined or left in order, after they did: who looks at it need not look at
    /// all records, whose lines publishers write all the time.
    pub(crate) publishers_changed: CachePadded<AtomicU64>,
}

/// One publisher of a topic; an exclusive topic uses record 0 only.
///
/// The counts belong to the record, not to its holder: a successor adds to them.
#[repr(C, align(128))]
#[derive(Debug)]
pub(crate) struct PublisherRecord {
    /// The lease of its holder; 0: free.
    pub(crate) owner: AtomicU64,
    /// The swap that is under way ([`Intent`](super::chunk_list::Intent)); shared topics only.
    pub(crate) intent: AtomicU64,
    /// The chunk that the swap under way wins; shared topics only.
    pub(crate) displaced: AtomicU64,
    pub(crate) published: AtomicU64,
    pub(crate) bytes: AtomicU64,
    /// Publishes refused because the gate was shut.
    pub(crate) full: AtomicU64,
    /// Publishes that had to wait at the gate.
    pub(crate) waited: AtomicU64,
    /// Reliable subscribers evicted.
    pub(crate) evicted: AtomicU64,
    /// Which bell to ring when subscribers move on, for the layers above; 0: none.
    pub(crate) bell: AtomicU32,
}

/// A spare chunk of a shared topic, which any publisher may exchange for one that is held.
#[repr(C, align(16))]
#[derive(Debug)]
pub(crate) struct Spare {
    /// One more than the index of the publisher that is exchanging it; 0: nobody.
    pub(crate) taker: AtomicU64,
    /// The chunk ([`Entry`](super::chunk_list::Entry)).
    pub(crate) entry: AtomicU64,
}

/// The words of the cursors segment that concern everybody.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct CursorsControl {
    /// Cells that were ever in use: `0..cells_used`. Only grows.
    pub(crate) cells_used: CachePadded<AtomicU64>,
    /// Where subscribers sleep until something is published.
    pub(crate) arrivals: CachePadded<AtomicU32>,
    /// Where publishers sleep until a subscriber moves on.
    pub(crate) departures: CachePadded<AtomicU32>,
}

/// Set in a cell's owner word while the cell is taken back from a dead subscriber: its cursor then
/// stands for nobody. So one who is stopped while taking it back holds up nobody either.
pub(crate) const REAPING: u64 = 1 << 63;

/// One subscriber of a topic.
#[repr(C, align(128))]
#[derive(Debug)]
pub(crate) struct Cell {
    /// [`CursorWord`].
    pub(crate) cursor: AtomicU64,
    /// The lease of its holder; 0: free.
    pub(crate) owner: AtomicU64,
    /// After how long without a move an evictable subscriber may be evicted.
    pub(crate) stall_timeout_ns: AtomicU64,
    /// Messages lost, in all.
    pub(crate) lagged: AtomicU64,
    /// How often messages were lost.
    pub(crate) lag_events: AtomicU64,
    /// How often it was evicted.
    pub(crate) evictions: AtomicU64,
    /// Which bell to ring when something is published, for the layers above; 0: none.
    pub(crate) bell: AtomicU32,
    /// Whether its next poll has something to say that neither cursor nor ring tells; not 0: yes.
    pub(crate) more: AtomicU32,
}

// SAFETY: `repr(C)`, atomics only.
unsafe impl Shared for Control {}
// SAFETY: as above.
unsafe impl Shared for PublisherRecord {}
// SAFETY: as above.
unsafe impl Shared for Spare {}
// SAFETY: as above.
unsafe impl Shared for CursorsControl {}
// SAFETY: as above.
unsafe impl Shared for Cell {}

// loom's atomics have sizes of their own.
#[cfg(not(ringbus_loom))]
const _: () = {
    use std::mem::offset_of;
    assert!(size_of::<Control>() <= PAGE as usize);
    assert!(size_of::<CursorsControl>() <= PAGE as usize);
    assert!(size_of::<PublisherRecord>() == 128);
    assert!(offset_of!(PublisherRecord, owner) == 0);
    assert!(offset_of!(PublisherRecord, intent) == 8);
    assert!(offset_of!(PublisherRecord, displaced) == 16);
    assert!(offset_of!(PublisherRecord, evicted) == 56);
    assert!(offset_of!(PublisherRecord, bell) == 64);
    assert!(size_of::<Spare>() == 16);
    assert!(offset_of!(Spare, entry) == 8);
    assert!(size_of::<Cell>() == 128);
    assert!(offset_of!(Cell, cursor) == 0);
    assert!(offset_of!(Cell, owner) == 8);
    assert!(offset_of!(Cell, evictions) == 40);
    assert!(offset_of!(Cell, bell) == 48);
    assert!(offset_of!(Cell, more) == 52);
};
