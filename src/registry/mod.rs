//! Who takes part in a bus, who of them lives, and where the bus keeps its files.
//!
//! A bus is a directory ([`BusDirectory`]). In it, the file `registry` has a slot for every
//! participant, and the kernel a lock byte for every slot. A participant holds the lock of its
//! slot for as long as it lives; the kernel drops it at death, whatever the death, in every PID
//! namespace and container. Nothing here looks at process ids, heartbeats or clocks, and a
//! stopped process (SIGSTOP) is alive.
//!
//! # The file
//!
//! | byte            | what                                                          |
//! |-----------------|---------------------------------------------------------------|
//! | 0               | the [header](header), written once, before the file is visible |
//! | 4096 + 64 n     | slot n, written by the one who holds its lock                  |
//!
//! Lock bytes lie far behind the end of the file, one for each slot.
//!
//! # Life of a slot
//!
//! Free -> [`join`](Registry::join) -> taken -> drop of the registry -> free; or, by the death of
//! its process, taken and its lock free: the next [`join`](Registry::join) or
//! [`collect`](Registry::collect) that gets the lock may have it. Each lease adds one to the
//! slot's epoch, so that an [`OwnerId`], which names slot and epoch, never means a later
//! participant.

mod directory;
mod header;
mod lease;
mod name;
mod owner;
mod slot;
#[cfg(test)]
mod tests;
mod watch;

use std::{
    path::{Path, PathBuf},
    slice,
    sync::{Mutex, OnceLock},
};

use thiserror::Error;
use zerocopy::IntoBytes;

use self::{
    header::Header,
    slot::{SLOTS, Slot},
};
use crate::segment::{
    Access, Draft, OpenFile, PublishDraftError, Rights, Segment, SegmentError, random_id,
};

pub use self::{
    directory::DirectoryError,
    name::{BusName, NameError, TopicName},
};
pub(crate) use self::{
    directory::{BusDirectory, Leftover, list_buses, remove_bus},
    lease::Participant,
    owner::OwnerId,
    watch::DirectoryWatch,
};

/// One process's view of a bus's participants, and its own place among them once it has joined.
pub(crate) struct Registry {
    segment: Segment,
    header: Header,
    /// The lease, once `join` has taken it.
    owner: OnceLock<OwnerId>,
    /// Held while slots are taken or freed: lock bytes exclude other open files, not other threads.
    sweep: Mutex<()>,
}

impl Registry {
    /// Opens the registry of a bus, or makes one; whoever may read the bus may also write it.
    ///
    /// Where this user may only read it, that is enough to ask who lives, not to join.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Foreign`] and [`RegistryError::Damaged`] for a file that cannot be used,
    /// and what opening or making a file can answer.
    pub(crate) fn open_or_create(bus_dir: &Path, access: Access) -> Result<Self, RegistryError> {
        Self::open_or_create_sized(bus_dir, access, PARTICIPANTS_MAX)
    }

    /// The same; a new one has room for `participants_max` participants.
    fn open_or_create_sized(
        bus_dir: &Path,
        access: Access,
        participants_max: u32,
    ) -> Result<Self, RegistryError> {
        let path = bus_dir.join(FILE_NAME);
        loop {
            match Self::open(bus_dir) {
                Err(RegistryError::Segment(SegmentError::NotFound { .. })) => {}
                opened => return opened,
            }
            let header = Header::new(random_id(), participants_max);
            match create(bus_dir, &path, header, access) {
                Ok(segment) => return Ok(Self::new(segment, header)),
                Err(PublishDraftError::Exists { .. }) => {} // somebody was first: open theirs
                Err(PublishDraftError::Segment(e)) => return Err(e.into()),
            }
        }
    }

    /// Opens the registry of a bus that exists, if only to read it.
    pub(crate) fn open(bus_dir: &Path) -> Result<Self, RegistryError> {
        let path = bus_dir.join(FILE_NAME);
        match Self::open_as(&path, Rights::ReadWrite) {
            Err(RegistryError::Segment(SegmentError::Permission { .. })) => {
                Self::open_as(&path, Rights::ReadOnly)
            }
            opened => opened,
        }
    }

