//! Stopped processes that hold messages.

use ringbus::{Meta, Patience, PollError, Publisher, Topic};

use super::actor::{Actor, Roles, Stage, say};
use crate::support::{MODES, TestBus, checked};

pub const ROLES: Roles = &[("pins/holder", holder)];

const LEN_MAX: usize = 500;

/// Holds the next messages, and checks them again when told; then says what it missed and got.
fn holder(stage: &Stage) {
    let topic = stage.topic();
    let mut lossy = topic.subscriber().lossy().join().unwrap();
    say("joined");
    stage.wait();
    let held = lossy.poll_batch(stage.number(0) as usize).unwrap();
    let all = || held.iter().map(|message| checked::check(message.payload()));
    let before: Vec<_> = all().collect();
    say(format!("{} {:?}", before.len(), before.first().copied()));
    // Stopped somewhere here.
    stage.wait();
    assert!(all().eq(before.iter().copied()));
    assert!(
        held.iter()
            .all(|message| message.tag() == checked::check(message.payload()).1)
    );
    let mut expected = before.last().expect("held").1 + 1;
    drop(held);
    let missed = match lossy.poll() {
        Err(PollError::Lagged { missed }) => missed,
        other => panic!("{other:?}"),
    };
    expected += missed;
    let mut received = 0;
    while let Some(message) = lossy.poll().unwrap() {
        assert_eq!(checked::check(message.payload()), (1, expected));
        assert_eq!(message.sequence(), expected);
        (expected, received) = (expected + 1, received + 1);
    }
    say(format!("{missed} {received}"));
}

/// Publishes checked messages that no living or stopped lossy subscriber may delay.
fn publish(publisher: &Publisher<[u8]>, topic: &Topic<[u8]>, count: u64) {
    for serial in topic.info().next..topic.info().next + count {
        let payload = checked::payload(LEN_MAX, 1, serial);
        let seq = publisher.publish_with(Meta::new().tag(serial), &payload, Patience::Try);
        assert_eq!(seq, Ok(serial));
    }
}

#[test]
fn a_stopped_holder_delays_nobody_and_its_messages_stay() {
    for mode in MODES {
        for (capacity, hold) in [(1, 1), (8, 1), (8, 6), (256, 32)] {
            let bus = TestBus::new();
            let topic = bus.topic_of(mode).capacity(capacity).payload_max(LEN_MAX);
            let topic = topic.create().unwrap();
            let publisher = topic.publisher().unwrap();
            let mut holders = [0; 3].map(|_| {
                let args = [hold.to_string()];
                Actor::start(
                    "pins/holder",
                    bus.root().path(),
                    &args.each_ref().map(|arg| &**arg),
                )
            });
            for holder in &mut holders {
                assert_eq!(holder.hear(), "joined");
            }
            publish(&publisher, &topic, hold);
            for holder in &mut holders {
                holder.cue();
                assert_eq!(holder.hear(), format!("{hold} Some((1, 0))"));
                holder.stop();
            }
            let count = 20 * capacity as u64;
            publish(&publisher, &topic, count);
            let info = topic.info();
            assert_eq!((info.full, info.waited), (0, 0));
            for mut holder in holders {
                holder.signal(libc::SIGCONT);
                holder.cue();
                let said = holder.hear();
                let numbers: Vec<u64> = said.split(' ').map(|word| word.parse().unwrap()).collect();
                assert_eq!(numbers[0] + numbers[1], count, "{said}");
                assert!(numbers[1] >= capacity as u64 * 7 / 8);
                assert!(holder.ends_well());
            }
            // What was held is free again.
            publish(&publisher, &topic, count);
        }
    }
}

#[test]
fn messages_of_a_killed_holder_are_free_again() {
    for mode in MODES {
        let bus = TestBus::new();
        // Room for the messages of one holder only.
        let topic = bus
            .topic_of(mode)
            .capacity(4)
            .payload_max(LEN_MAX)
            .pins(1)
            .max_subscribers(1);
        let topic = match mode {
            ringbus::PublisherMode::Shared => topic.loans(1),
            ringbus::PublisherMode::Exclusive => topic,
        };
        let topic = topic.create().unwrap();
        let publisher = topic.publisher().unwrap();
        for _ in 0..8 {
            let mut holder = Actor::start("pins/holder", bus.root().path(), &["1"]);
            assert_eq!(holder.hear(), "joined");
            publish(&publisher, &topic, 1);
            holder.cue();
            holder.hear();
            holder.stop();
            publish(&publisher, &topic, 20);
            holder.kill();
            publish(&publisher, &topic, 20);
        }
    }
}
