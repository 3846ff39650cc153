//! A wait set in one process, over topics that others publish to; and those who die at it.

use std::time::{Duration, Instant};

use ringbus::{Bus, PollError, Subscriber, WaitSet};

use super::{
    actor::{Actor, Roles, Stage, eventually, say},
    sleep::processor_time,
};
use crate::support::TestBus;

pub const ROLES: Roles = &[
    ("wait_set/sleeper", sleeper),
    ("wait_set/publisher", publisher),
    ("wait_set/idle", idle),
];

const LONG: Duration = Duration::from_secs(30);
const IDLE: Duration = Duration::from_millis(1500);
const TOPICS: u64 = 100;

fn name(number: u64) -> String {
    format!("many/{number}")
}

fn make_topics(bus: &Bus) {
    for number in 0..TOPICS {
        let name = name(number);
        let topic = bus.topic(&name).shared().capacity(64);
        topic.payload_max(64).create().unwrap();
    }
}

/// Joins all topics, and adds each by its number.
fn join_all(bus: &Bus, set: &mut WaitSet) -> Vec<Subscriber<[u8]>> {
    let join = |number| {
        let topic = bus.topic(&name(number)).open().unwrap();
        let subscriber = topic.subscriber().join().unwrap();
        set.add(&subscriber, number).unwrap();
        subscriber
    };
    (0..TOPICS).map(join).collect()
}

/// Joins all topics, and says what it gets: the topic and the sequence.
fn sleeper(stage: &Stage) {
    let bus = stage.bus();
    let mut set = WaitSet::new(&bus).unwrap();
    let mut subscribers = join_all(&bus, &mut set);
    say("joined");
    loop {
        for token in set.wait(LONG).unwrap() {
            let subscriber = &mut subscribers[*token as usize];
            loop {
                match subscriber.poll() {
                    Ok(Some(message)) => say(format!("{token} {}", message.sequence())),
                    Ok(None) => break,
                    Err(PollError::Lagged { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
}

/// Publishes to a topic whenever it is told to; or, in the end, without an end.
fn publisher(stage: &Stage) {
    let bus = stage.bus();
    let number = stage.arg(0).parse().unwrap();
    let topic = bus.topic(&name(number)).open().unwrap();
    let publisher = topic.publisher().unwrap();
    say("joined");
    if stage.arg(1) == "without an end" {
        loop {
            publisher.publish(b"x").unwrap();
        }
    }
    loop {
        stage.wait();
        say(publisher.publish(b"x").unwrap());
    }
}

/// Waits for nothing, and says what that cost.
fn idle(stage: &Stage) {
    let bus = stage.bus();
    let mut set = WaitSet::new(&bus).unwrap();
    let _subscribers = join_all(&bus, &mut set);
    let before = processor_time();
    assert!(set.wait(IDLE).unwrap().is_empty());
    say((processor_time() - before).as_millis());
}

fn start(bus: &TestBus, role: &str, args: &[&str]) -> Actor {
    let mut actor = Actor::start(role, bus.root().path(), args);
    assert_eq!(actor.hear(), "joined");
    actor
}

fn asleep(actor: &Actor) {
    let stat = format!("/proc/{}/stat", actor.pid());
    eventually("asleep", || {
        let stat = std::fs::read_to_string(&stat).unwrap();
        let state = stat.rsplit(") ").next();
        state.is_some_and(|rest| rest.starts_with('S'))
    });
}

#[test]
fn a_set_is_woken_by_publishers_in_other_processes() {
    let bus = TestBus::new();
    make_topics(&bus);
    let mut sleepers = [(); 2].map(|()| start(&bus, "wait_set/sleeper", &[]));
    let numbers = ["3", "67", "99"];
    let mut publishers =
        numbers.map(|number| start(&bus, "wait_set/publisher", &[number, "when told"]));
    let started = Instant::now();
    for seq in 0..30 {
        for (publisher, number) in publishers.iter_mut().zip(numbers) {
            sleepers.iter().for_each(asleep);
            publisher.cue();
            assert_eq!(publisher.hear(), format!("{seq}"));
            for sleeper in &mut sleepers {
                assert_eq!(sleeper.hear(), format!("{number} {seq}"));
            }
        }
    }
    assert!(started.elapsed() < LONG);
}

#[test]
fn a_set_that_waits_uses_no_processor() {
    let bus = TestBus::new();
    make_topics(&bus);
    let mut actor = Actor::start("wait_set/idle", bus.root().path(), &[]);
    let took: u128 = actor.hear().parse().unwrap();
    println!("{IDLE:?} of waiting for {TOPICS} topics took {took} ms");
    assert!(took < IDLE.as_millis() / 5);
    assert!(actor.ends_well());
}

#[test]
fn a_killed_sleeper_or_waker_harms_nobody() {
    let bus = TestBus::new();
    make_topics(&bus);
    let mut survivor = start(&bus, "wait_set/sleeper", &[]);
    let topic = bus.topic(&name(5)).open().unwrap();
    let own = topic.publisher().unwrap();
    for round in 0..10 {
        let sleeper = start(&bus, "wait_set/sleeper", &[]);
        asleep(&sleeper);
        asleep(&survivor);
        sleeper.kill();
        // One that wakes the survivor all the time, somewhere in the middle of it.
        let waker = start(&bus, "wait_set/publisher", &["64", "without an end"]);
        assert!(survivor.hear().starts_with("64 "));
        waker.kill();
        let seq = own.publish(b"x").unwrap();
        let expected = format!("5 {seq}");
        while survivor.hear() != expected {}
        println!("round {round}: the survivor got message {seq}");
    }
}
