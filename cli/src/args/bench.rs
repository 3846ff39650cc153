//! The flags of `ringbus bench`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::values::{Unreadable, capacity};

/// `ringbus bench`.
#[derive(Debug, clap::Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    long_about = METHOD,
    after_help = "\
Examples:
  ringbus bench pingpong --rounds 5                  beside the machine's own limit
  ringbus bench stream --lean --batch 16 --rounds 5
  ringbus bench wake --json
  ringbus bench stream --via c --batch 1             what a program in C gets
  ringbus bench floor stream --json

Exit codes: 0 measured, 1 failed (a message was lost or out of order, or interrupted), 2 wrong usage."
)]
pub struct BenchArgs {
    /// What to measure.
    #[command(subcommand)]
    pub what: Bench,
}

const METHOD: &str = "\
Measure the bus on this machine, beside what the machine itself can do.

Each case runs in processes of its own, pinned to processors of their own, on a bus of its own in
/dev/shm or below --dir. With --rounds R it alternates R times with its floor: the same work on bare
shared memory, hand-made, as fast as this program can make it; where it is another thing, as of
call, filter and multi, `ringbus bench CASE --help` says which. Both get new processes and new memory
each time, and the medians over the rounds are shown, with the ratio of the two. A single figure says
little, as memory lies elsewhere with each start (15 % and more); a ratio of medians over five rounds
on a quiet machine does.

Times within one process are read from the time-stamp counter where there is one that is steady, and
from CLOCK_MONOTONIC elsewhere. `clock_ns` is what one reading costs here: pingpong has half of it in
each one-way figure, the bus and its floor alike. Of latencies, `mid` is the mean of the middle half, which
the steps of a coarse counter do not round; p50 and the rest are what they are everywhere.

Cases that measure latencies one by one (pingpong, wake, call, attach) write all of them by --hdr FILE, as
an HdrHistogram log in nanoseconds, and draw them beside the floor's by --svg FILE.";

/// What `bench` measures: a case, or its floor alone.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// One case.
    #[command(flatten)]
    Case(BenchCase),
    /// Only the machine's limit: the same work on bare shared memory
    Floor {
        /// Of which case.
        #[command(subcommand)]
        case: BenchCase,
    },
}

/// The cases.
#[derive(Debug, Subcommand)]
pub enum BenchCase {
    /// One-way latency: a message there and one back, both sides polling
    Pingpong(PingpongArgs),
    /// Throughput: one publisher, one subscriber that checks every message
    Stream(StreamArgs),
    /// What a publish and a take cost, by the number of subscribers, in one thread
    Fanout(FanoutArgs),
    /// One-way latency to a subscriber that sleeps
    Wake(WakeArgs),
    /// Throughput of many publishers on one topic, each one's order checked
    Contention(ContentionArgs),
    /// Latency of passing, and throughput of filling and reading, by the size of the message
    Sizes(SizesArgs),
    /// The time from nothing to the first message in a new process
    Attach(AttachArgs),
    /// Latency of calls: half of a request and its reply
    Call(CallBenchArgs),
    /// What a message costs that a subscriber does not want, by the kind of filter
    Filter(FilterBenchArgs),
    /// What taking a message costs, by the number of topics of one subscription
    Multi(MultiArgs),
    /// Memory that topics take, beside the documented formula; time that an idle bus takes
    Memory(MemoryArgs),
}

/// What all cases have.
#[derive(Debug, clap::Args)]
pub struct CommonArgs {
    /// Alternate so many times with the floor, 1 to 1000 [default: once, and without the floor
    /// unless --svg draws it]
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: Option<u32>,
    /// The processors to use, one or more [default: the first two this process may use]
    #[arg(long, value_name = "A,B", value_parser = cpus)]
    pub cpus: Option<Cpus>,
    /// Print JSON, one object a line: the bus's, and the floor's if it was measured
    #[arg(long)]
    pub json: bool,
}

/// Processors, by number.
pub type Cpus = Vec<usize>;

/// Numbers of something, each a row.
pub type Counts = Vec<u64>;

