//! Those who live on a topic while one of them is killed or stopped, and what they must not feel.

use std::ffi::OsString;
use std::fs;
use std::time::{Duration, Instant};

use ringbus::{
    Bus, Collected, JoinError, PublishError, Publisher, PublisherMode, Remove, Start, Subscriber,
    Topic, TopicError,
};

use super::census;
use super::deeds::{Deed, Fill, Part};
use super::job::Act;
use super::lab::Lab;
use super::site::{CAPACITY, LEN_MAX, OTHER, PINS, SUBSCRIBERS, Site, TOPIC};
use super::victim::Reads;
use crate::outcome::Failure;
use crate::torture::faults::{Faults, Kind};
use crate::torture::ledger::{Account, Ledger};
use crate::torture::{checked, leaks};

/// A bus, a topic, a subscriber that sees all of it, and somebody who publishes.
///
/// Those who read and those who publish have a bus handle each, and so a lease: to one another they
/// are as other processes are.
pub struct Scene<'l> {
    lab: &'l Lab,
    pub site: Site,
    house: Bus,
    press: Bus,
    pub topic: Topic<[u8]>,
    witness: Subscriber<[u8]>,
    /// The sequence that the witness sees next.
    expected: u64,
    helper: Option<Helper>,
    /// They take the places that a newcomer could have had without asking who is dead.
    crowd: Vec<Subscriber<[u8]>>,
    ledger: Ledger,
}

/// One who publishes, and lives.
struct Helper {
    publisher: Publisher<[u8]>,
    account: Account,
}

/// Where something takes so long, the bus has failed, and the rest of the case need not wait.
const PATIENCE: Duration = Duration::from_secs(2);
/// Enough to announce that one sleeps.
const SHORT: Duration = Duration::from_micros(200);
const LAPS: u64 = 3;

impl<'l> Scene<'l> {
    /// A fresh one.
    pub fn new(lab: &'l Lab, mode: PublisherMode) -> Result<Self, Failure> {
        let site = lab.site(mode);
        let (house, press) = (site.bus()?, site.bus()?);
        let topic = site.builder(&house, TOPIC).create()?;
        let witness = topic.subscriber().reliable().join()?;
        let mut scene = Self {
            lab,
            site,
            house,
            press,
            topic,
            witness,
            expected: 0,
            helper: None,
            crowd: Vec::new(),
            ledger: Ledger::default(),
        };
        scene.hire()?;
        Ok(scene)
    }

    /// The directory of its bus.
    pub fn path(&self) -> std::path::PathBuf {
        self.site.path()
    }

    /// A lossy subscriber that will be passed, where there is to be one.
    pub fn laggard(&self, Act { deed, fill }: Act) -> Result<Option<Subscriber<[u8]>>, Failure> {
        let is_one = deed.part == Part::Publisher && matches!(fill, Fill::Full | Fill::Held);
        let laggard = is_one.then(|| self.topic.subscriber().lossy().join());
        Ok(laggard.transpose()?)
    }

    /// All but one of the places of subscribers are taken from here on, by the living.
    pub fn crowd(&mut self) -> Result<(), Failure> {
        while self.crowd.len() + 2 < SUBSCRIBERS {
            self.crowd.push(self.topic.subscriber().lossy().join()?);
        }
        Ok(())
    }

    /// Publishes what there is to be before a victim comes, `published` of it already.
    pub fn fill(&mut self, Act { deed, fill }: Act, published: u64) -> Result<(), Failure> {
        let is_reader = matches!(deed.part, Part::Subscriber(_));
        let count = match fill {
            Fill::Empty => 0,
            Fill::Part | Fill::Asleep => 5,
            Fill::Wrapping => CAPACITY + 5,
            Fill::Dead => CAPACITY,
            Fill::Full | Fill::Held | Fill::Lapped => CAPACITY,
        };
        let waits_for_victim = is_reader && matches!(fill, Fill::Part | Fill::Full | Fill::Lapped);
        if !waits_for_victim {
            self.publish(count - published)?;
        }
        if deed.name == "remove" {
            self.site.builder(&self.house, OTHER).create()?;
        }
        Ok(())
    }

    /// Leaves the place of an exclusive publisher to a victim that needs it.
    pub fn make_room(&mut self, deed: &Deed) {
        if deed.part == Part::Publisher && self.site.mode == PublisherMode::Exclusive {
            self.dismiss();
        }
    }

