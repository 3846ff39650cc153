//! What a topic is to be, and whether one that exists is so.

use std::fmt;

use super::TopicBuilder;
use crate::{
    bus::{
        Payload, PayloadKind,
        clock::measure_tsc_hz,
        error::{TopicError, TypeDescription},
    },
    registry::TopicName,
    ring::{
        header::{NAME_MAX, RingDescription},
        layout::{Geometry, PublisherMode, Shape, TimeSource},
    },
    segment::random_id,
    shared::fnv1a,
};

/// The least with which reader and writer keep out of each other's lines: `ringbus bench stream --capacity
/// N`, 64 B, two processors of a virtual machine, million messages a second: 1024 25, 2048 24, 4096 66,
/// 8192 67, 65536 56.
const DEFAULT_CAPACITY: usize = 4096;
const DEFAULT_PAYLOAD_MAX: usize = 1024;
const DEFAULT_ALIGNMENT: usize = 8;
const DEFAULT_MAX_PUBLISHERS: usize = 64;
const DEFAULT_MAX_SUBSCRIBERS: usize = 128;

impl<T: Payload + ?Sized> TopicBuilder<T> {
    /// What its header is to say.
    pub(super) fn describe(&self, name: &TopicName) -> Result<RingDescription, TopicError> {
        let options = &self.options;
        let stored = self.stored_type();
        let type_name = stored.as_ref().and_then(|stored| stored.name.clone());
        let encoding = options.encoding.clone().unwrap_or_default();
        let schema = options.schema.as_deref().unwrap_or(&[]);
        let schema_bytes = schema.len();
        check_len("encoding name", encoding.len(), NAME_MAX)?;
        check_len(
            "type name",
            type_name.as_ref().map_or(0, String::len),
            NAME_MAX,
        )?;
        check_text("encoding name", &encoding)?;
        check_text("type name", type_name.as_deref().unwrap_or(""))?;
        check_len("schema", schema_bytes, Shape::SCHEMA_MAX as usize)?;
        let time = options.time.unwrap_or_default();
        let tsc_hz = match time {
            TimeSource::Tsc => measure_tsc_hz().ok_or(TopicError::NoTsc)?,
            TimeSource::None | TimeSource::Clock => 0,
        };
        Ok(RingDescription {
            geometry: Geometry::new(self.shape(time, schema_bytes as u32))?,
            incarnation: random_id(),
            bus_id: self.bus.id(),
            name: name.to_string(),
            type_name,
            type_size: stored.as_ref().map_or(0, |stored| stored.size_bytes),
            type_align: stored.as_ref().map_or(0, |stored| stored.alignment_bytes),
            encoding,
            tsc_hz,
            wake_fence: options.wake_fence,
            huge_pages: options.huge_pages,
            schema_sum: fnv1a(schema),
        })
    }

    fn shape(&self, time: TimeSource, schema_bytes: u32) -> Shape {
        let options = &self.options;
        let fixed = if T::FIXED {
            Some(T::UNIT_BYTES)
        } else {
            options.payload_fixed
        };
        let payload_max = fixed.or(options.payload_max).unwrap_or(DEFAULT_PAYLOAD_MAX);
        let alignment = options.alignment.unwrap_or(DEFAULT_ALIGNMENT).max(
            self.stored_type().map_or(1, |stored| {
                usize::try_from(stored.alignment_bytes).unwrap_or(usize::MAX)
            }),
        );
        let is_shared = options.mode == Some(PublisherMode::Shared);
        let max_publishers = options.max_publishers.unwrap_or(DEFAULT_MAX_PUBLISHERS);
        let mut shape = Shape {
            mode: options.mode.unwrap_or_default(),
            capacity_slots: options.capacity.unwrap_or(DEFAULT_CAPACITY) as u64,
            payload_max_bytes: payload_max as u64,
            fixed: fixed.is_some(),
            alignment_bytes: saturate(alignment),
            tags: options.tags.unwrap_or(true),
            time,
            attributes_max_bytes: saturate(options.attributes_max.unwrap_or(0)),
            max_publishers: if is_shared {
                saturate(max_publishers)
            } else {
                1
            },
            loans: 0,
            max_subscribers: saturate(options.max_subscribers.unwrap_or(DEFAULT_MAX_SUBSCRIBERS)),
            pins: 0,
            first_sequence: options.first_sequence.unwrap_or(0),
            schema_bytes,
        };
        shape.pins = options.pins.map_or_else(|| shape.default_pins(), saturate);
        if is_shared {
            shape.loans = options
                .loans
                .map_or_else(|| shape.default_loans(), saturate);
        }
        shape
    }

    /// The type that the topic is to carry; `None`: untyped bytes.
    fn stored_type(&self) -> Option<TypeDescription> {
        let options = &self.options;
        let described = options.payload_type.clone();
        let mut stored = described
            .filter(|described| described.name.is_some())
            .or_else(|| {
                Some(TypeDescription {
                    name: Some(T::type_name()?),
                    size_bytes: T::UNIT_BYTES as u64,
                    alignment_bytes: T::ALIGNMENT_BYTES as u64,
                })
            })?;
        if options.type_name.is_some() {
            stored.name.clone_from(&options.type_name);
        }
        Some(stored)
    }

