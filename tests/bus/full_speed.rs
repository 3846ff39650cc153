//! Readers beside publishers that never pause: whole messages, and losses told exactly.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use ringbus::{Observer, PollError, Start, Topic};

use crate::support::{MODES, TestBus, checked};

const COUNT: u64 = 60_000;

/// Publishes all of them, then lets the readers end: each has accounted for everything.
fn outrun(topic: &Topic<[u8]>, done: &AtomicBool, readers: Vec<JoinHandle<(u64, u64)>>) {
    let publisher = topic.publisher().unwrap();
    for seq in 0..COUNT {
        publisher
            .try_publish(&checked::payload(300, 1, seq))
            .unwrap();
    }
    done.store(true, Ordering::Release);
    for reader in readers {
        let (received, missed) = reader.join().unwrap();
        assert_eq!(received + missed, COUNT);
    }
}

/// Reads until `done` and nothing is left: the sequences received and missed, with no hole.
fn observe_all(mut observer: Observer<[u8]>, done: &AtomicBool) -> (u64, u64) {
    let (mut received, mut missed) = (0, 0);
    loop {
        let is_last = done.load(Ordering::Acquire);
        match observer.poll() {
            Ok(Some(snapshot)) => {
                assert_eq!(snapshot.sequence(), received + missed);
                assert_eq!(checked::check(snapshot.payload()), (1, received + missed));
                received += 1;
            }
            Ok(None) if is_last => {
                assert_eq!(observer.lagged(), missed);
                return (received, missed);
            }
            Ok(None) => {}
            Err(PollError::Lagged { missed: more }) => missed += more,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn observers_get_whole_messages_and_exact_losses_at_full_speed() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus
            .topic_of(mode)
            .capacity(8)
            .payload_max(300)
            .create()
            .unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (observer, done) = (topic.observer(Start::Oldest).unwrap(), Arc::clone(&done));
                thread::spawn(move || observe_all(observer, &done))
            })
            .collect();
        outrun(&topic, &done, readers);
        assert!(topic.info().subscribers.is_empty());
    }
}

#[test]
fn lossy_subscribers_get_whole_messages_and_exact_losses_at_full_speed() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus
            .topic_of(mode)
            .capacity(8)
            .payload_max(300)
            .pins(4)
            .create()
            .unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let readers: Vec<_> = (1..=2)
            .map(|batch| {
                let mut lossy = topic.subscriber().lossy().join().unwrap();
                let done = Arc::clone(&done);
                thread::spawn(move || {
                    let (mut received, mut missed) = (0, 0);
                    loop {
                        let is_last = done.load(Ordering::Acquire);
                        match lossy.poll_batch(batch) {
                            Ok(messages) if messages.is_empty() && is_last => break,
                            Ok(messages) => {
                                // Held while the publisher laps it.
                                thread::yield_now();
                                for message in &messages {
                                    assert_eq!(message.sequence(), received + missed);
                                    let (origin, seq) = checked::check(message.payload());
                                    assert_eq!((origin, seq), (1, message.sequence()));
                                    received += 1;
                                }
                            }
                            Err(PollError::Lagged { missed: more }) => missed += more,
                            Err(error) => panic!("{error}"),
                        }
                    }
                    (received, missed)
                })
            })
            .collect();
        outrun(&topic, &done, readers);
    }
}

#[test]
fn a_reliable_subscriber_gets_everything_at_full_speed() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus
            .topic_of(mode)
            .capacity(16)
            .payload_max(100)
            .create()
            .unwrap();
        let publisher = topic.publisher().unwrap();
        let plain = topic.subscriber().reliable();
        let evictable = topic
            .subscriber()
            .reliable()
            .stall_timeout(Duration::from_secs(100));
        let readers: Vec<_> = [plain, evictable]
            .into_iter()
            .map(|builder| {
                let mut reliable = builder.join().unwrap();
                thread::spawn(move || {
                    let mut expected = 0;
                    while expected < COUNT {
                        reliable.wait(Duration::from_secs(10)).unwrap();
                        for message in &reliable.poll_batch(5).unwrap() {
                            assert_eq!(message.sequence(), expected);
                            assert_eq!(checked::check(message.payload()), (1, expected));
                            expected += 1;
                        }
                    }
                })
            })
            .collect();
        for seq in 0..COUNT {
            publisher.publish(&checked::payload(100, 1, seq)).unwrap();
        }
        for reader in readers {
            reader.join().unwrap();
        }
    }
}
