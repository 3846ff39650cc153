//! The first page: what it says comes back, and nothing else is believed.

use memoffset::span_of;

use super::shapes;
use crate::{
    ring::{
        header::{HEADER_BYTES, HeaderError, RingDescription},
        layout::{Cell, Geometry, PublisherRecord, Shape},
    },
    shared::fnv1a,
};

fn description() -> RingDescription {
    let shape = Shape {
        schema_bytes: 5000,
        ..shapes::shared(64)
    };
    RingDescription {
        geometry: Geometry::new(shape).unwrap(),
        incarnation: 0x1122_3344_5566_7788,
        bus_id: 99,
        name: "robot/7/pose".into(),
        type_name: Some("Pose".into()),
        type_size: 24,
        type_align: 8,
        encoding: "json".into(),
        tsc_hz: 2_600_000_000,
        wake_fence: true,
        huge_pages: true,
        schema_sum: fnv1a(&[7; 5000]),
    }
}

fn page() -> [u8; HEADER_BYTES] {
    (*description().to_page()).try_into().unwrap()
}

fn read(page: &[u8; HEADER_BYTES]) -> Result<RingDescription, HeaderError> {
    RingDescription::from_page(page, description().geometry.ring_bytes)
}

#[test]
fn a_header_says_what_was_written() {
    assert_eq!(read(&page()), Ok(description()));
}

#[test]
fn every_changed_byte_is_found() {
    let step = if cfg!(miri) { 97 } else { 1 };
    for index in (0..HEADER_BYTES).step_by(step) {
        for change in [1, 0x80, 0xff] {
            let mut page = page();
            page[index] ^= change;
            assert!(read(&page).is_err(), "byte {index}");
        }
    }
}

#[test]
fn other_layouts_and_machines_are_told_apart() {
    let with = |offset: usize, bytes: &[u8]| {
        let mut page = page();
        page[offset..offset + bytes.len()].copy_from_slice(bytes);
        read(&page).unwrap_err()
    };
    assert_eq!(with(0, b"X"), HeaderError::Magic);
    let version = HeaderError::LayoutVersion { found: 3, known: 2 };
    assert_eq!(with(8, &3_u32.to_ne_bytes()), version);
    let swapped = 0x0102_0304_u32.swap_bytes().to_ne_bytes();
    let byte_order = HeaderError::Platform { what: "byte order" };
    assert_eq!(with(12, &swapped), byte_order);
    let word_size = HeaderError::Platform { what: "word size" };
    assert_eq!(with(16, &4_u32.to_ne_bytes()), word_size);
    let line = HeaderError::Platform {
        what: "cache-line size",
    };
    assert_eq!(with(20, &64_u32.to_ne_bytes()), line);
    let features = HeaderError::Features { unknown: 4 };
    assert_eq!(with(24, &4_u64.to_ne_bytes()), features);
}

#[test]
fn every_changed_byte_of_the_schema_is_found() {
    let mut schema = vec![7; 5000];
    assert_eq!(description().check_schema(&schema), Ok(()));
    assert!(description().check_schema(&schema[..4999]).is_err());
    for index in [0, 1, 2500, 4999] {
        schema[index] ^= 0x80;
        assert!(description().check_schema(&schema).is_err(), "byte {index}");
        schema[index] ^= 0x80;
    }
}

#[test]
fn text_that_could_steer_a_terminal_is_refused() {
    for text in ["\x1b[2J", "a\nb", "\u{9b}2J"] {
        let damaged = [
            RingDescription {
                encoding: text.into(),
                ..description()
            },
            RingDescription {
                type_name: Some(text.into()),
                ..description()
            },
        ];
        for description in damaged {
            let page = (*description.to_page()).try_into().unwrap();
            let refused = read(&page).unwrap_err();
            assert!(matches!(refused, HeaderError::Field { .. }), "{refused:?}");
        }
    }
}

#[test]
fn a_file_that_is_too_short_is_refused() {
    let needed = description().geometry.ring_bytes;
    let read = RingDescription::from_page(&page(), needed - 1);
    let found = needed - 1;
    assert_eq!(read, Err(HeaderError::Truncated { found, needed }));
}

/// What ARCHITECTURE.md says of these two, byte by byte.
#[test]
fn shared_words_lie_where_they_are_documented() {
    assert_eq!(span_of!(PublisherRecord, owner), 0..8);
    assert_eq!(span_of!(PublisherRecord, intent), 8..16);
    assert_eq!(span_of!(PublisherRecord, displaced), 16..24);
    assert_eq!(span_of!(PublisherRecord, published..=evicted), 24..64);
    assert_eq!(span_of!(Cell, cursor), 0..8);
    assert_eq!(span_of!(Cell, owner), 8..16);
    assert_eq!(span_of!(Cell, stall_timeout_ns), 16..24);
    assert_eq!(span_of!(Cell, lagged..=evictions), 24..48);
}
