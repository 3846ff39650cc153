//! What a worker has done and found, on its way to the case.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::torture::faults::Faults;
use crate::torture::findings::Findings;
use crate::torture::progress::STALL_MAX;

/// What came of a job.
#[derive(Default)]
pub struct Tally {
    /// Victims killed or stopped.
    pub points: u64,
    /// Those that went another way, and were past their deed when it was their turn.
    pub strays: u64,
    /// Between the marks of the victims that were stepped through all of it.
    pub instructions: u64,
    /// Moments between these at which nobody was killed or stopped.
    pub skipped: u64,
    /// Those of the instructions.
    pub addresses: BTreeSet<String>,
    pub stall: Stall,
    pub faults: Faults,
    pub left: Left,
}

/// The longest that anybody alive was held up, in milliseconds.
#[derive(Debug, Clone, Default)]
pub struct Stall {
    /// All of it.
    longest: f64,
    /// The longest beyond what the machine was late by at the time, and that.
    beyond: f64,
    late: f64,
    /// Where that was.
    place: String,
}

/// What the dead had and nobody has back: after how many of them, and the first.
#[derive(Debug, Default)]
pub struct Left(u64, Option<String>);

impl Tally {
    /// For the case.
    pub fn to_json(&self) -> Value {
        json!({
            "points": self.points,
            "strays": self.strays,
            "instructions": self.instructions,
            "skipped": self.skipped,
            "addresses": self.addresses,
            "stall": self.stall.to_json(),
            "faults": self.faults.to_json(),
            "left": [self.left.0, self.left.1],
        })
    }
}

impl Stall {
    /// Somebody alive took from `from` to `to`; `late` asks by how much the machine was late.
    pub fn add(&mut self, from: Instant, to: Instant, late: impl FnOnce() -> Duration) {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        let took = to.saturating_duration_since(from);
        self.longest = self.longest.max(milliseconds(took));
        if milliseconds(took) > self.beyond {
            let late = late();
            let beyond = milliseconds(took.saturating_sub(late));
            if beyond > self.beyond {
                self.beyond = beyond;
                self.late = milliseconds(late);
            }
        }
    }

    /// The same with the place where it was.
    pub fn located(mut self, place: &str) -> Self {
        place.clone_into(&mut self.place);
        self
    }

    /// Takes over what is worse in another one.
    pub fn merge(&mut self, other: &Self) {
        let longest = self.longest.max(other.longest);
        if other.beyond > self.beyond {
            self.clone_from(other);
        }
        self.longest = longest;
    }

    /// What [`to_json`](Self::to_json) has written.
    pub fn from_json(value: &Value) -> Self {
        let number = |index: usize| value[index].as_f64().unwrap_or(f64::MAX);
        Self {
            longest: number(0),
            beyond: number(1),
            late: number(2),
            place: value[3].as_str().unwrap_or("").to_owned(),
        }
    }

    fn to_json(&self) -> Value {
        json!([self.longest, self.beyond, self.late, self.place])
    }

    /// An invariant: nobody is held up for too long.
    pub fn report(&self, findings: &mut Findings) {
        findings.found("stall_longest_ms", self.longest);
        findings.found("stall_hiccup_ms", self.late);
        findings.found("stall_at", self.place.as_str());
        let beyond = Duration::try_from_secs_f64(self.beyond / 1e3).unwrap_or(Duration::MAX);
        findings.within("stall", beyond, STALL_MAX);
    }
}

impl Left {
    /// One more.
    pub fn add(&mut self, words: String) {
        self.merge(Self(1, Some(words)));
    }

    /// Takes over what another one has counted.
    pub fn merge(&mut self, other: Self) {
        self.0 += other.0;
        self.1 = self.1.take().or(other.1);
    }

    /// What another process has counted.
    pub fn from_json(value: &Value) -> Self {
        let first = value[1].as_str().map(str::to_owned);
        Self(value[0].as_u64().unwrap_or(1), first)
    }

    /// An invariant: there is nothing.
    pub fn report(&self, findings: &mut Findings) {
        findings.none("left_behind", self.0, self.1.as_deref());
    }
}
