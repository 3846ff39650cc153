//! What is known of the demo's processes: who plays what, what they said, how they ended.

use std::process::ExitStatus;

use super::Role;
use super::report::Report;

/// One process.
#[derive(Debug, Clone)]
pub struct Life {
    /// What it plays.
    pub role: Role,
    /// 1, or 2 once restarted.
    pub number: u32,
    /// Its process's id.
    pub pid: u32,
    /// The first sequence it was to read.
    pub from: u64,
    /// The last it said.
    pub report: Option<Report>,
    /// What it said a good while before, to take rates from.
    earlier: Option<Report>,
    /// Reports that came.
    pub reports: u64,
    /// Those of them that did not come in their order.
    pub reports_disordered: u64,
    /// The director killed it.
    pub killed: bool,
    /// How it ended, once it did.
    pub ended: Option<ExitStatus>,
}

impl Life {
    /// One that begins now.
    pub fn new(role: Role, number: u32, pid: u32, from: u64) -> Self {
        Self {
            role,
            number,
            pid,
            from,
            report: None,
            earlier: None,
            reports: 0,
            reports_disordered: 0,
            killed: false,
            ended: None,
        }
    }

    /// A report came.
    pub fn note(&mut self, report: &Report) {
        /// Shorter windows make rates jump.
        const WINDOW_NS: u64 = 500_000_000;
        self.reports_disordered += u64::from(report.number != self.reports);
        self.reports += 1;
        let last = self.report.replace(*report);
        let age_ns = |then: Report| report.at_ns.saturating_sub(then.at_ns);
        if self
            .earlier
            .is_none_or(|earlier| age_ns(earlier) > 2 * WINDOW_NS)
        {
            self.earlier = last.or(self.earlier);
        }
    }

    /// Messages a second lately.
    pub fn rate(&self) -> Option<f64> {
        let (now, earlier) = (self.report?, self.earlier?);
        let seconds = now.at_ns.saturating_sub(earlier.at_ns) as f64 / 1e9;
        let taken = now.account.taken.saturating_sub(earlier.account.taken);
        (seconds > 0.0).then(|| taken as f64 / seconds)
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether it ended, by itself and badly.
    pub fn failed(&self) -> bool {
        !self.killed && self.ended.is_some_and(|status| !status.success())
    }

    /// What it has reported to have taken is its own; the next life goes on here.
    pub fn resume_point(&self) -> u64 {
        self.report.map_or(self.from, |report| report.account.next)
    }
}

/// Every process there is or was, in the order they were started.
#[derive(Debug, Clone, Default)]
pub struct Lives(pub Vec<Life>);

impl Lives {
    /// Everyone who ever played `role`.
    pub fn of(&self, role: Role) -> impl Iterator<Item = &Life> {
        self.0.iter().filter(move |life| life.role == role)
    }

    /// The last of those.
    pub fn last(&self, role: Role) -> Option<&Life> {
        self.of(role).last()
    }

    /// The last of each role, in the order of the roles.
    pub fn present(&self) -> impl Iterator<Item = &Life> {
        Role::ALL.iter().filter_map(|&role| self.last(role))
    }

    /// A report came.
    pub fn note(&mut self, report: &Report) {
        let whose =
            |life: &&mut Life| (life.role as u32, life.number) == (report.role, report.life);
        if let Some(life) = self.0.iter_mut().find(whose) {
            life.note(report);
        }
    }
}