    /// Publishes what there is to be once the victim is ready.
    pub fn fill_further(&mut self, Act { deed, fill }: Act) -> Result<(), Failure> {
        let Part::Subscriber(reads) = deed.part else {
            return Ok(());
        };
        match fill {
            Fill::Part | Fill::Wrapping => self.publish(5),
            Fill::Lapped => self.publish(CAPACITY + CAPACITY / 2),
            Fill::Full => {
                self.publish(CAPACITY)?;
                match reads {
                    // Somebody waits until it moves.
                    Reads::Reliable => self.try_publish(SHORT).map(drop),
                    Reads::Lossy | Reads::Evictable => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Opens the account of a victim.
    pub fn expect(&mut self, origin: u64) {
        self.ledger.open(origin);
    }

    /// Closes the account of a victim that is dead, or gone.
    pub fn settle(&mut self, origin: u64) -> Result<(), Failure> {
        self.read()?;
        self.ledger.settle(self.lab.note(origin).account(origin));
        Ok(())
    }

    /// A fault that others than the witness noticed.
    pub fn fault(&mut self, kind: Kind, words: impl FnOnce() -> String) {
        self.ledger.fault(kind, words);
    }

    /// Faults that a victim noticed.
    pub fn merge(&mut self, faults: Faults) {
        self.ledger.merge(faults);
    }

    /// Somebody alive publishes one more.
    pub fn publish_one(&mut self) -> Result<(), Failure> {
        if self.helper.is_none() {
            self.hire()?;
        }
        self.publish(1)
    }

    /// Everybody goes on for some laps, newcomers come, and nobody waits.
    pub fn go_on(&mut self) -> Result<(), Failure> {
        self.publish_one()?;
        self.publish(LAPS * CAPACITY)?;
        self.welcome()
    }

    /// Goes on beside one who is stopped in the middle of a deed, the process `pid`.
    pub fn go_on_beside(&mut self, act: Act, pid: libc::pid_t) -> Result<(), Failure> {
        // Room for a newcomer.
        self.crowd.pop();
        self.publish_beside(act.deed.part, pid)?;
        match act.deed.name {
            // What a remover has not removed is nobody's.
            "remove" => self.house.gc().map(drop)?,
            _ if act.fill == Fill::Dead => self.house.gc().map(drop)?,
            _ => self.collect_nothing()?,
        }
        if act.deed.name == "create" {
            self.make_other()?;
        }
        Ok(())
    }

    fn publish_beside(&mut self, part: Part, pid: libc::pid_t) -> Result<(), Failure> {
        if self.helper.is_none() {
            match self.press_join() {
                Err(JoinError::PublisherExists { pid: whose, .. }) => {
                    return check_culprit(whose, pid);
                }
                joined => self.take_on(joined?),
            }
        }
        for _ in 0..LAPS * CAPACITY {
            match self.try_publish(SHORT)? {
                None => {}
                Some(culprit) if part == Part::Subscriber(Reads::Reliable) => {
                    return check_culprit(culprit.pid, pid);
                }
                // An evictable one is in the way until its time is over.
                Some(_) => self.publish(1)?,
            }
        }
        self.welcome()
    }

    /// Collects, and finds nobody dead who lives.
    fn collect_nothing(&self) -> Result<(), Failure> {
        let collected = self.house.gc()?;
        match collected == Collected::default() {
            true => Ok(()),
            false => Err(Failure::say(format_args!(
                "gc took from the living: {collected:?}"
            ))),
        }
    }

    /// What stands beside the topic is made, or removed, by one who lives.
    fn make_other(&self) -> Result<(), Failure> {
        let from = Instant::now();
        self.site.builder(&self.house, OTHER).open_or_create()?;
        self.lab.took(from);
        Ok(())
    }

    /// Somebody waits for the next message; whatever happens, it comes, or this one is told.
    pub fn sleeper(&self) -> Result<Subscriber<[u8]>, Failure> {
        let builder = self.topic.subscriber().spin(Duration::ZERO);
        Ok(builder.join()?)
    }

    /// Everybody leaves. What was found until then, and whether anything is left of the dead: a place,
    /// a chunk, a lock or a file.
    pub fn close(mut self) -> (Faults, Result<(), Failure>) {
        self.dismiss();
        let site = self.site.clone();
        let (faults, left) = self.leave();
        if left.is_err() {
            wreck(&site);
        }
        (faults, left)
    }

    /// Ends it in the middle. What was found until then.
    pub fn give_up(mut self) -> Faults {
        self.dismiss();
        let site = self.site.clone();
        let (_, faults) = self.ledger.close();
        drop((self.witness, self.crowd, self.topic, self.house, self.press));
        wreck(&site);
        faults
    }

    fn leave(self) -> (Faults, Result<(), Failure>) {
        let (_, faults) = self.ledger.close();
        drop((self.witness, self.crowd));
        let looked = look_for_the_dead(&self.house, &self.topic)
            .and_then(|()| leaks::use_all(&self.topic))
            .and_then(|()| match self.site.mode {
                PublisherMode::Exclusive => Ok(()),
                PublisherMode::Shared => census::count(&self.site.path()),
            });
        drop(self.topic);
        let left = looked.and_then(|()| remove_all(&self.house, &self.site));
        drop((self.house, self.press));
        let left = left.and_then(|()| look_for_locks(&self.site));
        let left = left.and_then(|()| self.site.destroy());
        (faults, left)
    }

    /// A helper joins, at once.
    fn hire(&mut self) -> Result<(), Failure> {
        let from = Instant::now();
        let publisher = self.press_join()?;
        self.lab.took(from);
        self.take_on(publisher);
        Ok(())
    }

    fn press_join(&self) -> Result<Publisher<[u8]>, JoinError> {
        let topic = self.press.topic(TOPIC).open();
        // The topic is there: the other handle has just opened it.
        topic.map_err(|_| JoinError::Forked)?.publisher()
    }

    fn take_on(&mut self, publisher: Publisher<[u8]>) {
        let account = Account {
            origin: self.lab.new_origin(),
            acknowledged: 0,
            last_sequence: None,
        };
        self.ledger.open(account.origin);
        self.helper = Some(Helper { publisher, account });
    }

    /// The helper leaves.
    fn dismiss(&mut self) {
        if let Some(helper) = self.helper.take() {
            self.ledger.settle(helper.account);
        }
    }

    /// Publishes so many, each of which the witness sees at once.
    pub fn publish(&mut self, count: u64) -> Result<(), Failure> {
        for _ in 0..count {
            let from = Instant::now();
            if let Some(culprit) = self.try_publish(PATIENCE)? {
                return Err(Failure::say(format_args!(
                    "a publisher is held up for {PATIENCE:?}: {culprit}"
                )));
            }
            self.lab.took(from);
        }
        Ok(())
    }

    /// Publishes one message within `patience`, or says who is in the way.
    fn try_publish(&mut self, patience: Duration) -> Result<Option<ringbus::Culprit>, Failure> {
        let Some(helper) = &mut self.helper else {
            return Err(Failure::say("there is nobody to publish"));
        };
        let account = &mut helper.account;
        let payload = checked::payload(LEN_MAX, account.origin, account.acknowledged);
        match helper.publisher.publish_timeout(&payload, patience) {
            Ok(seq) => {
                account.acknowledged += 1;
                account.last_sequence = Some(seq);
            }
            Err(PublishError::Full(culprit)) => return Ok(Some(culprit)),
            Err(error) => return Err(error.into()),
        }
        self.read()?;
        Ok(None)
    }

    /// The witness reads all there is.
    fn read(&mut self) -> Result<(), Failure> {
        loop {
            let batch = self.witness.poll_batch(CAPACITY as usize)?;
            if batch.is_empty() {
                return Ok(());
            }
            for message in &batch {
                if message.sequence() != self.expected {
                    let (found, expected) = (message.sequence(), self.expected);
                    self.ledger.fault(Kind::Misplaced, || {
                        format!("the witness found sequence {found} in the place of {expected}")
                    });
                }
                self.expected = message.sequence() + 1;
                self.ledger.enter(message.sequence(), &message);
            }
        }
    }

    /// A newcomer, and one who only looks, see the last lap without a gap.
    fn welcome(&mut self) -> Result<(), Failure> {
        let from = Instant::now();
        let mut newcomer = self.topic.subscriber().start(Start::Oldest).join()?;
        self.lab.took(from);
        let first = newcomer.cursor();
        let mut seen = Vec::new();
        loop {
            let batch = newcomer.poll_batch(PINS)?;
            if batch.is_empty() {
                break;
            }
            seen.extend(batch.iter().map(|one| (one.sequence(), is_whole(&one))));
        }
        self.check_prefix("a newcomer", first, &seen);
        let mut observer = self.topic.observer(Start::Oldest)?;
        let first = observer.cursor();
        let mut seen = Vec::new();
        while let Some(one) = observer.poll()? {
            seen.push((one.sequence(), is_whole(&one)));
        }
        self.check_prefix("an observer", first, &seen);
        Ok(())
    }

    fn check_prefix(&mut self, who: &str, first: u64, seen: &[(u64, bool)]) {
        let is_gapless = (first..)
            .zip(seen)
            .all(|(expected, (seq, _))| *seq == expected);
        let is_complete = first + seen.len() as u64 == self.expected;
        let is_long = self.expected - first >= (CAPACITY * 7 / 8).min(self.expected);
        if !(is_gapless && is_complete && is_long) {
            let next = self.expected;
            self.ledger.fault(Kind::Misplaced, || {
                format!("{who} saw {seen:?} from {first} on, and the next message is {next}")
            });
        }
        if let Some((seq, _)) = seen.iter().find(|(_, is_whole)| !is_whole) {
            self.ledger
                .fault(Kind::Torn, || format!("{who} read sequence {seq} torn"));
        }
    }
}

fn is_whole(payload: &[u8]) -> bool {
    checked::read(payload).is_some()
}

/// Only the one that is stopped may be in anybody's way.
fn check_culprit(whose: u32, pid: libc::pid_t) -> Result<(), Failure> {
    match whose == pid.cast_unsigned() {
        true => Ok(()),
        false => Err(Failure::say(format_args!(
            "process {whose} is in the way, and the one that is stopped is {pid}"
        ))),
    }
}

/// Everybody who lived has left: after one gc, nobody is there.
fn look_for_the_dead(bus: &Bus, topic: &Topic<[u8]>) -> Result<(), Failure> {
    bus.gc()?;
    let again = bus.gc()?;
    if again != Collected::default() {
        return Err(Failure::say(format_args!(
            "gc once is not enough: {again:?}"
        )));
    }
    let info = topic.info();
    if !info.publishers.is_empty() || !info.subscribers.is_empty() {
        let (publishers, subscribers) = (info.publishers, info.subscribers);
        return Err(Failure::say(format_args!(
            "somebody is left on the topic: {publishers:?} {subscribers:?}"
        )));
    }
    match bus.participants().iter().find(|one| !one.alive) {
        Some(dead) => Err(Failure::say(format_args!("a dead participant: {dead:?}"))),
        None => Ok(()),
    }
}

/// The topics can be removed, and no file is left but those of the bus itself.
fn remove_all(bus: &Bus, site: &Site) -> Result<(), Failure> {
    match bus.remove(OTHER, Remove::IfUnused) {
        Err(TopicError::NotFound { .. }) => {}
        removed => removed?,
    }
    bus.remove(TOPIC, Remove::IfUnused)?;
    let is_known = |name: &OsString| {
        let name = name.to_string_lossy();
        name == "registry" || name == "topics" || name.ends_with(".leases")
    };
    let mut names = leaks::names(&site.path())?;
    names.retain(|name| !is_known(name));
    names.extend(leaks::names(&site.path().join("topics"))?);
    match names.is_empty() {
        true => Ok(()),
        false => Err(Failure::say(format_args!("files are left: {names:?}"))),
    }
}

/// All handles are dropped: nobody holds a lock.
fn look_for_locks(site: &Site) -> Result<(), Failure> {
    for name in leaks::names(&site.path())? {
        let path = site.path().join(name);
        if path.is_file() && leaks::is_locked(&path)? {
            return Err(Failure::say(format_args!(
                "a lock is left on {}",
                path.display()
            )));
        }
    }
    Ok(())
}

/// Removes a bus on which something went wrong.
fn wreck(site: &Site) {
    if site.destroy().is_err() {
        let _ = fs::remove_dir_all(site.path());
    }
}
