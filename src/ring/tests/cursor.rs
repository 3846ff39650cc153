//! Subscribers, step by step.

use super::heap::{HeapTopic, exclusive, publish, publish_shared, read, shared};
use crate::ring::{
    cursor::{Delivery, Run},
    sequence::Sequence,
};

#[test]
fn held_message_keeps_its_place_after_its_subscriber_was_overtaken() {
    let topic = HeapTopic::new(exclusive(2));
    let (ring, mut publisher) = (topic.ring(), topic.exclusive());
    let mut subscriber = topic.join(0, 0, Delivery::Lossy);
    publish(&mut publisher, &ring).unwrap();
    let first = Sequence(0);
    assert_eq!(subscriber.take(1), Ok(Some(Run { first, len: 1 })));

    for _ in 0..2 {
        publish(&mut publisher, &ring).unwrap();
    }
    assert_eq!(read(&ring, subscriber.place(first).unwrap()), 0);
}

#[test]
fn held_message_of_a_shared_topic_keeps_its_place_too() {
    let topic = HeapTopic::new(shared(2));
    let (ring, mut publisher) = (topic.ring(), topic.shared(0));
    let mut subscriber = topic.join(0, 0, Delivery::Lossy);
    publish_shared(&mut publisher, &ring, 0).unwrap();
    let first = Sequence(0);
    assert_eq!(subscriber.take(1), Ok(Some(Run { first, len: 1 })));

    for content in 1..3 {
        publish_shared(&mut publisher, &ring, content).unwrap();
    }
    assert_eq!(read(&ring, subscriber.place(first).unwrap()), 0);
}
