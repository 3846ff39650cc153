//! `ringbus top`: rates and lags, live.

use std::collections::HashMap;
use std::time::Instant;

use ringbus::{Bus, SubscriberInfo, TopicInfo};
use serde_json::Value;

use crate::args::{Place, TopArgs};
use crate::json;
use crate::outcome::{Failure, Outcome};
use crate::screen::Screen;
use crate::signals::Stop;
use crate::table::{Align, Table};
use crate::topics;
use crate::units;

/// Looks and draws until enough looks were had, or a signal came.
pub fn run(place: &Place, args: &TopArgs) -> Result<Outcome, Failure> {
    let stop = Stop::install()?;
    let bus = place.open_existing()?;
    let mut view = View {
        screen: Screen::whole(),
        last: Look::default(),
        json: args.json,
    };
    let mut due = Instant::now();
    let mut left = args.count;
    while left != Some(0) && stop.sleep_until(due) {
        view.show(&bus)?;
        due += args.interval;
        left = left.map(|left| left - 1);
    }
    Ok(Outcome::Done)
}

struct View {
    screen: Screen,
    last: Look,
    json: bool,
}

/// What was seen at a moment, to take rates from.
#[derive(Default)]
struct Look {
    at: Option<Instant>,
    /// Messages and bytes published, by topic.
    published: HashMap<String, (u64, u64)>,
    /// Cursors, by topic, number in the topic, and process.
    cursors: HashMap<(String, u32, u32), u64>,
}

impl View {
    fn show(&mut self, bus: &Bus) -> Result<(), Failure> {
        let topics = bus.topics()?;
        if self.json {
            return json::print(&Value::Array(topics.iter().map(json::topic).collect()));
        }
        let now = Instant::now();
        let seconds = self.last.at.map(|at| now.duration_since(at).as_secs_f64());
        let picture = format!(
            "bus {} at {}\n\n{}\n{}\n",
            bus.name(),
            bus.path().display(),
            self.topics(&topics, seconds),
            self.subscribers(&topics, seconds),
        );
        self.screen.draw(&picture)?;
        self.last = look(now, &topics);
        Ok(())
    }

    fn topics(&self, topics: &[TopicInfo], seconds: Option<f64>) -> String {
        let mut table = Table::new(&[
            ("TOPIC", Align::Left),
            ("MODE", Align::Left),
            ("MSG/S", Align::Right),
            ("BYTES/S", Align::Right),
            ("NEXT", Align::Right),
            ("RETAINED", Align::Right),
            ("PUBS", Align::Right),
            ("SUBS", Align::Right),
            ("WAITED", Align::Right),
        ]);
        for info in topics {
            let (publishers, subscribers) = topics::living(info);
            let name = info.name.to_string();
            let (messages, bytes) = self.published_since(&name, info);
            table.row([
                name,
                json::mode(info.mode).to_owned(),
                rate(messages, seconds),
                bytes_rate(bytes, seconds),
                info.next.to_string(),
                info.next.saturating_sub(info.oldest).to_string(),
                publishers.to_string(),
                subscribers.to_string(),
                info.waited.to_string(),
            ]);
        }
        table.render()
    }

    fn published_since(&self, name: &str, info: &TopicInfo) -> (u64, u64) {
        let (messages, bytes) = self.last.published.get(name).copied().unwrap_or_default();
        (
            info.next.saturating_sub(messages),
            info.bytes.saturating_sub(bytes),
        )
    }

    fn subscribers(&self, topics: &[TopicInfo], seconds: Option<f64>) -> String {
        let mut table = Table::new(&[
            ("SUBSCRIBER OF", Align::Left),
            ("DELIVERY", Align::Left),
            ("PID", Align::Right),
            ("PROCESS", Align::Left),
            ("MSG/S", Align::Right),
            ("LAG", Align::Right),
            ("LOST", Align::Right),
            ("STATE", Align::Left),
        ]);
        for (name, subscriber) in all_subscribers(topics) {
            let key = (name.clone(), subscriber.id, subscriber.pid);
            let before = self
                .last
                .cursors
                .get(&key)
                .copied()
                .unwrap_or(subscriber.cursor);
            table.row([
                name,
                json::delivery(subscriber.delivery).to_owned(),
                subscriber.pid.to_string(),
                subscriber.process.clone(),
                rate(subscriber.cursor.saturating_sub(before), seconds),
                subscriber.lag.to_string(),
                subscriber.lagged.to_string(),
                if subscriber.alive { "alive" } else { "dead" }.to_owned(),
            ]);
        }
        table.render()
    }
}

fn look(now: Instant, topics: &[TopicInfo]) -> Look {
    let published = topics
        .iter()
        .map(|info| (info.name.to_string(), (info.next, info.bytes)));
    let cursors = all_subscribers(topics)
        .map(|(name, subscriber)| ((name, subscriber.id, subscriber.pid), subscriber.cursor));
    Look {
        at: Some(now),
        published: published.collect(),
        cursors: cursors.collect(),
    }
}

fn all_subscribers(topics: &[TopicInfo]) -> impl Iterator<Item = (String, &SubscriberInfo)> {
    topics.iter().flat_map(|info| {
        let name = info.name.to_string();
        info.subscribers
            .iter()
            .map(move |subscriber| (name.clone(), subscriber))
    })
}

fn rate(events: u64, seconds: Option<f64>) -> String {
    seconds.map_or_else(
        || "-".to_owned(),
        |seconds| units::per_second(events, seconds),
    )
}

fn bytes_rate(bytes: u64, seconds: Option<f64>) -> String {
    match seconds {
        Some(seconds) if seconds > 0.0 => units::bytes((bytes as f64 / seconds) as u64),
        _ => "-".to_owned(),
    }
}
