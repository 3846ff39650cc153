//! The first bytes of a registry: written once, before anybody sees the file.

use std::path::Path;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{RegistryError, owner::OwnerId};
use crate::shared::fnv1a;

/// A valid header, in private memory.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Header {
    magic: u64,
    byte_order: u32,
    layout_version: u32,
    word_bytes: u32,
    participants_max: u32,
    bus_id: u64,
    /// Of the bytes before.
    checksum: u64,
}

impl Header {
    /// A header for a new registry.
    pub(super) fn new(bus_id: u64, participants_max: u32) -> Self {
        let mut header = Self {
            bus_id,
            participants_max,
            ..EXPECTED
        };
        header.checksum = header.sum();
        header
    }

    /// The header in `bytes`, if this process can use it. `path` is for errors.
    pub(super) fn parse(
        bytes: &[u8; size_of::<Self>()],
        path: &Path,
    ) -> Result<Self, RegistryError> {
        let header: Self = zerocopy::transmute!(*bytes);
        header.check_kind(path)?;
        let damaged = |what, found| {
            let path = path.to_owned();
            Err(RegistryError::Damaged { path, what, found })
        };
        if header.checksum != header.sum() {
            return damaged("checksum", header.checksum);
        }
        let room = header.participants_max;
        if room == 0 || room > OwnerId::SLOTS_MAX {
            return damaged("number of slots", room.into());
        }
        Ok(header)
    }

    fn sum(&self) -> u64 {
        fnv1a(&self.as_bytes()[..size_of::<Self>() - 8])
    }

    pub(super) fn bus_id(&self) -> u64 {
        self.bus_id
    }

    pub(super) fn participants_max(&self) -> usize {
        self.participants_max as usize
    }

    /// Refuses what was not made by a process like this one; the properties in an order in which
    /// each makes sense of the next.
    fn check_kind(&self, path: &Path) -> Result<(), RegistryError> {
        let properties = [
            ("magic number", self.magic, EXPECTED.magic),
            (
                "byte order mark",
                self.byte_order.into(),
                EXPECTED.byte_order.into(),
            ),
            (
                "layout version",
                self.layout_version.into(),
                EXPECTED.layout_version.into(),
            ),
            (
                "word size in bytes",
                self.word_bytes.into(),
                EXPECTED.word_bytes.into(),
            ),
        ];
        for (what, found, expected) in properties {
            if found != expected {
                let path = path.to_owned();
                return Err(RegistryError::Foreign {
                    path,
                    what,
                    found,
                    expected,
                });
            }
        }
        Ok(())
    }
}

const EXPECTED: Header = Header {
    magic: u64::from_ne_bytes(*b"RBUSREG\0"),
    byte_order: 0x0102_0304,
    layout_version: 2,
    // Cache line padding, and with it every layout, depends on the architecture.
    word_bytes: size_of::<usize>() as u32,
    participants_max: 0,
    bus_id: 0,
    checksum: 0,
};
