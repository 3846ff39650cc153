//! One message to a subscriber that sleeps: from before the publish to after the wake.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ringbus::{PollError, Timestamp};
use serde_json::{Value, json};

use super::crew::{Crew, Part, Role};
use super::form::{payload_bytes, subscribe};
use super::processor;
use super::region::{LINE_PAIR, Region};
use super::run::{self, Run, from_pairs, to_pairs};
use super::scene::Scene;
use crate::args::WakeArgs;
use crate::latency::Latencies;
use crate::outcome::Failure;

/// The processes of this case.
pub const ROLES: &[Role] = &[
    ("waker", waker),
    ("sleeper", sleeper),
    ("floor-waker", floor_waker),
    ("floor-sleeper", floor_sleeper),
    ("spinner", spinner),
];

const TOPIC: &str = "wake";
/// Messages before the first that counts.
const WARM_UP: u64 = 10;
/// A message has its number and its time.
const SIZE_MIN: usize = 16;

/// Through the bus.
pub fn bus(scene: &Scene, args: &WakeArgs) -> Result<Run, Failure> {
    if args.form.payload_bytes() < SIZE_MIN {
        return Err(Failure::usage(format_args!(
            "--size {}: wake needs {SIZE_MIN} bytes or more",
            args.form.payload_bytes()
        )));
    }
    let bus = scene.bus()?;
    let _topic = args.form.create(&bus, TOPIC)?;
    let spin = args.spin_us.unwrap_or(SPIN_BY_DEFAULT);
    let numbers = [args.iters, args.pause_us, args.form.is_lossy(), spin];
    both_ways(scene, ["waker", "sleeper"], &numbers)
}

/// Through a bare futex.
pub fn floor(scene: &Scene, args: &WakeArgs) -> Result<Run, Failure> {
    let bytes = LINE_PAIR + args.form.payload_bytes();
    let _region = Region::create(scene.root(), TOPIC, bytes)?;
    let numbers = [args.iters, args.pause_us, args.form.payload_bytes() as u64];
    both_ways(scene, ["floor-waker", "floor-sleeper"], &numbers)
}

/// For a role's numbers: as long as the library spins.
const SPIN_BY_DEFAULT: u64 = u64::MAX;

