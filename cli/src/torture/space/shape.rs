//! Topics of many shapes, made and used to the full in a small file system.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use fastrand::Rng;
use ringbus::{
    Bus, Error, PollError, PublishError, Publisher, Remove, Start, Subscriber, Topic, TopicError,
};

use super::usage::Usage;
use super::verdict::{Scarce, judge, left, wrong};
use crate::outcome::Failure;
use crate::torture::checked;

/// What decides how much memory a topic takes.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    is_shared: bool,
    capacity: usize,
    payload_max: usize,
    pins: usize,
    max_subscribers: usize,
    max_publishers: usize,
}

const LEN_MAX: usize = 1 << 17;
/// So many publishes that are refused show what the next ones would.
const REFUSALS_MAX: u32 = 20;

impl Shape {
    /// Some of each kind, from those that fit anywhere to those that fit nowhere.
    pub fn listed() -> impl Iterator<Item = Self> {
        let shapes = [
            (1, 24, 1),
            (4, 8_000, 2),
            (16, 64, 16),
            (16, 3_000, 128),
            (64, 1_000, 4),
            (256, 4_096, 8),
            (1024, 100, 128),
            (4096, 1_024, 128),
        ];
        shapes
            .into_iter()
            .flat_map(|(capacity, payload_max, max_subscribers)| {
                [false, true].map(|is_shared| Self {
                    is_shared,
                    capacity,
                    payload_max,
                    pins: 1 + capacity / 8,
                    max_subscribers: max_subscribers + 2,
                    max_publishers: 3,
                })
            })
    }

    /// Any.
    pub fn random(random: &mut Rng) -> Self {
        Self {
            is_shared: random.bool(),
            capacity: 1 << random.u32(0..12),
            payload_max: checked::LEN_MIN + random.usize(0..LEN_MAX) / (1 << random.u32(0..16)),
            pins: random.usize(1..20),
            max_subscribers: random.usize(3..200),
            max_publishers: random.usize(2..8),
        }
    }

    fn create(&self, bus: &Bus, name: &str) -> Result<Topic<[u8]>, TopicError> {
        let builder = bus
            .topic(name)
            .capacity(self.capacity)
            .payload_max(self.payload_max)
            .pins(self.pins)
            .max_subscribers(self.max_subscribers);
        match self.is_shared {
            true => builder
                .shared()
                .max_publishers(self.max_publishers)
                .create(),
            false => builder.create(),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.is_shared {
            "shared"
        } else {
            "exclusive"
        };
        write!(
            f,
            "{mode} topic of {} x {} bytes, {} pins, {} subscribers",
            self.capacity, self.payload_max, self.pins, self.max_subscribers
        )
    }
}

/// Makes a topic of this shape on a bus in `root`, uses it, and removes it.
pub fn try_shape(bus: &Bus, root: &Path, shape: &Shape) -> Result<(), Failure> {
    let usage = || Usage::of(root).map_err(|e| Failure::io(root.display(), &e));
    let before = usage()?;
    let what = shape.to_string();
    if let Some(topic) = judge(
        &what,
        shape.create(bus, "t").map_err(Error::from),
        Scarce::Room,
    ) {
        if let Err(failure) = use_up(bus, root, &topic, shape) {
            wrong(&what, &failure.to_string());
        }
        drop(topic);
        bus.remove("t", Remove::Force)?;
    }
    if let Some(more) = usage()?.beyond(&before) {
        left(&what, &more);
    }
    Ok(())
}

/// Publishes and reads, with room, without it, and with it again.
fn use_up(bus: &Bus, root: &Path, topic: &Topic<[u8]>, shape: &Shape) -> Result<(), Failure> {
    let mut reliable = topic.subscriber().reliable().join()?;
    let mut lossy = topic.subscriber().start(Start::Oldest).lossy().join()?;
    let joined = topic.publisher().map_err(Error::from);
    let Some(publisher) = judge("joining to publish", joined, Scarce::Room) else {
        return Ok(());
    };
    let mut traffic = Traffic {
        laps: 2 * shape.capacity as u64 + 2,
        serial: 0,
        payload_max: shape.payload_max,
    };
    traffic.flow(&publisher, &mut reliable, Scarce::Nothing);

    let filler = Filler::fill(root);
    lossy.seek(Start::Last(1))?;
    let held = lossy
        .poll()?
        .ok_or_else(|| Failure::say("nothing to hold"))?;
    let content = held.payload().to_owned();
    traffic.flow(&publisher, &mut reliable, Scarce::Room);
    if held.payload() != content || checked::read(&content).is_none() {
        return Err(Failure::say("a held message has changed"));
    }
    drop(held);
    if filler.is_full && shape.create(bus, "another").is_ok() {
        return Err(Failure::say("a topic was made in no room at all"));
    }
    let second = topic.publisher().map_err(Error::from);
    if shape.is_shared {
        judge("joining to publish, second", second, Scarce::Room);
    }
    // What was reserved when the topic was made is there, however full it is by now.
    drop(topic.subscriber().reliable().join()?);
    let mut observer = topic.observer(Start::Last(1))?;
    // A publish that was refused may have given up the oldest message.
    if shape.capacity > 1 && observer.poll()?.is_none() {
        return Err(Failure::say("nothing to observe"));
    }
    bus.gc()?;

    // Whoever holds nothing any more takes no spare chunk, even where there is no room for one.
    if let Err(error) = lossy.poll()
        && !matches!(error, PollError::Lagged { .. })
    {
        return Err(error.into());
    }
    lossy.seek(Start::Latest)?;
    traffic.flow(&publisher, &mut reliable, Scarce::Nothing);
    drop(filler);
    traffic.flow(&publisher, &mut reliable, Scarce::Nothing);
    Ok(())
}

/// Checked messages from one publisher to one reliable subscriber.
struct Traffic {
    laps: u64,
    serial: u64,
    payload_max: usize,
}

impl Traffic {
    /// Some laps of them. Where room is scarce a publish may be refused for the want of it.
    fn flow(
        &mut self,
        publisher: &Publisher<[u8]>,
        reliable: &mut Subscriber<[u8]>,
        scarce: Scarce,
    ) {
        let mut refused = 0;
        for _ in 0..self.laps {
            if refused == REFUSALS_MAX {
                return;
            }
            let payload = checked::payload(self.payload_max, 1, self.serial);
            match publisher.try_publish(&payload) {
                Ok(_) => self.serial += 1,
                Err(error @ PublishError::NoSpace { .. }) => {
                    judge::<()>("publishing", Err(error.into()), scarce);
                    refused += 1;
                    continue;
                }
                Err(error) => return wrong("publishing", &error.to_string()),
            }
            let came = reliable.poll();
            let read = came.as_ref().ok().and_then(Option::as_ref);
            let read = read.and_then(|message| checked::read(message.payload()));
            if read != Some((1, self.serial - 1)) {
                return wrong(
                    "reading",
                    &format!("{came:?} is not message {}", self.serial - 1),
                );
            }
        }
    }
}

/// A file that takes the rest of a file system.
struct Filler {
    path: PathBuf,
    is_full: bool,
}

impl Filler {
    fn fill(root: &Path) -> Self {
        let path = root.join("filler");
        let mut is_full = false;
        if let Ok(mut file) = File::create(&path) {
            for len in [1 << 16, 1 << 12, 1] {
                let piece = vec![1; len];
                while file.write(&piece).is_ok_and(|written| written > 0) {}
            }
            is_full = true;
        }
        Self { path, is_full }
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
