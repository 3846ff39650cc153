//! Who is killed when, and what is asked of the others meanwhile.

use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use ringbus::{JoinError, Topic};

use super::victim::{STEPS, Step};
use super::{LEN_MAX, SURVIVOR, USUAL, large_memory};
use crate::outcome::Failure;
use crate::torture::canary::{Canary, Groups};
use crate::torture::checked;
use crate::torture::faults::{Faults, Kind};
use crate::torture::findings::Findings;
use crate::torture::ledger::Account;
use crate::torture::notes::Notes;
use crate::torture::progress::{Progress, STALL_MAX};
use crate::torture::setting::Setting;
use crate::torture::survivors::Entry;
use crate::torture::zygote::{Victim, Zygote};

/// A topic, and those who live on it.
pub struct Field<'a> {
    topic: &'a Topic<[u8]>,
    /// Of the survivors that get on only while publishers do.
    progress: Vec<&'a Progress>,
    entries: Option<Sender<Entry>>,
}

impl<'a> Field<'a> {
    /// A topic with a keeper that hears of all publishers.
    pub fn new(
        topic: &'a Topic<[u8]>,
        progress: Vec<&'a Progress>,
        entries: Sender<Entry>,
    ) -> Self {
        Self {
            topic,
            progress,
            entries: Some(entries),
        }
    }

    fn tell(&self, entry: Entry) {
        // A keeper that ended too early is found when it is joined.
        let _ = self.entries.as_ref().map(|entries| entries.send(entry));
    }

    fn owe(&self, limit: Duration) {
        self.progress.iter().for_each(|one| one.owe(limit));
    }

    fn waive(&self) {
        self.progress.iter().for_each(|one| one.waive());
    }
}

pub const EXCLUSIVE: usize = 0;
pub const SHARED: usize = 1;
pub const QUIET: usize = 2;

/// Those who pass on the messages of a topic.
pub fn group_of(field: usize) -> Groups {
    1 << field
}

/// On whom nobody depends.
pub const OTHERS: Groups = 1 << 3;

/// Who is there at any time: a role and a topic each, by seat.
const CAST: [(&str, usize); 9] = [
    ("publisher", EXCLUSIVE),
    ("publisher", SHARED),
    ("publisher", SHARED),
    ("reader", EXCLUSIVE),
    ("reader", SHARED),
    ("waker", QUIET),
    ("sleeper", QUIET),
    ("creator", QUIET),
    ("reaper", QUIET),
];
/// The seat of those who come in between to block a topic.
const BLOCKER: usize = CAST.len();
/// The only publisher of the exclusive topic.
const OWNER: usize = 0;
const REAPER: usize = CAST.len() - 1;

/// One victim with a large memory among so many kills.
const LARGE_EVERY: u64 = 1000;
/// How long the others may be held up by the death of one.
const LARGE_STALL_MAX: Duration = Duration::from_millis(250);
/// Nobody takes so long to start, unless for ever.
const GIVE_UP: Duration = Duration::from_secs(10);
/// No machine is late by more.
const LATE_MAX: Duration = Duration::from_secs(60);

/// The killer.
pub struct Campaign<'a> {
    setting: &'a Setting,
    fields: [Field<'a>; 3],
    notes: Notes,
    zygote: Zygote,
    random: Rng,
    cast: Vec<Member>,
    lives: u64,
    kills: u64,
    killed_at: [u64; STEPS.len()],
    large_kills: u64,
    takes_over: Progress,
    canary: Canary,
    /// The topic that a living subscriber blocks.
    besieged: Option<usize>,
    slowest_start: Duration,
    read: (u64, u64),
    started: Instant,
}

/// One of the cast.
struct Member {
    victim: Victim,
    who: Who,
}

#[derive(Clone, Copy)]
struct Who {
    life: u64,
    seat: usize,
    field: usize,
    is_publisher: bool,
    born: Instant,
    /// How long it may take to get to work: to touch memory takes longest.
    patience: Duration,
}

