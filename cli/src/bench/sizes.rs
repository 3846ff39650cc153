//! What the size of a message changes: nothing for passing it on, the copying for the rest.

use serde_json::{Value, json};

use super::clock::Clock;
use super::crew::{Crew, Part, Role};
use super::floor::lines::Mailbox;
use super::floor::ring::{Any, Ring};
use super::form::{layout, next, payload_bytes, subscribe};
use super::region::Region;
use super::run::{Run, number};
use super::scene::Scene;
use crate::args::SizesArgs;
use crate::latency::Latencies;
use crate::outcome::Failure;

/// The processes of this case.
pub const ROLES: &[Role] = &[
    ("pass", pass),
    ("pass-back", pass_back),
    ("fill", fill),
    ("drain", drain),
    ("floor-pass", floor_pass),
    ("floor-pass-back", floor_pass_back),
    ("floor-fill", floor_fill),
    ("floor-drain", floor_drain),
];

const THERE: &str = "there";
const BACK: &str = "back";
/// Messages filled for a row at most, however small.
const FILLS_MAX: u64 = 1_000_000;

/// Through the bus.
pub fn bus(scene: &Scene, args: &SizesArgs) -> Result<Run, Failure> {
    let bus = scene.bus()?;
    rows(args, |size, messages| {
        for name in [THERE, BACK] {
            let topic = bus.topic(&format!("{name}-{size}"));
            let topic = topic.payload_max(size as usize);
            topic.capacity(slots(size) as usize).create()?;
        }
        let passed = measure(scene, ["pass", "pass-back"], &[size, args.iters])?;
        let filled = measure(scene, ["drain", "fill"], &[size, messages])?;
        for name in [THERE, BACK] {
            bus.remove(&format!("{name}-{size}"), ringbus::Remove::Force)?;
        }
        Ok((passed, filled))
    })
}

/// Through bare memory: a line there and back, and a ring of as many slots.
pub fn floor(scene: &Scene, args: &SizesArgs) -> Result<Run, Failure> {
    rows(args, |size, messages| {
        let form = layout(size as usize, false);
        let (mail, ring) = (format!("{BACK}-{size}"), format!("{THERE}-{size}"));
        let _mail = Region::create(scene.root(), &mail, 2 * Mailbox::bytes(8))?;
        let _ring = Region::create(scene.root(), &ring, Ring::bytes(form, slots(size)))?;
        let passed = measure(
            scene,
            ["floor-pass", "floor-pass-back"],
            &[size, args.iters],
        )?;
        let filled = measure(scene, ["floor-drain", "floor-fill"], &[size, messages])?;
        for name in [mail, ring] {
            std::fs::remove_file(scene.root().join(&name)).map_err(|e| Failure::io(name, &e))?;
        }
        Ok((passed, filled))
    })
}

/// Slots of a ring for messages of this size: 64 MiB together at most, or four.
fn slots(size: u64) -> u64 {
    1 << ((64 << 20) / size).clamp(4, 4096).ilog2()
}

fn rows(
    args: &SizesArgs,
    row: impl Fn(u64, u64) -> Result<(Value, Value), Failure>,
) -> Result<Run, Failure> {
    let rows = args.sizes.iter().map(|&size| {
        let messages = (args.bytes / size).clamp(2, FILLS_MAX);
        let (passed, filled) = row(size, messages)?;
        Ok(json!({"size": size, "pass_ns": passed, "fill_read_bytes_per_s": filled}))
    });
    let rows = rows.collect::<Result<Vec<_>, Failure>>()?;
    Ok(Run::of(json!({"rows": rows})))
}

