//! Subscribers that do not want every message.

use std::{thread, time::Duration};

use ringbus::{Filter, JoinError, Meta, Patience, PollError, PublishError, Start, TimeSource};

use crate::support::{MODES, TestBus};

#[test]
fn what_a_reliable_subscriber_skips_holds_up_nobody() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(8).create().unwrap();
        let filter = Filter::new().tag(7);
        let mut reliable = topic.subscriber().reliable().filter(filter).join().unwrap();
        let publisher = topic.publisher().unwrap();
        for _ in 0..10 {
            for _ in 0..8 {
                publisher.try_publish(b"not wanted").unwrap();
            }
            let refused = publisher.try_publish(b"one more").unwrap_err();
            assert!(matches!(refused, PublishError::Full { .. }), "{refused}");
            assert!(reliable.poll().unwrap().is_none());
        }
        assert_eq!(reliable.skipped(), 80);
    }
}

#[test]
fn a_wait_skips_what_is_not_wanted_and_keeps_what_is() {
    let bus = TestBus::new();
    let topic = bus.topic("t").create().unwrap();
    // Every second of the wanted ones: a message looked at twice would be counted twice.
    let filter = Filter::new().tag(7).every(2);
    let mut subscriber = topic.subscriber().filter(filter).join().unwrap();
    let publisher = topic.publisher().unwrap();
    publisher.publish(b"not wanted").unwrap();
    assert!(!subscriber.wait(Duration::from_millis(5)).unwrap());
    assert_eq!(subscriber.skipped(), 1);
    thread::scope(|scope| {
        scope.spawn(move || {
            for tag in [1, 7, 2, 7, 7, 3] {
                thread::sleep(Duration::from_millis(2));
                let meta = Meta::new().tag(tag);
                publisher
                    .publish_with(meta, b"", Patience::Forever)
                    .unwrap();
            }
        });
        for expected in [2, 5] {
            for _ in 0..3 {
                assert!(subscriber.wait(Duration::from_secs(10)).unwrap());
                assert_eq!(subscriber.cursor(), expected);
            }
            assert_eq!(subscriber.poll().unwrap().unwrap().sequence(), expected);
        }
    });
    assert!(!subscriber.wait(Duration::ZERO).unwrap());
    assert_eq!((subscriber.skipped(), subscriber.lag()), (5, 0));
}

#[test]
fn a_loss_is_told_although_nothing_wanted_was_lost() {
    let bus = TestBus::new();
    let topic = bus.topic("t").capacity(8).create().unwrap();
    let mut lossy = topic
        .subscriber()
        .filter(Filter::new().tag(7))
        .join()
        .unwrap();
    let publisher = topic.publisher().unwrap();
    for _ in 0..20 {
        publisher.publish(b"not wanted").unwrap();
    }
    assert!(lossy.wait(Duration::ZERO).unwrap());
    let Err(PollError::Lagged { missed }) = lossy.poll() else {
        panic!("it keeps 8 of 20");
    };
    assert!(lossy.poll().unwrap().is_none());
    assert_eq!((lossy.lagged(), lossy.skipped()), (missed, 20 - missed));
}

#[test]
fn the_latest_is_there_only_if_it_is_wanted() {
    let bus = TestBus::new();
    let topic = bus.topic("t").create().unwrap();
    let mut subscriber = topic
        .subscriber()
        .filter(Filter::new().tag(7))
        .join()
        .unwrap();
    let publisher = topic.publisher().unwrap();
    let publish = |tag| {
        let meta = Meta::new().tag(tag);
        publisher
            .publish_with(meta, b"", Patience::Forever)
            .unwrap()
    };
    publish(7);
    let newest = publish(7);
    assert_eq!(subscriber.latest().unwrap().unwrap().sequence(), newest);
    publish(7);
    publish(8);
    assert!(subscriber.latest().unwrap().is_none());
    assert_eq!(subscriber.lag(), 0);
}

