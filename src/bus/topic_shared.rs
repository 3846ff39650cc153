//! What all handles of one topic in this process have in common.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use super::{
    Bus,
    error::JoinError,
    mapping::{CursorsMap, MapError, RingMap},
};
use crate::{
    registry::{Access, TopicName},
    ring::header::RingDescription,
    segment::{Placement, Rights, SegmentError, ownership},
    wait::FenceSide,
};

/// A topic's mapped ring, and where its files are.
pub(super) struct TopicShared {
    pub(super) bus: Bus,
    pub(super) name: TopicName,
    pub(super) schema: Vec<u8>,
    /// Mapped read-only.
    pub(super) ring: Arc<RingMap>,
    pub(super) ring_path: PathBuf,
    pub(super) cursors_path: PathBuf,
    /// What is done to what is mapped for this handle.
    pub(super) placement: Placement,
    /// Mapped read-write when the first handle needs them.
    cursors: OnceLock<Arc<CursorsMap>>,
}

impl TopicShared {
    pub(super) fn new(
        bus: Bus,
        name: TopicName,
        ring: RingMap,
        schema: Vec<u8>,
        ring_path: PathBuf,
        cursors_path: PathBuf,
    ) -> Self {
        let cursors = OnceLock::new();
        Self {
            bus,
            name,
            schema,
            ring: Arc::new(ring),
            ring_path,
            cursors_path,
            placement: Placement::default(),
            cursors,
        }
    }

    /// Places what is mapped of it, and will be.
    pub(super) fn placed(self, placement: Placement) -> Result<Self, SegmentError> {
        let whole = 0..self.description().geometry.reserved_at_creation();
        self.ring.segment().place(whole, placement)?;
        Ok(Self { placement, ..self })
    }

    /// Whether this is a child of the process that opened it: there, nothing of it is mapped.
    pub(super) fn is_forked(&self) -> bool {
        self.ring.segment().is_forked()
    }

    /// Refuses a child of the process that opened it.
    pub(super) fn check_not_forked(&self) -> Result<(), JoinError> {
        match self.is_forked() {
            true => Err(JoinError::Forked),
            false => Ok(()),
        }
    }

    /// Removes it again after it was made by what could not be finished, unless somebody has joined it.
    pub(super) fn unmake(&self) {
        self.bus.unmake(&self.name, self.description().incarnation);
    }

    /// What the topic's files grant; `None` where files have no modes.
    pub(super) fn access(&self) -> Option<Access> {
        let cursors = ownership(&self.cursors_path).ok().flatten();
        Some(Access::of_files(self.ring.segment().ownership()?, cursors))
    }

    /// What the ring's header says.
    pub(super) fn description(&self) -> &Arc<RingDescription> {
        self.ring.description()
    }

    /// The cursors, writable.
    pub(super) fn cursors(&self) -> Result<Arc<CursorsMap>, JoinError> {
        if let Some(cursors) = self.cursors.get() {
            return Ok(Arc::clone(cursors));
        }
        let cursors = self
            .open_cursors(Rights::ReadWrite)
            .map_err(|error| self.removed(error))?;
        let whole = 0..self.description().geometry.cursors_bytes;
        cursors.segment().place(whole, self.placement)?;
        Ok(Arc::clone(self.cursors.get_or_init(|| Arc::new(cursors))))
    }

    /// The cursors to look at, if this process may.
    pub(super) fn cursors_to_read(&self) -> Option<Arc<CursorsMap>> {
        match self.cursors.get() {
            Some(cursors) => Some(Arc::clone(cursors)),
            None => self.open_cursors(Rights::ReadOnly).ok().map(Arc::new),
        }
    }

    /// The ring, writable, in a mapping and an open file of its own.
    pub(super) fn ring_to_write(&self) -> Result<Arc<RingMap>, JoinError> {
        let (ring, _) = RingMap::open(&self.ring_path, Rights::ReadWrite)
            .map_err(|error| self.removed(error))?;
        // All of it: the geometry that this handle relies on as well.
        if ring.description() != self.description() {
            return Err(JoinError::Removed {
                topic: self.name.to_string(),
            });
        }
        // What is locked is so through the other mapping, and would count twice against the limit.
        if self.placement.prefault {
            let whole = 0..self.description().geometry.reserved_at_creation();
            ring.segment().prefault(whole)?;
        }
        Ok(Arc::new(ring))
    }

    fn open_cursors(&self, rights: Rights) -> Result<CursorsMap, MapError> {
        CursorsMap::open(&self.cursors_path, rights, self.description())
    }

    fn removed(&self, error: MapError) -> JoinError {
        match error {
            MapError::Segment(SegmentError::NotFound { .. }) => JoinError::Removed {
                topic: self.name.to_string(),
            },
            error => error.into(),
        }
    }
}

/// Who pays so that sleepers are woken.
pub(super) fn fence_side(description: &RingDescription) -> FenceSide {
    match description.wake_fence {
        true => FenceSide::Both,
        false => FenceSide::Sleeper,
    }
}
