//! A day of a futures market, from one process to another.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use ringbus::Publisher;

use super::actor::{Actor, Roles, Stage, say};
use crate::support::{MODES, TestBus};

pub const ROLES: Roles = &[
    ("data/publisher", publisher),
    ("data/subscriber", subscriber),
];

/// Bytes of a market-by-order record.
const RECORD: usize = 56;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/es-mbo-20231225.bin")
}

fn publisher(stage: &Stage) {
    let publisher: Publisher<[u8]> = stage.topic().publisher().unwrap();
    assert!(
        publisher
            .wait_subscribers(1, Duration::from_secs(20))
            .unwrap()
    );
    let records = fs::read(source()).unwrap();
    let mut records = records.chunks_exact(RECORD);
    // One by one, in batches, in place.
    while records.len() > 0 {
        for record in records.by_ref().take(100) {
            publisher.publish(record).unwrap();
        }
        publisher.publish_batch(records.by_ref().take(100)).unwrap();
        for record in records.by_ref().take(100) {
            let mut loan = publisher.loan(RECORD).unwrap();
            loan.copy_from_slice(record);
            loan.commit().unwrap();
        }
    }
    say(publisher.published());
}

fn subscriber(stage: &Stage) {
    let topic = stage.topic();
    let mut subscriber = topic.subscriber().reliable().join().unwrap();
    let count = stage.number(0) as usize;
    let mut got = Vec::with_capacity(count * RECORD);
    while got.len() < count * RECORD {
        assert!(subscriber.wait(Duration::from_secs(20)).unwrap());
        for record in &subscriber.poll_batch(64).unwrap() {
            got.extend_from_slice(record.payload());
        }
    }
    fs::write(stage.arg(1), got).unwrap();
    say("written");
}

#[test]
fn a_market_days_messages_arrive_byte_by_byte() {
    let Ok(records) = fs::read(source()) else {
        return println!("skipped: {} is not here", source().display());
    };
    assert_eq!(
        (records.len() / RECORD, records.len() % RECORD),
        (68_792, 0)
    );
    for mode in MODES {
        let bus = TestBus::new();
        let builder = bus
            .topic_of(mode)
            .capacity(1024)
            .payload_fixed(RECORD)
            .tags(false);
        let topic = builder.encoding("mbo").create().unwrap();
        let target = bus.root().path().join("got");
        let count = (records.len() / RECORD).to_string();
        let args = [&*count, target.to_str().expect("UTF-8")];
        let mut subscriber = Actor::start("data/subscriber", bus.root().path(), &args);
        let mut publisher = Actor::start("data/publisher", bus.root().path(), &[]);
        assert_eq!(publisher.hear(), count);
        assert_eq!(subscriber.hear(), "written");
        assert!(
            fs::read(&target).unwrap() == records,
            "{mode}: the copy differs"
        );
        let info = topic.info();
        assert_eq!((info.published, info.bytes), (68_792, records.len() as u64));
        assert!(publisher.ends_well() && subscriber.ends_well());
    }
}
