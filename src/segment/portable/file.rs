//! Segments by their descriptors: made, named, found, removed.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, ErrorKind},
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use super::{
    descriptor::Descriptor,
    lock::{LockFile, Locks},
    object::{Object, object_len},
    room::ROOM_BYTES,
    system,
};
use crate::{
    segment::{FileAccess, FreeSpace, Rights, Status, fork, random_id},
    sync::{AtomicU64, Ordering},
};

/// A segment that was opened, or is being made.
pub(in crate::segment) struct File {
    id: u64,
    /// Its memory: mapped when it was opened, or got its length.
    object: OnceLock<Arc<Object>>,
    /// Where its descriptor is.
    path: Mutex<PathBuf>,
    locks: Locks,
    held: Mutex<BTreeMap<u64, LockFile>>,
    /// While it is being made: tells that its maker lives.
    _making: Option<LockFile>,
}

impl File {
    fn new(id: u64, path: &Path, locks: Locks, making: Option<LockFile>) -> Self {
        Self {
            id,
            object: OnceLock::new(),
            path: Mutex::new(path.to_owned()),
            locks,
            held: Mutex::default(),
            _making: making,
        }
    }

    /// The mapped memory.
    pub(super) fn object(&self) -> io::Result<&Arc<Object>> {
        self.object.get().ok_or(ErrorKind::UnexpectedEof.into())
    }

    /// The lock files.
    pub(super) fn locks(&self) -> &Locks {
        &self.locks
    }

    /// The locks that this open file holds.
    pub(super) fn held(&self) -> MutexGuard<'_, BTreeMap<u64, LockFile>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self) -> MutexGuard<'_, PathBuf> {
        self.path.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn len(&self) -> u64 {
        self.object.get().map_or(0, |object| object.len())
    }
}

/// Opens a segment by `open`, in a process that knows when it is forked.
pub(in crate::segment) fn open_own(open: impl FnOnce() -> io::Result<File>) -> io::Result<File> {
    fork::watch()?;
    open()
}

/// Closes a segment.
pub(in crate::segment) fn close(file: File) {
    drop(file);
}

/// Opens the segment whose descriptor is at `path`. The mode of that file says who may.
pub(in crate::segment) fn open(path: &Path, rights: Rights) -> io::Result<File> {
    let descriptor_file = fork::open(|| system::open(path, rights == Rights::ReadWrite))?;
    // Open until the object is: `shared_memory` takes a descriptor 0 for none.
    let opened =
        Descriptor::read_from(&descriptor_file).and_then(|descriptor| {
            match Object::open(descriptor.id, descriptor.len) {
                Err(e) if e.kind() == ErrorKind::NotFound => Err(forget_lost(path, descriptor.id)),
                opened => opened,
            }
        });
    fork::close(descriptor_file);
    let object = opened?;
    let locks = Locks::new(parent(path), object.id());
    let file = File::new(object.id(), path, locks, None);
    file.object.get_or_init(|| Arc::new(object));
    Ok(file)
}

/// What there is to say of an open segment.
pub(in crate::segment) fn status(file: &File) -> io::Result<Status> {
    let is_named = match Descriptor::read(&file.path()) {
        Ok(descriptor) => descriptor.id == file.id,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::InvalidData) => false,
        Err(e) => return Err(e), // as where too many files are open: nobody knows
    };
    Ok(Status {
        is_regular: true,
        len: file.len(),
        names: is_named.into(),
        memory_bytes: file.len(), // at most: nobody knows how much of it was touched
        ownership: fs::symlink_metadata(&*file.path())
            .ok()
            .and_then(|status| system::ownership(&status)),
    })
}

/// Copies bytes out of a segment; fewer than asked for where it ends.
pub(in crate::segment) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let object = file.object()?;
    let left = object.len().saturating_sub(offset);
    let count = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
    for (byte, at) in bytes[..count].iter_mut().zip(offset as usize..) {
        // SAFETY:
        // - in bounds: `at` is less than `len`; the object is mapped to the end of that page.
        let word = unsafe { object.base().byte_add(at / WORD * WORD) };
        // SAFETY:
        // - mapped for the borrow of `object`. Aligned: `base` is on a page.
        // - valid whatever a peer writes, and its writes are no race on an atomic.
        let word = unsafe { word.cast::<AtomicU64>().as_ref() };
        *byte = word.load(Ordering::Relaxed).to_ne_bytes()[at % WORD];
    }
    Ok(count)
}

