//! What does the way through C cost? The same programs in Rust and in C, each with the libraries as
//! they are shipped, alternating in one run: `cargo bench -p ringbus-ffi`.
//!
//! | case | measures |
//! |---|---|
//! | `publish`, `poll` | instructions: one thread, caches warm, ns per message |
//! | `pingpong` | one-way p50 between two processes, ns |
//! | `stream`, `batches` | two processes, a reliable subscriber that polls one by one or 64 at once, ns per message |
//!
//! Prints the median of each and the ratio of the medians. Payloads are 64 bytes. In C every message
//! comes with its tag, flags and publisher, which the programs in Rust do not ask for.

mod compile;
#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{array, env, fs, hint, process};

use ringbus::{Bus, Publisher, Subscriber, Topic};

const PAYLOAD_BYTES: usize = 64;
/// Messages that `publish` and `poll` send before they take them.
const ROUND: u64 = 256;
const ROUNDS_DEFAULT: usize = 9;

struct Case {
    name: &'static str,
    /// Who measures; the other one is there before.
    measures: &'static str,
    other: Option<&'static str>,
    count: u64,
    batch: usize,
}

const CASES: [Case; 5] = [
    Case {
        name: "publish",
        measures: "publish",
        other: None,
        count: 4_000_000,
        batch: 1,
    },
    Case {
        name: "poll",
        measures: "poll",
        other: None,
        count: 4_000_000,
        batch: 1,
    },
    Case {
        name: "pingpong",
        measures: "ping",
        other: Some("pong"),
        count: 200_000,
        batch: 1,
    },
    Case {
        name: "stream",
        measures: "sink",
        other: Some("source"),
        count: 8_000_000,
        batch: 1,
    },
    Case {
        name: "batches",
        measures: "sink",
        other: Some("source"),
        count: 8_000_000,
        batch: 64,
    },
];

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["role", role, directory, count, batch] => {
            play(
                role,
                directory.as_ref(),
                number(count),
                number(batch) as usize,
            );
        }
        // As `cargo test --benches` calls it.
        [.., "--test"] => {}
        [rounds, "--bench"] => compare(number(rounds) as usize),
        _ => compare(ROUNDS_DEFAULT),
    }
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

fn compare(rounds: usize) {
    let Some(in_c) = compile::through_c() else {
        return;
    };
    let in_rust = env::current_exe().expect("this program");
    println!(
        "{:<10} {:>12} {:>12} {:>8}   medians of {rounds}",
        "case", "Rust, ns", "C, ns", "ratio"
    );
    for case in &CASES {
        let mut results: [Vec<f64>; 2] = array::from_fn(|_| Vec::new());
        for _ in 0..rounds {
            results[0].push(measure(case, &in_rust, true));
            results[1].push(measure(case, &in_c, false));
        }
        let [rust, c] = results.map(median);
        println!("{:<10} {rust:>12.2} {c:>12.2} {:>8.3}", case.name, c / rust);
    }
}

fn median(mut results: Vec<f64>) -> f64 {
    results.sort_by(f64::total_cmp);
    results[results.len() / 2]
}

fn measure(case: &Case, program: &Path, is_rust: bool) -> f64 {
    let directory = env::temp_dir().join(format!("ringbus-through-c-{}", process::id()));
    fs::create_dir_all(&directory).expect("a directory");
    let start = |role: &str| {
        let mut command = Command::new(program);
        if is_rust {
            command.arg("role");
        }
        command.arg(role).arg(&directory);
        command
            .arg(case.count.to_string())
            .arg(case.batch.to_string());
        command.stdout(Stdio::piped()).spawn().expect("a process")
    };
    let other = case.other.map(start);
    let measured = start(case.measures).wait_with_output().expect("a result");
    assert!(measured.status.success(), "{}", case.name);
    if let Some(mut other) = other {
        assert!(other.wait().expect("an end").success(), "{}", case.name);
    }
    let bus = Bus::builder().dir(&directory).name("bench");
    bus.destroy().expect("the bus that they used");
    fs::remove_dir_all(&directory).expect("the directory made above");
    let printed = String::from_utf8_lossy(&measured.stdout);
    printed.trim().parse().expect("a number")
}