impl<'a> Campaign<'a> {
    /// Gets ready.
    pub fn new(
        setting: &'a Setting,
        fields: [Field<'a>; 3],
        canary: &Canary,
    ) -> Result<Self, Failure> {
        Ok(Self {
            setting,
            fields,
            notes: Notes::create(setting.root())?,
            zygote: Zygote::start(setting.root(), canary)?,
            random: setting.random(0),
            cast: Vec::new(),
            lives: SURVIVOR,
            kills: 0,
            killed_at: [0; STEPS.len()],
            large_kills: 0,
            takes_over: Progress::new(canary, group_of(EXCLUSIVE)),
            canary: canary.clone(),
            slowest_start: Duration::ZERO,
            besieged: None,
            read: (0, 0),
            started: Instant::now(),
        })
    }

    /// Opens the account of a publisher.
    pub fn open(&self, origin: u64, topic: &Topic<[u8]>) {
        self.field_of(topic).tell(Entry::Born(origin));
    }

    /// Hands in the account of a publisher that publishes no more.
    pub fn settle(&self, account: Account, topic: &Topic<[u8]>) {
        let bound = topic.info().next;
        self.field_of(topic).tell(Entry::Dead(account, bound));
    }

    /// No publisher will come any more.
    pub fn close(&mut self) {
        self.fields
            .iter_mut()
            .for_each(|field| field.entries = None);
    }

    fn field_of(&self, topic: &Topic<[u8]>) -> &Field<'a> {
        let is_it = |field: &&Field<'_>| field.topic.name() == topic.name();
        self.fields.iter().find(is_it).expect("one of the case's")
    }

    /// Kills until it is over, and then whoever is left.
    pub fn run(&mut self, faults: &mut Faults) -> Result<(), Failure> {
        let _watch = self.canary.watch_this_thread(Groups::MAX);
        for seat in 0..CAST.len() {
            let member = self.start(seat, 0)?;
            self.cast.push(member);
        }
        self.fields[SHARED].owe(STALL_MAX);
        let mut large = large_memory();
        while self.setting.goes_on(self.kills, USUAL) {
            let is_due = self.kills % LARGE_EVERY == LARGE_EVERY / 2;
            let done = match self.random.u32(..16) {
                _ if is_due && large.is_some() => self.kill_a_large_one(large.unwrap_or(0), faults),
                0 => self.lay_siege(EXCLUSIVE, 0, faults),
                1 => self.lay_siege(SHARED, 0, faults),
                _ => self.kill_one(faults),
            };
            if let Err(failure) = done {
                faults.add(Kind::Failed, 1, || failure.to_string());
                break;
            }
            if is_due {
                large = large.and_then(|_| large_memory());
            }
        }
        self.fields.iter().for_each(Field::waive);
        for member in std::mem::take(&mut self.cast) {
            member.victim.kill();
            self.bury(member, faults)?;
        }
        Ok(())
    }

    fn start(&mut self, seat: usize, memory: u64) -> Result<Member, Failure> {
        let (role, field) = CAST[seat];
        self.start_as(role, seat, field, memory)
    }

    fn start_as(
        &mut self,
        role: &str,
        seat: usize,
        field: usize,
        memory: u64,
    ) -> Result<Member, Failure> {
        self.lives += 1;
        let life = self.lives;
        let is_publisher = matches!(role, "publisher" | "waker");
        if is_publisher {
            self.fields[field].tell(Entry::Born(life));
        }
        self.notes.of(seat).clear();
        let topic = self.fields[field].topic.name();
        let groups = match role {
            "creator" | "reaper" => OTHERS,
            _ => group_of(field),
        };
        let role = format!("kill/{role}");
        let args = format_args!("{life} {seat} {memory} {topic}");
        let born = Instant::now();
        Ok(Member {
            victim: self.zygote.fork(&role, args, groups)?,
            who: Who {
                life,
                seat,
                field,
                is_publisher,
                patience: GIVE_UP + Duration::from_secs(memory >> 25),
                born,
            },
        })
    }

    /// Waits until it is at work, and a little longer.
    fn let_work(&mut self, who: Who, longest_us: u64) -> Result<(), Failure> {
        let is_starting = || self.notes.of(who.seat).step() == Step::Start as u32;
        if is_starting() {
            self.wait_for_start(who)?;
        }
        if who.seat == OWNER && self.besieged != Some(EXCLUSIVE) {
            self.fields[EXCLUSIVE].owe(STALL_MAX);
        }
        self.pause(longest_us);
        Ok(())
    }

