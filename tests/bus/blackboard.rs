//! The current value of a topic, for everybody and at any time.

use ringbus::Start;

use crate::support::{MODES, TestBus, checked};

#[test]
fn the_current_value_can_be_read_any_number_of_times() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(2).create().unwrap();
        let mut observer = topic.observer(Start::Latest).unwrap();
        assert!(observer.current().unwrap().is_none());
        let publisher = topic.publisher().unwrap();
        for value in 0..50_u8 {
            publisher.publish(&[value]).unwrap();
            for _ in 0..3 {
                let found = observer.current().unwrap().expect("a value");
                assert_eq!(
                    (found.payload(), found.sequence()),
                    (&[value][..], value.into())
                );
            }
        }
        assert!(topic.info().subscribers.is_empty());
    }
}

#[test]
fn late_joiners_have_it_at_once_and_polls_are_not_disturbed() {
    let bus = TestBus::new();
    let topic = bus.topic("t").first_sequence(9).create().unwrap();
    topic
        .publisher()
        .unwrap()
        .publish_batch([&b"1"[..], b"2", b"3"])
        .unwrap();
    let mut observer = topic.observer(Start::Oldest).unwrap();
    assert_eq!(observer.current().unwrap().unwrap().payload(), b"3");
    assert_eq!(observer.poll().unwrap().unwrap().payload(), b"1");
    assert_eq!(observer.current().unwrap().unwrap().sequence(), 11);
    assert_eq!(observer.poll().unwrap().unwrap().payload(), b"2");
    assert_eq!(observer.lagged(), 0);
}

#[test]
fn only_what_is_newer_has_changed() {
    let bus = TestBus::new();
    let topic = bus.topic("t").create().unwrap();
    let mut observer = topic.observer(Start::Latest).unwrap();
    assert!(observer.changed_since(0).unwrap().is_none());
    let publisher = topic.publisher().unwrap();
    publisher.publish(b"1").unwrap();
    assert!(observer.changed_since(0).unwrap().is_none());
    publisher.publish(b"2").unwrap();
    assert_eq!(observer.changed_since(0).unwrap().unwrap().payload(), b"2");
    assert!(observer.changed_since(1).unwrap().is_none());
    assert!(observer.changed_since(u64::MAX).unwrap().is_none());
}

/// Values are whole, and never go back, while they are overwritten as fast as that goes.
#[test]
fn no_value_is_torn_or_older_than_the_last() {
    const VALUES: u64 = 20_000;
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus
            .topic_of(mode)
            .capacity(2)
            .payload_max(512)
            .create()
            .unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let publisher = topic.publisher().unwrap();
                for value in 0..VALUES {
                    publisher.publish(&checked::payload(512, 0, value)).unwrap();
                }
            });
            let mut observer = topic.observer(Start::Latest).unwrap();
            let mut last = None;
            while last != Some(VALUES - 1) {
                let found = match last {
                    None => observer.current().unwrap(),
                    Some(last) => observer.changed_since(last).unwrap(),
                };
                let Some(found) = found else { continue };
                assert!(last.is_none_or(|last| last < found.sequence()));
                assert_eq!(checked::check(found.payload()), (0, found.sequence()));
                last = Some(found.sequence());
            }
        });
    }
}