/// Copies bytes into a segment that nobody else has found yet.
pub(in crate::segment) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let object = file.object()?;
    let fits = offset
        .checked_add(bytes.len() as u64)
        .is_some_and(|end| end <= object.len());
    if !fits {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    // SAFETY: in bounds: `offset` is no more than `len`, which is mapped.
    let to = unsafe { object.base().byte_add(offset as usize) };
    // SAFETY:
    // - `bytes.len()` bytes from `to` are mapped: `fits`. They overlap no private memory.
    // - no race: nobody else has the segment before it has its name.
    unsafe {
        bytes
            .as_ptr()
            .copy_to_nonoverlapping(to.as_ptr(), bytes.len())
    };
    Ok(())
}

/// Gives the descriptor its group and mode; the object is this user's alone in any case.
pub(in crate::segment) fn set_access(file: &File, access: FileAccess) -> io::Result<()> {
    let descriptor_file = fork::open(|| system::open(&file.path(), false))?;
    let set = system::set_access(&descriptor_file, access);
    fork::close(descriptor_file);
    set
}

/// Starts to make a segment, by a descriptor under a temporary name.
pub(in crate::segment) fn create_named(path: &Path) -> io::Result<File> {
    let id = random_id();
    fs::metadata(parent(path))?; // else the lock file's directory would be what is missing
    let locks = Locks::new(parent(path), id);
    let making = locks.try_lock(MAKING)?;
    let descriptor_file = fork::open(|| {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        system::set_private(&mut options).open(path)
    })?;
    let written = Descriptor::new(id, 0).write(&descriptor_file);
    fork::close(descriptor_file);
    written?;
    Ok(File::new(id, path, locks, making))
}

/// `Unsupported`: every descriptor has a name.
pub(in crate::segment) fn create_unnamed(_dir: &Path) -> io::Result<File> {
    Err(ErrorKind::Unsupported.into())
}