/// Where a distribution of latencies goes.
#[derive(Debug, clap::Args)]
pub struct ChartArgs {
    /// Write the latencies there, as an HdrHistogram log of one interval for each distribution
    #[arg(long, value_name = "FILE")]
    pub hdr: Option<PathBuf>,
    /// Draw the latencies by percentile there, beside the floor's
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// How the measured topic is made, and read.
#[derive(Debug, Clone, clap::Args)]
pub struct FormArgs {
    /// Payload, in bytes, 8 or more [default: 64, with --lean 56]
    #[arg(long, value_name = "BYTES", value_parser = payload)]
    pub size: Option<usize>,
    /// Messages of one fixed size, without tags: the smallest header, 8 bytes
    #[arg(long)]
    pub lean: bool,
    /// One publisher at a time, or many
    #[arg(long, value_name = "MODE", default_value = "exclusive")]
    pub mode: Mode,
    /// Who waits for whom
    #[arg(long, value_name = "HOW", default_value = "reliable")]
    pub delivery: Reading,
    /// Messages the topic retains, a power of two [default: the library's, 4096]
    #[arg(long, value_name = "N", value_parser = capacity)]
    pub capacity: Option<usize>,
    /// Make the topic on huge pages; the floor has none
    #[arg(long, alias = "huge")]
    pub huge_pages: bool,
}

/// How publishers share the measured topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// One at a time, in place
    Exclusive,
    /// Many, in one order
    Shared,
}

/// How the measured topic is subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Reading {
    /// The publisher waits: nothing is lost
    Reliable,
    /// The publisher never waits: losses are counted
    Lossy,
}

/// What publishes and reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Via {
    /// This program's own library
    Rust,
    /// libringbus.so, from $RINGBUS_LIBRARY, beside this program, or where the system has it
    C,
}

/// `ringbus bench pingpong`.
#[derive(Debug, clap::Args)]
pub struct PingpongArgs {
    /// Form.
    #[command(flatten)]
    pub form: FormArgs,
    /// Round trips timed, after as many again, at most 100000, to warm up
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub iters: u64,
    /// What the processes call: the Rust API, or the shared library of the C ABI
    #[arg(long, value_name = "WAY", default_value = "rust")]
    pub via: Via,
    /// Common.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Chart.
    #[command(flatten)]
    pub chart: ChartArgs,
}

/// `ringbus bench stream`.
#[derive(Debug, clap::Args)]
pub struct StreamArgs {
    /// Form.
    #[command(flatten)]
    pub form: FormArgs,
    /// Messages
    #[arg(long, value_name = "N", default_value_t = 50_000_000, value_parser = clap::value_parser!(u64).range(2..))]
    pub count: u64,
    /// Messages published, and taken, with one call at most; 1: one by one
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    pub batch: u64,
    /// What the processes call: the Rust API, or the shared library of the C ABI
    #[arg(long, value_name = "WAY", default_value = "rust")]
    pub via: Via,
    /// Common.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// `ringbus bench fanout`.
#[derive(Debug, clap::Args)]
pub struct FanoutArgs {
    /// Form.
    #[command(flatten)]
    pub form: FormArgs,
    /// Subscribers, for each row
    #[arg(long, value_name = "N,N", default_value = "1,2,4,8,16,64", value_parser = numbers)]
    pub subs: Counts,
    /// Messages, for each row
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: u64,
    /// Publish and take so many messages with one call; the floor has no calls
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=512))]
    pub batch: u64,
    /// Common.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// `ringbus bench wake`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Measured twice: as it is, where much of the time goes into waking a processor that was halted, and
with a process of idle priority that keeps the sleeper's processor awake.")]
pub struct WakeArgs {
    /// Form.
    #[command(flatten)]
    pub form: FormArgs,
    /// Messages
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub iters: u64,
    /// Microseconds from one message to the next; the default is long enough to fall asleep in
    #[arg(long = "pause", value_name = "US", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub pause_us: u64,
    /// Microseconds that the sleeper spins first, of the bus's only [default: the library's, 20]
    #[arg(long = "spin", value_name = "US", value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    pub spin_us: Option<u64>,
    /// Common.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Chart.
    #[command(flatten)]
    pub chart: ChartArgs,
}

/// `ringbus bench contention`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The topic is shared, and its subscriber reliable. The subscriber is on the last of the processors, the
publishers on all of them in turn. The floor is that of `stream`: one writer, one reader, nobody else.")]
pub struct ContentionArgs {
    /// Publishers, for each row
    #[arg(long, value_name = "N,N", default_value = "1,2,4", value_parser = numbers)]
    pub pubs: Counts,
    /// Payload, in bytes, 8 or more
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = payload)]
    pub size: usize,
    /// Messages, for each row
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(2..))]
    pub count: u64,
    /// Messages the topic retains, a power of two [default: the library's, 4096]
    #[arg(long, value_name = "N", value_parser = capacity)]
    pub capacity: Option<usize>,
    /// Common.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// `ringbus bench sizes`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
