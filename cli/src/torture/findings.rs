//! What a case did and found: its last word, for people or for scripts.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use crate::args::Case;
use crate::check::{self, Check};
use crate::json;
use crate::outcome::Failure;

/// Filled while a case runs.
pub struct Findings {
    case: Case,
    seed: u64,
    started: Instant,
    did: Map<String, Value>,
    found: Map<String, Value>,
    checks: Vec<Check>,
}

impl Findings {
    /// Nothing yet.
    pub fn new(case: Case, seed: u64) -> Self {
        Self {
            case,
            seed,
            started: Instant::now(),
            did: Map::new(),
            found: Map::new(),
            checks: Vec::new(),
        }
    }

    /// What chance began with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// So much of `what` was done. `what` is the field's name: lower case, words joined by `_`.
    pub fn did(&mut self, what: &str, how_much: impl Into<Value>) {
        self.did.insert(what.to_owned(), how_much.into());
    }

    /// A figure that is worth telling, and that no invariant bounds.
    pub fn found(&mut self, what: &str, value: impl Into<Value>) {
        self.found.insert(what.to_owned(), value.into());
    }

    /// An invariant: there must be no `what`. `example` says more about the first one.
    pub fn none(&mut self, what: &str, count: u64, example: Option<&str>) {
        let example = example.map_or(String::new(), |example| format!("; the first: {example}"));
        self.holds(
            what,
            count,
            count == 0,
            format!("{}: {count}{example}", spaced(what)),
        );
    }

    /// An invariant: no `what` may be longer than `limit`. The field is in milliseconds.
    pub fn within(&mut self, what: &str, longest: Duration, limit: Duration) {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        self.holds(
            &format!("{what}_ms"),
            milliseconds(longest),
            longest <= limit,
            format!(
                "{}: {:.1} ms, may be {:.1} ms",
                spaced(what),
                milliseconds(longest),
                milliseconds(limit)
            ),
        );
    }

    /// An invariant in words, with the figure it is judged by.
    pub fn holds(&mut self, what: &str, value: impl Into<Value>, holds: bool, words: String) {
        self.found(what, value);
        self.checks.push(Check { holds, words });
    }

    /// How many invariants did not hold.
    pub fn broken(&self) -> usize {
        self.checks.iter().filter(|check| !check.holds).count()
    }

    /// Prints all of it.
    pub fn print(&self, as_json: bool) -> Result<(), Failure> {
        if as_json {
            return json::print(&self.to_json());
        }
        let mut out = io::stdout().lock();
        write!(out, "{}", self.to_text())?;
        Ok(out.flush()?)
    }

    fn to_json(&self) -> Value {
        let broken: Vec<_> = self.checks.iter().filter(|check| !check.holds).collect();
        json!({
            "case": self.name(),
            "seed": self.seed,
            "seconds": self.seconds(),
            "held": broken.is_empty(),
            "did": self.did,
            "found": self.found,
            "broken": broken.iter().map(|check| &check.words).collect::<Vec<_>>(),
        })
    }

    fn to_text(&self) -> String {
        let did: Vec<_> = self.did.iter().map(told).collect();
        format!(
            "{}, seed {}, {:.1} s: {}\n{}",
            self.name(),
            self.seed,
            self.seconds(),
            did.join(", "),
            check::lines(&self.checks)
        )
    }

    /// As on the command line.
    fn name(&self) -> String {
        let value = self.case.to_possible_value();
        value.map_or(String::new(), |value| value.get_name().to_owned())
    }

    /// To the millisecond.
    fn seconds(&self) -> f64 {
        (self.started.elapsed().as_secs_f64() * 1e3).round() / 1e3
    }
}

fn told((what, how_much): (&String, &Value)) -> String {
    format!("{how_much} {}", spaced(what))
}

fn spaced(field: &str) -> String {
    field.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_broken_invariant_is_told_in_both_forms() {
        let mut findings = Findings::new(Case::Kill, 7);
        findings.did("kills", 3);
        findings.none("torn", 0, None);
        findings.none("lost", 2, Some("message 5 of publisher 1"));
        findings.within("stall", Duration::from_millis(4), Duration::from_millis(50));
        assert_eq!(findings.broken(), 1);
        let json = findings.to_json();
        assert_eq!(json["held"], false);
        assert_eq!(json["did"]["kills"], 3);
        assert_eq!(json["found"]["stall_ms"], 4.0);
        assert_eq!(
            json["broken"][0],
            "lost: 2; the first: message 5 of publisher 1"
        );
        let text = findings.to_text();
        assert!(text.contains("FAIL  lost: 2"), "{text}");
        assert!(text.contains("2 of 3 checks held"), "{text}");
    }
}
