//! A survivor that reads all topics by patterns, asleep in between.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ringbus::{MultiError, MultiSubscriber};

use super::STABLE;
use crate::outcome::Failure;
use crate::torture::checked;
use crate::torture::faults::{Faults, Kind};
use crate::torture::ledger::{Account, Ledger};
use crate::torture::progress::Progress;

/// What it has read.
pub struct Read {
    ledgers: [Ledger; STABLE.len()],
    pub messages: u64,
    /// Topics that were made and had a message.
    pub topics_met: u64,
    pub faults: Faults,
}

impl Read {
    /// Compares what was read of the topics that are there throughout with what was published there, and
    /// closes their books.
    pub fn settle(&mut self, accounts: &[Account]) {
        for (ledger, account) in std::mem::take(&mut self.ledgers).into_iter().zip(accounts) {
            let mut ledger = ledger;
            ledger.settle(*account);
            let (messages, faults) = ledger.close();
            self.messages += messages;
            self.faults.merge(faults);
        }
    }
}

/// The longest that it sleeps before it looks whether it is over.
const NAP: Duration = Duration::from_millis(200);

/// Reads until it is over and nothing is left.
pub fn read(
    all: &mut MultiSubscriber<[u8]>,
    progress: &Progress,
    is_over: &AtomicBool,
) -> Result<Read, Failure> {
    let _watch = progress.watch_this_thread();
    let mut read = Read {
        ledgers: Default::default(),
        messages: 0,
        topics_met: 0,
        faults: Faults::default(),
    };
    for (ledger, origin) in read.ledgers.iter_mut().zip(0..) {
        ledger.open(origin);
    }
    // By origin, which is a topic's between its making and its removal.
    let mut next: HashMap<u64, u64> = HashMap::new();
    loop {
        let is_last = is_over.load(Ordering::Acquire);
        let mut is_empty = !all.wait(NAP)?;
        while !is_empty {
            is_empty = match all.poll() {
                Ok(None) => true,
                Ok(Some(message)) => {
                    progress.made();
                    let name = message.topic().as_str();
                    match STABLE.iter().position(|stable| *stable == name) {
                        Some(index) => {
                            read.ledgers[index].enter(message.sequence(), message.payload());
                        }
                        None => enter(&mut read, &mut next, message.sequence(), message.payload()),
                    }
                    false
                }
                // It was removed before it could be joined.
                Err(MultiError::Open(_) | MultiError::Join { .. }) => false,
                Err(error) => return Err(error.into()),
            };
        }
        if is_last {
            return Ok(read);
        }
    }
}

/// A message of a topic that was made: its first one, or that after the last one.
fn enter(read: &mut Read, next: &mut HashMap<u64, u64>, sequence: u64, payload: &[u8]) {
    read.messages += 1;
    let Some((origin, serial)) = checked::read(payload) else {
        let words = || format!("sequence {sequence} of a topic that was made");
        return read.faults.add(Kind::Torn, 1, words);
    };
    let next = next.entry(origin).or_insert_with(|| {
        read.topics_met += 1;
        0
    });
    let words = || format!("message {serial} of topic {origin} came for {next}");
    let kind = match serial < *next {
        true => Kind::Twice,
        false => Kind::Lost,
    };
    read.faults.add(kind, u64::from(serial != *next), words);
    read.faults
        .add(Kind::Misplaced, u64::from(sequence != serial), || {
            format!("message {serial} of topic {origin} has sequence {sequence}")
        });
    *next = serial + 1;
}
