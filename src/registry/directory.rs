//! Where a bus keeps its files.
//!
//! ```text
//! <root>/<bus>/registry
//! <root>/<bus>/topics/<id>.ring
//! <root>/<bus>/topics/<id>-<incarnation>.cursors
//! ```
//!
//! The root is the one that the caller names, else `$RINGBUS_DIR`, else a directory of the user in
//! /dev/shm, or in the directory of temporary files with the portable backend. There anybody may
//! make directories, so that one is refused unless the user owns it.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::BusName;
use crate::segment::{
    Access, SegmentError, create_directory, default_parent, effective_user, is_directory_of, remove,
};

/// The directory of a bus.
pub(crate) struct BusDirectory {
    path: PathBuf,
}

impl BusDirectory {
    /// Finds the directory of a bus, or makes it, with rights that follow from those of its files:
    /// who may read them may enter it, who may write them may add to it.
    ///
    /// `root` is `None` for the usual place.
    pub(crate) fn open_or_create(
        root: Option<&Path>,
        bus: &BusName,
        access: Access,
    ) -> Result<Self, DirectoryError> {
        let root = Root::find(root);
        make(&root.path, access)?;
        let this = Self::open_in(&root, bus)?;
        make(&this.path, access)?;
        make(&this.topics(), access)?;
        Ok(this)
    }

    /// Finds the directory of a bus that exists.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::NoBus`] where there is none.
    pub(crate) fn open(root: Option<&Path>, bus: &BusName) -> Result<Self, DirectoryError> {
        let this = Self::open_in(&Root::find(root), bus)?;
        let path = this.path.clone();
        match fs::metadata(this.topics()) {
            Ok(status) if status.is_dir() => Ok(this),
            Err(source) if source.kind() == ErrorKind::PermissionDenied => {
                Err(DirectoryError::Read { path, source })
            }
            _ => Err(DirectoryError::NoBus { path }),
        }
    }

