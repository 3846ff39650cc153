//! Those who are killed: they do one thing over and over, and note how far they are.

use std::thread;
use std::time::Duration;

use fastrand::Rng;
use ringbus::{
    Bus, JoinError, PollError, PublishError, Publisher, PublisherMode, Remove, Start, Subscriber,
    SubscriberBuilder, Topic, TopicError,
};

use super::{LEN_MAX, MADE, RUN};
use crate::outcome::Failure;
use crate::torture::actor::{Role, Stage};
use crate::torture::checked;
use crate::torture::notes::{Note, Notes};

/// Who is killed.
pub const ROLES: &[Role] = &[
    ("kill/publisher", publisher),
    ("kill/waker", waker),
    ("kill/reader", reader),
    ("kill/blocker", blocker),
    ("kill/sleeper", sleeper),
    ("kill/creator", creator),
    ("kill/reaper", reaper),
];

/// What a victim does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Step {
    Start,
    Publish,
    Loan,
    Batch,
    Run,
    Wake,
    Read,
    Hold,
    Visit,
    Block,
    Sleep,
    Create,
    Remove,
    Collect,
}

/// The steps as the findings name them, in the order of the numbers in notes.
pub const STEPS: [(Step, &str); 14] = [
    (Step::Start, "while_starting"),
    (Step::Publish, "while_publishing"),
    (Step::Loan, "holding_a_loan"),
    (Step::Batch, "in_a_batch"),
    (Step::Run, "in_a_run"),
    (Step::Wake, "waking_others"),
    (Step::Read, "while_reading"),
    (Step::Hold, "holding_messages"),
    (Step::Visit, "joining_or_leaving"),
    (Step::Block, "blocking_publishers"),
    (Step::Sleep, "asleep"),
    (Step::Create, "creating_topics"),
    (Step::Remove, "removing_topics"),
    (Step::Collect, "collecting_the_dead"),
];

/// What every victim has.
struct Life {
    number: u64,
    seat: usize,
    notes: Notes,
    bus: Bus,
    random: Rng,
    /// Private memory that the kernel has to free when this process dies.
    _memory: Vec<u8>,
}

impl Life {
    /// Arguments: its number, its seat among the notes, and the size of its memory.
    fn begin(stage: &Stage) -> Result<Self, Failure> {
        let number = stage.number(0)?;
        Ok(Self {
            number,
            seat: stage.number(1)? as usize,
            // Touched, all of it.
            _memory: vec![1; stage.number(2)? as usize],
            notes: Notes::open(&stage.root)?,
            bus: stage.bus()?,
            random: Rng::with_seed(number),
        })
    }

    fn note(&self) -> &Note {
        self.notes.of(self.seat)
    }

    fn begins(&self, step: Step) {
        self.note().begins(step as u32);
    }

    fn pause(&mut self, longest_us: u64) {
        thread::sleep(Duration::from_micros(self.random.u64(..longest_us)));
    }
}

/// Publishes in every way there is.
fn publisher(stage: &Stage) -> Result<(), Failure> {
    let mut life = Life::begin(stage)?;
    let topic = life.bus.topic(stage.arg(3)?).open()?;
    let publisher = topic.publisher()?;
    let is_exclusive = topic.info().mode == PublisherMode::Exclusive;
    let mut serial = 0;
    loop {
        let before = serial;
        let first = match life.random.u32(..16) {
            0 => batch(&mut life, &publisher, &mut serial)?,
            1..=3 => loan(&mut life, &publisher, &mut serial)?,
            4 if is_exclusive => run(&mut life, &publisher, &mut serial)?,
            _ => {
                life.begins(Step::Publish);
                Some(publisher.publish(&next(life.number, &mut serial))?)
            }
        };
        for (index, serial) in (before..serial).enumerate() {
            let sequence = first.map(|first| first + index as u64);
            life.note().acknowledge(serial, sequence);
        }
    }
}

fn next(origin: u64, serial: &mut u64) -> Vec<u8> {
    *serial += 1;
    checked::payload(LEN_MAX, origin, *serial - 1)
}

