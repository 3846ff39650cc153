//! Where a bus keeps its files.
//!
//! ```text
//! <root>/<bus>/registry
//! <root>/<bus>/<bus id>.leases
//! <root>/<bus>/topics/<id>.ring
//! <root>/<bus>/topics/<id>-<incarnation>.cursors
//! ```
//!
//! The root is the one that the caller names, else `$RINGBUS_DIR`, else a directory of the user in
//! /dev/shm, or in the directory of temporary files with the portable backend. There anybody may
//! make directories, so that one is refused unless the user owns it; and so is a bus, where the root
//! that was named is such a place.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::{Access, BusName, FILE_NAME, new_len_bytes};
use crate::segment::{
    Ownership, Rights, SegmentError, check_removable, check_room_in, create_directory,
    default_parent, effective_user, is_directory_of, ownership, remove,
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
        check_kind(&root.path)?;
        check_room(&root.path, bus)?;
        root.make(access)?;
        let this = Self::open_in(&root, bus)?;
        if !this.path.is_dir() {
            root.check_lets_in(access)?;
            make(&this.path, access)?;
            root.check_bus(&this.path)?; // somebody may have been first
        }
        check_kind(&this.topics())?;
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
            Err(e) if e.kind() == ErrorKind::PermissionDenied => {
                Err(DirectoryError::read(&this.topics(), e))
            }
            _ => Err(DirectoryError::NoBus { path }),
        }
    }

    fn open_in(root: &Root, bus: &BusName) -> Result<Self, DirectoryError> {
        root.check_owner()?;
        let path = root.path.join(bus.as_str());
        check_kind(&path)?;
        root.check_bus(&path)?;
        Ok(Self { path })
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of the topics' files.
    pub(crate) fn topics(&self) -> PathBuf {
        self.path.join(TOPICS)
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

    /// The id of the topic whose ring a file in [`topics`](Self::topics) is, by its name.
    pub(crate) fn id_of_ring(file_name: &str) -> Option<u64> {
        parse_ring(file_name)
    }

    /// Finds the directory of a bus to be removed: some of it may be missing, or be of another kind.
    fn open_to_remove(root: Option<&Path>, bus: &BusName) -> Result<Self, DirectoryError> {
        let this = Self::open_in(&Root::find(root), bus)?;
        let names = match list(&this.path) {
            Err(DirectoryError::Read { path, source }) if source.kind() == ErrorKind::NotFound => {
                return Err(DirectoryError::NoBus { path });
            }
            names => names?,
        };
        let is_telling = |name: &OsString| {
            let name = name.to_string_lossy();
            is_of_bus(&name) && !name.starts_with('.')
        };
        match names.iter().any(is_telling) {
            true => Ok(this),
            false => Err(DirectoryError::NoBus { path: this.path }),
        }
    }

    /// The bus's directories that are there.
    fn directories(&self) -> impl Iterator<Item = PathBuf> {
        let both = [self.path.clone(), self.topics()];
        both.into_iter().filter(|path| path.is_dir())
    }

    /// Refuses a directory that has in it what no bus has.
    fn check_nothing_foreign(&self) -> Result<(), DirectoryError> {
        for directory in self.directories() {
            for name in list(&directory)? {
                let path = directory.join(&name);
                let name = name.to_string_lossy();
                if !is_of_bus(&name) {
                    return Err(DirectoryError::Foreign { path });
                }
                // One that stands where a file should be.
                if ![TOPICS, LOCKS].contains(&&*name)
                    && is_directory(&path)
                    && let Some(within) = list(&path)?.first()
                {
                    let path = path.join(within);
                    return Err(DirectoryError::Foreign { path });
                }
            }
        }
        Ok(())
    }

    /// Refuses to begin with what this user may not bring to its end.
    fn check_removable(&self) -> Result<(), DirectoryError> {
        check_removable(&self.path)?;
        for directory in self.directories() {
            if let Some(first) = list(&directory)?.first() {
                check_removable(&directory.join(first))?;
            }
        }
        Ok(())
    }

    /// The files that may be of no use any more, whether or not they are.
    pub(crate) fn leftovers(&self) -> Result<Vec<Leftover>, DirectoryError> {
        let mut found = Vec::new();
        for directory in [self.path.clone(), self.topics()] {
            for name in list(&directory)? {
                let name = name.to_string_lossy();
                if let Some(purpose) = parse_leftover(&name) {
                    let path = directory.join(&*name);
                    found.push(Leftover { path, purpose });
                }
            }
        }
        Ok(found)
    }
}

/// Removes a bus with everything in it, whatever state it is in; nothing where something else is in there.
pub(crate) fn remove_bus(root: Option<&Path>, bus: &BusName) -> Result<(), DirectoryError> {
    let this = BusDirectory::open_to_remove(root, bus)?;
    this.check_nothing_foreign()?;
    this.check_removable()?;
    // File by file: memory need not be where the directory is. The registry first, so that
    // whoever opens the bus meanwhile makes a new one.
    let registry = this.path.join(FILE_NAME);
    match is_directory(&registry) {
        true => fs::remove_dir(&registry).map_err(|e| DirectoryError::read(&registry, e))?,
        false => remove(&registry)?,
    }
    for directory in this.directories() {
        let paths = list(&directory)?
            .into_iter()
            .map(|name| directory.join(name));
        for path in paths.filter(|path| !is_directory(path)) {
            remove(&path)?;
        }
    }
    fs::remove_dir_all(&this.path).map_err(|e| DirectoryError::read(&this.path, e))
}

/// A file that may have been left behind.
pub(crate) struct Leftover {
    pub(crate) path: PathBuf,
    pub(crate) purpose: Purpose,
}

/// What a file is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To become another.
    Draft,
    /// The cursors of a ring.
    Cursors { id: u64, incarnation: u64 },
    /// The leases of a bus.
    Leases { bus_id: u64 },
}

