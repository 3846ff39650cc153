//! SIGKILL at random moments, under load, to everybody in turn.
//!
//! Publishers number their messages and note on disk what was acknowledged. A reader that lives
//! throughout sees every message: whole, in each publisher's order, none twice, and none missing
//! that was acknowledged.

use std::{
    collections::HashMap,
    fs::File,
    os::unix::{fs::FileExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use ringbus::{
    Bus, Collected, PollError, PublishError, Publisher, PublisherMode, Start, Subscriber, Topic,
};

use super::actor::{Actor, Roles, Stage, eventually};
use crate::support::{TestBus, checked};

pub const ROLES: Roles = &[
    ("kill/publisher", publisher),
    ("kill/sprinter", sprinter),
    ("kill/reader", reader),
];

const LEN_MAX: usize = 200;
const CAPACITY: usize = 16;
/// The most messages that a publisher publishes before it notes that they were acknowledged.
const UNNOTED_MAX: u64 = 4;
const CAMPAIGN: Duration = Duration::from_secs(10);
/// A dead subscriber is reaped within 50 ms; starting a process on a loaded machine takes longer.
const RESUMES_WITHIN: Duration = Duration::from_secs(3);

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) % end
    }

    fn pause(&mut self, longest_us: u64) {
        thread::sleep(Duration::from_micros(self.below(longest_us)));
    }
}

fn note_path(root: &Path, origin: u64) -> PathBuf {
    root.join(format!("acknowledged-{origin}"))
}

/// Publishes in every way there is until killed; notes count and last sequence after each.
fn publisher(stage: &Stage) {
    let origin = stage.number(0);
    let note = File::create(note_path(&stage.root, origin)).unwrap();
    let topic = stage.topic();
    let publisher = topic.publisher().unwrap();
    let mut random = Random(origin);
    let mut serial = 0;
    loop {
        let seq = publish_some(&publisher, &topic, origin, &mut serial, &mut random);
        let noted = [serial.to_le_bytes(), seq.to_le_bytes()].concat();
        note.write_all_at(&noted, 0).unwrap();
    }
}

/// Does nothing but publish, so that a kill is likely to find it at that.
fn sprinter(stage: &Stage) {
    let (origin, publisher) = (stage.number(0), stage.topic().publisher().unwrap());
    let mut payload = [0; checked::LEN_MIN];
    for serial in 0.. {
        checked::fill(&mut payload, origin, serial);
        publisher.publish(&payload).unwrap();
    }
}

/// Publishes one to four messages, and returns the last one's sequence.
fn publish_some(
    publisher: &Publisher<[u8]>,
    topic: &Topic<[u8]>,
    origin: u64,
    serial: &mut u64,
    random: &mut Random,
) -> u64 {
    let mut next = || {
        *serial += 1;
        checked::payload(LEN_MAX, origin, *serial - 1)
    };
    match random.below(16) {
        0 => {
            let payloads = [next(), next(), next()];
            publisher
                .publish_batch(payloads.iter().map(|payload| &**payload))
                .unwrap();
            u64::MAX
        }
        1..=3 => {
            let payload = next();
            let mut loan = publisher.loan(LEN_MAX).unwrap();
            loan[..payload.len()].copy_from_slice(&payload);
            random.pause(300);
            loan.truncate(payload.len()).unwrap();
            loan.commit().unwrap()
        }
        4 => {
            // A loan that is never committed.
            publisher.loan(LEN_MAX).unwrap().fill(0xff);
            publisher.publish(&next()).unwrap()
        }
        5 if topic.info().mode == PublisherMode::Exclusive => {
            let mut run = publisher.loan_run(4, LEN_MAX).unwrap();
            for index in 0..4 {
                let target = run.message_mut(index).expect("in the run");
                *serial += 1;
                checked::fill(target, origin, *serial - 1);
            }
            run.commit().unwrap() + 3
        }
        _ => publisher.publish(&next()).unwrap(),
    }
}

