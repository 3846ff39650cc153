//! Sleeping on a shared word.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    segment::{Draft, Rights, Segment},
    shared::Offset,
    sync::{AtomicU32, Ordering},
    testing::{PRIVATE, Scratch},
    wait::futex,
};

const FOREVER: Duration = Duration::from_secs(60);

#[test]
fn nobody_sleeps_on_another_value() {
    let start = Instant::now();
    futex::wait(&AtomicU32::new(2), 1, FOREVER);
    assert!(start.elapsed() < FOREVER / 2);
}

#[test]
fn a_sleep_ends_at_its_timeout() {
    let start = Instant::now();
    futex::wait(&AtomicU32::new(1), 1, Duration::from_millis(20));
    assert!(start.elapsed() >= Duration::from_millis(20));
    assert!(start.elapsed() < FOREVER / 2);
}

#[test]
fn a_sleep_on_a_read_only_mapping_is_ended_through_another_mapping() {
    fn word(segment: &Segment) -> &AtomicU32 {
        &segment.array(Offset::new(64), 1).unwrap()[0]
    }
    let scratch = Scratch::new();
    let path = scratch.join("a");
    let draft = Draft::new(scratch.path(), 4096, &[], PRIVATE).unwrap();
    let writer = draft.publish(&path).unwrap();
    let file = Segment::open(&path, Rights::ReadOnly).unwrap();
    let reader = file.map(4096).unwrap();

    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            while word(&reader).load(Ordering::Relaxed) == 0 {
                futex::wait(word(&reader), 0, FOREVER);
            }
        });
        thread::sleep(Duration::from_millis(20));
        word(&writer).store(1, Ordering::Relaxed);
        futex::wake_all(word(&writer));
    });
    assert!(start.elapsed() < FOREVER / 2);
}
