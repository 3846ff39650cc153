//! One who makes topics beside those who are killed at that, on a thread of the case.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use ringbus::{Bus, JoinError, Remove, Start, TopicError};

use super::{LEN_MAX, MADE};
use crate::outcome::Failure;
use crate::torture::checked;
use crate::torture::faults::Kind;
use crate::torture::progress::{Progress, STALL_MAX};
use crate::torture::survivors::Seen;

/// Makes, uses and removes a topic of its own beside those who are killed at that.
pub fn make(bus: &Bus, progress: &Progress, is_over: &AtomicBool) -> Result<Seen, Failure> {
    let _watch = progress.watch_this_thread();
    let (mut seen, mut random) = (Seen::default(), Rng::new());
    while !is_over.load(Ordering::Acquire) {
        let started = Instant::now();
        if let Err(failure) = make_one(bus, "kept/own") {
            seen.faults.add(Kind::Failed, 1, || failure.to_string());
        }
        // The same among those whom others make and remove, or leave half removed.
        let name = format!("made/{}", random.u32(..MADE));
        match make_one(bus, &name) {
            Ok(()) => {}
            Err(failure) => seen.faults.add(Kind::Failed, 1, || failure.to_string()),
        }
        progress.took(started, STALL_MAX);
        seen.received += 1;
        thread::sleep(Duration::from_millis(2));
    }
    Ok(seen)
}

fn make_one(bus: &Bus, name: &str) -> Result<(), Failure> {
    let is_own = name.starts_with("kept/");
    let builder = bus.topic(name).shared().capacity(8).payload_max(LEN_MAX);
    let topic = match builder.open_or_create() {
        Err(TopicError::NotFound { .. }) if !is_own => return Ok(()),
        topic => topic?,
    };
    let publisher = match topic.publisher() {
        Err(JoinError::Removed { .. }) if !is_own => return Ok(()),
        publisher => publisher?,
    };
    let payload = checked::payload(LEN_MAX, 0, 7);
    if is_own {
        let mut reliable = topic.subscriber().reliable().start(Start::Oldest).join()?;
        publisher.try_publish(&payload)?;
        let message = reliable.poll()?;
        if message.is_none_or(|message| *message != payload[..]) {
            return Err(Failure::say("a new topic has another message than its own"));
        }
    } else {
        let _ = publisher.try_publish(&payload);
    }
    drop(publisher);
    match bus.remove(name, Remove::IfUnused) {
        Err(TopicError::NotFound { .. } | TopicError::InUse { .. }) if !is_own => Ok(()),
        removed => Ok(removed?),
    }
}
