//! The range of capacities, payloads, alignments and sequences.

use std::{fs, process::Command};

use ringbus::{
    Payload, PollError, PublishError, Publisher, ShapeError, Start, Subscriber, Topic, TopicError,
};

use crate::support::{MODES, TestBus, checked};

/// Publishes `count` checked messages in rounds of `capacity`, each read by a reliable subscriber.
fn flow(topic: &Topic<[u8]>, count: u64, payload: impl Fn(u64) -> Vec<u8>) {
    let info = topic.info();
    let (mut next, end) = (info.next, info.next + count);
    let publisher = topic.publisher().unwrap();
    let mut reliable = topic.subscriber().reliable().join().unwrap();
    let mut observer = topic.observer(Start::Latest).unwrap();
    while next < end {
        let round_end = end.min(next + info.capacity_slots);
        for serial in next..round_end {
            let seq = publisher.try_publish(&payload(serial)).unwrap();
            assert_eq!(seq, serial);
            let seen = observer.poll().unwrap().expect("just published");
            assert_eq!(
                (seen.sequence(), seen.payload()),
                (serial, &*payload(serial))
            );
        }
        if round_end - next == info.capacity_slots {
            let refused = publisher.try_publish(&payload(round_end));
            assert!(matches!(refused, Err(PublishError::Full(_))), "{refused:?}");
        }
        for serial in next..round_end {
            let message = reliable.poll().unwrap().expect("published");
            assert_eq!(
                (message.sequence(), message.payload()),
                (serial, &*payload(serial))
            );
        }
        assert!(reliable.poll().unwrap().is_none());
        next = round_end;
    }
}

#[test]
fn every_power_of_two_is_a_capacity() {
    for mode in MODES {
        for capacity_log2 in 0..=12 {
            let bus = TestBus::new();
            let capacity = 1 << capacity_log2;
            let topic = bus.topic_of(mode).capacity(capacity).payload_max(100);
            let topic = topic.create().unwrap();
            assert_eq!(topic.info().capacity_slots, capacity as u64);
            flow(&topic, 3 * capacity as u64 + 5, |serial| {
                checked::payload(100, 7, serial)
            });
        }
    }
}

#[test]
fn other_capacities_are_refused() {
    let bus = TestBus::new();
    for capacity in [0, 3, 6, 4095, (1 << 30) + 1, 1 << 31] {
        let error = bus.topic("t").capacity(capacity).create().unwrap_err();
        let is_capacity = matches!(error, TopicError::Shape(ShapeError::Capacity { slots, .. }) if slots == capacity as u64);
        assert!(is_capacity, "{error}");
        assert!(error.to_string().contains("power of two"), "{error}");
    }
    assert!(bus.topics().unwrap().is_empty());
}

#[test]
fn payloads_have_any_length_up_to_the_maximum() {
    for mode in MODES {
        for max in [0, 1, 7, 8, 40, 41, 56, 57, 64, 1000, 5000] {
            let bus = TestBus::new();
            let topic = bus
                .topic_of(mode)
                .capacity(2)
                .payload_max(max)
                .create()
                .unwrap();
            let some = |serial: u64| vec![serial as u8; serial as usize % (max + 1)];
            flow(&topic, (max as u64 + 2).min(300), some);
            flow(&topic, 5, |serial| vec![serial as u8; max]);
            let publisher = topic.publisher().unwrap();
            let next = topic.info().next;
            let too_long = publisher.publish(&vec![0; max + 1]);
            assert_eq!(
                too_long,
                Err(PublishError::TooLong {
                    bytes: max + 1,
                    max
                })
            );
            assert_eq!(topic.info().next, next);
        }
    }
}

#[test]
fn payloads_of_fixed_size_have_that_size() {
    for mode in MODES {
        for (fixed, tags) in [
            (0, true),
            (0, false),
            (1, false),
            (56, false),
            (56, true),
            (1000, false),
        ] {
            let bus = TestBus::new();
            let topic = bus
                .topic_of(mode)
                .capacity(4)
                .payload_fixed(fixed)
                .tags(tags);
            let topic = topic.create().unwrap();
            flow(&topic, 21, |serial| vec![serial as u8; fixed]);
            let publisher = topic.publisher().unwrap();
            for wrong in [fixed + 1, fixed.wrapping_sub(1)]
                .into_iter()
                .filter(|bytes| *bytes < 2000)
            {
                let refused = publisher.publish(&vec![0; wrong]);
                assert_eq!(
                    refused,
                    Err(PublishError::WrongLength {
                        bytes: wrong,
                        fixed
                    })
                );
            }
        }
    }
}

