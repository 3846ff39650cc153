//! `ringbus pub`: stdin to messages.

use ringbus::{
    Bus, Meta, Patience, PayloadKind, PublishError, Publisher, TimeSource, Topic, TopicInfo,
};

use crate::args::{Framing, Place, PubArgs, Time};
use crate::input::{Arrival, Framer, Limit, Stdin};
use crate::outcome::{Failure, Outcome};
use crate::pace::Pace;
use crate::signals::{LOOK_EVERY, Stop};

/// Publishes until the end of the input, an error in it, or a signal.
pub fn run(place: &Place, args: &PubArgs) -> Result<Outcome, Failure> {
    let stop = Stop::install()?;
    let topic = open_topic(&place.open_or_create()?, args)?;
    let info = topic.info();
    check_tag(args, &info)?;
    let outlet = Outlet::new(args, topic.publisher()?, stop);
    if outlet.wait_subscribers(args.wait_subscribers)? {
        publish(Framer::new(args.framing(), limit(&info)), outlet)?;
    }
    Ok(Outcome::Done)
}

/// Sets only what was asked for: everything else an existing topic may have its own way.
fn open_topic(bus: &Bus, args: &PubArgs) -> Result<Topic<[u8]>, Failure> {
    let mut builder = bus.topic(&args.topic);
    if let Framing::Fixed(bytes) = args.framing() {
        builder = builder.payload_fixed(bytes);
    }
    if let Some(bytes) = args.payload_max {
        builder = builder.payload_max(bytes);
    }
    if let Some(slots) = args.capacity {
        builder = builder.capacity(slots);
    }
    if args.shared {
        builder = builder.shared();
    }
    if let Some(time) = args.time {
        builder = builder.time(time_source(time));
    }
    Ok(builder.open_or_create()?)
}

fn time_source(time: Time) -> TimeSource {
    match time {
        Time::None => TimeSource::None,
        Time::Clock => TimeSource::Clock,
        Time::Tsc => TimeSource::Tsc,
    }
}

fn check_tag(args: &PubArgs, info: &TopicInfo) -> Result<(), Failure> {
    if args.tag.is_some() && !info.tags {
        let words = format!("topic {} keeps no tags: leave --tag out", info.name);
        return Err(Failure::Said(words));
    }
    Ok(())
}

fn limit(info: &TopicInfo) -> Limit {
    match info.payload {
        PayloadKind::Fixed { bytes } => Limit::Exactly(bytes),
        PayloadKind::Variable { max_bytes } => Limit::Max(max_bytes),
    }
}

fn publish(mut framer: Framer, mut outlet: Outlet) -> Result<(), Failure> {
    let stdin = Stdin::open().map_err(|e| Failure::io("cannot read stdin", &e))?;
    loop {
        match stdin.next(&outlet.stop)? {
            Arrival::Bytes(bytes) => framer.feed(&bytes),
            Arrival::End => break,
            Arrival::Stopped => return Ok(()),
        }
        while let Some(message) = framer.next().map_err(Failure::say)? {
            if !outlet.send(message)? {
                return Ok(());
            }
        }
    }
    if let Some(message) = framer.finish().map_err(Failure::say)? {
        outlet.send(message)?;
    }
    Ok(())
}

/// The publisher, and how it publishes.
struct Outlet {
    publisher: Publisher<[u8]>,
    meta: Meta,
    pace: Pace,
    stop: Stop,
}

impl Outlet {
    fn new(args: &PubArgs, publisher: Publisher<[u8]>, stop: Stop) -> Self {
        let meta = Meta::new().tag(args.tag.unwrap_or(0));
        Self {
            publisher,
            meta,
            pace: Pace::new(args.rate),
            stop,
        }
    }

    /// Waits until `count` subscribers are there; false: asked to end instead.
    fn wait_subscribers(&self, count: usize) -> Result<bool, Failure> {
        while count > 0 && !self.stop.asked() {
            if self.publisher.wait_subscribers(count, LOOK_EVERY)? {
                break;
            }
        }
        Ok(!self.stop.asked())
    }

    /// Publishes one message, waiting for its time and for room; false: asked to end instead.
    fn send(&mut self, payload: &[u8]) -> Result<bool, Failure> {
        if !self.pace.wait(&self.stop) {
            return Ok(false);
        }
        while !self.stop.asked() {
            match self
                .publisher
                .publish_with(self.meta, payload, Patience::For(LOOK_EVERY))
            {
                Ok(_) => return Ok(true),
                // A subscriber is waited for, for as long as it takes.
                Err(PublishError::Full(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }
}
