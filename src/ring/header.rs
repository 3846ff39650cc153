//! The first page of each segment: what it is, and the shape from which its geometry follows.
//!
//! Written once before the segment is visible, read once when it is opened, into a private copy;
//! never read again, so that nobody can change a geometry under its users.

use crossbeam_utils::CachePadded;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::layout::{Geometry, LAYOUT_VERSION, PublisherMode, Shape, ShapeError, TimeSource};
use crate::{shared::fnv1a, sync::AtomicU64};

/// Bytes of a header.
pub(crate) const HEADER_BYTES: usize = 4096;
/// The longest topic, type or encoding name in bytes.
pub(crate) const NAME_MAX: usize = 255;

/// Features that a program must know to use a segment that has them.
const FEATURES_REQUIRED_KNOWN: u64 = FEATURE_ATTRIBUTES;
/// Messages have room for attributes.
const FEATURE_ATTRIBUTES: u64 = 1 << 0;
/// The ring's file is on huge pages. Optional: who does not know of it maps it in small ones.
const OPTION_HUGE_PAGES: u64 = 1 << 0;
const BYTE_ORDER: u32 = 0x0102_0304;
const RING_MAGIC: [u8; 8] = *b"RINGBUS\0";
const CURSORS_MAGIC: [u8; 8] = *b"RINGCUR\0";
/// Distance between words that different processes write, which a build decides by its processor.
const LINE_BYTES: u32 = align_of::<CachePadded<AtomicU64>>() as u32;

/// Why a file is not a segment that this program can use. Nothing was read from it, nor written.
///
/// ```
/// use ringbus::{Bus, HeaderError, Remove, TopicError};
///
/// /// Opens a topic; makes it anew if an older release has made it, whose messages are lost.
/// fn upgrade(bus: &Bus, topic: &str) -> Result<(), TopicError> {
///     match bus.topic(topic).open_or_create() {
///         Err(TopicError::Header { source: HeaderError::LayoutVersion { found, known }, .. })
///             if found < known =>
///         {
///             bus.remove(topic, Remove::Force)?;
///             bus.topic(topic).create().map(drop)
///         }
///         opened => opened.map(drop),
///     }
/// }
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// assert!(upgrade(&bus, "orders").is_ok());
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The file does not start as a segment does.
    #[error("it is not a ringbus segment (wrong magic number)")]
    Magic,
    /// Created by a version of the library with another layout.
    #[error(
        "it has layout version {found}, this program knows {known}; use the same ringbus \
         release on both sides, or remove the topic"
    )]
    LayoutVersion {
        /// The segment's version.
        found: u32,
        /// This program's version.
        known: u32,
    },
    /// Created by a program of another word size, byte order or cache-line size.
    #[error("it was created by an incompatible build ({what}); both sides must be built alike")]
    Platform {
        /// What differs.
        what: &'static str,
    },
    /// It uses features that this program does not know.
    #[error("it requires features {unknown:#x} that this program does not know; upgrade it")]
    Features {
        /// The unknown feature bits.
        unknown: u64,
    },
    /// The header does not match its checksum.
    #[error("its header is damaged (checksum mismatch); remove the topic")]
    Checksum,
    /// A field of the header has no meaning.
    #[error("its header is damaged ({field} has no meaning); remove the topic")]
    Field {
        /// The field.
        field: &'static str,
    },
    /// The header describes an impossible topic.
    #[error("its header is damaged: {0}")]
    Shape(#[from] ShapeError),
    /// The file is shorter than its header says.
    #[error("it is {found} bytes long and should be {needed}; remove the topic")]
    Truncated {
        /// The file's length.
        found: u64,
        /// The least length for its header.
        needed: u64,
    },
}

/// What the first page of a ring says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RingDescription {
    pub(crate) geometry: Geometry,
    /// Distinguishes this topic from earlier and later ones of the same name.
    pub(crate) incarnation: u64,
    /// The bus whose registry its leases are in.
    pub(crate) bus_id: u64,
    pub(crate) name: String,
    /// `None`: bytes without a type.
    pub(crate) type_name: Option<String>,
    pub(crate) type_size: u64,
    pub(crate) type_align: u64,
    pub(crate) encoding: String,
    /// Ticks of the time-stamp counter a second; 0 where the topic does not use it.
    pub(crate) tsc_hz: u64,
    /// Publishers pay a full fence, so that subscribers can sleep without `membarrier`.
    pub(crate) wake_fence: bool,
    /// The ring's file is on huge pages, and best mapped in such.
    pub(crate) huge_pages: bool,
    /// The checksum of the schema, which lies outside of this page.
    pub(crate) schema_sum: u64,
}

/// The fields that both headers start with.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
struct Preamble {
    magic: [u8; 8],
    layout_version: u32,
    byte_order: u32,
    word_bytes: u32,
    line_bytes: u32,
    features_required: u64,
    features_optional: u64,
    incarnation: u64,
}