/// Asserts that the payload of the next message, however it is read, lies at such an address.
fn assert_aligned<T: Payload + ?Sized>(
    publish: impl Fn(),
    subscribers: [&mut Subscriber<T>; 2],
    bytes: usize,
) {
    for subscriber in subscribers {
        publish();
        let message = subscriber.poll().unwrap().expect("just published");
        assert!(address(message.payload()).is_multiple_of(bytes));
        drop(message);
        publish();
        let batch = subscriber.poll_batch(1).unwrap();
        assert!(address(batch.iter().next().expect("published").payload()).is_multiple_of(bytes));
    }
}

fn address<T: ?Sized>(payload: &T) -> usize {
    (&raw const *payload).addr()
}

#[test]
fn payloads_lie_at_multiples_of_the_alignment() {
    for mode in MODES {
        for alignment in (3..=12).map(|log2| 1 << log2) {
            for (lean, len) in [(false, 1), (false, 100), (true, 33)] {
                let bus = TestBus::new();
                let topic = bus.topic_of(mode).capacity(8).alignment(alignment);
                let topic = match lean {
                    true => topic.payload_fixed(len).tags(false),
                    false => topic.payload_max(len),
                };
                let topic = topic.create().unwrap();
                assert_eq!(topic.info().alignment_bytes, alignment);
                let publisher = topic.publisher().unwrap();
                let payload = vec![1; len];
                // Messages that are held make publishers write into spare chunks.
                let mut holders = [0, 1].map(|_| topic.subscriber().join().unwrap());
                let mut held = Vec::new();
                for holder in &mut holders {
                    publisher.publish(&payload).unwrap();
                    held.push(holder.latest().unwrap().expect("just published"));
                }
                let mut first = topic.subscriber().lossy().join().unwrap();
                let mut second = topic.subscriber().lossy().join().unwrap();
                for _ in 0..5 {
                    let publish = || {
                        let loan = publisher.loan(len).unwrap();
                        assert!(address(&*loan).is_multiple_of(alignment));
                        drop(loan);
                        publisher.publish(&payload).unwrap();
                    };
                    assert_aligned(publish, [&mut first, &mut second], alignment);
                    let _ = (first.latest(), second.latest());
                }
                let mut observer = topic.observer(Start::Latest).unwrap();
                publisher.publish(&payload).unwrap();
                let snapshot = observer.poll().unwrap().expect("just published");
                assert!(address(snapshot.payload()).is_multiple_of(alignment));
            }
        }
    }
}

#[test]
fn other_alignments_are_refused() {
    let bus = TestBus::new();
    for bytes in [12, 48, 8192, 1 << 33] {
        let error = bus.topic("t").alignment(bytes).create().unwrap_err();
        assert!(
            matches!(error, TopicError::Shape(ShapeError::Alignment { .. })),
            "{error}"
        );
    }
}

#[test]
fn a_payload_of_64_mib_arrives_whole() {
    const LEN: usize = 64 << 20;
    for mode in MODES {
        let bus = TestBus::new();
        if !has_room(&bus, 6 * LEN as u64) {
            return;
        }
        let topic = bus.topic_of(mode).capacity(2).payload_max(LEN);
        let topic = topic.create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut subscriber = topic.subscriber().reliable().join().unwrap();
        for round in 0..3_u8 {
            let mut loan = publisher.loan(LEN).unwrap();
            loan.fill(round);
            let pages = loan.chunks_exact_mut(4096).enumerate();
            pages.for_each(|(page, bytes)| bytes[..8].copy_from_slice(&page.to_le_bytes()));
            loan.commit().unwrap();
            let message = subscriber.poll().unwrap().expect("just published");
            assert_eq!(message.len(), LEN);
            for (page, bytes) in message.chunks_exact(4096).enumerate() {
                assert_eq!(bytes[..8], page.to_le_bytes());
                assert!(bytes[8..] == [round; 4088], "page {page}");
            }
        }
    }
}

#[test]
fn a_payload_of_1_gib_is_the_longest() {
    const GIB: usize = 1 << 30;
    let bus = TestBus::new();
    for topic in [
        bus.topic("t").payload_max(GIB + 1),
        bus.topic("t").payload_fixed(GIB + 1),
    ] {
        let error = topic.capacity(1).create().unwrap_err();
        assert!(
            matches!(error, TopicError::Shape(ShapeError::Payload { .. })),
            "{error}"
        );
        assert!(error.to_string().contains("1 GiB"), "{error}");
    }
    if !has_room(&bus, 4 * GIB as u64) {
        return;
    }
    let topic = bus
        .topic("t")
        .payload_max(GIB)
        .capacity(1)
        .create()
        .unwrap();
    let publisher = topic.publisher().unwrap();
    let mut subscriber = topic.subscriber().join().unwrap();
    let mut loan = publisher.loan(GIB).unwrap();
    (loan[0], loan[GIB - 1]) = (1, 2);
    loan.commit().unwrap();
    let message = subscriber.poll().unwrap().expect("just published");
    assert_eq!((message.len(), message[0], message[GIB - 1]), (GIB, 1, 2));
}

