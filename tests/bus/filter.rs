//! Subscribers that do not want every message.

use std::{thread, time::Duration};

use proptest::prelude::*;
use ringbus::{
    Filter, JoinError, Meta, Patience, PollError, PublishError, Start, Subscriber, TimeSource,
};

use crate::support::{MODES, TestBus, checked};

/// What is published: tag, flags and payload of one message each.
type Sent = (u64, u16, u8);

/// A filter as data, so that a reference can follow its definition.
#[derive(Clone, Debug)]
struct Wish {
    tags: Option<Vec<u64>>,
    tag_mask: Option<(u64, u64)>,
    flags_mask: Option<(u16, u16)>,
    payload_below: Option<u8>,
    every: u64,
}

impl Wish {
    fn filter(&self) -> Filter {
        let mut filter = Filter::new().every(self.every);
        if let Some(tags) = &self.tags {
            filter = filter.tags(tags.iter().copied());
        }
        if let Some((mask, value)) = self.tag_mask {
            filter = filter.tag_mask(mask, value);
        }
        if let Some((mask, value)) = self.flags_mask {
            filter = filter.flags_mask(mask, value);
        }
        filter
    }

    fn passes(&self, (tag, flags, payload): Sent) -> bool {
        self.tags.as_ref().is_none_or(|tags| tags.contains(&tag))
            && self
                .tag_mask
                .is_none_or(|(mask, value)| (tag ^ value) & mask == 0)
            && self
                .flags_mask
                .is_none_or(|(mask, value)| (flags ^ value) & mask == 0)
            && self.payload_below.is_none_or(|limit| payload < limit)
    }

    /// The sequences that come through, if all of `sent` are seen.
    fn reference(&self, sent: &[Sent]) -> Vec<u64> {
        let passed = (0..).zip(sent).filter(|(_, sent)| self.passes(**sent));
        passed
            .step_by(self.every.max(1) as usize)
            .map(|(seq, _)| seq)
            .collect()
    }

    fn join(&self, bus: &TestBus, is_reliable: bool) -> Subscriber<[u8]> {
        let topic = bus.topic("t").open().unwrap();
        let mut builder = topic
            .subscriber()
            .filter(self.filter())
            .start(Start::Oldest);
        if let Some(limit) = self.payload_below {
            builder = builder.filter_payload(move |payload| payload[0] < limit);
        }
        if is_reliable {
            builder = builder.reliable();
        }
        builder.join().unwrap()
    }
}

fn sent() -> impl Strategy<Value = Vec<Sent>> {
    prop::collection::vec((0..20_u64, 0..4_u16, 0..4_u8), 0..200)
}

fn wish() -> impl Strategy<Value = Wish> {
    (
        prop::option::of(prop::collection::vec(0..20_u64, 0..14)),
        prop::option::of((0..32_u64, 0..32_u64)),
        prop::option::of((0..4_u16, 0..4_u16)),
        prop::option::of(0..5_u8),
        prop::sample::select(vec![1, 1, 1, 0, 2, 3]),
    )
        .prop_map(|(tags, tag_mask, flags_mask, payload_below, every)| Wish {
            tags,
            tag_mask,
            flags_mask,
            payload_below,
            every,
        })
}

