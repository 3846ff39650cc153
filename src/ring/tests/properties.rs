//! Any sequence of operations on a ring, compared with a model that keeps every message for ever.

use proptest::prelude::*;

use super::{
    heap::{self, HeapTopic},
    shapes,
};
use crate::ring::{
    cursor::{Cursor, Delivery, Interruption},
    layout::Shape,
    publish::ExclusivePublisher,
    publish_shared::SharedPublisher,
    sequence::Sequence,
    tail::{find_oldest, find_tail},
};

/// One step of a history. Numbers are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
enum Step {
    Publish { publisher: u8, count: u8 },
    Abort { publisher: u8 },
    TakeOver { publisher: u8 },
    Take { subscriber: u8, max: u8 },
    TakeNewest { subscriber: u8 },
    Release { subscriber: u8 },
    Rejoin { subscriber: u8, back: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    let byte = any::<u8>;
    prop_oneof![
        5 => (byte(), 1..9_u8).prop_map(|(publisher, count)| Step::Publish { publisher, count }),
        1 => byte().prop_map(|publisher| Step::Abort { publisher }),
        1 => byte().prop_map(|publisher| Step::TakeOver { publisher }),
        5 => (byte(), 1..6_u8).prop_map(|(subscriber, max)| Step::Take { subscriber, max }),
        1 => byte().prop_map(|subscriber| Step::TakeNewest { subscriber }),
        2 => byte().prop_map(|subscriber| Step::Release { subscriber }),
        1 => (byte(), byte()).prop_map(|(subscriber, back)| Step::Rejoin { subscriber, back }),
    ]
}

/// Where packed forms of a sequence wrap or grow, less a few.
fn first_sequence() -> impl Strategy<Value = u64> {
    let border = prop::sample::select(vec![
        0,
        1 << 24,
        1 << 40,
        3 << 40,
        1 << 48,
        3 << 48,
        1 << 61,
    ]);
    (border, 0..9_u64).prop_map(|(border, before): (u64, u64)| border.saturating_sub(before))
}

fn cases() -> ProptestConfig {
    let cases = if cfg!(miri) { 4 } else { 512 };
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn exclusive_topics_do_what_the_model_does(
        capacity_log2 in 0..7_u32,
        first in first_sequence(),
        steps in prop::collection::vec(step(), 1..if cfg!(miri) { 30 } else { 200 }),
    ) {
        let shape = Shape { first_sequence: first, ..shapes::exclusive(1 << capacity_log2) };
        run(Shape { max_subscribers: 3, ..shape }, &steps);
    }

    #[test]
    fn shared_topics_do_what_the_model_does(
        capacity_log2 in 0..7_u32,
        first in first_sequence(),
        steps in prop::collection::vec(step(), 1..if cfg!(miri) { 30 } else { 200 }),
    ) {
        let shape = Shape { first_sequence: first, ..shapes::shared(1 << capacity_log2) };
        run(Shape { max_subscribers: 3, ..shape }, &steps);
    }
}

/// A reader, and what the model knows of it.
struct Reader<'m> {
    cursor: Cursor<'m>,
    delivery: Delivery,
    /// The next sequence that it is due.
    due: u64,
    /// What it holds: sequences from `.0`, `.1` of them.
    held: (u64, u32),
}

