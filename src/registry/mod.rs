//! Who takes part in a bus, who of them lives, and where the bus keeps its files.
//!
//! A bus is a directory ([`BusDirectory`]). In it, the file `registry` has a slot for every
//! participant, and the kernel a lock for every slot. A participant holds the lock of its
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
//! | behind the slots, 32 each | [bells](bells): where those sleep who wait for many events |
//!
//! Lock bytes lie far behind the end of the file. How many of those of its slot a participant holds
//! says which epoch it is (see [`lease`]).
//!
//! # Life of a slot
//!
//! Free -> [`join`](Registry::join) -> taken -> drop of the registry -> free; or, by the death of
//! its process, taken and its lock free: the next [`join`](Registry::join) or
//! [`collect`](Registry::collect) that gets the lock may have it. Each lease adds one to the
//! slot's epoch, so that an [`OwnerId`], which names slot and epoch, never means a later
//! participant.

mod access;
mod bells;
mod directory;
mod header;
mod lease;
mod name;
mod owner;
mod pattern;
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
    directory::leases_path,
    header::Header,
    slot::{SLOTS, Slot},
};
use crate::segment::{
    Draft, FileAccess, Locks, OpenFile, Ownership, PublishDraftError, Rights, Segment,
    SegmentError, random_id, remove,
};

pub(crate) use self::{
    access::AccessOptions,
    directory::{BusDirectory, Leftover, Purpose, list_buses, remove_bus},
    owner::OwnerId,
    slot::Participant,
    watch::DirectoryWatch,
};
pub use self::{
    access::{Access, AccessError, Grant},
    directory::DirectoryError,
    name::{BusName, NameError, TopicName},
    pattern::{Pattern, PatternError},
};

/// One process's view of a bus's participants, and its own place among them once it has joined.
pub(crate) struct Registry {
    /// Mapped read-only, as much as it takes to look.
    segment: Segment,
    header: Header,
    /// Mapped read-write when this process first writes a slot.
    writable: OnceLock<Segment>,
    /// Where leases are locked; `None` where this user may only observe.
    leases: Option<OpenFile>,
    /// The lease, once `join` has taken it.
    owner: OnceLock<OwnerId>,
    /// Held while slots are taken or freed: lock bytes exclude other open files, not other threads.
    sweep: Mutex<()>,
}

impl Registry {
    /// Opens the registry of a bus, or makes one.
    ///
    /// Where this user may only read it, that is enough to look at who takes part, not to join.
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
        loop {
            match Self::open(bus_dir) {
                Err(RegistryError::Segment(SegmentError::NotFound { .. })) => {}
                opened => return opened,
            }
            // Whoever is first, the next look finds it.
            create(bus_dir, Header::new(random_id(), participants_max), access)?;
        }
    }

    /// Opens the registry of a bus that exists.
    pub(crate) fn open(bus_dir: &Path) -> Result<Self, RegistryError> {
        let path = bus_dir.join(FILE_NAME);
        let (segment, header) = map(&path, Rights::ReadOnly)?;
        let leases = match open_leases(&leases_path(bus_dir, header.bus_id())) {
            // Somebody removes the bus, or has removed a part of it.
            Err(SegmentError::NotFound { path: leases }) => {
                return match map(&path, Rights::ReadOnly) {
                    Ok((_, again)) if again.bus_id() == header.bus_id() => {
                        Err(RegistryError::Incomplete { path, leases })
                    }
                    Ok(_) => Self::open(bus_dir),
                    Err(e) => Err(e),
                };
            }
            leases => leases?,
        };
        Ok(Self {
            segment,
            header,
            writable: OnceLock::new(),
            leases,
            owner: OnceLock::new(),
            sweep: Mutex::new(()),
        })
    }

    /// The identity of the bus that is in a directory now, if there is one; `None` where nobody can
    /// say.
    pub(crate) fn find_bus_id(bus_dir: &Path) -> Option<Option<u64>> {
        match map(&bus_dir.join(FILE_NAME), Rights::ReadOnly) {
            Ok((_, header)) => Some(Some(header.bus_id())),
            Err(RegistryError::Segment(SegmentError::NotFound { .. })) => Some(None),
            Err(_) => None,
        }
    }

    /// The identity of the bus, drawn when its registry was made.
    pub(crate) fn bus_id(&self) -> u64 {
        self.header.bus_id()
    }

    /// Whose the registry is, and what others may do with it.
    pub(crate) fn ownership(&self) -> Option<Ownership> {
        self.segment.ownership()
    }

    /// The directory of the bus.
    fn directory(&self) -> &Path {
        self.segment.path().parent().unwrap_or(Path::new(""))
    }

    /// How many participants the bus has room for.
    pub(crate) fn participants_max(&self) -> usize {
        self.header.participants_max()
    }

    /// All slots, to be read; none in a forked child, where nothing is mapped.
    fn slots(&self) -> &[Slot] {
        self.segment
            .array(SLOTS, self.participants_max())
            .unwrap_or(&[])
    }

    /// All slots, to be written; none in a forked child.
    fn slots_to_write(&self) -> Result<&[Slot], RegistryError> {
        let segment = self.writable()?;
        Ok(segment.array(SLOTS, self.participants_max()).unwrap_or(&[]))
    }

    /// The registry, mapped read-write.
    fn writable(&self) -> Result<&Segment, RegistryError> {
        self.segment.check_not_forked()?;
        if let Some(segment) = self.writable.get() {
            return Ok(segment);
        }
        let path = self.segment.path();
        match map(path, Rights::ReadWrite) {
            Ok((segment, header)) if header.bus_id() == self.bus_id() => {
                Ok(self.writable.get_or_init(|| segment))
            }
            Ok(_) | Err(RegistryError::Segment(SegmentError::NotFound { .. })) => {
                let path = path.to_owned();
                Err(RegistryError::Removed { path })
            }
            Err(e) => Err(e),
        }
    }

    /// The locks that say who lives. Those who may only observe see another set of them, which serves
    /// no purpose but that; an observer that means harm can hide participants from observers.
    fn leases(&self) -> Locks<'_> {
        match &self.leases {
            Some(leases) => leases.locks(),
            None => self.segment.locks(),
        }
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
    #[error("{path}: damaged, its {what} is {found:#x}; remove the bus once nobody uses it")]
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

    /// Every bell belongs to a living participant.
    #[error(
        "{path}: all {bells_max} bells of the bus are taken, one by each wait set, and by each process \
         that uses file descriptors or streams; drop some"
    )]
    NoBells {
        /// The registry.
        path: PathBuf,
        /// Bells in the registry.
        bells_max: usize,
    },

    /// The bus was removed, or replaced by another one, after it was opened.
    #[error("{path}: the bus was removed since it was opened; open it again")]
    Removed {
        /// The registry.
        path: PathBuf,
    },

    /// The file on which leases are locked is gone.
    #[error("{path}: {leases} is missing beside it; remove the bus once nobody uses it")]
    Incomplete {
        /// The registry.
        path: PathBuf,
        /// The file that is missing.
        leases: PathBuf,
    },

    /// The file could not be opened, made, mapped or locked.
    #[error(transparent)]
    Segment(#[from] SegmentError),
}

