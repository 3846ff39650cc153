//! What all victims do before and after their deed.

use std::time::Duration;

use ringbus::{Batch, Bus, PollError, Publisher, Start, Subscriber, SubscriberBuilder, Topic};

use super::site::{LEN_MAX, PINS, Site};
use super::tracee;
use crate::outcome::Failure;
use crate::torture::checked;
use crate::torture::notes::Note;

/// A process that may be killed or stopped at any moment of its deed.
///
/// It passes three marks: ready, when it has joined what it needs for its deed; then the beginning
/// and the end of the deed. If it lives on, it makes use of what the deed left it with.
pub struct Victim<'a> {
    pub site: &'a Site,
    /// Shared with the case.
    pub note: &'a Note,
    /// What its messages are known by.
    pub origin: u64,
    /// How many messages a publisher publishes before its deed.
    pub warm: u64,
    pid: libc::pid_t,
}

/// How a victim reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    Reliable,
    Evictable,
    Lossy,
}

/// What a deed may leave undone without harm to anybody: see [`Victim::refuse`].
pub const REFUSED: u32 = 1;

/// Evictable victims are given up after this.
const STALL_TIMEOUT: Duration = Duration::from_millis(5);

impl<'a> Victim<'a> {
    /// In the child.
    pub fn new(site: &'a Site, note: &'a Note, origin: u64, warm: u64) -> Self {
        let pid = std::process::id().cast_signed();
        Self {
            site,
            note,
            origin,
            warm,
            pid,
        }
    }

    /// Its bus and topic.
    pub fn open(&self) -> Result<(Bus, Topic<[u8]>), Failure> {
        let bus = self.site.bus()?;
        let topic = self.site.topic(&bus)?;
        Ok((bus, topic))
    }

    /// The first mark.
    pub fn ready(&self) {
        tracee::mark(self.pid);
    }

    /// The deed itself, between the second and the third mark.
    #[inline(always)]
    pub fn act<R>(&self, deed: impl FnOnce() -> R) -> R {
        tracee::mark(self.pid);
        let result = deed();
        tracee::mark(self.pid);
        result
    }

    /// Notes that the deed was refused, as may happen to one who was stopped in its middle.
    pub fn refuse(&self) {
        self.note.begins(REFUSED);
    }

    /// A publisher that is ready, and warm.
    pub fn publisher(&self) -> Result<Publisher<[u8]>, Failure> {
        let (_, topic) = self.open()?;
        let publisher = topic.publisher()?;
        self.ready();
        for _ in 0..self.warm {
            self.publish(&publisher)?;
        }
        Ok(publisher)
    }

    /// Its payload with this number.
    pub fn payload(&self, serial: u64) -> Vec<u8> {
        checked::payload(LEN_MAX, self.origin, serial)
    }

    /// Publishes its next message.
    pub fn publish(&self, publisher: &Publisher<[u8]>) -> Result<(), Failure> {
        let serial = self.note.account(self.origin).acknowledged;
        let seq = publisher.publish(&self.payload(serial))?;
        self.note.acknowledge(serial, Some(seq));
        Ok(())
    }

    /// Shows that nothing ails it after its deed.
    pub fn publish_on(&self, publisher: &Publisher<[u8]>) -> Result<(), Failure> {
        (0..3).try_for_each(|_| self.publish(publisher))
    }

    /// A subscriber in the making, for what comes from now on.
    pub fn subscriber_of(&self, topic: &Topic<[u8]>, reads: Reads) -> SubscriberBuilder<[u8]> {
        let builder = topic.subscriber().start(Start::Latest).spin(Duration::ZERO);
        match reads {
            Reads::Reliable => builder.reliable(),
            Reads::Evictable => builder.reliable().stall_timeout(STALL_TIMEOUT),
            Reads::Lossy => builder.lossy(),
        }
    }

    /// A subscriber that is ready, its topic, and the account of what it reads.
    pub fn subscriber(&self, reads: Reads) -> Result<Seat<'a>, Failure> {
        let (_, topic) = self.open()?;
        let subscriber = self.subscriber_of(&topic, reads).join()?;
        let reader = Reader::new(self.note, &subscriber);
        self.ready();
        Ok((subscriber, reader, topic))
    }
}

/// What a reading victim has.
pub type Seat<'a> = (Subscriber<[u8]>, Reader<'a>, Topic<[u8]>);

/// Whether a subscriber sees everything, or is told exactly what it does not.
pub struct Reader<'a> {
    note: &'a Note,
    /// The next sequence.
    expected: u64,
}

impl<'a> Reader<'a> {
    /// Of a subscriber that has just joined.
    pub fn new(note: &'a Note, subscriber: &Subscriber<[u8]>) -> Self {
        let expected = subscriber.cursor();
        Self { note, expected }
    }

    /// Goes through what was polled.
    pub fn take(&mut self, polled: Result<Batch<'_, [u8]>, PollError>) -> Result<(), Failure> {
        match polled {
            Ok(batch) => {
                for message in &batch {
                    self.message(message.sequence(), message.payload());
                }
            }
            Err(error) => self.miss(error)?,
        }
        Ok(())
    }

    /// Goes through one message.
    pub fn message(&mut self, sequence: u64, payload: &[u8]) {
        if sequence != self.expected {
            self.note.disorder();
        }
        self.note.receive(checked::read(payload).is_some());
        self.expected = sequence + 1;
    }

    /// Skips to a later message, as was asked for.
    pub fn skip_to(&mut self, sequence: u64) {
        self.expected = sequence;
    }

    /// Reads whatever there is; others may publish no more.
    pub fn read_on(
        &mut self,
        subscriber: &mut Subscriber<[u8]>,
        topic: &Topic<[u8]>,
    ) -> Result<(), Failure> {
        while subscriber.wait(Duration::ZERO)? {
            self.take(subscriber.poll_batch(PINS))?;
        }
        if self.expected != topic.info().next {
            self.note.disorder();
        }
        Ok(())
    }

    fn miss(&mut self, error: PollError) -> Result<(), Failure> {
        match error {
            PollError::Lagged { missed } | PollError::Evicted { missed } => {
                self.note.miss(missed);
                self.expected += missed;
                Ok(())
            }
            error => Err(error.into()),
        }
    }
}
