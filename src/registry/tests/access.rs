//! What grants mean for files, and files for grants.

use crate::{
    registry::{Access, AccessError, AccessOptions, Grant},
    segment::{FileAccess, Ownership},
};

const GRANTS: [Grant; 4] = [
    Grant::Nothing,
    Grant::Observe,
    Grant::Subscribe,
    Grant::Publish,
];

/// Every access, with a group.
fn all() -> impl Iterator<Item = Access> {
    GRANTS.into_iter().flat_map(|group| {
        let of_group = Access::of_group(group).with_gid(7);
        GRANTS.map(|others| of_group.and_others(others))
    })
}

fn made(access: FileAccess) -> Ownership {
    let (uid, gid, mode) = (1, access.group.unwrap_or(2), access.mode);
    Ownership { uid, gid, mode }
}

#[test]
fn a_mode_says_all_but_the_group() {
    for access in all() {
        let read = Access::from_mode(access.mode()).unwrap();
        assert_eq!(read.with_gid(7), access);
    }
    assert_eq!(Access::from_mode(0o777), Access::from_mode(0o666));
}

#[test]
fn a_mode_that_makes_no_sense_is_refused() {
    for mode in [0o640 | 0o1000, 0o2660, u32::MAX] {
        assert_eq!(Access::from_mode(mode), Err(AccessError::TooLong { mode }));
    }
    for mode in [0, 0o400, 0o060, 0o500, 640] {
        assert!(Access::from_mode(mode).is_err(), "{mode:o}");
    }
    for digit in [1, 2, 3] {
        for (mode, class) in [
            (0o600 | digit << 3, "the group's"),
            (0o640 | digit, "the others'"),
        ] {
            let refused = AccessError::Digit { mode, class, digit };
            assert_eq!(Access::from_mode(mode), Err(refused));
        }
    }
}

#[test]
fn files_say_what_was_granted() {
    for access in all() {
        let cursors = Some(made(access.cursors()));
        assert_eq!(Access::of_files(made(access.ring()), cursors), access);
        assert_eq!(Access::of_files(made(access.directory()), cursors), access);
    }
}

#[test]
fn no_file_lets_observers_write() {
    let access = Access::of_group(Grant::Observe).and_others(Grant::Observe);
    for file in [access.ring(), access.cursors(), access.directory()] {
        assert_eq!(file.mode & 0o022, 0, "{:o}", file.mode);
    }
    assert_eq!(access.leases().mode, 0o600);
}

#[test]
fn no_file_lets_subscribers_write_messages_or_names() {
    let access = Access::of_group(Grant::Subscribe).and_others(Grant::Subscribe);
    for file in [access.ring(), access.directory()] {
        assert_eq!(file.mode & 0o022, 0, "{:o}", file.mode);
    }
}

#[test]
fn what_was_not_asked_for_is_inherited() {
    let bus = Access::of_group(Grant::Publish).with_gid(7);
    let resolve = |mode, gid| AccessOptions { mode, gid }.resolve(bus).unwrap();
    assert_eq!(resolve(None, None), bus);
    assert_eq!(resolve(None, Some(8)), bus.with_gid(8));
    assert_eq!(
        resolve(Some(0o640), None),
        Access::of_group(Grant::Observe).with_gid(7)
    );
    assert_eq!(resolve(Some(0o600), None), Access::PRIVATE);
}

#[test]
fn a_topic_is_within_what_its_bus_lets_through() {
    let bus = Access::of_group(Grant::Subscribe)
        .and_others(Grant::Observe)
        .with_gid(7);
    let is_within = |mode, gid| {
        let topic = Access::from_mode(mode).unwrap();
        Access { gid, ..topic }.is_within(bus)
    };
    for mode in [0o600, 0o640, 0o650, 0o654] {
        assert!(
            is_within(mode, None) && is_within(mode, Some(7)),
            "{mode:o}"
        );
    }
    for mode in [0o660, 0o655, 0o606] {
        assert!(
            !is_within(mode, None) && !is_within(mode, Some(7)),
            "{mode:o}"
        );
    }
    assert!(is_within(0o640, Some(8)), "as others, they may observe");
    assert!(!Access::of_group(Grant::Observe).is_within(Access::PRIVATE));
}
