//! SIGKILL to those who listen to many topics, who serve and who call, while topics come and go.
//!
//! A cast of [victims](victim) works beside survivors on threads of the case: a dispatcher that all
//! publishers wait for, a server that leaves some requests unanswered, a client that servers wait for, and
//! one who makes and removes topics. Again and again one of them is killed, wherever it is, and restarted
//! at once. The survivors [publish](super::survivors), [read] all topics by patterns, [call and serve](calls).

mod calls;
mod reader;
mod victim;

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use ringbus::{Bus, Remove, Start, Topic};

use super::canary::{Canary, Groups, lock};
use super::faults::{Faults, Kind};
use super::findings::Findings;
use super::leaks;
use super::progress::{Progress, STALL_MAX};
use super::setting::Setting;
use super::survivors;
use super::zygote::{Victim, Zygote};
use crate::outcome::Failure;

pub use victim::ROLES;

/// How many kills make a whole run.
const USUAL: u64 = 5_000;
const LEN_MAX: usize = 200;
const CAPACITY: usize = 64;
const SUBSCRIBERS_MAX: usize = 8;
/// The topics that are there throughout: an exclusive and a shared one.
const STABLE: [&str; 2] = ["stable/exclusive", "stable/shared"];
/// The topics that are made and removed.
const MADE: u32 = 6;
const SERVICE: &str = "echo";
/// Who calls, as the origin of its requests: the survivor; victims count on from here.
const CALLER: u64 = 0;

/// Who is killed, by seat.
const CAST: [&str; 4] = ["dispatcher", "server", "client", "maker"];
const SERVER: usize = 1;

/// The longest pause before a kill, in microseconds: enough to join and to work.
const PAUSE_MAX_US: u64 = 12_000;

/// Runs the case.
pub fn run(setting: &Setting, findings: &mut Findings) -> Result<(), Failure> {
    let bus = setting.bus()?;
    let topics = topics(&bus)?;
    let server = bus.server(SERVICE).capacity(CAPACITY).join()?;
    let survivor = server.id();
    let mut client = bus.client(SERVICE).reliable().join()?;
    let patterns = bus.subscribe_pattern("stable/*").also("made/*");
    let mut all = patterns.reliable().start(Start::Oldest).join()?;

    // Whoever lives may have to wait for anybody that is late.
    let canary = Canary::new();
    let progress = || Progress::new(&canary, Groups::MAX);
    let publishing = [progress(), progress()];
    let (reads, calls, deaths, serves) = (progress(), progress(), progress(), progress());
    let killed = Mutex::new(Instant::now());
    let is_over = AtomicBool::new(false);
    let mut faults = Faults::default();
    let mut kills = [0; CAST.len()];

    thread::scope(|scope| -> Result<(), Failure> {
        let ends = survivors::EndsOnDrop(&is_over);
        let is_over = &is_over;
        let mut publishers = Vec::new();
        for ((origin, topic), progress) in (0..).zip(&topics).zip(&publishing) {
            let publish = move || survivors::publish(topic, origin, progress, is_over);
            publishers.push(scope.spawn(publish));
            progress.owe(STALL_MAX);
        }
        let reader = scope.spawn(|| reader::read(&mut all, &reads, is_over));
        reads.owe(STALL_MAX);
        let serving = scope.spawn(|| calls::serve(server, &serves, is_over));
        let calling = scope.spawn(|| {
            let watched = calls::Watched {
                survivor,
                calls: &calls,
                deaths: &deaths,
                killed: &killed,
            };
            calls::call(&mut client, &watched, is_over)
        });

        kill(setting, &canary, &killed, &mut kills, &mut faults)?;
        publishing.iter().for_each(Progress::waive);
        reads.waive();
        drop(ends);
        let mut accounts = Vec::new();
        for publisher in publishers {
            accounts.extend(survivors::joined(publisher, &mut faults));
        }
        if let Some(mut read) = survivors::joined(reader, &mut faults) {
            read.settle(&accounts);
            findings.did("messages", read.messages);
            findings.did("topics_met", read.topics_met);
            faults.merge(read.faults);
        }
        if let Some(called) = survivors::joined(calling, &mut faults) {
            findings.did("calls_answered", called.answered);
            findings.did("calls_ended_by_deaths", called.ended);
            faults.merge(called.faults);
        }
        if let Some(served) = survivors::joined(serving, &mut faults) {
            findings.did("requests_served", served);
        }
        Ok(())
    })?;

    findings.did("kills", kills.iter().sum::<u64>());
    for (role, count) in CAST.iter().zip(kills) {
        findings.did(&format!("{role}s"), count);
    }
    faults.report(findings);
    let [exclusive, shared] = &publishing;
    let survivors = [
        (exclusive, "publishing_exclusive"),
        (shared, "publishing_shared"),
        (&reads, "reading"),
        (&calls, "sending_requests"),
        (&deaths, "death_of_a_server_known"),
        (&serves, "replying"),
    ];
    for (progress, name) in survivors {
        progress.report(name, findings);
    }

    drop((all, client));
    for name in (0..MADE).map(made) {
        // Some are there, some are not.
        let _ = bus.remove(&name, Remove::Force);
    }
    let mut topics = Vec::from(topics);
    for name in ["requests", "replies"].map(|end| format!("{SERVICE}/{end}")) {
        match setting.is_whole() {
            true => topics.push(bus.topic(&name).open()?),
            // It takes a while to fill the places of 256 clients.
            false => bus.remove(&name, Remove::IfUnused)?,
        }
    }
    leaks::check(&bus, &topics, findings)?;
    drop(topics);
    drop(bus);
    leaks::check_locks(setting.root(), findings)
}

