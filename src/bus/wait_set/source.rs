//! A subscriber as those see it who wait in its place.

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    super::{
        mapping::{CursorsMap, RingMap},
        topic_shared::{TopicShared, fence_side},
    },
    WaitError,
    waiter::Watched,
};
use crate::{
    ring::{
        news,
        view::{CellsView, RingView},
    },
    sync::{AtomicU32, Ordering},
    wait::{Bell, Event, FenceSide, Ticket},
};

/// Whether a subscriber is still there, and whether somebody waits in its place.
#[derive(Default)]
pub(in crate::bus) struct Membership {
    /// Held while the subscriber's cell is written for it by another thread.
    is_watched: Mutex<bool>,
    has_ended: AtomicU32,
}

impl Membership {
    /// Ends it; after `leave`, the cell is not the subscriber's any more.
    pub(in crate::bus) fn end(&self, leave: impl FnOnce()) {
        let _watched = self
            .is_watched
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.has_ended.store(1, Ordering::Relaxed);
        leave();
    }
}

/// A subscriber's cell and ring, to be looked at for news.
pub(in crate::bus) struct Source {
    ring: RingView<'static>,
    cells: CellsView<'static>,
    index: u32,
    side: FenceSide,
    membership: Arc<Membership>,
    // Dropped last: the views above point into them.
    _ring_map: Arc<RingMap>,
    _cursors_map: Arc<CursorsMap>,
}

impl Source {
    pub(in crate::bus) fn new(
        topic: &TopicShared,
        ring_map: &Arc<RingMap>,
        cursors_map: &Arc<CursorsMap>,
        index: u32,
        membership: &Arc<Membership>,
    ) -> Self {
        // SAFETY: the views are dropped with `Self`, which holds the maps.
        let ring = unsafe { ring_map.view_for_owner() };
        // SAFETY: as above.
        let cells = unsafe { cursors_map.cells_for_owner() };
        Self {
            ring,
            cells,
            index,
            side: fence_side(topic.description()),
            membership: Arc::clone(membership),
            _ring_map: Arc::clone(ring_map),
            _cursors_map: Arc::clone(cursors_map),
        }
    }

    /// Who pays for the wake-up.
    pub(super) fn side(&self) -> FenceSide {
        self.side
    }

    /// Whether a publisher has still to ring for it, or for another who asked. One may have died before
    /// it rang, so this says nothing about news.
    pub(super) fn is_asked(&self) -> bool {
        Event::new(self.cells.arrivals(), self.side).is_asked()
    }

    /// Whether the subscriber was dropped.
    pub(super) fn has_ended(&self) -> bool {
        self.membership.has_ended.load(Ordering::Relaxed) != 0
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, bool> {
        let is_watched = &self.membership.is_watched;
        is_watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched for Source {
    fn enter(&self, ticket: Ticket) -> Result<(), WaitError> {
        let mut is_watched = self.lock();
        if *is_watched {
            return Err(WaitError::Watched);
        }
        if !self.has_ended() {
            *is_watched = true;
            let bell = &self.cells.cell(self.index).bell;
            bell.store(ticket.word(), Ordering::Relaxed);
            Bell::enter();
        }
        Ok(())
    }

    fn leave(&self) {
        let mut is_watched = self.lock();
        *is_watched = false;
        if !self.has_ended() {
            let bell = &self.cells.cell(self.index).bell;
            bell.store(0, Ordering::Relaxed);
        }
    }

    fn ask(&self) {
        Event::new(self.cells.arrivals(), self.side).ask();
    }

    fn has_news(&self) -> bool {
        self.has_ended() || news::has_news(&self.ring, self.cells.cell(self.index))
    }

    fn counts_rings(&self) -> bool {
        false
    }
}
