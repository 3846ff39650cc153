//! As many messages as possible from several processes, in one order.
//!
//! Publishers publish until they are told that it is enough, so that each gets what it can; the
//! subscriber checks that each one's messages come in its own order, none missing.

use std::sync::atomic::Ordering;

use ringbus::{Meta, Patience};
use serde_json::{Value, json};

use super::backoff::Backoff;
use super::crew::{Crew, Part, Role};
use super::form::{layout, mark, number_of, out_of_order, payload_bytes, subscribe};
use super::region::Region;
use super::run::{Run, number};
use super::scene::Scene;
use super::stream::{Stopwatch, floor_of};
use crate::args::{ContentionArgs, FormArgs, Mode, Reading};
use crate::outcome::Failure;

/// The processes of this case.
pub const ROLES: &[Role] = &[("contender", contender), ("referee", referee)];

/// The flag of a publisher's last message.
const LAST: u16 = 1;
/// How often a publisher looks whether it is enough.
const LOOK_EVERY: usize = 64;

/// Through the bus.
pub fn bus(scene: &Scene, args: &ContentionArgs) -> Result<Run, Failure> {
    let form = FormArgs {
        size: Some(args.size),
        lean: false,
        huge_pages: false,
        mode: Mode::Shared,
        delivery: Reading::Reliable,
        capacity: args.capacity,
    };
    let bus = scene.bus()?;
    rows(args, |pubs| {
        let _topic = form.create(&bus, &name(pubs))?;
        let _enough = Region::create(scene.root(), &name(pubs), 8)?;
        let mut crew = Crew::new(scene);
        let referee = crew.start_ready("referee", scene.last_cpu(), &[pubs, args.count])?;
        for publisher in 0..pubs as usize {
            crew.start_ready("contender", scene.cpu(publisher), &[pubs])?;
        }
        crew.cue();
        crew.hear(referee)
    })
}

/// Through a bare ring of the same header and stride, with one writer, whatever the row.
pub fn floor(scene: &Scene, args: &ContentionArgs) -> Result<Run, Failure> {
    let figures = floor_of(scene, args.count, layout(args.size, false))?;
    rows(args, |_| Ok(figures.clone()))
}

fn rows(
    args: &ContentionArgs,
    row: impl Fn(u64) -> Result<Value, Failure>,
) -> Result<Run, Failure> {
    let rows = args.pubs.iter().map(|&pubs| {
        let mut row = row(pubs)?;
        row["pubs"] = json!(pubs);
        Ok(row)
    });
    let rows = rows.collect::<Result<Vec<_>, Failure>>()?;
    Ok(Run::of(json!({"rows": rows})))
}

fn name(pubs: u64) -> String {
    format!("contention-{pubs}")
}

fn contender(part: &mut Part) -> Result<(), Failure> {
    let name = name(part.number()?);
    let (topic, region) = (part.topic(&name)?, part.region(&name)?);
    let publisher = topic.publisher()?;
    let size = payload_bytes(&topic.info());
    // Prepared some way ahead, as in a stream.
    let mut payloads = vec![0; size * LOOK_EVERY];
    let mut messages = 0..;
    part.ready()?;
    loop {
        for (payload, message) in payloads.chunks_exact_mut(size).zip(&mut messages) {
            mark(payload, message);
        }
        // Relaxed: only whether, not when.
        if region.word(0).load(Ordering::Relaxed) != 0 {
            break;
        }
        for payload in payloads.chunks_exact(size) {
            publisher.publish(payload)?;
        }
    }
    publisher.publish_with(
        Meta::new().flags(LAST),
        &payloads[..size],
        Patience::Forever,
    )?;
    Ok(())
}

fn referee(part: &mut Part) -> Result<(), Failure> {
    const BATCH: usize = 256;
    let (pubs, count) = (part.number()?, part.number()?);
    let name = name(pubs);
    let (topic, region) = (part.topic(&name)?, part.region(&name)?);
    let mut subscriber = subscribe(&topic, false)?;
    let mut stopwatch = Stopwatch::new(payload_bytes(&topic.info()));
    let mut scores = vec![0; pubs as usize];
    let (mut seen, mut going, mut figures) = (0, pubs, Value::Null);
    let mut backoff = Backoff::new();
    part.ready()?;
    while going > 0 {
        let batch = subscriber.poll_batch(BATCH)?;
        if batch.is_empty() {
            backoff.pause();
        }
        for message in &batch {
            // A bench's publishers are the topic's first, so that their numbers start at 0.
            let publisher = usize::from(message.publisher().unwrap_or_default());
            let score = scores
                .get_mut(publisher)
                .ok_or_else(|| Failure::say(format_args!("who is publisher {publisher}?")))?;
            let found = number_of(&message);
            if found != Some(*score) {
                return Err(out_of_order(*score, found));
            }
            *score += 1;
            going -= u64::from(message.flags() & LAST != 0);
        }
        let before = seen;
        seen += batch.len() as u64;
        if before == 0 && seen > 0 {
            stopwatch.start();
        }
        if before < count && seen >= count {
            figures = stopwatch.figures(seen - 1, 0);
            figures["fair_share"] = least_share(&scores);
            region.word(0).store(1, Ordering::Relaxed);
        }
    }
    part.say(&figures)
}

/// What the publisher with the fewest messages got of its fair share.
fn least_share(scores: &[u64]) -> Value {
    let (least, all) = (scores.iter().min(), scores.iter().sum::<u64>());
    let fair = all as f64 / scores.len() as f64;
    number(least.copied().unwrap_or_default() as f64 / fair.max(1.0))
}
