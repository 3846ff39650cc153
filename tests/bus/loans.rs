//! Writing messages in place.

use std::{thread, time::Duration};

use ringbus::{PublishError, PublisherMode};

use crate::support::{MODES, TestBus, checked};

#[test]
fn a_committed_loan_is_a_message() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus
            .topic_of(mode)
            .capacity(2)
            .payload_max(10)
            .create()
            .unwrap();
        let publisher = topic.publisher().unwrap();
        let mut subscriber = topic.subscriber().join().unwrap();
        for round in 0..10_u8 {
            let mut loan = publisher.loan(10).unwrap();
            loan.fill(round);
            loan.set_tag(100 + u64::from(round));
            loan.set_flags(round.into());
            loan.truncate(usize::from(round)).unwrap();
            assert_eq!(loan.len(), usize::from(round));
            assert!(subscriber.poll().unwrap().is_none());
            assert_eq!(loan.commit(), Ok(round.into()));
            let message = subscriber.poll().unwrap().expect("committed");
            assert_eq!(message.payload(), vec![round; round.into()]);
            assert_eq!(
                (message.tag(), message.flags()),
                (100 + u64::from(round), round.into())
            );
        }
    }
}

#[test]
fn a_dropped_loan_leaves_no_trace() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(2).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut subscriber = topic.subscriber().reliable().join().unwrap();
        for serial in 0..100 {
            let mut loan = publisher.loan(4).unwrap();
            loan.copy_from_slice(b"gone");
            drop(loan);
            assert_eq!(topic.info().next, serial);
            assert_eq!(publisher.publish(b"kept"), Ok(serial));
            let message = subscriber.poll().unwrap().expect("published");
            assert_eq!(
                (message.sequence(), message.payload()),
                (serial, &b"kept"[..])
            );
            drop(message);
            assert!(subscriber.poll().unwrap().is_none());
        }
        assert_eq!((topic.info().published, topic.info().bytes), (100, 400));
    }
}

#[test]
fn a_loan_is_never_lengthened_and_keeps_a_fixed_size() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).payload_fixed(8).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let too_short = publisher.loan(7).err();
        assert_eq!(
            too_short,
            Some(PublishError::WrongLength { bytes: 7, fixed: 8 })
        );
        let mut loan = publisher.loan(8).unwrap();
        let error = PublishError::WrongLength { bytes: 3, fixed: 8 };
        assert_eq!(loan.truncate(3), Err(error));
        loan.truncate(100).unwrap();
        assert_eq!(loan.len(), 8);
    }
}

#[test]
fn an_exclusive_publisher_has_one_loan_at_a_time() {
    let bus = TestBus::new();
    let topic = bus.topic("t").create().unwrap();
    let publisher = topic.publisher().unwrap();
    // Nothing is in the way of the next messages, as the publisher knows from these.
    for _ in 0..3 {
        publisher.publish(b"x").unwrap();
    }
    let loan = publisher.loan(1).unwrap();
    assert_eq!(publisher.loan(1).err(), Some(PublishError::LoanOutstanding));
    assert_eq!(publisher.publish(b"x"), Err(PublishError::LoanOutstanding));
    assert_eq!(
        publisher.publish_batch([&b"x"[..]]),
        Err(PublishError::LoanOutstanding)
    );
    assert_eq!(
        publisher.loan_run(2, 1).err(),
        Some(PublishError::LoanOutstanding)
    );
    loan.commit().unwrap();
    for sequence in 4..7 {
        assert_eq!(publisher.publish(b"x"), Ok(sequence));
    }
    let run = publisher.loan_run(2, 1).unwrap();
    assert_eq!(publisher.publish(b"x"), Err(PublishError::LoanOutstanding));
    drop(run);
    assert_eq!(publisher.publish(b"x"), Ok(7));
}

