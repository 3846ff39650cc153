//! The bus of one kill, made anew for each: small, so that it is soon full and soon looked through.

use std::path::{Path, PathBuf};

use ringbus::{Bus, PublisherMode, Topic, TopicBuilder};

use crate::outcome::Failure;

/// Where everybody meets.
#[derive(Clone)]
pub struct Site {
    root: PathBuf,
    bus: String,
    /// How the topic is shared.
    pub mode: PublisherMode,
}

/// Two of its quanta are more than a publisher ever needs at once, and a lap is soon over.
pub const CAPACITY: u64 = 16;
/// Long enough for one message to be in two cache lines.
pub const LEN_MAX: usize = 64;
/// What one subscriber may hold.
pub const PINS: usize = 2;
/// Room for those who live, the victim, and one who is dead.
pub const SUBSCRIBERS: usize = 6;
const PUBLISHERS: usize = 3;
const LOANS: usize = 2;

/// The topic on which all is done.
pub const TOPIC: &str = "t";
/// A topic that is made and removed.
pub const OTHER: &str = "u";

impl Site {
    /// One in `root`, with nothing there yet.
    pub fn new(root: &Path, bus: String, mode: PublisherMode) -> Self {
        let root = root.to_owned();
        Self { root, bus, mode }
    }

    /// Its bus, made if it is not there.
    pub fn bus(&self) -> Result<Bus, Failure> {
        Ok(Bus::builder().dir(&self.root).name(&self.bus).open()?)
    }

    /// Removes its bus.
    pub fn destroy(&self) -> Result<(), Failure> {
        Ok(Bus::builder().dir(&self.root).name(&self.bus).destroy()?)
    }

    /// The directory of its bus.
    pub fn path(&self) -> PathBuf {
        self.root.join(&self.bus)
    }

    /// A topic of its form.
    pub fn builder(&self, bus: &Bus, name: &str) -> TopicBuilder<[u8]> {
        let builder = bus
            .topic(name)
            .capacity(CAPACITY as usize)
            .payload_max(LEN_MAX)
            .max_subscribers(SUBSCRIBERS)
            .pins(PINS);
        match self.mode {
            PublisherMode::Exclusive => builder,
            PublisherMode::Shared => builder.shared().max_publishers(PUBLISHERS).loans(LOANS),
        }
    }

    /// The topic, which is there.
    pub fn topic(&self, bus: &Bus) -> Result<Topic<[u8]>, Failure> {
        Ok(bus.topic(TOPIC).open()?)
    }
}
