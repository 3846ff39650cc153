//! Watching topics appear and vanish.

use std::{thread, time::Duration};

use ringbus::{Remove, TopicEvent, TopicName, Watch};

use crate::support::TestBus;

const LONG: Duration = Duration::from_secs(10);

fn appeared(name: &str) -> TopicEvent {
    TopicEvent::Appeared(TopicName::new(name).unwrap())
}

fn vanished(name: &str) -> TopicEvent {
    TopicEvent::Vanished(TopicName::new(name).unwrap())
}

fn next(watch: &mut Watch) -> TopicEvent {
    watch.next(LONG).unwrap().expect("an event")
}

#[test]
fn existing_topics_come_first_and_changes_follow() {
    let bus = TestBus::new();
    bus.topic("a").create().unwrap();
    bus.topic("b").create().unwrap();
    let mut watch = bus.watch().unwrap();
    bus.topic("c").create().unwrap();
    let mut first: Vec<_> = (0..2).map(|_| next(&mut watch)).collect();
    first.sort_by_key(|event| format!("{event:?}"));
    assert_eq!(first, [appeared("a"), appeared("b")]);
    assert_eq!(next(&mut watch), appeared("c"));
    bus.remove("a", Remove::IfUnused).unwrap();
    assert_eq!(next(&mut watch), vanished("a"));
    assert_eq!(watch.next(Duration::from_millis(20)).unwrap(), None);
}

#[test]
fn a_topic_made_anew_is_reported_as_both() {
    let bus = TestBus::new();
    bus.topic("a").create().unwrap();
    let mut watch = bus.watch().unwrap();
    assert_eq!(next(&mut watch), appeared("a"));
    bus.remove("a", Remove::IfUnused).unwrap();
    bus.topic("a").create().unwrap();
    assert_eq!(next(&mut watch), vanished("a"));
    assert_eq!(next(&mut watch), appeared("a"));
    assert_eq!(watch.next(Duration::ZERO).unwrap(), None);
}

#[test]
fn a_watch_sleeps_until_something_appears() {
    let bus = TestBus::new();
    let mut watch = bus.watch().unwrap();
    assert_eq!(watch.next(Duration::from_millis(10)).unwrap(), None);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| next(&mut watch));
        thread::sleep(Duration::from_millis(20));
        bus.topic("late").create().unwrap();
        assert_eq!(waiting.join().unwrap(), appeared("late"));
    });
    // Traffic is no event.
    let topic = bus.topic("late").open().unwrap();
    topic.publisher().unwrap().publish(b"x").unwrap();
    assert_eq!(watch.next(Duration::from_millis(10)).unwrap(), None);
}

#[test]
fn a_watch_sees_every_topic_that_stays() {
    let bus = TestBus::new();
    let mut watch = bus.watch().unwrap();
    let names: Vec<_> = (0..40).map(|index| format!("t/{index:02}")).collect();
    let mut seen = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            for name in &names {
                bus.topic(name).capacity(1).create().unwrap();
            }
        });
        while seen.len() < names.len() {
            match next(&mut watch) {
                TopicEvent::Appeared(name) => seen.push(name.to_string()),
                TopicEvent::Vanished(name) => panic!("{name} vanished"),
            }
        }
    });
    seen.sort_unstable();
    assert_eq!(seen, names);
}