    fn wait_for_start(&mut self, who: Who) -> Result<(), Failure> {
        while self.notes.of(who.seat).step() == Step::Start as u32 {
            if self.is_hopeless(who.field, who.born, who.patience) {
                let (role, _) = CAST.get(who.seat).copied().unwrap_or(("blocker", 0));
                return Err(Failure::say(format_args!("a {role} never got to work")));
            }
            thread::sleep(Duration::from_micros(50));
        }
        self.slowest_start = self.slowest_start.max(who.born.elapsed());
        Ok(())
    }

    fn pause(&mut self, longest_us: u64) {
        // Many short ones: what is being done then is what has just begun.
        let longest_us = match self.random.bool() {
            true => longest_us,
            false => longest_us / 8,
        };
        let pause = self.random.u64(..=longest_us);
        thread::sleep(Duration::from_micros(pause));
    }

    /// Kills somebody at work, or one that has just been started, and has another one started.
    fn kill_one(&mut self, faults: &mut Faults) -> Result<(), Failure> {
        let index = self.random.usize(..self.cast.len());
        self.let_work(self.cast[index].who, 2000)?;
        if index == OWNER && self.random.bool() {
            self.succeed(STALL_MAX, faults)?;
        } else {
            self.replace(index, 0, faults)?;
        }
        if self.random.u32(..4) == 0 {
            self.pause(1500);
            self.replace(index, 0, faults)?;
        }
        Ok(())
    }

    /// Kills one of the cast, waits until the kernel has, and starts the next.
    fn replace(&mut self, index: usize, memory: u64, faults: &mut Faults) -> Result<(), Failure> {
        if index == OWNER {
            self.fields[EXCLUSIVE].waive();
        }
        self.cast[index].victim.kill();
        self.bury_and_start(index, memory, faults)
    }

    fn bury_and_start(
        &mut self,
        index: usize,
        memory: u64,
        faults: &mut Faults,
    ) -> Result<(), Failure> {
        let dead = self.cast.remove(index);
        self.bury(dead, faults)?;
        let next = self.start(index, memory)?;
        self.cast.insert(index, next);
        Ok(())
    }

    /// Kills the exclusive publisher, takes its place as soon as that is free, publishes, and starts the next.
    fn succeed(&mut self, limit: Duration, faults: &mut Faults) -> Result<(), Failure> {
        let topic = self.fields[EXCLUSIVE].topic;
        self.fields[EXCLUSIVE].waive();
        let killed = Instant::now();
        self.cast[OWNER].victim.kill();
        let publisher = loop {
            match topic.publisher() {
                Err(JoinError::PublisherExists { .. }) if killed.elapsed() < GIVE_UP => {
                    thread::yield_now();
                }
                publisher => break publisher?,
            }
        };
        self.takes_over.took(killed, limit);
        self.lives += 1;
        let origin = self.lives;
        self.open(origin, topic);
        let sequence = publisher.publish_timeout(&checked::payload(LEN_MAX, origin, 0), GIVE_UP)?;
        let account = Account {
            origin,
            acknowledged: 1,
            last_sequence: Some(sequence),
        };
        self.settle(account, topic);
        drop(publisher);
        self.bury_and_start(OWNER, 0, faults)
    }

    /// Has a subscriber block everybody on a topic, and kills it, and perhaps somebody whom it blocks.
    fn lay_siege(&mut self, field: usize, memory: u64, faults: &mut Faults) -> Result<(), Failure> {
        // Without a publisher there is nothing to hold.
        self.let_work(self.cast[field].who, 0)?;
        self.fields[field].waive();
        self.besieged = Some(field);
        let blocker = self.start_as("blocker", BLOCKER, field, memory)?;
        self.cast.push(blocker);
        self.let_work(self.cast[BLOCKER].who, 4000)?;
        let limit = match memory {
            0 => STALL_MAX,
            _ => {
                // Whatever was still to be read has been, and nobody gets on before it is dead.
                thread::sleep(Duration::from_millis(20));
                LARGE_STALL_MAX
            }
        };
        if self.random.bool() {
            // One that waits at the gate.
            self.replace(field, 0, faults)?;
            self.let_work(self.cast[field].who, 0)?;
        }
        // Without anybody to clear up, publishers have to find out by themselves.
        let is_alone = memory > 0 || self.random.bool();
        if is_alone {
            self.notes.of(REAPER).end();
        }
        let made = self.made(field);
        self.cast[BLOCKER].victim.kill();
        self.fields[field].owe(limit);
        self.besieged = None;
        if !is_alone && self.random.bool() {
            // One that may be about to find out.
            self.pause(12_000);
            self.replace(field, 0, faults)?;
        }
        let blocker = self.cast.remove(BLOCKER);
        self.bury(blocker, faults)?;
        if is_alone {
            let progress = self.await_progress(field, &made);
            self.notes.of(REAPER).go_on();
            progress?;
            self.fields[field].owe(STALL_MAX);
        }
        Ok(())
    }