#[test]
fn the_latest_is_one_that_was_taken_and_not_handed_out() {
    for is_reliable in [true, false] {
        let bus = TestBus::new();
        let topic = bus.topic("t").create().unwrap();
        let builder = match is_reliable {
            true => topic.subscriber().reliable(),
            false => topic.subscriber().lossy(),
        };
        let builder = builder.filter_payload(|payload| payload != b"unwanted");
        let mut subscriber = builder.join().unwrap();
        let publisher = topic.publisher().unwrap();
        for payload in [&b"0"[..], b"unwanted", b"2", b"3", b"4"] {
            publisher.publish(payload).unwrap();
        }
        assert_eq!(subscriber.poll().unwrap().unwrap().sequence(), 0);
        assert_eq!(subscriber.latest().unwrap().unwrap().payload(), b"4");
        assert!(subscriber.latest().unwrap().is_none());
        publisher.publish(b"5").unwrap();
        assert_eq!(subscriber.poll().unwrap().unwrap().sequence(), 5);
        assert_eq!((subscriber.lag(), subscriber.lagged()), (0, 0));
    }
}

#[test]
fn an_interval_goes_by_the_publish_time() {
    let bus = TestBus::new();
    let topic = bus.topic("t").time(TimeSource::Clock).create().unwrap();
    let interval = Duration::from_millis(20);
    let filter = Filter::new().at_most_every(interval);
    let mut subscriber = topic.subscriber().filter(filter).join().unwrap();
    let publisher = topic.publisher().unwrap();
    for _ in 0..40 {
        publisher.publish(b"pose").unwrap();
        thread::sleep(Duration::from_millis(2));
    }
    // All at once, long after: only the publish times can tell them apart.
    let batch = subscriber.poll_batch(64).unwrap();
    let times: Vec<_> = batch.iter().map(|m| m.time().unwrap().as_nanos()).collect();
    assert!(times.len() >= 4, "{times:?}");
    for pair in times.windows(2) {
        assert!(u128::from(pair[1] - pair[0]) >= interval.as_nanos());
    }
}

#[test]
fn a_filter_by_what_the_topic_does_not_keep_is_refused() {
    let bus = TestBus::new();
    let lean = bus
        .topic("t")
        .payload_fixed(8)
        .tags(false)
        .create()
        .unwrap();
    for (filter, kept) in [
        (Filter::new().tag(1), "tags"),
        (Filter::new().tag_mask(1, 1), "tags"),
        (Filter::new().publisher(0), "flags and publishers"),
        (Filter::new().flags_mask(1, 1), "flags and publishers"),
    ] {
        let refused = lean.subscriber().filter(filter).join().unwrap_err();
        let JoinError::NotKept { topic, what } = &refused else {
            panic!("{refused}");
        };
        assert_eq!((topic.as_str(), *what), ("t", kept));
    }
    #[cfg(feature = "policy")]
    {
        let filter = Filter::new().attributes(ringbus::Policy::new("{}").unwrap());
        let refused = lean.subscriber().filter(filter).join().unwrap_err();
        assert!(
            refused.to_string().contains("keeps no attributes"),
            "{refused}"
        );
    }
    assert!(lean.info().subscribers.is_empty());
    assert!(
        lean.subscriber()
            .filter(Filter::new().every(2))
            .join()
            .is_ok()
    );
}

#[cfg(feature = "policy")]
#[test]
fn a_policy_decides_by_the_attributes_and_the_filter_by_the_rest() {
    use ringbus::{Attributes, Policy};

    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).attributes_max(64).create().unwrap();
        let policy = r#"{"price": [{"numeric": [">", 100]}], "venue": ["XNYS", "XNAS"]}"#;
        let filter = Filter::new()
            .tag(7)
            .attributes(Policy::new(policy).unwrap());
        let mut subscriber = topic.subscriber().filter(filter).join().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut expected = vec![];
        for n in 0..200_u64 {
            let (tag, price) = (7 + n % 2, 95.0 + (n % 11) as f64);
            let venue = ["XNYS", "XNAS", "XLON"][n as usize % 3];
            let attributes = Attributes::new().with("venue", venue).unwrap();
            let attributes = attributes.with("price", price).unwrap();
            let meta = Meta::new().tag(tag).attributes(&attributes);
            let seq = publisher
                .publish_with(meta, b"", Patience::Forever)
                .unwrap();
            if tag == 7 && price > 100.0 && venue != "XLON" {
                expected.push(seq);
            }
        }
        let mut found = vec![];
        while let Some(message) = subscriber.poll().unwrap() {
            found.push(message.sequence());
        }
        assert_eq!(found, expected);
        assert_eq!(subscriber.skipped(), 200 - found.len() as u64);
    }
}

