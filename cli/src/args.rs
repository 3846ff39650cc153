//! Everything about flags: what there is, what may stand together, and what `--help` says of it.

mod bench;
mod filter;
mod service;
mod values;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Parser, Subcommand, ValueEnum};
use ringbus::{Access, Bus, BusBuilder, OpenError};

use values::{access, capacity, group, interval, rate, seconds, size, topic, topic_or_pattern};

pub use bench::*;
pub use filter::{AttributeArgs, FilterArgs};
pub use service::{CallArgs, ServeArgs};
pub use values::StartPoint;

/// Message bus in shared memory for the processes of one host.
#[derive(Debug, Parser)]
#[command(
    name = "ringbus",
    version,
    after_help = ENDINGS,
    after_long_help = format!("{ENDINGS}\n\n{FIRST_STEPS}"),
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Args {
    /// Which bus.
    #[command(flatten)]
    pub place: Place,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

const ENDINGS: &str = "\
Exit codes:
  0  done (also: ended by SIGINT or SIGTERM, or stdout was closed)
  1  failed; stderr says why
  2  wrong usage
  3  sub, call: the time ran out first
  4  sub --strict: messages were lost";

const FIRST_STEPS: &str = "\
Examples:
  ringbus demo                               see it work
  ringbus sub news --format lines &          wait for the topic, print what comes
  date | ringbus pub news --wait-subscribers 1
  ringbus topics";

/// The bus a verb works on.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Which bus")]
pub struct Place {
    /// The bus: a name of letters, digits, `.`, `_` and `-` [default: default]
    #[arg(long, global = true, value_name = "NAME")]
    pub bus: Option<String>,
    /// The directory that holds the buses [default: $RINGBUS_DIR, else /dev/shm/ringbus-<uid>]
    #[arg(long, global = true, value_name = "PATH")]
    pub dir: Option<PathBuf>,
}

impl Place {
    /// The bus, made if it is not there, for this user alone.
    pub fn open_or_create(&self) -> Result<Bus, OpenError> {
        self.builder().open()
    }

    /// The same for those whom `sharing` names.
    pub fn open_or_create_for(&self, sharing: &Sharing) -> Result<Bus, OpenError> {
        let mut builder = self.builder();
        if let Some(access) = sharing.mode {
            builder = builder.access(access);
        }
        if let Some(gid) = sharing.group {
            builder = builder.group(gid);
        }
        builder.open()
    }

    /// The bus; one that is not there is an error, and stays that way.
    pub fn open_existing(&self) -> Result<Bus, OpenError> {
        self.builder().create(false).open()
    }

    /// Removes the bus with everything in it.
    pub fn destroy(&self) -> Result<(), OpenError> {
        self.builder().destroy()
    }

    fn builder(&self) -> BusBuilder {
        let mut builder = Bus::builder();
        if let Some(dir) = &self.dir {
            builder = builder.dir(dir);
        }
        if let Some(name) = &self.bus {
            builder = builder.name(name);
        }
        builder
    }
}

/// Who may use what a verb makes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Who may use it")]
pub struct Sharing {
    /// Who else may use what is made here, as for chmod: a 6 for this user, then a digit for the
    /// group and one for others: 0 nothing, 4 observe, 5 subscribe, 6 publish [default: that of the
    /// bus, or 600]
    #[arg(long, value_name = "MODE", value_parser = access)]
    pub mode: Option<Access>,
    /// The group meant, by number or name; this user must be a member [default: that of the bus, or
    /// this user's]
    #[arg(long, value_name = "GROUP", value_parser = group)]
    pub group: Option<u32>,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show the bus at its main job, and check that it did it right
    #[command(long_about = STORY)]
    Demo(DemoArgs),
    /// Publish what comes in on stdin, as messages of a topic
    Pub(PubArgs),
    /// Print the messages of a topic, or of all that match a pattern
    Sub(SubArgs),
    /// Send a request to a service, and print the answer
    Call(CallArgs),
    /// Answer the requests to a service by a command
    Serve(ServeArgs),
    /// List the topics of a bus
    Topics(ListArgs),
    /// Tell all about one topic: its form, its counters, who is on it
    Info(InfoArgs),
    /// Remove a topic and free its memory
    Rm(RmArgs),
    /// Remove a whole bus with all its topics, and free their memory
    Destroy(DestroyArgs),
    /// Clear away what dead processes left behind
    Gc(ListArgs),
    /// Watch rates and lags live
    Top(TopArgs),
    /// Hurt a bus in every way there is, and check that nobody else felt it
    Torture(TortureArgs),
    /// Measure the bus on this machine, beside what the machine itself can do
    Bench(BenchArgs),
    /// One process of the demo
    #[command(hide = true)]
    DemoRole(RoleArgs),
    /// One process of a torture case
    #[command(hide = true)]
    TortureRole(TortureRoleArgs),
    /// One process of a bench case
    #[command(hide = true)]
    BenchRole(BenchRoleArgs),
}

const STORY: &str = "\
Show the bus at its main job, and check that it did it right.

A publisher process sends synthetic market data to strategy processes: two reliable ones, a lossy
one that is too slow, and an observer. Half-way, one reliable strategy is killed with SIGKILL and
later restarted. A table shows rates, lag, losses and one-way latencies as they happen. At the end
the demo checks itself: every reliable subscriber got every message, intact and in order, and every
loss was counted exactly.";

/// `ringbus demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without --bus the demo makes a bus of its own and removes it at the end.
Where stdout is no terminal, a line each second takes the place of the table.

Exit codes: 0 every check held, 1 otherwise (or interrupted).")]
pub struct DemoArgs {
    /// How long the publisher publishes, in seconds, 2 to 3600
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u64).range(2..=3600))]
    pub seconds: u64,
    /// Messages a second, 1000 to 100000
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1_000..=100_000))]
    pub rate: u64,
}

