//! `ringbus gc`: clear away what the dead left behind.

use std::io::{self, Write};

use serde_json::json;

use crate::args::{ListArgs, Place};
use crate::json;
use crate::outcome::{Failure, Outcome};
use crate::units::plural;

/// Collects, and says what there was.
pub fn run(place: &Place, args: &ListArgs) -> Result<Outcome, Failure> {
    let collected = place.open_existing()?.gc()?;
    if args.json {
        json::print(&json!({
            "participants": collected.participants,
            "subscribers": collected.subscribers,
            "publishers": collected.publishers,
            "files": collected.files,
        }))?;
        return Ok(Outcome::Done);
    }
    writeln!(
        io::stdout().lock(),
        "cleared away: {} with {} and {}; {}",
        plural(collected.participants as u64, "dead participant"),
        plural(collected.publishers as u64, "publisher"),
        plural(collected.subscribers as u64, "subscriber"),
        plural(collected.files as u64, "unused file"),
    )?;
    Ok(Outcome::Done)
}
