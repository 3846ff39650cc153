//! Everybody comes and goes, and those who stay do not feel it.
//!
//! [Visitors](visitor) join and leave, make and remove topics, hundreds of times a second. On the same
//! topics pairs of publisher and subscriber, on threads of the case, do their work throughout: a
//! reliable pair on an exclusive and on a shared topic, and a lossy one. They must miss nothing, be
//! told of no loss that is none, and not be held up.

mod visitor;

use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use ringbus::{Bus, Remove, Start, Topic};

use super::canary::{Canary, Groups};
use super::faults::{Faults, Kind};
use super::findings::Findings;
use super::leaks;
use super::ledger::Account;
use super::notes::{CHANGES, Notes};
use super::progress::{Progress, STALL_MAX};
use super::setting::Setting;
use super::survivors::{self, Entry};
use super::zygote::Zygote;
use crate::outcome::Failure;

pub use visitor::ROLES;

/// How many changes make a whole run.
const USUAL: u64 = 200_000;
const LEN_MAX: usize = 200;
const CAPACITY: usize = 32;
const PINS: u32 = 4;
/// The topics that visitors make and remove.
const MADE: u32 = 4;

/// The topics, by their place in `topics`.
const NAMES: [&str; 3] = ["exclusive", "shared", "lossy"];
const SHARED: usize = 1;
const LOSSY: usize = 2;

/// The publishers that stay; each visitor that publishes is a further one.
const STABLE: [u64; 2] = [0, 1];
const VISITING: u64 = 2;

/// Who comes and goes, by seat.
const CAST: [&str; 5] = ["visitor", "visitor", "publisher", "maker", "maker"];
/// The seat of the one who publishes.
const PUBLISHER: usize = 2;
/// The kinds of changes, as visitors count them.
const KINDS: [&str; CHANGES] = ["joins", "leaves", "creates", "removes"];

/// Nobody takes so long for a change, unless for ever.
const GIVE_UP: Duration = Duration::from_secs(30);
/// Between two looks at how far they are.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Runs the case.
pub fn run(setting: &Setting, findings: &mut Findings) -> Result<(), Failure> {
    let bus = setting.bus()?;
    let topics = topics(&bus)?;
    let canary = Canary::new();
    // Whoever stays may wait for any visitor: as a publisher for a reliable one, as a subscriber for one
    // that publishes, and both for one that joins or leaves.
    let progress = [(); NAMES.len()].map(|()| Progress::new(&canary, Groups::MAX));
    let publishing = [(); STABLE.len() + 2].map(|()| Progress::new(&canary, Groups::MAX));
    let notes = Notes::create(setting.root())?;
    let mut zygote = Zygote::start(setting.root(), &canary)?;
    let mut faults = Faults::default();
    let is_over = AtomicBool::new(false);
    let started = Instant::now();

    let messages = thread::scope(|scope| -> Result<u64, Failure> {
        let ends = survivors::EndsOnDrop(&is_over);
        let (is_over, progress) = (&is_over, &progress);
        let [exclusive, shared, lossy] = &topics;
        let channels = [exclusive, shared, lossy].map(|topic| (topic, channel()));
        let mut entries = Vec::new();
        let mut keepers = Vec::new();
        for (index, (topic, (to, from))) in channels.into_iter().enumerate() {
            entries.push(to);
            let reliable = topic.subscriber().reliable().join()?;
            // The third topic's keeper only keeps the books of what its lossy subscriber may miss.
            let progress = &progress[index];
            keepers.push(
                scope.spawn(move || survivors::keep_ledger(reliable, &from, progress, is_over)),
            );
        }
        let sampler = lossy.subscriber().start(Start::Oldest).join()?;
        let sampler = scope.spawn(move || survivors::sample(lossy, sampler, 0, is_over));

        let stable = [
            (0, STABLE[0]),
            (SHARED, STABLE[0]),
            (SHARED, STABLE[1]),
            (LOSSY, STABLE[0]),
        ];
        let mut publishers = Vec::new();
        for ((field, origin), progress) in stable.into_iter().zip(&publishing) {
            tell(&entries[field], Entry::Born(origin));
            let topic = &topics[field];
            progress.owe(STALL_MAX);
            let publisher =
                scope.spawn(move || survivors::publish(topic, origin, progress, is_over));
            publishers.push((field, publisher));
        }
        progress.iter().for_each(|one| one.owe(STALL_MAX));

        tell(&entries[SHARED], Entry::Born(VISITING));
        let account = come_and_go(setting, &notes, &mut zygote, &mut faults)?;
        settle(shared, &entries[SHARED], account);

        progress.iter().chain(&publishing).for_each(Progress::waive);
        drop(ends);
        for (field, publisher) in publishers {
            if let Some(account) = survivors::joined(publisher, &mut faults) {
                settle(&topics[field], &entries[field], account);
            }
        }
        drop(entries);
        let mut messages = 0;
        for keeper in keepers {
            if let Some(ledger) = survivors::joined(keeper, &mut faults) {
                let (count, found) = ledger.close();
                messages += count;
                faults.merge(found);
            }
        }
        let seen = survivors::joined(sampler, &mut faults).unwrap_or_default();
        findings.found("sampled", seen.received);
        findings.found("sampled_missed", seen.missed);
        faults.merge(seen.faults);
        Ok(messages)
    })?;

    report(&changes(&notes), messages, started, findings);
    faults.report(findings);
    for (name, progress) in NAMES.iter().zip(&progress) {
        progress.report(&format!("reading_{name}"), findings);
    }
    let names = ["exclusive", "shared_first", "shared_second", "lossy"];
    for (name, progress) in names.iter().zip(&publishing) {
        progress.report(&format!("publishing_{name}"), findings);
    }

    drop((zygote, notes));
    for name in (0..MADE).map(made) {
        // Some are there, some are not.
        let _ = bus.remove(&name, Remove::Force);
    }
    leaks::check(&bus, &topics, findings)?;
    drop(topics);
    drop(bus);
    leaks::check_locks(setting.root(), findings)
}

