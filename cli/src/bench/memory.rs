//! The memory that topics take, beside the formula of ARCHITECTURE.md, and what an idle bus costs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use ringbus::{Bus, PublisherMode, TopicInfo};
use serde_json::{Value, json};

use super::crew::{Crew, Part, Role};
use super::form::{layout, payload_bytes, subscribe};
use super::processor;
use super::run::{Run, number};
use super::scene::Scene;
use crate::args::MemoryArgs;
use crate::outcome::Failure;

/// The processes of this case.
pub const ROLES: &[Role] = &[("resident", resident), ("idle", idle)];

const IDLE: &str = "idle";

/// The topics measured: a name, a payload, slots, and whether it is shared.
const TOPICS: [(&str, usize, usize, bool); 5] = [
    ("default", 1024, 4096, false),
    ("64 B x 4096", 64, 4096, false),
    ("64 B x 4096, shared", 64, 4096, true),
    ("1 MiB x 8", 1 << 20, 8, false),
    ("64 B x 1", 64, 1, false),
];

/// What the topics take, and a subscriber that waits.
pub fn bus(scene: &Scene, args: &MemoryArgs) -> Result<Run, Failure> {
    let bus = scene.bus()?;
    let _idle = bus.topic(IDLE).capacity(1).create()?;
    let others = allocated(&bus.path().join("topics"))?;
    let mut run = rows(&bus, |number, _| {
        let mut crew = Crew::new(scene);
        let process = crew.start("resident", scene.cpu(0), &[number])?;
        // Said while its publisher is there, with the chunks that a shared one brings.
        let resident = crew.hear(process)?;
        let file = allocated(&bus.path().join("topics"))? - others;
        Ok(json!({"file_bytes": file, "resident_bytes": resident}))
    })?;
    let mut crew = Crew::new(scene);
    let process = crew.start("idle", scene.cpu(0), &[args.idle_ms])?;
    run.figures["idle_cpu_us_in_a_second"] = crew.hear(process)?;
    Ok(run)
}

/// What the formula says.
pub fn floor(scene: &Scene, _: &MemoryArgs) -> Result<Run, Failure> {
    rows(&scene.bus()?, |_, info| {
        let bytes = formula(info);
        Ok(json!({"file_bytes": bytes, "resident_bytes": bytes}))
    })
}

/// A row for each topic; no two are there at the same time.
fn rows(
    bus: &Bus,
    row: impl Fn(u64, &TopicInfo) -> Result<Value, Failure>,
) -> Result<Run, Failure> {
    let mut rows = Vec::new();
    for (number, (name, payload, slots, is_shared)) in (0..).zip(TOPICS) {
        let form = bus.topic(&topic(number)).payload_max(payload);
        let form = form.capacity(slots);
        let made = if is_shared { form.shared() } else { form }.create()?;
        let mut row = row(number, &made.info())?;
        row["topic"] = json!(name);
        rows.push(row);
        bus.remove(&topic(number), ringbus::Remove::Force)?;
    }
    Ok(Run::of(json!({"rows": rows})))
}

fn topic(number: u64) -> String {
    format!("memory/{number}")
}

/// "Memory" in ARCHITECTURE.md, for an untyped topic with tags, without time and schema, and with one
/// publisher.
fn formula(info: &TopicInfo) -> u64 {
    const PAGE: u64 = 4096;
    let to_page = |bytes: u64| bytes.next_multiple_of(PAGE);
    let publishers = info.max_publishers as u64;
    let (subscribers, pins) = (info.max_subscribers as u64, info.pins as u64);
    let capacity = info.capacity_slots;
    let stride = layout(payload_bytes(info), false).stride as u64;
    let is_shared = info.mode == PublisherMode::Shared;
    let chunks = info.loans as u64 + 1;
    let lists = match is_shared {
        true => 8 * chunks * publishers + 16 * (subscribers * pins + publishers),
        false => 0,
    };
    let head = to_page(2 * PAGE + 128 * publishers + lists);
    let slots = match is_shared {
        true => to_page(64 * capacity) + (capacity + chunks) * stride,
        false => capacity * stride,
    };
    let cursors = to_page(2 * PAGE + 128 * subscribers);
    head + to_page(slots) + cursors
}

/// The memory of all files in a directory.
fn allocated(directory: &Path) -> Result<u64, Failure> {
    let sum = || {
        fs::read_dir(directory)?
            .map(|entry| Ok(entry?.metadata()?.blocks() * 512))
            .sum::<std::io::Result<u64>>()
    };
    sum().map_err(|e| Failure::io(directory.display(), &e))
}

/// Fills the topic, and says how much memory it then shares with the system because of that.
fn resident(part: &mut Part) -> Result<(), Failure> {
    let topic_name = topic(part.number()?);
    // The bus itself takes memory too, once, when it is joined.
    let bus = part.bus()?;
    let joined = bus.topic(IDLE).open()?.publisher()?;
    // So do looks at the topic: its publisher writes through another mapping, and pages of both would
    // count twice.
    let topic = bus.topic(&topic_name).open()?;
    let info = topic.info();
    let before = shared_resident()?;
    let publisher = topic.publisher()?;
    let payload = vec![7; payload_bytes(&info)];
    for _ in 0..info.capacity_slots {
        publisher.publish(&payload)?;
    }
    part.say(&json!(shared_resident()? - before))?;
    part.wait();
    drop(joined);
    Ok(())
}

/// Bytes of shared memory that this process has touched.
fn shared_resident() -> Result<u64, Failure> {
    let status = fs::read_to_string("/proc/self/status")
        .map_err(|e| Failure::io("cannot read /proc/self/status", &e))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssShmem:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes
        .map(|kilobytes| kilobytes * 1024)
        .ok_or_else(|| Failure::say("/proc/self/status does not tell of shared memory"))
}

/// Waits for messages that never come.
fn idle(part: &mut Part) -> Result<(), Failure> {
    let lasts = Duration::from_millis(part.number()?);
    let topic = part.topic(IDLE)?;
    let (_publisher, mut subscriber) = (topic.publisher()?, subscribe(&topic, false)?);
    let (start, used) = (Instant::now(), processor::time_used_ns());
    while start.elapsed() < lasts {
        subscriber.wait(lasts.saturating_sub(start.elapsed()))?;
    }
    let used = (processor::time_used_ns() - used) as f64;
    part.say(&number(used / 1e3 / start.elapsed().as_secs_f64()))
}
