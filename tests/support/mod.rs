//! What the test programs share: a bus of a test's own, and payloads that show any damage.

#![allow(dead_code)] // each program uses a part of it

pub mod checked;
mod scratch;

use std::{
    fs,
    ops::Deref,
    path::{Path, PathBuf},
};

use ringbus::{Bus, PublisherMode, TopicBuilder};

pub use self::scratch::Scratch;

/// The names in a directory, but for the portable backend's directory of lock files.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| name.into_string().expect("UTF-8"));
    names.filter(|name| name != ".locks").collect()
}

/// The file that has the bytes of a segment: itself or, with the portable backend, the one of the object
/// that it names.
pub fn memory(segment: &Path) -> PathBuf {
    if !cfg!(feature = "portable") {
        return segment.to_owned();
    }
    let descriptor = fs::read(segment).expect("a descriptor");
    let id: [u8; 8] = descriptor[16..24].try_into().expect("8 bytes");
    let id = u64::from_ne_bytes(id);
    PathBuf::from(format!("/dev/shm/ringbus-{id:016x}"))
}

/// Memory that a test makes unfindable, removed on drop.
pub struct Orphan(pub PathBuf);

impl Drop for Orphan {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

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
