//! Directories with exactly the rights asked for.

use std::{fs, os::unix::fs::MetadataExt};

use crate::{
    segment::{Access, SegmentError, create_directory},
    testing::{PRIVATE, Scratch},
};

#[test]
fn execute_bits_follow_read_bits() {
    let scratch = Scratch::new();
    for (mode, directory_mode) in [
        (0o600, 0o700),
        (0o640, 0o750),
        (0o660, 0o770),
        (0o664, 0o775),
    ] {
        let path = scratch.join(&format!("{mode:o}"));
        create_directory(&path, Access { mode, group: None }).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, directory_mode);
    }
}

#[test]
fn who_may_read_a_topic_may_write_its_cursors() {
    for (mode, cursors) in [
        (0o600, 0o600),
        (0o640, 0o660),
        (0o644, 0o666),
        (0o420, 0o620),
    ] {
        assert_eq!(Access { mode, group: None }.cursors().mode, cursors);
    }
}

#[test]
fn a_directory_that_exists_stays_as_it_is() {
    let scratch = Scratch::new();
    create_directory(&scratch.join("a"), PRIVATE).unwrap();
    let made = fs::metadata(scratch.join("a")).unwrap();
    create_directory(
        &scratch.join("a"),
        Access {
            mode: 0o666,
            group: None,
        },
    )
    .unwrap();
    let found = fs::metadata(scratch.join("a")).unwrap();
    assert_eq!((found.ino(), found.mode()), (made.ino(), made.mode()));
    assert_eq!(scratch.names(), ["a"]);
}

#[test]
fn a_missing_parent_is_named_in_the_error() {
    let scratch = Scratch::new();
    let error = create_directory(&scratch.join("no/a"), PRIVATE).unwrap_err();
    assert!(matches!(error, SegmentError::NotFound { path } if path == scratch.join("no")));
}
