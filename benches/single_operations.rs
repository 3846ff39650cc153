//! What does one publish, one poll, one loan cost? One thread, caches warm: the instructions, not
//! the traffic between cores.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ringbus::{Bus, Publisher, Start, Subscriber, Topic, TopicBuilder};

const PAYLOAD: [u8; 64] = [7; 64];
/// Messages that one measured batch publishes or takes; well within the ring of 4096.
const BATCH: usize = 256;

type Shape = fn(TopicBuilder<[u8]>) -> TopicBuilder<[u8]>;

fn single_operations(c: &mut Criterion) {
    let bus_name = format!("bench-{}", std::process::id());
    let bus = Bus::open(&bus_name).expect("a bus in the usual place");
    let kinds: [(&str, Shape); 3] = [
        ("exclusive", |topic| topic.payload_max(64)),
        ("shared", |topic| topic.payload_max(64).shared()),
        ("lean", |topic| topic.payload_fixed(64).tags(false)),
    ];
    for (kind, shape) in kinds {
        let topic = shape(bus.topic(kind)).create().expect("a topic");
        let publisher = topic.publisher().expect("a publisher");
        publishing(c, kind, &publisher);
        taking(c, kind, &topic, &publisher);
    }
    let root = bus.path().parent().expect("a root").to_owned();
    let name = bus.name().to_owned();
    drop(bus);
    let destroyed = Bus::builder().dir(root).name(&name).destroy();
    destroyed.expect("the bus's directory");
}

fn publishing(c: &mut Criterion, kind: &str, publisher: &Publisher<[u8]>) {
    c.bench_function(&format!("{kind}/publish"), |b| {
        b.iter(|| publisher.publish(black_box(&PAYLOAD)));
    });
    c.bench_function(&format!("{kind}/loan and commit"), |b| {
        b.iter(|| {
            let mut loan = publisher.loan(PAYLOAD.len())?;
            loan.copy_from_slice(black_box(&PAYLOAD));
            loan.commit()
        });
    });
}

fn taking(c: &mut Criterion, kind: &str, topic: &Topic<[u8]>, publisher: &Publisher<[u8]>) {
    let join = |reliable: bool| {
        let subscriber = topic.subscriber().start(Start::Latest);
        let subscriber = if reliable {
            subscriber.reliable()
        } else {
            subscriber
        };
        subscriber.join().expect("a subscriber")
    };
    let fill = || {
        for _ in 0..BATCH {
            publisher.publish(&PAYLOAD).expect("room in the ring");
        }
    };
    for (delivery, reliable) in [("reliable", true), ("lossy", false)] {
        let mut subscriber = join(reliable);
        c.bench_function(&format!("{kind}/{delivery}: {BATCH} polls"), |b| {
            b.iter_batched(
                fill,
                |()| poll_all(&mut subscriber),
                BatchSize::PerIteration,
            );
        });
        c.bench_function(&format!("{kind}/{delivery}: {BATCH} in batches"), |b| {
            b.iter_batched(
                fill,
                |()| take_all(&mut subscriber),
                BatchSize::PerIteration,
            );
        });
    }
}

fn poll_all(subscriber: &mut Subscriber<[u8]>) -> u64 {
    let mut sum = 0;
    while let Ok(Some(message)) = subscriber.poll() {
        sum += u64::from(message[0]);
    }
    sum
}

fn take_all(subscriber: &mut Subscriber<[u8]>) -> u64 {
    let mut sum = 0;
    loop {
        let Ok(batch) = subscriber.poll_batch(BATCH) else {
            return sum;
        };
        if batch.is_empty() {
            return sum;
        }
        sum += batch
            .iter()
            .map(|message| u64::from(message[0]))
            .sum::<u64>();
    }
}

criterion_group!(benches, single_operations);
criterion_main!(benches);
