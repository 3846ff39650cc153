//! SIGKILL at random moments, under load, to everybody in turn.
//!
//! A cast of [victims](victim) works on three topics at full speed: an exclusive one, a shared one, and
//! a quiet one on which everybody sleeps in between; others make and remove topics and clear up after
//! the dead. Again and again one of them is killed, wherever it is, and restarted at once.
//! [Survivors](super::survivors) on threads of the case read everything, publish, and make topics beside
//! them. They must neither miss a message nor be held up.

mod campaign;
mod maker;
mod victim;

use std::fs;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::channel;
use std::thread;

use ringbus::{Bus, Remove, Start, TimeSource, Topic};

use super::canary::{Canary, Groups};
use super::faults::Faults;
use super::findings::Findings;
use super::leaks;
use super::progress::Progress;
use super::setting::Setting;
use super::survivors::{self, Seen};
use crate::outcome::Failure;
use campaign::{Campaign, EXCLUSIVE, Field, QUIET, SHARED, group_of};

pub use victim::ROLES;

/// How many kills make a whole run.
const USUAL: u64 = 10_000;
const LEN_MAX: usize = 200;
const CAPACITY: usize = 16;
/// Messages that a lossy subscriber may hold.
const PINS: u32 = 4;
const SUBSCRIBERS_MAX: usize = 12;
const PUBLISHERS_MAX: usize = 8;
/// Messages that an exclusive publisher has on loan at the same time.
const RUN: usize = 4;
/// The topics that victims make and remove.
const MADE: u32 = 8;

/// Everybody: whoever makes or removes files in a directory may wait for anybody who is at that.
const ALL: Groups = Groups::MAX;

/// The shared topic's publisher that is never killed; victims count on from here.
const SURVIVOR: u64 = 0;

/// Runs the case.
pub fn run(setting: &Setting, findings: &mut Findings) -> Result<(), Failure> {
    let bus = setting.bus()?;
    let [exclusive, shared, quiet] = topics(&bus)?;
    let canary = Canary::new();
    let progress = |groups| Progress::new(&canary, groups);
    let of_topics = [EXCLUSIVE, SHARED, QUIET].map(|field| progress(group_of(field)));
    let [reads_exclusive, reads_shared, sleeps] = of_topics;
    let (publishes, makes) = (progress(group_of(SHARED)), progress(ALL));
    let is_over = AtomicBool::new(false);
    let (to_exclusive, from_exclusive) = channel();
    let (to_shared, from_shared) = channel();
    let (to_quiet, from_quiet) = channel();
    let reliable = |topic: &Topic<[u8]>| topic.subscriber().reliable().join();
    let lossy = |topic: &Topic<[u8]>| topic.subscriber().start(Start::Oldest).join();
    let fields = [
        Field::new(&exclusive, vec![&reads_exclusive], to_exclusive),
        Field::new(&shared, vec![&reads_shared, &publishes], to_shared),
        Field::new(&quiet, Vec::new(), to_quiet),
    ];

    let mut faults = Faults::default();
    let mut campaign = Campaign::new(setting, fields, &canary)?;
    thread::scope(|scope| -> Result<(), Failure> {
        let ends = survivors::EndsOnDrop(&is_over);
        let keepers = [
            (&exclusive, from_exclusive, &reads_exclusive),
            (&shared, from_shared, &reads_shared),
            (&quiet, from_quiet, &sleeps),
        ]
        .map(|(topic, entries, progress)| {
            let (reliable, is_over) = (reliable(topic), &is_over);
            scope.spawn(move || survivors::keep_ledger(reliable?, &entries, progress, is_over))
        });
        let samplers = [(&exclusive, RUN as u64 - 1), (&shared, 0)].map(|(topic, ahead)| {
            let (lossy, is_over) = (lossy(topic), &is_over);
            scope.spawn(move || survivors::sample(topic, lossy?, ahead, is_over))
        });
        let maker = scope.spawn(|| maker::make(&bus, &makes, &is_over));
        campaign.open(SURVIVOR, &shared);
        let publisher = scope.spawn(|| survivors::publish(&shared, SURVIVOR, &publishes, &is_over));

        campaign.run(&mut faults)?;
        drop(ends);
        if let Some(account) = survivors::joined(publisher, &mut faults) {
            campaign.settle(account, &shared);
        }
        let mut messages = 0;
        // Keepers end when nothing comes any more.
        campaign.close();
        for keeper in keepers {
            if let Some(ledger) = survivors::joined(keeper, &mut faults) {
                let (count, found) = ledger.close();
                messages += count;
                faults.merge(found);
            }
        }
        findings.did("messages", messages);
        for sampler in samplers {
            let seen = survivors::joined(sampler, &mut faults).unwrap_or_default();
            findings.found("sampled", seen.received);
            findings.found("sampled_missed", seen.missed);
            faults.merge(seen.faults);
        }
        let Seen {
            received: made,
            faults: found,
            ..
        } = survivors::joined(maker, &mut faults).unwrap_or_default();
        findings.did("topics_made_by_a_survivor", made);
        faults.merge(found);
        Ok(())
    })?;
    campaign.report(findings);
    faults.report(findings);
    reads_exclusive.report("exclusive", findings);
    reads_shared.report("shared", findings);
    publishes.report("publishing", findings);
    sleeps.report("waking", findings);
    makes.report("making_topics", findings);

    drop(campaign);
    for name in (0..MADE).map(|number| format!("made/{number}")) {
        // Most of them are there, half of them in use when their makers were killed.
        let _ = bus.remove(&name, Remove::Force);
    }
    leaks::check(&bus, &[exclusive, shared, quiet], findings)?;
    drop(bus);
    leaks::check_locks(setting.root(), findings)
}

fn topics(bus: &Bus) -> Result<[Topic<[u8]>; 3], Failure> {
    let builder = |name| {
        let builder = bus.topic(name).payload_max(LEN_MAX).pins(PINS as usize);
        builder.capacity(CAPACITY).max_subscribers(SUBSCRIBERS_MAX)
    };
    let shared = |name| {
        builder(name)
            .shared()
            .loans(3)
            .max_publishers(PUBLISHERS_MAX)
    };
    Ok([
        builder("exclusive").create()?,
        shared("shared").create()?,
        shared("quiet").time(TimeSource::Clock).create()?,
    ])
}

/// Private memory of the kind of victim that takes the kernel long to bury, in bytes; none where the
/// machine has no room for that.
fn large_memory() -> Option<u64> {
    let text = |path| fs::read_to_string(path).unwrap_or_default();
    let info = text("/proc/meminfo");
    let line = info
        .lines()
        .find(|line| line.starts_with("MemAvailable:"))?;
    let available = line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10;
    let number = |path| text(path).trim().parse::<u64>().ok();
    let group = number("/sys/fs/cgroup/memory.max").zip(number("/sys/fs/cgroup/memory.current"));
    let group = group.map_or(u64::MAX, |(max, current)| max.saturating_sub(current));
    (available.min(group) >= 2 * LARGE_BYTES).then_some(LARGE_BYTES)
}

const LARGE_BYTES: u64 = 2 << 30;
