//! The list of bugs, and those of them that the models must find.

use super::BUGS;

#[test]
fn every_bug_has_its_place_in_the_sources() {
    for bug in BUGS {
        let place = &bug.place;
        let (access, function, file) = (place.access, place.function, place.file);
        assert!(
            place.line().is_some(),
            "{}: {file} has no `{access}` in `{function}`",
            bug.name
        );
    }
}

/// Each bug makes its model fail, and for the reason given. Without a bug, all models pass.
#[cfg(ringbus_loom)]
#[test]
fn loom_planted_bugs_are_found() {
    super::assert_found(|check| matches!(check, super::Check::Model(..)));
}
