//! `ringbus pub`: stdin to messages.

use ringbus::{
    Bus, Meta, Patience, PayloadKind, PublishError, Publisher, SegmentError, TimeSource, Topic,
    TopicBuilder, TopicError, TopicInfo,
};

use crate::args::{Framing, Place, PubArgs, Time};
use crate::input::{Arrival, Framer, Limit, Stdin};
use crate::outcome::{Failure, Outcome, complain};
use crate::pace::Pace;
use crate::signals::{LOOK_EVERY, Stop};

/// Publishes until the end of the input, an error in it, or a signal.
pub fn run(place: &Place, args: &PubArgs) -> Result<Outcome, Failure> {
    let stop = Stop::install()?;
    let topic = open_topic(&place.open_or_create_for(&args.sharing)?, args)?;
    let info = topic.info();
    check_kept(args, &info)?;
    let attributes = args.attributes.attributes().map_err(Failure::say)?;
    let mut meta = Meta::new().tag(args.tag.unwrap_or(0));
    if attributes.len_bytes() > 0 {
        meta = meta.attributes(&attributes);
    }
    let outlet = Outlet {
        publisher: topic.publisher()?,
        meta,
        pace: Pace::new(args.rate),
        stop,
    };
    if outlet.wait_subscribers(args.wait_subscribers)? {
        publish(Framer::new(args.framing(), limit(&info)), outlet)?;
    }
    Ok(Outcome::Done)
}

/// Opens the topic, or makes it; in small pages where the system gives it no huge ones.
fn open_topic(bus: &Bus, args: &PubArgs) -> Result<Topic<[u8]>, Failure> {
    let asked = describe(bus, args).huge_pages(args.huge);
    match asked.open_or_create() {
        Err(TopicError::Segment(
            error @ (SegmentError::NoHugePages { .. } | SegmentError::Unsupported { .. }),
        )) => {
            complain(format_args!("note: --huge is left out: {error}"));
            Ok(describe(bus, args).open_or_create()?)
        }
        opened => Ok(opened?),
    }
}

/// Sets only what was asked for: everything else an existing topic may have its own way.
fn describe(bus: &Bus, args: &PubArgs) -> TopicBuilder<[u8]> {
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
    if let Some(bytes) = args.attributes.attributes_max {
        builder = builder.attributes_max(bytes.into());
    }
    if let Some(access) = args.sharing.mode {
        builder = builder.access(access);
    }
    if let Some(gid) = args.sharing.group {
        builder = builder.group(gid);
    }
    builder
}

fn time_source(time: Time) -> TimeSource {
    match time {
        Time::None => TimeSource::None,
        Time::Clock => TimeSource::Clock,
        Time::Tsc => TimeSource::Tsc,
    }
}

fn check_kept(args: &PubArgs, info: &TopicInfo) -> Result<(), Failure> {
    let words = if args.tag.is_some() && !info.tags {
        "keeps no tags: leave --tag out"
    } else if !args.attributes.attributes.is_empty() && info.attributes_max_bytes == 0 {
        "has no room for attributes: leave --attribute out, or make a topic with --attributes-max"
    } else {
        return Ok(());
    };
    Err(Failure::say(format_args!("topic {} {words}", info.name)))
}

fn limit(info: &TopicInfo) -> Limit {
    match info.payload {
        PayloadKind::Fixed { bytes } => Limit::Exactly(bytes),
        PayloadKind::Variable { max_bytes } => Limit::Max(max_bytes),
    }
}

fn publish(mut framer: Framer, mut outlet: Outlet<'_>) -> Result<(), Failure> {
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
struct Outlet<'a> {
    publisher: Publisher<[u8]>,
    meta: Meta<'a>,
    pace: Pace,
    stop: Stop,
}

impl Outlet<'_> {
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
