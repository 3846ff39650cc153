//! The current value of a topic whose publishers die.

use ringbus::Start;

use super::actor::{Actor, Roles, Stage, say};
use crate::support::{MODES, TestBus, checked};

pub const ROLES: Roles = &[("blackboard/publisher", publisher)];

/// Publishes values as fast as it goes, until it is killed.
fn publisher(stage: &Stage) {
    let publisher = stage.topic().publisher().unwrap();
    let mut value = publisher.publish(&checked::payload(512, 0, 0)).unwrap();
    say("published");
    loop {
        value = publisher
            .publish(&checked::payload(512, 1, value + 1))
            .unwrap();
    }
}

#[test]
fn the_value_outlives_its_publisher_whole() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus
            .topic_of(mode)
            .capacity(2)
            .payload_max(512)
            .create()
            .unwrap();
        let mut observer = topic.observer(Start::Latest).unwrap();
        for _ in 0..20 {
            let mut actor = Actor::start("blackboard/publisher", bus.root().path(), &[]);
            assert_eq!(actor.hear(), "published");
            let mut last = observer.current().unwrap().expect("a value").sequence();
            for _ in 0..200 {
                let Some(found) = observer.changed_since(last).unwrap() else {
                    continue;
                };
                let (_, value) = checked::check(found.payload());
                assert!(found.sequence() > last && (value == found.sequence() || value == 0));
                last = found.sequence();
            }
            actor.kill();
            let newest = topic.info().next - 1;
            let left = observer.current().unwrap().expect("a value");
            assert_eq!(left.sequence(), newest);
            checked::check(left.payload());
            let mut late = topic.observer(Start::Latest).unwrap();
            assert_eq!(
                late.current().unwrap().expect("at once").payload(),
                left.payload()
            );
        }
    }
}
