//! Whether the demo's bus did what it promises: the demo's last word.

use std::process::ExitStatus;

use super::Role;
use super::life::{Life, Lives};
use super::report::{Account, Report};
use crate::check::Check;
use crate::table::{Align, Table};
use crate::units::{count, nanos, plural};

/// What is known at the end, apart from what the processes said.
pub struct Evidence<'a> {
    /// Everyone there was.
    pub lives: &'a Lives,
    /// The sequence after the topic's last message.
    pub next: u64,
    /// How often the feed waited.
    pub waited: u64,
    /// Messages the feed was to publish.
    pub planned: u64,
    /// Messages that the killed process had taken but not reported: its next life got them again.
    pub retaken: Option<u64>,
}

impl Evidence<'_> {
    /// Every check, in the order of the story.
    pub fn checks(&self) -> Vec<Check> {
        vec![
            self.processes(),
            self.feed(),
            self.reliable(Role::Momentum),
            self.killed(Role::Hedger),
            self.lossy(Role::Charts),
            self.lossy(Role::Monitor),
            self.really_lost(Role::Charts),
            self.reports(),
        ]
    }

    fn processes(&self) -> Check {
        let lives = &self.lives.0;
        let (killed, others): (Vec<_>, Vec<_>) = lives.iter().partition(|life| life.killed);
        let by_sigkill = killed
            .iter()
            .filter(|life| life.ended.is_some_and(was_killed))
            .count();
        let well = others
            .iter()
            .filter(|life| life.ended.is_some_and(|end| end.success()))
            .count();
        Check {
            holds: by_sigkill == 1 && killed.len() == 1 && well == others.len(),
            words: format!(
                "processes: {by_sigkill} killed by SIGKILL as planned, {well} of {} others ended well",
                others.len()
            ),
        }
    }

    fn feed(&self) -> Check {
        let report = self.final_report(Role::Feed);
        let (published, next) = (report.account.taken, self.next);
        Check {
            holds: report.done == 1 && published == self.planned && next == self.planned,
            words: format!(
                "feed: published {} of {}, waited for a reliable subscriber {}",
                count(published),
                plural(self.planned, "message"),
                plural(self.waited, "time"),
            ),
        }
    }

    /// One reliable subscriber from the first message to the last.
    fn reliable(&self, role: Role) -> Check {
        let report = self.final_report(role);
        let account = report.account;
        Check {
            holds: self.is_whole(&report) && account.first == 0,
            words: format!(
                "{} (reliable): got {} of {}, {}",
                role.name(),
                count(account.taken),
                count(self.planned),
                faults(&account),
            ),
        }
    }

    /// The same over two lives: the second began where the first had last reported to be.
    fn killed(&self, role: Role) -> Check {
        let mut lives = self.lives.of(role).filter_map(|life| life.report);
        let (before, after) = (
            lives.next().unwrap_or_default(),
            lives.next().unwrap_or_default(),
        );
        let (first, second) = (before.account, after.account);
        let retaken = match self.retaken {
            None | Some(0) => String::new(),
            Some(again) => format!(" ({} it had not reported came again)", count(again)),
        };
        Check {
            holds: (first.first, before.done, first.lost) == (0, 0, 0)
                && first.is_exact()
                && first.next == second.first
                && self.is_whole(&after),
            words: format!(
                "{} (reliable, killed and restarted): got {} before SIGKILL + {} after, from \
                 sequence {} on{retaken} = {} of {}; {}",
                role.name(),
                count(first.taken),
                count(second.taken),
                second.first,
                count(first.taken + second.taken),
                count(self.planned),
                faults(&sum(&first, &second)),
            ),
        }
    }

    /// To the last message, and nothing lost on the way.
    fn is_whole(&self, report: &Report) -> bool {
        let account = report.account;
        report.done == 1
            && account.is_exact()
            && (account.next, account.lost, report.lagged) == (self.planned, 0, 0)
    }

    fn lossy(&self, role: Role) -> Check {
        let report = self.final_report(role);
        let account = report.account;
        let span = account.next - account.first.min(account.next);
        Check {
            holds: report.done == 1
                && account.is_exact()
                && account.first == 0
                && account.next == self.planned
                && report.lagged == account.lost,
            words: format!(
                "{} ({}): got {} + {} counted as lost = {} of {}; {}",
                role.name(),
                role.delivery(),
                count(account.taken),
                count(account.lost),
                count(span),
                count(self.planned),
                flaws(&account),
            ),
        }
    }

    /// Else the check before it would prove little.
    fn really_lost(&self, role: Role) -> Check {
        let lost = self.final_report(role).account.lost;
        let words = format!(
            "{}: too slow on purpose, and really lost some: {}",
            role.name(),
            count(lost)
        );
        Check {
            holds: lost > 0,
            words,
        }
    }

    /// The reports themselves went over the bus, from many publishers at once.
    fn reports(&self) -> Check {
        let lives = &self.lives.0;
        let reports: u64 = lives.iter().map(|life| life.reports).sum();
        let disordered: u64 = lives.iter().map(|life| life.reports_disordered).sum();
        Check {
            holds: disordered == 0 && lives.iter().all(|life| life.reports > 0),
            words: format!(
                "reports (shared topic, {}): {}, {disordered} out of their publisher's order",
                plural(lives.len() as u64, "publisher"),
                plural(reports, "message"),
            ),
        }
    }

    fn final_report(&self, role: Role) -> Report {
        self.lives
            .last(role)
            .and_then(|life| life.report)
            .unwrap_or_default()
    }

    /// The latencies of every life.
    pub fn latencies(&self) -> String {
        let columns = ["P50", "P99", "P99.9", "MAX"].map(|title| (title, Align::Right));
        let mut table = Table::new(
            &[
                &[("ONE-WAY LATENCY", Align::Left), ("MEASURED", Align::Right)],
                &columns[..],
            ]
            .concat(),
        );
        for life in self.lives.0.iter().filter(|life| life.role != Role::Feed) {
            let report = life.report.unwrap_or_default();
            let whole = report.whole;
            let measured = report.account.taken.saturating_sub(report.caught_up);
            let cells = [life_name(life), count(measured)];
            let latencies = [whole.p50_ns, whole.p99_ns, whole.p999_ns, whole.max_ns].map(nanos);
            table.row(cells.into_iter().chain(latencies));
        }
        table.render()
    }
}

fn life_name(life: &Life) -> String {
    match (life.killed, life.number) {
        (true, _) => format!("{} until killed", life.role.name()),
        (false, 1) => life.role.name().to_owned(),
        (false, _) => format!("{} restarted", life.role.name()),
    }
}

#[cfg(unix)]
fn was_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(libc::SIGKILL)
}

/// On Windows, the killed end with a code like any other.
#[cfg(not(unix))]
fn was_killed(status: ExitStatus) -> bool {
    !status.success()
}

fn sum(one: &Account, two: &Account) -> Account {
    Account {
        lost: one.lost + two.lost,
        miscounted: one.miscounted + two.miscounted,
        disordered: one.disordered + two.disordered,
        damaged: one.damaged + two.damaged,
        ..*two
    }
}

fn faults(account: &Account) -> String {
    format!(
        "{} lost, {}",
        count(account.lost + account.miscounted),
        flaws(account)
    )
}

fn flaws(account: &Account) -> String {
    format!(
        "{} miscounted, {} damaged, {} out of order",
        count(account.miscounted),
        count(account.damaged),
        count(account.disordered)
    )
}

#[cfg(test)]
mod tests;
