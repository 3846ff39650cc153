//! Opening and mapping what is there.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::Path,
    process::Command,
};

use crate::{
    segment::{Rights, Segment, SegmentError, random_id, remove},
    shared::Offset,
    sync::AtomicU64,
    testing::{Scratch, replace},
};

fn open(path: &Path) -> Result<Segment, SegmentError> {
    Segment::open(path, Rights::ReadWrite)?.map(4096)
}

fn file(path: &Path, len: usize) {
    replace(path, &vec![0; len]);
}

#[test]
fn what_is_not_a_regular_file_is_refused() {
    let scratch = Scratch::new();
    file(&scratch.join("file"), 4096);
    symlink("file", scratch.join("link")).unwrap();
    fs::create_dir(scratch.join("directory")).unwrap();
    Command::new("mkfifo")
        .arg(scratch.join("pipe"))
        .status()
        .unwrap();
    for name in ["link", "directory", "pipe"] {
        let error = open(&scratch.join(name)).err().unwrap();
        assert!(
            matches!(error, SegmentError::NotRegular { .. }),
            "{name}: {error}"
        );
    }
}

#[test]
fn a_missing_file_is_not_found() {
    let scratch = Scratch::new();
    let error = open(&scratch.join("no")).err().unwrap();
    assert!(matches!(error, SegmentError::NotFound { .. }));
    assert!(error.to_string().ends_with("/no: no such file"), "{error}");
}

#[test]
fn a_file_that_is_too_short_is_truncated() {
    let scratch = Scratch::new();
    file(&scratch.join("short"), 4095);
    let error = open(&scratch.join("short")).err().unwrap();
    assert!(matches!(
        error,
        SegmentError::Truncated {
            need_bytes: 4096,
            have_bytes: 4095,
            ..
        }
    ));
}

#[test]
#[cfg_attr(
    feature = "portable",
    ignore = "a portable segment is mapped when it is made: none is that long"
)]
fn a_length_that_no_address_space_has_is_an_error() {
    let scratch = Scratch::new();
    let path = scratch.join("huge");
    File::create(&path).unwrap().set_len(1 << 62).unwrap();
    let mapped = Segment::open(&path, Rights::ReadWrite)
        .unwrap()
        .map(1 << 62);
    let Err(SegmentError::NoAddressSpace { needed_bytes, .. }) = mapped else {
        panic!("it has no room");
    };
    assert_eq!(needed_bytes, 1 << 62);
}

#[test]
fn arrays_end_inside_the_mapping() {
    let scratch = Scratch::new();
    file(&scratch.join("a"), 4096);
    let segment = open(&scratch.join("a")).unwrap();
    let array = |at, len| {
        segment
            .array(Offset::<AtomicU64>::new(at), len)
            .map(<[_]>::len)
    };
    assert_eq!(array(0, 512), Some(512));
    assert_eq!(array(4088, 1), Some(1));
    assert_eq!(array(4096, 0), Some(0));
    assert_eq!(array(4096, 1), None);
    assert_eq!(array(8, 512), None);
    assert_eq!(array(0, usize::MAX), None);
    assert_eq!(array(u64::MAX - 7, 2), None);
}

#[test]
fn a_file_that_lost_its_name_is_unlinked() {
    let scratch = Scratch::new();
    file(&scratch.join("a"), 4096);
    let segment = open(&scratch.join("a")).unwrap();
    assert!(!segment.is_unlinked());
    remove(&scratch.join("a")).unwrap();
    assert!(segment.is_unlinked());
}

#[test]
fn random_ids_differ() {
    assert_ne!(random_id(), random_id());
}
