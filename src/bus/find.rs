//! Finding a topic's ring by its name.

use std::path::PathBuf;

use super::{
    Bus,
    error::TopicError,
    mapping::{MapError, RingMap},
};
use crate::{
    registry::TopicName,
    segment::{Rights, SegmentError},
};

/// How many names with the same hash can live side by side.
const PROBES_MAX: u64 = 4;

/// The ring of a name, or where it would go.
#[allow(clippy::large_enum_variant)] // one at a time, taken apart at once
pub(super) enum Found {
    Ring(FoundRing),
    Nothing { free_id: u64 },
}

/// A ring that was found by its name.
pub(super) struct FoundRing {
    pub(super) id: u64,
    pub(super) path: PathBuf,
    pub(super) ring: RingMap,
    pub(super) schema: Vec<u8>,
}

/// Finds the ring of a topic: at its name's hash or, behind rings of other names with the same
/// hash, one of the next ids.
///
/// A ring of another bus is refused: its leases are in another registry, which says nothing about who
/// lives here.
pub(super) fn find(bus: &Bus, name: &TopicName) -> Result<Found, TopicError> {
    let directory = bus.directory();
    let mut free_id = None;
    for probe in 0..PROBES_MAX {
        let id = name.file_id().wrapping_add(probe);
        let path = directory.ring(id);
        match RingMap::open(&path, Rights::ReadOnly) {
            Ok((ring, schema)) if ring.description().name == name.as_str() => {
                if ring.description().bus_id != bus.id() {
                    return Err(TopicError::OtherBus { path });
                }
                return Ok(Found::Ring(FoundRing {
                    id,
                    path,
                    ring,
                    schema,
                }));
            }
            Ok(_) => {}
            Err(MapError::Segment(SegmentError::NotFound { .. })) => {
                free_id.get_or_insert(id);
            }
            Err(error) => return Err(error.into()),
        }
    }
    match free_id {
        Some(free_id) => Ok(Found::Nothing { free_id }),
        None => Err(TopicError::NotFound {
            topic: name.to_string(),
        }),
    }
}
