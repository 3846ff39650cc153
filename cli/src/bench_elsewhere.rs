//! `ringbus bench` where it cannot measure what it promises: it says so.

use crate::args::{BenchArgs, BenchRoleArgs, Place};
use crate::outcome::{Failure, Outcome};

/// Refuses.
pub fn run(_: &Place, _: &BenchArgs) -> Result<Outcome, Failure> {
    Err(Failure::say(
        "bench needs Linux on x86-64 or aarch64, and its own backend (built without the feature \
         `portable`)",
    ))
}

/// Refuses.
pub fn play(_: &BenchRoleArgs) -> Result<Outcome, Failure> {
    Err(Failure::say("there is no bench on this system"))
}