#[test]
fn a_run_is_published_together_and_in_order() {
    let bus = TestBus::new();
    let topic = bus.topic("t").capacity(8).create().unwrap();
    let publisher = topic.publisher().unwrap();
    let mut subscriber = topic.subscriber().reliable().join().unwrap();
    for round in 0..20_u64 {
        let count = 1 + round % 8;
        let before = topic.info().next;
        let mut run = publisher.loan_run(count as usize, 32).unwrap();
        assert_eq!((run.len(), run.is_empty()), (count as usize, false));
        for index in 0..count {
            let payload = run.message_mut(index as usize).expect("in the run");
            checked::fill(payload, round, index);
        }
        assert!(run.message_mut(count as usize).is_none());
        run.set_tag(round);
        assert!(subscriber.poll().unwrap().is_none());
        assert_eq!(run.commit(), Ok(before));
        let batch = subscriber.poll_batch(100).unwrap();
        assert_eq!(batch.len(), count as usize);
        for (index, message) in batch.iter().enumerate() {
            assert_eq!(checked::check(message.payload()), (round, index as u64));
            assert_eq!(
                (message.sequence(), message.tag()),
                (before + index as u64, round)
            );
        }
    }
}

#[test]
fn a_dropped_run_leaves_no_trace() {
    let bus = TestBus::new();
    let topic = bus.topic("t").capacity(4).create().unwrap();
    let publisher = topic.publisher().unwrap();
    let mut subscriber = topic.subscriber().reliable().join().unwrap();
    for serial in 0..20 {
        let mut run = publisher.loan_run(4, 4).unwrap();
        run.message_mut(0)
            .expect("in the run")
            .copy_from_slice(b"gone");
        drop(run);
        assert_eq!(publisher.publish(b"kept"), Ok(serial));
        assert_eq!(
            subscriber.poll().unwrap().expect("published").payload(),
            b"kept"
        );
    }
}

#[test]
fn runs_are_no_longer_than_the_ring_and_on_exclusive_topics_only() {
    let bus = TestBus::new();
    let topic = bus.topic("t").capacity(4).create().unwrap();
    let publisher = topic.publisher().unwrap();
    let error = PublishError::RunTooLong {
        count: 5,
        capacity: 4,
    };
    assert_eq!(publisher.loan_run(5, 1).err(), Some(error));
    assert_eq!(publisher.publish(b"x"), Ok(0));

    let shared = bus.topic("shared").shared().create().unwrap();
    let publisher = shared.publisher().unwrap();
    assert_eq!(publisher.loan_run(2, 1).err(), Some(PublishError::NoRuns));
    assert_eq!(publisher.publish(b"x"), Ok(0));
}

#[test]
fn shared_loans_become_messages_in_the_order_of_their_commits() {
    let bus = TestBus::new();
    let topic = bus
        .topic("t")
        .shared()
        .capacity(8)
        .loans(5)
        .create()
        .unwrap();
    let publisher = topic.publisher().unwrap();
    let mut subscriber = topic.subscriber().reliable().join().unwrap();
    let orders = [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]];
    for order in orders.iter().cycle().take(30) {
        let mut loans: Vec<_> = (0..5_u8)
            .map(|number| {
                let mut loan = publisher.loan(3).unwrap();
                loan.fill(number);
                Some(loan)
            })
            .collect();
        for number in order {
            let loan: Option<ringbus::Loan<'_, [u8]>> = loans[*number].take();
            loan.expect("once").commit().unwrap();
        }
        let batch = subscriber.poll_batch(8).unwrap();
        let got: Vec<_> = batch
            .iter()
            .map(|message| usize::from(message[0]))
            .collect();
        assert_eq!(got, order);
    }
}

#[test]
fn a_shared_publisher_has_as_many_loans_as_the_topic_was_made_for() {
    let bus = TestBus::new();
    let topic = bus.topic("t").shared().loans(3).create().unwrap();
    assert_eq!(topic.info().loans, 3);
    let publisher = topic.publisher().unwrap();
    let mut loans: Vec<_> = (0..3).map(|_| publisher.loan(1).unwrap()).collect();
    assert_eq!(
        publisher.loan(1).err(),
        Some(PublishError::LoanLimit { loans: 3 })
    );
    // One chunk is kept back, so that it can publish nevertheless.
    assert_eq!(publisher.publish(b"x"), Ok(0));
    loans.pop();
    assert!(publisher.loan(1).is_ok());
}

