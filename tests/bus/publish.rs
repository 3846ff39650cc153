//! Publishing: order, refusals, waiting, and who may publish.

use std::{
    process, thread,
    time::{Duration, Instant},
};

use ringbus::{JoinError, Meta, Patience, PublishError, PublisherMode, Start};

use crate::support::{MODES, TestBus};

const A_MOMENT: Duration = Duration::from_millis(30);

#[test]
fn tags_flags_and_publisher_travel_with_the_message() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut subscriber = topic.subscriber().join().unwrap();
        let mut observer = topic.observer(Start::Latest).unwrap();
        let meta = Meta::new().tag(u64::MAX - 1).flags(0xabcd);
        publisher.publish_with(meta, b"a", Patience::Try).unwrap();
        publisher.publish(b"b").unwrap();

        let message = subscriber.poll().unwrap().expect("published");
        assert_eq!((message.tag(), message.flags()), (u64::MAX - 1, 0xabcd));
        assert_eq!(message.publisher(), Some(publisher.id()));
        drop(message);
        let message = subscriber.poll().unwrap().expect("published");
        assert_eq!((message.tag(), message.flags()), (0, 0));
        let copy = observer.poll().unwrap().expect("published");
        assert_eq!((copy.tag(), copy.flags()), (u64::MAX - 1, 0xabcd));
        assert_eq!(copy.publisher(), Some(publisher.id()));
    }
}

#[test]
fn a_topic_without_tags_refuses_them() {
    let bus = TestBus::new();
    let topic = bus
        .topic("t")
        .payload_fixed(1)
        .tags(false)
        .create()
        .unwrap();
    let publisher = topic.publisher().unwrap();
    let mut subscriber = topic.subscriber().join().unwrap();
    for (meta, what) in [
        (Meta::new().tag(1), "tags"),
        (Meta::new().flags(1), "flags"),
    ] {
        let refused = publisher.publish_with(meta, b"x", Patience::Forever);
        assert_eq!(refused, Err(PublishError::NotKept { what }));
        let mut loan = publisher.loan(1).unwrap();
        loan.set_tag(7);
        assert_eq!(loan.commit(), Err(PublishError::NotKept { what: "tags" }));
    }
    assert!(subscriber.poll().unwrap().is_none());
    assert_eq!(publisher.publish(b"y"), Ok(0));
    let message = subscriber.poll().unwrap().expect("published");
    assert_eq!((message.payload(), message.publisher()), (&b"y"[..], None));
}

#[test]
fn full_names_the_slowest_subscriber() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(8).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut first = topic.subscriber().reliable().join().unwrap();
        let mut second = topic.subscriber().reliable().join().unwrap();
        for serial in 0..8_u8 {
            publisher.try_publish(&[serial]).unwrap();
        }
        for (ahead, behind) in [(&mut first, 1), (&mut second, 0)] {
            drop(ahead.poll().unwrap().expect("published"));
            let refused = publisher.try_publish(b"x");
            let Err(PublishError::Full(culprit)) = refused else {
                // Both have read the first message: one more fits.
                assert_eq!((behind, refused), (0, Ok(8)));
                continue;
            };
            let slowest = topic.info().subscribers;
            let slowest = slowest.iter().max_by_key(|subscriber| subscriber.lag);
            assert_eq!(slowest.map(|slowest| slowest.id), Some(culprit.subscriber));
            assert_eq!((culprit.subscriber, culprit.behind), (behind, 8));
            assert_eq!((culprit.pid, culprit.holds_pins), (process::id(), false));
            let text = PublishError::Full(culprit).to_string();
            assert!(text.contains(&format!("pid {}", process::id())), "{text}");
        }
        // What was refused left no trace.
        assert_eq!(topic.info().next, 9);
        for serial in 1..8 {
            let message = first.poll().unwrap().expect("published");
            assert_eq!(
                (message.sequence(), message.payload()),
                (serial, &[serial as u8][..])
            );
        }
    }
}

