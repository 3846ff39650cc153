//! What the creator of a topic chooses, and what of it can be.

use std::fmt;

use super::{super::cursor_word::CursorWord, HeaderForm};

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

    pub(super) fn header_form(&self) -> HeaderForm {
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

    pub(super) fn payload_offset(&self) -> u64 {
        self.header_bytes()
            .next_multiple_of(self.alignment_bytes.max(1).into())
    }

    pub(super) fn attributes_offset(&self) -> u64 {
        let payload_max = self.payload_max_bytes.min(Self::PAYLOAD_MAX);
        (self.payload_offset() + payload_max).next_multiple_of(8)
    }

    /// Blocks of up to a line get a line each; longer ones are packed to 32 bytes, so that a block
    /// of up to 96 bytes never touches a third line.
    pub(super) fn block_stride(&self) -> u64 {
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

    pub(super) fn validate(&self) -> Result<(), ShapeError> {
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
    pub(super) fn chunks(&self) -> u64 {
        match self.mode {
            PublisherMode::Exclusive => self.capacity_slots + self.pins_in_all(),
            PublisherMode::Shared => {
                let lists = u64::from(self.max_publishers) * self.chunks_per_publisher();
                self.capacity_slots + lists + self.spare_chunks()
            }
        }
    }
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

const CACHE_LINE: u64 = 64;
/// The most bytes that default spare chunks and default loans of one participant may take.
const DEFAULT_SPARE_BYTES: u64 = 64 * 1024;