#[test]
fn a_loan_that_is_held_delays_nobody() {
    let bus = TestBus::new();
    let topic = bus.topic("t").shared().capacity(8).create().unwrap();
    let (holder, publisher) = (topic.publisher().unwrap(), topic.publisher().unwrap());
    let mut subscriber = topic.subscriber().reliable().join().unwrap();
    let mut held = holder.loan(4).unwrap();
    held.copy_from_slice(b"held");
    for serial in 0..1000_u64 {
        assert_eq!(publisher.try_publish(&serial.to_le_bytes()), Ok(serial));
        let message = subscriber.poll().unwrap().expect("published");
        assert_eq!(message.payload(), serial.to_le_bytes());
    }
    assert_eq!(&*held, b"held");
    assert_eq!(held.commit(), Ok(1000));
    assert_eq!(
        subscriber.poll().unwrap().expect("committed").payload(),
        b"held"
    );
}

#[test]
fn readers_of_an_exclusive_topic_read_on_while_a_loan_is_held() {
    let bus = TestBus::new();
    let topic = bus.topic("t").capacity(8).create().unwrap();
    let publisher = topic.publisher().unwrap();
    let mut reliable = topic.subscriber().reliable().join().unwrap();
    let mut lossy = topic.subscriber().join().unwrap();
    for serial in 0..7_u8 {
        publisher.publish(&[serial]).unwrap();
    }
    let loan = publisher.loan(1).unwrap();
    for subscriber in [&mut reliable, &mut lossy] {
        for serial in 0..7_u8 {
            assert_eq!(
                subscriber.poll().unwrap().expect("published").payload(),
                [serial]
            );
        }
        assert!(subscriber.poll().unwrap().is_none());
    }
    loan.commit().unwrap();
}

#[test]
fn a_refused_commit_gives_the_loan_back() {
    let bus = TestBus::new();
    let topic = bus.topic("t").shared().capacity(1).create().unwrap();
    let publisher = topic.publisher().unwrap();
    let mut reliable = topic.subscriber().reliable().join().unwrap();
    publisher.publish(b"a").unwrap();
    let mut loan = publisher.loan(1).unwrap();
    loan[0] = b'b';
    loan.set_tag(5);
    let refused = loan.try_commit().unwrap_err();
    assert!(
        matches!(refused.error, PublishError::Full(_)),
        "{}",
        refused.error
    );
    let loan = refused.loan;
    assert_eq!(&*loan, b"b");
    drop(reliable.poll().unwrap().expect("published"));
    assert_eq!(loan.try_commit().map_err(|refused| refused.error), Ok(1));
    let message = reliable.poll().unwrap().expect("committed");
    assert_eq!((message.payload(), message.tag()), (&b"b"[..], 5));
}

#[test]
fn a_commit_waits_at_the_gate_and_an_exclusive_loan_does() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(1).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut reliable = topic.subscriber().reliable().join().unwrap();
        publisher.publish(b"a").unwrap();
        if mode == PublisherMode::Exclusive {
            assert!(matches!(
                publisher.try_loan(1).err(),
                Some(PublishError::Full(_))
            ));
            let moment = Duration::from_millis(5);
            let refused = publisher.loan_timeout(1, moment).err();
            assert!(matches!(refused, Some(PublishError::Full(_))));
        }
        let reader = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            drop(reliable.poll().unwrap().expect("published"));
            reliable
        });
        let mut loan = publisher.loan(1).unwrap();
        loan[0] = b'b';
        assert_eq!(loan.commit(), Ok(1));
        let mut reliable = reader.join().unwrap();
        assert_eq!(reliable.poll().unwrap().expect("committed").payload(), b"b");
    }
}
