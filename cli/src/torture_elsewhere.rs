//! `ringbus torture` where its faults cannot be made: it says so.

use crate::args::{Place, TortureArgs, TortureRoleArgs};
use crate::outcome::{Failure, Outcome};

/// Refuses.
pub fn run(_: &Place, _: &TortureArgs) -> Result<Outcome, Failure> {
    Err(Failure::say(
        "torture needs Linux and its own backend (built without the feature `portable`)",
    ))
}

/// Refuses.
pub fn play(_: &TortureRoleArgs) -> Result<Outcome, Failure> {
    Err(Failure::say("there is no torture on this system"))
}