fn batch(
    life: &mut Life,
    publisher: &Publisher<[u8]>,
    serial: &mut u64,
) -> Result<Option<u64>, Failure> {
    life.begins(Step::Batch);
    let payloads = [(); 3].map(|()| next(life.number, serial));
    publisher.publish_batch(payloads.iter().map(|payload| &**payload))?;
    Ok(None)
}

/// Commits one loan, and sometimes drops another one before.
fn loan(
    life: &mut Life,
    publisher: &Publisher<[u8]>,
    serial: &mut u64,
) -> Result<Option<u64>, Failure> {
    life.begins(Step::Loan);
    if life.random.bool() {
        publisher.loan(LEN_MAX)?.fill(0xff);
    }
    let mut loan = publisher.loan(LEN_MAX)?;
    let payload = next(life.number, serial);
    loan[..payload.len()].copy_from_slice(&payload);
    life.pause(300);
    loan.truncate(payload.len())?;
    Ok(Some(loan.commit()?))
}

fn run(
    life: &mut Life,
    publisher: &Publisher<[u8]>,
    serial: &mut u64,
) -> Result<Option<u64>, Failure> {
    life.begins(Step::Run);
    let mut run = publisher.loan_run(RUN, LEN_MAX)?;
    for index in 0..run.len() {
        let Some(target) = run.message_mut(index) else {
            return Err(Failure::say("a run is shorter than it says"));
        };
        checked::fill(target, life.number, *serial);
        *serial += 1;
    }
    Ok(Some(run.commit()?))
}

/// Publishes to a quiet topic, so that others have to be woken each time.
fn waker(stage: &Stage) -> Result<(), Failure> {
    let mut life = Life::begin(stage)?;
    let publisher = life.bus.topic(stage.arg(3)?).open()?.publisher()?;
    life.begins(Step::Wake);
    let mut serial = 0;
    loop {
        let sequence = publisher.publish(&next(life.number, &mut serial))?;
        life.note().acknowledge(serial - 1, Some(sequence));
        life.pause(600);
    }
}

/// Reads in one way or another, and holds what it reads for a while.
fn reader(stage: &Stage) -> Result<(), Failure> {
    let mut life = Life::begin(stage)?;
    let topic = life.bus.topic(stage.arg(3)?).open()?;
    let builder = topic.subscriber().spin(Duration::ZERO);
    match life.random.u32(..4) {
        0 => read(&mut life, builder.reliable().join()?, 8),
        1 => {
            let stall = Duration::from_millis(5);
            let evictable = builder.reliable().stall_timeout(stall);
            read(&mut life, evictable.join()?, PINS)
        }
        2 => read(&mut life, builder.start(Start::Oldest).join()?, PINS),
        _ => visit(&mut life, &topic),
    }
}

const PINS: usize = super::PINS as usize;

fn read(life: &mut Life, mut subscriber: Subscriber<[u8]>, most: usize) -> Result<(), Failure> {
    let mut expected = subscriber.cursor();
    loop {
        life.begins(Step::Read);
        subscriber.wait(Duration::from_millis(100))?;
        let count = life.random.usize(1..=most);
        if life.random.u32(..8) == 0 {
            life.begins(Step::Hold);
            take(life, &mut subscriber, count, &mut expected, 2000)?;
        } else {
            take(life, &mut subscriber, count, &mut expected, 0)?;
        }
    }
}

