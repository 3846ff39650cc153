//! Other ways between processes, measured in the cases of `ringbus bench`, and all of it as one table.
//!
//! A case takes place on a [`scene`] of its own, where a [`crew`] of pinned processes plays its roles:
//! [`cases`] has what they do, whatever the peer, and [`peers`] how each peer does it.

mod cases;
mod conditions;
mod crew;
mod measure;
mod peers;
mod plan;
mod scene;
mod table;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

/// What went wrong, as it is told.
pub type Failure = Box<dyn Error>;

const USAGE: &str = "\
Usage: ringbus-peers --ringbus PATH [--rounds N] [--write FILE]
       ringbus-peers PEER CASE [N]

The first measures everything: ringbus, the bare machine and all peers in turn, N rounds of it
(default 5; 3 at least make a figure), prints a table of the medians, and writes it to FILE.
The second measures one case of one peer and prints a line of JSON; N is how many messages.

Peers: iceoryx2, disruptor-mp, aeron (cargo feature `aeron`), socket, ringbus (waitset only)
Cases: pingpong, stream, fanout, wake, waitset, contention, call
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["role", rest @ ..] => crew::play(rest),
        [peer, case, count @ ..] if !peer.starts_with('-') && count.len() < 2 => {
            scene::sweep();
            one(peer, case, count.first())
        }
        args => match Command::of(args) {
            Some(command) => {
                scene::sweep();
                plan::run(&command)
            }
            None => {
                eprint!("{USAGE}");
                return ExitCode::from(2);
            }
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringbus-peers: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is to be measured.
pub struct Command {
    /// The program that measures ringbus.
    pub ringbus: PathBuf,
    /// How often.
    pub rounds: usize,
    /// Where the table goes, if not only to stdout.
    pub write: Option<PathBuf>,
}

impl Command {
    fn of(args: &[&str]) -> Option<Self> {
        let (mut ringbus, mut rounds, mut write) = (None, 5, None);
        for flag in args.chunks(2) {
            match *flag {
                ["--ringbus", path] => ringbus = Some(path.into()),
                ["--rounds", number] => rounds = number.parse().ok().filter(|&of| of > 0)?,
                ["--write", path] => write = Some(path.into()),
                _ => return None,
            }
        }
        Some(Self {
            ringbus: ringbus?,
            rounds,
            write,
        })
    }
}

fn one(peer: &str, case: &str, count: Option<&&str>) -> Result<(), Failure> {
    let count = match count {
        Some(count) => count
            .parse()
            .map_err(|_| format!("{count}: how many messages is a number"))?,
        None => cases::count(peer, case),
    };
    println!("{}", peers::measure(peer, case, count)?);
    Ok(())
}
