//! Directories with exactly the rights asked for.

use std::{fs, os::unix::fs::MetadataExt};

use crate::{
    segment::{FileAccess, SegmentError, create_directory},
    testing::Scratch,
};

/// Directories of this user alone.
const ALL_OURS: FileAccess = FileAccess {
    mode: 0o700,
    group: None,
};

#[test]
fn mode_is_as_asked() {
    let scratch = Scratch::new();
    for mode in [0o700, 0o750, 0o2770, 0o2775] {
        let path = scratch.join(&format!("{mode:o}"));
        create_directory(&path, FileAccess { mode, group: None }).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, mode);
    }
}

#[test]
fn a_directory_that_exists_stays_as_it_is() {
    let scratch = Scratch::new();
    create_directory(&scratch.join("a"), ALL_OURS).unwrap();
    let made = fs::metadata(scratch.join("a")).unwrap();
    create_directory(
        &scratch.join("a"),
        FileAccess {
            mode: 0o777,
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
    let error = create_directory(&scratch.join("no/a"), ALL_OURS).unwrap_err();
    assert!(matches!(error, SegmentError::NotFound { path } if path == scratch.join("no")));
}
