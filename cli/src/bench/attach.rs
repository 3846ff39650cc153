//! From nothing to the first message, in a new process.

use ringbus::{Start, Timestamp};
use serde_json::{Value, json};

use super::crew::{Crew, Part, Role};
use super::region::Region;
use super::run::{Run, number};
use super::scene::Scene;
use crate::args::AttachArgs;
use crate::latency::Latencies;
use crate::outcome::Failure;

/// The processes of this case.
pub const ROLES: &[Role] = &[("attach", attach), ("floor-attach", floor_attach)];

const FIRST: &str = "first";
const SECOND: &str = "second";
/// The steps that bus and floor have, and what they are called in charts.
const CHARTED: [(&str, &str); 2] = [
    ("attach_us", "attach_ns"),
    ("further_topic_us", "further_topic_ns"),
];

/// Through the bus: topics of the default form, with a message each, and nobody on them.
pub fn bus(scene: &Scene, args: &AttachArgs) -> Result<Run, Failure> {
    let bus = scene.bus()?;
    for name in [FIRST, SECOND] {
        bus.topic(name).create()?.publisher()?.publish(b"here")?;
    }
    measure(scene, args, "attach")
}

/// Files opened, mapped and read.
pub fn floor(scene: &Scene, args: &AttachArgs) -> Result<Run, Failure> {
    let create = |name| Region::create(scene.root(), name, 4096);
    let _regions = [create(FIRST)?, create(SECOND)?];
    measure(scene, args, "floor-attach")
}

/// The medians over processes, of each step.
fn measure(scene: &Scene, args: &AttachArgs, role: &'static str) -> Result<Run, Failure> {
    let mut steps: Vec<(String, Latencies)> = Vec::new();
    for process in 0..args.iters {
        let started = Timestamp::now().as_nanos();
        let mut crew = Crew::new(scene);
        let cpu = scene.cpu(process as usize);
        let process = crew.start(role, cpu, &[started])?;
        let said = crew.hear(process)?;
        for (step, took) in said.as_object().into_iter().flatten() {
            let took = took.as_u64().unwrap_or_default();
            let known = steps.iter().position(|(known, _)| known == step);
            let at = known.unwrap_or(steps.len());
            if known.is_none() {
                steps.push((step.clone(), Latencies::new().map_err(Failure::say)?));
            }
            steps[at].1.record(took);
        }
    }
    let mut figures = json!({});
    for (step, took) in &steps {
        figures[step] = number(took.percentiles().p50_ns as f64 / 1e3);
    }
    let mut run = Run::of(figures);
    for (step, took) in steps {
        run = match CHARTED.into_iter().find(|(charted, _)| *charted == step) {
            Some((_, name)) => run.and(name, took),
            None => run,
        };
    }
    Ok(run)
}

/// Times steps, one after the other.
struct Steps {
    first: u64,
    last: u64,
    took: Value,
}

impl Steps {
    fn begin() -> Self {
        let now = Timestamp::now().as_nanos();
        Self {
            first: now,
            last: now,
            took: json!({}),
        }
    }

    /// The step of this name is done.
    fn done(&mut self, step: &str) {
        let now = Timestamp::now().as_nanos();
        self.took[step] = json!(now - self.last);
        self.last = now;
    }

    /// So are all since this time.
    fn all_since(&mut self, step: &str, start: u64) {
        self.took[step] = json!(self.last.saturating_sub(start));
    }
}

fn attach(part: &mut Part) -> Result<(), Failure> {
    let started = part.number()?;
    let mut steps = Steps::begin();
    let bus = part.bus()?;
    steps.done("open_bus_us");
    let topic = bus.topic(FIRST).open()?;
    steps.done("open_topic_us");
    let mut subscriber = topic.subscriber().reliable().start(Start::Oldest).join()?;
    steps.done("join_us");
    let found = subscriber.poll()?.map(|message| message.len());
    steps.done("first_message_us");
    steps.all_since("attach_us", steps.first);
    steps.all_since("from_spawn_us", started);
    // What is taken down again later, and not before the clock is read, as with the first.
    let second = bus.topic(SECOND).open()?;
    let mut reader = second.subscriber().reliable().start(Start::Oldest).join()?;
    let further = reader.poll()?.map(|message| message.len());
    steps.done("further_topic_us");
    match (found, further) {
        (Some(4), Some(4)) => part.say(&steps.took),
        _ => Err(Failure::say("a message is missing")),
    }
}

fn floor_attach(part: &mut Part) -> Result<(), Failure> {
    let started = part.number()?;
    let read = |name| {
        let region = part.region(name)?;
        let value = region.word(0).load(std::sync::atomic::Ordering::Acquire);
        Ok::<_, Failure>((region, value))
    };
    let mut steps = Steps::begin();
    let first = read(FIRST)?;
    steps.done("attach_us");
    steps.all_since("from_spawn_us", started);
    let second = read(SECOND)?;
    steps.done("further_topic_us");
    match (first.1, second.1) {
        (0, 0) => part.say(&steps.took),
        _ => Err(Failure::say("fresh memory is not zero")),
    }
}
