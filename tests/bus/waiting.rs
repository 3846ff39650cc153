//! Sleeping and being woken, within one process.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use ringbus::{JoinError, PublisherMode, Remove, Start, Topic};

use crate::support::{MODES, TestBus};

const A_MOMENT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(30);

#[test]
fn wait_says_at_once_what_is_there() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut subscriber = topic.subscriber().join().unwrap();
        let mut observer = topic.observer(Start::Latest).unwrap();
        assert!(!subscriber.wait(Duration::ZERO).unwrap());
        assert!(!observer.wait(Duration::ZERO).unwrap());
        publisher.publish(b"x").unwrap();
        for _ in 0..3 {
            assert!(subscriber.wait(LONG).unwrap());
            assert!(observer.wait(LONG).unwrap());
        }
        drop(subscriber.poll().unwrap().expect("published"));
        assert!(!subscriber.wait(Duration::ZERO).unwrap());
    }
}

#[test]
fn wait_times_out() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).create().unwrap();
        let mut subscriber = topic.subscriber().join().unwrap();
        let mut observer = topic.observer(Start::Latest).unwrap();
        // The second is longer than the longest single sleep inside.
        for timeout in [A_MOMENT, Duration::from_millis(250)] {
            let started = Instant::now();
            assert!(!subscriber.wait(timeout).unwrap());
            let half = started.elapsed();
            assert!(half >= timeout);
            assert!(!observer.wait(timeout).unwrap());
            assert!(started.elapsed() >= half + timeout);
            assert!(started.elapsed() < LONG);
        }
    }
}

/// A reader that sleeps until woken, and then says so.
fn sleeper(topic: &Topic<[u8]>, spin: Duration) -> mpsc::Receiver<()> {
    let (says, heard) = mpsc::channel();
    let mut subscriber = topic.subscriber().spin(spin).join().unwrap();
    thread::spawn(move || {
        while subscriber.wait(LONG).unwrap() {
            while let Ok(Some(_)) = subscriber.poll() {}
            if says.send(()).is_err() {
                return;
            }
        }
    });
    heard
}

#[test]
fn whatever_publishes_wakes_all_sleepers() {
    for mode in MODES {
        for wake_fence in [false, true] {
            let bus = TestBus::new();
            let topic = bus.topic_of(mode).capacity(64).wake_fence(wake_fence);
            let topic = topic.create().unwrap();
            let publisher = topic.publisher().unwrap();
            let spins = [0, 20, 5000].map(Duration::from_micros);
            let sleepers = spins.map(|spin| sleeper(&topic, spin));
            let publishes: [&dyn Fn() -> u64; 4] = [
                &|| publisher.publish(b"x").unwrap(),
                &|| publisher.publish_batch([&b"x"[..], b"y"]).unwrap() as u64,
                &|| publisher.loan(1).unwrap().commit().unwrap(),
                &|| match mode {
                    PublisherMode::Exclusive => publisher.loan_run(2, 1).unwrap().commit().unwrap(),
                    PublisherMode::Shared => publisher.loan(1).unwrap().try_commit().unwrap(),
                },
            ];
            for publish in publishes {
                thread::sleep(A_MOMENT);
                publish();
                for sleeper in &sleepers {
                    sleeper.recv_timeout(LONG / 3).expect("woken");
                }
            }
        }
    }
}

#[test]
fn no_wake_is_lost_in_a_ping_pong() {
    const ROUNDS: u64 = 5_000;
    for mode in MODES {
        let bus = TestBus::new();
        let [there, back] = ["there", "back"].map(|name| {
            let builder = bus.topic(name).capacity(2);
            let is_shared = mode == PublisherMode::Shared;
            let builder = if is_shared { builder.shared() } else { builder };
            builder.create().unwrap()
        });
        let join = |topic: &Topic<[u8]>| {
            let builder = topic.subscriber().reliable().spin(Duration::ZERO);
            builder.join().unwrap()
        };
        let (mut hears, mut answers) = (join(&there), join(&back));
        let (publisher, echo) = (there.publisher().unwrap(), back.publisher().unwrap());
        let echoing = thread::spawn(move || {
            for _ in 0..ROUNDS {
                assert!(hears.wait(LONG).unwrap());
                let message = hears.poll().unwrap().expect("waited for");
                echo.publish(message.payload()).unwrap();
            }
        });
        let started = Instant::now();
        for round in 0..ROUNDS {
            publisher.publish(&round.to_le_bytes()).unwrap();
            assert!(answers.wait(LONG).unwrap());
            let answer = answers.poll().unwrap().expect("waited for");
            assert_eq!(answer.payload(), round.to_le_bytes());
            // A lost wake costs the longest sleep, 40 ms: not every sixth round may have one.
            assert!(started.elapsed() < LONG, "{round} rounds only");
        }
        echoing.join().unwrap();
        let elapsed = started.elapsed();
        println!("{mode}: {ROUNDS} round trips asleep took {elapsed:?}");
    }
}

