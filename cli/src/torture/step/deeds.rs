//! Everything that a process does to a bus: what it is stepped through, killed in and stopped in.
//!
//! Each deed begins and ends at a [`mark`](super::tracee::mark). What stands after it is done only
//! by a victim that was stopped and continued: it makes use of what it has, and all must be well.

use std::time::Duration;

use ringbus::{JoinError, PublisherMode, Remove, TopicError};

use super::site::{LEN_MAX, OTHER, PINS};
use super::victim::{Reader, Reads, Victim};
use crate::outcome::Failure;
use crate::torture::checked;

/// Something that a process does.
pub struct Deed {
    /// What it is called in the findings.
    pub name: &'static str,
    /// How a victim does it.
    pub play: fn(&Victim) -> Result<(), Failure>,
    /// What the victim is on the topic while it does it.
    pub part: Part,
    /// The one mode in which there is such a thing; none: both.
    pub only: Option<PublisherMode>,
    /// How full the ring is when it begins.
    pub fills: &'static [Fill],
}

/// What a victim is on the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Publisher,
    Subscriber(Reads),
    /// Nobody yet, or of no consequence to the topic.
    Visitor,
}

/// How full a ring is, and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// Nothing was published that the victim has not read.
    Empty,
    /// A few messages.
    Part,
    /// A few, in the second lap.
    Wrapping,
    /// A lap, all of it new to a lossy subscriber that holds two messages; the next one published
    /// passes it. To a victim that subscribes, a lap; whoever publishes waits for it, if for anybody.
    Full,
    /// Three messages later: what the lossy subscriber holds is the publisher's own chunk by now.
    Held,
    /// A lap, all of it new to a reliable subscriber that is dead.
    Dead,
    /// A few, and a subscriber is asleep until the next one.
    Asleep,
    /// A lap and a half since the victim joined.
    Lapped,
}

impl Fill {
    /// What it is called in the findings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Part => "part",
            Self::Wrapping => "wrapping",
            Self::Full => "full",
            Self::Held => "held",
            Self::Dead => "dead",
            Self::Asleep => "asleep",
            Self::Lapped => "lapped",
        }
    }
}

const LEVELS: &[Fill] = &[Fill::Empty, Fill::Part, Fill::Wrapping];
const WRITING: &[Fill] = &[
    Fill::Empty,
    Fill::Part,
    Fill::Wrapping,
    Fill::Full,
    Fill::Held,
    Fill::Dead,
    Fill::Asleep,
];
const READING: &[Fill] = &[Fill::Empty, Fill::Part, Fill::Wrapping, Fill::Full];
const PASSED: &[Fill] = &[
    Fill::Empty,
    Fill::Part,
    Fill::Wrapping,
    Fill::Full,
    Fill::Lapped,
];
const JOINING: &[Fill] = &[Fill::Empty, Fill::Wrapping, Fill::Full, Fill::Dead];
const ONCE: &[Fill] = &[Fill::Part];
const ALIVE_OR_DEAD: &[Fill] = &[Fill::Part, Fill::Dead];

const RELIABLE: Part = Part::Subscriber(Reads::Reliable);
const EVICTABLE: Part = Part::Subscriber(Reads::Evictable);
const LOSSY: Part = Part::Subscriber(Reads::Lossy);
const EXCLUSIVE: Option<PublisherMode> = Some(PublisherMode::Exclusive);

macro_rules! deeds {
    ($($name:literal $play:expr, $part:expr, $only:expr, $fills:expr;)+) => {
        &[$(Deed { name: $name, play: $play, part: $part, only: $only, fills: $fills }),+]
    };
}

/// All of them.
pub const DEEDS: &[Deed] = deeds![
    "publish" publish, Part::Publisher, None, WRITING;
    "publish_batch" publish_batch, Part::Publisher, None, WRITING;
    "loan" loan, Part::Publisher, None, WRITING;
    "commit" commit, Part::Publisher, None, WRITING;
    "abort" abort, Part::Publisher, None, LEVELS;
    "loan_run" loan_run, Part::Publisher, EXCLUSIVE, WRITING;
    "leave_publisher" leave_publisher, Part::Publisher, None, LEVELS;
    "join_publisher" join_publisher, Part::Publisher, None, JOINING;
    "poll_reliable" poll_reliable, RELIABLE, None, READING;
    "poll_evictable" poll_evictable, EVICTABLE, None, PASSED;
    "poll_lossy" poll_lossy, LOSSY, None, PASSED;
    "latest" latest, LOSSY, None, PASSED;
    "hold_reliable" hold_reliable, RELIABLE, None, READING;
    "hold_evictable" hold_evictable, EVICTABLE, None, READING;
    "hold_lossy" hold_lossy, LOSSY, None, READING;
    "release_reliable" release_reliable, RELIABLE, None, READING;
    "release_evictable" release_evictable, EVICTABLE, None, READING;
    "release_lossy" release_lossy, LOSSY, None, READING;
    "sleep" sleep, RELIABLE, None, &[Fill::Empty];
    "join_reliable" join_reliable, RELIABLE, None, JOINING;
    "join_lossy" join_lossy, LOSSY, None, JOINING;
    "leave_reliable" leave_reliable, RELIABLE, None, READING;
    "leave_lossy" leave_lossy, LOSSY, None, READING;
    "leave_bus" leave_bus, Part::Visitor, None, ONCE;
    "open_bus" open_bus, Part::Visitor, None, ONCE;
    "open" open, Part::Visitor, None, ONCE;
    "create" create, Part::Visitor, None, ONCE;
    "remove" remove, Part::Visitor, None, ONCE;
    "collect" collect, Part::Visitor, None, ALIVE_OR_DEAD;
];