/// `ringbus pub`.
#[derive(Debug, clap::Args)]
#[command(
    group = ArgGroup::new("framing").args(["lines", "fixed", "length_prefixed"]),
    after_help = "\
A topic that does not exist yet is created with the flags given here; one that exists must agree
with those given, and keeps the rest of its form. While a reliable subscriber is a whole capacity
behind, pub waits for it. What cannot be published whole (a line too long, a truncated last record)
is an error; what came before it is published. A topic made for what turns out to be an error from the
first message on is removed again.

Examples:
  ringbus pub fx/audusd --lines --capacity 16384 < audusd-quotes.csv
  ringbus pub es/mbo --fixed 56 --wait-subscribers 1 < es-mbo.bin
  tail -f app.log | ringbus pub logs --shared --tag 7
  echo buy | ringbus pub orders --attributes-max 64 --attribute venue=XNYS --attribute price=101.5
  ringbus --dir /dev/shm/plant pub temperature --mode 640 --group operators < readings

Exit codes: 0 all was published (or interrupted), 1 failed, 2 wrong usage."
)]
pub struct PubArgs {
    /// The topic, like `fx/audusd`
    #[arg(value_parser = topic)]
    pub topic: String,
    /// Each line is a message, without its newline; the last one needs none [the default]
    #[arg(long)]
    pub lines: bool,
    /// Each BYTES bytes are a message, and the topic's messages are all that long
    #[arg(long, value_name = "BYTES", value_parser = size)]
    pub fixed: Option<usize>,
    /// Each message follows its length in bytes, an unsigned 32-bit little-endian number
    #[arg(long)]
    pub length_prefixed: bool,
    /// Messages a second, decimals allowed [default: as fast as it goes]
    #[arg(long, value_name = "N", value_parser = rate)]
    pub rate: Option<f64>,
    /// Messages the topic retains, a power of two [default: 4096]
    #[arg(long, value_name = "N", value_parser = capacity)]
    pub capacity: Option<usize>,
    /// Longest message in bytes [default: 1024]
    #[arg(long, value_name = "BYTES", conflicts_with = "fixed", value_parser = size)]
    pub payload_max: Option<usize>,
    /// Make the topic on huge pages, for all who use it; without them, which is said, where the system
    /// gives none
    #[arg(long, alias = "huge")]
    pub huge_pages: bool,
    /// Fault the topic's memory in before the first message
    #[arg(long)]
    pub prefault: bool,
    /// Keep the topic's memory from being swapped out, as long as this runs
    #[arg(long)]
    pub lock_memory: bool,
    /// Allow many publishers on the topic at once, in one order [default: one at a time]
    #[arg(long)]
    pub shared: bool,
    /// The clock that marks each message's publish time [default: none]
    #[arg(long, value_name = "CLOCK")]
    pub time: Option<Time>,
    /// Wait until this many subscribers (reliable or lossy) are there [default: 0]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub wait_subscribers: usize,
    /// The tag of every message, 0 to 18446744073709551615 [default: 0]
    #[arg(long, value_name = "N")]
    pub tag: Option<u64>,
    /// The attributes of every message.
    #[command(flatten)]
    pub attributes: AttributeArgs,
    /// Who may use the bus and the topic.
    #[command(flatten)]
    pub sharing: Sharing,
}

