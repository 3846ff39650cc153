//! Reliable, lossy and observing readers: what each gets, misses and is told.

use std::time::Duration;

use ringbus::{Delivery, Filter, PollError, PublishError, PublisherMode, Start, Subscriber};

use crate::support::{MODES, TestBus, checked};

#[test]
fn a_lossy_subscriber_misses_exactly_what_it_is_told() {
    for mode in MODES {
        for capacity in [1, 2, 8, 64] {
            let bus = TestBus::new();
            let topic = bus
                .topic_of(mode)
                .capacity(capacity)
                .payload_max(64)
                .create()
                .unwrap();
            let publisher = topic.publisher().unwrap();
            let mut lossy = topic.subscriber().join().unwrap();
            let (mut expected, mut published, mut told, mut random) = (0, 0, 0, 1_u64);
            for _ in 0..3000 {
                random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                let burst = random >> 33;
                for _ in 0..burst % (2 * capacity as u64) {
                    let payload = checked::payload(64, 1, published);
                    assert_eq!(publisher.try_publish(&payload), Ok(published));
                    published += 1;
                }
                for _ in 0..(burst >> 16) % 5 {
                    match lossy.poll() {
                        Ok(Some(message)) => {
                            assert_eq!(message.sequence(), expected);
                            assert_eq!(checked::check(message.payload()), (1, expected));
                            expected += 1;
                        }
                        Ok(None) => assert_eq!(expected, published),
                        Err(PollError::Lagged { missed }) => {
                            assert!(missed > 0);
                            (expected, told) = (expected + missed, told + missed);
                        }
                        Err(error) => panic!("{error}"),
                    }
                    assert_eq!((lossy.cursor(), lossy.lagged()), (expected, told));
                }
                assert!(expected <= published);
            }
            assert!(told > 0);
            let info = &topic.info().subscribers[0];
            assert_eq!((info.delivery, info.lagged), (Delivery::Lossy, told));
            assert!(info.lag_events > 0 && info.lag_events <= told);
        }
    }
}

#[test]
fn a_lossy_subscriber_loses_nothing_of_seven_eighths_of_the_ring() {
    for mode in MODES {
        for capacity in [8_usize, 64, 1024] {
            let bus = TestBus::new();
            let topic = bus.topic_of(mode).capacity(capacity).create().unwrap();
            let publisher = topic.publisher().unwrap();
            let mut lossy = topic.subscriber().join().unwrap();
            for round in 0..10 {
                let count = capacity as u64 * 7 / 8;
                for serial in 0..count {
                    publisher.try_publish(&serial.to_le_bytes()).unwrap();
                }
                for serial in 0..count {
                    let message = lossy.poll().unwrap().expect("published");
                    assert_eq!(message.sequence(), round * count + serial);
                }
            }
            assert_eq!(lossy.lagged(), 0);
        }
    }
}

#[test]
fn a_message_that_is_held_never_changes() {
    for mode in MODES {
        for capacity in [1, 2, 8, 64] {
            let bus = TestBus::new();
            let topic = bus
                .topic_of(mode)
                .capacity(capacity)
                .payload_max(200)
                .create()
                .unwrap();
            let publisher = topic.publisher().unwrap();
            let mut others = [topic.subscriber().reliable(), topic.subscriber().lossy()]
                .map(|builder| builder.join().unwrap());
            let mut lossy = topic.subscriber().join().unwrap();
            let mut next = 0;
            let mut publish = |count: u64| {
                for _ in 0..count {
                    let payload = checked::payload(200, 3, next);
                    assert_eq!(publisher.try_publish(&payload), Ok(next));
                    for other in &mut others {
                        let message = other.poll().unwrap().expect("just published");
                        assert_eq!(checked::check(message.payload()), (3, next));
                        assert_eq!(message.sequence(), next);
                    }
                    next += 1;
                }
                next
            };
            for round in 0..20 {
                publish(1 + round % 3);
                let held = lossy.latest().unwrap().expect("just published");
                let seq = held.sequence();
                let next = publish((1 + (5 * capacity as u64)) >> (round % 4));
                assert_eq!(checked::check(held.payload()), (3, seq));
                drop(held);
                assert_eq!(span(&mut lossy, seq + 1), next);
            }
        }
    }
}

