//! Panics in the code of users, while they hold what the bus has lent them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use ringbus::{Collected, PublisherMode};

use crate::support::{MODES, TestBus};

/// What a test panics with, so that no other panic is taken for it.
struct OnPurpose;

/// Panics, without a word on stderr.
fn give_up() -> ! {
    resume_unwind(Box::new(OnPurpose))
}

/// Runs `act`, which gives up.
#[track_caller]
fn gives_up(act: impl FnOnce()) {
    let payload = catch_unwind(AssertUnwindSafe(act)).expect_err("it gives up");
    assert!(payload.is::<OnPurpose>(), "it panicked for another reason");
}

#[test]
fn a_panic_gives_back_what_was_on_loan() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(4).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut reliable = topic.subscriber().reliable().join().unwrap();
        for seq in 0..50 {
            gives_up(|| {
                let mut loan = publisher.loan(4).unwrap();
                loan.copy_from_slice(b"lost");
                give_up();
            });
            if mode == PublisherMode::Exclusive {
                gives_up(|| {
                    let mut run = publisher.loan_run(3, 4).unwrap();
                    run.message_mut(1).unwrap().copy_from_slice(b"lost");
                    give_up();
                });
            }
            assert!(reliable.poll().unwrap().is_none(), "{mode}");
            assert_eq!(publisher.publish(b"kept"), Ok(seq));
            assert_eq!(reliable.poll().unwrap().expect("it").payload(), b"kept");
        }
        let loans: Vec<_> = std::iter::from_fn(|| publisher.try_loan(1).ok()).collect();
        assert_eq!(loans.len(), topic.info().loans.max(1) as usize, "{mode}");
    }
}

#[test]
fn a_panic_gives_back_the_messages_that_were_read() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(4).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut reliable = topic.subscriber().reliable().join().unwrap();
        let mut lossy = topic.subscriber().lossy().join().unwrap();
        for seq in (0..60).step_by(3) {
            for word in [b"a", b"b", b"c"] {
                publisher.try_publish(word).unwrap();
            }
            for reader in [&mut reliable, &mut lossy] {
                gives_up(|| {
                    let message = reader.poll().unwrap().expect("published");
                    assert_eq!((message.sequence(), message.payload()), (seq, &b"a"[..]));
                    give_up();
                });
                gives_up(|| {
                    let batch = reader.poll_batch(2).unwrap();
                    let message = batch.iter().next().expect("published");
                    assert_eq!(message.sequence(), seq + 1, "{mode}");
                    give_up();
                });
                while reader.poll().unwrap().is_some() {}
                assert_eq!((reader.lag(), reader.lagged()), (0, 0), "{mode}");
            }
        }
    }
}

#[test]
fn a_thread_that_panics_gives_its_handles_back() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(4).create().unwrap();
        for _ in 0..20 {
            let (publisher, mut subscriber) = (
                topic.publisher().unwrap(),
                topic.subscriber().reliable().join().unwrap(),
            );
            let ended = thread::spawn(move || {
                publisher.publish(b"x").unwrap();
                let _message = subscriber.poll().unwrap().expect("published");
                let _loan = publisher.loan(4).unwrap();
                give_up();
            })
            .join();
            assert!(ended.expect_err("it gives up").is::<OnPurpose>());
            let info = topic.info();
            assert!(info.publishers.is_empty() && info.subscribers.is_empty());
        }
        assert_eq!(bus.gc().unwrap(), Collected::default());
    }
}

#[test]
fn a_batch_whose_iterator_panics_is_published_up_to_there_and_wakes_sleepers() {
    const ROUNDS: u32 = 10;
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(64).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut sleeper = topic.subscriber().spin(Duration::ZERO).join().unwrap();
        let (tell, told) = mpsc::channel();
        let reader = thread::spawn(move || {
            for _ in 0..ROUNDS {
                let mut received = 0;
                while received < 2 {
                    sleeper.wait(Duration::from_secs(10)).unwrap();
                    received += sleeper.poll_batch(8).unwrap().len();
                }
                tell.send(Instant::now()).unwrap();
            }
        });
        let mut late = Duration::ZERO;
        for _ in 0..ROUNDS {
            thread::sleep(Duration::from_millis(5)); // it falls asleep, for 40 ms
            let mut words = [&b"a"[..], b"b"].into_iter();
            gives_up(|| {
                let words = std::iter::from_fn(|| Some(words.next().unwrap_or_else(|| give_up())));
                let _ = publisher.publish_batch(words);
            });
            let published = Instant::now();
            late += told.recv().unwrap().saturating_duration_since(published);
        }
        reader.join().unwrap();
        assert!(
            late < ROUNDS * Duration::from_millis(30),
            "{mode}: {late:?} in all"
        );
    }
}