    fn open_as(path: &Path, rights: Rights) -> Result<Self, RegistryError> {
        let file = Segment::open(path, rights)?;
        let header = read_header(&file, path)?;
        let segment = file.map(file_len_bytes(&header))?;
        Ok(Self::new(segment, header))
    }

    fn new(segment: Segment, header: Header) -> Self {
        Self {
            segment,
            header,
            owner: OnceLock::new(),
            sweep: Mutex::new(()),
        }
    }

    /// The identity of the bus, drawn when its registry was made.
    pub(crate) fn bus_id(&self) -> u64 {
        self.header.bus_id()
    }

    /// How many participants the bus has room for.
    pub(crate) fn participants_max(&self) -> usize {
        self.header.participants_max()
    }

    /// All slots; none in a forked child, where nothing is mapped.
    fn slots(&self) -> &[Slot] {
        self.segment
            .array(SLOTS, self.participants_max())
            .unwrap_or(&[])
    }
}

/// Why the registry of a bus cannot be used, or not be joined.
///
/// ```
/// use ringbus::{OpenError, RegistryError};
///
/// /// What to tell whoever operates the host.
/// fn advice(error: &OpenError) -> &str {
///     match error {
///         OpenError::Registry(RegistryError::Full { .. }) => "stop some of the bus's programs",
///         OpenError::Registry(RegistryError::Foreign { .. }) => "install the same release for all",
///         OpenError::Registry(RegistryError::Damaged { .. }) => "stop all programs, remove the bus",
///         _ => "see the message",
///     }
/// }
/// # let path = "/dev/shm/ringbus-1000/default/registry".into();
/// # let error = RegistryError::Full { path, participants_max: 1024 }.into();
/// assert_eq!(advice(&error), "stop some of the bus's programs");
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The file was made by a process that cannot share memory with this one.
    #[error(
        "{path}: its {what} is {found:#x} and this process needs {expected:#x}; use the same \
         version and architecture, or remove the bus once nobody uses it"
    )]
    Foreign {
        /// The registry.
        path: PathBuf,
        /// The property that differs.
        what: &'static str,
        /// Its value in the file.
        found: u64,
        /// Its value in this process.
        expected: u64,
    },

    /// The file has values that no registry has.
    #[error("{path}: damaged, its {what} is {found}; remove the bus once nobody uses it")]
    Damaged {
        /// The registry.
        path: PathBuf,
        /// The property that cannot be.
        what: &'static str,
        /// Its value in the file.
        found: u64,
    },

    /// Every slot belongs to a living participant.
    #[error("{path}: all {participants_max} participants of the bus are alive; close some")]
    Full {
        /// The registry.
        path: PathBuf,
        /// Slots in the registry.
        participants_max: usize,
    },

    /// The file could not be opened, made, mapped or locked.
    #[error(transparent)]
    Segment(#[from] SegmentError),
}

fn create(
    dir: &Path,
    path: &Path,
    header: Header,
    access: Access,
) -> Result<Segment, PublishDraftError> {
    let whole = 0..file_len_bytes(&header) as u64;
    let reserved = slice::from_ref(&whole);
    let draft = Draft::new(dir, whole.end, reserved, access.cursors())?;
    draft.write_at(0, header.as_bytes())?;
    draft.publish(path)
}

/// The header of a file, in a private copy that no peer changes any more.
fn read_header(file: &OpenFile, path: &Path) -> Result<Header, RegistryError> {
    let mut bytes = [0; size_of::<Header>()];
    let have_bytes = file.read_at(0, &mut bytes)? as u64;
    let need_bytes = bytes.len() as u64;
    if have_bytes < need_bytes {
        let path = path.to_owned();
        return Err(SegmentError::Truncated {
            path,
            need_bytes,
            have_bytes,
        }
        .into());
    }
    Header::parse(&bytes, path)
}

fn file_len_bytes(header: &Header) -> usize {
    SLOTS.bytes() as usize + header.participants_max() * size_of::<Slot>()
}

/// The registry's name in the directory of its bus.
const FILE_NAME: &str = "registry";

/// Room in a new registry: 68 KiB of memory.
const PARTICIPANTS_MAX: u32 = 1024;
