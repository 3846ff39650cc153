//! Processes that a timer interrupts ten thousand times a second.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    mem, ptr,
    sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use ringbus::{PollError, PublishError, Publisher, Start, Subscriber};

use super::actor::{Actor, Roles, Stage, say};
use crate::support::{MODES, TestBus, checked};

pub const ROLES: Roles = &[
    ("signals/publisher", publisher),
    ("signals/subscriber", subscriber),
    ("signals/waiter", waiter),
    ("signals/handler", handler),
];

const COUNT: u64 = 20_000;
const EVERY: Duration = Duration::from_micros(100);
const LEN_MAX: usize = 100;

static SIGNALS: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_signal: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

/// Has this thread interrupted from now on; `restart` is whether the kernel resumes system calls.
fn interrupt_often(handler: extern "C" fn(libc::c_int), restart: bool) {
    // SAFETY: zeros are a `sigaction`: no flags, an empty mask, the default action.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = if restart { libc::SA_RESTART } else { 0 };
    // SAFETY: the action is whole; the handler uses atomics, and `try_publish` as it allows.
    let is_set = unsafe { libc::sigaction(libc::SIGUSR1, &action, ptr::null_mut()) } == 0;
    assert!(is_set);
    // SAFETY: zeros are a `sigevent`.
    let mut event: libc::sigevent = unsafe { mem::zeroed() };
    event.sigev_notify = libc::SIGEV_THREAD_ID;
    event.sigev_signo = libc::SIGUSR1;
    event.sigev_notify_thread_id = this_thread();
    let mut timer = ptr::null_mut();
    // SAFETY: both are places of their types.
    let made = unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer) };
    assert_eq!(made, 0);
    let every = libc::timespec {
        tv_sec: 0,
        tv_nsec: EVERY.as_nanos() as i64,
    };
    let times = libc::itimerspec {
        it_interval: every,
        it_value: every,
    };
    // SAFETY: the timer was just made; it ends with the process.
    let is_set = unsafe { libc::timer_settime(timer, 0, &times, ptr::null_mut()) } == 0;
    assert!(is_set);
}

fn restart(stage: &Stage) -> bool {
    stage.arg(0) == "restart"
}

fn publisher(stage: &Stage) {
    let publisher = stage.topic().publisher().unwrap();
    interrupt_often(count, restart(stage));
    assert!(
        publisher
            .wait_subscribers(1, Duration::from_secs(20))
            .unwrap()
    );
    for serial in 0..COUNT {
        let payload = checked::payload(LEN_MAX, 1, serial);
        let published = match serial % 3 {
            0 => publisher.publish(&payload),
            1 => publisher.publish_timeout(&payload, Duration::from_secs(20)),
            _ => publisher.loan(payload.len()).and_then(|mut loan| {
                loan.copy_from_slice(&payload);
                loan.commit()
            }),
        };
        assert_eq!(published, Ok(serial));
        if serial % 500 == 0 {
            std::thread::sleep(Duration::from_millis(2)); // lets the subscriber fall asleep
        }
    }
    say(SIGNALS.load(Ordering::Relaxed));
}

fn subscriber(stage: &Stage) {
    let mut subscriber = stage.topic().subscriber().reliable().join().unwrap();
    interrupt_often(count, restart(stage));
    for serial in 0..COUNT {
        while !subscriber.wait(Duration::from_secs(20)).unwrap() {}
        let message = subscriber.poll().unwrap().expect("waited for");
        assert_eq!(checked::check(message.payload()), (1, serial));
        drop(message);
        if serial % 700 == 0 {
            std::thread::sleep(Duration::from_millis(2)); // lets the publisher wait at the gate
        }
    }
    say(SIGNALS.load(Ordering::Relaxed));
}

#[test]
fn signals_during_waits_and_publishes_lose_no_message_and_no_wake() {
    for mode in MODES {
        for how in ["restart", "interrupt"] {
            let bus = TestBus::new();
            let topic = bus.topic_of(mode).capacity(16).payload_max(LEN_MAX);
            topic.create().unwrap();
            let root = bus.root().path();
            let roles = ["signals/subscriber", "signals/publisher"];
            let actors = roles.map(|role| Actor::start(role, root, &[how]));
            for mut actor in actors {
                let signals: u64 = actor.hear().parse().unwrap();
                assert!(signals > 100, "{mode}, {how}: {signals} signals");
                assert!(actor.ends_well());
            }
        }
    }
}

/// Waits in each way for what does not come.
fn waiter(stage: &Stage) {
    let topic = stage.topic();
    let publisher = topic.publisher().unwrap();
    let mut lossy = topic.subscriber().lossy().join().unwrap();
    let mut observer = topic.observer(Start::Latest).unwrap();
    let mut watch = stage.bus().watch().unwrap();
    while watch.next(Duration::ZERO).unwrap().is_some() {}
    interrupt_often(count, restart(stage));
    let patience = Duration::from_millis(50);
    let timed = |what: &str, wait: &mut dyn FnMut() -> bool| {
        let started = Instant::now();
        assert!(!wait(), "{what} found something");
        let took = started.elapsed();
        assert!(took >= patience, "{what} gave up after {took:?}");
        assert!(took < 20 * patience, "{what} gave up after {took:?}");
    };
    timed("a subscriber", &mut || lossy.wait(patience).unwrap());
    timed("an observer", &mut || observer.wait(patience).unwrap());
    timed("a watch", &mut || watch.next(patience).unwrap().is_some());
    timed("a publisher's count of subscribers", &mut || {
        publisher.wait_subscribers(9, patience).unwrap()
    });
    let _behind = topic.subscriber().reliable().join().unwrap();
    while publisher.try_publish(b"x").is_ok() {}
    timed("a publish", &mut || {
        !matches!(
            publisher.publish_timeout(b"x", patience),
            Err(PublishError::Full(_))
        )
    });
    // Much memory takes long to reserve.
    let large = stage
        .bus()
        .topic("large")
        .capacity(1024)
        .payload_max(1 << 16);
    assert_eq!(large.create().unwrap().info().capacity_slots, 1024);
    say(SIGNALS.load(Ordering::Relaxed));
}

