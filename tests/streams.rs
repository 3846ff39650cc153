//! Streams and awaited publishes, on executors of tokio and on one of two lines.

#[path = "support/mod.rs"]
mod support;

use std::{
    future::poll_fn,
    pin::Pin,
    time::{Duration, Instant},
};

use futures_core::Stream;
use ringbus::{Error, PollError, WaitError, WaitSet};

use crate::support::{MODES, TestBus};

const LONG: Duration = Duration::from_secs(30);

async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

fn one_thread() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().unwrap()
}

#[test]
fn a_stream_yields_each_message_on_one_thread() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).create().unwrap();
        let subscriber = topic.subscriber().reliable().join().unwrap();
        let mut stream = subscriber.into_stream(|message| message.sequence());
        let publisher = topic.publisher().unwrap();
        let publishing = std::thread::spawn(move || {
            for sequence in 0..200 {
                assert_eq!(publisher.publish(b"x"), Ok(sequence));
                if sequence % 10 == 0 {
                    std::thread::sleep(Duration::from_millis(1)); // the stream falls asleep
                }
            }
        });
        one_thread().block_on(async {
            for sequence in 0..200 {
                let item = tokio::time::timeout(LONG, next(&mut stream)).await;
                assert_eq!(item.unwrap().unwrap().unwrap(), sequence);
            }
        });
        publishing.join().unwrap();
    }
}

#[test]
fn thousands_of_streams_sleep_on_one_thread() {
    let bus = TestBus::new();
    let topics: Vec<_> = (0..1000)
        .map(|number| {
            let topic = bus.topic(&format!("many/{number}")).capacity(8);
            topic.max_subscribers(2).payload_max(64).create().unwrap()
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut reading = Vec::new();
        for topic in &topics {
            let subscriber = topic.subscriber().join().unwrap();
            let mut stream = subscriber.into_stream(|message| message.payload().to_vec());
            reading.push(tokio::spawn(async move { next(&mut stream).await }));
        }
        tokio::task::yield_now().await;
        for (number, topic) in topics.iter().enumerate() {
            let payload = number.to_le_bytes();
            topic.publisher().unwrap().publish(&payload).unwrap();
        }
        for (number, read) in reading.into_iter().enumerate() {
            let item = tokio::time::timeout(LONG, read).await.unwrap().unwrap();
            assert_eq!(item.unwrap().unwrap(), number.to_le_bytes());
        }
    });
}

#[test]
fn a_future_that_is_dropped_loses_nothing() {
    let bus = TestBus::new();
    let topic = bus.topic("orders").create().unwrap();
    let mut subscriber = topic.subscriber().reliable().join().unwrap();
    let publisher = topic.publisher().unwrap();
    one_thread().block_on(async {
        let short = Duration::from_millis(5);
        for sequence in 0..20 {
            assert!(
                tokio::time::timeout(short, subscriber.readable())
                    .await
                    .is_err()
            );
            publisher.publish(b"x").unwrap();
            tokio::time::timeout(LONG, subscriber.readable())
                .await
                .unwrap()
                .unwrap();
            assert_eq!(subscriber.poll().unwrap().unwrap().sequence(), sequence);
        }
    });
}

#[test]
fn an_awaited_publish_waits_for_the_slowest_and_goes_on_when_it_dies_away() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(4).create().unwrap();
        let mut reliable = topic.subscriber().reliable().join().unwrap();
        let mut publisher = topic.publisher().unwrap();
        let runtime = one_thread();
        runtime.block_on(async {
            for sequence in 0..4 {
                assert_eq!(publisher.publish_async(b"x").await.unwrap(), sequence);
            }
            let short = Duration::from_millis(5);
            let held_up = tokio::time::timeout(short, publisher.publish_async(b"x")).await;
            assert!(held_up.is_err());
        });
        let reading = std::thread::spawn(move || {
            for _ in 0..20 {
                assert!(reliable.wait(LONG).unwrap());
                std::thread::sleep(Duration::from_millis(1)); // the publisher falls asleep
                assert!(reliable.poll().unwrap().is_some());
            }
        }); // and leaves
        let started = Instant::now();
        runtime.block_on(async {
            for sequence in 4..40 {
                let published = tokio::time::timeout(LONG, publisher.publish_async(b"x")).await;
                assert_eq!(published.unwrap().unwrap(), sequence);
            }
        });
        assert!(started.elapsed() < LONG);
        reading.join().unwrap();
    }
}

#[test]
fn a_stream_tells_what_was_missed_and_goes_on_and_ends_where_it_cannot_wait() {
    let bus = TestBus::new();
    let topic = bus.topic("quotes").capacity(8).create().unwrap();
    let subscriber = topic.subscriber().join().unwrap();
    let publisher = topic.publisher().unwrap();
    for _ in 0..20 {
        publisher.publish(b"x").unwrap();
    }
    let watched = topic.subscriber().join().unwrap();
    let mut set = WaitSet::new(&bus).unwrap();
    set.add(&watched, 1).unwrap();
    let mut stream = subscriber.into_stream(|message| message.sequence());
    let mut refused = watched.into_stream(|message| message.sequence());
    one_thread().block_on(async {
        let Some(Err(Error::Poll(PollError::Lagged { missed }))) = next(&mut stream).await else {
            panic!("it keeps 8 of 20")
        };
        assert_eq!(next(&mut stream).await.unwrap().unwrap(), missed);
        let item = next(&mut refused).await;
        assert!(matches!(item, Some(Err(Error::Wait(WaitError::Watched)))));
        assert!(next(&mut refused).await.is_none());
    });
}