fn play(role: &str, directory: &Path, count: u64, batch: usize) {
    let bus = Bus::builder().dir(directory).name("bench").open();
    let bus = bus.expect("a bus");
    match role {
        "ping" => ping(&bus, count),
        "pong" => pong(&bus, count),
        "source" => source(&bus, count),
        "sink" => sink(&bus, count, batch),
        _ => single(&bus, count, role == "poll"),
    }
}

fn topic(bus: &Bus, name: &str) -> Topic<[u8]> {
    let topic = bus.topic(name).payload_max(PAYLOAD_BYTES);
    topic.open_or_create().expect("a topic")
}

fn publisher(bus: &Bus, name: &str) -> Publisher<[u8]> {
    topic(bus, name).publisher().expect("a publisher")
}

fn subscriber(bus: &Bus, name: &str) -> Subscriber<[u8]> {
    let subscriber = topic(bus, name).subscriber().reliable();
    subscriber.join().expect("a subscriber")
}

fn send(publisher: &Publisher<[u8]>, payload: &[u8; PAYLOAD_BYTES]) {
    publisher.publish(payload).expect("published");
}

fn await_one(subscriber: &mut Subscriber<[u8]>, payload: &mut [u8; PAYLOAD_BYTES]) {
    loop {
        if let Some(message) = subscriber.poll().expect("nothing lost") {
            payload.copy_from_slice(&message);
            return;
        }
    }
}

fn ping(bus: &Bus, count: u64) {
    let mut pongs = subscriber(bus, "pong");
    let pings = publisher(bus, "ping");
    let mut payload = [7; PAYLOAD_BYTES];
    let forever = std::time::Duration::MAX;
    assert!(pings.wait_subscribers(1, forever).expect("a subscriber"));
    let once = |_| {
        let start = Instant::now();
        send(&pings, &payload);
        await_one(&mut pongs, &mut payload);
        start.elapsed().as_nanos() as f64
    };
    println!("{:.1}", median((0..count).map(once).collect()) / 2.0);
}

fn pong(bus: &Bus, count: u64) {
    let mut pings = subscriber(bus, "ping");
    let pongs = publisher(bus, "pong");
    let mut payload = [0; PAYLOAD_BYTES];
    for _ in 0..count {
        await_one(&mut pings, &mut payload);
        send(&pongs, &payload);
    }
}

fn source(bus: &Bus, count: u64) {
    let publisher = publisher(bus, "stream");
    let forever = std::time::Duration::MAX;
    assert!(
        publisher
            .wait_subscribers(1, forever)
            .expect("a subscriber")
    );
    for _ in 0..count {
        send(&publisher, hint::black_box(&[7; PAYLOAD_BYTES]));
    }
}

fn sink(bus: &Bus, count: u64, batch: usize) {
    let mut subscriber = subscriber(bus, "stream");
    let (mut n, mut sum, mut start) = (0, 0, Instant::now());
    while n < count {
        let before = n;
        if batch == 1 {
            if let Some(message) = subscriber.poll().expect("nothing lost") {
                sum += u64::from(message[0]);
                n += 1;
            }
        } else {
            for message in &subscriber.poll_batch(batch).expect("nothing lost") {
                sum += u64::from(message[0]);
                n += 1;
            }
        }
        if before == 0 && n > 0 {
            start = Instant::now();
        }
    }
    println!("{:.3}", start.elapsed().as_nanos() as f64 / count as f64);
    assert_eq!(sum, 7 * count);
}

fn single(bus: &Bus, count: u64, is_polling: bool) {
    let mut subscriber = subscriber(bus, "single");
    let publisher = publisher(bus, "single");
    let (mut sum, mut spent_ns, mut n) = (0, 0, 0);
    while n < count {
        let start = Instant::now();
        for _ in 0..ROUND {
            send(&publisher, hint::black_box(&[7; PAYLOAD_BYTES]));
        }
        let middle = Instant::now();
        while let Some(message) = subscriber.poll().expect("nothing lost") {
            sum += u64::from(message[0]);
        }
        let spent = match is_polling {
            true => middle.elapsed(),
            false => middle - start,
        };
        spent_ns += spent.as_nanos();
        n += ROUND;
    }
    println!("{:.3}", spent_ns as f64 / n as f64);
    assert_eq!(sum, 7 * n);
}
