//! Filters held to their definition, and every message accounted for.

use std::time::Duration;

use proptest::prelude::*;
use ringbus::{Filter, Meta, Patience, PollError, Start, Subscriber};

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
