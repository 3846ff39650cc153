//! What a message costs that is not wanted, by the kind of filter, in one thread.

use std::hint::black_box;

use ringbus::{
    Attributes, Filter, Meta, Patience, Policy, PollError, Publisher, Start, Subscriber,
    SubscriberBuilder,
};
use serde_json::json;

use super::crew::{Crew, Part, Role};
use super::run::Run;
use super::scene::Scene;
use super::turns::{AT_ONCE, take_ns_each};
use crate::args::FilterBenchArgs;
use crate::outcome::Failure;

/// The processes of this case.
pub const ROLES: &[Role] = &[("filter", filter), ("floor-filter", floor_filter)];

const TOPIC: &str = "filter";

/// The kinds, as they are called in rows, and how a subscriber wants what is [`WANTED`] by each.
const KINDS: [(&str, Wants); 5] = [
    ("tag", |builder| Ok(builder.filter(Filter::new().tag(1)))),
    ("tags", |builder| {
        Ok(builder.filter(Filter::new().tags(1..=64)))
    }),
    ("mask", |builder| {
        Ok(builder.filter(Filter::new().tag_mask(0xff, 1)))
    }),
    ("closure", |builder| {
        Ok(builder.filter_payload(|payload| payload[0] == 1))
    }),
    ("policy", |builder| {
        let policy = Policy::new(r#"{"venue":["XLON"],"price":[{"numeric":[">",100]}]}"#);
        Ok(builder.filter(Filter::new().attributes(policy.map_err(Failure::say)?)))
    }),
];

type Wants = fn(SubscriberBuilder<[u8]>) -> Result<SubscriberBuilder<[u8]>, Failure>;

/// One message: its tag, the first byte of its payload, and its attributes.
type Sort = (u64, u8, &'static str, f64);

const WANTED: Sort = (1, 1, "XLON", 100.5);
const UNWANTED: Sort = (1 << 32, 0, "XNYS", 99.5);

/// How a row's messages are published and taken: all unwanted and in batches, or every second one wanted
/// and one by one.
type Manner = (
    &'static str,
    [Sort; 2],
    fn(&mut Subscriber<[u8]>) -> Result<u64, PollError>,
);

const MANNERS: [Manner; 2] = [
    ("skip_ns_each", [UNWANTED, UNWANTED], take_batches),
    ("sift_ns_each", [UNWANTED, WANTED], take_one_by_one),
];

/// With filters.
pub fn bus(scene: &Scene, args: &FilterBenchArgs) -> Result<Run, Failure> {
    measure(scene, args, "filter")
}

/// Without one: each message is taken and given back.
pub fn floor(scene: &Scene, args: &FilterBenchArgs) -> Result<Run, Failure> {
    measure(scene, args, "floor-filter")
}

fn measure(scene: &Scene, args: &FilterBenchArgs, role: &'static str) -> Result<Run, Failure> {
    let bus = scene.bus()?;
    let _topic = bus
        .topic(TOPIC)
        .payload_max(64)
        .attributes_max(64)
        .create()?;
    let mut crew = Crew::new(scene);
    let process = crew.start(role, scene.cpu(0), &[args.count])?;
    Ok(Run::of(json!({"rows": crew.hear(process)?})))
}

fn filter(part: &mut Part) -> Result<(), Failure> {
    let is_wanted = |sort: &Sort| *sort == WANTED;
    rows(part, |builder, wants| wants(builder), is_wanted)
}

fn floor_filter(part: &mut Part) -> Result<(), Failure> {
    rows(part, |builder, _| Ok(builder), |_| true)
}

fn rows(
    part: &mut Part,
    configure: impl Fn(SubscriberBuilder<[u8]>, Wants) -> Result<SubscriberBuilder<[u8]>, Failure>,
    is_wanted: fn(&Sort) -> bool,
) -> Result<(), Failure> {
    let count = part.number()?;
    let topic = part.topic(TOPIC)?;
    let publisher = topic.publisher()?;
    let mut rows = Vec::new();
    for (kind, wants) in KINDS {
        let mut row = json!({"filter": kind});
        for (figure, sorts, take) in MANNERS {
            let builder = topic.subscriber().reliable().start(Start::Latest);
            let mut subscriber = configure(builder, wants)?.join()?;
            let wanted = sorts.iter().filter(|sort| is_wanted(sort)).count() as u64;
            let expected = AT_ONCE / 2 * wanted;
            row[figure] = take_ns_each(
                count,
                |_| publish_all(&publisher, sorts),
                |_| {
                    let found = take(&mut subscriber)?;
                    match found == expected && subscriber.lag() == 0 {
                        true => Ok(()),
                        false => Err(Failure::say(format_args!(
                            "{kind}: {found} messages were wanted, not {expected}"
                        ))),
                    }
                },
            )?;
        }
        rows.push(row);
    }
    part.say(&rows.into())
}

fn publish_all(publisher: &Publisher<[u8]>, sorts: [Sort; 2]) -> Result<(), Failure> {
    let attributes = sorts.map(|(_, _, venue, price)| {
        let venue = Attributes::new().with("venue", venue);
        venue.and_then(|venue| venue.with("price", price))
    });
    for _ in 0..AT_ONCE / 2 {
        for ((tag, first, ..), attributes) in sorts.iter().zip(&attributes) {
            let attributes = attributes.as_ref().map_err(Failure::say)?;
            let meta = Meta::new().tag(*tag).attributes(attributes);
            publisher.publish_with(meta, &[*first; 64], Patience::Try)?;
        }
    }
    Ok(())
}

fn take_batches(subscriber: &mut Subscriber<[u8]>) -> Result<u64, PollError> {
    let mut found = 0;
    loop {
        let batch = subscriber.poll_batch(BATCH)?;
        if batch.is_empty() {
            return Ok(found);
        }
        for message in &batch {
            black_box(message.payload());
            found += 1;
        }
    }
}

fn take_one_by_one(subscriber: &mut Subscriber<[u8]>) -> Result<u64, PollError> {
    let mut found = 0;
    while let Some(message) = subscriber.poll()? {
        black_box(message.payload());
        found += 1;
    }
    Ok(found)
}

/// Messages asked for at once, in batches.
const BATCH: usize = 64;
