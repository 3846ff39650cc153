//! Locks on single bytes: each is a lock file of its own, by [`std::fs::File::try_lock`].
//!
//! Such a lock belongs to the open file: two of one process exclude each other, and the system drops
//! it at the death of its process. The standard library cannot ask who holds one, so asking means
//! to share it for a moment; in that moment it cannot be taken.

use std::{
    fs::{self, OpenOptions, TryLockError},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use super::{directory::create_directory, file::File, system};
use crate::segment::Unshared;

/// Takes the lock on `first` for this open file, as a lock file has no length to show; `false` where
/// another one holds it.
pub(in crate::segment) fn try_lock_range(file: &File, first: u64, _len: u64) -> io::Result<bool> {
    let mut held = file.held();
    if held.contains_key(&first) {
        return Ok(true);
    }
    let lock = file.locks().try_lock(&name_of(first)?)?;
    Ok(lock.map(|lock| held.insert(first, lock)).is_some())
}

/// Gives up the lock on one byte.
pub(in crate::segment) fn unlock(file: &File, byte: u64) -> io::Result<()> {
    drop(file.held().remove(&byte));
    Ok(())
}

/// Gives up all locks of this open file.
pub(in crate::segment) fn unlock_all(file: &File) -> io::Result<()> {
    file.held().clear();
    Ok(())
}

/// 1 where another open file holds the lock on one byte, as no lock here has a length. Reading rights
/// are enough.
pub(in crate::segment) fn locked_len(file: &File, byte: u64) -> io::Result<Option<u64>> {
    if file.held().contains_key(&byte) {
        return Ok(None);
    }
    let is_locked = file.locks().is_locked(&name_of(byte)?)?;
    Ok(is_locked.then_some(1))
}

/// The lock files of one segment.
#[derive(Clone)]
pub(super) struct Locks {
    /// `<directory of the descriptor>/.locks/<id>-`
    prefix: Arc<Path>,
}

impl Locks {
    /// Those of the segment with this id, whose descriptor is or will be in `directory`.
    pub(super) fn new(directory: &Path, id: u64) -> Self {
        let prefix = directory.join(DIRECTORY).join(format!("{id:016x}-"));
        Self {
            prefix: prefix.into(),
        }
    }

    /// Takes a lock; `None` where another open file has it.
    pub(super) fn try_lock(&self, name: &str) -> io::Result<Option<LockFile>> {
        let path = self.path(name);
        let mut options = OpenOptions::new();
        system::without_links(system::set_private(
            options.read(true).write(true).create(true).truncate(false),
        ));
        let file = match LockFile::open(&options, &path) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                make_directory(path.parent().unwrap_or(Path::new("")))?;
                LockFile::open(&options, &path)?
            }
            opened => opened?,
        };
        for _ in 0..TRIES {
            match file.get()?.try_lock() {
                Ok(()) => return Ok(Some(file)),
                // Perhaps somebody only asks.
                Err(TryLockError::WouldBlock) => thread::sleep(TRY_AGAIN_AFTER),
                Err(TryLockError::Error(e)) => return Err(e),
            }
        }
        Ok(None)
    }

    /// True while another open file has the lock.
    pub(super) fn is_locked(&self, name: &str) -> io::Result<bool> {
        let mut options = OpenOptions::new();
        system::without_links(options.read(true));
        let file = match LockFile::open(&options, &self.path(name)) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false), // nobody ever had it
            opened => opened?,
        };
        match file.get()?.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(e)) => Err(e),
        }
    }

    /// Removes the files, of a segment that nobody finds any more.
    pub(super) fn remove(&self) {
        let (Some(directory), Some(prefix)) = (self.prefix.parent(), self.prefix.file_name())
        else {
            return;
        };
        let prefix = prefix.as_encoded_bytes();
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(prefix) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        let mut path = self.prefix.as_os_str().to_owned();
        path.push(name);
        path.into()
    }
}

/// An open lock file, perhaps locked; drop gives it up.
pub(crate) struct LockFile(Unshared);

impl LockFile {
    fn open(options: &OpenOptions, path: &Path) -> io::Result<Self> {
        Unshared::open(|| options.open(path)).map(Self)
    }

    /// The file, in the process that opened it.
    fn get(&self) -> io::Result<&fs::File> {
        self.0.get().ok_or(ErrorKind::NotConnected.into())
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Closing is not enough while a child that is about to exec has a copy.
        if let Ok(file) = self.get() {
            let _ = file.unlock();
        }
    }
}

fn name_of(byte: u64) -> io::Result<String> {
    match i64::try_from(byte) {
        Ok(byte) => Ok(format!("{byte:x}")),
        Err(_) => Err(ErrorKind::InvalidInput.into()), // as no file has such a byte
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    match create_directory(path) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Where lock files are, beside the descriptors.
const DIRECTORY: &str = ".locks";

/// Asking holds a lock for about 2 us, unless the one who asks is interrupted.
const TRIES: u32 = 3;
const TRY_AGAIN_AFTER: Duration = Duration::from_micros(50);