impl Deed {
    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        DEEDS.iter().find(|deed| deed.name == name)
    }
}

fn publish(victim: &Victim) -> Result<(), Failure> {
    let publisher = victim.publisher()?;
    let payload = victim.payload(victim.warm);
    victim.act(|| -> Result<(), Failure> {
        let seq = publisher.publish(&payload)?;
        victim.note.acknowledge(victim.warm, Some(seq));
        Ok(())
    })?;
    victim.publish_on(&publisher)
}

fn publish_batch(victim: &Victim) -> Result<(), Failure> {
    let publisher = victim.publisher()?;
    let payloads = [0, 1, 2].map(|index| victim.payload(victim.warm + index));
    victim.act(|| -> Result<(), Failure> {
        publisher.publish_batch(payloads.iter().map(|payload| &**payload))?;
        victim.note.acknowledge(victim.warm + 2, None);
        Ok(())
    })?;
    victim.publish_on(&publisher)
}

fn loan(victim: &Victim) -> Result<(), Failure> {
    let publisher = victim.publisher()?;
    let mut loan = victim.act(|| publisher.loan(LEN_MAX))?;
    checked::fill(&mut loan, victim.origin, victim.warm);
    victim.note.acknowledge(victim.warm, Some(loan.commit()?));
    victim.publish_on(&publisher)
}

fn commit(victim: &Victim) -> Result<(), Failure> {
    let publisher = victim.publisher()?;
    let mut loan = publisher.loan(LEN_MAX)?;
    checked::fill(&mut loan, victim.origin, victim.warm);
    victim.act(|| -> Result<(), Failure> {
        let seq = loan.commit()?;
        victim.note.acknowledge(victim.warm, Some(seq));
        Ok(())
    })?;
    victim.publish_on(&publisher)
}

fn abort(victim: &Victim) -> Result<(), Failure> {
    let publisher = victim.publisher()?;
    let mut loan = publisher.loan(LEN_MAX)?;
    loan.fill(0xff);
    victim.act(|| drop(loan));
    victim.publish_on(&publisher)
}

fn loan_run(victim: &Victim) -> Result<(), Failure> {
    let publisher = victim.publisher()?;
    victim.act(|| -> Result<(), Failure> {
        let mut run = publisher.loan_run(3, LEN_MAX)?;
        for index in 0..3 {
            let message = run.message_mut(index).expect("one of the run");
            checked::fill(message, victim.origin, victim.warm + index as u64);
        }
        let first = run.commit()?;
        victim.note.acknowledge(victim.warm + 2, Some(first + 2));
        Ok(())
    })?;
    victim.publish_on(&publisher)
}

fn leave_publisher(victim: &Victim) -> Result<(), Failure> {
    let publisher = victim.publisher()?;
    victim.publish(&publisher)?;
    victim.act(|| drop(publisher));
    Ok(())
}