#[test]
fn a_message_that_is_still_being_read_is_not_overwritten() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(2).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut reliable = topic.subscriber().reliable().join().unwrap();
        publisher.publish(b"a").unwrap();
        publisher.publish(b"b").unwrap();
        let message = reliable.poll().unwrap().expect("published");
        assert!(matches!(
            publisher.try_publish(b"c"),
            Err(PublishError::Full(_))
        ));
        assert_eq!(message.payload(), b"a");
        drop(message);
        assert_eq!(publisher.try_publish(b"c"), Ok(2));
    }
}

#[test]
fn publish_waits_until_a_subscriber_has_read() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(1).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut reliable = topic.subscriber().reliable().join().unwrap();
        publisher.publish(b"a").unwrap();
        let started = Instant::now();
        let reader = thread::spawn(move || {
            thread::sleep(A_MOMENT);
            drop(reliable.poll().unwrap().expect("published"));
            reliable
        });
        assert_eq!(publisher.publish(b"b"), Ok(1));
        assert!(started.elapsed() >= A_MOMENT);
        let mut reliable = reader.join().unwrap();
        assert_eq!(reliable.poll().unwrap().expect("published").payload(), b"b");
        assert_eq!((topic.info().waited, topic.info().full), (1, 0));
    }
}

#[test]
fn publish_timeout_gives_up_in_time_and_leaves_no_trace() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(1).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut reliable = topic.subscriber().reliable().join().unwrap();
        publisher.publish(b"a").unwrap();
        let started = Instant::now();
        let refused = publisher.publish_timeout(b"b", A_MOMENT);
        assert!(matches!(refused, Err(PublishError::Full(culprit)) if culprit.behind == 1));
        assert!(started.elapsed() >= A_MOMENT);
        assert!(started.elapsed() < Duration::from_secs(10));
        drop(reliable.poll().unwrap().expect("published"));
        assert!(reliable.poll().unwrap().is_none());
        assert_eq!(publisher.publish_timeout(b"c", A_MOMENT), Ok(1));
        assert_eq!(reliable.poll().unwrap().expect("published").payload(), b"c");
    }
}

#[test]
fn a_batch_is_published_in_order_and_waits_for_room() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(8).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut reliable = topic.subscriber().reliable().join().unwrap();
        let reader = thread::spawn(move || {
            let mut got = Vec::new();
            while got.len() < 1000 {
                reliable.wait(Duration::from_secs(10)).unwrap();
                got.extend(
                    reliable
                        .poll_batch(5)
                        .unwrap()
                        .iter()
                        .map(|message| message[0]),
                );
            }
            got
        });
        let payloads: Vec<[u8; 1]> = (0..1000_u32).map(|serial| [serial as u8]).collect();
        let count = publisher.publish_batch(payloads.iter().map(|payload| &payload[..]));
        assert_eq!(count, Ok(1000));
        assert_eq!(reader.join().unwrap(), payloads.concat());
    }
}

#[test]
fn a_batch_stops_at_the_first_payload_that_is_refused() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).payload_max(4).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut subscriber = topic.subscriber().join().unwrap();
        let payloads: [&[u8]; 4] = [b"a", b"b", b"too long", b"c"];
        let refused = publisher.publish_batch(payloads);
        assert_eq!(refused, Err(PublishError::TooLong { bytes: 8, max: 4 }));
        assert_eq!(publisher.published(), 2);
        let batch = subscriber.poll_batch(10).unwrap();
        let got: Vec<_> = batch.iter().map(|message| message.to_vec()).collect();
        assert_eq!(got, [b"a", b"b"]);
    }
}