/// Takes a batch, holds it for up to `hold_us`, and checks it after that.
fn take(
    life: &mut Life,
    subscriber: &mut Subscriber<[u8]>,
    count: usize,
    expected: &mut u64,
    hold_us: u64,
) -> Result<(), Failure> {
    let batch = match subscriber.poll_batch(count) {
        Ok(batch) => batch,
        Err(PollError::Lagged { missed } | PollError::Evicted { missed }) => {
            life.note().miss(missed);
            *expected += missed;
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    if hold_us > 0 {
        life.pause(hold_us);
    }
    for message in &batch {
        if message.sequence() != *expected {
            life.note().disorder();
        }
        *expected = message.sequence() + 1;
        let is_whole = checked::read(message.payload()).is_some();
        life.note().receive(is_whole);
    }
    Ok(())
}

/// Joins, reads a little from the oldest on, leaves.
fn visit(life: &mut Life, topic: &Topic<[u8]>) -> Result<(), Failure> {
    loop {
        life.begins(Step::Visit);
        let builder = topic.subscriber().start(Start::Oldest);
        let is_reliable = life.random.bool();
        let builder: SubscriberBuilder<[u8]> = match is_reliable {
            true => builder.reliable(),
            false => builder,
        };
        let mut subscriber = builder.join()?;
        let mut expected = subscriber.cursor();
        let count = life.random.usize(1..6);
        take(life, &mut subscriber, count, &mut expected, 0)?;
    }
}

/// Holds the first message it gets for good, and all publishers up with it.
fn blocker(stage: &Stage) -> Result<(), Failure> {
    let life = Life::begin(stage)?;
    let topic = life.bus.topic(stage.arg(3)?).open()?;
    let mut reliable = topic.subscriber().reliable().join()?;
    while !reliable.wait(Duration::from_secs(1))? {}
    let _held = reliable.poll()?;
    life.begins(Step::Block);
    loop {
        thread::park();
    }
}

/// Sleeps, and reads what it is woken for.
fn sleeper(stage: &Stage) -> Result<(), Failure> {
    let mut life = Life::begin(stage)?;
    let topic = life.bus.topic(stage.arg(3)?).open()?;
    let builder = topic.subscriber().spin(Duration::ZERO);
    let mut subscriber = match life.random.bool() {
        true => builder.reliable().join()?,
        false => builder.join()?,
    };
    let mut expected = subscriber.cursor();
    loop {
        life.begins(Step::Sleep);
        subscriber.wait(Duration::from_secs(1))?;
        take(&mut life, &mut subscriber, PINS, &mut expected, 0)?;
    }
}

/// Makes, uses and removes topics that others make, use and remove as well.
fn creator(stage: &Stage) -> Result<(), Failure> {
    let mut life = Life::begin(stage)?;
    loop {
        let name = format!("made/{}", life.random.u32(..MADE));
        life.begins(Step::Create);
        make_and_use(&life, &name)?;
        if life.random.u32(..4) > 0 {
            life.begins(Step::Remove);
            let how = match life.random.bool() {
                true => Remove::Force,
                false => Remove::IfUnused,
            };
            match life.bus.remove(&name, how) {
                Ok(()) | Err(TopicError::NotFound { .. } | TopicError::InUse { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn make_and_use(life: &Life, name: &str) -> Result<(), Failure> {
    let builder = life
        .bus
        .topic(name)
        .shared()
        .capacity(8)
        .payload_max(LEN_MAX);
    let topic = match builder.open_or_create() {
        Ok(topic) => topic,
        // Somebody has removed what this one has just found.
        Err(TopicError::NotFound { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let publisher = topic.publisher();
    let subscriber = topic.subscriber().start(Start::Oldest).join();
    let (publisher, mut subscriber) = match (publisher, subscriber) {
        (Ok(publisher), Ok(subscriber)) => (publisher, subscriber),
        (Err(JoinError::Removed { .. }), _) | (_, Err(JoinError::Removed { .. })) => return Ok(()),
        (Err(error), _) | (_, Err(error)) => return Err(error.into()),
    };
    for serial in 0..4 {
        let payload = checked::payload(LEN_MAX, life.number, serial);
        match publisher.try_publish(&payload) {
            Ok(_) | Err(PublishError::Full(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let mut expected = subscriber.cursor();
        take_from_made(life, &mut subscriber, &mut expected)?;
    }
    Ok(())
}

fn take_from_made(
    life: &Life,
    subscriber: &mut Subscriber<[u8]>,
    expected: &mut u64,
) -> Result<(), Failure> {
    match subscriber.poll() {
        Ok(Some(message)) => {
            if message.sequence() != *expected {
                life.note().disorder();
            }
            let is_whole = checked::read(message.payload()).is_some();
            life.note().receive(is_whole);
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(PollError::Lagged { missed }) => {
            life.note().miss(missed);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Takes back what the others leave.
fn reaper(stage: &Stage) -> Result<(), Failure> {
    let mut life = Life::begin(stage)?;
    loop {
        life.begins(Step::Collect);
        while life.note().is_over() {
            // Others are to find out by themselves who is dead.
            thread::sleep(Duration::from_micros(200));
        }
        life.bus.gc()?;
        life.bus.topics()?;
        life.pause(500);
    }
}