/// How stdin is cut into messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// At newlines.
    Lines,
    /// Every so many bytes.
    Fixed(usize),
    /// By a `u32` length, little endian, before each.
    LengthPrefixed,
}

impl PubArgs {
    /// The one framing asked for.
    pub fn framing(&self) -> Framing {
        match self.fixed {
            Some(bytes) => Framing::Fixed(bytes),
            None if self.length_prefixed => Framing::LengthPrefixed,
            None => Framing::Lines,
        }
    }
}

/// The publish time in each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Time {
    /// None is kept
    None,
    /// CLOCK_MONOTONIC
    Clock,
    /// The processor's time stamp counter, where it is steady
    Tsc,
}

/// `ringbus sub`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A topic that does not exist yet is waited for; one that is removed is read until its last publisher
leaves, which is an error. Losses are told on stderr with their number.

A pattern stands for all topics that match, now and later: `*` for any one level, a last `>` for one
or more. Topics that appear later are read from their first message; one that cannot be read is told
of on stderr and left out.

Formats:
  lines  each payload and a newline
  raw    payloads alone, one after the other
  hex    each payload in hex digits and a newline
  json   one object a line: topic (of a pattern), seq, tag, flags, publisher, time_ns and attributes
         (where kept), len, and payload (text) or, where it is no UTF-8, payload_hex

Examples:
  ringbus sub fx/audusd --from oldest --count 9500 --timeout 5
  ringbus sub fx/audusd --from last:3 --count 3 --format json
  ringbus sub es/mbo --delivery reliable --stall-timeout 5 --format raw > es-mbo.bin
  ringbus sub 'sensors/*/temperature' --json
  ringbus sub orders --where '{\"venue\":[\"XNYS\"],\"price\":[{\"numeric\":[\">\",100]}]}'

Exit codes: 0 done (or interrupted), 1 failed, 2 wrong usage, 3 the time ran out before the topic
or --count messages were there, 4 messages were lost and --strict was given (also if the time ran
out).")]
pub struct SubArgs {
    /// The topic, like `fx/audusd`, or a pattern, like `fx/*`
    #[arg(value_parser = topic_or_pattern)]
    pub topic: String,
    /// Where to start: latest (what comes from now on), oldest (all retained), last:N (the N newest
    /// and on), seq:N (sequence N and on)
    #[arg(long, value_name = "START", default_value = "latest")]
    pub from: StartPoint,
    /// Who waits for whom
    #[arg(long, value_name = "HOW", default_value = "lossy")]
    pub delivery: Delivery,
    /// With --delivery reliable: how long the publisher waits for this one while it does not read, in
    /// seconds, decimals allowed; then it is evicted, told what it missed, and goes on [default: for ever]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub stall_timeout: Option<Duration>,
    /// End after this many messages, 1 or more [default: never]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// End after this many seconds, decimals allowed, the wait for the topic included [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// How messages are printed
    #[arg(long, value_name = "FORMAT", default_value = "lines")]
    pub format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Of a pattern's messages, the first published first, instead of topics in turn
    #[arg(long)]
    pub by_time: bool,
    /// Exit with code 4 if a message was lost
    #[arg(long)]
    pub strict: bool,
    /// Which messages.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Who may use the bus, if this is the first to name it.
    #[command(flatten)]
    pub sharing: Sharing,
}

impl SubArgs {
    /// How messages are printed.
    pub fn format(&self) -> Format {
        match self.json {
            true => Format::Json,
            false => self.format,
        }
    }
}

/// What a subscriber and the publisher owe each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Delivery {
    /// The publisher waits for it: nothing is lost
    Reliable,
    /// It never holds up the publisher: what is overwritten is counted as lost
    Lossy,
    /// Read-only and unknown to the publisher; losses are counted too
    Observe,
}

/// How `sub` prints a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The payload alone
    Raw,
    /// The payload and a newline
    Lines,
    /// The payload in hex digits and a newline
    Hex,
    /// A JSON object and a newline
    Json,
}

/// `ringbus topics` and `ringbus gc`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Print JSON, for scripts
    #[arg(long)]
    pub json: bool,
}

