//! Sleeping processes.

use std::{
    mem::MaybeUninit,
    thread,
    time::{Duration, Instant},
};

use ringbus::{PublishError, Start};

use super::actor::{Actor, Roles, Stage, eventually, say};
use crate::support::{MODES, TestBus};

pub const ROLES: Roles = &[
    ("sleep/idle", idle),
    ("sleep/sleeper", sleeper),
    ("sleep/blocked", blocked),
];

const LONG: Duration = Duration::from_secs(30);
const IDLE: Duration = Duration::from_millis(1500);

/// Processor time that this process has used.
pub fn processor_time() -> Duration {
    let usage = usage();
    let of = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    of(usage.ru_utime) + of(usage.ru_stime)
}

/// How often threads of this process have gone to sleep.
pub fn sleeps() -> i64 {
    usage().ru_nvcsw
}

fn usage() -> libc::rusage {
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: room for one `rusage`, which the call writes.
    let done = unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) };
    assert_eq!(done, 0);
    // SAFETY: the call has filled it.
    unsafe { usage.assume_init() }
}

/// Waits for nothing, in several ways, and says what that cost.
fn idle(stage: &Stage) {
    let topic = stage.topic();
    let mut subscriber = topic.subscriber().reliable().join().unwrap();
    let mut observer = topic.observer(Start::Latest).unwrap();
    let started = processor_time();
    assert!(!subscriber.wait(IDLE).unwrap());
    let waited = processor_time();
    assert!(!observer.wait(IDLE).unwrap());
    let observed = processor_time();
    let publisher = topic.publisher().unwrap();
    publisher.publish(b"x").unwrap();
    let before = processor_time();
    assert!(matches!(
        publisher.publish_timeout(b"x", IDLE),
        Err(PublishError::Full(_))
    ));
    let blocked = processor_time() - before;
    let times = [waited - started, observed - waited, blocked];
    say(times.map(|time| time.as_millis().to_string()).join(" "));
}

#[test]
fn those_who_wait_use_no_processor() {
    for mode in MODES {
        let bus = TestBus::new();
        let _topic = bus.topic_of(mode).capacity(1).create().unwrap();
        let mut actor = Actor::start("sleep/idle", bus.root().path(), &[]);
        let said = actor.hear();
        println!("{mode}: {IDLE:?} of waiting, observing and being blocked took {said} ms");
        let times: Vec<u128> = said.split(' ').map(|time| time.parse().unwrap()).collect();
        assert_eq!(times.len(), 3);
        assert!(
            times.iter().all(|time| *time < IDLE.as_millis() / 5),
            "{said}"
        );
        assert!(actor.ends_well());
    }
}

/// Sleeps until there is something, again and again.
fn sleeper(stage: &Stage) {
    let topic = stage.topic();
    let builder = topic.subscriber().spin(Duration::ZERO);
    let builder = if stage.arg(0) == "reliable" {
        builder.reliable()
    } else {
        builder
    };
    let mut subscriber = builder.join().unwrap();
    say("joined");
    while subscriber.wait(LONG).unwrap() {
        while let Ok(Some(message)) = subscriber.poll() {
            say(message.sequence());
        }
    }
}

/// Waits until a process sleeps in a system call.
fn asleep(actor: &Actor) {
    let wchan = format!("/proc/{}/stat", actor.pid());
    eventually("asleep", || {
        let stat = std::fs::read_to_string(&wchan).unwrap();
        stat.rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('S'))
    });
}

#[test]
fn a_publish_wakes_the_sleepers_of_other_processes() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let kinds = ["reliable", "lossy", "lossy"];
        let mut sleepers =
            kinds.map(|kind| Actor::start("sleep/sleeper", bus.root().path(), &[kind]));
        for sleeper in &mut sleepers {
            assert_eq!(sleeper.hear(), "joined");
        }
        let started = Instant::now();
        for seq in 0..50_u64 {
            sleepers.iter().for_each(asleep);
            assert_eq!(publisher.publish(b"x"), Ok(seq));
            for sleeper in &mut sleepers {
                assert_eq!(sleeper.hear(), seq.to_string());
            }
        }
        assert!(started.elapsed() < LONG);
    }
}

#[test]
fn a_killed_or_stopped_sleeper_harms_nobody() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(8).create().unwrap();
        let publisher = topic.publisher().unwrap();
        let start = |kind| {
            let mut sleeper = Actor::start("sleep/sleeper", bus.root().path(), &[kind]);
            assert_eq!(sleeper.hear(), "joined");
            sleeper
        };
        let mut survivors = [start("reliable"), start("lossy")];
        let mut seq = 0;
        let mut longest = Duration::ZERO;
        let mut publish_and_hear = |survivors: &mut [Actor; 2]| {
            let started = Instant::now();
            assert_eq!(publisher.publish(b"x"), Ok(seq));
            longest = longest.max(started.elapsed());
            for survivor in survivors {
                assert_eq!(survivor.hear(), seq.to_string());
            }
            seq += 1;
        };
        for round in 0..10 {
            let victim = start(if round % 2 == 0 { "reliable" } else { "lossy" });
            asleep(&victim);
            survivors.iter().for_each(asleep);
            if round % 4 < 2 {
                victim.stop();
            }
            victim.kill();
            // Long enough to come round to what the dead reliable one has not read.
            for _ in 0..20 {
                publish_and_hear(&mut survivors);
            }
        }
        let stopped = start("lossy");
        stopped.stop();
        for _ in 0..20 {
            publish_and_hear(&mut survivors);
        }
        println!("{mode}: the longest publish beside dead sleepers took {longest:?}");
    }
}

/// Publishes until the gate is shut, and on.
fn blocked(stage: &Stage) {
    let publisher = stage.topic().publisher().unwrap();
    for serial in 0_u64.. {
        say(publisher.publish(&serial.to_le_bytes()).unwrap());
    }
}

#[test]
fn a_publisher_asleep_at_the_gate_is_woken_by_another_process() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus.topic_of(mode).capacity(4).create().unwrap();
        let mut reliable = topic.subscriber().reliable().join().unwrap();
        let mut actor = Actor::start("sleep/blocked", bus.root().path(), &[]);
        for seq in 0..4 {
            assert_eq!(actor.hear(), seq.to_string());
        }
        for seq in 0..20 {
            eventually("at the gate", || topic.info().waited > seq);
            thread::sleep(Duration::from_millis(2));
            assert_eq!(reliable.poll().unwrap().expect("published").sequence(), seq);
            assert_eq!(actor.hear(), (seq + 4).to_string());
        }
        // It dies at the gate, and its successor goes on there.
        asleep(&actor);
        actor.kill();
        let publisher = topic.publisher().unwrap();
        assert!(matches!(
            publisher.try_publish(b"x"),
            Err(PublishError::Full(_))
        ));
        drop(reliable.poll().unwrap().expect("published"));
        assert_eq!(publisher.publish(b"x"), Ok(24));
    }
}
