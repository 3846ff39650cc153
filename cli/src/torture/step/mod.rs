//! A process is single-stepped through everything that it can do to a bus, and killed after each
//! instruction: [`run`]. Or stopped there, while the others go on for laps: [`stop`].
//!
//! A *deed* is one operation, at one fill level of the ring ([`deeds`]). One victim is stepped through
//! it from its first instruction to its last ([`trail`]). Then, for each moment between two
//! instructions, on a bus made anew ([`scene`]), another victim runs to the nearest instruction
//! before it that the first one did only once until then, is stepped from there, and is killed or
//! stopped. Those who live must feel nothing, and nothing of the dead may be left.
//!
//! Victims are forked by workers ([`worker`]), one for each processor, which trace them and play
//! those who live.

mod arch;
mod census;
mod code;
mod deeds;
mod job;
mod lab;
mod scene;
mod site;
mod tally;
mod tracee;
mod trail;
mod victim;
mod watch;
mod worker;

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::{Map, Value, json};

use self::job::{Job, Manner};
use self::tally::{Left, Stall};
use super::actor::{Actor, Role};
use super::faults::Faults;
use super::findings::Findings;
use super::setting::Setting;
use crate::outcome::Failure;

/// Who forks, steps and kills.
pub const ROLES: &[Role] = &[("step/worker", worker::serve)];

/// Moments of one job in a run of usual length: all of them, where there are not more.
const QUOTA: u64 = 100;
/// The same where time decides.
const QUOTA_OF_ROUND: u64 = 40;

/// Runs the case `step`.
pub fn run(setting: &Setting, findings: &mut Findings) -> Result<(), Failure> {
    campaign(setting, findings, Manner::Kill)
}

/// Runs the case `stop`.
pub fn stop(setting: &Setting, findings: &mut Findings) -> Result<(), Failure> {
    campaign(setting, findings, Manner::Stop)
}

fn campaign(setting: &Setting, findings: &mut Findings, manner: Manner) -> Result<(), Failure> {
    let plan = Plan::new(setting, manner)?;
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let work = |worker| {
            let plan = &plan;
            scope.spawn(move || plan.work(worker))
        };
        let workers: Vec<_> = (0..workers).map(work).collect();
        let ended = workers.into_iter().map(|worker| worker.join());
        let ended = ended.map(|ended| ended.expect("a worker's thread does not panic"));
        // All of them, before the first failure is told.
        ended.fold(Ok(()), Result::and)
    })?;
    plan.report(findings);
    Ok(())
}

/// Which jobs are to be done, and what came of those that are.
struct Plan<'s> {
    setting: &'s Setting,
    manner: Manner,
    jobs: Vec<Job>,
    done: Mutex<Done>,
}

#[derive(Default)]
struct Done {
    /// Jobs begun, over all rounds.
    begun: usize,
    /// Moments asked for.
    asked: u64,
    points: u64,
    skipped: u64,
    strays: u64,
    addresses: BTreeSet<String>,
    operations: Map<String, Value>,
    stall: Stall,
    faults: Faults,
    left: Left,
}

impl<'s> Plan<'s> {
    fn new(setting: &'s Setting, manner: Manner) -> Result<Self, Failure> {
        let mut jobs = Job::all(manner);
        jobs.retain(|job| job.name().contains(setting.operation()));
        if jobs.is_empty() {
            return Err(Failure::usage(format_args!(
                "no operation has {:?} in its name; --json without --operation lists them",
                setting.operation()
            )));
        }
        Ok(Self {
            setting,
            manner,
            jobs,
            done: Mutex::default(),
        })
    }

    /// One worker, for as long as there are jobs.
    fn work(&self, worker: usize) -> Result<(), Failure> {
        let name = format!("worker-{worker}");
        let mut actor = Actor::start("step/worker", self.setting.root(), &[name])?;
        while let Some(job) = self.next() {
            actor.tell(job.line());
            let heard = actor.hear();
            let heard = heard.and_then(|line| serde_json::from_str(&line).ok());
            let result: Value = heard
                .ok_or_else(|| Failure::say(format_args!("a worker died at {}", job.name())))?;
            if let Some(words) = result["failure"].as_str() {
                return Err(Failure::say(format_args!("{}: {words}", job.name())));
            }
            self.enter(&job, &result);
        }
        Ok(())
    }

    /// The next job, with its share of what there is to do.
    fn next(&self) -> Option<Job> {
        let mut done = self.done();
        let count = self.setting.count(QUOTA * self.jobs.len() as u64);
        let is_timed = count == u64::MAX;
        let (round, index) = (done.begun / self.jobs.len(), done.begun % self.jobs.len());
        if !self.setting.goes_on(done.asked, count) || round > 0 && !is_timed {
            return None;
        }
        let quota = match is_timed {
            true => QUOTA_OF_ROUND,
            // Equal shares of what is left, for the jobs that are left.
            false => (count - done.asked).div_ceil((self.jobs.len() - index) as u64),
        };
        done.asked += quota;
        let seed = self.setting.random(done.begun as u64).u64(..);
        done.begun += 1;
        let quota = quota as usize;
        let job = self.jobs[index];
        Some(Job { quota, seed, ..job })
    }

    fn enter(&self, job: &Job, result: &Value) {
        let number = |name: &str| result[name].as_u64().unwrap_or(0);
        let mut done = self.done();
        let points = number("points");
        // Where there were not so many moments, others may have them.
        done.asked -= (job.quota as u64).saturating_sub(points);
        done.points += points;
        done.skipped += number("skipped");
        done.strays += number("strays");
        let addresses = result["addresses"].as_array().into_iter().flatten();
        let addresses: Vec<_> = addresses.filter_map(Value::as_str).collect();
        let operation = done.operations.entry(job.name()).or_insert(json!({
            "points": 0,
            "instructions": number("instructions"),
            "addresses": addresses.len(),
        }));
        operation["points"] = (operation["points"].as_u64().unwrap_or(0) + points).into();
        done.addresses
            .extend(addresses.into_iter().map(str::to_owned));
        done.stall.merge(&Stall::from_json(&result["stall"]));
        done.faults.merge(Faults::from_json(&result["faults"]));
        done.left.merge(Left::from_json(&result["left"]));
    }

    fn report(self, findings: &mut Findings) {
        let done = self
            .done
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let points = match self.manner {
            Manner::Kill => "kill_points",
            Manner::Stop => "stop_points",
        };
        findings.did(points, done.points);
        findings.did("operations", done.operations.len());
        findings.did("addresses", done.addresses.len());
        findings.did("skipped", done.skipped);
        findings.found("strays", done.strays);
        findings.found("points", done.operations);
        done.stall.report(findings);
        done.faults.report(findings);
        done.left.report(findings);
    }

    fn done(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
