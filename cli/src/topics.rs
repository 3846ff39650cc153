//! `ringbus topics`: what there is on a bus.

use std::io::{self, Write};

use ringbus::{PayloadKind, TopicInfo};
use serde_json::Value;

use crate::args::{ListArgs, Place};
use crate::json;
use crate::outcome::{Failure, Outcome};
use crate::table::{Align, Table};
use crate::units;

/// Lists the topics, by name.
pub fn run(place: &Place, args: &ListArgs) -> Result<Outcome, Failure> {
    let topics = place.open_existing()?.topics()?;
    if args.json {
        json::print(&Value::Array(topics.iter().map(json::topic).collect()))?;
    } else if !topics.is_empty() {
        io::stdout().lock().write_all(table(&topics).as_bytes())?;
    }
    Ok(Outcome::Done)
}

fn table(topics: &[TopicInfo]) -> String {
    let mut table = Table::new(&[
        ("TOPIC", Align::Left),
        ("MODE", Align::Left),
        ("CAPACITY", Align::Right),
        ("PAYLOAD", Align::Right),
        ("NEXT", Align::Right),
        ("RETAINED", Align::Right),
        ("PUBS", Align::Right),
        ("SUBS", Align::Right),
        ("MEMORY", Align::Right),
    ]);
    for info in topics {
        let (publishers, subscribers) = living(info);
        table.row([
            info.name.to_string(),
            json::mode(info.mode).to_owned(),
            info.capacity_slots.to_string(),
            payload(info.payload),
            info.next.to_string(),
            info.next.saturating_sub(info.oldest).to_string(),
            publishers.to_string(),
            subscribers.to_string(),
            units::bytes(info.memory_bytes),
        ]);
    }
    table.render()
}

/// `56 B` for every message, or `<= 1.0 KiB`.
pub fn payload(kind: PayloadKind) -> String {
    match kind {
        PayloadKind::Fixed { bytes } => units::bytes(bytes as u64),
        PayloadKind::Variable { max_bytes } => format!("<= {}", units::bytes(max_bytes as u64)),
    }
}

/// How many living publishers and subscribers it has.
pub fn living(info: &TopicInfo) -> (usize, usize) {
    let publishers = info.publishers.iter().filter(|publisher| publisher.alive);
    let subscribers = info
        .subscribers
        .iter()
        .filter(|subscriber| subscriber.alive);
    (publishers.count(), subscribers.count())
}
