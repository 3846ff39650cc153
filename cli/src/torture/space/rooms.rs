//! Rooms: small file systems and limits, and what is done in each.

use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;

use fastrand::Rng;
use ringbus::{Bus, Error};

use super::limits;
use super::shape::{Shape, try_shape};
use super::usage::Usage;
use super::verdict::{Scarce, judge, left};
use super::{PLACE, SKIPPED};
use crate::outcome::Failure;
use crate::torture::actor::{Stage, say};
use crate::torture::namespaces::{enter, mount_memory};

/// What there is little of, and how much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// So many KiB of file system.
    Memory(u64),
    /// So many files in it, its root included.
    Inodes(u64),
    /// So many descriptors, the three standard ones included.
    Descriptors(u64),
    /// Files of at most so many bytes.
    FileSize(u64),
    /// So many KiB of address space more than there were.
    AddressSpace(u64),
    /// Room for so many maps more than there were.
    Maps(u64),
    /// So many instances of inotify.
    Watches(u64),
    /// So many KiB that may be locked in memory: nothing locks any.
    Locked(u64),
    /// A file system that was mounted read-only after it got so many messages.
    ReadOnly(u64),
    /// A file system of so many KiB that refuses to run programs, devices and set-uid bits.
    NoExec(u64),
}

const MEMORY: [u64; 7] = [64, 128, 256, 512, 1024, 2048, 4096];
const INODES: u64 = 12;
const DESCRIPTORS: std::ops::RangeInclusive<u64> = 3..=32;
const FILE_SIZES: [u64; 6] = [0, 4096, 69_631, 69_632, 100_000, 1 << 20];
const MAPS: u64 = 6;
const OTHERS: [Room; 5] = [
    Room::AddressSpace(6144),
    Room::Watches(0),
    Room::Locked(0),
    Room::ReadOnly(5),
    Room::NoExec(4096),
];

/// How many rooms are listed.
pub const LISTED: u64 = MEMORY.len() as u64
    + INODES
    + (*DESCRIPTORS.end() - *DESCRIPTORS.start() + 1)
    + FILE_SIZES.len() as u64
    + MAPS
    + OTHERS.len() as u64;

impl Room {
    /// Those of the list come first, one of each kind in turn; then any number of KiB.
    pub fn number(index: u64, random: &mut Rng) -> Self {
        let mut kinds: [Box<dyn Iterator<Item = Self>>; 6] = [
            Box::new(MEMORY.into_iter().map(Self::Memory)),
            Box::new(OTHERS.into_iter()),
            Box::new(DESCRIPTORS.map(Self::Descriptors)),
            Box::new((1..=INODES).map(Self::Inodes)),
            Box::new(FILE_SIZES.into_iter().map(Self::FileSize)),
            Box::new((0..MAPS).map(Self::Maps)),
        ];
        let mut listed = Vec::new();
        while listed.len() < LISTED as usize {
            listed.extend(kinds.iter_mut().filter_map(Iterator::next));
        }
        let random = Self::Memory(random.u64(16..=4096));
        listed.get(index as usize).copied().unwrap_or(random)
    }

    /// What no error may be for the want of anything but.
    pub fn scarce(self) -> Scarce {
        match self {
            Self::Memory(_) | Self::Inodes(_) | Self::NoExec(_) => Scarce::Room,
            Self::Descriptors(_) => Scarce::Descriptors,
            Self::FileSize(_) => Scarce::FileSize,
            Self::AddressSpace(_) | Self::Maps(_) => Scarce::AddressSpace,
            Self::Watches(_) => Scarce::Watches,
            Self::Locked(_) => Scarce::Nothing,
            Self::ReadOnly(_) => Scarce::Writing,
        }
    }

    fn parts(self) -> (&'static str, u64) {
        match self {
            Self::Memory(kib) => ("memory", kib),
            Self::Inodes(count) => ("inodes", count),
            Self::Descriptors(count) => ("descriptors", count),
            Self::FileSize(bytes) => ("file-size", bytes),
            Self::AddressSpace(kib) => ("address-space", kib),
            Self::Maps(count) => ("maps", count),
            Self::Watches(count) => ("watches", count),
            Self::Locked(kib) => ("locked", kib),
            Self::ReadOnly(messages) => ("read-only", messages),
            Self::NoExec(kib) => ("noexec", kib),
        }
    }

    /// Mounts its file system on `place`.
    fn mount(self, place: &Path) -> io::Result<()> {
        enter(libc::CLONE_NEWNS)?;
        let (kib, flags, files) = match self {
            Self::Memory(kib) => (kib, 0, 0),
            Self::Inodes(count) => (4096, 0, count),
            Self::NoExec(kib) => (kib, libc::MS_NOEXEC | libc::MS_NODEV | libc::MS_NOSUID, 0),
            _ => (64 << 10, 0, 0),
        };
        let options = format!("size={kib}k,nr_inodes={files},mode=755");
        mount_memory(place, flags, &options)
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, much) = self.parts();
        write!(f, "{kind}:{much}")
    }
}

impl FromStr for Room {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let unknown = || Failure::say(format_args!("{text:?} is no room"));
        let (kind, much) = text.split_once(':').ok_or_else(unknown)?;
        let much = much.parse().map_err(|_| unknown())?;
        let rooms = [
            Self::Memory(much),
            Self::Inodes(much),
            Self::Descriptors(much),
            Self::FileSize(much),
            Self::AddressSpace(much),
            Self::Maps(much),
            Self::Watches(much),
            Self::Locked(much),
            Self::ReadOnly(much),
            Self::NoExec(much),
        ];
        let found = rooms.into_iter().find(|room| room.parts().0 == kind);
        found.ok_or_else(unknown)
    }
}

/// Role: everything in one room.
pub fn play(stage: &Stage) -> Result<(), Failure> {
    let room: Room = stage.arg(0)?.parse()?;
    let place = stage.root.join(PLACE);
    if let Err(error) = room.mount(&place) {
        say(format_args!(
            "{SKIPPED} no file system can be mounted here: {error}"
        ));
        return Ok(());
    }
    match room {
        Room::Memory(_) | Room::Inodes(_) | Room::NoExec(_) => {
            fill(&place, &mut Rng::with_seed(stage.number(1)?))
        }
        _ => limits::play(room, &place),
    }
}

/// Topics of all shapes, on a bus that may not fit itself.
fn fill(place: &Path, random: &mut Rng) -> Result<(), Failure> {
    const RANDOM_SHAPES: usize = 16;
    let usage = || Usage::of(place).map_err(|e| Failure::io(place.display(), &e));
    let before = usage()?;
    let bus = Bus::builder().dir(place).open().map_err(Error::from);
    if let Some(bus) = judge("opening a bus", bus, Scarce::Room) {
        // Takes part from now on, so that gc finds itself at home.
        bus.gc()?;
        let random = std::iter::repeat_with(|| Shape::random(random)).take(RANDOM_SHAPES);
        for shape in Shape::listed().chain(random) {
            try_shape(&bus, place, &shape)?;
        }
        drop(bus);
        Bus::builder().dir(place).destroy()?;
    }
    if let Some(more) = usage()?.beyond(&before) {
        left("a bus", &more);
    }
    Ok(())
}
