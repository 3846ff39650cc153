//! Subscribers and observers, read the same way.

use std::ops::ControlFlow;
use std::time::Duration;

use ringbus::{AttributesView, Observer, Payload, PollError, Subscriber};

/// A message, lent for the length of a call.
#[derive(Debug, Clone, Copy)]
pub struct View<'m, T: ?Sized> {
    /// Its topic, where messages of several are read.
    pub topic: Option<&'m str>,
    /// Its place in the topic.
    pub sequence: u64,
    /// The publisher's tag; 0 where the topic keeps none.
    pub tag: u64,
    /// The publisher's flags.
    pub flags: u16,
    /// Who published it, where the topic knows.
    pub publisher: Option<u16>,
    /// When, in nanoseconds of CLOCK_MONOTONIC, where the topic keeps it.
    pub time_ns: Option<u64>,
    /// What the publisher said about it.
    pub attributes: AttributesView<'m>,
    /// The content.
    pub payload: &'m T,
}

/// Takes a message; `Break` means: no more.
pub type Take<'a, T> = dyn FnMut(View<'_, T>) -> ControlFlow<()> + 'a;

/// Where messages come from.
pub trait Source<T: Payload + ?Sized> {
    /// Waits until there is something to take, at most `timeout`; says whether there is.
    fn wait(&mut self, timeout: Duration) -> Result<bool, PollError>;

    /// Hands up to `max` messages to `take`, as many as are there; says how many.
    fn take(&mut self, max: usize, take: &mut Take<'_, T>) -> Result<usize, PollError>;

    /// The sequence of the next message to take.
    fn cursor(&self) -> u64;

    /// Messages published and not taken yet.
    fn lag(&self) -> u64;

    /// Messages lost in all, by the library's own count.
    fn lagged(&self) -> u64;
}

macro_rules! view {
    ($message:expr) => {
        view!($message, None)
    };
    ($message:expr, $topic:expr) => {
        View {
            topic: $topic,
            sequence: $message.sequence(),
            tag: $message.tag(),
            flags: $message.flags(),
            publisher: $message.publisher(),
            time_ns: $message.time().map(|time| time.as_nanos()),
            attributes: $message.attributes(),
            payload: $message.payload(),
        }
    };
}

pub(crate) use view;

impl<T: Payload + ?Sized> Source<T> for Subscriber<T> {
    fn wait(&mut self, timeout: Duration) -> Result<bool, PollError> {
        Self::wait(self, timeout)
    }

    fn take(&mut self, max: usize, take: &mut Take<'_, T>) -> Result<usize, PollError> {
        let batch = self.poll_batch(max)?;
        for message in &batch {
            if take(view!(message)).is_break() {
                break;
            }
        }
        Ok(batch.len())
    }

    fn cursor(&self) -> u64 {
        Self::cursor(self)
    }

    fn lag(&self) -> u64 {
        Self::lag(self)
    }

    fn lagged(&self) -> u64 {
        Self::lagged(self)
    }
}

impl<T: Payload + ?Sized> Source<T> for Observer<T> {
    fn wait(&mut self, timeout: Duration) -> Result<bool, PollError> {
        Self::wait(self, timeout)
    }

    /// One at a time: each is copied and checked by itself, and each poll may tell of a loss.
    fn take(&mut self, _max: usize, take: &mut Take<'_, T>) -> Result<usize, PollError> {
        let Some(message) = self.poll()? else {
            return Ok(0);
        };
        let _ = take(view!(message));
        Ok(1)
    }

    fn cursor(&self) -> u64 {
        Self::cursor(self)
    }

    fn lag(&self) -> u64 {
        Self::lag(self)
    }

    fn lagged(&self) -> u64 {
        Self::lagged(self)
    }
}
