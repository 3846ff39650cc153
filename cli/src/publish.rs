//! `ringbus pub`: stdin to messages.

use std::time::{Duration, Instant};

use ringbus::{
    Bus, Culprit, Meta, Patience, PayloadKind, PublishError, Publisher, Remove, SegmentError,
    TimeSource, Topic, TopicBuilder, TopicError, TopicInfo,
};

use crate::args::{Framing, Place, PubArgs, Time};
use crate::input::{Arrival, Framer, Limit, Stdin};
use crate::outcome::{Failure, Outcome, complain};
use crate::pace::Pace;
use crate::signals::{LOOK_EVERY, Stop};

/// Publishes until the end of the input, an error in it, or a signal.
pub fn run(place: &Place, args: &PubArgs) -> Result<Outcome, Failure> {
    let stop = Stop::install()?;
    let attributes = args.attributes.attributes()?;
    let bus = place.open_or_create_for(&args.sharing)?;
    check_room(&bus, args)?;
    let (topic, is_made) = open_topic(&bus, args)?;
    let mut meta = Meta::new().tag(args.tag.unwrap_or(0));
    if attributes.len_bytes() > 0 {
        meta = meta.attributes(&attributes);
    }
    match publish_on(&topic, args, meta, stop) {
        // Made otherwise it may serve: what this has made stands in nobody's way.
        Err(failure @ (Failure::Said(_) | Failure::Usage(_)))
            if is_made
                && is_of_no_use(&topic)
                && bus.remove(&args.topic, Remove::IfUnused).is_ok() =>
        {
            Err(failure.and(format_args!(
                "; nothing was published, and topic {}, made for it, is removed again",
                args.topic
            )))
        }
        ended => ended,
    }
}

/// Whether nothing was ever published on a topic that this has made; whether somebody has joined it, its
/// removal tells.
fn is_of_no_use(topic: &Topic<[u8]>) -> bool {
    topic.info().published == 0 && !topic.is_removed()
}

fn publish_on(
    topic: &Topic<[u8]>,
    args: &PubArgs,
    meta: Meta<'_>,
    stop: Stop,
) -> Result<Outcome, Failure> {
    let info = topic.info();
    check_tags(args, &info)?;
    let framer = Framer::new(args.framing(), limit(&info));
    let outlet = Outlet {
        publisher: topic.publisher()?,
        info,
        meta,
        pace: Pace::new(args.rate),
        stop,
        told: None,
    };
    if outlet.wait_subscribers(args.wait_subscribers)? {
        publish(framer, outlet)?;
    }
    Ok(Outcome::Done)
}

/// Opens the topic, or makes it; in small pages where the system gives it no huge ones. Says whether it
/// was made.
fn open_topic(bus: &Bus, args: &PubArgs) -> Result<(Topic<[u8]>, bool), Failure> {
    match open_or_make(|| describe(bus, args).huge_pages(args.huge_pages)) {
        Err(TopicError::Segment(
            error @ (SegmentError::NoHugePages { .. } | SegmentError::Unsupported { .. }),
        )) => {
            complain(format_args!("note: --huge-pages is left out: {error}"));
            Ok(open_or_make(|| describe(bus, args))?)
        }
        opened => Ok(opened?),
    }
}

fn open_or_make(
    describe: impl Fn() -> TopicBuilder<[u8]>,
) -> Result<(Topic<[u8]>, bool), TopicError> {
    match describe().open() {
        Err(TopicError::NotFound { .. }) => {}
        opened => return Ok((opened?, false)),
    }
    match describe().create() {
        // Somebody was first.
        Err(TopicError::Exists { .. }) => Ok((describe().open_or_create()?, false)),
        made => Ok((made?, true)),
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
    builder = builder
        .prefault(args.prefault)
        .lock_memory(args.lock_memory);
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

/// A topic without room for the attributes is of no use, so none is made.
fn check_room(bus: &Bus, args: &PubArgs) -> Result<(), Failure> {
    if args.attributes.attributes.is_empty() || args.attributes.attributes_max.is_some() {
        return Ok(());
    }
    let room = match bus.topic(&args.topic).open() {
        Ok(topic) => topic.info().attributes_max_bytes,
        Err(TopicError::NotFound { .. }) => 0,
        Err(error) => return Err(error.into()),
    };
    match room {
        0 => Err(Failure::say(format_args!(
            "topic {} has no room for attributes: leave --attribute out, or make a topic with \
             --attributes-max",
            args.topic
        ))),
        _ => Ok(()),
    }
}

fn check_tags(args: &PubArgs, info: &TopicInfo) -> Result<(), Failure> {
    match args.tag.is_some() && !info.tags {
        true => Err(Failure::say(format_args!(
            "topic {} keeps no tags: leave --tag out",
            info.name
        ))),
        false => Ok(()),
    }
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
    /// The topic as it was when this began.
    info: TopicInfo,
    meta: Meta<'a>,
    pace: Pace,
    stop: Stop,
    /// Number and process of the subscriber that was last said to be waited for.
    told: Option<(u32, u32)>,
}

/// A wait for a subscriber that takes longer is told of.
const TELL_AFTER: Duration = Duration::from_secs(1);

impl Outlet<'_> {
    /// Waits until `count` subscribers are there; false: asked to end instead.
    fn wait_subscribers(&self, count: usize) -> Result<bool, Failure> {
        let max = self.info.max_subscribers;
        if count > max as usize {
            return Err(Failure::say(format_args!(
                "--wait-subscribers {count}: topic {} has places for {max}",
                self.info.name
            )));
        }
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
        let started = Instant::now();
        while !self.stop.asked() {
            match self
                .publisher
                .publish_with(self.meta, payload, Patience::For(LOOK_EVERY))
            {
                Ok(_) => return Ok(true),
                // A subscriber is waited for, for as long as it takes.
                Err(PublishError::Full(culprit)) if started.elapsed() >= TELL_AFTER => {
                    self.tell(culprit);
                }
                Err(PublishError::Full(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }

    /// Says who is waited for, once until it is another one.
    fn tell(&mut self, culprit: Culprit) {
        let who = Some((culprit.subscriber, culprit.pid));
        if self.told != who {
            self.told = who;
            complain(format_args!(
                "{}: waiting for room: {culprit}; let it go on, or end it (one that is started with \
                 --stall-timeout is not waited for longer)",
                self.info.name
            ));
        }
    }
}
