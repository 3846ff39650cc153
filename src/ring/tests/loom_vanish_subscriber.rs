//! Subscribers that vanish after any of their steps, from claiming a cell to giving it up, beside a
//! publisher; and the next one to have the cell.

use loom::thread;

use super::{
    loom_cursor::follow_to_the_end,
    loom_owner::{Lives, publish_reaping},
    model::explore_vanishing,
    shapes::{exclusive, slim},
};
use crate::{
    ring::{
        cursor::{Cursor, Delivery},
        cursor_word::CursorWord,
        gate, owner,
        publish::{ExclusivePublisher, Shut},
        sequence::Sequence,
        view::ModelTopic,
    },
    sync::{Ordering, model::Victim},
};

const SUBSCRIBER: u64 = 1;
const PUBLISHER: u64 = 2;
const NEWCOMER: u64 = 3;

#[test]
fn loom_reliable_subscriber_that_vanishes_is_waited_for_until_it_is_dead() {
    vanish(|topic, index| topic.join(index, 0, Delivery::Reliable));
}

#[test]
fn loom_lossy_subscriber_that_vanishes_holds_up_nobody() {
    vanish(|topic, index| topic.join(index, 0, Delivery::Lossy));
}

#[test]
fn loom_evictable_subscriber_that_vanishes_is_evicted() {
    vanish(|topic, index| topic.join_evictable(index, 0));
}

/// A subscriber claims a cell, joins at the oldest message, takes, and leaves; a publisher overwrites
/// what it reads. Once it is dead, nothing it left is in anybody's way.
fn vanish(
    join: impl Fn(&'static ModelTopic, u32) -> Cursor<'static> + Copy + Send + Sync + 'static,
) {
    explore_vanishing(slim(exclusive(1)), Some(3), move |topic, victim| {
        let lives = Lives::default();
        topic.publish(&mut topic.exclusive()).unwrap();
        let mut publisher = topic.exclusive();
        let publisher = thread::spawn({
            let lives = lives.clone();
            move || {
                let _ = publish_reaping(topic, &mut publisher, PUBLISHER, &lives);
            }
        });
        live_and_vanish(topic, &victim, &lives, join);
        publisher.join().unwrap();
        let mut publisher = topic.exclusive();
        for _ in 0..3 {
            publish_reaping(topic, &mut publisher, PUBLISHER, &lives).unwrap();
        }
        // The next one to have the cell.
        let index = owner::claim_cell(&topic.cells(), NEWCOMER, &lives).unwrap();
        let end = publisher.next().0;
        let mut newcomer = topic.join(index, end, Delivery::Lossy);
        topic.publish(&mut publisher).unwrap();
        assert_eq!(topic.follow_from(&mut newcomer, end, 1, 1), 1);
    });
}

fn live_and_vanish(
    topic: &'static ModelTopic,
    victim: &Victim,
    lives: &Lives,
    join: impl Fn(&'static ModelTopic, u32) -> Cursor<'static>,
) {
    victim.act(|| {
        let index = owner::claim_cell(&topic.cells(), SUBSCRIBER, lives).unwrap();
        let mut subscriber = join(topic, index);
        topic.follow_from(&mut subscriber, 0, 2, 1);
        subscriber.leave();
        owner::release_cell(topic.cells().cell(index));
    });
    lives.end(SUBSCRIBER);
}
