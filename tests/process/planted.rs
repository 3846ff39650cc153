//! Bugs put in on purpose, which these tests must find: built by `--cfg ringbus_planted` only.

use ringbus::planted::{Check, assert_found};

/// Each bug makes its test fail, and for the reason given. Without a bug, all tests pass.
#[test]
fn planted_bugs_are_found() {
    assert_found(|check| matches!(check, Check::Process(..)));
}
