//! Every interleaving of one who sleeps at a bell and those who notify its events: no ring is lost
//! (edges CALL, RING, and SLEEP of an event that was asked).
//!
//! A sleep ends only by a wake, so that a lost ring is a deadlock, which loom reports.

use std::{sync::Arc, time::Duration};

use loom::thread;

use super::explore::{explore, explore_from};
use crate::{
    sync::{AtomicU32, Ordering, model},
    wait::{Bell, BellWords, Event, FenceSide, Ticket, futex},
};

/// Two topics, each with a subscriber that may be listened to at the bell.
#[derive(Default)]
struct Shared {
    topics: [Topic; 2],
    bell: BellWords,
}

#[derive(Default)]
struct Topic {
    word: AtomicU32,
    ticket: AtomicU32,
    published: AtomicU32,
}

impl Topic {
    fn event(&self) -> Event<'_> {
        Event::new(&self.word, FenceSide::Sleeper)
    }

    fn has_news(&self) -> bool {
        self.published.load(Ordering::Relaxed) != 0
    }
}

impl Shared {
    fn publish(&self, topic: usize) {
        let topic = &self.topics[topic];
        topic.published.fetch_add(1, Ordering::Relaxed);
        topic.event().notify_and(|| {
            let ticket = Ticket::from_word(topic.ticket.load(Ordering::Relaxed));
            if let Some(ticket) = ticket {
                Bell::new(&self.bell).ring(ticket.mark());
            }
        });
    }

    fn enter(&self, topics: usize) {
        for (index, topic) in self.topics[..topics].iter().enumerate() {
            let ticket = Ticket::new(0, index);
            topic.ticket.store(ticket.word(), Ordering::Relaxed);
        }
        Bell::enter();
    }

    /// Sleeps until each of the first topics has news; looks at a topic only when rung for it.
    fn sleep_until(&self, topics: usize) {
        let bell = Bell::new(&self.bell);
        self.enter(topics);
        let mut pending: Vec<usize> = (0..topics).collect();
        let mut missing = pending.clone();
        loop {
            missing.retain(|index| !(pending.contains(index) && self.topics[*index].has_news()));
            if missing.is_empty() {
                return;
            }
            pending.retain(|index| missing.contains(index));
            for index in &pending {
                self.topics[*index].event().ask();
            }
            let token = bell.prepare(FenceSide::Sleeper);
            let is_heard = bell.has_heard();
            if !is_heard && !pending.iter().any(|index| self.topics[*index].has_news()) {
                pending.clear();
                bell.sleep(token, Duration::MAX);
            }
            let heard = bell.heard();
            let is_rung = |index: &usize| heard & Ticket::new(0, *index).mark() != 0;
            pending.extend(missing.iter().filter(|index| is_rung(index)));
        }
    }

    /// Sleeps until the first topic has so many messages; has read all before the last of them.
    fn sleep_until_published(&self, count: u32) {
        let (bell, topic) = (Bell::new(&self.bell), &self.topics[0]);
        let has_news = || topic.published.load(Ordering::Relaxed) >= count;
        self.enter(1);
        while !has_news() {
            topic.event().ask();
            let token = bell.prepare(FenceSide::Sleeper);
            if !bell.has_heard() && !has_news() {
                bell.sleep(token, Duration::MAX);
            }
            bell.heard();
        }
    }

    /// Sleeps at the event itself, as a subscriber does that waits alone.
    fn wait_alone(&self, topic: usize) {
        let topic = &self.topics[topic];
        while !topic.has_news() {
            let token = topic.event().prepare();
            if topic.has_news() {
                break;
            }
            topic.event().sleep(token, Duration::MAX);
        }
    }
}

#[test]
fn loom_a_publish_rings_the_bell_of_one_who_asked() {
    explore::<Shared>(&[|shared| shared.publish(0)], |shared| {
        shared.sleep_until(1)
    });
}

#[test]
fn loom_two_publishers_ring_one_bell() {
    explore::<Shared>(
        &[|shared| shared.publish(0), |shared| shared.publish(1)],
        |shared| shared.sleep_until(2),
    );
}

/// Each must be woken, whichever of them set its bit while the notifier counted.
#[test]
fn loom_one_publish_wakes_one_who_asked_and_one_who_sleeps() {
    explore::<Shared>(
        &[|shared| shared.publish(0), |shared| shared.wait_alone(0)],
        |shared| shared.sleep_until(1),
    );
}

/// A bit that another one left there is not a bit of one's own, and yet enough (CALL).
#[test]
fn loom_a_bit_that_is_set_already_rings_for_a_newcomer() {
    explore::<Shared>(&[|shared| shared.publish(0)], |shared| {
        shared.topics[0].event().ask();
        shared.sleep_until(1);
    });
}

/// A notifier saw the bit of another one who asked, and is stopped before it clears it. Who comes to
/// the bell meanwhile, with the message in hand, may leave it at that bit only if the notifier, when it
/// goes on, finds who came (CALL): the next message is told by nobody else.
#[test]
fn loom_a_notifier_that_saw_the_bit_finds_who_came_before_it_clears_it() {
    explore_from::<Shared>(
        |shared| shared.topics[0].event().ask(),
        &[
            |shared| {
                if shared.topics[0].published.load(Ordering::Relaxed) != 0 {
                    shared.sleep_until_published(2);
                }
            },
            |shared| shared.publish(0),
        ],
        |shared| shared.publish(0),
    );
}

/// A ringer that was killed before it rang, with the bit cleared: the sleeper looks at everything when
/// its time is up.
#[test]
fn loom_a_ringer_that_vanishes_delays_a_sleeper_until_its_time_is_up() {
    model::explore_vanishing(Some(3), |victim| {
        let shared = Arc::new(Shared::default());
        let sleeper = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.sleep_until_published(1)
        });
        victim.act(|| shared.publish(0));
        // It may have been killed before it published.
        shared.topics[0].published.store(1, Ordering::Relaxed);
        futex::time_is_up();
        sleeper.join().unwrap();
    });
}

/// A sleeper that was killed leaves its bits and its ticket: the others are woken as before.
#[test]
fn loom_a_sleeper_at_a_bell_that_vanishes_takes_no_wake_up_along() {
    model::explore_vanishing(Some(2), |victim| {
        let shared = Arc::new(Shared::default());
        let alone = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.wait_alone(0)
        });
        let publisher = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.publish(0)
        });
        victim.act(|| {
            shared.enter(1);
            shared.topics[0].event().ask();
            let bell = Bell::new(&shared.bell);
            let _ = bell.prepare(FenceSide::Sleeper);
        });
        publisher.join().unwrap();
        alone.join().unwrap();
    });
}
