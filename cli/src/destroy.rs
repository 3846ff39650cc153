//! `ringbus destroy`: remove a whole bus.

use ringbus::ParticipantInfo;

use crate::args::{DestroyArgs, Place};
use crate::outcome::{Failure, Outcome};
use crate::units::plural;

/// Removes it with all its topics, or says who uses it.
pub fn run(place: &Place, args: &DestroyArgs) -> Result<Outcome, Failure> {
    // By force also what cannot be opened, as it is damaged or of another release.
    if !args.force {
        let bus = place.open_existing()?;
        let living = bus.participants().into_iter().filter(|one| one.alive);
        let living: Vec<_> = living.collect();
        if !living.is_empty() {
            return Err(Failure::say(format_args!(
                "bus {} is in use by {}; stop them, or remove it by --force",
                bus.name(),
                who(&living)
            )));
        }
    }
    place.destroy()?;
    Ok(Outcome::Done)
}

/// `2 participants: sub (pid 17), pub (pid 18)`.
fn who(living: &[ParticipantInfo]) -> String {
    let each = living.iter().take(SHOWN);
    let mut each: Vec<_> = each
        .map(|one| format!("{} (pid {})", one.process, one.pid))
        .collect();
    if living.len() > SHOWN {
        each.push("...".to_owned());
    }
    let count = plural(living.len() as u64, "participant");
    format!("{count}: {}", each.join(", "))
}

/// So many are named.
const SHOWN: usize = 5;
