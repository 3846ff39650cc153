//! Has a publish or a poll through C become dearer? Counts the instructions of the functions themselves, as
//! `benches/instructions.rs` of the library does of its own, and compares them with `instructions.txt`.
//!
//! ```sh
//! cargo bench -p ringbus-ffi --bench instructions               # fails where a count is off by more than 5 %
//! cargo bench -p ringbus-ffi --bench instructions -- --update   # writes them down, with the reason in the commit
//! ```
//!
//! The counts are those of one compiler on one kind of processor; for others it says so and passes.

mod compile;
#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;
use std::{env, fs, process};

use ringbus::Bus;

/// Roles of `through_c.c`, and the function that each is about.
const CASES: [(&str, &str); 2] = [
    ("publish", "ringbus_publish"),
    ("poll", "ringbus_subscriber_poll"),
];
/// A multiple of what the program sends before it polls.
const MESSAGES: u64 = 51_200;
/// How far a count may be from what is written down.
const TOLERANCE: f64 = 0.05;

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    // As `cargo test --benches` calls it.
    if has("--test") {
        return;
    }
    let file = support::root().join("ffi/benches/instructions.txt");
    let known = fs::read_to_string(&file).unwrap_or_default();
    let here = conditions();
    let recorded = known.lines().find_map(|line| line.strip_prefix("with "));
    if !has("--update") && recorded != Some(here.as_str()) {
        let with = recorded.unwrap_or("nothing");
        println!("skipped: the counts are those of {with}; this is {here}");
        return;
    }
    let in_c = support::has("valgrind").then(compile::through_c).flatten();
    let Some(in_c) = in_c else { return };
    let mut text = format!(
        "Instructions of one call on a message of 64 bytes, by ffi/benches/instructions.rs,\nwith {here}\n\n"
    );
    let mut off = 0;
    for (role, function) in CASES {
        let count = count(&in_c, role, function);
        text.push_str(&format!("{function:24} {count:.1}\n"));
        off += u32::from(!is_as_known(&known, function, count));
    }
    if has("--update") {
        fs::write(&file, text).expect("a file to write");
    } else if off > 0 {
        println!("{off} counts are off; if that is meant, write them down: -- --update");
        process::exit(1);
    }
}

/// Compares one count, and prints the comparison.
fn is_as_known(known: &str, function: &str, count: f64) -> bool {
    let known = known.lines().find_map(|line| {
        let (name, count) = line.rsplit_once(' ')?;
        (name.trim_end() == function).then(|| count.parse::<f64>().ok())?
    });
    let change = known.map_or(f64::INFINITY, |known| count / known - 1.0);
    println!("{function:24} {count:7.1}, {:+.1} %", change * 100.0);
    change.abs() <= TOLERANCE
}

/// What the counts depend on.
fn conditions() -> String {
    let version = support::succeed(Command::new("rustc").arg("--version"));
    format!("{}, {}", version.trim(), env::consts::ARCH)
}

/// The instructions of one call, with all that it calls.
fn count(program: &Path, role: &str, function: &str) -> f64 {
    let scratch = env::temp_dir().join(format!("ringbus-c-instructions-{}", process::id()));
    fs::create_dir_all(&scratch).expect("a directory");
    let out = scratch.join("callgrind.out");
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--quiet", "--collect-atstart=no"]);
    valgrind.arg(format!("--toggle-collect={function}"));
    valgrind.arg(format!("--callgrind-out-file={}", out.display()));
    valgrind.arg(program).arg(role).arg(&scratch);
    support::succeed(valgrind.arg(MESSAGES.to_string()));
    let counted = fs::read_to_string(&out).expect("what callgrind wrote");
    let bus = Bus::builder().dir(&scratch).name("bench");
    bus.destroy().expect("the bus that it used");
    fs::remove_dir_all(&scratch).expect("the directory made above");
    let total = counted
        .lines()
        .find_map(|line| line.strip_prefix("totals: "));
    let total = total.and_then(|total| total.trim().parse::<f64>().ok());
    total.expect("callgrind's total") / MESSAGES as f64
}