    /// Waits until each survivor of a topic has got on since it had so often, unless that never comes.
    fn await_progress(&self, field: usize, before: &[u64]) -> Result<(), Failure> {
        let since = Instant::now();
        let is_waiting = || {
            let now = self.made(field);
            now.iter().zip(before).any(|(now, before)| now == before)
        };
        while is_waiting() {
            if self.is_hopeless(field, since, GIVE_UP) {
                let words = "nobody gets on after the death of a blocker";
                return Err(Failure::say(words));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Whether something on a topic has not come for so long since then, beyond what the machine was late by.
    fn is_hopeless(&self, field: usize, since: Instant, patience: Duration) -> bool {
        let waited = since.elapsed();
        if waited < patience {
            return self.setting.is_interrupted();
        }
        let late = self.canary.late(since, since + waited, group_of(field));
        waited > LATE_MAX + patience || waited.saturating_sub(late) > patience
    }

    /// How often each survivor of a topic has got on.
    fn made(&self, field: usize) -> Vec<u64> {
        let progress = self.fields[field].progress.iter();
        progress.map(|one| one.times_made()).collect()
    }

    /// The same with victims that take the kernel long to bury.
    fn kill_a_large_one(&mut self, memory: u64, faults: &mut Faults) -> Result<(), Failure> {
        self.large_kills += 1;
        match self.large_kills % 3 {
            0 => self.lay_siege(EXCLUSIVE, memory, faults),
            1 => self.lay_siege(SHARED, memory, faults),
            _ => {
                self.replace(OWNER, memory, faults)?;
                self.let_work(self.cast[OWNER].who, 2000)?;
                self.succeed(LARGE_STALL_MAX, faults)
            }
        }
    }

    /// Waits for the end of one that was killed, and reads what it has noted.
    fn bury(&mut self, dead: Member, faults: &mut Faults) -> Result<(), Failure> {
        let Member { victim, who } = dead;
        if let Err(failure) = self.zygote.bury(victim) {
            let (role, _) = CAST.get(who.seat).copied().unwrap_or(("blocker", 0));
            faults.add(Kind::Failed, 1, || {
                format!("{role} {}: {failure}", who.life)
            });
        }
        self.kills += 1;
        let note = self.notes.of(who.seat);
        self.killed_at[note.step() as usize % STEPS.len()] += 1;
        let (received, missed) = note.collect(who.life, faults);
        self.read.0 += received;
        self.read.1 += missed;
        if who.is_publisher {
            self.settle(note.account(who.life), self.fields[who.field].topic);
        }
        Ok(())
    }

    /// What was done.
    pub fn report(&self, findings: &mut Findings) {
        let seconds = self.started.elapsed().as_secs_f64();
        findings.did("kills", self.kills);
        for ((_, name), kills) in STEPS.iter().zip(self.killed_at) {
            findings.did(&format!("kills_{name}"), kills);
        }
        findings.did("kills_with_2_GiB_of_memory", self.large_kills);
        findings.did("messages_read_by_victims", self.read.0);
        findings.did("messages_missed_by_victims", self.read.1);
        let per_second = (self.kills as f64 / seconds * 10.0).round() / 10.0;
        findings.found("kills_per_second", per_second);
        let slowest_ms = (self.slowest_start.as_secs_f64() * 1e4).round() / 10.0;
        findings.found("slowest_start_ms", slowest_ms);
        self.takes_over.report("taking_over", findings);
    }
}