#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
struct RingHeader {
    preamble: Preamble,
    capacity_slots: u64,
    payload_max_bytes: u64,
    first_sequence: u64,
    ring_bytes: u64,
    block_stride: u64,
    type_size: u64,
    type_align: u64,
    tsc_hz: u64,
    bus_id: u64,
    mode: u32,
    fixed: u32,
    alignment_bytes: u32,
    tags: u32,
    time: u32,
    wake_fence: u32,
    max_publishers: u32,
    loans: u32,
    max_subscribers: u32,
    pins: u32,
    schema_bytes: u32,
    name_bytes: u32,
    type_name_bytes: u32,
    encoding_bytes: u32,
    name: [u8; 256],
    type_name: [u8; 256],
    encoding: [u8; 256],
    schema_sum: u64,
    attributes_max_bytes: u64,
    /// Zero; may get a meaning with an optional feature.
    reserved: [u8; HEADER_BYTES - 968],
    checksum: u64,
}

#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
struct CursorsHeader {
    preamble: Preamble,
    max_subscribers: u64,
    reserved: [u8; HEADER_BYTES - 64],
    checksum: u64,
}

const _: () = assert!(size_of::<RingHeader>() == HEADER_BYTES);
const _: () = assert!(size_of::<CursorsHeader>() == HEADER_BYTES);

impl RingDescription {
    /// The header page that says this.
    pub(crate) fn to_page(&self) -> Box<[u8]> {
        let shape = self.geometry.shape;
        let type_name = self.type_name.as_deref().unwrap_or("");
        let mut header = RingHeader {
            preamble: Preamble::new(RING_MAGIC, self.incarnation),
            capacity_slots: shape.capacity_slots,
            payload_max_bytes: shape.payload_max_bytes,
            first_sequence: shape.first_sequence,
            ring_bytes: self.geometry.ring_bytes,
            block_stride: self.geometry.block_stride,
            type_size: self.type_size,
            type_align: self.type_align,
            tsc_hz: self.tsc_hz,
            bus_id: self.bus_id,
            mode: u32::from(shape.mode == PublisherMode::Shared),
            fixed: shape.fixed.into(),
            alignment_bytes: shape.alignment_bytes,
            tags: shape.tags.into(),
            time: match shape.time {
                TimeSource::None => 0,
                TimeSource::Clock => 1,
                TimeSource::Tsc => 2,
            },
            wake_fence: self.wake_fence.into(),
            max_publishers: shape.max_publishers,
            loans: shape.loans,
            max_subscribers: shape.max_subscribers,
            pins: shape.pins,
            schema_bytes: shape.schema_bytes,
            name_bytes: self.name.len() as u32,
            type_name_bytes: type_name.len() as u32,
            encoding_bytes: self.encoding.len() as u32,
            name: text_field(&self.name),
            type_name: text_field(type_name),
            encoding: text_field(&self.encoding),
            schema_sum: self.schema_sum,
            attributes_max_bytes: shape.attributes_max_bytes.into(),
            reserved: [0; HEADER_BYTES - 968],
            checksum: 0,
        };
        if shape.keeps_attributes() {
            header.preamble.features_required |= FEATURE_ATTRIBUTES;
        }
        if self.huge_pages {
            header.preamble.features_optional |= OPTION_HUGE_PAGES;
        }
        header.checksum = checksum(header.as_bytes());
        header.as_bytes().into()
    }

    /// Reads the first page of a file that is `file_bytes` long.
    pub(crate) fn from_page(
        page: &[u8; HEADER_BYTES],
        file_bytes: u64,
    ) -> Result<Self, HeaderError> {
        let header: RingHeader = zerocopy::transmute!(*page);
        header.preamble.check(RING_MAGIC)?;
        if header.checksum != checksum(page) {
            return Err(HeaderError::Checksum);
        }
        let shape = Shape {
            mode: match header.mode {
                0 => PublisherMode::Exclusive,
                1 => PublisherMode::Shared,
                _ => {
                    return Err(HeaderError::Field {
                        field: "publisher mode",
                    });
                }
            },
            capacity_slots: header.capacity_slots,
            payload_max_bytes: header.payload_max_bytes,
            fixed: flag(header.fixed, "fixed size")?,
            alignment_bytes: header.alignment_bytes,
            tags: flag(header.tags, "tags")?,
            time: match header.time {
                0 => TimeSource::None,
                1 => TimeSource::Clock,
                2 => TimeSource::Tsc,
                _ => {
                    return Err(HeaderError::Field {
                        field: "time source",
                    });
                }
            },
            attributes_max_bytes: u32::try_from(header.attributes_max_bytes).map_err(|_| {
                HeaderError::Field {
                    field: "attributes' room",
                }
            })?,
            max_publishers: header.max_publishers,
            loans: header.loans,
            max_subscribers: header.max_subscribers,
            pins: header.pins,
            first_sequence: header.first_sequence,
            schema_bytes: header.schema_bytes,
        };
        let geometry = Geometry::new(shape)?;
        if geometry.ring_bytes != header.ring_bytes || geometry.block_stride != header.block_stride
        {
            return Err(HeaderError::Field {
                field: "segment size",
            });
        }
        if file_bytes < geometry.ring_bytes {
            let needed = geometry.ring_bytes;
            return Err(HeaderError::Truncated {
                found: file_bytes,
                needed,
            });
        }
        let type_name = text(&header.type_name, header.type_name_bytes, "type name")?;
        Ok(Self {
            geometry,
            incarnation: header.preamble.incarnation,
            bus_id: header.bus_id,
            name: text(&header.name, header.name_bytes, "name")?,
            type_name: (!type_name.is_empty()).then_some(type_name),
            type_size: header.type_size,
            type_align: header.type_align,
            encoding: text(&header.encoding, header.encoding_bytes, "encoding")?,
            tsc_hz: header.tsc_hz,
            wake_fence: flag(header.wake_fence, "wake fence")?,
            huge_pages: header.preamble.features_optional & OPTION_HUGE_PAGES != 0,
            schema_sum: header.schema_sum,
        })
    }