#[test]
fn the_second_publisher_of_an_exclusive_topic_is_refused_by_pid() {
    let bus = TestBus::new();
    let topic = bus.topic("t").create().unwrap();
    let publisher = topic.publisher().unwrap();
    let error = topic.publisher().unwrap_err();
    let is_named = matches!(error, JoinError::PublisherExists { pid, .. } if pid == process::id());
    assert!(is_named, "{error}");
    assert!(
        error
            .to_string()
            .contains(&format!("pid {}", process::id())),
        "{error}"
    );
    assert_eq!(publisher.publish(b"a"), Ok(0));
    drop(publisher);
    let successor = topic.publisher().unwrap();
    assert_eq!(successor.publish(b"b"), Ok(1));
}

#[test]
fn a_shared_topic_has_as_many_publishers_as_it_was_made_for() {
    let bus = TestBus::new();
    let topic = bus.topic("t").shared().max_publishers(3).create().unwrap();
    let mut publishers: Vec<_> = (0..3).map(|_| topic.publisher().unwrap()).collect();
    let error = topic.publisher().unwrap_err();
    assert!(
        matches!(error, JoinError::TooManyPublishers { max: 3, .. }),
        "{error}"
    );
    let mut ids: Vec<_> = publishers.iter().map(ringbus::Publisher::id).collect();
    ids.sort_unstable();
    assert_eq!(ids, [0, 1, 2]);
    let left = publishers.remove(1);
    let place = left.id();
    drop(left);
    assert_eq!(topic.publisher().unwrap().id(), place);
}

#[test]
fn shared_publishers_have_one_total_order() {
    const EACH: u64 = 3000;
    let bus = TestBus::new();
    let topic = bus.topic("t").shared().capacity(16).create().unwrap();
    let mut readers = [0, 1].map(|_| topic.subscriber().reliable().join().unwrap());
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let publisher = topic.publisher().unwrap();
            thread::spawn(move || {
                let publish = |serial: u64| publisher.publish(&serial.to_le_bytes()).unwrap();
                (0..EACH).map(publish).collect::<Vec<_>>()
            })
        })
        .collect();
    let mut orders: [Vec<(u16, u64)>; 2] = [Vec::new(), Vec::new()];
    let expected = EACH as usize * writers.len();
    while orders.iter().any(|order| order.len() < expected) {
        for (reader, order) in readers.iter_mut().zip(&mut orders) {
            for message in &reader.poll_batch(64).unwrap() {
                assert_eq!(message.sequence(), order.len() as u64);
                let serial = u64::from_le_bytes(message[..].try_into().unwrap());
                order.push((message.publisher().expect("kept"), serial));
            }
        }
    }
    assert_eq!(orders[0], orders[1]);
    for (id, writer) in writers.into_iter().enumerate() {
        // Each sequence that a publisher was told is that of its own message.
        for (serial, seq) in writer.join().unwrap().into_iter().enumerate() {
            let (_, found) = orders[0][seq as usize];
            assert_eq!(found, serial as u64, "publisher {id}");
        }
    }
    for id in 0..4 {
        let own: Vec<_> = orders[0].iter().filter(|(from, _)| *from == id).collect();
        assert!(own.iter().map(|(_, serial)| *serial).eq(0..EACH));
    }
}

#[test]
fn a_publisher_that_left_and_came_back_continues() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(4).create().unwrap();
        let mut reliable = topic.subscriber().reliable().join().unwrap();
        for round in 0..50_u8 {
            let publisher = topic.publisher().unwrap();
            assert_eq!(publisher.publish(&[round]), Ok(round.into()));
            // A loan that is open when its publisher leaves was never there.
            let mut loan = publisher.loan(1).unwrap();
            loan[0] = 0xff;
            drop(loan);
            drop(publisher);
            let message = reliable.poll().unwrap().expect("published");
            assert_eq!(
                (message.sequence(), message.payload()),
                (round.into(), &[round][..])
            );
        }
        let is_shared = mode == PublisherMode::Shared;
        assert_eq!(topic.info().mode == PublisherMode::Shared, is_shared);
        assert_eq!(topic.info().published, 50);
    }
}
