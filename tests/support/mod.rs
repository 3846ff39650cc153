//! What the test programs share: a bus of a test's own, and payloads that show any damage.

pub mod checked;
mod scratch;

use std::ops::Deref;

use ringbus::{Bus, PublisherMode, TopicBuilder};

pub use self::scratch::Scratch;

/// Both kinds of topics.
pub const MODES: [PublisherMode; 2] = [PublisherMode::Exclusive, PublisherMode::Shared];

/// A bus in a directory of its own, removed with everything in it on drop.
pub struct TestBus {
    bus: Bus,
    scratch: Scratch,
}

impl TestBus {
    pub fn new() -> Self {
        let scratch = Scratch::new();
        let bus = Bus::builder().dir(scratch.path()).open().expect("a bus");
        Self { bus, scratch }
    }

    /// The directory that holds the bus's own.
    pub fn root(&self) -> &Scratch {
        &self.scratch
    }

    /// Starts to create topic `t` of this mode.
    pub fn topic_of(&self, mode: PublisherMode) -> TopicBuilder<[u8]> {
        let builder = self.bus.topic("t");
        match mode {
            PublisherMode::Exclusive => builder.exclusive(),
            PublisherMode::Shared => builder.shared(),
        }
    }
}

impl Deref for TestBus {
    type Target = Bus;

    fn deref(&self) -> &Bus {
        &self.bus
    }
}
