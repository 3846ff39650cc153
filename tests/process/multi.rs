//! One subscription to topics of other processes, which come, go and die.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use ringbus::{Bus, MultiError, Order, PollError};

use super::{
    actor::{Actor, Roles, Stage, say},
    sleep::{processor_time, sleeps},
};
use crate::support::{TestBus, checked};

pub const ROLES: Roles = &[
    ("multi/publisher", publisher),
    ("multi/idle", idle),
    ("multi/waker", waker),
];

const IDLE: Duration = Duration::from_millis(1500);
const LONG: Duration = Duration::from_secs(30);
const TOPICS: u32 = 1000;

/// Creates topics one after the other, and publishes on all that it has until it is killed.
fn publisher(stage: &Stage) {
    let bus = stage.bus();
    let mut publishers = Vec::new();
    for round in 0_u64.. {
        if round % 50 == 0 && publishers.len() < 8 {
            let name = format!("p/{}/{}", stage.arg(0), publishers.len());
            let topic = bus
                .topic(&name)
                .capacity(64)
                .payload_max(256)
                .create()
                .unwrap();
            publishers.push((topic.publisher().unwrap(), 0));
        }
        for (publisher, sent) in &mut publishers {
            publisher.publish(&checked::payload(256, 0, *sent)).unwrap();
            *sent += 1;
        }
        if round == 500 {
            say("full");
        }
    }
}

/// Waits for nothing, and says how often it slept for that and what it cost; then the same for
/// handlers.
fn idle(stage: &Stage) {
    let bus = stage.bus();
    let tell = |before: (i64, Duration)| {
        let took = processor_time() - before.1;
        say(format!("{} {}", sleeps() - before.0, took.as_millis()));
    };
    let mut all = bus.subscribe_pattern("idle/*").join().unwrap();
    assert!(!all.wait(Duration::ZERO).unwrap());
    let before = (sleeps(), processor_time());
    assert!(!all.wait(IDLE).unwrap());
    tell(before);
    drop(all);
    let handlers = bus.dispatcher().on("idle/*", |_| Ok(()));
    let dispatching = handlers.spawn(1).unwrap();
    let settled = Duration::from_millis(100);
    thread::sleep(settled);
    let before = (sleeps(), processor_time());
    thread::sleep(IDLE);
    tell(before);
    assert_eq!(dispatching.stop().unwrap().messages, 0);
}

/// Publishes on a topic, or makes a new one and publishes there, whenever it is told to.
fn waker(stage: &Stage) {
    let bus = stage.bus();
    say("joined");
    for number in 0_u32.. {
        stage.wait();
        let name = format!("late/{}", number / 2);
        let topic = bus.topic(&name).capacity(64).payload_max(64);
        let publisher = topic.open_or_create().unwrap().publisher().unwrap();
        publisher.publish(&number.to_le_bytes()).unwrap();
        say("published");
    }
}

fn make_idle_topics(bus: &Bus) {
    for number in 0..TOPICS {
        let topic = bus.topic(&format!("idle/{number}")).capacity(4);
        topic.payload_max(8).max_subscribers(4).create().unwrap();
    }
}

#[test]
fn who_waits_for_a_thousand_topics_or_dispatches_them_uses_no_processor() {
    let bus = TestBus::new();
    make_idle_topics(&bus);
    let mut actor = Actor::start("multi/idle", bus.root().path(), &[]);
    for who in ["a subscription", "a dispatcher"] {
        let told = actor.hear();
        let (slept, took) = told.split_once(' ').unwrap();
        println!("{IDLE:?} of {who} with {TOPICS} topics: {slept} sleeps, {took} ms");
        // One in 40 ms, for the deaths of publishers, or three of the portable backend's threads; a
        // pause each millisecond would be 1500.
        let most = if cfg!(feature = "portable") { 300 } else { 100 };
        assert!(slept.parse::<i64>().unwrap() < most);
        assert!(took.parse::<u128>().unwrap() < IDLE.as_millis() / 5);
    }
    assert!(actor.ends_well());
}

#[test]
fn a_sleeper_for_all_topics_is_woken_by_messages_and_by_new_topics() {
    let bus = TestBus::new();
    let mut all = bus.subscribe_pattern("late/*").join().unwrap();
    let mut actor = Actor::start("multi/waker", bus.root().path(), &[]);
    assert_eq!(actor.hear(), "joined");
    let begun = Instant::now();
    for number in 0..20_u32 {
        let slept = sleeps();
        let waiting = thread::spawn(move || {
            assert!(all.wait(LONG).unwrap());
            let read = all.poll().unwrap().unwrap().payload().to_vec();
            assert!(all.poll().unwrap().is_none());
            (read, all)
        });
        let started = Instant::now();
        while sleeps() < slept + 2 && started.elapsed() < LONG {
            thread::sleep(Duration::from_millis(1));
        }
        actor.cue();
        let (read, again) = waiting.join().unwrap();
        assert_eq!(read, number.to_le_bytes());
        all = again;
        assert_eq!(actor.hear(), "published");
        // Not at the end of a wait.
        assert!(begun.elapsed() < LONG);
    }
    actor.kill();
}

/// Every message of every topic is read or counted as missed, whole and in order, however often those
/// who publish are killed.
#[test]
fn killed_publishers_leave_whole_messages_without_holes() {
    for order in [Order::RoundRobin, Order::Time] {
        let bus = TestBus::new();
        let mut all = bus.subscribe_pattern("p/*/*").order(order).join().unwrap();
        let mut next: BTreeMap<String, u64> = BTreeMap::new();
        for life in 0..5_u32 {
            let mut actor =
                Actor::start("multi/publisher", bus.root().path(), &[&life.to_string()]);
            assert_eq!(actor.hear(), "full");
            read(&mut all, &mut next, 5_000);
            actor.kill();
        }
        while read(&mut all, &mut next, 1) > 0 {}
        assert_eq!(next.len(), 40, "{order:?}");
        for topic in bus.topics().unwrap() {
            assert_eq!(
                next[topic.name.as_str()],
                topic.next,
                "{order:?}: {}",
                topic.name
            );
        }
    }
}

/// Reads up to `most` messages, and checks that each is the next of its topic; says how many.
fn read(
    all: &mut ringbus::MultiSubscriber<[u8]>,
    next: &mut BTreeMap<String, u64>,
    most: u32,
) -> u32 {
    for count in 0..most {
        let is_empty = match all.poll() {
            Ok(Some(message)) => {
                let expected = next.entry(message.topic().to_string()).or_default();
                assert_eq!(message.sequence(), *expected, "{}", message.topic());
                assert_eq!(checked::check(message.payload()), (0, *expected));
                *expected += 1;
                false
            }
            Ok(None) => true,
            Err(MultiError::Poll {
                topic,
                source: PollError::Lagged { missed },
            }) => {
                *next.entry(topic.to_string()).or_default() += missed;
                false
            }
            Err(error) => panic!("{error}"),
        };
        if is_empty && !all.wait(Duration::from_millis(5)).unwrap() {
            return count;
        }
    }
    most
}
