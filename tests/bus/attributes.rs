//! Attributes on their way from publishers to readers of every kind.

use proptest::prelude::*;
use ringbus::{
    Attribute, Attributes, Meta, Patience, PublishError, Publisher, Start, TimeSource, TopicError,
};

use crate::support::{MODES, TestBus, checked};

const ROOM: usize = 60;

/// Attributes of up to `ROOM` bytes that `serial` determines, none among them.
fn attributes_of(serial: u64) -> Attributes {
    let mut attributes = Attributes::new();
    if serial.is_multiple_of(3) {
        return attributes;
    }
    attributes.set("serial", serial as i64).unwrap();
    let text = "x".repeat(serial as usize % (ROOM - attributes.len_bytes() - 8));
    attributes.set("text", &text).unwrap();
    attributes
}

fn publish(publisher: &Publisher<[u8]>, serial: u64) {
    let payload = checked::payload(100, 1, serial);
    let attributes = attributes_of(serial);
    if serial.is_multiple_of(2) {
        let meta = Meta::new().tag(serial).attributes(&attributes);
        publisher
            .publish_with(meta, &payload, Patience::Forever)
            .unwrap();
        return;
    }
    let mut loan = publisher.loan(100).unwrap();
    // What was set before does not shine through.
    let before = Attributes::new()
        .with("before", "y".repeat(ROOM - 10).as_str())
        .unwrap();
    loan.set_attributes(&before).unwrap();
    loan.set_attributes(&attributes).unwrap();
    loan.set_tag(serial);
    loan[..payload.len()].copy_from_slice(&payload);
    loan.truncate(payload.len()).unwrap();
    loan.commit().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_kind_of_reader_gets_what_was_published(
        mode in prop::sample::select(&MODES[..]),
        time in prop::sample::select(&[TimeSource::None, TimeSource::Clock][..]),
        one_by_one in any::<bool>(),
        alignment in prop::sample::select(&[8_usize, 64][..]),
        count in 1..60_u64,
    ) {
        let bus = TestBus::new();
        let builder = bus.topic_of(mode).payload_max(100).attributes_max(ROOM).capacity(64);
        let topic = builder.time(time).alignment(alignment).create().unwrap();
        let mut subscriber = topic.subscriber().join().unwrap();
        let mut observer = topic.observer(Start::Oldest).unwrap();
        let publisher = topic.publisher().unwrap();
        (0..count).for_each(|serial| publish(&publisher, serial));
        for serial in 0..count {
            let expected = attributes_of(serial);
            let copy = observer.poll().unwrap().unwrap();
            prop_assert_eq!(checked::check(copy.payload()), (1, serial));
            prop_assert_eq!(copy.attributes().to_owned(), expected.clone());
            if one_by_one {
                let message = subscriber.poll().unwrap().unwrap();
                prop_assert_eq!(checked::check(message.payload()), (1, serial));
                prop_assert_eq!(message.tag(), serial);
                prop_assert_eq!(message.attributes().to_owned(), expected);
            } else {
                let batch = subscriber.poll_batch(1).unwrap();
                let message = batch.iter().next().unwrap();
                prop_assert_eq!(message.attributes().to_owned(), expected);
            }
        }
    }
}

#[test]
fn a_topic_without_room_has_messages_without_attributes() {
    let bus = TestBus::new();
    let topic = bus.topic("t").create().unwrap();
    assert_eq!(topic.info().attributes_max_bytes, 0);
    let mut subscriber = topic.subscriber().join().unwrap();
    let publisher = topic.publisher().unwrap();
    let some = Attributes::new().with("a", 1).unwrap();
    let refused = publisher.publish_with(Meta::new().attributes(&some), b"", Patience::Try);
    assert_eq!(refused, Err(PublishError::NotKept { what: "attributes" }));
    let mut loan = publisher.loan(1).unwrap();
    let refused = loan.set_attributes(&some);
    assert_eq!(refused, Err(PublishError::NotKept { what: "attributes" }));
    drop(loan);
    let none = Attributes::new();
    publisher
        .publish_with(Meta::new().attributes(&none), b"", Patience::Try)
        .unwrap();
    assert!(subscriber.poll().unwrap().unwrap().attributes().is_empty());
}

#[test]
fn they_fit_to_the_last_byte_and_no_further() {
    for mode in MODES {
        for payload_max in [0, 1, 7, 8, 100] {
            let bus = TestBus::new();
            let builder = bus.topic_of(mode).payload_max(payload_max).capacity(2);
            let topic = builder.attributes_max(ROOM).create().unwrap();
            let mut subscriber = topic.subscriber().reliable().join().unwrap();
            let publisher = topic.publisher().unwrap();
            let text = "x".repeat(ROOM - 5);
            let exact = Attributes::new().with("k", text.as_str()).unwrap();
            for _ in 0..5 {
                let meta = Meta::new().attributes(&exact);
                let payload = vec![0xff; payload_max];
                publisher
                    .publish_with(meta, &payload, Patience::Forever)
                    .unwrap();
                let message = subscriber.poll().unwrap().unwrap();
                assert_eq!(message.payload(), payload);
                assert_eq!(message.attributes().get("k"), Some(Attribute::Text(&text)));
            }
            let longer = exact.with("l", true).unwrap();
            let refused =
                publisher.publish_with(Meta::new().attributes(&longer), &[], Patience::Try);
            let bytes = ROOM + 6;
            let too_long = PublishError::AttributesTooLong { bytes, max: ROOM };
            assert_eq!(refused, Err(too_long));
        }
    }
}

#[test]
fn the_room_is_part_of_what_a_topic_is() {
    let bus = TestBus::new();
    bus.topic("t").attributes_max(64).create().unwrap();
    assert_eq!(
        bus.topic("t").open().unwrap().info().attributes_max_bytes,
        64
    );
    assert!(bus.topic("t").attributes_max(64).open().is_ok());
    let refused = bus.topic("t").attributes_max(65).open().unwrap_err();
    assert!(
        matches!(
            refused,
            TopicError::Mismatch {
                what: "attributes_max",
                ..
            }
        ),
        "{refused}"
    );
    let refused = bus.topic("u").attributes_max(65_536).create().unwrap_err();
    assert!(
        refused.to_string().contains("attributes_max is 65536"),
        "{refused}"
    );
}
