//! What became of every message of a topic: nothing lost, twice, out of order or invented.
//!
//! A reader that lives throughout enters what it sees. Once a publisher is dead, its account is
//! settled: what it noted as acknowledged is compared with what was seen.

use std::collections::{HashMap, HashSet};

use super::checked;
use super::faults::{Faults, Kind};

/// The most messages that a publisher publishes before it notes that they were acknowledged.
pub const UNNOTED_MAX: u64 = 4;

/// The accounts of the publishers of one topic.
#[derive(Default)]
pub struct Ledger {
    lives: HashMap<u64, Life>,
    faults: Faults,
    messages: u64,
}

/// What was seen of one publisher.
#[derive(Default)]
struct Life {
    /// The serial to come.
    next: u64,
    /// Left out before `next`.
    missing: HashSet<u64>,
    /// The sequences of the last ones, by serial.
    sequences: [u64; RECENT],
}

/// What a publisher noted until its death.
#[derive(Debug, Clone, Copy)]
pub struct Account {
    /// Its number.
    pub origin: u64,
    /// How many of its messages were acknowledged.
    pub acknowledged: u64,
    /// The sequence of the last one, where it was told.
    pub last_sequence: Option<u64>,
}

/// Enough to find the last acknowledged message among those that came after it.
const RECENT: usize = 8;
const _: () = assert!(RECENT as u64 > UNNOTED_MAX);

impl Ledger {
    /// Opens the account of a publisher that is about to start.
    pub fn open(&mut self, origin: u64) {
        self.lives.insert(origin, Life::default());
    }

    /// A message, as it was seen under `sequence`.
    pub fn enter(&mut self, sequence: u64, payload: &[u8]) {
        self.messages += 1;
        let Some((origin, serial)) = checked::read(payload) else {
            self.faults
                .add(Kind::Torn, 1, || format!("sequence {sequence}"));
            return;
        };
        let words = || format!("message {serial} of publisher {origin}, sequence {sequence}");
        let Some(life) = self.lives.get_mut(&origin) else {
            return self.faults.add(Kind::Invented, 1, words);
        };
        life.sequences[serial as usize % RECENT] = sequence;
        if serial >= life.next {
            // A serial from nowhere is no reason to run out of memory.
            let first = life.next.max(serial.saturating_sub(MISSING_MAX));
            life.missing.extend(first..serial);
            life.next = serial + 1;
        } else if life.missing.remove(&serial) {
            self.faults.add(Kind::OutOfOrder, 1, words);
        } else {
            self.faults.add(Kind::Twice, 1, words);
        }
    }

    /// Closes the account of a publisher that is dead and all of whose messages were entered.
    pub fn settle(&mut self, account: Account) {
        let Account {
            origin,
            acknowledged,
            last_sequence,
        } = account;
        let Some(life) = self.lives.remove(&origin) else {
            let words = || format!("an account of publisher {origin} that was never opened");
            return self.faults.add(Kind::Failed, 1, words);
        };
        // What was passed over was acknowledged: a publisher goes on only after that.
        let lost = life.missing.len() as u64 + acknowledged.saturating_sub(life.next);
        self.faults.add(Kind::Lost, lost, || {
            let seen = life.next - life.missing.len() as u64;
            format!("publisher {origin}: {acknowledged} acknowledged, {seen} seen")
        });
        let invented = life.next.saturating_sub(acknowledged + UNNOTED_MAX);
        self.faults.add(Kind::Invented, invented, || {
            format!(
                "publisher {origin}: {acknowledged} acknowledged, {} seen",
                life.next
            )
        });
        if let Some(told) = last_sequence
            && (1..=life.next).contains(&acknowledged)
        {
            let seen = life.sequences[(acknowledged - 1) as usize % RECENT];
            let misplaced = u64::from(seen != told);
            self.faults.add(Kind::Misplaced, misplaced, || {
                format!("publisher {origin} was told sequence {told}, and it is {seen}")
            });
        }
    }

    /// A fault of the topic that only its reader notices.
    pub fn fault(&mut self, kind: Kind, words: impl FnOnce() -> String) {
        self.faults.add(kind, 1, words);
    }

    /// Faults of the topic that others have counted.
    pub fn merge(&mut self, faults: Faults) {
        self.faults.merge(faults);
    }

    /// How many messages were entered, and all faults. Accounts still open are a fault.
    pub fn close(mut self) -> (u64, Faults) {
        let open = self.lives.len() as u64;
        self.faults.add(Kind::Failed, open, || {
            format!("{open} accounts were never settled")
        });
        (self.messages, self.faults)
    }
}

const MISSING_MAX: u64 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// A ledger in which publisher 1 published these serials, from sequence 100 on, and noted
    /// `acknowledged` with the last one's sequence.
    fn faults(serials: &[u64], acknowledged: u64, last_sequence: u64) -> Faults {
        let mut ledger = Ledger::default();
        ledger.open(1);
        for (sequence, serial) in (100..).zip(serials) {
            ledger.enter(sequence, &checked::payload(100, 1, *serial));
        }
        ledger.settle(Account {
            origin: 1,
            acknowledged,
            last_sequence: Some(last_sequence),
        });
        ledger.close().1
    }

    fn counts(faults: &Faults) -> [u64; 6] {
        [
            Kind::Torn,
            Kind::Lost,
            Kind::Twice,
            Kind::OutOfOrder,
            Kind::Invented,
            Kind::Misplaced,
        ]
        .map(|kind| faults.count(kind))
    }

    #[test]
    fn what_was_acknowledged_and_a_little_more_is_no_fault() {
        for acknowledged in [3, 2] {
            let last = 99 + acknowledged;
            assert_eq!(counts(&faults(&[0, 1, 2], acknowledged, last)), [0; 6]);
        }
    }

    #[test]
    fn each_fault_is_counted_as_what_it_is() {
        assert_eq!(counts(&faults(&[0, 2], 3, 101)), [0, 1, 0, 0, 0, 0]);
        assert_eq!(counts(&faults(&[0, 1], 4, 101)), [0, 2, 0, 0, 0, 0]);
        assert_eq!(counts(&faults(&[0, 1, 1], 2, 102)), [0, 0, 1, 0, 0, 0]);
        assert_eq!(counts(&faults(&[1, 0], 2, 100)), [0, 0, 0, 1, 0, 0]);
        assert_eq!(
            counts(&faults(&[0, 1, 2, 3, 4, 5], 1, 100)),
            [0, 0, 0, 0, 1, 0]
        );
        assert_eq!(counts(&faults(&[0, 1], 2, 100)), [0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn damage_and_strangers_are_counted() {
        let mut ledger = Ledger::default();
        let mut payload = checked::payload(100, 1, 0);
        ledger.enter(0, &payload);
        payload[20] ^= 1;
        ledger.enter(1, &payload);
        ledger.open(2);
        let (messages, faults) = ledger.close();
        assert_eq!(messages, 2);
        assert_eq!(counts(&faults), [1, 0, 0, 0, 1, 0]);
        assert_eq!(
            faults.count(Kind::Failed),
            1,
            "publisher 2 was never settled"
        );
    }
}
