//! What a publish and a take cost by themselves, by the number of subscribers, in one thread: the
//! instructions, without the traffic between processors.

use std::ops::Range;

use ringbus::{Publisher, Subscriber};
use serde_json::{Value, json};

use super::clock::Clock;
use super::crew::{Crew, Part, Role};
use super::floor::ring::{Form, Ring, WithForm};
use super::form::{mark, number_of, out_of_order, payload_bytes, subscribe};
use super::region::Region;
use super::run::{Run, number};
use super::scene::Scene;
use crate::args::FanoutArgs;
use crate::latency::Latencies;
use crate::outcome::Failure;

/// The processes of this case.
pub const ROLES: &[Role] = &[("fanout", fanout), ("floor-fanout", floor_fanout)];

const TOPIC: &str = "fanout";
/// Messages published before they are all taken: an eighth of the default ring, so that a publisher
/// looks at all cursors once each time.
const AT_ONCE: u64 = 512;
/// Payloads that are prepared before the first of them is published.
const AHEAD: u64 = 64;

/// Through the bus.
pub fn bus(scene: &Scene, args: &FanoutArgs) -> Result<Run, Failure> {
    if args
        .form
        .capacity
        .is_some_and(|slots| (slots as u64) < 2 * AT_ONCE)
    {
        return Err(Failure::usage(format_args!(
            "--capacity: fanout needs {} slots or more, as one thread publishes {AT_ONCE} messages \
             before it takes them",
            2 * AT_ONCE
        )));
    }
    rows(args, |subs| {
        let bus = scene.bus()?;
        let _topic = args.form.create(&bus, &topic(subs))?;
        let numbers = [args.count, subs, args.batch, args.form.is_lossy()];
        let mut crew = Crew::new(scene);
        let process = crew.start("fanout", scene.cpu(0), &numbers)?;
        crew.hear(process)
    })
}

/// Through a bare ring of the same header and stride.
pub fn floor(scene: &Scene, args: &FanoutArgs) -> Result<Run, Failure> {
    let form = args.form.layout();
    rows(args, |subs| {
        let bytes = Ring::bytes(form, Ring::slots_in_cache(form));
        let _region = Region::create(scene.root(), &topic(subs), bytes)?;
        let numbers = [&[args.count, subs], &form.numbers()[..]].concat();
        let mut crew = Crew::new(scene);
        let process = crew.start("floor-fanout", scene.cpu(0), &numbers)?;
        crew.hear(process)
    })
}

fn rows(args: &FanoutArgs, row: impl Fn(u64) -> Result<Value, Failure>) -> Result<Run, Failure> {
    let rows = args.subs.iter().map(|&subs| {
        let mut row = row(subs)?;
        row["subs"] = json!(subs);
        Ok(row)
    });
    let rows = rows.collect::<Result<Vec<_>, Failure>>()?;
    Ok(Run::of(json!({"rows": rows})))
}

fn topic(subs: u64) -> String {
    format!("{TOPIC}-{subs}")
}

/// Times publishing and taking in turn, `AT_ONCE` messages each. The medians of all turns: some of them
/// are interrupted.
fn time(
    count: u64,
    subs: u64,
    mut publish: impl FnMut(Range<u64>) -> Result<(), Failure>,
    mut take: impl FnMut(usize, Range<u64>) -> Result<(), Failure>,
) -> Result<Value, Failure> {
    let clock = Clock::new();
    let mut publishing = Latencies::new().map_err(Failure::say)?;
    let mut taking = Latencies::new().map_err(Failure::say)?;
    // The first turn is for warming up.
    for turn in 0..=count.div_ceil(AT_ONCE) {
        let messages = turn * AT_ONCE + 1..(turn + 1) * AT_ONCE + 1;
        let start = clock.now();
        publish(messages.clone())?;
        let published = clock.now();
        for sub in 0..subs as usize {
            take(sub, messages.clone())?;
        }
        let taken = clock.now();
        if turn > 0 {
            publishing.record(clock.ns(published - start) as u64);
            taking.record(clock.ns(taken - published) as u64);
        }
    }
    let each = |turns: &Latencies, of: u64| number(turns.percentiles().p50_ns as f64 / of as f64);
    Ok(json!({
        "publish_ns": each(&publishing, AT_ONCE),
        "take_ns_each": each(&taking, AT_ONCE * subs),
    }))
}