/// Reads in one way or another until killed.
fn reader(stage: &Stage) {
    let topic = stage.topic();
    let mut random = Random(stage.number(1));
    let builder = topic.subscriber().spin(Duration::ZERO);
    match stage.arg(0) {
        "blocks" => {
            let mut reliable = builder.reliable().join().unwrap();
            while !reliable.wait(Duration::from_secs(30)).unwrap() {}
            let held = reliable.poll().unwrap();
            thread::sleep(Duration::from_secs(60));
            drop(held);
        }
        "reliable" => read(builder.reliable().join().unwrap(), &mut random, 8),
        "evictable" => {
            let stall = Duration::from_millis(5);
            read(
                builder.reliable().stall_timeout(stall).join().unwrap(),
                &mut random,
                4,
            );
        }
        "lossy" => read(builder.start(Start::Oldest).join().unwrap(), &mut random, 4),
        "visitor" => loop {
            let builder = topic.subscriber().start(Start::Oldest);
            let is_reliable = random.below(2) == 0;
            let builder = if is_reliable {
                builder.reliable()
            } else {
                builder
            };
            let mut subscriber = builder.join().unwrap();
            if let Ok(batch) = subscriber.poll_batch(random.below(6) as usize) {
                batch.iter().for_each(|message| {
                    checked::check(message.payload());
                });
            }
        },
        other => panic!("{other}"),
    }
}

