//! What the demo's processes tell the director, over a shared topic of the demo's own bus: what a
//! process said before it was killed stays said.

use std::time::{Duration, Instant};

use ringbus::{Meta, Patience, Publisher, Timestamp};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::Role;
use crate::latency::Percentiles;
use crate::outcome::Failure;

/// How it stands with one process, at one moment.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Report {
    /// See [`Role`].
    pub role: u32,
    /// 1, or 2 once restarted.
    pub life: u32,
    /// Of this life's reports, from 0, without holes.
    pub number: u64,
    /// When, in nanoseconds of CLOCK_MONOTONIC.
    pub at_ns: u64,
    /// 1 in the last one.
    pub done: u64,
    /// The account so far; for the feed, `next` and `taken` count what it published.
    pub account: Account,
    /// Published and not taken yet.
    pub lag: u64,
    /// Losses by the library's own count.
    pub lagged: u64,
    /// Messages from before it joined: in the account, not in the latencies.
    pub caught_up: u64,
    /// Latencies of the last whole half second.
    pub recent: Percentiles,
    /// Latencies of this life.
    pub whole: Percentiles,
}

/// What became of every sequence from the first on.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Account {
    /// Where it began.
    pub first: u64,
    /// The sequence expected next.
    pub next: u64,
    /// Messages taken.
    pub taken: u64,
    /// Messages that the library said were lost.
    pub lost: u64,
    /// Messages missing without a word, or said to be lost and then there.
    pub miscounted: u64,
    /// Messages that came again, or before their turn.
    pub disordered: u64,
    /// Messages that were not what was published.
    pub damaged: u64,
}

impl Account {
    /// Nothing yet, of what begins at `first`.
    pub fn from(first: u64) -> Self {
        Self {
            first,
            next: first,
            ..Self::default()
        }
    }

    /// A message came.
    pub fn take(&mut self, sequence: u64, intact: bool) {
        self.taken += 1;
        self.damaged += u64::from(!intact);
        if sequence < self.next {
            self.disordered += 1;
            return;
        }
        self.miscounted += sequence - self.next;
        self.next = sequence + 1;
    }

    /// The library said that so many are lost.
    pub fn lose(&mut self, missed: u64) {
        self.lost += missed;
        self.next += missed;
    }

    /// Whether every sequence of `first..next` was either taken, intact and in order, or counted
    /// as lost, exactly.
    pub fn is_exact(&self) -> bool {
        self.taken + self.lost == self.next - self.first
            && (self.miscounted, self.disordered, self.damaged) == (0, 0, 0)
    }
}

/// Between two reports of a process.
const REPORT_EVERY: Duration = Duration::from_millis(50);

/// A process's line to the director.
pub struct Reporter {
    publisher: Publisher<Report>,
    role: Role,
    life: u32,
    number: u64,
    due: Instant,
}

impl Reporter {
    /// Speaks for this life of `role`.
    pub fn new(publisher: Publisher<Report>, role: Role, life: u32) -> Self {
        Self {
            publisher,
            role,
            life,
            number: 0,
            due: Instant::now(),
        }
    }

    /// Whether it is time for the next report.
    pub fn is_due(&self) -> bool {
        Instant::now() >= self.due
    }

    /// Publishes `report`, with the fields that say whose it is filled in.
    pub fn tell(&mut self, report: Report) -> Result<(), Failure> {
        let report = Report {
            role: self.role as u32,
            life: self.life,
            number: self.number,
            at_ns: Timestamp::now().as_nanos(),
            ..report
        };
        let meta = Meta::new().tag(self.role as u64);
        self.publisher
            .publish_with(meta, &report, Patience::For(Duration::from_secs(10)))?;
        self.number += 1;
        self.due = Instant::now() + REPORT_EVERY;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_or_told_lost_adds_up() {
        let mut account = Account::from(10);
        account.take(10, true);
        account.lose(5);
        account.take(16, true);
        assert!(account.is_exact());
        assert_eq!((account.next, account.taken, account.lost), (17, 2, 5));
    }

    #[test]
    fn a_silent_gap_a_repeat_and_a_torn_message_are_not_exact() {
        for (sequence, intact) in [(2, true), (0, true), (1, false)] {
            let mut account = Account::from(0);
            account.take(0, true);
            account.take(sequence, intact);
            assert!(!account.is_exact(), "{account:?}");
        }
    }

    #[test]
    fn a_loss_told_too_large_is_not_exact() {
        let mut account = Account::from(0);
        account.lose(3);
        account.take(2, true);
        assert!(!account.is_exact(), "{account:?}");
    }
}
