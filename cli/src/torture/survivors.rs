//! Those who live throughout, on threads of a case: they must not feel a thing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use ringbus::{PollError, Subscriber, Topic};

use super::checked;
use super::faults::{Faults, Kind};
use super::ledger::{Account, Ledger};
use super::progress::{Progress, STALL_MAX};
use crate::outcome::Failure;

/// What a keeper of a ledger has to know about publishers.
pub enum Entry {
    /// One is about to start.
    Born(u64),
    /// One is dead; this is its account, and the sequence before which its messages are.
    Dead(Account, u64),
}

/// Reads everything until it is over and nothing is left. Where messages have their time, progress is how long
/// each one took; else it is that there are any.
pub fn keep_ledger(
    mut reliable: Subscriber<[u8]>,
    entries: &Receiver<Entry>,
    progress: &Progress,
    is_over: &AtomicBool,
) -> Result<Ledger, Failure> {
    let _watch = progress.watch_this_thread();
    let mut ledger = Ledger::default();
    let mut expected = reliable.cursor();
    let mut dead = Vec::new();
    loop {
        let is_last = is_over.load(Ordering::Acquire);
        reliable.wait(NAP)?;
        let batch = reliable.poll_batch(8)?;
        // After the poll: whoever's message was read has been announced before.
        for entry in entries.try_iter() {
            match entry {
                Entry::Born(origin) => ledger.open(origin),
                Entry::Dead(account, bound) => dead.push((account, bound)),
            }
        }
        if !batch.is_empty() {
            progress.made();
        }
        for message in &batch {
            let sequence = message.sequence();
            if let Some(time) = message.time() {
                progress.took(Instant::now() - time.elapsed(), STALL_MAX);
            }
            if sequence != expected {
                ledger.fault(Kind::Misplaced, || {
                    format!("{sequence} came for {expected}")
                });
            }
            ledger.enter(sequence, message.payload());
            expected = sequence + 1;
        }
        let is_empty = batch.is_empty();
        drop(batch);
        dead.retain(|(account, bound)| {
            let is_settled = expected >= *bound;
            if is_settled {
                ledger.settle(*account);
            }
            !is_settled
        });
        if is_empty && is_last {
            return Ok(ledger);
        }
    }
}

/// Publishes, at most a message in 100 us, until it is over; returns how many.
pub fn publish(
    topic: &Topic<[u8]>,
    origin: u64,
    progress: &Progress,
    is_over: &AtomicBool,
) -> Result<Account, Failure> {
    let _watch = progress.watch_this_thread();
    let publisher = topic.publisher()?;
    let len_max = topic.info().payload.max_bytes();
    let mut account = Account {
        origin,
        acknowledged: 0,
        last_sequence: None,
    };
    while !is_over.load(Ordering::Acquire) {
        let payload = checked::payload(len_max, origin, account.acknowledged);
        account.last_sequence = Some(publisher.publish_timeout(&payload, GIVE_UP)?);
        account.acknowledged += 1;
        progress.made();
        thread::sleep(Duration::from_micros(50));
    }
    Ok(account)
}

/// What a survivor has counted.
#[derive(Default)]
pub struct Seen {
    pub received: u64,
    pub missed: u64,
    pub faults: Faults,
}

/// Checks whatever a lossy subscriber can get hold of, that each loss is told exactly, and that there is none
/// unless it was as slow as that. A publisher writes up to `ahead` messages before it publishes them.
pub fn sample(
    topic: &Topic<[u8]>,
    mut lossy: Subscriber<[u8]>,
    ahead: u64,
    is_over: &AtomicBool,
) -> Result<Seen, Failure> {
    let retained = topic.info().capacity_slots * 7 / 8 - ahead;
    let (mut seen, mut last_of) = (Seen::default(), HashMap::new());
    let mut expected = lossy.cursor();
    while !is_over.load(Ordering::Acquire) {
        lossy.wait(NAP)?;
        let batch = match lossy.poll_batch(4) {
            Ok(batch) => batch,
            Err(PollError::Lagged { missed }) => {
                let behind = topic.info().next.saturating_sub(expected);
                let is_false = u64::from(behind < retained);
                seen.faults.add(Kind::Miscounted, is_false, || {
                    format!("lagged, though only {behind} behind")
                });
                seen.missed += missed;
                expected += missed;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        for message in &batch {
            seen.received += 1;
            let sequence = message.sequence();
            let miscounted = u64::from(sequence != expected);
            seen.faults.add(Kind::Miscounted, miscounted, || {
                format!("{sequence} came for {expected}")
            });
            expected = sequence + 1;
            let words = || format!("sequence {sequence}, lossy");
            match checked::read(message.payload()) {
                None => seen.faults.add(Kind::Torn, 1, words),
                Some((origin, serial)) => {
                    let last = last_of.insert(origin, serial);
                    let is_late = last.is_some_and(|last| last >= serial);
                    seen.faults.add(Kind::OutOfOrder, u64::from(is_late), words);
                }
            }
        }
    }
    Ok(seen)
}

/// What a survivor came to; that it came to nothing is a fault.
pub fn joined<T>(
    survivor: ScopedJoinHandle<'_, Result<T, Failure>>,
    faults: &mut Faults,
) -> Option<T> {
    let ended = survivor.join();
    let ended = ended.unwrap_or_else(|_| Err(Failure::say("a thread has panicked")));
    let noted = |failure: &Failure| {
        faults.add(Kind::Failed, 1, || format!("a survivor: {failure}"));
    };
    ended.inspect_err(noted).ok()
}

/// However a case ends, those who look at the flag do as well.
pub struct EndsOnDrop<'a>(pub &'a AtomicBool);

impl Drop for EndsOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Nobody is held up for so long, unless for ever.
const GIVE_UP: Duration = Duration::from_secs(20);

/// The longest that a survivor sleeps before it looks whether it is over.
const NAP: Duration = Duration::from_millis(200);