/// Reads batches, holds each for a while, and checks them after that.
fn read(mut subscriber: Subscriber<[u8]>, random: &mut Random, batch_max: u64) {
    let mut expected = subscriber.cursor();
    loop {
        subscriber.wait(Duration::from_millis(100)).unwrap();
        match subscriber.poll_batch(1 + random.below(batch_max) as usize) {
            Ok(batch) => {
                if random.below(8) == 0 {
                    random.pause(2000);
                }
                for message in &batch {
                    assert_eq!(message.sequence(), expected);
                    checked::check(message.payload());
                    expected += 1;
                }
            }
            Err(PollError::Lagged { missed } | PollError::Evicted { missed }) => expected += missed,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Where each publisher's messages were found: their sequences, in order.
#[derive(Default)]
struct Ledger(HashMap<u64, Vec<u64>>);

impl Ledger {
    fn enter(&mut self, payload: &[u8], seq: u64) {
        let (origin, serial) = checked::check(payload);
        let found = self.0.entry(origin).or_default();
        assert_eq!(
            serial,
            found.len() as u64,
            "lost, twice or out of order: {origin}"
        );
        found.push(seq);
    }

    /// Compares with what a dead publisher has noted.
    fn settle(&self, origin: u64, root: &Path) {
        let found = self.0.get(&origin).map_or(&[][..], |found| found);
        let mut noted = [0; 16];
        // Killed before it made the file, or before its first note: nothing is known.
        let read = File::open(note_path(root, origin)).and_then(|note| note.read_at(&mut noted, 0));
        if !matches!(read, Ok(16)) {
            assert!(found.len() as u64 <= UNNOTED_MAX);
            return;
        }
        let [count, seq] =
            [0, 8].map(|at| u64::from_le_bytes(noted[at..at + 8].try_into().unwrap()));
        let found_count = found.len() as u64;
        assert!(
            found_count >= count,
            "{origin}: {count} acknowledged, {found_count} found"
        );
        assert!(found_count <= count + UNNOTED_MAX);
        if seq != u64::MAX {
            assert_eq!(found[count as usize - 1], seq, "{origin}");
        }
    }
}

/// Reads everything until it is over and nothing is left.
fn keep_ledger(mut reliable: Subscriber<[u8]>, is_over: &AtomicBool) -> (Ledger, Subscriber<[u8]>) {
    let mut ledger = Ledger::default();
    let mut expected = reliable.cursor();
    loop {
        let is_last = is_over.load(Ordering::Acquire);
        reliable.wait(Duration::from_millis(20)).unwrap();
        let batch = reliable.poll_batch(8).unwrap();
        for message in &batch {
            assert_eq!(message.sequence(), expected);
            ledger.enter(message.payload(), expected);
            expected += 1;
        }
        if batch.is_empty() && is_last {
            drop(batch);
            return (ledger, reliable);
        }
    }
}

/// Kills a victim, which must not have died before.
fn kill(victim: Actor) {
    let status = victim.kill();
    assert_eq!(
        status.signal(),
        Some(libc::SIGKILL),
        "it died by itself: {status}"
    );
}

struct Campaign<'a> {
    bus: &'a Bus,
    root: &'a Path,
    topic: &'a Topic<[u8]>,
    random: Random,
    publishers: Vec<(u64, Actor)>,
    readers: Vec<Actor>,
    origins: u64,
    kills: u64,
    stops: u64,
    slowest_resumption: Duration,
}

impl Campaign<'_> {
    fn add_publisher(&mut self) {
        let origin = self.origins;
        self.origins += 1;
        let args = [origin.to_string()];
        let actor = Actor::start(
            "kill/publisher",
            self.root,
            &args.each_ref().map(|arg| &**arg),
        );
        self.publishers.push((origin, actor));
    }

    fn add_reader(&mut self) {
        let kinds = ["reliable", "evictable", "lossy", "visitor"];
        let kind = kinds[self.random.below(4) as usize];
        self.readers.push(self.start_reader(kind));
    }

    fn start_reader(&self, kind: &str) -> Actor {
        Actor::start("kill/reader", self.root, &[kind, &self.kills.to_string()])
    }

    fn kill_a_publisher(&mut self) {
        let index = self.random.below(self.publishers.len() as u64) as usize;
        let (_, victim) = self.publishers.swap_remove(index);
        // A stopped publisher of many holds up nobody.
        if self.publishers.len() > 1 && self.random.below(4) == 0 {
            victim.stop();
            self.stops += 1;
            self.resumes("beside a stopped publisher");
        }
        kill(victim);
        self.kills += 1;
        self.add_publisher();
    }

    fn kill_a_reader(&mut self) {
        let index = self.random.below(self.readers.len() as u64) as usize;
        kill(self.readers.swap_remove(index));
        self.kills += 1;
        self.add_reader();
    }

    /// Lets a subscriber block all publishers, and kills it.
    fn kill_a_blocker(&mut self) {
        let blocker = self.start_reader("blocks");
        self.random.pause(40_000);
        kill(blocker);
        self.kills += 1;
        self.resumes("after the death of a subscriber");
    }

    fn resumes(&mut self, when: &str) {
        let (started, before) = (Instant::now(), self.topic.info().next);
        eventually(when, || self.topic.info().next > before);
        self.slowest_resumption = self.slowest_resumption.max(started.elapsed());
    }

    fn run(&mut self) {
        let started = Instant::now();
        while started.elapsed() < CAMPAIGN {
            self.random.pause(20_000);
            match self.random.below(8) {
                0..=3 => self.kill_a_publisher(),
                4 => self.kill_a_blocker(),
                _ => self.kill_a_reader(),
            }
            if self.random.below(16) == 0 {
                self.bus.gc().unwrap();
            }
        }
        for (_, publisher) in self.publishers.drain(..) {
            kill(publisher);
            self.kills += 1;
        }
        for reader in self.readers.drain(..) {
            kill(reader);
            self.kills += 1;
        }
    }
}

fn campaign(mode: PublisherMode, publishers: usize) {
    let bus = TestBus::new();
    let builder = bus
        .topic_of(mode)
        .capacity(CAPACITY)
        .payload_max(LEN_MAX)
        .pins(4);
    let builder = match mode {
        PublisherMode::Shared => builder.loans(3),
        PublisherMode::Exclusive => builder,
    };
    let topic = builder.create().unwrap();
    let reliable = topic.subscriber().reliable().join().unwrap();
    let is_over = AtomicBool::new(false);
    let mut campaign = Campaign {
        bus: &bus,
        root: bus.root().path(),
        topic: &topic,
        random: Random(0x00c0_ffee),
        publishers: Vec::new(),
        readers: Vec::new(),
        origins: 0,
        kills: 0,
        stops: 0,
        slowest_resumption: Duration::ZERO,
    };
    let (ledger, mut reliable) = thread::scope(|scope| {
        let ledger = scope.spawn(|| keep_ledger(reliable, &is_over));
        // However the campaign ends, the ledger does as well.
        let ends = EndsOnDrop(&is_over);
        (0..publishers).for_each(|_| campaign.add_publisher());
        (0..3).for_each(|_| campaign.add_reader());
        campaign.run();
        drop(ends);
        ledger.join().unwrap()
    });
    for origin in 0..campaign.origins {
        ledger.settle(origin, bus.root().path());
    }
    let messages = topic.info().next;
    assert_eq!(
        ledger.0.values().map(Vec::len).sum::<usize>() as u64,
        messages
    );
    println!(
        "{mode}: {} kills, {} of stopped publishers, over {messages} messages; publishers resumed \
         within {:?}",
        campaign.kills, campaign.stops, campaign.slowest_resumption
    );
    assert!(campaign.slowest_resumption < RESUMES_WITHIN);

    // Nothing is left of the dead, and the topic is as good as new.
    bus.gc().unwrap();
    let info = topic.info();
    assert!(info.publishers.is_empty(), "{:?}", info.publishers);
    assert_eq!(info.subscribers.len(), 1);
    assert_eq!(bus.gc().unwrap(), Collected::default());
    let publisher = topic.publisher().unwrap();
    for serial in messages..messages + 5 * CAPACITY as u64 {
        assert_eq!(
            publisher.try_publish(&checked::payload(LEN_MAX, 9, serial)),
            Ok(serial)
        );
        let message = reliable.poll().unwrap().expect("published");
        assert_eq!(checked::check(message.payload()), (9, serial));
    }
    for _ in 0..CAPACITY {
        publisher.try_publish(b"x").unwrap();
    }
    assert!(matches!(
        publisher.try_publish(b"x"),
        Err(PublishError::Full(_))
    ));
}

struct EndsOnDrop<'a>(&'a AtomicBool);

