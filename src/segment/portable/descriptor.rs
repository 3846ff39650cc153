//! The file that stands for a segment in a directory, and says where its memory is.

use std::{
    ffi::OsStr,
    fs,
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    path::Path,
};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::system;
use crate::{segment::fork, shared::fnv1a};

/// What a descriptor says, in private memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Descriptor {
    magic: [u8; 8],
    version: u32,
    byte_order: u32,
    /// Names the object, and never another one.
    pub(super) id: u64,
    /// Bytes of the segment; the object is larger (see `object`).
    pub(super) len: u64,
    /// The hash of the file name that it is to have, or has; 0 before that is known.
    pub(super) name: u64,
    /// Of the bytes before.
    checksum: u64,
}

impl Descriptor {
    pub(super) fn new(id: u64, len: u64) -> Self {
        Self {
            magic: MAGIC,
            version: VERSION,
            byte_order: BYTE_ORDER,
            id,
            len,
            name: 0,
            checksum: 0,
        }
    }

    /// The same for a file that gets the name of `path`.
    pub(super) fn named(self, path: &Path) -> Self {
        Self {
            name: name_hash(path),
            ..self
        }
    }

    /// True where `path` has the name that was meant, and not a temporary one.
    pub(super) fn is_name_of(&self, path: &Path) -> bool {
        self.name == name_hash(path)
    }

    /// Writes it into a file, from its start, to the length that all descriptors have.
    pub(super) fn write(mut self, mut file: &fs::File) -> io::Result<()> {
        self.checksum = self.sum();
        let mut page = [0; FILE_BYTES];
        page[..size_of::<Self>()].copy_from_slice(self.as_bytes());
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&page)
    }

    /// The descriptor at `path`.
    ///
    /// # Errors
    ///
    /// `InvalidData` for a file that is none.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let file = fork::open(|| system::open(path, false))?;
        let read = Self::read_from(&file);
        fork::close(file);
        read
    }

    /// The descriptor in an open file.
    pub(super) fn read_from(mut file: &fs::File) -> io::Result<Self> {
        let mut bytes = [0; size_of::<Self>()];
        file.read_exact(&mut bytes).map_err(|e| match e.kind() {
            ErrorKind::UnexpectedEof => foreign(),
            _ => e,
        })?;
        let this: Self = zerocopy::transmute!(bytes);
        let is_whole = (this.magic, this.version, this.byte_order) == (MAGIC, VERSION, BYTE_ORDER)
            && this.checksum == this.sum();
        is_whole.then_some(this).ok_or_else(foreign)
    }

    fn sum(&self) -> u64 {
        fnv1a(&self.as_bytes()[..size_of::<Self>() - 8])
    }
}

fn foreign() -> io::Error {
    ErrorKind::InvalidData.into()
}

fn name_hash(path: &Path) -> u64 {
    fnv1a(
        path.file_name()
            .unwrap_or(OsStr::new(""))
            .as_encoded_bytes(),
    )
}

const MAGIC: [u8; 8] = *b"RBUSPORT";
const VERSION: u32 = 1;
const BYTE_ORDER: u32 = 0x0102_0304;

/// A page, so that the native backend finds another magic number in it, and not a short file.
const FILE_BYTES: usize = 4096;
