//! Those who come and go.

use std::thread;
use std::time::Duration;

use fastrand::Rng;
use ringbus::{
    Bus, JoinError, PollError, PublishError, Remove, Start, Subscriber, Topic, TopicError,
};

use super::{LEN_MAX, MADE, NAMES, PINS, SHARED, VISITING, made};
use crate::outcome::Failure;
use crate::torture::actor::{Role, Stage};
use crate::torture::checked;
use crate::torture::notes::{Note, Notes};

/// Who comes and goes.
pub const ROLES: &[Role] = &[
    ("churn/visitor", visitor),
    ("churn/publisher", publisher),
    ("churn/maker", maker),
];

const JOIN: usize = 0;
const LEAVE: usize = 1;
const CREATE: usize = 2;
const REMOVE: usize = 3;

/// What every visitor has.
struct Visit {
    notes: Notes,
    seat: usize,
    random: Rng,
}

impl Visit {
    /// Arguments: its seat among the notes, and what chance begins with.
    fn begin(stage: &Stage) -> Result<Self, Failure> {
        Ok(Self {
            notes: Notes::open(&stage.root)?,
            seat: stage.number(0)? as usize,
            random: Rng::with_seed(stage.number(1)?),
        })
    }

    fn note(&self) -> &Note {
        self.notes.of(self.seat)
    }
}

/// Joins as a subscriber in one way or another, reads a little, leaves.
fn visitor(stage: &Stage) -> Result<(), Failure> {
    let mut visit = Visit::begin(stage)?;
    while !visit.note().is_over() {
        // Each time another participant.
        let bus = stage.bus()?;
        for _ in 0..visit.random.u32(1..6) {
            let topic = bus.topic(NAMES[visit.random.usize(..NAMES.len())]).open()?;
            if visit.random.u32(..8) == 0 {
                observe(&mut visit, &topic)?;
            } else {
                subscribe(&mut visit, &topic)?;
            }
        }
    }
    Ok(())
}

fn start(random: &mut Rng) -> Start {
    match random.u32(..4) {
        0 => Start::Oldest,
        1 => Start::Last(random.u64(..100)),
        _ => Start::Latest,
    }
}

fn subscribe(visit: &mut Visit, topic: &Topic<[u8]>) -> Result<(), Failure> {
    let builder = topic.subscriber().start(start(&mut visit.random));
    let mut subscriber = match visit.random.u32(..4) {
        0 => builder.reliable().join()?,
        1 => {
            let stall = Duration::from_millis(5);
            builder.reliable().stall_timeout(stall).join()?
        }
        _ => builder.lossy().join()?,
    };
    visit.note().change(JOIN);
    if visit.random.u32(..16) == 0 {
        subscriber.wait(Duration::from_millis(2))?;
    }
    let mut expected = subscriber.cursor();
    for _ in 0..visit.random.u32(..4) {
        read(visit, &mut subscriber, &mut expected)?;
    }
    if visit.random.bool() {
        // Leaves while it holds a message.
        let _held = subscriber.poll();
        visit.note().change(LEAVE);
        return Ok(());
    }
    drop(subscriber);
    visit.note().change(LEAVE);
    Ok(())
}

fn read(
    visit: &Visit,
    subscriber: &mut Subscriber<[u8]>,
    expected: &mut u64,
) -> Result<(), Failure> {
    let batch = match subscriber.poll_batch(PINS as usize) {
        Ok(batch) => batch,
        Err(PollError::Lagged { missed } | PollError::Evicted { missed }) => {
            *expected += missed;
            visit.note().miss(missed);
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    for message in &batch {
        if message.sequence() != *expected {
            visit.note().disorder();
        }
        *expected = message.sequence() + 1;
        let is_whole = checked::read(message.payload()).is_some();
        visit.note().receive(is_whole);
    }
    Ok(())
}

fn observe(visit: &mut Visit, topic: &Topic<[u8]>) -> Result<(), Failure> {
    let mut observer = topic.observer(start(&mut visit.random))?;
    visit.note().change(JOIN);
    match observer.poll() {
        Ok(Some(message)) => {
            let is_whole = checked::read(message.payload()).is_some();
            visit.note().receive(is_whole);
        }
        Ok(None) => {}
        Err(PollError::Lagged { missed }) => visit.note().miss(missed),
        Err(error) => return Err(error.into()),
    }
    visit.note().change(LEAVE);
    Ok(())
}

/// Joins as a publisher, publishes a little, leaves.
fn publisher(stage: &Stage) -> Result<(), Failure> {
    let mut visit = Visit::begin(stage)?;
    let mut serial = 0;
    while !visit.note().is_over() {
        let bus = stage.bus()?;
        for _ in 0..visit.random.u32(1..6) {
            let publisher = bus.topic(NAMES[SHARED]).open()?.publisher()?;
            visit.note().change(JOIN);
            for _ in 0..visit.random.u32(..4) {
                let payload = checked::payload(LEN_MAX, VISITING, serial);
                let sequence = publisher.publish(&payload)?;
                visit.note().acknowledge(serial, Some(sequence));
                serial += 1;
            }
            if visit.random.u32(..4) == 0 {
                // Its chunk goes back where it came from.
                publisher.loan(LEN_MAX)?.fill(0xff);
            }
            drop(publisher);
            visit.note().change(LEAVE);
        }
        thread::sleep(Duration::from_micros(visit.random.u64(..200)));
    }
    Ok(())
}

/// Makes, uses and removes topics that others make, use and remove as well.
fn maker(stage: &Stage) -> Result<(), Failure> {
    let mut visit = Visit::begin(stage)?;
    while !visit.note().is_over() {
        let bus = stage.bus()?;
        let name = made(visit.random.u32(..MADE));
        make_and_use(&visit, &bus, &name)?;
        let how = match visit.random.bool() {
            true => Remove::Force,
            false => Remove::IfUnused,
        };
        match bus.remove(&name, how) {
            Ok(()) => visit.note().change(REMOVE),
            Err(TopicError::NotFound { .. } | TopicError::InUse { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if visit.random.u32(..8) == 0 {
            bus.gc()?;
        }
    }
    Ok(())
}

fn make_and_use(visit: &Visit, bus: &Bus, name: &str) -> Result<(), Failure> {
    let builder = || bus.topic(name).shared().capacity(8).payload_max(LEN_MAX);
    let topic = match builder().create() {
        Ok(topic) => {
            visit.note().change(CREATE);
            topic
        }
        Err(TopicError::Exists { .. }) => match builder().open() {
            Err(TopicError::NotFound { .. }) => return Ok(()),
            topic => topic?,
        },
        Err(error) => return Err(error.into()),
    };
    let publisher = match topic.publisher() {
        // Another one has removed it.
        Err(JoinError::Removed { .. }) => return Ok(()),
        publisher => publisher?,
    };
    visit.note().change(JOIN);
    match publisher.try_publish(&checked::payload(LEN_MAX, 0, 1)) {
        Ok(_) | Err(PublishError::Full(_)) => {}
        Err(error) => return Err(error.into()),
    }
    drop(publisher);
    visit.note().change(LEAVE);
    Ok(())
}
