//! Promises, and whether they were kept: how `demo` and `torture` end.

use std::fmt::Write;

/// One promise, and whether it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// It was.
    pub holds: bool,
    /// What was promised, with the numbers that came out.
    pub words: String,
}

/// The checks, a line each, and how many of them held.
pub fn lines(checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let word = if check.holds { "ok  " } else { "FAIL" };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{word}  {}", check.words);
    }
    let held = checks.iter().filter(|check| check.holds).count();
    let _ = writeln!(text, "{held} of {} checks held", checks.len());
    text
}
