//! Cells that change hands: claimed, given up, taken back from the dead, by participants that may
//! vanish after any of their steps.
//!
//! That a participant is dead can be seen once its last step is over, as by the kernel's lock.

use std::sync::Arc;

use loom::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use super::{
    chunks::assert_chunks_conserved,
    model::{explore, explore_vanishing},
    shapes::{exclusive, shared, slim},
};
use crate::ring::{
    cursor::Delivery,
    cursor_word::{CursorState, CursorWord},
    owner::{self, Deaths},
    publish::{ExclusivePublisher, Shut},
    sequence::Sequence,
    view::ModelTopic,
};

/// Whether each of the participants 1 to 4 has died.
#[derive(Clone, Default)]
pub(super) struct Lives(Arc<[AtomicBool; 4]>);

impl Lives {
    pub(super) fn end(&self, participant: u64) {
        self.0[participant as usize - 1].store(true, Ordering::Release);
    }
}

impl Deaths for Lives {
    fn is_dead(&self, owner: u64) -> bool {
        let participant = owner & 0xffff;
        participant != 0 && self.0[participant as usize - 1].load(Ordering::Acquire)
    }
}

/// Publishes the next message; takes the cell of a dead subscriber that is in the way, once.
pub(super) fn publish_reaping(
    topic: &ModelTopic,
    publisher: &mut ExclusivePublisher,
    reaper: u64,
    lives: &Lives,
) -> Result<u64, Shut> {
    topic.publish(publisher).or_else(|shut| {
        let Shut::Gate { cell } = shut else {
            panic!("{shut:?}");
        };
        let is_reaped = owner::reap_cell_if_dead(topic.cells().cell(cell), reaper, lives);
        if is_reaped {
            topic.publish(publisher)
        } else {
            Err(shut)
        }
    })
}

/// A subscriber that died before it read a message; publishers wait for it.
fn dead_subscriber(topic: &ModelTopic, lives: &Lives) {
    assert_eq!(owner::claim_cell(&topic.cells(), 1, lives), Some(0));
    topic.join(0, 0, Delivery::Reliable);
    topic.publish(&mut topic.exclusive()).unwrap();
    lives.end(1);
}

/// The cursor of the cell's owner, who publishers wait for.
fn is_heeded(topic: &ModelTopic, owner: u64) -> bool {
    let cell = topic.cells().cell(0);
    let word = CursorWord(cell.cursor.load(crate::sync::Ordering::Relaxed));
    let named = cell.owner.load(crate::sync::Ordering::Relaxed);
    named == owner && word.state() == CursorState::Reliable
}

/// Edge PLACE: of those who would take a dead one's cell, one gets it, and no reaper undoes what the
/// newcomer writes there. Fails if a cell is taken by a store, and if it is free before it is
/// cleared.
#[test]
fn loom_cell_of_the_dead_is_taken_once() {
    explore(slim(exclusive(1)), None, |topic| {
        let lives = Lives::default();
        dead_subscriber(topic, &lives);
        let reaper = thread::spawn({
            let lives = lives.clone();
            move || owner::reap_cell_if_dead(topic.cells().cell(0), 2, &lives)
        });
        let newcomer = |owner| {
            owner::claim_cell(&topic.cells(), owner, &lives).map(|index| {
                topic.join(index, 0, Delivery::Reliable);
                owner
            })
        };
        let owner = newcomer(3);
        reaper.join().unwrap();
        let owner = owner.or_else(|| newcomer(4)).expect("nobody else wants it");
        assert!(is_heeded(topic, owner));
        let mut publisher = topic.exclusive();
        assert_eq!(topic.publish(&mut publisher), Err(Shut::Gate { cell: 0 }));
    });
}

/// Edge PLACE: a record's next owner finds its chunk list as the last one left it, and writes into the
/// chunks after it. Fails if the record is given up, or claimed, Relaxed.
#[test]
fn loom_record_is_handed_over_with_its_chunks() {
    explore(slim(shared(1)), None, |topic| {
        let (ring, nobody_dies) = (topic.ring(), Lives::default());
        for owner in 1..=2 {
            let index = owner::claim_record(&ring, owner, &nobody_dies);
            assert_eq!(index, Some(owner as u32 - 1));
        }
        let predecessor = thread::spawn(move || {
            let mut publisher = topic.shared(0);
            topic.publish_shared(&mut publisher, 1).unwrap();
            // Release: edge PLACE.
            let owner = &topic.ring().record(0).owner;
            owner.store(0, crate::sync::Ordering::Release);
        });
        let claimed = owner::claim_record(&ring, 3, &nobody_dies);
        if claimed == Some(0) {
            let mut successor = topic.shared(0);
            for content in 2..4 {
                topic.publish_shared(&mut successor, content).unwrap();
            }
        }
        predecessor.join().unwrap();
        assert_chunks_conserved(&ring);
    });
}

/// A reaper, too, may vanish after any step, or stop there for ever (it is not known to be dead):
/// publishers do not heed the cell, and where it is known, the next one has it. Fails if publishers
/// heed a cell that is being reaped, and if a reaper leaves the word without the mark.
#[test]
fn loom_reaper_that_vanishes_is_reaped() {
    explore_vanishing(slim(exclusive(1)), None, |topic, victim| {
        let lives = Lives::default();
        dead_subscriber(topic, &lives);
        let publisher = thread::spawn({
            let lives = lives.clone();
            move || {
                let mut publisher = topic.exclusive();
                let published = publish_reaping(topic, &mut publisher, 3, &lives);
                // Unless the other reaper has it, the dead one's cell is taken at the first attempt.
                published.or_else(|_| topic.publish(&mut publisher))
            }
        });
        let is_reaped = victim.act(|| owner::reap_cell_if_dead(topic.cells().cell(0), 2, &lives));
        let _ = publisher.join().unwrap();
        // The other reaper, if it vanished, is not known to be dead: as if it were stopped.
        assert!(publish_reaping(topic, &mut topic.exclusive(), 4, &lives).is_ok());
        if is_reaped.is_none() {
            lives.end(2);
        }
        assert_eq!(owner::claim_cell(&topic.cells(), 4, &lives), Some(0));
        topic.join(0, 0, Delivery::Reliable);
        assert!(is_heeded(topic, 4));
    });
}

/// A newcomer that vanishes while it claims a cell, or a subscriber while it gives one up: the cell
/// is for the next to claim, and holds up nobody.
#[test]
fn loom_cell_of_one_that_vanished_on_its_way_is_claimed() {
    explore_vanishing(slim(exclusive(1)), None, |topic, victim| {
        let lives = Lives::default();
        dead_subscriber(topic, &lives);
        let other = thread::spawn({
            let lives = lives.clone();
            move || owner::claim_cell(&topic.cells(), 3, &lives).is_some()
        });
        let came_and_left = victim.act(|| {
            let index = owner::claim_cell(&topic.cells(), 2, &lives)?;
            topic.join(index, 0, Delivery::Reliable).leave();
            owner::release_cell(topic.cells().cell(index));
            Some(index)
        });
        lives.end(2);
        let has_other = other.join().unwrap();
        assert!(has_other || came_and_left != Some(None));
        if !has_other {
            assert_eq!(owner::claim_cell(&topic.cells(), 4, &lives), Some(0));
        }
        let owner = if has_other { 3 } else { 4 };
        topic.join(0, 0, Delivery::Reliable);
        assert!(is_heeded(topic, owner));
    });
}