#[test]
fn signals_end_no_wait_before_its_time() {
    for how in ["restart", "interrupt"] {
        let bus = TestBus::new();
        bus.topic_of(MODES[0]).capacity(16).create().unwrap();
        let mut actor = Actor::start("signals/waiter", bus.root().path(), &[how]);
        let signals: u64 = actor.hear().parse().unwrap();
        assert!(signals > 100, "{how}: {signals} signals");
        assert!(actor.ends_well());
    }
}

/// The publisher of the signal handler alone.
static HANDLERS_OWN: AtomicPtr<Publisher<[u8]>> = AtomicPtr::new(ptr::null_mut());
static PUBLISHED: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);

extern "C" fn publish(_signal: libc::c_int) {
    let _quiet = NoAllocation::begin();
    // SAFETY: a publisher that is never dropped; this handler, which its signal does not interrupt,
    // is the only one to use it.
    let publisher = unsafe { &*HANDLERS_OWN.load(Ordering::Relaxed) };
    let mut payload = [0; checked::LEN_MIN];
    checked::fill(&mut payload, 2, PUBLISHED.load(Ordering::Relaxed));
    match publisher.try_publish(&payload) {
        Ok(_) => PUBLISHED.fetch_add(1, Ordering::Relaxed),
        Err(_) => REFUSED.fetch_add(1, Ordering::Relaxed),
    };
}

/// Publishes by its main program and by its signal handler, on one topic.
fn handler(stage: &Stage) {
    let topic = stage.topic();
    let own = Box::new(topic.publisher().unwrap());
    HANDLERS_OWN.store(Box::into_raw(own), Ordering::Relaxed);
    let publisher = topic.publisher().unwrap();
    interrupt_often(publish, restart(stage));
    for serial in 0..COUNT {
        publisher
            .publish(&checked::payload(LEN_MAX, 1, serial))
            .unwrap();
    }
    // SAFETY: takes no pointers but the action that is no more.
    unsafe { libc::signal(libc::SIGUSR1, libc::SIG_IGN) };
    let [published, refused] = [&PUBLISHED, &REFUSED].map(|it| it.load(Ordering::Relaxed));
    say(format!("{published} {refused}"));
}

/// Reads until told how many messages each publisher has published; all must come, in order.
fn read_all(reliable: &mut Subscriber<[u8]>, actor: &mut Actor) -> u64 {
    let mut received = [0; 2];
    let mut said = None;
    let started = Instant::now();
    loop {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "{received:?} came"
        );
        if reliable.wait(Duration::from_millis(5)).unwrap() {
            match reliable.poll() {
                Ok(Some(message)) => {
                    let (origin, serial) = checked::check(message.payload());
                    let next = &mut received[origin as usize - 1];
                    assert_eq!(serial, *next, "of {origin}");
                    *next += 1;
                }
                Ok(None) | Err(PollError::Lagged { .. }) => panic!("reliable"),
                Err(error) => panic!("{error}"),
            }
            // Slow enough that publishers are refused now and then.
            if received[0] % 200 == 0 {
                std::thread::sleep(Duration::from_micros(500));
            }
        } else if said.is_some() {
            break;
        }
        if received[0] == COUNT {
            said.get_or_insert_with(|| actor.hear());
        }
    }
    let said = said.unwrap();
    let (published, refused) = said.split_once(' ').expect("two numbers");
    assert_eq!(received, [COUNT, published.parse().unwrap()]);
    refused.parse().unwrap()
}

#[test]
#[cfg_attr(
    feature = "portable",
    ignore = "portable publishers hand what may block to threads"
)]
fn a_signal_handler_may_publish_by_a_publisher_of_its_own() {
    let mut refused = 0;
    for how in ["restart", "interrupt"] {
        let bus = TestBus::new();
        let topic = bus.topic("t").shared().capacity(16).payload_max(LEN_MAX);
        let topic = topic.create().unwrap();
        let mut reliable = topic.subscriber().reliable().join().unwrap();
        let mut actor = Actor::start("signals/handler", bus.root().path(), &[how]);
        refused += read_all(&mut reliable, &mut actor);
        assert!(actor.ends_well());
    }
    assert!(refused > 0, "no refusal was tried");
}

/// The system's allocator, which ends the process for a thread that has a [`NoAllocation`].
struct Watched;

/// The thread that must not allocate; 0: none.
static QUIET: AtomicI32 = AtomicI32::new(0);

struct NoAllocation;

impl NoAllocation {
    fn begin() -> Self {
        QUIET.store(this_thread(), Ordering::Relaxed);
        Self
    }
}

impl Drop for NoAllocation {
    fn drop(&mut self) {
        QUIET.store(0, Ordering::Relaxed);
    }
}

fn this_thread() -> libc::pid_t {
    // SAFETY: takes no pointers.
    unsafe { libc::gettid() }
}

fn check_quiet() {
    let quiet = QUIET.load(Ordering::Relaxed);
    if quiet != 0 && quiet == this_thread() {
        // SAFETY: ends the process.
        unsafe { libc::abort() };
    }
}

// SAFETY: does what the system's allocator does, or ends the process.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check_quiet();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        check_quiet();
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(start, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;