enum Writer<'m> {
    Exclusive(Box<ExclusivePublisher<'m>>),
    Shared(Vec<SharedPublisher<'m>>),
}

fn run(shape: Shape, steps: &[Step]) {
    let topic = HeapTopic::new(shape);
    let first = shape.first_sequence;
    let mut writer = match shape.loans {
        0 => Writer::Exclusive(topic.exclusive().into()),
        _ => Writer::Shared(vec![topic.shared(0), topic.shared(1)]),
    };
    let deliveries = [Delivery::Reliable, Delivery::Lossy, Delivery::Lossy];
    let mut readers: Vec<_> = (0..3)
        .map(|index| Reader {
            cursor: topic.join(index, first, deliveries[index as usize]),
            delivery: deliveries[index as usize],
            due: first,
            held: (first, 0),
        })
        .collect();
    // The sequence of the next message; each message's content is its sequence.
    let mut tail = first;
    for step in steps {
        match *step {
            Step::Publish { publisher, count } => {
                for _ in 0..count {
                    let published = writer.publish(&topic, publisher, tail);
                    let slowest = readers[0].due.min(readers[0].held.0);
                    let has_room = tail - slowest < shape.capacity_slots;
                    assert_eq!(published, has_room.then_some(tail), "the gate at {slowest}");
                    tail += u64::from(has_room);
                }
            }
            Step::Abort { publisher } => writer.abort(&topic, publisher),
            Step::TakeOver { publisher } => writer.take_over(&topic, publisher),
            Step::Take { subscriber, max } => {
                let reader = &mut readers[usize::from(subscriber) % 3];
                reader.take(max.into(), tail, &shape);
            }
            Step::TakeNewest { subscriber } => {
                let reader = &mut readers[usize::from(subscriber) % 3];
                let is_due = |newest: &u64| *newest >= reader.due.max(first);
                // An aborted message has given up the oldest: all that there was, at capacity 1.
                let is_there = |newest: &u64| *newest >= find_oldest(&topic.ring()).0;
                let newest = tail.checked_sub(1).filter(is_due).filter(is_there);
                let taken = reader.cursor.take_newest().0.expect("no damage");
                assert_eq!(taken.map(|run| run.first.0), newest);
                reader.due = newest.map_or(reader.due.max(reader.cursor.next().0), |at| at + 1);
                reader.held = (newest.unwrap_or(reader.due), newest.is_some().into());
            }
            Step::Release { subscriber } => {
                let reader = &mut readers[usize::from(subscriber) % 3];
                reader.cursor.release();
                reader.cursor.release_pins();
                reader.held = (reader.due, 0);
            }
            Step::Rejoin { subscriber, back } => {
                let index = u32::from(subscriber) % 3;
                let reader = &mut readers[index as usize];
                reader.cursor.leave();
                let start = tail.saturating_sub(back.into()).max(first);
                reader.cursor = topic.join(index, start, reader.delivery);
                reader.due = start;
                reader.held = (start, 0);
                let oldest = find_oldest(&topic.ring()).0;
                if oldest > start {
                    let told = reader.cursor.take(1);
                    let missed = oldest - start;
                    assert_eq!(told, Err(Interruption::Lagged { missed }));
                    reader.due = oldest;
                    reader.held = (oldest, 0);
                }
            }
        }
        assert_eq!(find_tail(&topic.ring()), Sequence(tail));
        for reader in &readers {
            reader.check_held(&topic);
        }
    }
}

impl Reader<'_> {
    fn take(&mut self, max: u32, tail: u64, shape: &Shape) {
        match self.cursor.take(max) {
            Ok(run) => {
                let max = match self.delivery {
                    Delivery::Reliable => max,
                    Delivery::Lossy => max.min(shape.pins),
                };
                let len = run.map_or(0, |run| run.len);
                assert_eq!(u64::from(len), (tail - self.due).min(max.into()));
                assert!(run.is_none_or(|run| run.first.0 == self.due));
                self.held = (self.due, len);
                self.due += u64::from(len);
            }
            Err(Interruption::Lagged { missed }) => {
                assert_eq!(self.delivery, Delivery::Lossy);
                assert!(missed > 0 && self.due + missed <= tail);
                self.due += missed;
                assert_eq!(self.cursor.next().0, self.due);
                self.held = (self.due, 0);
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    /// What it holds is still what was published.
    fn check_held(&self, topic: &HeapTopic) {
        for seq in (self.held.0..).take(self.held.1 as usize) {
            let place = self.cursor.place(Sequence(seq)).expect("it is held");
            assert_eq!(heap::read(&topic.ring(), place), seq);
        }
    }
}

impl<'m> Writer<'m> {
    fn publish(&mut self, topic: &'m HeapTopic, publisher: u8, content: u64) -> Option<u64> {
        match self {
            Self::Exclusive(publisher) => heap::publish(publisher, &topic.ring()).ok(),
            Self::Shared(publishers) => {
                let publisher = &mut publishers[usize::from(publisher) % 2];
                heap::publish_shared(publisher, &topic.ring(), content).ok()
            }
        }
    }

    /// Lends and writes, and changes its mind.
    fn abort(&mut self, topic: &'m HeapTopic, publisher: u8) {
        match self {
            Self::Exclusive(publisher) => {
                if let Ok(place) = publisher.place(0, &heap::AllReserved) {
                    heap::write(&topic.ring(), place, u64::MAX);
                }
            }
            Self::Shared(publishers) => {
                let publisher = &mut publishers[usize::from(publisher) % 2];
                if let Ok(loan) = publisher.lend(&heap::AllReserved) {
                    heap::write(&topic.ring(), loan.place(), u64::MAX);
                    publisher.abort(loan);
                }
            }
        }
    }

    fn take_over(&mut self, topic: &'m HeapTopic, publisher: u8) {
        match self {
            Self::Exclusive(publisher) => **publisher = topic.exclusive(),
            Self::Shared(publishers) => {
                let index = publisher % 2;
                publishers[usize::from(index)] = topic.shared(index.into());
            }
        }
    }
}
