//! What does one publish, one poll, one loan cost? One thread, caches warm: the instructions, not
//! the traffic between cores.

use std::{hint::black_box, time::Duration};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ringbus::{Bus, Filter, Publisher, Start, Subscriber, Topic, TopicBuilder};

const PAYLOAD: [u8; 64] = [7; 64];
/// Messages that one measured batch publishes or takes; well within the ring of 4096.
const BATCH: usize = 256;
/// Nobody waits for so long.
const LONG: Duration = Duration::from_secs(10);

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
        observing(c, kind, &topic, &publisher);
    }
    calling(c, &bus);
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
    let join = |reliable: bool, filter: Filter| {
        let subscriber = topic.subscriber().start(Start::Latest).filter(filter);
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
        let mut subscriber = join(reliable, Filter::new());
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
        if !topic.info().tags {
            continue;
        }
        let mut subscriber = join(reliable, Filter::new().tag(1));
        c.bench_function(&format!("{kind}/{delivery}: {BATCH} skipped by tag"), |b| {
            b.iter_batched(
                fill,
                |()| take_all(&mut subscriber),
                BatchSize::PerIteration,
            );
        });
    }
}

/// The newest message, whether or not it is a new one.
fn observing(c: &mut Criterion, kind: &str, topic: &Topic<[u8]>, publisher: &Publisher<[u8]>) {
    let mut observer = topic.observer(Start::Latest).expect("an observer");
    publisher.publish(&PAYLOAD).expect("room in the ring");
    c.bench_function(&format!("{kind}/current"), |b| {
        b.iter(|| {
            let newest = observer.current().expect("a whole message");
            newest.map(|message| u64::from(message[0]))
        });
    });
}

/// A request, the answer to it, and its taking.
fn calling(c: &mut Criterion, bus: &Bus) {
    let mut server = bus.server("call").join().expect("a server");
    let mut client = bus.client("call").join().expect("a client");
    c.bench_function("call", |b| {
        b.iter(|| {
            let call = client.send(black_box(&PAYLOAD), LONG).expect("a request");
            let request = server.poll().expect("no damage").expect("the request");
            request.reply(&PAYLOAD).expect("room for the reply");
            let reply = client
                .next(&call, LONG)
                .expect("no damage")
                .expect("the reply");
            let answer = u64::from(reply[0]);
            drop(reply);
            client.cancel(call);
            answer
        });
    });
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