/// `ringbus info`.
#[derive(Debug, clap::Args)]
pub struct InfoArgs {
    /// The topic, like `fx/audusd`
    #[arg(value_parser = topic)]
    pub topic: String,
    /// Print a JSON object, for scripts
    #[arg(long)]
    pub json: bool,
}

/// `ringbus rm`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A topic in use is left alone, which is an error (code 1), unless --force is given: then it vanishes
from the bus, and those who are on it go on with each other.")]
pub struct RmArgs {
    /// The topic, like `fx/audusd`
    #[arg(value_parser = topic)]
    pub topic: String,
    /// Remove it even while living processes are on it
    #[arg(long)]
    pub force: bool,
}

/// `ringbus destroy`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The bus is the one that --bus and --dir name. One in use is left alone, which is an error (code 1), unless
--force is given: then it vanishes, those who are on it go on with each other, and whoever opens it
next gets a new one. --force also removes a bus that is damaged or of another release.

Examples:
  ringbus destroy                            the bus `default`
  ringbus --dir /dev/shm/plant destroy --bus line-2")]
pub struct DestroyArgs {
    /// Remove it even while living processes are on it
    #[arg(long)]
    pub force: bool,
}

/// `ringbus top`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Where stdout is no terminal, the tables are printed one after the other. End it with Ctrl-C.
Rates are over the last interval; the first look has none.")]
pub struct TopArgs {
    /// Between two looks, in seconds, decimals allowed, 0.05 or more
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub interval: Duration,
    /// End after this many looks, 1 or more [default: never]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Print a JSON array of the topics for each look, one a line
    #[arg(long)]
    pub json: bool,
}

/// `ringbus demo-role`: how the demo starts its processes.
#[derive(Debug, clap::Args)]
pub struct RoleArgs {
    /// Which one.
    #[arg(long)]
    pub role: u32,
    /// Which life of it: 1, or 2 once restarted.
    #[arg(long)]
    pub life: u32,
    /// The first sequence to read.
    #[arg(long)]
    pub from: u64,
    /// See [`DemoArgs::seconds`].
    #[arg(long)]
    pub seconds: u64,
    /// See [`DemoArgs::rate`].
    #[arg(long)]
    pub rate: u64,
}

/// `ringbus torture`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The case runs on a bus of its own, in a new directory in /dev/shm or below --dir, and leaves nothing
behind. Without --count or --seconds it runs as long as it takes to be convincing. The same seed
makes the same plan; how the processes meet is up to the machine.

Examples:
  ringbus torture kill --count 10000
  ringbus torture step --json
  ringbus torture stop --operation poll_lossy --seconds 60

Exit codes: 0 every invariant held, 1 otherwise (or interrupted), 2 wrong usage.")]
pub struct TortureArgs {
    /// What is done to the bus
    pub case: Case,
    /// End after this many faults, 1 or more [default: each case's own number]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// End after this many seconds, 1 to 86400; with --count, whichever is first
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: Option<u64>,
    /// step and stop: only operations with this in their name, such as `shared/publish/held`
    #[arg(long, value_name = "TEXT")]
    pub operation: Option<String>,
    /// What chance begins with [default: another one each time, printed at the end]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// hostile: only mutations, from this number on; with --seed and --count 1, one of them again
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..u64::MAX))]
    pub first: Option<u64>,
    /// Print a JSON object on one line, for scripts
    #[arg(long)]
    pub json: bool,
}

/// What `torture` does to a bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Case {
    /// SIGKILL at random moments, to everybody in turn
    Kill,
    /// SIGKILL after every single instruction of all that a process does to a bus
    Step,
    /// SIGSTOP there, while the others go on for laps
    Stop,
    /// Joins, leaves, creates and removes without an end, beside pairs that stay
    Churn,
    /// SIGKILL to dispatchers, servers and clients, while the topics of patterns come and go
    Listeners,
    /// Too little memory, files, descriptors, address space: refused clearly, nothing left
    Space,
    /// Other namespaces, containers, roots and users: works together, or is refused clearly
    Isolation,
    /// Damaged files, and a process that damages them while others work
    Hostile,
}

/// `ringbus torture-role`: how `torture` starts its processes.
#[derive(Debug, clap::Args)]
pub struct TortureRoleArgs {
    /// Which one.
    pub role: String,
    /// Where the buses of the case are.
    pub root: PathBuf,
    /// What it has to know.
    pub args: Vec<String>,
}

#[cfg(test)]
mod tests;