    /// Checks that these bytes, read from where the schema lies, are what its creator wrote there.
    pub(crate) fn check_schema(&self, schema: &[u8]) -> Result<(), HeaderError> {
        match fnv1a(schema) == self.schema_sum {
            true => Ok(()),
            false => Err(HeaderError::Field { field: "schema" }),
        }
    }

    /// The first page of the cursors segment that goes with this ring.
    pub(crate) fn to_cursors_page(&self) -> Box<[u8]> {
        let mut header = CursorsHeader {
            preamble: Preamble::new(CURSORS_MAGIC, self.incarnation),
            max_subscribers: self.geometry.shape.max_subscribers.into(),
            reserved: [0; HEADER_BYTES - 64],
            checksum: 0,
        };
        header.checksum = checksum(header.as_bytes());
        header.as_bytes().into()
    }

    /// Checks that a file of `file_bytes` with this first page holds the cursors of this ring.
    pub(crate) fn check_cursors_page(
        &self,
        page: &[u8; HEADER_BYTES],
        file_bytes: u64,
    ) -> Result<(), HeaderError> {
        let header: CursorsHeader = zerocopy::transmute!(*page);
        header.preamble.check(CURSORS_MAGIC)?;
        if header.checksum != checksum(page) {
            return Err(HeaderError::Checksum);
        }
        if header.preamble.incarnation != self.incarnation {
            return Err(HeaderError::Field {
                field: "incarnation",
            });
        }
        if header.max_subscribers != u64::from(self.geometry.shape.max_subscribers) {
            return Err(HeaderError::Field {
                field: "max_subscribers",
            });
        }
        let needed = self.geometry.cursors_bytes;
        if file_bytes < needed {
            return Err(HeaderError::Truncated {
                found: file_bytes,
                needed,
            });
        }
        Ok(())
    }
}

impl Preamble {
    fn new(magic: [u8; 8], incarnation: u64) -> Self {
        Self {
            magic,
            layout_version: LAYOUT_VERSION,
            byte_order: BYTE_ORDER,
            word_bytes: usize::BITS / 8,
            line_bytes: LINE_BYTES,
            features_required: 0,
            features_optional: 0,
            incarnation,
        }
    }

    fn check(&self, magic: [u8; 8]) -> Result<(), HeaderError> {
        if self.magic != magic {
            return Err(HeaderError::Magic);
        }
        if self.byte_order == BYTE_ORDER.swap_bytes() {
            return Err(HeaderError::Platform { what: "byte order" });
        }
        if self.byte_order != BYTE_ORDER {
            return Err(HeaderError::Field {
                field: "byte order",
            });
        }
        if self.layout_version != LAYOUT_VERSION {
            let found = self.layout_version;
            return Err(HeaderError::LayoutVersion {
                found,
                known: LAYOUT_VERSION,
            });
        }
        if self.word_bytes != usize::BITS / 8 {
            return Err(HeaderError::Platform { what: "word size" });
        }
        if self.line_bytes != LINE_BYTES {
            return Err(HeaderError::Platform {
                what: "cache-line size",
            });
        }
        match self.features_required & !FEATURES_REQUIRED_KNOWN {
            0 => Ok(()),
            unknown => Err(HeaderError::Features { unknown }),
        }
    }
}

fn flag(value: u32, field: &'static str) -> Result<bool, HeaderError> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(HeaderError::Field { field }),
    }
}

fn text_field(text: &str) -> [u8; 256] {
    let mut field = [0; 256];
    field[..text.len()].copy_from_slice(text.as_bytes());
    field
}

fn text(field: &[u8; 256], bytes: u32, name: &'static str) -> Result<String, HeaderError> {
    let damaged = HeaderError::Field { field: name };
    let bytes = field
        .get(..bytes as usize)
        .filter(|bytes| bytes.len() <= NAME_MAX);
    let text = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok());
    // It is shown on terminals, which some of them steer; no creator writes them.
    let text = text.filter(|text| !text.contains(char::is_control));
    text.map(str::to_owned).ok_or(damaged)
}

/// Of all but the last 8 bytes, which hold it.
fn checksum(page: &[u8]) -> u64 {
    fnv1a(&page[..page.len() - 8])
}
