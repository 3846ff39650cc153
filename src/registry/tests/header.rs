//! What is refused as a registry.

use std::{iter, path::Path};

use crate::{
    registry::{Access, Registry, RegistryError, header::Header},
    segment::SegmentError,
    testing::{Scratch, contents, replace},
};

fn open(scratch: &Scratch) -> Result<Registry, RegistryError> {
    Registry::open_or_create(scratch.path(), Access::PRIVATE)
}

/// A new registry's bytes.
fn pristine(scratch: &Scratch) -> Vec<u8> {
    drop(open(scratch).unwrap());
    contents(&scratch.join("registry"))
}

#[test]
fn whoever_opens_a_registry_finds_the_bus_as_it_was_made() {
    let scratch = Scratch::new();
    let (first, second) = (open(&scratch).unwrap(), open(&scratch).unwrap());
    assert_eq!(first.bus_id(), second.bus_id());
    assert_eq!(
        (first.participants_max(), second.participants_max()),
        (1024, 1024)
    );
    let mut names = scratch.names();
    names.sort_unstable_by_key(|name| name == "registry");
    let leases = format!("{:016x}.leases", first.bus_id());
    assert_eq!(names, [&leases, "registry"]);
}

#[test]
fn a_byte_of_another_kind_is_refused() {
    let scratch = Scratch::new();
    let bytes = pristine(&scratch);
    let kind = 0..20; // magic, byte order, version, word size
    for at in kind {
        let mut other = bytes.clone();
        other[at] ^= 0x10;
        replace(&scratch.join("registry"), &other);
        let error = open(&scratch).err().unwrap();
        assert!(
            matches!(error, RegistryError::Foreign { .. }),
            "byte {at}: {error}"
        );
    }
}

#[test]
fn any_other_byte_of_the_header_is_refused_as_damage() {
    let scratch = Scratch::new();
    let bytes = pristine(&scratch);
    let numbers = 20..40; // number of slots, identity, checksum
    for at in numbers {
        let mut other = bytes.clone();
        other[at] ^= 0x10;
        replace(&scratch.join("registry"), &other);
        let error = open(&scratch).err().unwrap();
        assert!(
            matches!(error, RegistryError::Damaged { .. }),
            "byte {at}: {error}"
        );
    }
}

#[test]
fn the_other_byte_order_is_refused() {
    let scratch = Scratch::new();
    let mut bytes = pristine(&scratch);
    bytes[8..12].reverse();
    replace(&scratch.join("registry"), &bytes);
    let error = open(&scratch).err().unwrap().to_string();
    let expected = "its byte order mark is 0x4030201 and this process needs 0x1020304";
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_number_of_slots_that_cannot_be_is_refused() {
    let path = Path::new("registry");
    for participants_max in [0, 0xffff + 1, u32::MAX] {
        let header = Header::new(1, participants_max);
        let parsed = Header::parse(&zerocopy::transmute!(header), path);
        assert!(matches!(parsed, Err(RegistryError::Damaged { .. })));
    }
    assert!(Header::parse(&zerocopy::transmute!(Header::new(1, 0xffff)), path).is_ok());
}

#[test]
fn a_registry_with_fewer_slots_than_it_says_is_refused() {
    let scratch = Scratch::new();
    let bytes = pristine(&scratch);
    for len in [0, 39, 40, 4096, bytes.len() - 1] {
        replace(&scratch.join("registry"), &bytes[..len]);
        let error = open(&scratch).err().unwrap();
        let RegistryError::Segment(SegmentError::Truncated { have_bytes, .. }) = error else {
            panic!("{len}: {error}");
        };
        assert_eq!(have_bytes, len as u64);
    }
}

#[test]
fn garbage_is_refused() {
    let scratch = Scratch::new();
    let mut random = 1_u64;
    let mut next = || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 56) as u8
    };
    for _ in 0..200 {
        let garbage: Vec<u8> = iter::repeat_with(&mut next).take(5000).collect();
        replace(&scratch.join("registry"), &garbage);
        assert!(open(&scratch).is_err());
    }
}