fn fanout(part: &mut Part) -> Result<(), Failure> {
    let (count, subs) = (part.number()?, part.number()?);
    let (batch, is_lossy) = (part.number()?, part.number()? != 0);
    let topic = part.topic(&topic(subs))?;
    let publisher = topic.publisher()?;
    let subscribers = (0..subs).map(|_| subscribe(&topic, is_lossy));
    let mut subscribers = subscribers.collect::<Result<Vec<_>, _>>()?;
    let size = payload_bytes(&topic.info());
    let mut payloads = vec![0; size * AHEAD.max(batch) as usize];
    let figures = time(
        count,
        subs,
        |messages| publish(&publisher, messages, &mut payloads, size, batch),
        |sub, messages| take(&mut subscribers[sub], messages, batch),
    )?;
    part.say(&figures)
}

/// Publishes messages, one or a batch at a time. Payloads are prepared some way ahead, as in a stream.
fn publish(
    publisher: &Publisher<[u8]>,
    mut messages: Range<u64>,
    payloads: &mut [u8],
    size: usize,
    batch: u64,
) -> Result<(), Failure> {
    while !messages.is_empty() {
        let ready = payloads.chunks_exact_mut(size).zip(&mut messages);
        let count = ready
            .map(|(payload, message)| mark(payload, message))
            .count();
        let mut ready = payloads.chunks_exact(size).take(count);
        match batch {
            1 => ready.try_for_each(|payload| publisher.publish(payload).map(drop))?,
            batch => {
                while ready.len() > 0 {
                    publisher.publish_batch(ready.by_ref().take(batch as usize))?;
                }
            }
        }
    }
    Ok(())
}

/// Takes the messages that are due, one or a batch at a time.
fn take(
    subscriber: &mut Subscriber<[u8]>,
    messages: Range<u64>,
    batch: u64,
) -> Result<(), Failure> {
    let check = |due: u64, found: Option<u64>| match found == Some(due) {
        true => Ok(()),
        false => Err(out_of_order(due, found)),
    };
    if batch == 1 {
        for due in messages {
            check(due, subscriber.poll()?.and_then(|found| number_of(&found)))?;
        }
        return Ok(());
    }
    let mut due = messages.start;
    while due < messages.end {
        let found = subscriber.poll_batch(batch as usize)?;
        if found.is_empty() {
            return Err(out_of_order(due, None));
        }
        for message in &found {
            check(due, number_of(&message))?;
            due += 1;
        }
    }
    Ok(())
}

fn floor_fanout(part: &mut Part) -> Result<(), Failure> {
    let (count, subs) = (part.number()?, part.number()?);
    part.form()?.known(Floor { part, count, subs })
}

struct Floor<'p> {
    part: &'p Part,
    count: u64,
    subs: u64,
}

impl WithForm for Floor<'_> {
    type Out = Result<(), Failure>;

    fn with<F: Form>(self, form: F) -> Result<(), Failure> {
        let region = self.part.region(&topic(self.subs))?;
        let ring = Ring::new(&region, form, Ring::slots_in_cache(form));
        let template = vec![0; form.payload()];
        let figures = time(
            self.count,
            self.subs,
            |messages| {
                for message in messages {
                    ring.put(message, |payload| {
                        payload.copy_from_slice(&template[form.payload() - payload.len()..]);
                        mark(payload, message);
                    });
                }
                Ok(())
            },
            |_, mut messages| {
                messages.try_for_each(|message| match ring.get(message).and_then(number_of) {
                    Some(found) if found == message => Ok(()),
                    found => Err(out_of_order(message, found)),
                })
            },
        )?;
        self.part.say(&figures)
    }
}
