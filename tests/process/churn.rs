//! Subscribers that come and go while the ring runs at full speed.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use ringbus::{Meta, Patience, PollError, Start, Subscriber, Topic};

use super::actor::{Actor, Roles, Stage, say};
use crate::support::{MODES, TestBus, checked};

pub const ROLES: Roles = &[("churn/visitor", visitor)];

const LEN_MAX: usize = 64;
/// The tag of the last message.
const END: u64 = 1;
const RUN: Duration = Duration::from_millis(2500);

/// Reads up to `count` messages, and checks that nothing is unaccounted for.
fn read_some(subscriber: &mut Subscriber<[u8]>, count: u64, is_reliable: bool) -> u64 {
    let mut expected = subscriber.cursor();
    let end = expected + count;
    let mut received = 0;
    while expected < end {
        match subscriber.poll() {
            Ok(Some(message)) => {
                assert_eq!(message.sequence(), expected);
                assert_eq!(checked::check(message.payload()), (1, expected));
                (expected, received) = (expected + 1, received + 1);
            }
            Ok(None) => break,
            Err(PollError::Lagged { missed }) => {
                assert!(!is_reliable, "a reliable subscriber has missed {missed}");
                expected += missed;
            }
            Err(error) => panic!("{error}"),
        }
    }
    received
}

/// Joins in one way or another, reads a little, leaves; until told to stop.
fn visit(topic: &Topic<[u8]>, seed: u64, is_over: &AtomicBool) -> (u64, u64) {
    let mut random = seed;
    let (mut visits, mut received) = (0, 0);
    while !is_over.load(Ordering::Acquire) {
        random = random
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e);
        let start = match random >> 60 {
            0..=3 => Start::Oldest,
            4..=7 => Start::Last((random >> 50) & 31),
            _ => Start::Latest,
        };
        let is_reliable = random >> 40 & 1 == 0;
        let builder = topic.subscriber().start(start);
        let builder = if is_reliable {
            builder.reliable()
        } else {
            builder.lossy()
        };
        let mut subscriber = builder.join().unwrap();
        if random >> 41 & 1 == 0 {
            subscriber.wait(Duration::from_millis(2)).unwrap();
        }
        received += read_some(&mut subscriber, random >> 42 & 63, is_reliable);
        visits += 1;
        if random >> 48 & 3 == 0 {
            // Leaves while it holds a message.
            let held = subscriber.poll();
            assert!(!is_reliable || held.is_ok());
        }
    }
    (visits, received)
}

fn visitor(stage: &Stage) {
    let topic = stage.topic();
    say("ready");
    let (visits, received) = visit(&topic, stage.number(0), stage.cue());
    say(format!("{visits} {received}"));
}

#[test]
fn subscribers_come_and_go_and_a_stable_pair_sees_everything() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus
            .topic_of(mode)
            .capacity(64)
            .payload_max(LEN_MAX)
            .create()
            .unwrap();
        let mut visitors = [1, 2].map(|seed: u64| {
            Actor::start(
                "churn/visitor",
                bus.root().path(),
                &[&(seed * 7919).to_string()],
            )
        });
        for visitor in &mut visitors {
            assert_eq!(visitor.hear(), "ready");
        }
        let publisher = topic.publisher().unwrap();
        let pair = [0; 2].map(|_| topic.subscriber().reliable().join().unwrap());
        let is_over = AtomicBool::new(false);
        let published = thread::scope(|scope| {
            let pair = pair.map(|mut reliable| {
                scope.spawn(move || {
                    let mut expected = 0;
                    loop {
                        assert!(reliable.wait(Duration::from_secs(30)).unwrap());
                        for message in &reliable.poll_batch(16).unwrap() {
                            assert_eq!(message.sequence(), expected);
                            assert_eq!(checked::check(message.payload()), (1, expected));
                            expected += 1;
                            if message.tag() == END {
                                return expected;
                            }
                        }
                    }
                })
            });
            let local = [3, 4].map(|seed| {
                let (topic, is_over) = (topic.clone(), &is_over);
                scope.spawn(move || visit(&topic, seed, is_over))
            });
            let started = Instant::now();
            let mut serial = 0;
            while started.elapsed() < RUN {
                for _ in 0..16 {
                    let payload = checked::payload(LEN_MAX, 1, serial);
                    assert_eq!(publisher.publish(&payload), Ok(serial));
                    serial += 1;
                }
            }
            is_over.store(true, Ordering::Release);
            for visits in local.map(|thread| thread.join().unwrap()) {
                assert!(visits.0 > 0, "{visits:?}");
                println!("{mode}: a thread visited and received {visits:?}");
            }
            visitors.iter_mut().for_each(Actor::cue);
            // Some of the visitors may still be in the way.
            let (end, payload) = (Meta::new().tag(END), checked::payload(LEN_MAX, 1, serial));
            publisher
                .publish_with(end, &payload, Patience::Forever)
                .unwrap();
            for seen in pair.map(|thread| thread.join().unwrap()) {
                assert_eq!(seen, serial + 1);
            }
            serial
        });
        for mut visitor in visitors {
            println!(
                "{mode}: of {published} a process visited and received {}",
                visitor.hear()
            );
            assert!(visitor.ends_well());
        }
        assert!(topic.info().subscribers.is_empty());
    }
}