fn measure(scene: &Scene, roles: [&'static str; 2], numbers: &[u64]) -> Result<Value, Failure> {
    let mut crew = Crew::new(scene);
    let first = crew.start_ready(roles[0], scene.cpu(0), numbers)?;
    crew.start_ready(roles[1], scene.cpu(1), numbers)?;
    crew.cue();
    crew.hear(first)
}

/// The median of half of a round trip.
fn time_trips(
    iters: u64,
    mut trip: impl FnMut(u64) -> Result<(), Failure>,
) -> Result<Value, Failure> {
    let clock = Clock::new();
    let mut halves = Latencies::new().map_err(Failure::say)?;
    for number in 1..=iters {
        let sent = clock.now();
        trip(number)?;
        halves.record((clock.ns(clock.now() - sent) / 2.0).round() as u64);
    }
    Ok(json!(halves.percentiles().p50_ns))
}

fn pass(part: &mut Part) -> Result<(), Failure> {
    let (size, iters) = (part.number()?, part.number()?);
    let there = part.topic(&format!("{THERE}-{size}"))?;
    let back = part.topic(&format!("{BACK}-{size}"))?;
    let (publisher, mut subscriber) = (there.publisher()?, subscribe(&back, false)?);
    part.ready()?;
    let figure = time_trips(iters, |_| {
        publisher.loan(size as usize)?.commit()?;
        Ok(next(&mut subscriber, |_| ())?)
    })?;
    part.say(&figure)
}

fn pass_back(part: &mut Part) -> Result<(), Failure> {
    let (size, iters) = (part.number()?, part.number()?);
    let there = part.topic(&format!("{THERE}-{size}"))?;
    let back = part.topic(&format!("{BACK}-{size}"))?;
    let (publisher, mut subscriber) = (back.publisher()?, subscribe(&there, false)?);
    part.ready()?;
    for _ in 0..iters {
        next(&mut subscriber, |_| ())?;
        publisher.loan(size as usize)?.commit()?;
    }
    Ok(())
}

fn fill(part: &mut Part) -> Result<(), Failure> {
    let (size, messages) = (part.number()?, part.number()?);
    let publisher = part.topic(&format!("{THERE}-{size}"))?.publisher()?;
    let from = vec![7; size as usize];
    part.ready()?;
    for _ in 0..messages {
        let mut loan = publisher.loan(size as usize)?;
        loan.copy_from_slice(&from);
        loan.commit()?;
    }
    Ok(())
}

fn drain(part: &mut Part) -> Result<(), Failure> {
    let (size, messages) = (part.number()?, part.number()?);
    let topic = part.topic(&format!("{THERE}-{size}"))?;
    let mut subscriber = subscribe(&topic, false)?;
    let mut to = vec![1; payload_bytes(&topic.info())];
    part.ready()?;
    let mut throughput = Throughput::new(size);
    for message in 0..messages {
        next(&mut subscriber, |message| to.copy_from_slice(message))?;
        std::hint::black_box(&mut to);
        throughput.count(message);
    }
    part.say(&throughput.figure(messages))
}

/// Bytes a second from after the first message to after the last.
struct Throughput {
    clock: Clock,
    size: u64,
    started: u64,
}

impl Throughput {
    fn new(size: u64) -> Self {
        Self {
            clock: Clock::new(),
            size,
            started: 0,
        }
    }

    fn count(&mut self, message: u64) {
        if message == 0 {
            self.started = self.clock.now();
        }
    }

    fn figure(&self, messages: u64) -> Value {
        let seconds = self.clock.ns(self.clock.now() - self.started) / 1e9;
        number(((messages - 1) * self.size) as f64 / seconds)
    }
}

fn floor_pass(part: &mut Part) -> Result<(), Failure> {
    let (size, iters) = (part.number()?, part.number()?);
    let region = part.region(&format!("{BACK}-{size}"))?;
    let [there, back] = [0, 1].map(|number| Mailbox::new(&region, number, 8));
    let mut payload = [0; 8];
    part.ready()?;
    let figure = time_trips(iters, |number| {
        there.put(number, &payload);
        back.take(number, &mut payload);
        Ok(())
    })?;
    part.say(&figure)
}

fn floor_pass_back(part: &mut Part) -> Result<(), Failure> {
    let (size, iters) = (part.number()?, part.number()?);
    let region = part.region(&format!("{BACK}-{size}"))?;
    let [there, back] = [0, 1].map(|number| Mailbox::new(&region, number, 8));
    let mut payload = [0; 8];
    part.ready()?;
    for number in 1..=iters {
        there.take(number, &mut payload);
        back.put(number, &payload);
    }
    Ok(())
}

/// Region and form of the ring of a row.
fn floor_ring(part: &Part, size: u64) -> Result<(Region, Any), Failure> {
    let region = part.region(&format!("{THERE}-{size}"))?;
    Ok((region, layout(size as usize, false)))
}

fn floor_fill(part: &mut Part) -> Result<(), Failure> {
    let (size, messages) = (part.number()?, part.number()?);
    let (region, form) = floor_ring(part, size)?;
    let ring = Ring::new(&region, form, slots(size));
    let from = vec![7; size as usize];
    part.ready()?;
    ring.write(messages, |_, payload| payload.copy_from_slice(&from));
    Ok(())
}

fn floor_drain(part: &mut Part) -> Result<(), Failure> {
    let (size, messages) = (part.number()?, part.number()?);
    let (region, form) = floor_ring(part, size)?;
    let ring = Ring::new(&region, form, slots(size));
    let mut to = vec![1; size as usize];
    part.ready()?;
    let mut throughput = Throughput::new(size);
    ring.read(messages, |message, payload| {
        to.copy_from_slice(payload);
        std::hint::black_box(&mut to);
        throughput.count(message - 1);
    });
    part.say(&throughput.figure(messages))
}