/// Never asked for, as there are no unnamed files.
pub(in crate::segment) fn link_unnamed(_file: &File, _path: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// Gives a segment that is being made its length, and with it its memory, all zero.
pub(in crate::segment) fn set_len(file: &File, len: u64) -> io::Result<()> {
    rewrite(file, Descriptor::new(file.id, len), || {
        let object = Object::create(file.id, len)?;
        file.object.get_or_init(|| Arc::new(object));
        Ok(())
    })
}

/// Gives a segment that was made under the name `from` the name `to`, unless that is taken. It has
/// both until `from` is removed.
pub(in crate::segment) fn link_named(file: &File, from: &Path, to: &Path) -> io::Result<()> {
    rewrite(file, Descriptor::new(file.id, file.len()).named(to), || {
        fs::hard_link(from, to)
    })?;
    to.clone_into(&mut file.path());
    Ok(())
}

/// Writes the descriptor of a segment that is being made, and then, with that file open, does
/// something.
fn rewrite(
    file: &File,
    descriptor: Descriptor,
    then: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let descriptor_file = fork::open(|| system::open(&file.path(), true))?;
    let done = descriptor.write(&descriptor_file).and_then(|()| then());
    fork::close(descriptor_file);
    done
}

/// Removes a descriptor and, unless it is a temporary name of a segment that got another, the
/// memory. Those who have it open keep it.
pub(in crate::segment) fn remove(path: &Path) -> io::Result<()> {
    if let Ok(descriptor) = Descriptor::read(path)
        && !descriptor.is_name_of(path)
        && is_published(path, descriptor)
    {
        return fs::remove_file(path);
    }
    // From here on the segment is not found any more. A process that is killed here leaves a name
    // by which others can finish (`is_abandoned_draft`).
    let doomed = path.with_file_name(format!("{DOOMED}{:016x}", random_id()));
    fs::rename(path, &doomed)?;
    match fork::open(|| system::open(&doomed, false)) {
        Ok(descriptor_file) => {
            // Open until the object is removed: `shared_memory` takes a descriptor 0 for none.
            if let Ok(descriptor) = Descriptor::read_from(&descriptor_file) {
                let _ = Object::remove(descriptor.id, descriptor.len); // there may be none yet, or no more
                Locks::new(parent(path), descriptor.id).remove();
            }
            fork::close(descriptor_file);
        }
        // The name stays for those who finish.
        Err(e) if system::is_out_of_files(&e) => return Err(e),
        Err(_) => {} // it stands for no memory
    }
    fs::remove_file(&doomed)
}

/// Removes the descriptor of memory that is gone, as it is after a restart of the host; tells how to
/// go on.
fn forget_lost(path: &Path, id: u64) -> io::Error {
    let doomed = path.with_file_name(format!("{DOOMED}{:016x}", random_id()));
    if let Err(e) = fs::rename(path, &doomed)
        && e.kind() != ErrorKind::NotFound
    {
        return io::Error::other(format!("its memory is gone; remove the file ({e})"));
    }
    match Descriptor::read(&doomed) {
        // Somebody else was faster, and this is the successor.
        Ok(descriptor) if descriptor.id != id => drop(fs::hard_link(&doomed, path)),
        _ => Locks::new(parent(path), id).remove(),
    }
    let _ = fs::remove_file(&doomed);
    ErrorKind::NotFound.into()
}

/// Whether a draft was left by a dead process; `None` for what is no draft.
pub(in crate::segment) fn is_abandoned_draft(path: &Path) -> Option<bool> {
    path.file_name()?
        .as_encoded_bytes()
        .starts_with(DRAFT.as_bytes())
        .then(|| match Descriptor::read(path) {
            Ok(descriptor) => {
                let locks = Locks::new(parent(path), descriptor.id);
                matches!(locks.is_locked(MAKING), Ok(false))
            }
            Err(_) => is_old(path),
        })
}

/// Whether the segment of a descriptor under a temporary name has got its real one: a sibling with
/// the same id.
fn is_published(path: &Path, descriptor: Descriptor) -> bool {
    let siblings = fs::read_dir(parent(path)).into_iter().flatten().flatten();
    siblings
        .map(|entry| entry.path())
        .filter(|sibling| sibling != path && descriptor.is_name_of(sibling))
        .any(|sibling| Descriptor::read(&sibling).is_ok_and(|found| found.id == descriptor.id))
}

/// Whether a file was not touched for so long that nobody is still writing its first page.
fn is_old(path: &Path) -> bool {
    const WRITTEN_WITHIN: Duration = Duration::from_secs(10);
    let modified = fs::symlink_metadata(path).and_then(|status| status.modified());
    modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > WRITTEN_WITHIN))
}

/// Promises nothing: there is no portable way to reserve memory.
pub(in crate::segment) fn reserve(_file: &File, _range: Range<u64>) -> io::Result<()> {
    Ok(())
}

/// Bytes that are free: nobody knows.
pub(in crate::segment) fn available_bytes(_file: &File) -> io::Result<u64> {
    Ok(u64::MAX)
}

/// What a directory's file system has room for: nobody knows.
pub(in crate::segment) fn free_space_in(_dir: &Path) -> io::Result<FreeSpace> {
    Ok(FreeSpace {
        bytes: u64::MAX,
        files: u64::MAX,
    })
}

/// The size past which the kernel kills a process that makes a segment (SIGXFSZ).
pub(in crate::segment) fn file_size_limit() -> u64 {
    match system::file_size_limit() {
        limit if limit >= object_len(0).map_or(0, |len| len as u64) => {
            (limit - ROOM_BYTES as u64) / PAGE * PAGE
        }
        _ => 0,
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

const PAGE: u64 = 4096;
const WORD: usize = size_of::<u64>();

/// How the temporary names of drafts begin.
const DRAFT: &str = ".draft-";

/// The same of segments that are being removed.
const DOOMED: &str = ".draft-doomed-";

/// The lock that the maker of a segment has.
const MAKING: &str = "making";
