//! One subscription to many topics.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use ringbus::{
    Bus, Filter, JoinError, Meta, MultiError, MultiSubscriber, Order, Patience, PollError,
    PublishError, Remove, Start, TimeSource,
};

use crate::support::TestBus;

const LONG: Duration = Duration::from_secs(10);

/// All that there is to read: topic, sequence.
fn drain(all: &mut MultiSubscriber<[u8]>) -> Vec<(String, u64)> {
    let mut read = Vec::new();
    while let Some(message) = all.poll().unwrap() {
        read.push((message.topic().to_string(), message.sequence()));
    }
    read
}

fn named(read: &[(&str, u64)]) -> Vec<(String, u64)> {
    read.iter()
        .map(|(name, seq)| (name.to_string(), *seq))
        .collect()
}

#[test]
fn topics_that_match_are_read_and_no_others() {
    let bus = TestBus::new();
    let names = ["s/a/t", "s/b/t", "s/a", "s/a/t/x", "r/a/t"];
    let topics = names.map(|name| bus.topic(name).create().unwrap());
    let mut all = bus.subscribe_pattern("s/*/t").join().unwrap();
    for topic in &topics {
        topic.publisher().unwrap().publish(b"x").unwrap();
    }
    let mut read = drain(&mut all);
    read.sort();
    assert_eq!(read, named(&[("s/a/t", 0), ("s/b/t", 0)]));
}

#[test]
fn a_topic_created_later_is_read_from_its_first_message() {
    for order in [Order::RoundRobin, Order::Time] {
        let bus = TestBus::new();
        let mut all = bus.subscribe_pattern("s/*").order(order).join().unwrap();
        assert_eq!(drain(&mut all), []);
        let topic = bus.topic("s/late").first_sequence(7).create().unwrap();
        topic
            .publisher()
            .unwrap()
            .publish_batch([&b"1"[..], b"2"])
            .unwrap();
        assert_eq!(drain(&mut all), named(&[("s/late", 7), ("s/late", 8)]));
    }
}

#[test]
fn a_topic_that_is_removed_while_it_is_joined_is_no_trouble() {
    let bus = TestBus::new();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for worker in 0..2 {
            let (bus, is_over) = (&bus, &is_over);
            scope.spawn(move || {
                let name = format!("s/{worker}");
                while !is_over.load(Ordering::Relaxed) {
                    bus.topic(&name).capacity(1).create().unwrap();
                    bus.remove(&name, Remove::Force).unwrap();
                }
            });
        }
        let until = Instant::now() + Duration::from_secs(2);
        let mut troubles = Vec::new();
        while Instant::now() < until {
            let mut all = bus.subscribe_pattern("s/*").join().unwrap();
            for _ in 0..20 {
                troubles.extend(all.poll().err());
            }
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(troubles.is_empty(), "{}: {}", troubles.len(), troubles[0]);
    });
}

#[test]
fn what_a_later_topic_lost_before_it_was_joined_is_counted() {
    let bus = TestBus::new();
    let mut all = bus.subscribe_pattern(">").join().unwrap();
    let publisher = bus
        .topic("t")
        .capacity(8)
        .create()
        .unwrap()
        .publisher()
        .unwrap();
    for _ in 0..30 {
        publisher.publish(b"x").unwrap();
    }
    let Err(MultiError::Poll {
        topic,
        source: PollError::Lagged { missed },
    }) = all.poll()
    else {
        panic!("it keeps 8 of 30");
    };
    assert_eq!(topic.as_str(), "t");
    assert_eq!(drain(&mut all).len() as u64 + missed, 30);
    assert_eq!(all.lagged(), missed);
}

#[test]
fn starts_are_those_of_single_subscribers() {
    let bus = TestBus::new();
    for name in ["a", "b"] {
        let publisher = bus.topic(name).create().unwrap().publisher().unwrap();
        publisher.publish_batch([&b"0"[..], b"1", b"2"]).unwrap();
    }
    for (start, each) in [(Start::Latest, 0), (Start::Last(2), 2), (Start::Oldest, 3)] {
        let mut all = bus.subscribe_pattern("*").start(start).join().unwrap();
        assert_eq!(drain(&mut all).len(), 2 * each, "{start:?}");
    }
}

