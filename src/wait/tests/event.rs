//! Sleeping and waking, with the kernel's real facilities.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    segment::{Draft, Rights, Segment},
    shared::Offset,
    sync::{AtomicU32, Ordering},
    testing::{self, Actor, PRIVATE, Scratch, say},
    wait::{Event, FenceSide, membarrier},
};

const FOREVER: Duration = Duration::from_secs(60);

/// A word to sleep on, and one that the other side counts up.
struct Turn<'m> {
    event: Event<'m>,
    count: &'m AtomicU32,
}

impl<'m> Turn<'m> {
    /// One for each side.
    fn pair(words: &'m [AtomicU32], side: FenceSide) -> (Self, Self) {
        let turn = |first: usize| Self {
            event: Event::new(&words[first], side),
            count: &words[first + 1],
        };
        (turn(0), turn(2))
    }

    fn advance(&self, to: u32) {
        self.count.store(to, Ordering::Release);
        self.event.notify();
    }

    fn wait_for(&self, count: u32) {
        while self.count.load(Ordering::Acquire) != count {
            let token = self.event.prepare();
            if self.count.load(Ordering::Acquire) == count {
                break;
            }
            self.event.sleep(token, FOREVER);
        }
    }
}

/// Passes the turn to and fro; panics where that was slow enough for lost wake-ups.
fn serve(theirs: &Turn, ours: &Turn, rounds: u32) {
    let start = Instant::now();
    for round in 1..=rounds {
        theirs.advance(round);
        ours.wait_for(round);
    }
    // A lost wake-up costs 40 ms.
    let elapsed = start.elapsed();
    assert!(elapsed < rounds * Duration::from_millis(20), "{elapsed:?}");
}

fn answer(ours: &Turn, theirs: &Turn, rounds: u32) {
    for round in 1..=rounds {
        ours.wait_for(round);
        theirs.advance(round);
    }
}

fn threads_play(side: FenceSide) {
    let words: [AtomicU32; 4] = Default::default();
    let (ping, pong) = Turn::pair(&words, side);
    thread::scope(|scope| {
        scope.spawn(|| answer(&ping, &pong, 1000));
        serve(&ping, &pong, 1000);
    });
}

#[test]
fn threads_wake_each_other_where_the_sleeper_fences() {
    threads_play(FenceSide::Sleeper);
}

#[test]
fn threads_wake_each_other_where_both_fence() {
    threads_play(FenceSide::Both);
}

#[test]
fn processes_wake_each_other() {
    let scratch = Scratch::new();
    let draft = Draft::new(scratch.path(), 4096, &[], PRIVATE).unwrap();
    let segment = draft.publish(&scratch.join("a")).unwrap();
    let words = segment.array(Offset::new(0), 4).unwrap();
    let (ping, pong) = Turn::pair(words, FenceSide::Sleeper);
    let mut peer = Actor::start("wait::tests::event::role_answer", scratch.path());
    assert_eq!(peer.hears(), "ready");
    serve(&ping, &pong, 200);
    assert!(peer.ends_well());
}

#[test]
#[ignore = "a role"]
fn role_answer() {
    let file = Segment::open(&testing::directory().join("a"), Rights::ReadWrite).unwrap();
    let segment = file.map(4096).unwrap();
    let words = segment.array(Offset::new(0), 4).unwrap();
    let (ping, pong) = Turn::pair(words, FenceSide::Sleeper);
    say("ready");
    answer(&ping, &pong, 200);
}

#[test]
fn a_notify_between_prepare_and_sleep_is_not_slept_through() {
    let word = AtomicU32::new(0);
    let event = Event::new(&word, FenceSide::Sleeper);
    let start = Instant::now();
    for _ in 0..100 {
        let token = event.prepare();
        event.notify();
        event.sleep(token, FOREVER);
    }
    assert!(start.elapsed() < Duration::from_secs(2)); // 100 sleeps would take four
}

#[test]
fn a_wake_that_its_notifier_died_before_comes_by_itself() {
    let word = AtomicU32::new(0);
    let event = Event::new(&word, FenceSide::Sleeper);
    let sleep = || {
        let start = Instant::now();
        event.sleep(event.prepare(), FOREVER);
        start.elapsed()
    };
    // A busy machine may make some of them late.
    let shortest = (0..5).map(|_| sleep()).min();
    assert!(shortest < Some(Duration::from_millis(50)), "{shortest:?}");
}

#[test]
fn a_notify_leaves_the_word_alone_while_nobody_sleeps() {
    let word = AtomicU32::new(0);
    let event = Event::new(&word, FenceSide::Sleeper);
    event.notify();
    assert_eq!(word.load(Ordering::Relaxed), 0);
    let _ = event.prepare();
    assert_eq!(word.load(Ordering::Relaxed), 1);
    event.notify();
    event.notify();
    assert_eq!(word.load(Ordering::Relaxed), 4);
}

#[test]
fn the_count_of_wakes_wraps() {
    let word = AtomicU32::new(u32::MAX - 3);
    let event = Event::new(&word, FenceSide::Sleeper);
    let _ = event.prepare();
    event.notify();
    assert_eq!(word.load(Ordering::Relaxed), 0);
}

#[test]
fn a_sleep_that_nobody_ends_is_short() {
    let word = AtomicU32::new(0);
    let event = Event::new(&word, FenceSide::Sleeper);
    let start = Instant::now();
    event.sleep(event.prepare(), FOREVER);
    assert!(start.elapsed() < FOREVER / 2);
}

#[test]
fn a_forked_child_inherits_the_registration() {
    const GET_REGISTRATIONS: i32 = 1 << 9; // since Linux 6.3
    // SAFETY: membarrier takes no pointers.
    let registrations = || unsafe { libc::syscall(libc::SYS_membarrier, GET_REGISTRATIONS, 0) };
    if membarrier::must_fence() || registrations() < 0 {
        return println!("skipped: this kernel does not tell what is registered");
    }
    let parents = registrations();
    // SAFETY: the child asks the kernel one thing and exits.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let same = registrations() == parents;
        // SAFETY: ends the child without running what belongs to the parent.
        unsafe { libc::_exit(if same { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: the pid is that of the child; `status` is one int, exclusively borrowed.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0);
}
