//! Processes that take long to die, or that are dead and not buried: what survivors feel of it.

use std::{
    env, fs,
    path::Path,
    time::{Duration, Instant},
};

use super::actor::{Actor, Roles, Stage, eventually, say};
use crate::support::{MODES, TestBus};

pub const ROLES: Roles = &[("dying/holder", holder)];

/// How long a publisher may be held up by a process that is dead for the kernel too, on a machine
/// that is busy with other tests.
const PROMPT: Duration = Duration::from_millis(500);

/// Holds a message as a reliable subscriber and a place as a publisher, with so many MiB of its own.
fn holder(stage: &Stage) {
    let topic = stage.topic();
    let mut reliable = topic.subscriber().reliable().join().unwrap();
    let other = stage.bus().topic("other").open().unwrap();
    let _publisher = other.publisher().unwrap();
    let memory = vec![1_u8; stage.number(0) as usize + 1];
    say("holds");
    stage.wait();
    let _held = reliable.poll().unwrap().expect("published");
    env::set_current_dir(&stage.root).unwrap();
    let any_size = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: `any_size` is one `rlimit`; it concerns this process alone.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &any_size) };
    std::hint::black_box(&memory);
    say("works");
    stage.wait();
    std::process::abort();
}

/// A bus with a holder whose message is published, and whose topic has no room for another one.
fn blocked_by_holder(bus: &TestBus, bytes: u64) -> (ringbus::Publisher<[u8]>, Actor) {
    let topic = bus.topic_of(MODES[0]).capacity(2).create().unwrap();
    bus.topic("other").create().unwrap();
    let mut actor = Actor::start("dying/holder", bus.root().path(), &[&bytes.to_string()]);
    assert_eq!(actor.hear(), "holds");
    let publisher = topic.publisher().unwrap();
    while publisher.try_publish(b"x").is_ok() {}
    actor.cue();
    assert_eq!(actor.hear(), "works");
    (publisher, actor)
}

#[test]
fn a_zombie_is_dead() {
    let bus = TestBus::new();
    let (publisher, mut actor) = blocked_by_holder(&bus, 0);
    actor.kill_unreaped();
    let started = Instant::now();
    publisher.publish(b"y").unwrap();
    let took = started.elapsed();
    assert!(took < PROMPT, "{took:?}");
    let stat = fs::read_to_string(format!("/proc/{}/stat", actor.pid())).unwrap();
    assert!(stat.contains(") Z "), "{stat}");
    let other = bus.topic("other").open().unwrap();
    assert!(other.publisher().is_ok(), "its lock is free");
}

/// Where cores go: `None` if not into the directory in which a process dies.
fn core_name() -> Option<String> {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").ok()?;
    let pattern = pattern.trim();
    let is_plain = !pattern.is_empty() && !pattern.contains(['|', '/', '%', '@']);
    is_plain.then(|| pattern.to_owned())
}

fn core_of(root: &Path, name: &str, pid: u32) -> Option<u64> {
    let with_pid = root.join(format!("{name}.{pid}"));
    let found = fs::metadata(root.join(name)).or_else(|_| fs::metadata(with_pid));
    found.ok().map(|core| core.len())
}

#[test]
fn whoever_dumps_core_is_waited_for_until_it_has_and_holds_up_nobody_else() {
    const BYTES: u64 = 128 << 20;
    let Some(name) = core_name() else {
        return println!("skipped: cores are not written where a process dies");
    };
    let bus = TestBus::new();
    let (publisher, mut actor) = blocked_by_holder(&bus, BYTES);
    let bystander = bus.topic("bystander").capacity(4).create().unwrap();
    let mut reader = bystander.subscriber().reliable().join().unwrap();
    let talker = bystander.publisher().unwrap();
    actor.cue();
    let started = Instant::now();
    let (mut longest, mut last) = (Duration::ZERO, started);
    while publisher.try_publish(b"y").is_err() {
        talker.try_publish(b"meanwhile").unwrap();
        assert!(reader.poll().unwrap().is_some());
        longest = longest.max(last.elapsed());
        last = Instant::now();
        assert!(started.elapsed() < Duration::from_secs(30), "never dead");
    }
    let took = started.elapsed();
    let pid = actor.pid();
    let status = actor.end();
    let core = core_of(bus.root().path(), &name, pid);
    println!(
        "held up for {took:?} by a core of {core:?} bytes; bystanders for {longest:?} at most"
    );
    assert!(core.is_none_or(|bytes| bytes > BYTES), "{core:?}, {status}");
    assert!(longest < PROMPT, "a bystander was held up for {longest:?}");
    eventually("a successor", || {
        bus.topic("other").open().unwrap().publisher().is_ok()
    });
}
