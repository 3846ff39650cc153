//! The `ringbus` command: publish, subscribe, inspect, and demonstrate a bus from a shell.
//!
//! One file a verb; [`args`] holds everything about flags. Results go to stdout, every word about
//! trouble goes to stderr as `ringbus: ...`, and [`outcome`] says which exit code means what.

mod args;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(feature = "portable")
))]
mod bench;
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(feature = "portable")
)))]
#[path = "bench_elsewhere.rs"]
mod bench;
mod call;
mod check;
mod claim;
mod demo;
mod destroy;
mod format;
mod gc;
mod info;
mod input;
mod json;
mod latency;
mod outcome;
mod output;
mod pace;
mod publish;
mod remove;
mod screen;
mod serve;
mod signals;
mod source;
mod subscribe;
mod table;
mod top;
mod topics;
#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod torture;
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
#[path = "torture_elsewhere.rs"]
mod torture;
mod units;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};

use crate::args::{Args, Verb};
use crate::outcome::{Failure, Outcome, complain};

fn main() -> ExitCode {
    let matches = Args::command().get_matches();
    let args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match run(&args) {
        Ok(outcome) => outcome.code(),
        Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        // As of flags that are none.
        Err(Failure::Usage(words)) => verb_of(&matches)
            .error(ErrorKind::ValueValidation, words)
            .exit(),
        Err(failure @ Failure::Said(_)) => {
            complain(&failure);
            ExitCode::FAILURE
        }
    }
}

/// The verb that was given, the innermost one: it is its usage that is shown.
fn verb_of(mut matches: &ArgMatches) -> Command {
    let mut command = Args::command();
    command.build();
    while let Some((name, within)) = matches.subcommand() {
        let Some(verb) = command.find_subcommand(name).cloned() else {
            break;
        };
        (command, matches) = (verb, within);
    }
    command
}

fn run(args: &Args) -> Result<Outcome, Failure> {
    let place = &args.place;
    match &args.verb {
        Verb::Demo(args) => demo::run(place, args),
        Verb::Pub(args) => publish::run(place, args),
        Verb::Sub(args) => subscribe::run(place, args),
        Verb::Call(args) => call::run(place, args),
        Verb::Serve(args) => serve::run(place, args),
        Verb::Topics(args) => topics::run(place, args),
        Verb::Info(args) => info::run(place, args),
        Verb::Rm(args) => remove::run(place, args),
        Verb::Destroy(args) => destroy::run(place, args),
        Verb::Gc(args) => gc::run(place, args),
        Verb::Top(args) => top::run(place, args),
        Verb::Torture(args) => torture::run(place, args),
        Verb::Bench(args) => bench::run(place, args),
        Verb::DemoRole(args) => demo::play(place, args),
        Verb::TortureRole(args) => torture::play(args),
        Verb::BenchRole(args) => bench::play(args),
    }
}
