//! Everything in turn, round after round: ringbus, the bare machine, and each peer.

use std::collections::BTreeMap;
use std::io::Read;
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::scene::Scene;
use crate::{Command, Failure, cases, conditions, peers, table};

/// The cases, each with what `ringbus bench` is told besides; none: it has no such case.
const CASES: &[(&str, Option<&str>)] = &[
    ("pingpong", Some("--size 64 --iters 200000")),
    ("stream", Some("--size 64 --count 20000000")),
    ("fanout", Some("--size 64 --subs 1,4,16 --count 100000")),
    ("wake", Some("--size 64 --iters 2000")),
    ("waitset", None),
    ("contention", Some("--size 64 --pubs 1,2,4 --count 4000000")),
    ("call", Some("--size 64 --iters 100000")),
];

/// In the table's order.
pub const COLUMNS: &[&str] = &[
    "floor",
    "ringbus",
    "iceoryx2",
    "disruptor-mp",
    "aeron",
    "socket",
];

/// No run takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What each column measured of a case, round by round.
pub type Measured = BTreeMap<(&'static str, &'static str), Vec<Value>>;

/// Measures everything, prints the table and writes it.
pub fn run(command: &Command) -> Result<(), Failure> {
    if cfg!(debug_assertions) {
        eprintln!(
            "ringbus-peers: this is a debug build, whose figures mean nothing: build with --release"
        );
    }
    if !command.ringbus.is_file() {
        return Err(format!(
            "there is no program {}: build it with `cargo build --release -p ringbus-cli`",
            command.ringbus.display()
        )
        .into());
    }
    if !cfg!(feature = "aeron") {
        eprintln!("ringbus-peers: skipping aeron: build with --features aeron (needs CMake 3.30)");
    }
    let mut measured = Measured::new();
    let mut failed = Vec::new();
    for round in 1..=command.rounds {
        for &(case, flags) in CASES {
            for &column in COLUMNS {
                let figures = match (column, flags) {
                    ("floor" | "ringbus", Some(flags)) => bench(command, column, case, flags),
                    _ if peers::has(column, case) => {
                        peers::measure(column, case, cases::count(column, case))
                    }
                    _ => continue,
                };
                eprintln!("round {round}: {case}, {column}");
                match figures {
                    Ok(figures) => measured.entry((case, column)).or_default().push(figures),
                    Err(error) => {
                        eprintln!("ringbus-peers: {case}, {column}: {error}");
                        failed.push(format!("{case} of {column} in round {round}"));
                    }
                }
            }
        }
    }
    let document = table::document(&measured, command.rounds, &conditions::lines(), &failed);
    print!("{document}");
    if let Some(path) = &command.write {
        std::fs::write(path, document)
            .map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    }
    match failed.as_slice() {
        [] => Ok(()),
        failed => Err(format!("could not measure {}", failed.join(", ")).into()),
    }
}

/// What `ringbus bench` says of a case.
fn bench(command: &Command, column: &str, case: &str, flags: &str) -> Result<Value, Failure> {
    let scene = Scene::new()?;
    let mut process = Process::new(&command.ringbus);
    process
        .arg("bench")
        .args((column == "floor").then_some("floor"));
    process.arg(case).args(flags.split(' ')).arg("--json");
    process.arg("--dir").arg(scene.dir());
    let mut child = process.stdout(Stdio::piped()).spawn()?;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Err("it hangs".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut said = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut said)?;
    }
    match status.success() {
        true => Ok(serde_json::from_str(said.trim())?),
        false => Err(format!("it ended with {status}").into()),
    }
}