pass: a loan there and one back, neither written nor read. fill and read: every byte is copied into a
loan and out of the message; the floor copies through bare memory, from processor to processor.")]
pub struct SizesArgs {
    /// Payloads in bytes, for each row
    #[arg(long, value_name = "N,N", default_value = "8,64,1024,4096,65536,1048576,16777216", value_parser = sizes)]
    pub sizes: Counts,
    /// Messages passed for each row
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub iters: u64,
    /// Bytes filled and read for each row, one message at least
    #[arg(long, value_name = "N", default_value_t = 1 << 30, value_parser = clap::value_parser!(u64).range(1..))]
    pub bytes: u64,
    /// Common.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// `ringbus bench attach`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The floor is a file opened, mapped and read, in a new process as well.")]
pub struct AttachArgs {
    /// Processes started
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub iters: u64,
    /// Common.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Chart.
    #[command(flatten)]
    pub chart: ChartArgs,
}

/// `ringbus bench call`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The floor is `pingpong` through two topics of the bus: two publishes, without anything that makes them a
call.")]
pub struct CallBenchArgs {
    /// Payload of request and reply, in bytes, 8 or more
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = payload)]
    pub size: usize,
    /// The floor's topics; a service's are shared
    #[arg(long, value_name = "MODE", default_value = "exclusive")]
    pub mode: Mode,
    /// Calls timed, after as many again, at most 100000, to warm up
    #[arg(long, value_name = "N", default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub iters: u64,
    /// Common.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Chart.
    #[command(flatten)]
    pub chart: ChartArgs,
}

/// `ringbus bench filter`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
skip: 512 messages in a row are skipped by poll_batch. sift: every second one is wanted, and polled one by one. The
floor takes each of the same messages without a filter, in batches of 64 and one by one.")]
pub struct FilterBenchArgs {
    /// Messages, for each row
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: u64,
    /// Common.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// `ringbus bench multi`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
in_turn and by_time: all topics have messages; one_busy: one of them has all. The floor is a subscriber of
one topic, whatever the row.")]
pub struct MultiArgs {
    /// Topics, for each row
    #[arg(long, value_name = "N,N", default_value = "1,100,1000", value_parser = numbers)]
    pub topics: Counts,
    /// Messages, for each row
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: u64,
    /// Common.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// `ringbus bench memory`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The floor is the formula of ARCHITECTURE.md, in bytes. The idle bus is a subscriber that waits.")]
pub struct MemoryArgs {
    /// How long the idle bus is watched, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub idle_ms: u64,
    /// Common.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// `ringbus bench-role`: how `bench` starts its processes.
#[derive(Debug, clap::Args)]
pub struct BenchRoleArgs {
    /// Which one.
    pub role: String,
    /// The case's directory.
    pub root: PathBuf,
    /// The processor to run on.
    pub cpu: usize,
    /// What else it has to know.
    pub numbers: Vec<u64>,
}

/// Bytes, enough for a number.
fn payload(text: &str) -> Result<usize, Unreadable> {
    match text.parse() {
        Ok(bytes) if bytes >= 8 => Ok(bytes),
        _ => Err(Unreadable("must be a number of bytes, 8 or more")),
    }
}

/// Processors, by number.
fn cpus(text: &str) -> Result<Vec<usize>, Unreadable> {
    let list = list(text).ok_or(Unreadable("must be numbers of processors: 0,1"))?;
    Ok(list.into_iter().map(|cpu| cpu as usize).collect())
}

/// Numbers of something, 1 to 1024 each.
fn numbers(text: &str) -> Result<Vec<u64>, Unreadable> {
    match list(text) {
        Some(list) if list.iter().all(|number| (1..=1024).contains(number)) => Ok(list),
        _ => Err(Unreadable("must be numbers from 1 to 1024: 1,2,4")),
    }
}

/// Lengths in bytes, 8 bytes to 1 GiB each.
fn sizes(text: &str) -> Result<Vec<u64>, Unreadable> {
    match list(text) {
        Some(list) if list.iter().all(|bytes| (8..=1 << 30).contains(bytes)) => Ok(list),
        _ => Err(Unreadable(
            "must be numbers of bytes, 8 to 1073741824: 64,4096",
        )),
    }
}

/// Numbers with commas between them.
fn list(text: &str) -> Option<Vec<u64>> {
    text.split(',').map(|number| number.parse().ok()).collect()
}