#[test]
fn a_publisher_asleep_at_the_gate_is_woken() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(2).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let plain = topic.subscriber().reliable();
        let evictable = topic.subscriber().reliable().stall_timeout(LONG);
        for builder in [plain, evictable] {
            let mut reliable = builder.join().unwrap();
            publisher.publish(b"a").unwrap();
            publisher.publish(b"b").unwrap();
            thread::scope(|scope| {
                let waiting = scope.spawn(|| {
                    thread::sleep(A_MOMENT);
                    drop(reliable.poll().unwrap().expect("published"));
                });
                publisher.publish(b"c").unwrap();
                waiting.join().unwrap();
            });
        }
        assert_eq!(topic.info().waited, 2);
    }
}

#[test]
fn each_read_wakes_a_publisher_asleep_at_the_gate() {
    const ROUNDS: u64 = 1000;
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(1).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut reliable = topic.subscriber().reliable().join().unwrap();
        let started = Instant::now();
        thread::scope(|scope| {
            let publish = move |_| assert!(publisher.publish(b"x").is_ok());
            scope.spawn(move || (0..=ROUNDS).for_each(publish));
            for round in 0..ROUNDS {
                while topic.info().waited <= round {
                    thread::yield_now();
                }
                // Longer than it spins.
                thread::sleep(Duration::from_micros(100));
                drop(reliable.poll().unwrap().expect("published"));
            }
        });
        let elapsed = started.elapsed();
        println!("{mode}: {ROUNDS} wakes of a publisher took {elapsed:?}");
        // Without a wake it looks again after 10 ms, which would be 10 s.
        assert!(elapsed < Duration::from_secs(8));
    }
}

#[test]
fn a_publisher_can_wait_for_its_subscribers() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).create().unwrap();
        let publisher = topic.publisher().unwrap();
        assert!(publisher.wait_subscribers(0, Duration::ZERO).unwrap());
        assert!(!publisher.wait_subscribers(1, A_MOMENT).unwrap());
        let _observer = topic.observer(Start::Latest).unwrap();
        let one = topic.subscriber().join().unwrap();
        assert!(publisher.wait_subscribers(1, Duration::ZERO).unwrap());
        assert!(!publisher.wait_subscribers(2, Duration::ZERO).unwrap());
        let late = topic.clone();
        let joins = thread::spawn(move || {
            thread::sleep(A_MOMENT);
            late.subscriber().reliable().join().unwrap()
        });
        assert!(publisher.wait_subscribers(2, LONG).unwrap());
        drop((one, joins.join().unwrap()));
        assert!(!publisher.wait_subscribers(1, Duration::ZERO).unwrap());
    }
}

#[test]
fn a_publisher_waits_for_no_subscribers_of_a_topic_that_is_removed() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).create().unwrap();
        let name = topic.name().to_string();
        let publisher = topic.publisher().unwrap();
        let _one = topic.subscriber().join().unwrap();
        let waits = thread::spawn(move || {
            let told = publisher.wait_subscribers(2, LONG);
            (publisher, told)
        });
        thread::sleep(A_MOMENT);
        bus.remove(&name, Remove::Force).unwrap();
        let (publisher, told) = waits.join().unwrap();
        assert!(
            matches!(&told, Err(JoinError::Removed { topic }) if *topic == name),
            "{told:?}"
        );
        assert!(publisher.wait_subscribers(1, Duration::ZERO).unwrap());
    }
}