fn join_publisher(victim: &Victim) -> Result<(), Failure> {
    let (_, topic) = victim.open()?;
    victim.ready();
    match victim.act(|| topic.publisher()) {
        Ok(publisher) => victim.publish_on(&publisher),
        Err(JoinError::PublisherExists { .. }) => {
            victim.refuse();
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn poll_reliable(victim: &Victim) -> Result<(), Failure> {
    poll(victim, Reads::Reliable)
}

fn poll_evictable(victim: &Victim) -> Result<(), Failure> {
    poll(victim, Reads::Evictable)
}

fn poll_lossy(victim: &Victim) -> Result<(), Failure> {
    poll(victim, Reads::Lossy)
}

fn poll(victim: &Victim, reads: Reads) -> Result<(), Failure> {
    let (mut subscriber, mut reader, topic) = victim.subscriber(reads)?;
    reader.take(victim.act(|| subscriber.poll_batch(PINS)))?;
    reader.read_on(&mut subscriber, &topic)
}

fn latest(victim: &Victim) -> Result<(), Failure> {
    let (mut subscriber, mut reader, topic) = victim.subscriber(Reads::Lossy)?;
    if let Some(message) = victim.act(|| subscriber.latest())? {
        reader.skip_to(message.sequence());
        reader.message(message.sequence(), message.payload());
    }
    reader.read_on(&mut subscriber, &topic)
}

fn hold_reliable(victim: &Victim) -> Result<(), Failure> {
    hold(victim, Reads::Reliable)
}

fn hold_evictable(victim: &Victim) -> Result<(), Failure> {
    hold(victim, Reads::Evictable)
}

fn hold_lossy(victim: &Victim) -> Result<(), Failure> {
    hold(victim, Reads::Lossy)
}

/// Reads messages that it holds, and once more when the deed is done.
fn hold(victim: &Victim, reads: Reads) -> Result<(), Failure> {
    let (mut subscriber, mut reader, topic) = victim.subscriber(reads)?;
    let batch = subscriber.poll_batch(PINS)?;
    let are_whole = || batch.iter().all(|one| checked::read(&one).is_some());
    let were_whole = victim.act(are_whole);
    victim.note.receive(were_whole);
    reader.take(Ok(batch))?;
    reader.read_on(&mut subscriber, &topic)
}

fn release_reliable(victim: &Victim) -> Result<(), Failure> {
    release(victim, Reads::Reliable)
}

fn release_evictable(victim: &Victim) -> Result<(), Failure> {
    release(victim, Reads::Evictable)
}

fn release(victim: &Victim, reads: Reads) -> Result<(), Failure> {
    let (mut subscriber, mut reader, topic) = victim.subscriber(reads)?;
    let batch = subscriber.poll_batch(PINS)?;
    for message in &batch {
        reader.message(message.sequence(), &message);
    }
    victim.act(|| drop(batch));
    reader.read_on(&mut subscriber, &topic)
}

/// A lossy subscriber gives back what it holds when it polls again.
fn release_lossy(victim: &Victim) -> Result<(), Failure> {
    let (mut subscriber, mut reader, topic) = victim.subscriber(Reads::Lossy)?;
    reader.take(subscriber.poll_batch(PINS))?;
    reader.take(victim.act(|| subscriber.poll_batch(PINS)))?;
    reader.read_on(&mut subscriber, &topic)
}

fn sleep(victim: &Victim) -> Result<(), Failure> {
    let (mut subscriber, mut reader, topic) = victim.subscriber(Reads::Reliable)?;
    victim.act(|| subscriber.wait(Duration::from_millis(1)))?;
    reader.read_on(&mut subscriber, &topic)
}

fn join_reliable(victim: &Victim) -> Result<(), Failure> {
    join(victim, Reads::Reliable)
}

fn join_lossy(victim: &Victim) -> Result<(), Failure> {
    join(victim, Reads::Lossy)
}

fn join(victim: &Victim, reads: Reads) -> Result<(), Failure> {
    let (_, topic) = victim.open()?;
    let builder = victim.subscriber_of(&topic, reads);
    victim.ready();
    let mut subscriber = victim.act(|| builder.join())?;
    Reader::new(victim.note, &subscriber).read_on(&mut subscriber, &topic)
}

fn leave_reliable(victim: &Victim) -> Result<(), Failure> {
    leave(victim, Reads::Reliable)
}

fn leave_lossy(victim: &Victim) -> Result<(), Failure> {
    leave(victim, Reads::Lossy)
}

/// Leaves while it still owns messages: a lossy subscriber has them until it polls again.
fn leave(victim: &Victim, reads: Reads) -> Result<(), Failure> {
    let (mut subscriber, mut reader, _) = victim.subscriber(reads)?;
    reader.take(subscriber.poll_batch(PINS))?;
    victim.act(|| drop(subscriber));
    Ok(())
}

fn leave_bus(victim: &Victim) -> Result<(), Failure> {
    let (bus, topic) = victim.open()?;
    drop(victim.subscriber_of(&topic, Reads::Lossy).join()?);
    victim.ready();
    victim.act(|| drop((topic, bus)));
    Ok(())
}

fn open_bus(victim: &Victim) -> Result<(), Failure> {
    victim.ready();
    let bus = victim.act(|| victim.site.bus())?;
    victim.site.topic(&bus).map(drop)
}

fn open(victim: &Victim) -> Result<(), Failure> {
    let bus = victim.site.bus()?;
    victim.ready();
    victim.act(|| victim.site.topic(&bus)).map(drop)
}

fn create(victim: &Victim) -> Result<(), Failure> {
    let bus = victim.site.bus()?;
    victim.ready();
    let builder = || victim.site.builder(&bus, OTHER);
    let topic = victim.act(|| builder().open_or_create())?;
    topic.publisher().map(drop).or_else(|error| match error {
        JoinError::PublisherExists { .. } => Ok(()),
        error => Err(error.into()),
    })
}

fn remove(victim: &Victim) -> Result<(), Failure> {
    let bus = victim.site.bus()?;
    victim.ready();
    match victim.act(|| bus.remove(OTHER, Remove::IfUnused)) {
        Err(TopicError::NotFound { .. } | TopicError::InUse { .. }) => victim.refuse(),
        removed => removed?,
    }
    Ok(())
}

fn collect(victim: &Victim) -> Result<(), Failure> {
    let bus = victim.site.bus()?;
    victim.ready();
    victim.act(|| bus.gc()).map(drop)?;
    Ok(())
}
