//! Publishing that awaits the gate.

use std::{sync::Arc, task::Poll};

use super::{
    Error, Payload, PublishError, Publisher, WaitError,
    mapping::{CursorsMap, RingMap},
    stream::Awaiting,
    wait_set::Watched,
};
use crate::{
    ring::{layout::PublisherRecord, view::CellsView},
    sync::Ordering,
    wait::{Bell, Event, FenceSide, Ticket},
};

impl<T: Payload + ?Sized> Publisher<T> {
    /// Publishes a copy of `payload` as [`publish`](Self::publish) does, and awaits the subscribers that
    /// hold it up instead of blocking the thread.
    ///
    /// Any executor may poll it. Dropping the future publishes nothing: the message is there exactly
    /// if the future returned its sequence. Each look that finds the gate shut counts as a refusal in
    /// [`TopicInfo`](super::TopicInfo).
    ///
    /// ```no_run
    /// # async fn send(mut publisher: ringbus::Publisher<[u8]>) -> Result<(), ringbus::Error> {
    /// let sequence = publisher.publish_async(b"buy").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Publish`], as for `publish`; [`Error::Wait`] where nobody can wait for it.
    pub async fn publish_async(&mut self, payload: &T) -> Result<u64, Error> {
        let mut awaiting = None;
        std::future::poll_fn(|context| {
            for is_armed in [false, true] {
                match self.try_publish(payload) {
                    Err(PublishError::Full(_)) if is_armed => {}
                    Err(PublishError::Full(_)) => {
                        let core = self.core();
                        let gate = || Arc::new(core.gate());
                        Awaiting::arm(&mut awaiting, core.bus(), gate, context)?;
                    }
                    published => return Poll::Ready(published.map_err(Error::from)),
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// A publisher at the gate, as the waiter sees it: any subscriber that moves on is news, and so is that
/// some time has passed, as one of them may have died.
pub(super) struct Gate {
    cells: CellsView<'static>,
    record: &'static PublisherRecord,
    side: FenceSide,
    // Dropped last: what is above points into them.
    _ring_map: Arc<RingMap>,
    _cursors_map: Arc<CursorsMap>,
}

impl Gate {
    pub(super) fn new(
        cells: CellsView<'static>,
        record: &'static PublisherRecord,
        side: FenceSide,
        ring_map: &Arc<RingMap>,
        cursors_map: &Arc<CursorsMap>,
    ) -> Self {
        Self {
            cells,
            record,
            side,
            _ring_map: Arc::clone(ring_map),
            _cursors_map: Arc::clone(cursors_map),
        }
    }
}

impl Watched for Gate {
    fn enter(&self, ticket: Ticket) -> Result<(), WaitError> {
        self.record.bell.store(ticket.word(), Ordering::Relaxed);
        Bell::enter();
        Ok(())
    }

    fn leave(&self) {
        self.record.bell.store(0, Ordering::Relaxed);
    }

    fn ask(&self) {
        Event::new(self.cells.departures(), self.side).ask();
    }

    fn has_news(&self) -> bool {
        false
    }

    fn counts_rings(&self) -> bool {
        true
    }
}
