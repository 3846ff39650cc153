//! Every interleaving of sleepers and notifiers: no wake-up is lost (edge SLEEP).
//!
//! A sleep in the model ends only by a wake, so that a lost one is a deadlock, which loom reports.
//! The last three tests leave out one step of the protocol each, and must deadlock.

use std::{sync::Arc, time::Duration};

use loom::thread;

use super::explore::explore;
use crate::{
    sync::{AtomicU32, Ordering, model},
    wait::{Event, FenceSide, event::SLEEPING, futex},
};

#[derive(Default)]
struct Shared {
    word: AtomicU32,
    predicate: [AtomicU32; 2],
}

impl Shared {
    fn event(&self) -> Event<'_> {
        Event::new(&self.word, FenceSide::Sleeper)
    }

    /// Does notifier `index`'s half of the predicate.
    fn fulfil(&self, index: usize) {
        self.predicate[index].store(1, Ordering::Relaxed);
    }

    fn publish(&self, index: usize) {
        self.fulfil(index);
        self.event().notify();
    }

    fn holds(&self, halves: usize) -> bool {
        let done = |half: &AtomicU32| half.load(Ordering::Relaxed) == 1;
        self.predicate[..halves].iter().all(done)
    }

    fn sleep_until(&self, halves: usize) {
        while !self.holds(halves) {
            let token = self.event().prepare();
            if self.holds(halves) {
                break;
            }
            self.event().sleep(token, Duration::MAX);
        }
    }
}

#[test]
fn loom_a_sleeper_sees_what_it_was_notified_of() {
    explore::<Shared>(&[|shared| shared.publish(0)], |shared| {
        shared.sleep_until(1)
    });
}

#[test]
fn loom_a_sleeper_sees_what_two_notified_it_of() {
    explore::<Shared>(
        &[|shared| shared.publish(0), |shared| shared.publish(1)],
        |shared| shared.sleep_until(2),
    );
}

#[test]
fn loom_a_sleeper_misses_no_second_notify() {
    explore::<Shared>(&[|shared| shared.sleep_until(2)], |shared| {
        shared.publish(0);
        shared.publish(1);
    });
}

#[test]
fn loom_one_notify_wakes_two_sleepers() {
    explore::<Shared>(
        &[
            |shared| shared.sleep_until(1),
            |shared| shared.sleep_until(1),
        ],
        |shared| shared.publish(0),
    );
}

/// A sleeper that was killed leaves its bit: the others sleep and are woken as before.
#[test]
fn loom_a_sleeper_that_vanishes_takes_no_wake_up_along() {
    model::explore_vanishing(Some(3), |victim| {
        let shared = Arc::new(Shared::default());
        let sleeper = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.sleep_until(1)
        });
        let notifier = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.publish(0)
        });
        victim.act(|| shared.sleep_until(1));
        notifier.join().unwrap();
        sleeper.join().unwrap();
    });
}

/// A notifier that was killed before it woke those whose bit it had cleared: no sleep is longer than
/// its time.
#[test]
fn loom_a_notifier_that_vanishes_delays_sleepers_until_their_time_is_up() {
    model::explore_vanishing(Some(3), |victim| {
        let shared = Arc::new(Shared::default());
        let sleeper = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.sleep_until(2)
        });
        let notifier = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.publish(1)
        });
        victim.act(|| shared.publish(0));
        // Its predicate may not even have come true by it.
        shared.fulfil(0);
        notifier.join().unwrap();
        futex::time_is_up();
        sleeper.join().unwrap();
    });
}

#[test]
#[should_panic(expected = "deadlock")]
fn loom_without_the_second_look_a_wake_up_is_lost() {
    explore::<Shared>(&[|shared| shared.publish(0)], |shared| {
        while !shared.holds(1) {
            let token = shared.event().prepare();
            shared.event().sleep(token, Duration::MAX);
        }
    });
}

#[test]
#[should_panic(expected = "deadlock")]
fn loom_without_the_sleepers_barrier_a_wake_up_is_lost() {
    explore::<Shared>(&[|shared| shared.publish(0)], |shared| {
        while !shared.holds(1) {
            let word = shared.word.fetch_or(SLEEPING, Ordering::Relaxed) | SLEEPING;
            if shared.holds(1) {
                break;
            }
            futex::wait(&shared.word, word, Duration::MAX);
        }
    });
}

#[test]
#[should_panic(expected = "deadlock")]
fn loom_without_the_notifiers_barrier_a_wake_up_is_lost() {
    let careless: fn(&Shared) = |shared| {
        shared.fulfil(0);
        if shared.word.load(Ordering::Relaxed) & SLEEPING != 0 {
            shared.event().notify();
        }
    };
    explore::<Shared>(&[careless], |shared| shared.sleep_until(1));
}