/// The directory of the topics' files, in that of a bus.
const TOPICS: &str = "topics";
/// A directory of the portable backend's.
const LOCKS: &str = ".locks";

/// The file on which the leases of a bus are locked. A bus that is made anew gets another one.
pub(super) fn leases_path(directory: &Path, bus_id: u64) -> PathBuf {
    directory.join(format!("{bus_id:016x}.leases"))
}

/// The bits of a directory's mode by which others than its owner enter it.
const OTHERS_PASS: u32 = 0o011;
/// The bit by which everybody may make something in it.
const OTHERS_WRITE: u32 = 0o002;

/// The names of all buses, in order; none where there is no root.
pub(crate) fn list_buses(root: Option<&Path>) -> Result<Vec<BusName>, DirectoryError> {
    let root = Root::find(root);
    check_kind(&root.path)?;
    if !root.path.exists() {
        return Ok(Vec::new());
    }
    root.check_owner()?;
    let names = list(&root.path)?;
    let buses = names
        .iter()
        .filter_map(|name| BusName::new(name.to_str()?).ok());
    let mut buses: Vec<_> = buses
        .filter(|bus| root.path.join(bus.as_str()).join(TOPICS).is_dir())
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

    /// A file stands where a directory is needed.
    #[error(
        "{path}: not a directory; name one that holds buses, or remove what stands in its place"
    )]
    NotDirectory {
        /// What is there.
        path: PathBuf,
    },

    /// The directory that is to hold buses cannot be made, as the one above it is missing.
    #[error(
        "{path}: no such directory; make it (`mkdir -p`), or name another place: only the last level of \
         a directory of buses is made"
    )]
    NoParent {
        /// The directory that is missing.
        path: PathBuf,
    },

    /// Somebody else made the directory that should be this user's own.
    #[error(
        "{path}: not a directory of this user (uid {uid}), perhaps a trap; have it removed, or \
         choose another place by RINGBUS_DIR"
    )]
    NotOwned {
        /// The root of the buses, or a bus where anybody may make one.
        path: PathBuf,
        /// The user.
        uid: u32,
    },

    /// A bus was to be made for others in a directory that only its owner can enter.
    #[error(
        "{path}: has mode {mode:04o} and lets nobody but its owner in, but `{access}` was asked for a \
         bus in it; open it by `chmod`, or choose another place by RINGBUS_DIR"
    )]
    Closed {
        /// The root of the buses.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// What was asked for.
        access: Access,
    },

    /// The directory was removed, or another one has its name.
    #[error("{path}: removed since it was opened; open the bus again")]
    Removed {
        /// The directory.
        path: PathBuf,
    },

    /// A bus was to be removed, and something that is no bus's is in its directory.
    #[error(
        "{path}: is nothing of a bus's, which is not removed with it in there; move it away first"
    )]
    Foreign {
        /// What it is.
        path: PathBuf,
    },

    /// A directory could not be made.
    #[error(transparent)]
    Segment(#[from] SegmentError),

    /// The system has no room for another watch.
    #[error(
        "{path}: cannot watch it: {source}; close some files or watches, or raise the limits \
         (`ulimit -n`, `fs.inotify.max_user_instances`, `fs.inotify.max_user_watches`)"
    )]
    Watch {
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },

    /// A directory could not be read, or not be removed.
    #[error("{path}: cannot read or remove the directory: {source}")]
    Read {
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl DirectoryError {
    /// For a failure to look into a directory, or to remove it.
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            ErrorKind::PermissionDenied => SegmentError::denied(path, Rights::ReadOnly).into(),
            _ => Self::Read {
                path: path.to_owned(),
                source,
            },
        }
    }
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

    /// Makes it, unless it is there.
    fn make(&self, access: Access) -> Result<(), DirectoryError> {
        make(&self.path, access).map_err(|error| match error {
            SegmentError::NotFound { path } => DirectoryError::NoParent { path },
            error => error.into(),
        })
    }

    /// Refuses to make a bus for others where they could not get at it.
    fn check_lets_in(&self, access: Access) -> Result<(), DirectoryError> {
        let Some(Ownership { mode, .. }) = look(&self.path)? else {
            return Ok(());
        };
        let is_private = access.mode() == Access::PRIVATE.mode();
        match mode & OTHERS_PASS == 0 && !is_private {
            true => Err(DirectoryError::Closed {
                path: self.path.clone(),
                mode,
                access,
            }),
            false => Ok(()),
        }
    }

    /// Refuses a bus that anybody may have laid there: where all users may make directories, only
    /// those of this user and of root are trusted.
    fn check_bus(&self, path: &Path) -> Result<(), DirectoryError> {
        const ROOT: u32 = 0;
        let is_open_to_all = |root: Ownership| root.mode & OTHERS_WRITE != 0;
        if !look(&self.path)?.is_some_and(is_open_to_all) || look(path)?.is_none() {
            return Ok(());
        }
        check_owner(path, effective_user()).or_else(|error| match error {
            DirectoryError::NotOwned { .. } if check_owner(path, ROOT).is_ok() => Ok(()),
            error => Err(error),
        })
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
        Err(e) => Err(DirectoryError::read(&path, e)),
    }
}

