//! What a role publishes and reads with: the Rust API, or the C ABI.

use ringbus::{PollError, PublishError, Publisher, Subscriber};

use super::backoff::Backoff;
use super::crew::Part;
use super::form::subscribe;
use super::through_c::{Functions, PublisherInC, SubscriberInC};
use crate::args::Via;
use crate::outcome::Failure;

/// One that sends.
pub trait Sends {
    /// Why it did not.
    type Error: Into<Failure>;

    /// One message.
    fn publish(&mut self, payload: &[u8]) -> Result<(), Self::Error>;

    /// Several of this size, which lie one after the other, with one call.
    fn publish_batch(&mut self, payloads: &[u8], size: usize) -> Result<(), Self::Error>;
}

/// One that receives.
pub trait Receives {
    /// Why it did not.
    type Error: Into<Failure>;

    /// Uses the next message, if it is there.
    fn poll<R>(&mut self, use_it: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, Self::Error>;

    /// Uses up to `max` of the next messages; how many there were.
    fn poll_batch(&mut self, max: usize, use_it: impl FnMut(&[u8])) -> Result<usize, Self::Error>;

    /// How many messages were lost, if that is what the error says.
    fn missed(error: &Self::Error) -> Option<u64>;
}

impl Sends for Publisher<[u8]> {
    type Error = PublishError;

    #[inline(always)]
    fn publish(&mut self, payload: &[u8]) -> Result<(), PublishError> {
        Publisher::publish(self, payload).map(drop)
    }

    #[inline(always)]
    fn publish_batch(&mut self, payloads: &[u8], size: usize) -> Result<(), PublishError> {
        Publisher::publish_batch(self, payloads.chunks_exact(size)).map(drop)
    }
}

impl Receives for Subscriber<[u8]> {
    type Error = PollError;

    #[inline(always)]
    fn poll<R>(&mut self, use_it: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, PollError> {
        Ok(Subscriber::poll(self)?.map(|message| use_it(&message)))
    }

    #[inline(always)]
    fn poll_batch(
        &mut self,
        max: usize,
        mut use_it: impl FnMut(&[u8]),
    ) -> Result<usize, PollError> {
        let batch = Subscriber::poll_batch(self, max)?;
        batch.iter().for_each(|message| use_it(&message));
        Ok(batch.len())
    }

    fn missed(error: &PollError) -> Option<u64> {
        match error {
            PollError::Lagged { missed } => Some(*missed),
            _ => None,
        }
    }
}

/// Polls until the next message is there, and uses it.
#[inline(always)]
pub fn next<S: Receives, R>(
    subscriber: &mut S,
    use_it: impl FnOnce(&[u8]) -> R,
) -> Result<R, S::Error> {
    let mut use_it = Some(use_it);
    let mut backoff = Backoff::new();
    loop {
        let used = subscriber.poll(|message| {
            let use_it = use_it.take();
            use_it.map(|use_it| use_it(message))
        })?;
        if let Some(used) = used.flatten() {
            return Ok(used);
        }
        backoff.pause();
    }
}

impl Via {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::C => "c",
        }
    }

    /// For a role's numbers.
    pub fn number(self) -> u64 {
        self as u64
    }
}

/// What a role does with a publisher, a subscriber or both, whichever way they go.
pub trait Play {
    /// Does it. What it has no topic for is `None`.
    fn play<P: Sends, S: Receives>(
        self,
        part: &mut Part,
        publisher: Option<P>,
        subscriber: Option<S>,
    ) -> Result<(), Failure>;
}

/// Opens what a role needs the way that its next number says, and lets it play.
pub fn play(
    part: &mut Part,
    publishes: Option<&str>,
    subscribes: Option<&str>,
    is_lossy: bool,
    role: impl Play,
) -> Result<(), Failure> {
    if part.number()? == Via::C.number() {
        let functions = Functions::load()?;
        let bus = functions.open(part.root())?;
        let publisher = publishes.map(|topic| PublisherInC::open(&bus, topic));
        let subscriber = subscribes.map(|topic| SubscriberInC::open(&bus, topic, is_lossy));
        return role.play(part, publisher.transpose()?, subscriber.transpose()?);
    }
    let publisher = publishes.map(|topic| Ok::<_, Failure>(part.topic(topic)?.publisher()?));
    let subscriber = subscribes.map(|topic| subscribe(&part.topic(topic)?, is_lossy));
    let (publisher, subscriber) = (publisher.transpose()?, subscriber.transpose()?);
    role.play(part, publisher, subscriber)
}