    fn open_in(root: &Root, bus: &BusName) -> Result<Self, DirectoryError> {
        root.check_owner()?;
        Ok(Self {
            path: root.path.join(bus.as_str()),
        })
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of the topics' files.
    pub(crate) fn topics(&self) -> PathBuf {
        self.path.join("topics")
    }

    /// The ring of a topic, by [`file_id`](super::TopicName::file_id).
    pub(crate) fn ring(&self, id: u64) -> PathBuf {
        self.topics().join(format!("{id:016x}.ring"))
    }

    /// The cursors of one incarnation of a topic: a ring that is made anew gets new cursors.
    pub(crate) fn cursors(&self, id: u64, incarnation: u64) -> PathBuf {
        self.topics()
            .join(format!("{id:016x}-{incarnation:016x}.cursors"))
    }

    /// The ids of all topics that have a ring, in order.
    pub(crate) fn rings(&self) -> Result<Vec<u64>, DirectoryError> {
        let names = list(&self.topics())?;
        let mut ids: Vec<u64> = names
            .iter()
            .filter_map(|name| parse_ring(name.to_str()?))
            .collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// The cursors files and unfinished drafts that are there, whether or not a ring goes with them.
    pub(crate) fn leftovers(&self) -> Result<Vec<Leftover>, DirectoryError> {
        let mut found = Vec::new();
        for directory in [self.path.clone(), self.topics()] {
            for name in list(&directory)? {
                let name = name.to_string_lossy();
                let cursors_of = parse_cursors(&name);
                if cursors_of.is_some() || name.starts_with(".draft-") {
                    let path = directory.join(&*name);
                    found.push(Leftover { path, cursors_of });
                }
            }
        }
        Ok(found)
    }
}

/// Removes a bus with everything in it, whatever it is.
pub(crate) fn remove_bus(root: Option<&Path>, bus: &BusName) -> Result<(), DirectoryError> {
    let this = BusDirectory::open(root, bus)?;
    // File by file: memory need not be where the directory is. The registry first, so that
    // whoever opens the bus meanwhile makes a new one.
    for directory in [this.path.clone(), this.topics()] {
        let paths = list(&directory)?
            .into_iter()
            .map(|name| directory.join(name));
        for path in paths.filter(|path| !path.is_dir()) {
            remove(&path)?;
        }
    }
    let removed = fs::remove_dir_all(&this.path);
    removed.map_err(|source| DirectoryError::Read {
        path: this.path,
        source,
    })
}

/// A file that may have been left behind.
pub(crate) struct Leftover {
    pub(crate) path: PathBuf,
    /// The id and incarnation of the ring that the cursors go with; `None` for a draft.
    pub(crate) cursors_of: Option<(u64, u64)>,
}

/// The names of all buses, in order; none where there is no root.
pub(crate) fn list_buses(root: Option<&Path>) -> Result<Vec<BusName>, DirectoryError> {
    let root = Root::find(root);
    if !root.path.exists() {
        return Ok(Vec::new());
    }
    root.check_owner()?;
    let names = list(&root.path)?;
    let buses = names
        .iter()
        .filter_map(|name| BusName::new(name.to_str()?).ok());
    let mut buses: Vec<_> = buses
        .filter(|bus| root.path.join(bus.as_str()).join("topics").is_dir())
        .collect();
    buses.sort_unstable();
    Ok(buses)
}

/// Why the directory of a bus could not be found, made or read.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// # let dir = &bus.dir;
/// use ringbus::{Bus, DirectoryError, OpenError};
///
/// let opened = Bus::builder().dir(dir).name("plant").create(false).open();
/// let Err(OpenError::Directory(error)) = opened else { panic!("nobody has made it") };
/// match &error {
///     DirectoryError::NoBus { path } => assert!(path.ends_with("plant")), // wait, or create it
///     _ => eprintln!("{error}"),
/// }
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// There is no such bus.
    #[error("{path}: no bus there; whoever publishes or subscribes makes one")]
    NoBus {
        /// Where it would be.
        path: PathBuf,
    },

    /// Somebody else made the directory that should be this user's own.
    #[error(
        "{path}: not a directory of this user (uid {uid}), perhaps a trap; have it removed, or \
         choose another place by RINGBUS_DIR"
    )]
    NotOwned {
        /// The root of the buses.
        path: PathBuf,
        /// The user.
        uid: u32,
    },

    /// A directory could not be made.
    #[error(transparent)]
    Segment(#[from] SegmentError),

    /// A directory could not be read, or not be removed.
    #[error("{path}: cannot read or remove the directory: {source}")]
    Read {
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// The directory in which buses are.
struct Root {
    path: PathBuf,
    /// True where nobody chose the place, so that anybody may have been there first.
    by_default: bool,
}

impl Root {
    fn find(explicit: Option<&Path>) -> Self {
        let from_env = || {
            env::var_os("RINGBUS_DIR")
                .filter(|dir| !dir.is_empty())
                .map(PathBuf::from)
        };
        match explicit.map(Path::to_owned).or_else(from_env) {
            Some(path) => Self {
                path,
                by_default: false,
            },
            None => Self {
                path: default_path(),
                by_default: true,
            },
        }
    }

    /// Refuses a default root that is not a directory, or not this user's.
    fn check_owner(&self) -> Result<(), DirectoryError> {
        match self.by_default {
            true => check_owner(&self.path, effective_user()),
            false => Ok(()),
        }
    }
}

/// Refuses what is not a directory of the user; a symbolic link is none.
pub(super) fn check_owner(path: &Path, uid: u32) -> Result<(), DirectoryError> {
    let path = path.to_owned();
    match is_directory_of(&path, uid) {
        Ok(true) => Ok(()),
        Ok(false) => Err(DirectoryError::NotOwned { path, uid }),
        Err(e) if e.kind() == ErrorKind::NotFound => Err(DirectoryError::NoBus { path }),
        Err(source) => Err(DirectoryError::Read { path, source }),
    }
}

fn default_path() -> PathBuf {
    default_parent().join(format!("ringbus-{}", effective_user()))
}

fn make(path: &Path, access: Access) -> Result<(), SegmentError> {
    match path.is_dir() {
        true => Ok(()),
        false => create_directory(path, access),
    }
}

fn list(path: &Path) -> Result<Vec<OsString>, DirectoryError> {
    let read = |source| DirectoryError::Read {
        path: path.to_owned(),
        source,
    };
    let entries = fs::read_dir(path).map_err(read)?;
    entries
        .map(|entry| Ok(entry.map_err(read)?.file_name()))
        .collect()
}

fn parse_ring(file_name: &str) -> Option<u64> {
    parse_hex(file_name.strip_suffix(".ring")?)
}

fn parse_cursors(file_name: &str) -> Option<(u64, u64)> {
    let (id, incarnation) = file_name.strip_suffix(".cursors")?.split_once('-')?;
    Some((parse_hex(id)?, parse_hex(incarnation)?))
}

fn parse_hex(digits: &str) -> Option<u64> {
    let lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_whole = digits.len() == 16 && digits.bytes().all(lower_hex);
    is_whole.then(|| u64::from_str_radix(digits, 16).ok())?
}
