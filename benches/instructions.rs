//! Has a publish, a poll or a loan become dearer? Counts instructions with callgrind, so that the answer
//! is the same on a busy machine, and compares them with `instructions.txt`.
//!
//! ```sh
//! cargo bench --bench instructions               # fails where a count is off by more than 5 %
//! cargo bench --bench instructions -- --update   # writes the counts down, with the reason in the commit
//! ```
//!
//! The counts are those of one compiler on one kind of processor; for others it says so and passes.

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use ringbus::{Bus, Publisher, Start, Subscriber, TopicBuilder};

const PAYLOAD: [u8; 56] = [7; 56];
/// An eighth of the default ring: each count has one look at the subscribers' cursors in it.
const MESSAGES: usize = 512;
const BATCH: usize = 64;
/// How far a count may be from what is written down.
const TOLERANCE: f64 = 0.05;

type Shape = fn(TopicBuilder<[u8]>) -> TopicBuilder<[u8]>;
type Error = Box<dyn std::error::Error>;

const TOPICS: [(&str, Shape); 3] = [
    ("exclusive", |topic| topic.payload_max(PAYLOAD.len())),
    ("shared", |topic| topic.payload_max(PAYLOAD.len()).shared()),
    ("lean", |topic| {
        topic.payload_fixed(PAYLOAD.len()).tags(false)
    }),
];
/// What is counted of each topic, in this order.
const OPERATIONS: [&str; 5] = ["publish", "loan", "poll", "poll_batch", "poll, lossy"];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    let done = match args.iter().position(|arg| arg == "--operate") {
        Some(at) => operate(Path::new(&args[at + 1])),
        None => compare(has("--update")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(is_update: bool) -> Result<(), Error> {
    let figures = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt");
    let here = conditions()?;
    let known = fs::read_to_string(&figures).unwrap_or_default();
    let recorded = known.lines().find_map(|line| line.strip_prefix("with "));
    if !is_update && recorded != Some(here.as_str()) {
        let with = recorded.unwrap_or("nothing");
        println!("skipped: the counts are those of {with}; this is {here}");
        return Ok(());
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: no valgrind");
        return Ok(());
    }
    let counts = count()?;
    if is_update {
        return write(&figures, &here, &counts);
    }
    let off = counts
        .iter()
        .filter(|(name, count)| !is_as_known(&known, name, **count));
    match off.count() {
        0 => Ok(()),
        off => Err(format!(
            "{off} of {} counts are off by more than {:.0} %; if that is meant, write them down: \
             cargo bench --bench instructions -- --update",
            counts.len(),
            TOLERANCE * 100.0
        )
        .into()),
    }
}

/// Compares one count, and prints the comparison.
fn is_as_known(known: &str, name: &str, count: f64) -> bool {
    let known = known.lines().find_map(|line| {
        let (known_name, count) = line.rsplit_once(' ')?;
        (known_name.trim_end() == name).then(|| count.parse::<f64>().ok())?
    });
    let Some(known) = known else {
        println!("{name:24} {count:7.1}, not written down");
        return false;
    };
    let change = count / known - 1.0;
    println!(
        "{name:24} {count:7.1}, was {known:7.1}: {:+.1} %",
        change * 100.0
    );
    change.abs() <= TOLERANCE
}

fn write(figures: &Path, here: &str, counts: &BTreeMap<String, f64>) -> Result<(), Error> {
    let mut text = format!(
        "Instructions of one operation on a message of {} bytes, by benches/instructions.rs,\nwith {here}\n\n",
        PAYLOAD.len()
    );
    for (name, count) in counts {
        println!("{name:24} {count:7.1}");
        text.push_str(&format!("{name:24} {count:.1}\n"));
    }
    Ok(fs::write(figures, text)?)
}

/// What the counts depend on: the compiler, and the instructions that it and the C library may use.
fn conditions() -> Result<String, Error> {
    let version = Command::new("rustc").arg("--version").output()?;
    let version = String::from_utf8(version.stdout)?;
    let arch = std::env::consts::ARCH;
    Ok(format!("{}, {arch}", version.trim()))
}

/// The instructions of each operation, by callgrind.
fn count() -> Result<BTreeMap<String, f64>, Error> {
    let scratch = Scratch::new()?;
    let out = scratch.0.join("callgrind.out");
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--collect-atstart=no"])
        .args([
            "--toggle-collect=*ringbus_bench_measured*",
            // Another pattern for the same: callgrind heeds only the first option of one pattern.
            "--dump-after=*bench_measured*",
        ])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe()?)
        .arg("--operate")
        .arg(&scratch.0)
        .status()?;
    if !status.success() {
        return Err(format!("valgrind ended with {status}").into());
    }
    let names = TOPICS
        .iter()
        .flat_map(|(topic, _)| OPERATIONS.map(|operation| format!("{topic}/{operation}")));
    let counted = names.zip(1..).map(|(name, number)| {
        // Each call of `measured` is dumped into a file of its own.
        let dump = fs::read_to_string(format!("{}.{number}", out.display()))?;
        let total = dump.lines().find_map(|line| line.strip_prefix("totals: "));
        let total: f64 = total
            .ok_or("no totals in callgrind's dump")?
            .trim()
            .parse()?;
        Ok((name, total / MESSAGES as f64))
    });
    counted.collect()
}

/// What counts is what this calls.
#[inline(never)]
fn ringbus_bench_measured(operation: &mut dyn FnMut()) {
    operation();
    // Or else the call above is a jump, and this function never ends.
    black_box(());
}

/// Does, under callgrind, everything that is counted.
fn operate(root: &Path) -> Result<(), Error> {
    let bus = Bus::builder().dir(root).open()?;
    for (name, shape) in TOPICS {
        let topic = shape(bus.topic(name)).create()?;
        let publisher = topic.publisher()?;
        // Twice before: what happens once, such as binding a symbol, is over by then.
        twice_and_measured(|| publish(&publisher));
        twice_and_measured(|| loan(&publisher));
        let subscriber = || topic.subscriber().start(Start::Latest);
        taking(&publisher, subscriber().reliable().join()?, poll);
        taking(&publisher, subscriber().reliable().join()?, poll_batch);
        taking(&publisher, subscriber().lossy().join()?, poll);
    }
    drop(bus);
    Ok(Bus::builder().dir(root).destroy()?)
}

fn twice_and_measured(mut operation: impl FnMut()) {
    operation();
    operation();
    ringbus_bench_measured(&mut operation);
}

/// Counts taking only; the publishing before it is not.
fn taking(
    publisher: &Publisher<[u8]>,
    mut subscriber: Subscriber<[u8]>,
    take: fn(&mut Subscriber<[u8]>) -> usize,
) {
    for _ in 0..2 {
        publish(publisher);
        assert_eq!(take(&mut subscriber), MESSAGES);
    }
    publish(publisher);
    let mut taken = 0;
    ringbus_bench_measured(&mut || taken = take(&mut subscriber));
    assert_eq!(taken, MESSAGES);
}

fn publish(publisher: &Publisher<[u8]>) {
    for _ in 0..MESSAGES {
        publisher.publish(black_box(&PAYLOAD)).expect("room");
    }
}

fn loan(publisher: &Publisher<[u8]>) {
    for _ in 0..MESSAGES {
        let mut loan = publisher.loan(PAYLOAD.len()).expect("room");
        loan.copy_from_slice(black_box(&PAYLOAD));
        loan.commit().expect("room");
    }
}

fn poll(subscriber: &mut Subscriber<[u8]>) -> usize {
    (0..MESSAGES)
        .filter(|_| {
            let message = subscriber.poll().expect("no loss");
            black_box(message).is_some()
        })
        .count()
}

fn poll_batch(subscriber: &mut Subscriber<[u8]>) -> usize {
    let mut taken = 0;
    while taken < MESSAGES {
        let batch = subscriber.poll_batch(BATCH).expect("no loss");
        for message in &batch {
            black_box(message.payload());
        }
        taken += batch.len();
    }
    taken
}

/// A directory that is gone when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> std::io::Result<Self> {
        let dir = std::env::temp_dir().join(format!("ringbus-instructions-{}", std::process::id()));
        fs::create_dir(&dir)?;
        Ok(Self(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