#[test]
fn a_removed_topic_is_read_to_its_end_and_left() {
    let bus = TestBus::new();
    let mut all = bus.subscribe_pattern("*").join().unwrap();
    let publisher = bus.topic("t").create().unwrap().publisher().unwrap();
    assert_eq!(drain(&mut all), []);
    publisher.publish(b"before").unwrap();
    bus.remove("t", Remove::Force).unwrap();
    publisher.publish(b"after").unwrap();
    assert_eq!(drain(&mut all), named(&[("t", 0), ("t", 1)]));
    publisher.publish(b"much later").unwrap();
    assert_eq!(drain(&mut all), named(&[("t", 2)]));
    assert_eq!(all.topics().count(), 1);
    drop(publisher);
    while all.topics().count() > 0 {
        assert!(!all.wait(Duration::from_millis(1)).unwrap());
    }
}

#[test]
fn a_topic_made_anew_is_read_beside_the_old_one() {
    let bus = TestBus::new();
    let mut all = bus.subscribe_pattern("*").join().unwrap();
    let old = bus.topic("t").create().unwrap().publisher().unwrap();
    assert_eq!(drain(&mut all), []);
    bus.remove("t", Remove::Force).unwrap();
    let new = bus
        .topic("t")
        .first_sequence(100)
        .create()
        .unwrap()
        .publisher()
        .unwrap();
    old.publish(b"x").unwrap();
    new.publish(b"x").unwrap();
    let mut read = drain(&mut all);
    read.sort();
    assert_eq!(read, named(&[("t", 0), ("t", 100)]));
}

#[test]
fn messages_come_in_the_order_of_their_times() {
    let bus = TestBus::new();
    let publishers = ["a", "b", "c"].map(|name| {
        let topic = bus.topic(name).time(TimeSource::Clock).create().unwrap();
        topic.publisher().unwrap()
    });
    let turns = [2, 0, 0, 1, 2, 2, 1, 0, 1, 1, 0, 2];
    let mut all = bus
        .subscribe_pattern("*")
        .order(Order::Time)
        .join()
        .unwrap();
    for turn in turns {
        publishers[turn].publish(&[turn as u8]).unwrap();
    }
    let mut read = Vec::new();
    while let Some(message) = all.poll().unwrap() {
        read.push(usize::from(message[0]));
    }
    assert_eq!(read, turns);
}

#[test]
fn a_quiet_topic_has_its_turn_beside_busy_ones() {
    for order in [Order::RoundRobin, Order::Time] {
        let bus = TestBus::new();
        let names: Vec<_> = (0..20).map(|number| format!("t{number}")).collect();
        let publishers = names.iter().map(|name| {
            let topic = bus
                .topic(name)
                .time(TimeSource::Clock)
                .capacity(1024)
                .create()
                .unwrap();
            topic.publisher().unwrap()
        });
        let publishers: Vec<_> = publishers.collect();
        let mut all = bus.subscribe_pattern("*").order(order).join().unwrap();
        for _ in 0..500 {
            publishers[0].publish(b"busy").unwrap();
        }
        for _ in 0..100 {
            assert_eq!(all.poll().unwrap().unwrap().topic().as_str(), "t0");
        }
        publishers[13].publish(b"quiet").unwrap();
        let mut waited = 0;
        while all.poll().unwrap().unwrap().topic().as_str() != "t13" {
            waited += 1;
        }
        // By time it is behind what was published before it.
        let most = if order == Order::Time { 400 } else { 20 };
        assert!(waited <= most, "{order:?}: {waited}");
    }
}

