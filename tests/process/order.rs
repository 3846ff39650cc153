//! Many publishers, one order.

use std::time::Duration;

use super::actor::{Actor, Roles, Stage, say};
use crate::support::{TestBus, checked};

pub const ROLES: Roles = &[("order/publisher", publisher), ("order/reader", reader)];

const PUBLISHERS: u64 = 32;
const EACH: u64 = 300;
const LEN_MAX: usize = 100;

/// Publishes in every way there is.
fn publisher(stage: &Stage) {
    let origin = stage.number(0);
    let publisher = stage.topic().publisher().unwrap();
    say("ready");
    stage.wait();
    for serial in 0..EACH {
        let payload = checked::payload(LEN_MAX, origin, serial);
        match serial % 3 {
            0 => drop(publisher.publish(&payload).unwrap()),
            1 => drop(publisher.publish_batch([&payload[..]]).unwrap()),
            _ => {
                let mut loan = publisher.loan(payload.len()).unwrap();
                loan.copy_from_slice(&payload);
                loan.commit().unwrap();
            }
        }
    }
}

/// Reads everything, and says a hash of the whole order.
fn reader(stage: &Stage) {
    let topic = stage.topic();
    let mut reader = topic.subscriber().reliable().join().unwrap();
    say("ready");
    let mut next_of = [0; PUBLISHERS as usize];
    let mut order = 0_u64;
    let mut expected = 0;
    while expected < PUBLISHERS * EACH {
        assert!(reader.wait(Duration::from_secs(30)).unwrap());
        for message in &reader.poll_batch(50).unwrap() {
            assert_eq!(message.sequence(), expected);
            let (origin, serial) = checked::check(message.payload());
            let next = &mut next_of[origin as usize];
            assert_eq!(serial, *next, "publisher {origin}");
            *next += 1;
            expected += 1;
            order = (order ^ (origin << 32 | serial)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }
    assert_eq!(next_of, [EACH; PUBLISHERS as usize]);
    say(order);
}

#[test]
fn thirty_two_publishers_have_one_total_order() {
    let bus = TestBus::new();
    let topic = bus
        .topic("t")
        .shared()
        .capacity(64)
        .payload_max(LEN_MAX)
        .create()
        .unwrap();
    let start = |role, arg: u64| Actor::start(role, bus.root().path(), &[&arg.to_string()]);
    let mut readers = [0, 1].map(|number| start("order/reader", number));
    let mut publishers: Vec<_> = (0..PUBLISHERS)
        .map(|number| start("order/publisher", number))
        .collect();
    for actor in readers.iter_mut().chain(&mut publishers) {
        assert_eq!(actor.hear(), "ready");
    }
    assert_eq!(topic.info().publishers.len(), PUBLISHERS as usize);
    publishers.iter_mut().for_each(Actor::cue);
    let [first, second] = readers.each_mut().map(Actor::hear);
    assert_eq!(first, second);
    for actor in publishers.into_iter().chain(readers) {
        assert!(actor.ends_well());
    }
    let info = topic.info();
    assert_eq!(
        (info.published, info.next),
        (PUBLISHERS * EACH, PUBLISHERS * EACH)
    );
    assert!(info.publishers.is_empty() && info.subscribers.is_empty());
}