/// Plain, and with a spinner of idle priority that keeps the sleeper's processor from halting.
fn both_ways(scene: &Scene, roles: [&'static str; 2], numbers: &[u64]) -> Result<Run, Failure> {
    let (plain, waking, used) = one_way(scene, roles, numbers, false)?;
    let (spun, _, _) = one_way(scene, roles, numbers, true)?;
    let run = Run::of(json!({"sleeper_cpu_us_in_a_second": used})).with("oneway_ns", plain);
    Ok(run
        .with("publish_ns", waking)
        .with("spinner_oneway_ns", spun))
}

/// The latencies, what publishing took, and what of a second the sleeper was awake.
fn one_way(
    scene: &Scene,
    roles: [&'static str; 2],
    numbers: &[u64],
    with_spinner: bool,
) -> Result<(Latencies, Latencies, Value), Failure> {
    let mut crew = Crew::new(scene);
    if with_spinner {
        crew.start_ready("spinner", scene.cpu(1), &[])?;
    }
    let sleeper = crew.start_ready(roles[1], scene.cpu(1), numbers)?;
    let waker = crew.start_ready(roles[0], scene.cpu(0), numbers)?;
    crew.cue();
    let received = crew.hear(sleeper)?;
    let latencies = from_pairs(&received["latencies"])?;
    let waking = from_pairs(&crew.hear(waker)?)?;
    Ok((latencies, waking, received["cpu_us_in_a_second"].clone()))
}

/// Sends messages with their times, one every now and then; what each sending took.
fn send(
    iters: u64,
    pause: Duration,
    mut publish: impl FnMut(u64, u64) -> Result<(), Failure>,
) -> Result<Value, Failure> {
    let mut took = Latencies::new().map_err(Failure::say)?;
    let mut due = Timestamp::now().as_nanos();
    for number in 1..=WARM_UP + iters {
        due += pause.as_nanos() as u64;
        // Awake until it is time, as somebody with something to publish is.
        let sent = loop {
            match Timestamp::now().as_nanos() {
                now if now >= due => break now,
                _ => std::hint::spin_loop(),
            }
        };
        // Late, because this process did not run: the pause is the reader's to fall asleep in.
        due = sent;
        publish(number, sent)?;
        if number > WARM_UP {
            took.record(Timestamp::now().as_nanos() - sent);
        }
    }
    Ok(to_pairs(&took))
}

/// Receives messages until the last: `wait` returns the number and the time of the next it finds.
fn receive(
    iters: u64,
    mut wait: impl FnMut() -> Result<(u64, u64), Failure>,
) -> Result<Value, Failure> {
    let mut latencies = Latencies::new().map_err(Failure::say)?;
    let (start, used) = (Instant::now(), processor::time_used_ns());
    loop {
        let (number, sent) = wait()?;
        if number > WARM_UP {
            latencies.record(Timestamp::now().as_nanos().saturating_sub(sent));
        }
        if number == WARM_UP + iters {
            let used = (processor::time_used_ns() - used) as f64 / 1e3;
            return Ok(json!({
                "latencies": to_pairs(&latencies),
                "cpu_us_in_a_second": run::number(used / start.elapsed().as_secs_f64()),
            }));
        }
    }
}

fn waker(part: &mut Part) -> Result<(), Failure> {
    let (iters, pause) = (part.number()?, Duration::from_micros(part.number()?));
    let topic = part.topic(TOPIC)?;
    let publisher = topic.publisher()?;
    let mut payload = vec![0; payload_bytes(&topic.info())];
    part.ready()?;
    let took = send(iters, pause, |number, sent| {
        payload[..8].copy_from_slice(&number.to_ne_bytes());
        payload[8..16].copy_from_slice(&sent.to_ne_bytes());
        Ok(publisher.publish(&payload).map(drop)?)
    })?;
    part.say(&took)
}

fn sleeper(part: &mut Part) -> Result<(), Failure> {
    let (iters, _pause) = (part.number()?, part.number()?);
    let (is_lossy, spin) = (part.number()? != 0, part.number()?);
    let topic = part.topic(TOPIC)?;
    let mut subscriber = match spin {
        SPIN_BY_DEFAULT => subscribe(&topic, is_lossy)?,
        spin => {
            let form = topic.subscriber().spin(Duration::from_micros(spin));
            if is_lossy { form } else { form.reliable() }.join()?
        }
    };
    part.ready()?;
    let latencies = receive(iters, || {
        loop {
            // Messages that came while this process did not run are the same as the last of them, as
            // they are for the floor.
            let mut last = None;
            loop {
                match subscriber.poll() {
                    Ok(Some(message)) => {
                        let word = |at: usize| message.get(at..)?.first_chunk().copied();
                        last = Some([0, 8].map(|at| word(at).map_or(0, u64::from_ne_bytes)));
                    }
                    Ok(None) => break,
                    // Too late for those, if it is lossy.
                    Err(PollError::Lagged { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            match last {
                Some([number, sent]) => return Ok((number, sent)),
                None => _ = subscriber.wait(Duration::from_secs(1))?,
            }
        }
    })?;
    part.say(&latencies)
}

fn floor_waker(part: &mut Part) -> Result<(), Failure> {
    let (iters, pause) = (part.number()?, Duration::from_micros(part.number()?));
    let size = part.number()? as usize;
    let region = part.region(TOPIC)?;
    part.ready()?;
    let took = send(iters, pause, |number, sent| {
        for word in 0..size / 8 {
            region
                .word(LINE_PAIR + 8 * word)
                .store(sent, Ordering::Relaxed);
        }
        let futex = region.half_word(0);
        futex.store(number as u32, Ordering::Release);
        wake(futex);
        Ok(())
    })?;
    part.say(&took)
}

fn floor_sleeper(part: &mut Part) -> Result<(), Failure> {
    let (iters, _pause, _size) = (part.number()?, part.number()?, part.number()?);
    let region = part.region(TOPIC)?;
    // Not the number that the last run left there, which is that of this run's last message: who comes
    // late would take that for the one it has seen.
    let mut last = 0;
    region.half_word(0).store(last, Ordering::Relaxed);
    part.ready()?;
    let latencies = receive(iters, || {
        let futex = region.half_word(0);
        loop {
            let now = futex.load(Ordering::Acquire);
            if now != last {
                last = now;
                // Messages that came meanwhile are the same as this one.
                return Ok((now.into(), region.word(LINE_PAIR).load(Ordering::Relaxed)));
            }
            sleep(futex, last);
        }
    })?;
    part.say(&latencies)
}

fn spinner(part: &mut Part) -> Result<(), Failure> {
    // Said first: on a busy machine one of idle priority may not get to say anything for long.
    part.say(&Value::Bool(true))?;
    processor::be_idle()?;
    loop {
        std::hint::spin_loop();
    }
}

fn sleep(word: &AtomicU32, value: u32) {
    let no_timeout = std::ptr::null::<libc::timespec>();
    // SAFETY: `word` is a valid address while the call lasts; no timeout is asked for.
    unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAIT, value, no_timeout) };
}

fn wake(word: &AtomicU32) {
    // SAFETY: `word` is a valid address while the call lasts.
    unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE, i32::MAX) };
}