/// Makes a registry, and before it the file of its leases; nothing, if somebody was first.
fn create(dir: &Path, header: Header, access: Access) -> Result<(), RegistryError> {
    let leases_path = leases_path(dir, header.bus_id());
    // Counts as being made until the registry is there, and needs it.
    let _leases = match Draft::new(dir, LEASES_BYTES, &[], access.leases())?.publish(&leases_path) {
        Ok(segment) => segment,
        Err(PublishDraftError::Exists { .. }) => return Ok(()),
        Err(PublishDraftError::Segment(e)) => return Err(e.into()),
    };
    let created = create_slots(dir, header, access.cursors());
    if created.is_err() {
        let _ = remove(&leases_path);
    }
    match created {
        Ok(()) | Err(PublishDraftError::Exists { .. }) => Ok(()),
        Err(PublishDraftError::Segment(e)) => Err(e.into()),
    }
}

fn create_slots(dir: &Path, header: Header, access: FileAccess) -> Result<(), PublishDraftError> {
    let whole = 0..file_len_bytes(&header) as u64;
    let reserved = slice::from_ref(&whole);
    let draft = Draft::new(dir, whole.end, reserved, access)?;
    draft.write_at(0, header.as_bytes())?;
    draft.publish(&dir.join(FILE_NAME)).map(drop)
}

/// Maps a registry as far as its header says.
fn map(path: &Path, rights: Rights) -> Result<(Segment, Header), RegistryError> {
    let file = Segment::open(path, rights)?;
    let header = read_header(&file, path)?;
    Ok((file.map(file_len_bytes(&header))?, header))
}

/// Opens the file of leases as far as this user may; `None`: not at all.
fn open_leases(path: &Path) -> Result<Option<OpenFile>, SegmentError> {
    for rights in [Rights::ReadWrite, Rights::ReadOnly] {
        match Segment::open(path, rights) {
            Err(SegmentError::Permission { .. } | SegmentError::ReadOnlyFileSystem { .. }) => {}
            opened => return opened.map(Some),
        }
    }
    Ok(None)
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
    bells::end_of_bells(header.participants_max())
}

/// The length of a new registry.
fn new_len_bytes() -> u64 {
    file_len_bytes(&Header::new(0, PARTICIPANTS_MAX)) as u64
}

/// The length of a file of leases: more than nothing, as it is mapped while it is made. It takes no
/// memory, and nobody reads it.
const LEASES_BYTES: u64 = 4096;

/// The registry's name in the directory of its bus.
const FILE_NAME: &str = "registry";

/// Room in a new registry: 132 KiB of memory.
const PARTICIPANTS_MAX: u32 = 1024;