/// Reads all there is from `from` on, with nothing unaccounted for; the sequence where it ends.
pub(crate) fn span(subscriber: &mut Subscriber<[u8]>, from: u64) -> u64 {
    let mut expected = from;
    loop {
        match subscriber.poll() {
            Ok(Some(message)) => {
                assert_eq!(message.sequence(), expected);
                assert_eq!(checked::check(message.payload()).1, expected);
                expected += 1;
            }
            Ok(None) => return expected,
            Err(PollError::Lagged { missed } | PollError::Evicted { missed }) => expected += missed,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_message_that_is_leaked_is_given_back_by_the_next_poll() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(2).payload_max(64);
        let topic = topic.create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut reliable = topic.subscriber().reliable().join().unwrap();
        for seq in 0..2 {
            publisher.publish(&checked::payload(64, 1, seq)).unwrap();
        }
        std::mem::forget(reliable.poll().unwrap().unwrap());
        for seq in 2..20 {
            let payload = checked::payload(64, 1, seq);
            assert!(publisher.try_publish(&payload).is_err(), "{mode:?}");
            let oldest = reliable.poll().unwrap().unwrap();
            assert_eq!(oldest.sequence(), seq - 1, "{mode:?}");
            assert_eq!(publisher.try_publish(&payload), Ok(seq), "{mode:?}");
            std::mem::forget(oldest);
        }
    }
}

#[test]
fn a_batch_that_is_held_never_changes() {
    for mode in MODES {
        let bus = TestBus::new();
        // Fewer pins than a publisher has chunks: the budget within which nobody is held up.
        let topic = bus
            .topic_of(mode)
            .capacity(16)
            .payload_max(64)
            .pins(8)
            .create()
            .unwrap();
        let publisher = topic.publisher().unwrap();
        let mut lossy = topic.subscriber().join().unwrap();
        let mut next = 0;
        for _ in 0..20 {
            for _ in 0..12 {
                publisher
                    .try_publish(&checked::payload(64, 1, next))
                    .unwrap();
                next += 1;
            }
            let from = lossy.cursor();
            let held = match lossy.poll_batch(100) {
                Ok(held) => held,
                Err(PollError::Lagged { .. }) => continue,
                Err(error) => panic!("{error}"),
            };
            assert_eq!(held.len(), 8);
            for _ in 0..100 {
                publisher
                    .try_publish(&checked::payload(64, 1, next))
                    .unwrap();
                next += 1;
            }
            for (index, message) in held.iter().enumerate() {
                assert_eq!(message.sequence(), from + index as u64);
                assert_eq!(checked::check(message.payload()), (1, message.sequence()));
            }
            drop(held);
            assert_eq!(span(&mut lossy, from + 8), next);
        }
    }
}

#[test]
fn a_reliable_batch_is_as_long_as_asked_and_a_lossy_one_has_its_pins() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(64).pins(3).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut reliable = topic.subscriber().reliable().join().unwrap();
        let mut lossy = topic.subscriber().join().unwrap();
        for _ in 0..50 {
            publisher.publish(b"x").unwrap();
        }
        assert_eq!(lossy.poll_batch(100).unwrap().len(), 3);
        assert_eq!(lossy.poll_batch(2).unwrap().len(), 2);
        assert_eq!(reliable.poll_batch(45).unwrap().len(), 45);
        assert_eq!(reliable.poll_batch(100).unwrap().len(), 5);
        assert!(reliable.poll_batch(100).unwrap().is_empty());
        assert_eq!((reliable.cursor(), lossy.cursor()), (50, 5));
    }
}

#[test]
fn however_much_lossy_subscribers_hold_nobody_is_delayed() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus
            .topic_of(mode)
            .capacity(8)
            .payload_max(40)
            .max_subscribers(20)
            .pins(4);
        let topic = topic.create().unwrap();
        let publishers = match mode {
            PublisherMode::Exclusive => vec![topic.publisher().unwrap()],
            PublisherMode::Shared => (0..3).map(|_| topic.publisher().unwrap()).collect(),
        };
        let mut holders: Vec<_> = (0..20)
            .map(|_| topic.subscriber().join().unwrap())
            .collect();
        let mut next = 0;
        let mut publish = |count: u64| {
            for publisher in publishers.iter().cycle().take(count as usize) {
                let payload = checked::payload(40, 1, next);
                assert_eq!(publisher.try_publish(&payload), Ok(next));
                next += 1;
            }
            next
        };
        for round in 0..5 {
            // Each holds all it may, and other messages than everybody else.
            let mut held = Vec::new();
            for holder in &mut holders {
                let next = publish(4 + round);
                holder.seek(Start::Sequence(next - 4)).unwrap();
                held.push(holder.poll_batch(100).unwrap());
                assert_eq!(held.last().expect("pushed").len(), 4);
            }
            publish(1000);
            for message in held.iter().flatten() {
                assert_eq!(checked::check(message.payload()), (1, message.sequence()));
            }
        }
        let info = topic.info();
        assert_eq!((info.full, info.waited), (0, 0));
    }
}

#[test]
fn latest_conflates_without_counting_a_loss() {
    for mode in MODES {
        for capacity in [2, 4, 64] {
            let bus = TestBus::new();
            let topic = bus.topic_of(mode).capacity(capacity).create().unwrap();
            let publisher = topic.publisher().unwrap();
            let mut lossy = topic.subscriber().lossy().join().unwrap();
            let mut observer = topic.observer(Start::Latest).unwrap();
            assert!(lossy.latest().unwrap().is_none());
            assert!(observer.latest().unwrap().is_none());
            let mut next = 0_u64;
            for burst in [1, 2, 3, 100, 1, 7, 1000] {
                for _ in 0..burst {
                    publisher.publish(&next.to_le_bytes()).unwrap();
                    next += 1;
                }
                let newest = (next - 1).to_le_bytes();
                assert_eq!(lossy.latest().unwrap().expect("new").payload(), newest);
                assert!(lossy.latest().unwrap().is_none());
                assert_eq!(observer.latest().unwrap().expect("new").payload(), newest);
                assert!(observer.latest().unwrap().is_none());
            }
            assert_eq!((lossy.lagged(), observer.lagged()), (0, 0));
            assert_eq!((lossy.cursor(), observer.cursor()), (next, next));
        }
    }
}