fn topics(bus: &Bus) -> Result<[Topic<[u8]>; 3], Failure> {
    let builder = |name| {
        let builder = bus.topic(name).payload_max(LEN_MAX).pins(PINS as usize);
        builder.capacity(CAPACITY).max_subscribers(12)
    };
    let [exclusive, shared, lossy] = NAMES.map(builder);
    Ok([
        exclusive.create()?,
        shared.shared().loans(2).max_publishers(6).create()?,
        lossy.create()?,
    ])
}

fn made(number: u32) -> String {
    format!("made/{number}")
}

fn tell(entries: &Sender<Entry>, entry: Entry) {
    // A keeper that ended too early is found when it is joined.
    let _ = entries.send(entry);
}

/// Hands in the account of a publisher that publishes no more.
fn settle(topic: &Topic<[u8]>, entries: &Sender<Entry>, account: Account) {
    tell(entries, Entry::Dead(account, topic.info().next));
}

/// Has visitors come and go until there were enough changes; returns the account of the one who publishes.
fn come_and_go(
    setting: &Setting,
    notes: &Notes,
    zygote: &mut Zygote,
    faults: &mut Faults,
) -> Result<Account, Failure> {
    let mut visitors = Vec::new();
    for (seat, role) in CAST.iter().enumerate() {
        notes.of(seat).clear();
        let args = format!("{seat} {}", setting.random(seat as u64).u64(..));
        visitors.push(zygote.fork(&format!("churn/{role}"), args, Groups::MAX)?);
    }
    watch(setting, notes, faults);
    (0..CAST.len()).for_each(|seat| notes.of(seat).end());
    for (seat, visitor) in visitors.into_iter().enumerate() {
        if let Err(failure) = zygote.see_off(visitor) {
            let role = CAST[seat];
            faults.add(Kind::Failed, 1, || format!("{role} {seat}: {failure}"));
        }
        notes.of(seat).collect(seat as u64, faults);
    }
    Ok(notes.of(PUBLISHER).account(VISITING))
}

/// Waits until there were enough changes.
fn watch(setting: &Setting, notes: &Notes, faults: &mut Faults) {
    let (mut last, mut since) = ([0; CAST.len()], [Instant::now(); CAST.len()]);
    while setting.goes_on(changes(notes).iter().sum(), USUAL) {
        thread::sleep(LOOK_EVERY);
        for seat in 0..CAST.len() {
            let now: u64 = notes.of(seat).changes().iter().sum();
            if now > last[seat] {
                (last[seat], since[seat]) = (now, Instant::now());
            } else if since[seat].elapsed() > GIVE_UP {
                let role = CAST[seat];
                let words = || format!("{role} {seat} has not come or gone for {GIVE_UP:?}");
                return faults.add(Kind::Failed, 1, words);
            }
        }
    }
}

/// What was done.
fn report(changes: &[u64; CHANGES], messages: u64, started: Instant, findings: &mut Findings) {
    let seconds = started.elapsed().as_secs_f64();
    findings.did("changes", changes.iter().sum::<u64>());
    for (kind, count) in KINDS.iter().zip(changes) {
        findings.did(kind, *count);
        let a_second = (*count as f64 / seconds).round();
        findings.found(&format!("{kind}_per_second"), a_second);
    }
    findings.did("messages", messages);
}

fn changes(notes: &Notes) -> [u64; CHANGES] {
    let mut sums = [0; CHANGES];
    for seat in 0..CAST.len() {
        for (sum, count) in sums.iter_mut().zip(notes.of(seat).changes()) {
            *sum += count;
        }
    }
    sums
}
