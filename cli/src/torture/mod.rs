//! `ringbus torture`: faults on purpose, and whether anybody but the victim felt them.
//!
//! One file or folder a case. A case works in a [`Setting`] of its own, has other processes play
//! [`actor`]s' roles, does its worst to them, and puts down in [`Findings`] what it did and which
//! invariants held. Whatever it kills, stops or damages is its own.
//!
//! What cases share: victims by the thousand ([`zygote`]), what these note in memory that outlives
//! them ([`notes`]), those who live throughout ([`survivors`]), what became of messages ([`ledger`]), whether anybody was held up
//! ([`progress`]) for longer than the machine was late ([`canary`]), and whether anything is left of the dead ([`leaks`]).

#[allow(dead_code, reason = "the cases to come")]
mod actor;
mod canary;
mod checked;
mod churn;
mod faults;
mod findings;
mod hostile;
mod isolation;
mod kill;
mod leaks;
mod ledger;
mod listeners;
mod namespaces;
mod notes;
mod progress;
mod setting;
mod space;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod step;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[path = "step_elsewhere.rs"]
mod step;
mod survivors;
mod zygote;

use std::path::Path;

use crate::args::{Case, Place, TortureArgs, TortureRoleArgs};
use crate::outcome::{Failure, Outcome};

use findings::Findings;
use setting::Setting;

/// Runs a case; anything but a clean bill is a failure.
pub fn run(place: &Place, args: &TortureArgs) -> Result<Outcome, Failure> {
    if args.operation.is_some() && !matches!(args.case, Case::Step | Case::Stop) {
        return Err(Failure::usage("only step and stop know --operation"));
    }
    let setting = Setting::new(place, args)?;
    let run = match args.case {
        Case::Kill => kill::run,
        Case::Step => step::run,
        Case::Stop => step::stop,
        Case::Churn => churn::run,
        Case::Listeners => listeners::run,
        Case::Isolation => isolation::run,
        Case::Space => space::run,
        Case::Hostile => hostile::run,
    };
    let mut findings = Findings::new(args.case, setting.seed());
    run(&setting, &mut findings)?;
    setting.close(&mut findings)?;
    findings.print(args.json)?;
    match findings.broken() {
        0 => Ok(Outcome::Done),
        broken => Err(Failure::say(format_args!(
            "{broken} of the invariants did not hold; to try the same again: --seed {}",
            findings.seed()
        ))),
    }
}

/// Plays a role in a case of another process of this program.
pub fn play(args: &TortureRoleArgs) -> Result<Outcome, Failure> {
    actor::play(&roles(), args)
}

/// Plays a role, given with its arguments on one line, in this process.
fn play_line(root: &Path, line: &str) -> Result<(), Failure> {
    let mut words = line.split(' ').map(str::to_owned);
    let role = words.next().unwrap_or_default();
    actor::play_one(&roles(), &role, root.to_owned(), words.collect())
}

fn roles() -> Vec<actor::Role> {
    [
        kill::ROLES,
        step::ROLES,
        churn::ROLES,
        listeners::ROLES,
        isolation::ROLES,
        space::ROLES,
        hostile::ROLES,
        zygote::ROLES,
    ]
    .concat()
}
