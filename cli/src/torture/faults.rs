//! What may go wrong with messages, each kind counted apart.

use std::array;

use serde_json::{Value, json};

use super::findings::Findings;

/// A kind of fault; the names are those of the findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A message that is not as it was written.
    Torn,
    /// Acknowledged, and never seen.
    Lost,
    /// Seen before.
    Twice,
    /// Seen after a later one of the same publisher.
    OutOfOrder,
    /// Never published by anybody, or by nobody who could.
    Invented,
    /// Seen under another sequence than was acknowledged, or a sequence was left out.
    Misplaced,
    /// Losses told that were not the losses there were.
    Miscounted,
    /// An error where there should be none, or a process that ended by itself.
    Failed,
}

/// How many there were of each kind, and the first of each.
#[derive(Debug, Default)]
pub struct Faults([(u64, Option<String>); KINDS.len()]);

const KINDS: [(Kind, &str); 8] = [
    (Kind::Torn, "torn"),
    (Kind::Lost, "acknowledged_then_lost"),
    (Kind::Twice, "twice"),
    (Kind::OutOfOrder, "out_of_order"),
    (Kind::Invented, "invented"),
    (Kind::Misplaced, "misplaced"),
    (Kind::Miscounted, "miscounted"),
    (Kind::Failed, "failed"),
];

impl Faults {
    /// So many more faults of a kind.
    pub fn add(&mut self, kind: Kind, count: u64, example: impl FnOnce() -> String) {
        let (counted, first) = &mut self.0[kind as usize];
        *counted += count;
        if count > 0 && first.is_none() {
            *first = Some(example());
        }
    }

    /// So many of a kind.
    #[cfg(test)]
    pub fn count(&self, kind: Kind) -> u64 {
        self.0[kind as usize].0
    }

    /// Takes over what another one has counted.
    pub fn merge(&mut self, other: Self) {
        for (into, (count, first)) in self.0.iter_mut().zip(other.0) {
            into.0 += count;
            into.1 = into.1.take().or(first);
        }
    }

    /// The same with the place where they happened.
    pub fn located(mut self, place: &str) -> Self {
        for (_, first) in &mut self.0 {
            *first = first.take().map(|words| format!("{place}: {words}"));
        }
        self
    }

    /// For another process; see [`from_json`](Self::from_json).
    pub fn to_json(&self) -> Value {
        let all = self.0.iter();
        all.map(|(count, first)| json!([count, first])).collect()
    }

    /// What another process has counted.
    pub fn from_json(value: &Value) -> Self {
        Self(array::from_fn(|index| {
            let [count, first] = [&value[index][0], &value[index][1]];
            // What cannot be read is not nothing.
            let count = count.as_u64().unwrap_or(1);
            (count, first.as_str().map(str::to_owned))
        }))
    }

    /// An invariant for each kind: none of it.
    pub fn report(&self, findings: &mut Findings) {
        for ((_, name), (count, first)) in KINDS.iter().zip(&self.0) {
            findings.none(name, *count, first.as_deref());
        }
    }
}
