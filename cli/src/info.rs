//! `ringbus info`: all about one topic.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};

use ringbus::{PublisherInfo, PublisherMode, SubscriberInfo, TopicInfo};

use crate::args::{InfoArgs, Place};
use crate::json;
use crate::outcome::{Failure, Outcome, missing};
use crate::table::{Align, Table};
use crate::topics;
use crate::units;

/// Tells of the topic.
pub fn run(place: &Place, args: &InfoArgs) -> Result<Outcome, Failure> {
    let topic = place.open_existing()?.topic(&args.topic).open();
    let info = topic.map_err(missing)?.info();
    if args.json {
        json::print(&json::topic(&info))?;
    } else {
        io::stdout().lock().write_all(page(&info).as_bytes())?;
    }
    Ok(Outcome::Done)
}

fn page(info: &TopicInfo) -> String {
    let mut page = Page(String::new());
    form(&mut page, info);
    counters(&mut page, info);
    if !info.publishers.is_empty() {
        page.0 += "\n";
        page.0 += &publishers(&info.publishers);
    }
    if !info.subscribers.is_empty() {
        page.0 += "\n";
        page.0 += &subscribers(&info.subscribers);
    }
    page.0
}

/// Lines of a word and what it is.
struct Page(String);

impl Page {
    fn line(&mut self, word: &str, what: impl fmt::Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{word:<13}{what}");
    }
}

/// What was decided when the topic was created.
fn form(page: &mut Page, info: &TopicInfo) {
    page.line("topic", &info.name);
    page.line(
        "publishers",
        match info.mode {
            PublisherMode::Exclusive => "exclusive: one at a time".to_owned(),
            PublisherMode::Shared => format!("shared: up to {} at once", info.max_publishers),
        },
    );
    page.line(
        "subscribers",
        format_args!("up to {}", info.max_subscribers),
    );
    page.line("capacity", format_args!("{} messages", info.capacity_slots));
    page.line(
        "payload",
        format_args!(
            "{}, aligned to {}",
            topics::payload(info.payload),
            info.alignment_bytes
        ),
    );
    page.line("type", &info.payload_type);
    page.line(
        "encoding",
        if info.encoding.is_empty() {
            "none"
        } else {
            &info.encoding
        },
    );
    page.line("schema", schema(&info.schema));
    page.line("tags", if info.tags { "kept" } else { "not kept" });
    page.line("time", json::time(info.time));
    page.line(
        "attributes",
        match info.attributes_max_bytes {
            0 => "not kept".to_owned(),
            bytes => format!("up to {}", units::plural(bytes as u64, "byte")),
        },
    );
    page.line(
        "memory",
        format_args!(
            "{}{}",
            units::bytes(info.memory_bytes),
            if info.huge_pages {
                ", on huge pages"
            } else {
                ""
            }
        ),
    );
    page.line(
        "access",
        format_args!(
            "{:04o}: {}; owned by user {}",
            info.access.mode(),
            info.access,
            info.owner
        ),
    );
}

/// What happened since.
fn counters(page: &mut Page, info: &TopicInfo) {
    page.line(
        "sequences",
        format_args!(
            "next {}, oldest retained {}, first {}",
            info.next, info.oldest, info.first_sequence
        ),
    );
    page.line(
        "published",
        format_args!(
            "{}, {}",
            units::plural(info.published, "message"),
            units::bytes(info.bytes)
        ),
    );
    page.line("full", units::plural(info.full, "time"));
    page.line("waited", units::plural(info.waited, "time"));
    page.line("evicted", units::plural(info.evicted, "subscriber"));
}

fn publishers(publishers: &[PublisherInfo]) -> String {
    let mut table = Table::new(&[
        ("PUBLISHER", Align::Left),
        ("PID", Align::Right),
        ("PROCESS", Align::Left),
        ("STATE", Align::Left),
        ("PUBLISHED", Align::Right),
        ("BYTES", Align::Right),
        ("FULL", Align::Right),
        ("WAITED", Align::Right),
    ]);
    for publisher in publishers {
        table.row([
            publisher.id.to_string(),
            publisher.pid.to_string(),
            publisher.process.clone(),
            state(publisher.alive),
            publisher.published.to_string(),
            publisher.bytes.to_string(),
            publisher.full.to_string(),
            publisher.waited.to_string(),
        ]);
    }
    table.render()
}

fn subscribers(subscribers: &[SubscriberInfo]) -> String {
    let mut table = Table::new(&[
        ("SUBSCRIBER", Align::Left),
        ("DELIVERY", Align::Left),
        ("PID", Align::Right),
        ("PROCESS", Align::Left),
        ("STATE", Align::Left),
        ("CURSOR", Align::Right),
        ("LAG", Align::Right),
        ("LOST", Align::Right),
        ("TIMES", Align::Right),
        ("EVICTED", Align::Right),
        ("HOLDS", Align::Right),
    ]);
    for subscriber in subscribers {
        table.row([
            subscriber.id.to_string(),
            json::delivery(subscriber.delivery).to_owned(),
            subscriber.pid.to_string(),
            subscriber.process.clone(),
            state(subscriber.alive),
            subscriber.cursor.to_string(),
            subscriber.lag.to_string(),
            subscriber.lagged.to_string(),
            subscriber.lag_events.to_string(),
            subscriber.evictions.to_string(),
            subscriber.holds.to_string(),
        ]);
    }
    table.render()
}

fn state(alive: bool) -> String {
    if alive { "alive" } else { "dead" }.to_owned()
}

fn schema(schema: &[u8]) -> String {
    if schema.is_empty() {
        "none".to_owned()
    } else {
        units::bytes(schema.len() as u64)
    }
}
