//! One subscription to many topics, beside a reference that only knows names and lists.

use std::collections::BTreeMap;

use proptest::prelude::*;
use ringbus::{MultiSubscriber, Order, Pattern, Publisher, Remove, Start, TimeSource};

use crate::support::TestBus;

/// Whether a pattern's levels stand for a name's, by the definition.
fn matches(pattern: &[&str], name: &[&str]) -> bool {
    match (pattern, name) {
        ([">"], [_, ..]) => true,
        ([], []) => true,
        (["*", pattern @ ..], [_, name @ ..]) => matches(pattern, name),
        ([level, pattern @ ..], [found, name @ ..]) => level == found && matches(pattern, name),
        _ => false,
    }
}

fn name() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b"]), 1..4)
        .prop_map(|levels| levels.join("/"))
}

fn pattern() -> impl Strategy<Value = String> {
    let levels = prop::collection::vec(prop::sample::select(vec!["a", "b", "*"]), 0..3);
    (levels, any::<bool>()).prop_map(|(mut levels, has_rest)| {
        if has_rest || levels.is_empty() {
            levels.push(">");
        }
        levels.join("/")
    })
}

#[derive(Clone, Debug)]
enum Step {
    Publish(String),
    Remove(String),
    Read(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => name().prop_map(Step::Publish),
        1 => name().prop_map(Step::Remove),
        2 => (1..6_usize).prop_map(Step::Read),
    ]
}

/// What was published and not read yet, in the order of publishing: topic, incarnation and sequence.
type Due = Vec<(String, u64)>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn patterns_match_as_defined(pattern in pattern(), name in name()) {
        let (levels, parts): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), name.split('/').collect());
        prop_assert_eq!(Pattern::new(&pattern).unwrap().matches(&name), matches(&levels, &parts));
    }

    /// Topics come and go between publishes and reads. Everything on topics that match is read, once and
    /// in each topic's order; by time, in the order in which it was published.
    #[test]
    fn what_matches_is_read_once_and_in_order(
        pattern in pattern(),
        steps in prop::collection::vec(step(), 1..60),
        is_by_time in any::<bool>(),
    ) {
        let bus = TestBus::new();
        let order = if is_by_time { Order::Time } else { Order::RoundRobin };
        let mut all = bus.subscribe_pattern(&pattern).order(order).start(Start::Oldest).join().unwrap();
        let levels: Vec<_> = pattern.split('/').collect();
        let mut publishers: BTreeMap<String, Publisher<[u8]>> = BTreeMap::new();
        let mut due = Due::new();
        let mut serial = 0_u64;
        for step in steps {
            match step {
                Step::Publish(name) => {
                    let publisher = publishers.entry(name.clone()).or_insert_with(|| {
                        let topic = bus.topic(&name).capacity(128).time(TimeSource::Clock);
                        topic.create().unwrap().publisher().unwrap()
                    });
                    publisher.publish(&serial.to_le_bytes()).unwrap();
                    if matches(&levels, &name.split('/').collect::<Vec<_>>()) {
                        due.push((name, serial));
                    }
                    serial += 1;
                }
                Step::Remove(name) => {
                    // What is not known yet when a topic goes is nobody's: let it be known.
                    read(&mut all, &mut due, usize::MAX, is_by_time)?;
                    if publishers.remove(&name).is_some() {
                        bus.remove(&name, Remove::Force).unwrap();
                    }
                }
                Step::Read(most) => read(&mut all, &mut due, most, is_by_time)?,
            }
        }
        read(&mut all, &mut due, usize::MAX, is_by_time)?;
        prop_assert!(due.is_empty(), "never read: {due:?}");
        prop_assert_eq!(all.lagged(), 0);
    }
}

/// Reads up to `most` messages, all of which are due.
fn read(
    all: &mut MultiSubscriber<[u8]>,
    due: &mut Due,
    most: usize,
    is_by_time: bool,
) -> Result<(), TestCaseError> {
    for _ in 0..most {
        let Some(message) = all.poll().unwrap() else {
            prop_assert!(due.is_empty(), "not there: {due:?}");
            break;
        };
        let serial = u64::from_le_bytes(*message.first_chunk().expect("8 bytes"));
        let topic = message.topic().as_str();
        // Of a topic, the first that is due; by time, the first of all.
        let is_next = |(name, _): &(String, u64)| is_by_time || name == topic;
        let next = due.iter().position(is_next);
        prop_assert_eq!(
            next.map(|next| due.remove(next)),
            Some((topic.to_owned(), serial))
        );
    }
    Ok(())
}
