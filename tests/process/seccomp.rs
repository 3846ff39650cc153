//! The hot path makes no system call: the kernel kills whoever makes one.

use ringbus::{Meta, Patience, PublisherMode, Start, TimeSource};

use super::actor::{Actor, Roles, Stage};
use crate::support::{MODES, TestBus, checked};

pub const ROLES: Roles = &[("seccomp/works", works)];

/// Messages each way: more than a million for each kind of topic.
const COUNT: u64 = if cfg!(debug_assertions) {
    200_000
} else {
    1_000_000
};
const BATCH: u64 = 16;
const LEN: usize = 48;

/// How messages are sent and received; each with both modes.
const WAYS: [&str; 6] = ["reliable", "lossy", "evictable", "batch", "loan", "observe"];

/// Publishes and reads under seccomp, which leaves it nothing but read, write and exit.
fn works(stage: &Stage) {
    let topic = stage.topic();
    let way = stage.arg(0);
    let publisher = topic.publisher().unwrap();
    let joining = topic.subscriber().spin(std::time::Duration::MAX);
    let joining = match way {
        "reliable" | "batch" | "loan" => joining.reliable(),
        "evictable" => joining
            .reliable()
            .stall_timeout(std::time::Duration::from_secs(1)),
        _ => joining.lossy(),
    };
    let mut subscriber = joining.join().unwrap();
    let mut observer = topic.observer(Start::Latest).unwrap();
    let payload = |serial| {
        let mut payload = [0; LEN];
        checked::fill(&mut payload, 1, serial);
        payload
    };
    let mut next = 0;
    let mut check = |payload: &[u8]| {
        assert_eq!(checked::check(payload), (1, next));
        next += 1;
    };

    let is_confined = match stage.arg(1) {
        "strict" => confine_strictly(),
        _ => confine_by_filter(),
    };
    if !is_confined {
        return tell("refused");
    }
    for serial in (0..COUNT).step_by(BATCH as usize) {
        let batch = serial..serial + BATCH;
        match way {
            "loan" => {
                for serial in batch {
                    let mut loan = publisher.loan(LEN).unwrap();
                    checked::fill(&mut loan, 1, serial);
                    assert_eq!(loan.commit(), Ok(serial));
                    check(subscriber.poll().unwrap().expect("published").payload());
                }
            }
            "batch" => {
                let payloads: [_; BATCH as usize] =
                    std::array::from_fn(|index| payload(serial + index as u64));
                let published = publisher.publish_batch(payloads.iter().map(|it| &it[..]));
                assert_eq!(published, Ok(BATCH as usize));
                while subscriber.lag() > 0 {
                    let batch = subscriber.poll_batch(BATCH as usize).unwrap();
                    batch.iter().for_each(|message| check(message.payload()));
                }
            }
            _ => {
                for serial in batch {
                    let meta = Meta::new().tag(serial);
                    let published = publisher.publish_with(meta, &payload(serial), Patience::Try);
                    assert_eq!(published, Ok(serial));
                    assert!(subscriber.wait(std::time::Duration::MAX).unwrap());
                    let message = subscriber.poll().unwrap().expect("published");
                    assert_eq!(message.tag(), serial);
                    match way {
                        "observe" => check(observer.poll().unwrap().expect("published").payload()),
                        _ => check(message.payload()),
                    }
                }
            }
        }
    }
    tell("done");
}

/// Strict mode, which also forbids the time-stamp counter, and with it every clock.
fn confine_strictly() -> bool {
    // SAFETY: takes no pointers in this mode.
    unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_STRICT) == 0 }
}

/// The same system calls by a filter, which leaves clocks alone that need none.
fn confine_by_filter() -> bool {
    const NUMBER: u32 = 0;
    let op = |code: u32, jt, jf, k| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let is = |number: libc::c_long, jt| {
        let code = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        op(code, jt, 0, number as u32)
    };
    let end = |action| op(libc::BPF_RET | libc::BPF_K, 0, 0, action);
    let mut program = [
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, NUMBER),
        is(libc::SYS_read, 3),
        is(libc::SYS_write, 2),
        is(libc::SYS_exit, 1),
        end(libc::SECCOMP_RET_KILL_PROCESS),
        end(libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: takes no pointers; needed by whoever is not root.
    unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    let mode = libc::SECCOMP_MODE_FILTER;
    // SAFETY: the program lives past the call and has as many instructions as it says.
    unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) == 0 }
}

/// What `say` does, in one write, and the end of the only thread that may do so little.
fn tell(word: &str) {
    let line = [b"\nsaid: ", word.as_bytes(), b"\n"].concat();
    // SAFETY: `line` has as many bytes.
    unsafe { libc::write(1, line.as_ptr().cast(), line.len()) };
    // SAFETY: ends this thread; of the process's calls to end, the only one that is left to it.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
}

fn no_system_call(mode: PublisherMode, time: TimeSource, how: &str) {
    let actors: Vec<_> = WAYS
        .into_iter()
        .map(|way| {
            let bus = TestBus::new();
            let topic = bus.topic_of(mode).capacity(64).payload_max(LEN).time(time);
            topic.create().unwrap();
            let actor = Actor::start("seccomp/works", bus.root().path(), &[way, how]);
            (way, actor, bus)
        })
        .collect();
    for (way, mut actor, bus) in actors {
        match actor.hear_or_end().as_deref() {
            Some("done") => {}
            Some("refused") => return println!("skipped: the kernel has no seccomp"),
            _ => panic!("{mode}, {way}: killed for a system call, or failed"),
        }
        assert_eq!(bus.topics().unwrap()[0].next, COUNT);
    }
}

#[test]
fn a_million_messages_take_no_system_call() {
    for mode in MODES {
        no_system_call(mode, TimeSource::None, "strict");
    }
}

#[test]
fn the_time_of_each_message_takes_no_system_call() {
    no_system_call(PublisherMode::Shared, TimeSource::Clock, "filter");
}