#[cfg(feature = "policy")]
#[test]
fn a_message_without_attributes_passes_where_they_may_be_missing() {
    use ringbus::{Attributes, Policy};

    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).attributes_max(64).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let attributes = Attributes::new().with("venue", "XNYS").unwrap();
        for n in 0..6 {
            let meta = match n % 2 {
                0 => Meta::new(),
                _ => Meta::new().attributes(&attributes),
            };
            publisher
                .publish_with(meta, b"", Patience::Forever)
                .unwrap();
        }
        for (policy, expected) in [
            (r#"{"venue": ["XNYS"]}"#, &[1, 3, 5][..]),
            (r#"{"venue": [{"exists": false}]}"#, &[0, 2, 4]),
            (
                r#"{"venue": [{"exists": false}, "XNYS"]}"#,
                &[0, 1, 2, 3, 4, 5],
            ),
            (r#"{"price": [7]}"#, &[]),
            ("{}", &[0, 1, 2, 3, 4, 5]),
        ] {
            let filter = Filter::new().attributes(Policy::new(policy).unwrap());
            let builder = topic.subscriber().start(Start::Oldest).filter(filter);
            let mut subscriber = builder.join().unwrap();
            let batch = subscriber.poll_batch(64).unwrap();
            let found: Vec<_> = batch.iter().map(|m| m.sequence()).collect();
            assert_eq!(found, expected, "{policy}");
        }
    }
}

#[test]
fn what_a_wait_found_is_held_while_it_is_in_hand() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(1).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let reader = topic.subscriber().reliable().filter(Filter::new().tag(3));
        let mut reader = reader.join().unwrap();
        publisher
            .publish_with(Meta::new().tag(3), b"wanted", Patience::Try)
            .unwrap();
        assert!(reader.wait(Duration::ZERO).unwrap());
        assert!(reader.poll_batch(0).unwrap().is_empty());
        let message = reader.poll().unwrap().expect("what the wait found");
        let other = publisher.publish_with(Meta::new().tag(9), b"other!", Patience::Try);
        assert!(matches!(other, Err(PublishError::Full(_))), "{other:?}");
        assert_eq!((message.payload(), message.tag()), (&b"wanted"[..], 3));
        drop(message);
        publisher
            .publish_with(Meta::new().tag(9), b"other!", Patience::Try)
            .unwrap();
        assert!(reader.poll().unwrap().is_none());
    }
}

#[test]
fn a_test_that_panics_loses_neither_messages_nor_the_filter() {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut calls = 0;
        let panics_at_the_third = move |_: &[u8]| {
            calls += 1;
            assert!(calls != 3, "planned");
            true
        };
        let reader = topic.subscriber().reliable().filter(Filter::new().tag(3));
        let mut reader = reader.filter_payload(panics_at_the_third).join().unwrap();
        for n in 0..10 {
            let meta = Meta::new().tag(if n % 2 == 0 { 3 } else { 9 });
            publisher.publish_with(meta, &[n], Patience::Try).unwrap();
        }
        let panicked = catch_unwind(AssertUnwindSafe(|| reader.poll_batch(64).map(drop)));
        assert!(panicked.is_err());
        let mut found = vec![];
        while let Some(message) = reader.poll().unwrap() {
            found.push(message[0]);
        }
        assert_eq!(found, [0, 2, 4, 6, 8]);
        assert_eq!(reader.skipped(), 5);
    }
}