/// How one look at the topic is made; a number above 1 is the size of a batch.
fn look(subscriber: &mut Subscriber<[u8]>, how: u8) -> Result<Vec<u64>, PollError> {
    match how {
        0 => Ok(subscriber.poll()?.iter().map(|m| m.sequence()).collect()),
        1 => {
            subscriber.wait(Duration::ZERO)?;
            Ok(vec![])
        }
        max => {
            let batch = subscriber.poll_batch(max.into())?;
            let found: Vec<_> = batch.iter().map(|m| m.sequence()).collect();
            assert_eq!(
                (batch.len(), batch.is_empty()),
                (found.len(), found.is_empty())
            );
            Ok(found)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_filter_passes_what_its_definition_says(
        sent in sent(),
        wish in wish(),
        looks in prop::collection::vec(0..9_u8, 1..9),
        mode in prop::sample::select(&MODES[..]),
    ) {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(256).payload_max(8).create().unwrap();
        let mut subscriber = wish.join(&bus, true);
        let publisher = topic.publisher().unwrap();
        let mut found = vec![];
        // Some of it is read while the rest is published.
        let mut looks = looks.iter().cycle();
        for (number, (tag, flags, payload)) in sent.iter().copied().enumerate() {
            let meta = Meta::new().tag(tag).flags(flags);
            publisher.publish_with(meta, &[payload; 3], Patience::Forever).unwrap();
            if number % 50 == 49 {
                found.extend(look(&mut subscriber, *looks.next().unwrap()).unwrap());
            }
        }
        while subscriber.lag() > 0 {
            found.extend(look(&mut subscriber, *looks.next().unwrap()).unwrap());
            if subscriber.wait(Duration::ZERO).unwrap() {
                found.extend(look(&mut subscriber, 0).unwrap());
            }
        }
        prop_assert_eq!(&found, &wish.reference(&sent));
        prop_assert_eq!(subscriber.skipped(), sent.len() as u64 - found.len() as u64);
        prop_assert_eq!(subscriber.cursor(), sent.len() as u64);
    }
}

#[test]
fn what_a_lossy_subscriber_does_not_get_was_either_skipped_or_missed() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus
            .topic_of(mode)
            .capacity(16)
            .payload_max(64)
            .create()
            .unwrap();
        let filter = Filter::new().tag_mask(1, 1);
        let mut lossy = topic.subscriber().filter(filter).join().unwrap();
        let publisher = topic.publisher().unwrap();
        let (mut got, mut random, mut published) = (0, 1_u64, 0);
        for _ in 0..2000 {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            for _ in 0..(random >> 33) % 24 {
                let meta = Meta::new().tag(published);
                let payload = checked::payload(64, 1, published);
                publisher
                    .publish_with(meta, &payload, Patience::Forever)
                    .unwrap();
                published += 1;
            }
            for _ in 0..(random >> 50) % 4 {
                match lossy.poll_batch((random >> 60) as usize) {
                    Ok(batch) => {
                        for message in &batch {
                            let serial = message.sequence();
                            assert_eq!(serial % 2, 1);
                            assert_eq!(checked::check(message.payload()), (1, serial));
                            got += 1;
                        }
                    }
                    Err(PollError::Lagged { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
                let accounted = got + lossy.skipped() + lossy.lagged();
                assert_eq!(accounted, lossy.cursor());
            }
        }
        assert!(lossy.lagged() > 0 && lossy.skipped() > 0 && got > 0);
    }
}

/// Each way to want what has tag 7, which is one message of about forty.
fn filters_by_seven() -> Vec<(Filter, bool)> {
    let far = |tag: u64| 7 + (tag << 40);
    vec![
        (Filter::new().tag(7), false),
        (Filter::new().tags([7, 9000]), false),
        (Filter::new().tags(7..1000), false),
        (Filter::new().tags((0..20).map(far)), false),
        (Filter::new().tag_mask(0xff, 7), false),
        (Filter::new().tag_mask(0xff, 7).flags_mask(1, 0), false),
        (Filter::new(), true),
    ]
}

/// Follows a subscriber of what has tag 7 and holds it to account for every message.
struct Account<'a> {
    subscriber: Subscriber<[u8]>,
    tags: &'a dyn Fn(u64) -> u64,
    got: u64,
}

impl Account<'_> {
    fn look(&mut self, how: u8) {
        let (before, missed_before) = (self.subscriber.cursor(), self.subscriber.lagged());
        let looked = look(&mut self.subscriber, how);
        let missed = self.subscriber.lagged() - missed_before;
        let passed = before..self.subscriber.cursor();
        match looked {
            // A wait keeps a loss for the next look to tell.
            Ok(found) if missed > 0 => assert_eq!((how, found), (1, vec![])),
            Ok(found) => {
                let wanted = passed.clone().filter(|seq| (self.tags)(*seq) == 7);
                assert_eq!(found, wanted.collect::<Vec<_>>(), "of {passed:?}");
                self.got += found.len() as u64;
            }
            Err(PollError::Lagged { missed: told } | PollError::Evicted { missed: told }) => {
                assert!(missed == told || missed == 0, "{told} after {missed}");
            }
            Err(error) => panic!("{error}"),
        }
        let (skipped, missed) = (self.subscriber.skipped(), self.subscriber.lagged());
        assert_eq!(self.got + skipped + missed, passed.end);
    }
}

#[test]
fn every_message_is_got_skipped_or_missed_across_laps_losses_and_evictions() {
    for mode in MODES {
        for pins in [1, 3, 32] {
            let bus = TestBus::new();
            let topic = bus
                .topic_of(mode)
                .capacity(128)
                .payload_max(8)
                .pins(pins)
                .create()
                .unwrap();
            let tags = |seq: u64| match seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58 {
                0 => 7,
                _ => 1 << 50 | seq << 8,
            };
            let join = |(filter, by_payload): (Filter, bool), kind| {
                let mut builder = topic.subscriber().filter(filter);
                if by_payload {
                    builder = builder.filter_payload(move |payload| {
                        tags(u64::from_ne_bytes(payload.try_into().unwrap())) == 7
                    });
                }
                builder = match kind {
                    0 => builder,
                    1 => builder.reliable(),
                    _ => builder.reliable().stall_timeout(Duration::from_micros(200)),
                };
                let subscriber = builder.join().unwrap();
                let tags: &dyn Fn(u64) -> u64 = &tags;
                Account {
                    subscriber,
                    tags,
                    got: 0,
                }
            };
            let filters = || filters_by_seven().into_iter();
            let mut losing: Vec<_> = filters().map(|wish| join(wish, 0)).collect();
            // Each is waited for.
            losing.extend(filters().step_by(4).map(|wish| join(wish, 2)));
            let mut reliable: Vec<_> = filters().map(|wish| join(wish, 1)).collect();
            let publisher = topic.publisher().unwrap();
            let (mut published, mut random) = (0, 1_u64);
            for _ in 0..30 {
                random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                for _ in 0..(random >> 33) % 128 {
                    let meta = Meta::new().tag(tags(published));
                    let sent =
                        publisher.publish_with(meta, &published.to_ne_bytes(), Patience::Forever);
                    assert_eq!(sent.unwrap(), published);
                    published += 1;
                }
                for (number, account) in losing.iter_mut().enumerate() {
                    // Some are as far behind as can be by the time of their next look.
                    if (random >> 20) % 7 != number as u64 % 7 {
                        account.look((random >> (40 + number)) as u8 % 5);
                    }
                }
                for account in &mut reliable {
                    while account.subscriber.cursor() < published {
                        account.look(64);
                    }
                }
            }
            for account in losing.iter_mut().chain(&mut reliable) {
                while account.subscriber.cursor() < published {
                    account.look(2);
                }
                account.look(2);
                assert_eq!(account.subscriber.lag(), 0);
            }
            let all = |accounts: &[Account], count: fn(&Account) -> u64| -> u64 {
                accounts.iter().map(count).sum()
            };
            let missed = |account: &Account| account.subscriber.lagged();
            assert!(all(&losing[..7], missed) > 0, "nobody was lapped");
            assert!(all(&losing[7..], missed) > 0, "nobody was evicted");
            assert_eq!(all(&reliable, missed), 0);
            assert!(all(&losing, |account| account.got) > 0);
        }
    }
}

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