/// Whose a directory is; `None` where there is none, or where directories have no owners.
fn look(path: &Path) -> Result<Option<Ownership>, DirectoryError> {
    match ownership(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        found => found.map_err(|e| DirectoryError::read(path, e)),
    }
}

/// Refuses a path on which something else stands where a directory should be; one that is missing is
/// none of its business.
fn check_kind(path: &Path) -> Result<(), DirectoryError> {
    if path.is_dir() {
        return Ok(());
    }
    let is_other = |path: &Path| fs::metadata(path).is_ok_and(|status| !status.is_dir());
    let found = path.ancestors().find(|path| is_other(path));
    found.map_or(Ok(()), |path| {
        let path = path.to_owned();
        Err(DirectoryError::NotDirectory { path })
    })
}

/// Whether it is a directory itself, and no symbolic link to one.
fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|status| status.is_dir())
}

fn default_path() -> PathBuf {
    default_parent().join(format!("ringbus-{}", effective_user()))
}

fn make(path: &Path, access: Access) -> Result<(), SegmentError> {
    match fs::metadata(path) {
        Ok(status) if status.is_dir() => Ok(()),
        Err(e) if e.kind() == ErrorKind::PermissionDenied => {
            Err(SegmentError::denied(path, Rights::ReadOnly))
        }
        _ => create_directory(path, access.directory()),
    }
}

/// Refuses to begin with a bus that there is no room for: what was made of it would be left behind.
fn check_room(root: &Path, bus: &BusName) -> Result<(), SegmentError> {
    const DIRECTORIES_AND_FILES: u64 = 4;
    if root.join(bus.as_str()).is_dir() {
        return Ok(());
    }
    let (dir, more) = match (root.is_dir(), root.parent()) {
        (false, Some(parent)) => (parent, 1),
        _ => (root, 0),
    };
    match dir.is_dir() {
        true => check_room_in(dir, DIRECTORIES_AND_FILES + more, new_len_bytes()),
        false => Ok(()), // making the root says what is missing
    }
}

fn list(path: &Path) -> Result<Vec<OsString>, DirectoryError> {
    let read = |e| DirectoryError::read(path, e);
    let entries = fs::read_dir(path).map_err(read)?;
    entries
        .map(|entry| Ok(entry.map_err(read)?.file_name()))
        .collect()
}

/// Whether a file of this name may be in the directory of a bus, or in that of its topics.
fn is_of_bus(file_name: &str) -> bool {
    [FILE_NAME, TOPICS, LOCKS].contains(&file_name)
        || parse_ring(file_name).is_some()
        || parse_leftover(file_name).is_some()
}

fn parse_ring(file_name: &str) -> Option<u64> {
    parse_hex(file_name.strip_suffix(".ring")?)
}

fn parse_leftover(file_name: &str) -> Option<Purpose> {
    if file_name.starts_with(".draft-") {
        return Some(Purpose::Draft);
    }
    if let Some(bus_id) = file_name.strip_suffix(".leases") {
        let bus_id = parse_hex(bus_id)?;
        return Some(Purpose::Leases { bus_id });
    }
    let (id, incarnation) = file_name.strip_suffix(".cursors")?.split_once('-')?;
    let (id, incarnation) = (parse_hex(id)?, parse_hex(incarnation)?);
    Some(Purpose::Cursors { id, incarnation })
}

fn parse_hex(digits: &str) -> Option<u64> {
    let lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_whole = digits.len() == 16 && digits.bytes().all(lower_hex);
    is_whole.then(|| u64::from_str_radix(digits, 16).ok())?
}
