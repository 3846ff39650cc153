//! `ringbus rm`: remove a topic.

use ringbus::Remove;

use crate::args::{Place, RmArgs};
use crate::outcome::{Failure, Outcome, missing};

/// Removes it, or says who uses it.
pub fn run(place: &Place, args: &RmArgs) -> Result<Outcome, Failure> {
    let how = if args.force {
        Remove::Force
    } else {
        Remove::IfUnused
    };
    let removed = place.open_existing()?.remove(&args.topic, how);
    removed.map_err(missing)?;
    Ok(Outcome::Done)
}
