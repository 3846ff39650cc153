//! Has a publish or a poll through C or C++ become dearer? Counts the instructions of the functions themselves,
//! as `benches/instructions.rs` of the library does of its own, and compares them with `instructions.txt`; and
//! what a program in C++ does around these functions, which `ringbus.hpp` decides, beside one in C, and
//! compares that with `instructions_cpp.txt`.
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
const IN_THE_LIBRARY: [(&str, &str); 2] = [
    ("publish", "ringbus_publish"),
    ("poll", "ringbus_subscriber_poll"),
];
const PUBLISH: &[&str] = &["ringbus_publish"];
const POLL: &[&str] = &["ringbus_subscriber_poll"];
const PUBLISH_BATCH: &[&str] = &["ringbus_publish_array", "ringbus_publish_batch"];
const POLL_BATCH: &[&str] = &[
    "ringbus_subscriber_poll_batch",
    "ringbus_subscriber_release",
];
/// Functions of `through_cpp.cpp`, and what each calls.
const IN_PROGRAMS: [(&str, &[&str]); 10] = [
    ("publish_in_c", PUBLISH),
    ("publish_bytes_in_cpp", PUBLISH),
    ("publish_typed_in_cpp", PUBLISH),
    ("poll_in_c", POLL),
    ("poll_bytes_in_cpp", POLL),
    ("poll_typed_in_cpp", POLL),
    ("publish_batch_in_c", PUBLISH_BATCH),
    ("publish_batch_in_cpp", PUBLISH_BATCH),
    ("poll_batch_in_c", POLL_BATCH),
    ("poll_batch_in_cpp", POLL_BATCH),
];
/// A multiple of what the programs send before they poll.
const MESSAGES: u64 = 51_200;
/// How far a count may be from what is written down.
const TOLERANCE: f64 = 0.05;

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    // As `cargo test --benches` calls it.
    if has("--test") || !support::has("valgrind") {
        return;
    }
    let mut off = 0;
    for figures in [in_the_library(), in_programs()] {
        off += figures.check(has("--update"));
    }
    if off > 0 {
        println!("{off} counts are off; if that is meant, write them down: -- --update");
        process::exit(1);
    }
}

fn in_the_library() -> Figures {
    Figures {
        file: "instructions.txt",
        about: "of one call on a message of 64 bytes",
        conditions: conditions("rustc"),
        count: || {
            let program = compile::through_c()?;
            let count = |(role, function)| (function, count(&program, role, &[function]));
            Some(IN_THE_LIBRARY.map(count).to_vec())
        },
    }
}

fn in_programs() -> Figures {
    Figures {
        file: "instructions_cpp.txt",
        about: "of a program for one message of 64 bytes, but for what it calls",
        conditions: if support::has("c++") {
            conditions("c++")
        } else {
            String::new()
        },
        count: || {
            let program = compile::compile("c++", &["-std=c++17"], "through_cpp.cpp")?;
            let count = |(function, calls)| {
                let with_calls = count(&program, function, &[function]);
                (function, with_calls - count(&program, function, calls))
            };
            Some(IN_PROGRAMS.map(count).to_vec())
        },
    }
}

/// Counts that are written down.
struct Figures {
    file: &'static str,
    about: &'static str,
    /// What they depend on.
    conditions: String,
    /// Each with its name; `None` where nothing can be counted.
    count: fn() -> Option<Vec<(&'static str, f64)>>,
}

impl Figures {
    /// Compares the counts with those of the file, or writes them down; how many are off.
    fn check(&self, is_update: bool) -> u32 {
        let file = support::root().join("ffi/benches").join(self.file);
        let known = fs::read_to_string(&file).unwrap_or_default();
        let here = &self.conditions;
        let recorded = known.lines().find_map(|line| line.strip_prefix("with "));
        if !is_update && recorded != Some(here.as_str()) {
            let with = recorded.unwrap_or("nothing");
            println!("skipped: the counts are those of {with}; this is {here}");
            return 0;
        }
        let Some(counts) = (self.count)() else {
            return 0;
        };
        let about = self.about;
        let mut text =
            format!("Instructions {about}, by ffi/benches/instructions.rs,\nwith {here}\n\n");
        let mut off = 0;
        for (name, count) in counts {
            text.push_str(&format!("{name:24} {count:.1}\n"));
            off += u32::from(!is_as_known(&known, name, count));
        }
        if is_update {
            fs::write(&file, text).expect("a file to write");
            return 0;
        }
        off
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

/// A compiler and the kind of processor.
fn conditions(compiler: &str) -> String {
    let version = support::succeed(Command::new(compiler).arg("--version"));
    let version = version.lines().next().unwrap_or_default();
    format!("{}, {}", version.trim(), env::consts::ARCH)
}

/// The instructions for one message in these functions, with all that they call.
fn count(program: &Path, role: &str, functions: &[&str]) -> f64 {
    let scratch = env::temp_dir().join(format!("ringbus-c-instructions-{}", process::id()));
    fs::create_dir_all(&scratch).expect("a directory");
    let out = scratch.join("callgrind.out");
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--quiet", "--collect-atstart=no"]);
    for function in functions {
        valgrind.arg(format!("--toggle-collect={function}"));
    }
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
