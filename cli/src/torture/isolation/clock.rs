//! Times and timeouts in a time namespace that is a day ahead.

use std::thread;
use std::time::{Duration, Instant};

use ringbus::{Bus, Error, Grant, PollError, Start, TimeSource, Timestamp, TopicError};

use super::pair::{bus, hear, is_skipped};
use super::place::Place;
use super::{Ending, Scenery};
use crate::outcome::Failure;
use crate::torture::actor::{Stage, say};

const SOURCES: [(TimeSource, &str); 2] = [(TimeSource::Clock, "clock"), (TimeSource::Tsc, "tsc")];
const STALLS: &str = "stalls";
const TIMEOUT: Duration = Duration::from_millis(200);
/// Between the messages before and after the moment from which on somebody reads.
const PAUSE: Duration = Duration::from_millis(20);
/// Nothing here is older.
const RECENT: Duration = Duration::from_secs(60);

/// Plays the scene: one who is a day ahead reads what was published here, and the other way round.
pub fn play(scenery: &Scenery) -> Result<Ending, Failure> {
    let bus = scenery.bus(Grant::Publish)?;
    for (source, name) in SOURCES {
        match bus.topic(name).time(source).capacity(16).create() {
            Err(TopicError::NoTsc) => continue,
            topic => topic?,
        };
        let publisher = bus.topic(name).open()?.publisher()?;
        publisher.publish(b"before")?;
        thread::sleep(PAUSE);
    }
    let stalls = bus.topic(STALLS).capacity(4).create()?;
    let stalling = stalls.subscriber().reliable().stall_timeout(TIMEOUT);
    let mut stalling = stalling.join()?;
    let mut actor = scenery.start(Place::Time, "isolation/clock")?;
    if let Some(reason) = is_skipped(&mut actor, "ahead")? {
        return Ok(Ending::Skipped(reason));
    }
    thread::sleep(PAUSE);
    for name in names(&bus) {
        bus.topic(name).open()?.publisher()?.publish(b"after")?;
    }
    actor.cue();
    hear(&mut actor, "read")?;
    let status = actor.end()?;
    if !status.success() {
        return Err(Failure::say(format_args!("the one ahead: {status}")));
    }
    for name in names(&bus) {
        let topic = bus.topic(name).open()?;
        let mut newest = topic.subscriber().start(Start::Last(1)).join()?;
        let message = newest
            .poll()?
            .ok_or_else(|| Failure::say("nothing came back"))?;
        is_recent(name, message.time(), b"from ahead" == message.payload())?;
    }
    match stalling.poll() {
        Err(PollError::Evicted { .. }) => Ok(Ending::Played(Duration::ZERO)),
        other => Err(Failure::say(format_args!(
            "{other:?} instead of being evicted"
        ))),
    }
}

/// The topics with times that there are.
fn names(bus: &Bus) -> impl Iterator<Item = &'static str> {
    let names = SOURCES.into_iter().map(|(_, name)| name);
    names.filter(|name| bus.topic(name).open().is_ok())
}

fn is_recent(name: &str, time: Option<Timestamp>, is_expected: bool) -> Result<(), Failure> {
    let now = Timestamp::now();
    let is_past = time.is_some_and(|time| time <= now && time.elapsed() < RECENT);
    match is_past && is_expected {
        true => Ok(()),
        false => Err(Failure::say(format_args!(
            "{name}: a message of {time:?}, read at {now:?}"
        ))),
    }
}

/// Role: in the time namespace.
pub fn ahead(stage: &Stage) -> Result<(), Failure> {
    let bus = bus(stage)?;
    let middle = Timestamp::now();
    say("ahead");
    stage.wait();
    for name in names(&bus) {
        let topic = bus.topic(name).open()?;
        let mut all = topic.subscriber().start(Start::Oldest).join()?;
        for expected in [&b"before"[..], b"after"] {
            let message = all
                .poll()?
                .ok_or_else(|| Failure::say("a message is missing"))?;
            is_recent(name, message.time(), message.payload() == expected)?;
        }
        let mut late = topic.subscriber().start(Start::Time(middle)).join()?;
        let first = late.poll()?.map(|message| message.payload().to_owned());
        if first.as_deref() != Some(b"after") {
            return Err(Failure::say(format_args!(
                "{name}: from the middle on: {first:?}"
            )));
        }
        topic.publisher()?.publish(b"from ahead")?;
    }
    timeouts(&bus).map_err(Failure::say)??;
    say("read");
    Ok(())
}

/// Checks that waits are as long as asked for.
fn timeouts(bus: &Bus) -> Result<Result<(), Failure>, Error> {
    let topic = bus.topic(STALLS).open()?;
    let publisher = topic.publisher()?;
    let mut quiet = topic.subscriber().join()?;
    let started = Instant::now();
    let woken = quiet.wait(TIMEOUT)?;
    let waited = started.elapsed();
    // The first refusal is what the stall counts from.
    let started = Instant::now();
    while publisher.try_publish(b"x").is_ok() {}
    publisher.publish(b"x")?;
    let evicted = started.elapsed();
    let is_fine = |took: Duration| (TIMEOUT..RECENT).contains(&took);
    Ok(match !woken && is_fine(waited) && is_fine(evicted) {
        true => Ok(()),
        false => Err(Failure::say(format_args!(
            "waited {waited:?} and {evicted:?} instead of {TIMEOUT:?}"
        ))),
    })
}
