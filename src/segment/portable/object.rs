//! Memory with a name, by `shared_memory`: every use of that crate.

use std::{io, ops::Range, ptr::NonNull, sync::Arc};

use shared_memory::{Shmem, ShmemConf, ShmemError};

use super::{
    file::File,
    room::{self, ROOM_BYTES},
};
use crate::segment::{Pages, Rights, fork};

/// An object, mapped whole: the segment, to a page, and then the room for sleepers ([`room`]).
pub(super) struct Object {
    memory: Shmem,
    id: u64,
    len: u64,
}

impl Object {
    /// Makes an object for a segment of `len` zero bytes.
    pub(super) fn create(id: u64, len: u64) -> io::Result<Self> {
        let mut memory = configuration(id, len)?.create().map_err(to_io)?;
        // At once, so that neither this process nor a forked child ever removes the name by a drop.
        memory.set_owner(false);
        Ok(Self { memory, id, len })
    }

    /// Opens the object of a segment of `len` bytes.
    ///
    /// # Errors
    ///
    /// `NotFound` where it was removed, or lost by a restart of the host; `InvalidData` where it is
    /// too short.
    pub(super) fn open(id: u64, len: u64) -> io::Result<Self> {
        let memory = configuration(id, len)?.open().map_err(to_io)?;
        match memory.len() < object_len(len)? {
            true => Err(io::ErrorKind::InvalidData.into()),
            false => Ok(Self { memory, id, len }),
        }
    }

    /// Removes an object's name; those who have it mapped keep it. Its file descriptor must not be
    /// 0, so the caller has another file open.
    pub(super) fn remove(id: u64, len: u64) -> io::Result<()> {
        let mut memory = configuration(id, len)?.open().map_err(to_io)?;
        memory.set_owner(true); // for the drop
        Ok(())
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Bytes of the segment in it.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The first byte, on a page.
    pub(super) fn base(&self) -> NonNull<u8> {
        NonNull::new(self.memory.as_ptr()).expect("mapped")
    }

    /// The first byte of the room behind the segment: `ROOM_BYTES`, page-aligned.
    pub(super) fn room(&self) -> NonNull<u8> {
        let start = self.len.next_multiple_of(PAGE) as usize;
        // SAFETY: in bounds: `create` and `open` map `object_len`, which is `start` and the room.
        unsafe { self.base().byte_add(start) }
    }
}

// SAFETY: a mapping belongs to the process; no thread has a special part in it. `Shmem` is closed
// to anybody else: `memory` is private, and all that is done with it by `&self` is to read numbers.
unsafe impl Send for Object {}
// SAFETY: as above.
unsafe impl Sync for Object {}

/// The first `len` bytes of a segment at `base`, which is on a page, until this is dropped.
pub(in crate::segment) struct Mapping {
    object: Arc<Object>,
    len: usize,
    /// Of the process that mapped it. A forked child still has it mapped, and must not use it.
    generation: u32,
}

impl Mapping {
    /// Maps the first `len` bytes of a file, which it must have. Always writable: the crate knows
    /// nothing else.
    pub(in crate::segment) fn new(
        file: &File,
        len: usize,
        _rights: Rights,
        _pages: Pages,
    ) -> io::Result<Self> {
        let object = Arc::clone(file.object()?);
        room::register(&object, file.locks());
        Ok(Self {
            object,
            len,
            generation: fork::generation(),
        })
    }

    pub(in crate::segment) fn base(&self) -> NonNull<u8> {
        self.object.base()
    }

    pub(in crate::segment) fn len(&self) -> usize {
        self.len
    }

    /// `false`: the caller has to touch the pages.
    pub(in crate::segment) fn prefault(&self, _: Range<usize>, _: Rights) -> io::Result<bool> {
        Ok(false)
    }

    /// No portable way is known.
    pub(in crate::segment) fn lock(&self, _: Range<usize>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// No portable way is known.
    pub(in crate::segment) fn use_huge_pages(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// True in a child of the process that mapped it.
    pub(in crate::segment) fn is_forked(&self) -> bool {
        self.generation != fork::generation()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if !self.is_forked() {
            room::deregister(&self.object);
        }
    }
}

fn configuration(id: u64, len: u64) -> io::Result<ShmemConf> {
    let conf = ShmemConf::new().os_id(format!("/ringbus-{id:016x}"));
    Ok(conf.size(object_len(len)?))
}

/// Bytes of an object for a segment of `len`.
pub(super) fn object_len(len: u64) -> io::Result<usize> {
    let pages = len.checked_next_multiple_of(PAGE);
    let whole = pages.and_then(|pages| pages.checked_add(ROOM_BYTES as u64));
    let whole = whole.filter(|whole| *whole <= i64::MAX as u64);
    whole
        .and_then(|whole| usize::try_from(whole).ok())
        .ok_or_else(|| io::ErrorKind::FileTooLarge.into())
}

/// The system's error in one of the crate; of files, it uses none here.
fn to_io(error: ShmemError) -> io::Error {
    match error {
        ShmemError::MapCreateFailed(code)
        | ShmemError::MapOpenFailed(code)
        | ShmemError::UnknownOsError(code) => io::Error::from_raw_os_error(code as i32),
        ShmemError::MappingIdExists => io::ErrorKind::AlreadyExists.into(),
        error => io::Error::other(error),
    }
}

const PAGE: u64 = 4096;