impl Drop for EndsOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn kills_at_random_moments_harm_no_message_of_an_exclusive_topic() {
    campaign(PublisherMode::Exclusive, 1);
}

#[test]
fn kills_at_random_moments_harm_no_message_of_a_shared_topic() {
    campaign(PublisherMode::Shared, 3);
}

/// Checks whatever it can get hold of: every message is whole and in its publisher's order.
fn sample(mut lossy: Subscriber<[u8]>, is_over: &AtomicBool) -> u64 {
    let (mut last_of, mut received) = (HashMap::new(), 0);
    while !is_over.load(Ordering::Acquire) {
        let batch = match lossy.poll_batch(32) {
            Ok(batch) => batch,
            Err(PollError::Lagged { .. }) => continue,
            Err(error) => panic!("{error}"),
        };
        for message in &batch {
            let (origin, serial) = checked::check(message.payload());
            let last = last_of.insert(origin, serial);
            assert!(
                last.is_none_or(|last| last < serial),
                "{origin}: {last:?}, then {serial}"
            );
            received += 1;
        }
    }
    received
}

#[test]
fn no_chunk_of_a_killed_publisher_is_lost_or_used_twice() {
    const PUBLISHERS: usize = 3;
    let bus = TestBus::new();
    let builder = bus
        .topic("t")
        .shared()
        .capacity(64)
        .payload_max(checked::LEN_MIN);
    let topic = builder
        .loans(2)
        .max_publishers(PUBLISHERS)
        .create()
        .unwrap();
    let lossy = topic.subscriber().start(Start::Oldest).join().unwrap();
    let is_over = AtomicBool::new(false);
    let (mut random, mut kills) = (Random(0xbad_5eed), 0);
    let received = thread::scope(|scope| {
        let sampling = scope.spawn(|| sample(lossy, &is_over));
        let ends = EndsOnDrop(&is_over);
        let start =
            |origin: u64| Actor::start("kill/sprinter", bus.root().path(), &[&origin.to_string()]);
        let mut publishers: Vec<_> = (0..PUBLISHERS as u64).map(start).collect();
        let started = Instant::now();
        while started.elapsed() < CAMPAIGN / 2 && !sampling.is_finished() {
            random.pause(15_000);
            kill(publishers.swap_remove(random.below(PUBLISHERS as u64) as usize));
            kills += 1;
            publishers.push(start(PUBLISHERS as u64 + kills));
        }
        publishers.into_iter().for_each(kill);
        drop(ends);
        sampling.join().unwrap()
    });
    println!(
        "{kills} kills over {} messages, {received} of them seen",
        topic.info().next
    );
    // Each place has all its chunks, and each chunk is in one place.
    let publishers = [(); PUBLISHERS].map(|()| topic.publisher().unwrap());
    let mut reader = topic.subscriber().reliable().join().unwrap();
    let mut loans = Vec::new();
    for (origin, publisher) in publishers.iter().enumerate() {
        for serial in 0..2 {
            let mut loan = publisher.loan(checked::LEN_MIN).unwrap();
            checked::fill(&mut loan, origin as u64, serial);
            loans.push(loan);
        }
    }
    for serial in 2..100 {
        for (origin, publisher) in publishers.iter().enumerate() {
            let payload = checked::payload(checked::LEN_MIN, origin as u64, serial);
            publisher.try_publish(&payload).unwrap();
            let message = reader.poll().unwrap().expect("published");
            assert_eq!(checked::check(message.payload()), (origin as u64, serial));
        }
    }
    for (index, loan) in loans.into_iter().enumerate() {
        assert_eq!(checked::check(&loan), (index as u64 / 2, index as u64 % 2));
    }
}
