//! The demo's bus and topics, gone when the demo is.

use ringbus::{Bus, Remove, Start, Subscriber, Topic, TopicInfo};

use super::quote::Quote;
use super::report::Report;
use crate::args::{DemoArgs, Place};
use crate::claim::{self, Claim};
use crate::outcome::Failure;

/// Of the names of demos' own buses; the process id follows.
const PREFIX: &str = "demo-";
const QUOTES: &str = "demo/quotes";
const REPORTS: &str = "demo/reports";

/// Everything the demo makes, and removes when dropped.
pub struct Stage {
    bus: Bus,
    quotes: Topic<Quote>,
    reports: Topic<Report>,
    /// The whole bus is the demo's, to be removed with it, by another demo if this one is killed.
    private: Option<Claim>,
    /// The bus, as the demo's processes are to find it.
    place: Place,
}

impl Stage {
    /// Builds it: on the bus that was named, or on a bus of its own.
    pub fn build(place: &Place, args: &DemoArgs) -> Result<Self, Failure> {
        let private = place.bus.is_none();
        let name = format!("{PREFIX}{}", std::process::id());
        let place = Place {
            bus: Some(place.bus.clone().unwrap_or(name)),
            dir: place.dir.clone(),
        };
        let bus = place.open_or_create()?;
        let private = private.then(|| claim(&bus));
        let built = build_topics(&bus, args);
        if built.is_err() && private.is_some() {
            let _ = place.destroy();
        }
        let (quotes, reports) = built?;
        Ok(Self {
            bus,
            quotes,
            reports,
            private,
            place,
        })
    }

    /// The bus.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// How the demo's processes find it.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The market data's topic as it is now.
    pub fn quotes(&self) -> TopicInfo {
        self.quotes.info()
    }

    /// Hears every report from the first on.
    pub fn listen(&self) -> Result<Subscriber<Report>, Failure> {
        Ok(self
            .reports
            .subscriber()
            .reliable()
            .start(Start::Oldest)
            .join()?)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Nobody is left to be told of what cannot be removed.
        let _ = self.bus.remove(QUOTES, Remove::Force);
        let _ = self.bus.remove(REPORTS, Remove::Force);
        if self.private.is_some() {
            let _ = self.place.destroy();
        }
    }
}

/// Claims a bus that is the demo's own, and removes those of demos that were killed.
fn claim(bus: &Bus) -> Claim {
    let claim = Claim::take(bus.path());
    let root = bus.path().parent().unwrap_or(bus.path());
    for left in claim::abandoned(root, PREFIX) {
        let name = left.file_name().unwrap_or_default().to_string_lossy();
        // Nobody waits for this; what cannot be removed is no obstacle.
        let _ = Bus::builder().dir(root).name(&name).destroy();
    }
    claim
}

fn build_topics(bus: &Bus, args: &DemoArgs) -> Result<(Topic<Quote>, Topic<Report>), Failure> {
    let slots = capacity(args.seconds * args.rate);
    let quotes = bus
        .topic(QUOTES)
        .typed::<Quote>()
        .capacity(slots)
        .create()?;
    let reports = bus
        .topic(REPORTS)
        .typed::<Report>()
        .shared()
        .capacity(1024)
        .create();
    if reports.is_err() {
        let _ = bus.remove(QUOTES, Remove::Force);
    }
    Ok((quotes, reports?))
}

/// Room for a good part of the run, at most two thirds: enough that a restarted process finds all
/// it missed, too little for a slow one to lose nothing.
fn capacity(total: u64) -> usize {
    let two_thirds = usize::try_from(total / 3 * 2).unwrap_or(usize::MAX);
    let slots = 1 << two_thirds.max(1).ilog2();
    slots.clamp(1 << 10, 1 << 18)
}

/// The market data's topic, from another process of the demo.
pub fn quotes(bus: &Bus) -> Result<Topic<Quote>, Failure> {
    Ok(bus.topic(QUOTES).typed::<Quote>().open()?)
}

/// The reports' topic, from another process of the demo.
pub fn reports(bus: &Bus) -> Result<Topic<Report>, Failure> {
    Ok(bus.topic(REPORTS).typed::<Report>().open()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_holds_a_third_to_two_thirds_of_the_run() {
        for total in [2_000, 40_000, 60_000, 160_000, 300_000] {
            let slots = capacity(total) as u64;
            assert!(
                slots > total / 3 && slots <= total * 2 / 3,
                "{total}: {slots}"
            );
        }
        assert_eq!(capacity(u64::MAX), 1 << 18);
    }
}
