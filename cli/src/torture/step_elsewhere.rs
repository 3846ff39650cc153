//! The cases `step` and `stop` on a processor whose registers they do not know.

use super::actor::Role;
use super::findings::Findings;
use super::setting::Setting;
use crate::outcome::Failure;

/// Nobody.
pub const ROLES: &[Role] = &[];

/// Refuses.
pub fn run(_: &Setting, _: &mut Findings) -> Result<(), Failure> {
    Err(Failure::say("this case needs x86-64 or aarch64"))
}

pub use run as stop;
