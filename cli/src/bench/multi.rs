//! What taking a message costs where many topics are one subscription, by their number, in one thread.

use ringbus::{Order, Publisher, Start, TimeSource};
use serde_json::{Value, json};

use super::crew::{Crew, Part, Role};
use super::run::Run;
use super::scene::Scene;
use super::turns::{AT_ONCE, take_ns_each};
use crate::args::MultiArgs;
use crate::outcome::Failure;

/// The processes of this case.
pub const ROLES: &[Role] = &[("multi", multi), ("floor-multi", floor_multi)];

/// Through one subscription.
pub fn bus(scene: &Scene, args: &MultiArgs) -> Result<Run, Failure> {
    rows(scene, args, "multi")
}

/// One topic of as many messages, and its own subscriber, whatever the row.
pub fn floor(scene: &Scene, args: &MultiArgs) -> Result<Run, Failure> {
    rows(scene, args, "floor-multi")
}

fn rows(scene: &Scene, args: &MultiArgs, role: &'static str) -> Result<Run, Failure> {
    let bus = scene.bus()?;
    let mut rows = Vec::new();
    for &topics in &args.topics {
        for number in 0..topics {
            // All messages of a turn may go to the first.
            let capacity = if number == 0 {
                2 * AT_ONCE
            } else {
                (2 * AT_ONCE / topics).max(4)
            };
            let topic = bus
                .topic(&name(topics, number))
                .payload_max(64)
                .max_subscribers(4);
            let topic = topic.capacity((capacity as usize).next_power_of_two());
            topic.time(TimeSource::Clock).create()?;
        }
        let mut crew = Crew::new(scene);
        let process = crew.start(role, scene.cpu(0), &[args.count, topics])?;
        let mut row = crew.hear(process)?;
        row["topics"] = json!(topics);
        rows.push(row);
    }
    Ok(Run::of(json!({"rows": rows})))
}

fn name(topics: u64, number: u64) -> String {
    format!("multi-{topics}/{number}")
}

fn publishers(part: &Part, topics: u64) -> Result<Vec<Publisher<[u8]>>, Failure> {
    let bus = part.bus()?;
    let publisher = |number| Ok(bus.topic(&name(topics, number)).open()?.publisher()?);
    (0..topics).map(publisher).collect()
}

fn multi(part: &mut Part) -> Result<(), Failure> {
    let (count, topics) = (part.number()?, part.number()?);
    let publishers = publishers(part, topics)?;
    let measure = |order, busy: u64| {
        let builder = part.bus()?.subscribe_pattern(&format!("multi-{topics}/*"));
        let mut all = builder
            .reliable()
            .start(Start::Latest)
            .order(order)
            .join()?;
        take_ns_each(
            count,
            |first| {
                for message in first..first + AT_ONCE {
                    publishers[(message % busy) as usize].try_publish(&[0; 64])?;
                }
                Ok(())
            },
            |_| {
                for _ in 0..AT_ONCE {
                    if all.poll()?.is_none() {
                        return Err(Failure::say("a message is missing"));
                    }
                }
                Ok(())
            },
        )
    };
    let figures = json!({
        "in_turn_ns_each": measure(Order::RoundRobin, topics)?,
        "by_time_ns_each": measure(Order::Time, topics)?,
        "one_busy_ns_each": measure(Order::RoundRobin, 1)?,
    });
    part.say(&figures)
}

fn floor_multi(part: &mut Part) -> Result<(), Failure> {
    let (count, topics) = (part.number()?, part.number()?);
    let topic = part.topic(&name(topics, 0))?;
    let publisher = topic.publisher()?;
    let mut subscriber = topic.subscriber().reliable().start(Start::Latest).join()?;
    let figure: Value = take_ns_each(
        count,
        |_| {
            for _ in 0..AT_ONCE {
                publisher.try_publish(&[0; 64])?;
            }
            Ok(())
        },
        |_| {
            for _ in 0..AT_ONCE {
                if subscriber.poll()?.is_none() {
                    return Err(Failure::say("a message is missing"));
                }
            }
            Ok(())
        },
    )?;
    part.say(&json!({
        "in_turn_ns_each": figure,
        "by_time_ns_each": figure,
        "one_busy_ns_each": figure,
    }))
}
