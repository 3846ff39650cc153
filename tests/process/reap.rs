//! Dead and stopped subscribers in a publisher's way.

use std::time::{Duration, Instant};

use ringbus::PublishError;

use super::actor::{Actor, Roles, Stage, eventually, say};
use crate::support::{MODES, TestBus};

pub const ROLES: Roles = &[
    ("reap/subscriber", subscriber),
    ("reap/subscribers", subscribers),
];

/// The bound asked for is 50 ms; a loaded machine may be late.
const REAPED_WITHIN: Duration = Duration::from_millis(500);
/// So that a publisher which is never let go fails the test.
const GIVE_UP: Duration = Duration::from_secs(20);

/// Joins, reads one message if there is one, and holds it.
fn subscriber(stage: &Stage) {
    let topic = stage.topic();
    let builder = topic.subscriber().reliable();
    let builder = match stage.number(0) {
        0 => builder,
        stall_ms => builder.stall_timeout(Duration::from_millis(stall_ms)),
    };
    let mut reliable = builder.join().unwrap();
    say("joined");
    assert!(reliable.wait(Duration::from_secs(30)).unwrap());
    let held = reliable.poll().unwrap();
    say("holds");
    stage.wait();
    drop(held);
    say(format!("{:?}", reliable.poll().err()));
}

/// Joins many times.
fn subscribers(stage: &Stage) {
    let topic = stage.topic();
    let join = |_| topic.subscriber().reliable().join().unwrap();
    let _joined: Vec<_> = (0..stage.number(0)).map(join).collect();
    say("joined");
    stage.wait();
}

/// A subscriber process that holds the first of four messages, which fill the ring.
fn holder(bus: &TestBus, publisher: &ringbus::Publisher<[u8]>, stall_ms: u32) -> Actor {
    let mut actor = Actor::start(
        "reap/subscriber",
        bus.root().path(),
        &[&stall_ms.to_string()],
    );
    assert_eq!(actor.hear(), "joined");
    for _ in 0..4 {
        publisher.try_publish(b"x").unwrap();
    }
    assert_eq!(actor.hear(), "holds");
    let refused = publisher.try_publish(b"x");
    let is_culprit =
        matches!(refused, Err(PublishError::Full(culprit)) if culprit.pid == actor.pid());
    assert!(is_culprit, "{refused:?}");
    actor
}

#[test]
fn a_dead_subscriber_is_reaped_in_the_publishers_wait() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(4).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut longest = Duration::ZERO;
        for _ in 0..10 {
            let actor = holder(&bus, &publisher, 0);
            actor.kill();
            let started = Instant::now();
            publisher.publish_timeout(b"x", GIVE_UP).unwrap();
            longest = longest.max(started.elapsed());
            assert!(topic.info().subscribers.is_empty());
        }
        println!("{mode}: dead subscribers were reaped within {longest:?}");
        assert!(longest <= REAPED_WITHIN, "{longest:?}");
    }
}

#[test]
fn many_dead_subscribers_take_no_longer_than_one() {
    const MANY: usize = 100;
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(4).max_subscribers(MANY);
        let topic = topic.create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut actor = Actor::start("reap/subscribers", bus.root().path(), &[&MANY.to_string()]);
        assert_eq!(actor.hear(), "joined");
        while publisher.try_publish(b"x").is_ok() {}
        actor.kill();
        let started = Instant::now();
        publisher.publish_timeout(b"x", GIVE_UP).unwrap();
        let elapsed = started.elapsed();
        println!("{mode}: {MANY} dead subscribers were reaped within {elapsed:?}");
        assert!(elapsed <= REAPED_WITHIN, "{elapsed:?}");
        assert!(topic.info().subscribers.is_empty());
    }
}

#[test]
fn a_subscriber_that_dies_while_the_publisher_waits_is_reaped() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(4).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let actor = holder(&bus, &publisher, 0);
        let waited = topic.info().waited;
        let (killed, published) = std::thread::scope(|scope| {
            let killer = scope.spawn(|| {
                eventually("waits", || topic.info().waited > waited);
                std::thread::sleep(Duration::from_millis(30));
                actor.kill();
                Instant::now()
            });
            publisher.publish_timeout(b"x", GIVE_UP).unwrap();
            let published = Instant::now();
            (killer.join().unwrap(), published)
        });
        let late = published.saturating_duration_since(killed);
        println!("{mode}: reaped {late:?} after the death");
        assert!(late <= REAPED_WITHIN, "{late:?}");
    }
}

#[test]
fn a_dead_subscriber_is_in_nobodys_way_even_for_a_try() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(4).create().unwrap();
        let publisher = topic.publisher().unwrap();
        holder(&bus, &publisher, 0).kill();
        // At most one look in a millisecond is made at who is in the way.
        eventually("reaped", || publisher.try_publish(b"x").is_ok());
    }
}

#[test]
fn a_stopped_subscriber_is_alive_and_waited_for() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(4).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut actor = holder(&bus, &publisher, 0);
        actor.stop();
        let refused = publisher.publish_timeout(b"x", Duration::from_millis(200));
        assert!(matches!(refused, Err(PublishError::Full(_))));
        assert!(topic.info().subscribers[0].alive);
        actor.signal(libc::SIGCONT);
        actor.cue();
        assert_eq!(publisher.publish(b"x"), Ok(4));
        assert_eq!(actor.hear(), "None");
        assert!(actor.ends_well());
    }
}

#[test]
fn a_stopped_subscriber_with_a_stall_timeout_is_evicted() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(4).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut actor = holder(&bus, &publisher, 50);
        actor.stop();
        for seq in 4..20 {
            assert_eq!(publisher.publish_timeout(b"x", GIVE_UP), Ok(seq));
        }
        assert_eq!(topic.info().evicted, 1);
        actor.signal(libc::SIGCONT);
        actor.cue();
        let heard = actor.hear();
        assert!(heard.starts_with("Some(Evicted { missed: 1"), "{heard}");
        assert!(actor.ends_well());
    }
}
