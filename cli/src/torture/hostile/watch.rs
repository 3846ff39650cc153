//! Workers that may crash or hang: watched, replaced, and told of by the attempt that did it.

use std::thread;
use std::time::{Duration, Instant};

use super::book::{Book, Count, SEATS};
use crate::outcome::Failure;
use crate::torture::actor::Actor;
use crate::torture::canary::{Canary, Watch};
use crate::torture::findings::Findings;
use crate::torture::setting::Setting;

/// Longer than this is a hang.
const HANG: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// After so many crashes and hangs there is nothing more to learn.
const ENOUGH: usize = 10;

/// Numbered attempts, shared out among workers.
pub struct Work<'a> {
    /// Who makes them; its first arguments are its seat, the first number, the step to its next
    /// one and the number to stop before.
    pub role: &'a str,
    /// Its further arguments.
    pub args: &'a [String],
    /// The first attempt.
    pub first: u64,
    /// The one after the last.
    pub end: u64,
}

/// How attempts ended that must not end so.
#[derive(Default)]
pub struct Casualties {
    crashes: Vec<String>,
    hangs: Vec<String>,
}

struct Worker {
    seat: usize,
    pulse: Pulse,
    actor: Actor,
}

impl Work<'_> {
    /// Has the work done, as far as the setting allows.
    pub fn run(&self, setting: &Setting, book: &Book) -> Result<Casualties, Failure> {
        let canary = Canary::new();
        let mut casualties = Casualties::default();
        let processors = thread::available_parallelism().map_or(2, usize::from);
        let count = processors.clamp(1, SEATS);
        // No more of them than there are attempts.
        let mut workers = (self.first..self.end)
            .take(count)
            .enumerate()
            .map(|(seat, first)| self.start(setting, &canary, seat, first, count))
            .collect::<Result<Vec<_>, _>>()?;
        while !workers.is_empty() && setting.goes_on(0, 1) && casualties.total() < ENOUGH {
            thread::sleep(LOOK_EVERY);
            let mut index = 0;
            while let Some(worker) = workers.get_mut(index) {
                let at = book.seat(worker.seat).read(Count::At);
                if let Some(status) = worker.actor.ended()? {
                    let worker = workers.swap_remove(index);
                    match status.code() {
                        Some(0) => continue,
                        Some(1) => return Err(Failure::say(format_args!("{} failed", self.role))),
                        _ => {}
                    }
                    let number = at.saturating_sub(1);
                    casualties
                        .crashes
                        .push(format!("number {number}: {status}"));
                    let next = number.saturating_add(count as u64);
                    workers.push(self.start(setting, &canary, worker.seat, next, count)?);
                    continue;
                }
                if worker.pulse.has_stopped(at) {
                    let worker = workers.swap_remove(index);
                    let (seat, number) = (worker.seat, at - 1);
                    worker.actor.kill()?;
                    casualties.hangs.push(format!("number {number}"));
                    let next = number.saturating_add(count as u64);
                    workers.push(self.start(setting, &canary, seat, next, count)?);
                    continue;
                }
                index += 1;
            }
        }
        Ok(casualties)
    }

    fn start(
        &self,
        setting: &Setting,
        canary: &Canary,
        seat: usize,
        first: u64,
        step: usize,
    ) -> Result<Worker, Failure> {
        let mut args = vec![
            seat.to_string(),
            first.to_string(),
            step.to_string(),
            self.end.to_string(),
        ];
        args.extend_from_slice(self.args);
        let actor = Actor::start(self.role, setting.root(), &args)?;
        Ok(Worker {
            pulse: Pulse::new(canary, &actor, seat),
            actor,
            seat,
        })
    }
}

impl Casualties {
    fn total(&self) -> usize {
        self.crashes.len() + self.hangs.len()
    }

    /// Invariants: none.
    pub fn report(&self, what: &str, findings: &mut Findings) {
        for (kind, ends) in [("crashes", &self.crashes), ("hangs", &self.hangs)] {
            let example = ends.first().map(String::as_str);
            findings.none(&format!("{what}_{kind}"), ends.len() as u64, example);
        }
    }
}

/// A process that must not stand still: it counts on while it lives.
pub struct Pulse {
    canary: Canary,
    seat: usize,
    at: u64,
    since: Instant,
    /// By how much the machine kept it waiting is the machine's doing.
    _watch: Watch,
}

impl Pulse {
    /// That of a process in this seat, as it is now.
    pub fn new(canary: &Canary, actor: &Actor, seat: usize) -> Self {
        Self {
            canary: canary.clone(),
            seat,
            at: 0,
            since: Instant::now(),
            _watch: canary.watch_process(actor.pid(), 1 << seat),
        }
    }

    /// Whether it has counted to `at` for longer than may be.
    pub fn has_stopped(&mut self, at: u64) -> bool {
        let now = Instant::now();
        if at != self.at || at == 0 {
            (self.at, self.since) = (at, now);
        }
        let stood = now - self.since;
        stood > HANG && stood > HANG + self.canary.late(self.since, now, 1 << self.seat)
    }
}
