//! When a publisher that has filled the ring looks again.
//!
//! Who writes each slot as soon as it is free takes the cursor away from its subscriber all the time, and
//! each of the two waits for the other's line. So a publisher that finds less than a batch free waits until
//! one is: for a few microseconds, while subscribers move, and no longer. The counterpart of [`pace`], by
//! the same measures: one message at a time from one core to another of a busy virtual machine, 24 to 94
//! million messages a second without it, 47 to 67 with it.

use super::{gate, layout::Geometry, pace, sequence::Sequence, view::CellsView};
use crate::sync::spin_loop;

/// How the last wait for a batch of free slots ended.
pub(super) struct Headway {
    /// So many looks at the cursors are not worth a wait: the last wait was for nothing.
    spared: u32,
}

/// Subscribers that were slow once are waited for again after so many looks.
const SPARED: u32 = 64;

impl Headway {
    pub(super) const fn new() -> Self {
        Self { spared: 0 }
    }

    /// Waits, if that is worth it, before a look that is to let message `seq` be written. Where nothing is
    /// free it does not: whether to wait then is the caller's to say.
    #[cold]
    pub(super) fn wait(&mut self, cells: &CellsView, seq: Sequence, geometry: &Geometry) {
        let capacity = geometry.shape.capacity_slots;
        let batch = pace::BATCH.min(geometry.quantum());
        if batch == 1 {
            return; // one is a batch
        }
        let free =
            || gate::slowest(cells, seq, capacity).map_or(capacity, |(until, _)| until.since(seq));
        let at_first = free();
        if at_first == 0 || at_first >= batch {
            return;
        }
        if self.spared > 0 {
            self.spared -= 1;
            return;
        }
        for look in 1..=pace::LOOKS_AHEAD_MAX {
            (0..pace::SPINS_PER_LOOK).for_each(|_| spin_loop());
            let now = free();
            if now >= batch {
                return;
            }
            // It takes a moment to get away.
            if look >= pace::LOOKS_AHEAD_MIN && now < at_first + look / 2 {
                break;
            }
        }
        self.spared = SPARED;
    }
}

#[cfg(all(test, not(ringbus_loom)))]
mod tests {
    use super::*;
    use crate::ring::{
        cursor::Delivery,
        tests::{heap::HeapTopic, shapes::exclusive},
    };

    const CAPACITY: u64 = 1024;

    /// Waits in a ring whose only subscriber has read nothing, where so many slots are free.
    fn wait(headway: &mut Headway, free: u64) {
        let topic = HeapTopic::new(exclusive(CAPACITY));
        let _subscriber = topic.join(0, 0, Delivery::Reliable);
        let seq = Sequence(CAPACITY - free);
        headway.wait(&topic.cells(), seq, topic.ring().geometry());
    }

    #[test]
    fn nobody_is_waited_for_where_nothing_or_a_batch_is_free() {
        let mut headway = Headway::new();
        for free in [0, pace::BATCH, CAPACITY] {
            wait(&mut headway, free);
            assert_eq!(headway.spared, 0, "{free} free");
        }
    }

    #[test]
    fn who_does_not_move_is_waited_for_once_in_many_looks() {
        let mut headway = Headway::new();
        for left in (0..=SPARED).rev() {
            wait(&mut headway, pace::BATCH - 1);
            assert_eq!(headway.spared, left);
        }
        wait(&mut headway, 1);
        assert_eq!(headway.spared, SPARED);
    }
}