/// Whether the file system of the bus has so many bytes free.
fn has_room(bus: &TestBus, bytes: u64) -> bool {
    let df = Command::new("df")
        .args(["--output=avail", "-B1"])
        .arg(bus.path())
        .output();
    let free = df.ok().and_then(|df| {
        let text = String::from_utf8(df.stdout).ok()?;
        text.lines().last()?.trim().parse::<u64>().ok()
    });
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let memory = memory.and_then(|kib| kib.trim().trim_end_matches(" kB").parse::<u64>().ok());
    let has_room =
        free.is_some_and(|free| free >= bytes) && memory.is_some_and(|kib| kib * 1024 >= bytes);
    if !has_room {
        println!("skipped: needs {bytes} bytes, of which the file system has {free:?}");
    }
    has_room
}

/// Sequences from which a few messages cross a border of a packed form.
///
/// Which bits of a stamp are the lap's, and so where laps wrap, depends on the topic's chunks.
fn borders() -> impl Iterator<Item = u64> {
    let powers = [16, 24, 32].into_iter().chain(39..=62).map(|bit| 1 << bit);
    powers
        .chain([3 << 48])
        .map(|border| border - 5)
        .chain([1 << 48, 1 << 62])
}

#[test]
fn sequences_cross_every_border_of_their_packed_forms() {
    for mode in MODES {
        for (first, capacity) in
            borders().flat_map(|first| [1, 2, 8].map(|capacity| (first, capacity)))
        {
            let bus = TestBus::new();
            let topic = bus
                .topic_of(mode)
                .capacity(capacity)
                .payload_max(64)
                .first_sequence(first);
            let topic = topic.create().unwrap();
            assert_eq!(
                (topic.info().first_sequence, topic.info().next),
                (first, first)
            );
            assert_eq!(topic.info().published, 0);
            let mut lossy = topic.subscriber().join().unwrap();
            let mut stays = topic.subscriber().join().unwrap();
            // A second publisher takes over in the middle.
            flow(&topic, 11, |serial| checked::payload(64, 1, serial));
            flow(&topic, 11, |serial| checked::payload(64, 2, serial));
            assert_eq!(topic.info().published, 22);
            // A publish that is refused may have given up the oldest message already.
            let (received, missed) = drain(&mut lossy, |seq| 1 + (seq - first) / 11);
            assert_eq!(received + missed, 22);
            assert!(
                (capacity as u64 - 1..=capacity as u64).contains(&received),
                "{mode} from {first}: {received} of the last {capacity}"
            );

            let mut oldest = topic
                .subscriber()
                .start(Start::Sequence(first))
                .join()
                .unwrap();
            let (received, missed) = drain(&mut oldest, |seq| 1 + (seq - first) / 11);
            assert_eq!(received + missed, 22);
            hold_across(&topic, &mut stays);
        }
    }
}

/// Reads all there is: how many messages came, and how many were said to be missed.
fn drain(subscriber: &mut Subscriber<[u8]>, origin: impl Fn(u64) -> u64) -> (u64, u64) {
    let (mut received, mut missed) = (0, 0);
    loop {
        let is_done = subscriber.lag() == 0;
        match subscriber.poll() {
            Ok(Some(message)) => {
                let seq = message.sequence();
                assert_eq!(checked::check(message.payload()), (origin(seq), seq));
                received += 1;
            }
            Ok(None) if is_done => return (received, missed),
            Ok(None) => {}
            Err(PollError::Lagged { missed: some }) => missed += some,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Publishes several laps while a lossy subscriber holds a message.
fn hold_across(topic: &Topic<[u8]>, holder: &mut Subscriber<[u8]>) {
    let publisher: Publisher<[u8]> = topic.publisher().unwrap();
    let first = publisher.publish(b"held").unwrap();
    let held = holder.latest().unwrap().expect("just published");
    assert_eq!((held.sequence(), held.payload()), (first, &b"held"[..]));
    let count = 5 * topic.info().capacity_slots;
    for _ in 0..count {
        publisher.try_publish(b"next").unwrap();
    }
    assert_eq!(held.payload(), b"held");
    drop(held);
    let missed = match holder.poll() {
        Err(PollError::Lagged { missed }) => missed,
        other => panic!("{other:?}"),
    };
    let mut received = 0;
    while let Some(message) = holder.poll().unwrap() {
        assert_eq!(message.payload(), b"next");
        received += 1;
    }
    assert_eq!(missed + received, count);
}

#[test]
fn a_first_sequence_beyond_2_to_the_62_is_refused() {
    let bus = TestBus::new();
    let error = bus
        .topic("t")
        .first_sequence((1 << 62) + 1)
        .create()
        .unwrap_err();
    assert!(
        matches!(
            error,
            TopicError::Shape(ShapeError::Limit {
                what: "first_sequence",
                ..
            })
        ),
        "{error}"
    );
}