    /// Compares what was asked for explicitly with what the topic is.
    pub(super) fn check(&self, found: &RingDescription, schema: &[u8]) -> Result<(), TopicError> {
        let (options, shape) = (&self.options, &found.geometry.shape);
        self.check_type(found)?;
        self.agree("publisher mode", options.mode, shape.mode)?;
        self.agree("capacity", as_u64(options.capacity), shape.capacity_slots)?;
        let fixed = options
            .payload_fixed
            .map(|bytes| PayloadKind::Fixed { bytes });
        let variable = options
            .payload_max
            .map(|max_bytes| PayloadKind::Variable { max_bytes });
        self.agree("payload", fixed.or(variable), PayloadKind::of(shape))?;
        self.agree(
            "alignment",
            as_u64(options.alignment),
            shape.alignment_bytes.into(),
        )?;
        self.agree(
            "max_publishers",
            as_u64(options.max_publishers),
            shape.max_publishers.into(),
        )?;
        let max_subscribers = as_u64(options.max_subscribers);
        self.agree(
            "max_subscribers",
            max_subscribers,
            shape.max_subscribers.into(),
        )?;
        self.agree("loans", as_u64(options.loans), shape.loans.into())?;
        self.agree("pins", as_u64(options.pins), shape.pins.into())?;
        self.agree("tags", options.tags, shape.tags)?;
        self.agree("time source", options.time, shape.time)?;
        self.agree(
            "attributes_max",
            as_u64(options.attributes_max),
            shape.attributes_max_bytes.into(),
        )?;
        self.agree(
            "encoding",
            options.encoding.as_deref(),
            found.encoding.as_str(),
        )?;
        self.agree(
            "schema",
            options.schema.as_deref().map(SchemaSummary),
            SchemaSummary(schema),
        )?;
        self.agree(
            "first sequence",
            options.first_sequence,
            shape.first_sequence,
        )
    }

    /// A typed topic carries its type only; every topic can be opened untyped.
    fn check_type(&self, found: &RingDescription) -> Result<(), TopicError> {
        let Some(asked) = self.stored_type() else {
            return Ok(());
        };
        let shape = found.geometry.shape;
        let found = TypeDescription {
            name: found.type_name.clone(),
            size_bytes: found.type_size,
            alignment_bytes: found.type_align,
        };
        match asked == found && self.fits(&asked, &shape) {
            true => Ok(()),
            false => Err(TopicError::Type {
                topic: self.name.clone(),
                asked,
                found,
            }),
        }
    }

    /// Whether every payload of such a topic is well placed and well sized for the type.
    fn fits(&self, stored: &TypeDescription, shape: &Shape) -> bool {
        let size = shape.payload_max_bytes;
        let is_one = T::FIXED || as_u64(self.options.payload_fixed) == Some(stored.size_bytes);
        u64::from(shape.alignment_bytes) >= stored.alignment_bytes
            && (!is_one || (shape.fixed && size == stored.size_bytes))
            && (!shape.fixed || size.is_multiple_of(stored.size_bytes.max(1)))
    }

    fn agree<V: PartialEq + fmt::Display>(
        &self,
        what: &'static str,
        asked: Option<V>,
        found: V,
    ) -> Result<(), TopicError> {
        match asked {
            Some(asked) if asked != found => Err(TopicError::Mismatch {
                topic: self.name.clone(),
                what,
                asked: asked.to_string(),
                found: found.to_string(),
            }),
            _ => Ok(()),
        }
    }
}

/// A schema in a message: its length and its start.
#[derive(PartialEq)]
struct SchemaSummary<'a>(&'a [u8]);

impl fmt::Display for SchemaSummary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "of {} bytes", self.0.len())?;
        match self.0 {
            [] => Ok(()),
            bytes => write!(f, " starting with {:02x?}", &bytes[..bytes.len().min(8)]),
        }
    }
}

fn check_len(what: &'static str, bytes: usize, max: usize) -> Result<(), TopicError> {
    match bytes > max {
        true => Err(TopicError::TooLong { what, bytes, max }),
        false => Ok(()),
    }
}

/// What is shown on terminals must not steer them.
fn check_text(what: &'static str, text: &str) -> Result<(), TopicError> {
    match text.find(char::is_control) {
        Some(position) => Err(TopicError::Control { what, position }),
        None => Ok(()),
    }
}

/// The nearest `u32`: what is too large stays too large, and is refused with the shape.
fn saturate(value: usize) -> u32 {
    value.try_into().unwrap_or(u32::MAX)
}

fn as_u64(value: Option<usize>) -> Option<u64> {
    value.map(|value| value as u64)
}
