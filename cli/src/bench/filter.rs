//! What a message costs that is not wanted, by the kind of filter, in one thread.

use ringbus::{Attributes, Filter, Meta, Patience, Policy, Start, SubscriberBuilder};
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

/// The kinds, as they are called in rows, and how a subscriber wants nothing by each.
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
    rows(part, |builder, wants| wants(builder), 0)
}

fn floor_filter(part: &mut Part) -> Result<(), Failure> {
    rows(part, |builder, _| Ok(builder), AT_ONCE)
}

fn rows(
    part: &mut Part,
    configure: impl Fn(SubscriberBuilder<[u8]>, Wants) -> Result<SubscriberBuilder<[u8]>, Failure>,
    wanted: u64,
) -> Result<(), Failure> {
    let count = part.number()?;
    let topic = part.topic(TOPIC)?;
    let publisher = topic.publisher()?;
    let attributes = Attributes::new()
        .with("venue", "XNYS")
        .and_then(|both| both.with("price", 99.5));
    let attributes = attributes.map_err(Failure::say)?;
    let meta = Meta::new().tag(1 << 32).attributes(&attributes);
    let mut rows = Vec::new();
    for (kind, wants) in KINDS {
        let builder = topic.subscriber().reliable().start(Start::Latest);
        let mut subscriber = configure(builder, wants)?.join()?;
        let figure = take_ns_each(
            count,
            |_| {
                let mut messages = 0..AT_ONCE;
                messages.try_for_each(|_| {
                    publisher
                        .publish_with(meta, &[0; 64], Patience::Try)
                        .map(drop)
                })?;
                Ok(())
            },
            |_| {
                let mut found = 0;
                while subscriber.poll()?.is_some() {
                    found += 1;
                }
                match found == wanted && subscriber.lag() == 0 {
                    true => Ok(()),
                    false => Err(Failure::say(format_args!(
                        "{kind}: {found} messages were wanted"
                    ))),
                }
            },
        )?;
        rows.push(json!({"filter": kind, "skip_ns_each": figure}));
    }
    part.say(&rows.into())
}
