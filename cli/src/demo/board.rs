//! The demo as it goes: a table redrawn on a terminal, a line a second elsewhere.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::Role;
use super::life::{Life, Lives};
use super::report::Report;
use crate::outcome::Failure;
use crate::screen::Screen;
use crate::table::{Align, Table};
use crate::units;

/// What the user watches.
pub struct Board {
    screen: Screen,
    started: Instant,
    due: Instant,
}

impl Board {
    /// Blank.
    pub fn new() -> Self {
        let now = Instant::now();
        Self {
            screen: Screen::in_place(),
            started: now,
            due: now,
        }
    }

    /// Prints what just happened.
    pub fn tell(&mut self, event: &str) -> Result<(), Failure> {
        let seconds = self.started.elapsed().as_secs_f64();
        if self.screen.is_terminal() {
            // The event took the table's place.
            self.due = Instant::now();
        }
        self.say(&format!("{seconds:5.1} s  {event}\n"))
    }

    /// Prints words that stay.
    pub fn say(&mut self, words: &str) -> Result<(), Failure> {
        Ok(self.screen.say(words)?)
    }

    /// Shows how things stand, if it is time to.
    pub fn show(&mut self, lives: &Lives) -> Result<(), Failure> {
        let now = Instant::now();
        if now < self.due {
            return Ok(());
        }
        let seconds = now.duration_since(self.started).as_secs_f64();
        let (picture, pause_ms) = if self.screen.is_terminal() {
            (format!("{seconds:5.1} s\n{}", table(lives)), 250)
        } else {
            (line(seconds, lives), 1000)
        };
        self.due = now + Duration::from_millis(pause_ms);
        Ok(self.screen.draw(&picture)?)
    }

    /// Shows how things stand at the end, and leaves it there.
    pub fn close(&mut self, lives: &Lives) -> Result<(), Failure> {
        self.due = Instant::now();
        self.show(lives)?;
        self.screen.settle();
        Ok(())
    }
}

fn table(lives: &Lives) -> String {
    let mut table = Table::new(&[
        ("PROCESS", Align::Left),
        ("DELIVERY", Align::Left),
        ("STATE", Align::Left),
        ("MSG/S", Align::Right),
        ("MESSAGES", Align::Right),
        ("LAG", Align::Right),
        ("LOST", Align::Right),
        ("P50", Align::Right),
        ("P99", Align::Right),
        ("MAX", Align::Right),
    ]);
    for life in lives.present() {
        let report = life.report.unwrap_or_default();
        let mut cells = vec![
            life.role.name().to_owned(),
            life.role.delivery().to_owned(),
            state(life),
            rate(life),
            units::count(messages(lives, life)),
        ];
        if life.role != Role::Feed {
            cells.extend([units::count(report.lag), units::count(report.account.lost)]);
            let recent = [
                report.recent.p50_ns,
                report.recent.p99_ns,
                report.recent.max_ns,
            ];
            cells.extend(recent.map(latency));
        }
        table.row(cells);
    }
    table.render()
}

/// Those of earlier lives count, up to where the last one began.
fn messages(lives: &Lives, life: &Life) -> u64 {
    lives
        .of(life.role)
        .filter_map(|life| life.report)
        .map(|report| report.account.taken)
        .sum()
}

fn line(seconds: f64, lives: &Lives) -> String {
    let mut line = format!("{seconds:5.1} s");
    for life in lives.present() {
        // Writing to a string does not fail.
        let _ = match life.report {
            Some(report) if !life.is_over() => {
                write!(
                    line,
                    "  |  {} {}/s{}",
                    life.role.name(),
                    rate(life),
                    detail(life, &report)
                )
            }
            _ => write!(line, "  |  {} {}", life.role.name(), state(life)),
        };
    }
    line.push('\n');
    line
}

fn detail(life: &Life, report: &Report) -> String {
    if life.role == Role::Feed {
        return String::new();
    }
    let lost = match report.account.lost {
        0 => String::new(),
        lost => format!(" lost {}", units::count(lost)),
    };
    let (lag, p99) = (units::count(report.lag), latency(report.recent.p99_ns));
    format!(" lag {lag}{lost} p99 {p99}")
}

fn state(life: &Life) -> String {
    match life {
        Life { killed: true, .. } => "killed".to_owned(),
        Life {
            ended: Some(status),
            ..
        } if status.success() => "done".to_owned(),
        Life { ended: Some(_), .. } => "failed".to_owned(),
        Life { report: None, .. } => "starting".to_owned(),
        Life { number: 1, .. } => "running".to_owned(),
        Life { .. } => "restarted".to_owned(),
    }
}

fn rate(life: &Life) -> String {
    match life.rate() {
        Some(rate) if !life.is_over() => units::count(rate.round() as u64),
        _ => "-".to_owned(),
    }
}

/// None was measured where it is 0.
fn latency(ns: u64) -> String {
    if ns == 0 {
        "-".to_owned()
    } else {
        units::nanos(ns)
    }
}