#[test]
fn each_topic_tells_its_own_losses() {
    for order in [Order::RoundRobin, Order::Time] {
        let bus = TestBus::new();
        let counts = [("a", 100_u64), ("b", 3), ("c", 50)];
        let publishers = counts.map(|(name, _)| {
            bus.topic(name)
                .capacity(8)
                .create()
                .unwrap()
                .publisher()
                .unwrap()
        });
        let mut all = bus.subscribe_pattern("*").order(order).join().unwrap();
        for (publisher, (_, count)) in publishers.iter().zip(counts) {
            for _ in 0..count {
                publisher.publish(b"x").unwrap();
            }
        }
        let (mut read, mut lost) = ([0; 3], [0; 3]);
        let number = |name: &str| counts.iter().position(|(known, _)| *known == name).unwrap();
        loop {
            match all.poll() {
                Ok(Some(message)) => read[number(message.topic().as_str())] += 1,
                Ok(None) => break,
                Err(MultiError::Poll {
                    topic,
                    source: PollError::Lagged { missed },
                }) => {
                    lost[number(topic.as_str())] += missed;
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(
            [read[0] + lost[0], read[1], read[2] + lost[2]],
            counts.map(|(_, count)| count)
        );
        assert_eq!(lost[1], 0);
        for topic in all.topics() {
            assert_eq!(topic.lagged, lost[number(topic.name.as_str())], "{topic:?}");
            assert_eq!(topic.lag, 0);
        }
    }
}

#[test]
fn a_reliable_one_is_waited_for_on_every_topic() {
    for order in [Order::RoundRobin, Order::Time] {
        let bus = TestBus::new();
        let mut all = bus
            .subscribe_pattern("*")
            .reliable()
            .order(order)
            .join()
            .unwrap();
        let publishers = ["a", "b"].map(|name| {
            bus.topic(name)
                .capacity(4)
                .create()
                .unwrap()
                .publisher()
                .unwrap()
        });
        assert_eq!(drain(&mut all), []);
        for publisher in &publishers {
            for _ in 0..4 {
                publisher.try_publish(b"x").unwrap();
            }
            assert!(matches!(
                publisher.try_publish(b"x"),
                Err(PublishError::Full(_))
            ));
        }
        assert_eq!(drain(&mut all).len(), 8);
        for publisher in &publishers {
            publisher.try_publish(b"x").unwrap();
        }
        assert_eq!(drain(&mut all).len(), 2);
    }
}

#[test]
fn filters_hold_on_every_topic() {
    for order in [Order::RoundRobin, Order::Time] {
        let bus = TestBus::new();
        let mut all = bus
            .subscribe_pattern("*")
            .filter(Filter::new().tag(7))
            .filter_payload(|payload| payload[0] % 2 == 0)
            .order(order)
            .join()
            .unwrap();
        for name in ["a", "b"] {
            let publisher = bus.topic(name).create().unwrap().publisher().unwrap();
            for number in 0..100_u8 {
                let meta = Meta::new().tag(if number < 50 { 7 } else { 8 });
                publisher
                    .publish_with(meta, &[number], Patience::Forever)
                    .unwrap();
            }
        }
        assert!(all.wait(LONG).unwrap());
        let read = drain(&mut all);
        assert_eq!(read.len(), 50);
        assert!(read.iter().all(|(_, seq)| *seq < 50 && seq % 2 == 0));
        assert!(all.topics().all(|topic| topic.skipped == 75), "{order:?}");
    }
}

#[test]
fn a_topic_that_cannot_be_joined_is_told_of_once() {
    let bus = TestBus::new();
    bus.topic("other").typed::<f32>().create().unwrap();
    bus.topic("lean")
        .typed::<u64>()
        .tags(false)
        .create()
        .unwrap();
    let good = bus.topic("good").typed::<u64>().create().unwrap();
    let mut all = bus
        .subscribe_pattern("*")
        .typed::<u64>()
        .filter(Filter::new().tag(0))
        .join()
        .unwrap();
    good.publisher().unwrap().publish(&9).unwrap();
    let mut told = Vec::new();
    let read = loop {
        match all.poll() {
            Ok(message) => break message.map(|message| *message.payload()),
            Err(error) => told.push(error.to_string()),
        }
    };
    assert_eq!(read, Some(9));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told.iter()
            .any(|words| words.starts_with("topic other carries type f32")),
        "{told:?}"
    );
    assert!(all.poll().unwrap().is_none());
}

#[test]
fn a_full_topic_is_left_out_by_name() {
    let bus = TestBus::new();
    let topic = bus.topic("full").max_subscribers(1).create().unwrap();
    let _there = topic.subscriber().join().unwrap();
    let mut all = bus.subscribe_pattern("*").join().unwrap();
    let Err(MultiError::Join { topic, source }) = all.poll() else {
        panic!("it is full")
    };
    assert_eq!(topic.as_str(), "full");
    assert!(matches!(
        source,
        JoinError::TooManySubscribers { max: 1, .. }
    ));
}

#[test]
fn a_wait_ends_with_a_message_on_any_topic_even_a_new_one() {
    for topics in [0, 1, 5] {
        let bus = TestBus::new();
        let names: Vec<_> = (0..topics).map(|number| format!("t{number}")).collect();
        let there: Vec<_> = names
            .iter()
            .map(|name| bus.topic(name).create().unwrap())
            .collect();
        let mut all = bus
            .subscribe_pattern("*")
            .spin(Duration::ZERO)
            .join()
            .unwrap();
        assert!(!all.wait(Duration::from_millis(5)).unwrap());
        if let Some(last) = there.last() {
            thread::scope(|scope| {
                scope.spawn(|| last.publisher().unwrap().publish(b"x").unwrap());
                assert!(all.wait(LONG).unwrap());
            });
            assert_eq!(drain(&mut all).len(), 1);
        }
        thread::scope(|scope| {
            scope.spawn(|| {
                let new = bus.topic("new").create().unwrap();
                new.publisher().unwrap().publish(b"x").unwrap();
            });
            assert!(all.wait(LONG).unwrap());
        });
        assert_eq!(drain(&mut all), named(&[("new", 0)]));
    }
}

#[test]
fn while_it_waits_nothing_is_kept() {
    for order in [Order::RoundRobin, Order::Time] {
        let bus = TestBus::new();
        let topics = ["a", "b"].map(|name| bus.topic(name).create().unwrap());
        let mut all = bus.subscribe_pattern("*").order(order).join().unwrap();
        for topic in &topics {
            topic.publisher().unwrap().publish(b"x").unwrap();
        }
        assert_eq!(drain(&mut all).len(), 2);
        assert!(!all.wait(Duration::ZERO).unwrap());
        for topic in &topics {
            assert_eq!(topic.info().subscribers[0].holds, 0, "{order:?}");
        }
    }
}

#[test]
fn a_wrong_pattern_is_refused() {
    let bus = TestBus::new();
    let refused = bus.subscribe_pattern("a").also("b/>/c").join();
    assert!(matches!(refused, Err(MultiError::Pattern(_))));
}

#[test]
fn a_thousand_topics_are_one_subscription() {
    let bus = TestBus::new();
    let topics = |from: usize, to: usize| {
        let create = |number| {
            let builder = bus
                .topic(&format!("many/{number}"))
                .capacity(4)
                .payload_max(8);
            builder.max_subscribers(2).create().unwrap()
        };
        (from..to).map(create).collect::<Vec<_>>()
    };
    let first = topics(0, 500);
    let mut all = bus.subscribe_pattern("many/*").join().unwrap();
    let second = topics(500, 1000);
    for topic in first.iter().chain(&second) {
        topic.publisher().unwrap().publish(b"x").unwrap();
    }
    let mut read = drain(&mut all);
    read.sort();
    read.dedup();
    assert_eq!(read.len(), 1000);
}

#[test]
fn what_a_quiet_topic_published_meanwhile_comes_in_its_place() {
    let bus = TestBus::new();
    let topic = |name| bus.topic(name).time(TimeSource::Clock).create().unwrap();
    let (a, b) = (
        topic("a").publisher().unwrap(),
        topic("b").publisher().unwrap(),
    );
    let mut all = bus
        .subscribe_pattern("*")
        .order(Order::Time)
        .join()
        .unwrap();
    a.publish(b"x").unwrap();
    a.publish(b"x").unwrap();
    assert_eq!(all.poll().unwrap().unwrap().sequence(), 0);
    b.publish(b"x").unwrap();
    a.publish(b"x").unwrap();
    assert_eq!(drain(&mut all), named(&[("a", 1), ("b", 0), ("a", 2)]));
}

#[test]
fn a_bus_that_is_removed_is_read_to_its_end_and_then_told_of() {
    for topics in 0..3 {
        let bus = TestBus::new();
        let mut all = bus.subscribe_pattern("*").join().unwrap();
        let create = |n| bus.topic(&format!("t{n}")).create().unwrap().publisher();
        let publishers: Vec<_> = (0..topics).map(|n| create(n).unwrap()).collect();
        assert_eq!(drain(&mut all), []);
        Bus::builder().dir(bus.root().path()).destroy().unwrap();
        for publisher in &publishers {
            publisher.publish(b"still here").unwrap();
        }
        let mut read = 0;
        while read < topics {
            assert!(all.wait(LONG).unwrap());
            read += usize::from(all.poll().unwrap().is_some());
        }
        drop(publishers);
        for _ in 0..2 {
            assert!(all.wait(LONG).unwrap());
            let Err(MultiError::Watch(error)) = all.poll() else {
                panic!("nothing comes any more");
            };
            assert!(error.to_string().contains("removed since it was opened"));
        }
    }
}
