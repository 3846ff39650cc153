//! Where readers start, and where they go on.

use std::{thread, time::Duration};

use ringbus::{
    JoinError, Meta, Patience, PollError, PublisherMode, Start, Subscriber, TimeSource, Timestamp,
    Topic,
};

use crate::support::{MODES, TestBus};

/// A topic of 8 slots with messages 0..20, whose publisher is gone.
fn topic_of_20(bus: &TestBus, mode: PublisherMode) -> Topic<[u8]> {
    let topic = bus.topic_of(mode).capacity(8).create().unwrap();
    let publisher = topic.publisher().unwrap();
    for serial in 0..20_u8 {
        publisher.publish(&[serial]).unwrap();
    }
    topic
}

/// All messages that are left, by sequence, which is also the payload.
fn rest(mut subscriber: Subscriber<[u8]>) -> Vec<u64> {
    let mut rest = Vec::new();
    while let Some(message) = subscriber.poll().unwrap() {
        assert_eq!(u64::from(message[0]), message.sequence());
        rest.push(message.sequence());
    }
    rest
}

#[test]
fn latest_is_the_next_one_published() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = topic_of_20(&bus, mode);
        for builder in [topic.subscriber().reliable(), topic.subscriber().lossy()] {
            let mut subscriber = builder.join().unwrap();
            assert_eq!(
                (subscriber.cursor(), subscriber.lag()),
                (topic.info().next, 0)
            );
            assert!(subscriber.poll().unwrap().is_none());
        }
        let mut reliable = topic.subscriber().reliable().join().unwrap();
        let mut observer = topic.observer(Start::Latest).unwrap();
        topic.publisher().unwrap().publish(&[20]).unwrap();
        assert_eq!(reliable.poll().unwrap().expect("published").sequence(), 20);
        assert_eq!(observer.poll().unwrap().expect("published").sequence(), 20);
    }
}

#[test]
fn oldest_is_the_oldest_retained_without_a_publisher_alive() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = topic_of_20(&bus, mode);
        let info = topic.info();
        assert_eq!((info.next, info.publishers.len()), (20, 0));
        assert!(info.oldest <= 13 && info.oldest >= 12, "7 of 8 at least");
        let expected: Vec<_> = (info.oldest..20).collect();
        for builder in [topic.subscriber().reliable(), topic.subscriber().lossy()] {
            assert_eq!(rest(builder.start(Start::Oldest).join().unwrap()), expected);
        }
        let mut observer = topic.observer(Start::Oldest).unwrap();
        for seq in expected {
            assert_eq!(observer.poll().unwrap().expect("retained").sequence(), seq);
        }
    }
}

#[test]
fn a_start_at_a_sequence_tells_what_is_gone() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = topic_of_20(&bus, mode);
        let oldest = topic.info().oldest;
        for asked in 0..20 {
            for builder in [topic.subscriber().reliable(), topic.subscriber().lossy()] {
                let mut subscriber = builder.start(Start::Sequence(asked)).join().unwrap();
                if asked < oldest {
                    let missed = oldest - asked;
                    assert_eq!(subscriber.poll().err(), Some(PollError::Lagged { missed }));
                    assert_eq!(subscriber.lagged(), missed);
                }
                let expected: Vec<_> = (asked.max(oldest)..20).collect();
                assert_eq!(rest(subscriber), expected);
            }
            let mut observer = topic.observer(Start::Sequence(asked)).unwrap();
            if asked < oldest {
                let missed = oldest - asked;
                assert_eq!(observer.poll().err(), Some(PollError::Lagged { missed }));
            }
            let first = observer.poll().unwrap().expect("retained");
            assert_eq!(first.sequence(), asked.max(oldest));
        }
    }
}

#[test]
fn a_start_in_the_future_is_refused() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = topic_of_20(&bus, mode);
        // The next message is not the future.
        assert!(
            rest(
                topic
                    .subscriber()
                    .start(Start::Sequence(20))
                    .join()
                    .unwrap()
            )
            .is_empty()
        );
        let start = Start::Sequence(21);
        let error = topic.subscriber().start(start).join().unwrap_err();
        assert!(
            matches!(
                error,
                JoinError::NotYet {
                    asked: 21,
                    next: 20
                }
            ),
            "{error}"
        );
        let error = topic.observer(start).unwrap_err();
        assert!(
            matches!(
                error,
                JoinError::NotYet {
                    asked: 21,
                    next: 20
                }
            ),
            "{error}"
        );
        assert!(topic.info().subscribers.is_empty());
    }
}

