//! Reliable subscribers that do not move: who is waited for, and who is passed over.

use std::{
    thread,
    time::{Duration, Instant},
};

use ringbus::{PollError, PublishError, PublisherMode};

use crate::delivery::span;
use crate::support::{MODES, TestBus, checked};

#[test]
fn a_stuck_subscriber_is_evicted_after_its_stall_timeout() {
    const STALL: Duration = Duration::from_millis(20);
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus
            .topic_of(mode)
            .capacity(4)
            .payload_max(64)
            .create()
            .unwrap();
        let publisher = topic.publisher().unwrap();
        let mut stuck = topic
            .subscriber()
            .reliable()
            .stall_timeout(STALL)
            .join()
            .unwrap();
        let mut healthy = topic.subscriber().reliable().join().unwrap();
        for seq in 0..4 {
            publisher
                .try_publish(&checked::payload(64, 1, seq))
                .unwrap();
        }
        let held = stuck.poll().unwrap().expect("published");
        assert_eq!(span(&mut healthy, 0), 4);
        let started = Instant::now();
        for seq in 4..20 {
            assert_eq!(publisher.publish(&checked::payload(64, 1, seq)), Ok(seq));
            assert_eq!(span(&mut healthy, seq), seq + 1);
        }
        assert!(started.elapsed() >= STALL);
        assert_eq!(topic.info().evicted, 1);
        assert_eq!(topic.info().subscribers[0].evictions, 1);
        // What it held has stayed as it was.
        assert_eq!(checked::check(held.payload()), (1, 0));
        drop(held);
        let missed = match stuck.poll() {
            Err(PollError::Evicted { missed }) => missed,
            other => panic!("{other:?}"),
        };
        assert_eq!(stuck.lagged(), missed);
        // It goes on where it was put, and is waited for again.
        assert_eq!(span(&mut stuck, 1 + missed), 20);
        for seq in 20..24 {
            publisher
                .try_publish(&checked::payload(64, 1, seq))
                .unwrap();
            assert_eq!(span(&mut healthy, seq), seq + 1);
        }
        assert!(matches!(
            publisher.try_publish(b"x"),
            Err(PublishError::Full(_))
        ));
        assert_eq!(span(&mut stuck, 20), 24);
    }
}

#[test]
fn a_subscriber_that_moves_is_not_evicted() {
    const ATTEMPTS: usize = 20;
    for mode in MODES {
        assert!(
            (0..ATTEMPTS).any(|_| moves_unevicted(mode)),
            "the reader was held up in each of {ATTEMPTS} attempts"
        );
    }
}

/// Reads on and on, for longer than the stall timeout in all. False says nothing: the reader was held up
/// for so long, as it has measured itself, that it may well have been evicted.
fn moves_unevicted(mode: PublisherMode) -> bool {
    const STALL: Duration = Duration::from_millis(100);
    let bus = TestBus::new();
    let topic = bus
        .topic_of(mode)
        .capacity(2)
        .payload_max(64)
        .create()
        .unwrap();
    let publisher = topic.publisher().unwrap();
    let mut slow = topic
        .subscriber()
        .reliable()
        .stall_timeout(STALL)
        .join()
        .unwrap();
    let started = Instant::now();
    let reader = thread::spawn(move || {
        let mut moved = started;
        let mut longest = Duration::ZERO;
        let mut polls = Ok(());
        for expected in 0..30 {
            while !slow.wait(Duration::from_secs(10)).unwrap() {}
            thread::sleep(Duration::from_millis(5));
            let polled = slow
                .poll()
                .map(|message| message.expect("published").sequence());
            let gap = moved.elapsed();
            moved += gap;
            longest = longest.max(gap);
            if polled != Ok(expected) {
                polls = Err(polled);
                break;
            }
        }
        (longest, polls)
    });
    for seq in 0..30 {
        publisher.publish(&checked::payload(64, 1, seq)).unwrap();
    }
    let (longest, polls) = reader.join().unwrap();
    if longest >= STALL / 2 {
        return false;
    }
    assert_eq!(polls, Ok(()));
    assert_eq!(topic.info().evicted, 0);
    assert!(started.elapsed() > STALL);
    true
}

#[test]
fn a_living_subscriber_without_stall_timeout_is_waited_for() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(1).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut reliable = topic.subscriber().reliable().join().unwrap();
        publisher.publish(b"a").unwrap();
        let refused = publisher.publish_timeout(b"b", Duration::from_millis(200));
        assert!(matches!(refused, Err(PublishError::Full(_))));
        assert_eq!(reliable.poll().unwrap().expect("published").payload(), b"a");
    }
}