#[test]
fn latest_lets_a_reliable_subscriber_skip() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(4).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut reliable = topic.subscriber().reliable().join().unwrap();
        for round in 0..10_u8 {
            for serial in 0..4 {
                publisher.try_publish(&[round, serial]).unwrap();
            }
            assert_eq!(
                reliable.latest().unwrap().expect("new").payload(),
                [round, 3]
            );
        }
        assert_eq!(reliable.lagged(), 0);
    }
}

#[test]
fn latest_tells_an_eviction_exactly_and_where_it_goes_on() {
    for mode in MODES {
        for filter in [Filter::new(), Filter::new().publisher(0)] {
            let bus = TestBus::new();
            let topic = bus.topic_of(mode).capacity(4).create().unwrap();
            let publisher = topic.publisher().unwrap();
            let stuck = topic.subscriber().reliable();
            let stuck = stuck.stall_timeout(Duration::from_millis(5)).filter(filter);
            let mut stuck = stuck.join().unwrap();
            publisher.publish(b"0").unwrap();
            assert_eq!(stuck.latest().unwrap().expect("new").payload(), b"0");
            for number in 1..20_u8 {
                publisher.publish(&[number]).unwrap();
            }
            assert_eq!(topic.info().evicted, 1);

            let missed = match stuck.latest() {
                Err(PollError::Evicted { missed }) => missed,
                other => panic!("{other:?}"),
            };
            assert!((15..19).contains(&missed), "{missed} of 19, which keeps 4");
            assert_eq!((stuck.lagged(), stuck.cursor()), (missed, 1 + missed));
            let mut next = 1 + missed;
            while let Some(message) = stuck.poll().unwrap() {
                assert_eq!(message.sequence(), next);
                next += 1;
            }
            assert_eq!((next, stuck.lagged()), (20, missed));
        }
    }
}

#[test]
fn a_topic_of_one_slot_is_a_blackboard() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(1).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut lossy = topic.subscriber().join().unwrap();
        for value in 0..100_u8 {
            publisher.try_publish(&[value]).unwrap();
            let late = topic
                .observer(Start::Oldest)
                .unwrap()
                .poll()
                .unwrap()
                .map(|m| m.to_vec());
            assert_eq!(late.as_deref(), Some(&[value][..]));
            if value % 7 == 0 {
                assert_eq!(lossy.latest().unwrap().expect("new").payload(), [value]);
            }
        }
    }
}

#[test]
fn sixty_four_subscribers_read_at_once() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus
            .topic_of(mode)
            .capacity(32)
            .payload_max(64)
            .create()
            .unwrap();
        let publisher = topic.publisher().unwrap();
        let mut readers: Vec<_> = (0..64)
            .map(|index| match index % 2 {
                0 => topic.subscriber().reliable().join().unwrap(),
                _ => topic.subscriber().lossy().join().unwrap(),
            })
            .collect();
        assert!(publisher.wait_subscribers(64, Duration::ZERO).unwrap());
        for round in 0..40 {
            for seq in round * 24..(round + 1) * 24 {
                publisher
                    .try_publish(&checked::payload(64, 1, seq))
                    .unwrap();
            }
            for reader in &mut readers {
                assert_eq!(span(reader, round * 24), (round + 1) * 24);
            }
        }
        assert!(readers.iter().all(|reader| reader.lagged() == 0));
        assert_eq!(topic.info().subscribers.len(), 64);
    }
}

#[test]
fn a_topic_has_as_many_subscribers_as_it_was_made_for() {
    let bus = TestBus::new();
    let topic = bus.topic("t").max_subscribers(2).create().unwrap();
    let first = topic.subscriber().join().unwrap();
    let _second = topic.subscriber().join().unwrap();
    let error = topic.subscriber().join().unwrap_err();
    let is_limit = matches!(error, ringbus::JoinError::TooManySubscribers { max: 2, .. });
    assert!(is_limit, "{error}");
    // Observers take no place.
    topic.observer(Start::Latest).unwrap();
    drop(first);
    topic.subscriber().join().unwrap();
}

#[test]
fn a_subscriber_that_leaves_holds_up_nobody() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(2).create().unwrap();
        let publisher = topic.publisher().unwrap();
        for _ in 0..20 {
            let mut reliable = topic.subscriber().reliable().join().unwrap();
            publisher.try_publish(b"a").unwrap();
            publisher.try_publish(b"b").unwrap();
            assert!(matches!(
                publisher.try_publish(b"c"),
                Err(PublishError::Full(_))
            ));
            assert_eq!(reliable.poll().unwrap().expect("published").payload(), b"a");
            drop(reliable);
            publisher.try_publish(b"c").unwrap();
        }
        let is_shared = topic.info().mode == PublisherMode::Shared;
        assert_eq!(is_shared, mode == PublisherMode::Shared);
    }
}