fn topics(bus: &Bus) -> Result<[Topic<[u8]>; 2], Failure> {
    let builder = |name| {
        let builder = bus.topic(name).payload_max(LEN_MAX).capacity(CAPACITY);
        builder.max_subscribers(SUBSCRIBERS_MAX)
    };
    let [exclusive, shared] = STABLE.map(builder);
    Ok([exclusive.create()?, shared.shared().create()?])
}

fn made(number: u32) -> String {
    format!("made/{number}")
}

/// Has everybody work, and kills one after the other; at last all.
fn kill(
    setting: &Setting,
    canary: &Canary,
    killed: &Mutex<Instant>,
    kills: &mut [u64; CAST.len()],
    faults: &mut Faults,
) -> Result<(), Failure> {
    let mut zygote = Zygote::start(setting.root(), canary)?;
    let mut random = setting.random(0);
    let mut lives = CALLER;
    let mut start = |zygote: &mut Zygote, seat: usize| {
        lives += 1;
        let args = format!("{lives} {}", setting.random(lives).u64(..));
        zygote.fork(&format!("listeners/{}", CAST[seat]), args, Groups::MAX)
    };
    let mut bury = |zygote: &mut Zygote, seat: usize, victim: Victim| {
        if seat == SERVER {
            *lock(killed) = Instant::now();
        }
        victim.kill();
        if let Err(failure) = zygote.bury(victim) {
            faults.add(Kind::Failed, 1, || format!("{}: {failure}", CAST[seat]));
        }
    };
    let mut cast = Vec::new();
    for seat in 0..CAST.len() {
        cast.push(start(&mut zygote, seat)?);
    }
    while setting.goes_on(kills.iter().sum(), USUAL) {
        thread::sleep(Duration::from_micros(random.u64(..PAUSE_MAX_US)));
        let seat = random.usize(..CAST.len());
        let next = cast.len() - 1;
        cast.swap(seat, next);
        let Some(victim) = cast.pop() else { break };
        bury(&mut zygote, seat, victim);
        kills[seat] += 1;
        cast.push(start(&mut zygote, seat)?);
        cast.swap(seat, next);
    }
    for (seat, victim) in cast.into_iter().enumerate() {
        bury(&mut zygote, seat, victim);
    }
    Ok(())
}
