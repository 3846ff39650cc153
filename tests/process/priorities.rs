//! Threads of different priorities that share one processor.

use std::{
    mem,
    time::{Duration, Instant},
};

use ringbus::Subscriber;

use super::{
    actor::{Actor, Roles, Stage, say},
    sleep::processor_time,
};
use crate::support::{MODES, TestBus};

pub const ROLES: Roles = &[("priorities/asks", asks), ("priorities/answers", answers)];

const ROUNDS: u64 = 500;

/// Processor time that each may use. One that spun until the other has answered would use all but
/// the 50 ms of each second that the kernel keeps from real-time threads.
const LONGEST: Duration = Duration::from_millis(400);

/// Keeps this thread on the first processor that it may use, with a real-time priority if asked to.
fn confine(stage: &Stage) -> bool {
    // SAFETY: zeros are an empty set.
    let mut allowed: libc::cpu_set_t = unsafe { mem::zeroed() };
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: `allowed` is a set of that size.
    assert_eq!(unsafe { libc::sched_getaffinity(0, size, &mut allowed) }, 0);
    // SAFETY: the numbers are those of a set.
    let is_allowed = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &allowed) };
    let first = (0..libc::CPU_SETSIZE as usize).find(is_allowed);
    // SAFETY: zeros are an empty set.
    let mut one: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the number was found in a set.
    unsafe { libc::CPU_SET(first.expect("this thread runs"), &mut one) };
    // SAFETY: `one` is a set of that size.
    assert_eq!(unsafe { libc::sched_setaffinity(0, size, &one) }, 0);
    if stage.arg(0) != "real-time" {
        return true;
    }
    let priority = libc::sched_param { sched_priority: 10 };
    // SAFETY: `priority` is one `sched_param`; it concerns this thread alone.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &priority) == 0 }
}

fn expect(subscriber: &mut Subscriber<[u8]>, word: &[u8]) {
    while !subscriber.wait(Duration::from_secs(1)).unwrap() {}
    assert_eq!(
        subscriber.poll().unwrap().expect("waited for").payload(),
        word
    );
}

/// Asks, waits for the answer, and so on; then floods a reader that is as slow as it likes.
fn asks(stage: &Stage) {
    let (questions, answers) = (stage.topic(), stage.bus().topic("answers").open().unwrap());
    let mut answers = answers.subscriber().reliable().join().unwrap();
    let publisher = questions.publisher().unwrap();
    if !confine(stage) {
        return say("refused");
    }
    say("ready");
    assert!(
        publisher
            .wait_subscribers(1, Duration::from_secs(20))
            .unwrap()
    );
    for _ in 0..ROUNDS {
        publisher.publish(b"?").unwrap();
        expect(&mut answers, b"!");
    }
    for _ in 0..ROUNDS {
        publisher.publish(b".").unwrap(); // the ring has room for one
    }
    say(processor_time().as_micros());
}

fn answers(stage: &Stage) {
    let (questions, answers) = (stage.topic(), stage.bus().topic("answers").open().unwrap());
    let publisher = answers.publisher().unwrap();
    if !confine(stage) {
        return say("refused");
    }
    let mut questions = questions.subscriber().reliable().join().unwrap();
    say("ready");
    for _ in 0..ROUNDS {
        expect(&mut questions, b"?");
        publisher.publish(b"!").unwrap();
    }
    for _ in 0..ROUNDS {
        expect(&mut questions, b".");
    }
    say(processor_time().as_micros());
}

#[test]
fn a_real_time_thread_that_waits_leaves_the_processor_to_the_one_it_waits_for() {
    for mode in MODES {
        for real_time in ["asks", "answers"] {
            let bus = TestBus::new();
            let topic = bus.topic_of(mode).capacity(1).create().unwrap();
            bus.topic("answers").capacity(4).create().unwrap();
            let started = Instant::now();
            let mut actors = ["asks", "answers"].map(|role| {
                let priority = if role == real_time {
                    "real-time"
                } else {
                    "usual"
                };
                Actor::start(
                    &format!("priorities/{role}"),
                    bus.root().path(),
                    &[priority],
                )
            });
            if actors.iter_mut().any(|actor| actor.hear() == "refused") {
                return println!("skipped: no real-time priority is allowed here");
            }
            let used = actors.map(|mut actor| actor.hear().parse().map(Duration::from_micros));
            let used = used.map(|used| used.expect("a number"));
            let took = started.elapsed();
            println!("{mode}, {real_time} in real time: {took:?}, of processor time {used:?}");
            assert!(
                used.iter().all(|used| *used < LONGEST),
                "{mode}, {real_time}: {used:?}"
            );
            assert_eq!(topic.info().next, 2 * ROUNDS);
        }
    }
}
