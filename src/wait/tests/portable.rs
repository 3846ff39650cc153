//! The hazards of `raw_sync`, one by one.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    segment::{Draft, Rights, Segment},
    shared::Offset,
    sync::{AtomicU32, Ordering},
    testing::{self, Actor, PRIVATE, Scratch, eventually, say},
    wait::futex,
};

const LONG: Duration = Duration::from_secs(30);

fn make(scratch: &Scratch) -> Segment {
    let draft = Draft::new(scratch.path(), 4096, &[], PRIVATE).unwrap();
    draft.publish(&scratch.join("a")).unwrap()
}

fn word(segment: &Segment) -> &AtomicU32 {
    &segment.array(Offset::new(128), 1).unwrap()[0]
}

#[test]
#[ignore = "a role"]
fn role_sleeper() {
    let file = Segment::open(&testing::directory().join("a"), Rights::ReadWrite).unwrap();
    let segment = file.map(4096).unwrap();
    say("sleeps");
    loop {
        let seen = word(&segment).load(Ordering::Relaxed);
        futex::wait(word(&segment), seen, LONG);
        say("woken");
    }
}

#[test]
fn killed_sleepers_hold_up_neither_wakers_nor_sleepers() {
    let scratch = Scratch::new();
    let segment = make(&scratch);
    for _ in 0..20 {
        let mut actors: Vec<_> = (0..3)
            .map(|_| Actor::start("wait::tests::portable::role_sleeper", scratch.path()))
            .collect();
        for actor in &mut actors {
            assert_eq!(actor.hears(), "sleeps");
        }
        thread::sleep(Duration::from_millis(2));
        actors[0].kill();
        actors[1].kill();
        let start = Instant::now();
        for _ in 0..200 {
            word(&segment).fetch_add(1, Ordering::Relaxed);
            futex::wake_all(word(&segment));
        }
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "wakers are held up"
        );
        assert_eq!(actors[2].hears(), "woken");
    }
}

#[test]
fn more_sleepers_than_seats_are_woken() {
    let scratch = Scratch::new();
    let segment = make(&scratch);
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| futex::wait(word(&segment), 0, LONG));
        }
        thread::sleep(Duration::from_millis(50));
        word(&segment).store(1, Ordering::Relaxed);
        futex::wake_all(word(&segment));
    });
    assert!(start.elapsed() < LONG / 2);
}

#[test]
fn a_sleep_is_as_long_as_asked_at_every_time_of_the_second() {
    let scratch = Scratch::new();
    let segment = make(&scratch);
    let whole = Duration::from_millis(90);
    for _ in 0..15 {
        let start = Instant::now();
        futex::wait(word(&segment), 0, whole);
        let took = start.elapsed();
        assert!(took >= whole && took < whole * 3, "{took:?}");
    }
}

#[test]
fn a_sleeper_is_woken_and_does_not_find_out_by_itself() {
    let scratch = Scratch::new();
    let segment = make(&scratch);
    let mut longest = Duration::ZERO;
    thread::scope(|scope| {
        for round in 0..20 {
            let segment = &segment;
            let sleeper = scope.spawn(move || {
                futex::wait(word(segment), round, LONG);
                Instant::now()
            });
            thread::sleep(Duration::from_millis(10));
            let start = Instant::now();
            word(segment).fetch_add(1, Ordering::Relaxed);
            futex::wake_all(word(segment));
            longest = longest.max(sleeper.join().unwrap().duration_since(start));
        }
    });
    assert!(longest < Duration::from_secs(1), "{longest:?}");
}

#[test]
fn seats_of_the_dead_are_taken_again() {
    let scratch = Scratch::new();
    let segment = make(&scratch);
    for _ in 0..3 {
        let mut actor = Actor::start("wait::tests::portable::role_sleeper", scratch.path());
        assert_eq!(actor.hears(), "sleeps");
        thread::sleep(Duration::from_millis(5));
        actor.kill();
    }
    eventually("all seats can be had", || {
        thread::scope(|scope| {
            let sleepers: Vec<_> = (0..64)
                .map(|_| scope.spawn(|| futex::wait(word(&segment), 0, Duration::from_millis(50))))
                .collect();
            sleepers.into_iter().all(|sleeper| sleeper.join().is_ok())
        })
    });
}