#[test]
fn the_last_so_many_are_those_or_all_that_are_retained() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = topic_of_20(&bus, mode);
        let oldest = topic.info().oldest;
        for last in [0, 1, 2, 6, 7, 8, 9, 100, u64::MAX] {
            let from = 20_u64.saturating_sub(last).max(oldest);
            let expected: Vec<_> = (from..20).collect();
            let start = Start::Last(last);
            assert_eq!(
                rest(topic.subscriber().start(start).join().unwrap()),
                expected
            );
            assert_eq!(topic.observer(start).unwrap().cursor(), from);
        }
    }
}

#[test]
fn a_start_at_a_time_is_the_first_message_since() {
    for (mode, source) in MODES.into_iter().zip([TimeSource::Clock, TimeSource::Tsc]) {
        let bus = TestBus::new();
        let topic = match bus.topic_of(mode).capacity(16).time(source).create() {
            Err(ringbus::TopicError::NoTsc) => {
                println!("skipped: no invariant time-stamp counter");
                continue;
            }
            topic => topic.unwrap(),
        };
        let publisher = topic.publisher().unwrap();
        let started = Timestamp::now();
        let moment = || thread::sleep(Duration::from_millis(3));
        let mut between = Vec::new();
        for serial in 0..10_u8 {
            moment();
            between.push(Timestamp::now());
            moment();
            publisher.publish(&[serial]).unwrap();
        }
        moment();
        for (serial, time) in between.into_iter().enumerate() {
            let start = Start::Time(time);
            let mut subscriber = topic.subscriber().start(start).join().unwrap();
            let message = subscriber.poll().unwrap().expect("retained");
            assert_eq!(message.sequence(), serial as u64);
            let published = message.time().expect("kept");
            assert!(published >= time && published <= Timestamp::now());
            assert_eq!(topic.observer(start).unwrap().cursor(), serial as u64);
        }
        let all = topic
            .subscriber()
            .start(Start::Time(started))
            .join()
            .unwrap();
        assert_eq!(rest(all).len(), 10);
        let none = Start::Time(Timestamp::now());
        assert!(rest(topic.subscriber().start(none).join().unwrap()).is_empty());
    }
}

#[test]
fn a_topic_without_times_has_no_start_at_one() {
    let bus = TestBus::new();
    let topic = topic_of_20(&bus, PublisherMode::Exclusive);
    let start = Start::Time(Timestamp::now());
    let error = topic.subscriber().start(start).join().unwrap_err();
    assert!(matches!(error, JoinError::NoTime { .. }), "{error}");
    let mut subscriber = topic.subscriber().start(Start::Last(1)).join().unwrap();
    assert_eq!(subscriber.seek(start), Err(PollError::NoTime));
    assert_eq!(subscriber.poll().unwrap().expect("retained").time(), None);
}

#[test]
fn a_reliable_subscriber_can_seek_to_all_that_it_has_not_read() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(16).create().unwrap();
        let mut subscriber = topic.subscriber().reliable().join().unwrap();
        let publisher = topic.publisher().unwrap();
        let try_to_publish = || publisher.publish_with(Meta::new(), b"", Patience::Try);
        while try_to_publish().is_ok() {}
        for read in 0..16 {
            assert_eq!(subscriber.cursor(), read);
            for is_leaked in [true, false] {
                subscriber.seek(Start::Sequence(read)).unwrap();
                let message = subscriber.poll().unwrap().expect("not read");
                assert_eq!(message.sequence(), read);
                if is_leaked {
                    // Not given back, and so still to be sought.
                    std::mem::forget(message);
                }
            }
            while try_to_publish().is_ok() {}
        }
        assert_eq!(subscriber.lagged(), 0);
    }
}

#[test]
fn seek_goes_anywhere_without_counting_a_loss() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = topic_of_20(&bus, mode);
        let oldest = topic.info().oldest;
        for builder in [topic.subscriber().reliable(), topic.subscriber().lossy()] {
            let mut subscriber = builder.join().unwrap();
            for seq in [19, oldest, 15, oldest + 1] {
                subscriber.seek(Start::Sequence(seq)).unwrap();
                let message = subscriber.poll().unwrap().expect("retained");
                assert_eq!(message.sequence(), seq);
            }
            assert_eq!(subscriber.lagged(), 0);
            subscriber.seek(Start::Latest).unwrap();
            assert!(subscriber.poll().unwrap().is_none());
            let error = PollError::NotYet {
                asked: 99,
                next: 20,
            };
            assert_eq!(subscriber.seek(Start::Sequence(99)), Err(error));
            assert_eq!(subscriber.cursor(), 20);
            subscriber.seek(Start::Sequence(0)).unwrap();
            let lagged = PollError::Lagged { missed: oldest };
            assert_eq!(subscriber.poll().err(), Some(lagged));
        }
    }
}
