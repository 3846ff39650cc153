//! What the roles of each case do.
//!
//! Each message of 64 bytes is written in full, in place where the peer can, and has its number in its
//! first and last 8 bytes; whoever takes it checks both.

use std::hint::spin_loop;

use serde_json::{Value, json};

use super::{Ends, Payload, Peer, Receiver, Sender, Wait};
use crate::Failure;
use crate::crew::{Part, last_error};
use crate::measure::{Clock, Latencies, host_ns, rounded};

/// Plays a role of a case.
pub fn play<P: Peer>(role: &str, part: &mut Part) -> Result<(), Failure> {
    match role {
        "ping" => ping::<P>(part),
        "pong" => pong::<P>(part),
        "out" => stream_out::<P>(part),
        "in" => stream_in::<P>(part),
        "fan" => fan::<P>(part),
        "waker" => waker::<P>(part),
        "sleeper" => sleeper::<P>(part),
        "contender" => contender::<P>(part),
        "referee" => referee::<P>(part),
        "spinner" => spinner(part),
        other => P::play_own(other, part),
    }
}

/// A message of this number.
#[inline(always)]
fn message(number: u64) -> Payload {
    [number; 8]
}

/// Its number, if first and last bytes have the same.
#[inline(always)]
fn number_of(payload: &Payload) -> Option<u64> {
    (payload[0] == payload[7]).then_some(payload[0])
}

/// Refuses a message that is not the next one.
#[inline(always)]
fn check(payload: &Payload, due: u64, wrong: &mut Option<(u64, Payload)>) {
    if number_of(payload) != Some(due) && wrong.is_none() {
        *wrong = Some((due, *payload));
    }
}

fn all_right(wrong: Option<(u64, Payload)>) -> Result<(), Failure> {
    match wrong {
        None => Ok(()),
        Some((due, found)) => Err(format!("message {due} was due where {found:?} came").into()),
    }
}

const ONE_TO_ONE: Ends = Ends {
    senders: 1,
    receivers: 1,
    wait: Wait::Poll,
};
/// Round trips before the first that counts.
pub const WARM_UP: u64 = 100_000;
/// Messages sent with one call, in a stream.
const BATCH: u64 = 64;

/// Takes exactly one message, when it is there.
fn take_one<R: Receiver>(receiver: &mut R, mut see: impl FnMut(&Payload)) -> Result<(), Failure> {
    while receiver.take(1, &mut see)? == 0 {
        spin_loop();
    }
    Ok(())
}

/// Times round trips; half of each.
pub fn time_trips(
    count: u64,
    mut trip: impl FnMut(u64) -> Result<(), Failure>,
) -> Result<Value, Failure> {
    let clock = Clock::new();
    let mut halves = Latencies::new()?;
    let warm_up = WARM_UP.min(count);
    for number in 1..=warm_up + count {
        let sent = clock.now();
        trip(number)?;
        let took = clock.now() - sent;
        if number > warm_up {
            halves.record((clock.ns(took) / 2.0).round() as u64);
        }
    }
    Ok(json!({"oneway_ns": halves.summary()}))
}

fn ping<P: Peer>(part: &mut Part) -> Result<(), Failure> {
    let count = part.number()?;
    let mut there = P::sender(part, "there", ONE_TO_ONE)?;
    part.ready()?;
    let mut back = P::receiver(part, "back", 0, ONE_TO_ONE)?;
    part.ready()?;
    there.connect()?;
    part.ready()?;
    let mut wrong = None;
    let figures = time_trips(count, |number| {
        there.send(number..number + 1, message)?;
        take_one(&mut back, |payload| check(payload, number, &mut wrong))
    })?;
    all_right(wrong)?;
    part.say(&figures)
}

fn pong<P: Peer>(part: &mut Part) -> Result<(), Failure> {
    let count = part.number()?;
    let mut back = P::sender(part, "back", ONE_TO_ONE)?;
    part.ready()?;
    let mut there = P::receiver(part, "there", 0, ONE_TO_ONE)?;
    part.ready()?;
    back.connect()?;
    part.ready()?;
    for _ in 0..WARM_UP.min(count) + count {
        let mut found = [0; 8];
        take_one(&mut there, |payload| found = *payload)?;
        back.send(0..1, |_| found)?;
    }
    part.wait();
    Ok(())
}

const STREAM: Ends = Ends {
    wait: Wait::Stream,
    ..ONE_TO_ONE
};

fn stream_out<P: Peer>(part: &mut Part) -> Result<(), Failure> {
    let count = part.number()?;
    let mut sender = P::sender(part, "stream", STREAM)?;
    part.ready()?;
    part.ready()?;
    sender.connect()?;
    part.ready()?;
    let mut number = 0;
    while number < count {
        let until = count.min(number + BATCH);
        sender.send(number..until, message)?;
        number = until;
    }
    part.wait();
    Ok(())
}

fn stream_in<P: Peer>(part: &mut Part) -> Result<(), Failure> {
    let count = part.number()?;
    part.ready()?;
    let mut receiver = P::receiver(part, "stream", 0, STREAM)?;
    part.ready()?;
    part.ready()?;
    let clock = Clock::new();
    let (mut due, mut wrong) = (0, None);
    let (mut started, mut before) = (0, 0);
    while due < count {
        let taken = receiver.take(256, |payload| {
            check(payload, due, &mut wrong);
            due += 1;
        })?;
        if taken == 0 {
            spin_loop();
        } else if started == 0 {
            (started, before) = (clock.now(), due);
        }
    }
    let seconds = clock.ns(clock.now() - started) / 1e9;
    all_right(wrong)?;
    let per_s = (count - before) as f64 / seconds;
    part.say(
        &json!({"msgs_per_s": rounded(per_s), "bytes_per_s": rounded(64.0 * per_s), "lost": 0}),
    )
}

/// Messages published before they are all taken, in one thread.
const AT_ONCE: u64 = 512;

fn fan<P: Peer>(part: &mut Part) -> Result<(), Failure> {
    let (count, subs) = (part.number()?, part.number()?);
    let ends = Ends {
        receivers: subs,
        ..STREAM
    };
    let mut sender = P::sender(part, "fan", ends)?;
    let receivers = (0..subs).map(|number| P::receiver(part, "fan", number, ends));
    let mut receivers = receivers.collect::<Result<Vec<_>, _>>()?;
    sender.connect()?;
    part.ready()?;
    let clock = Clock::new();
    let (mut publishing, mut taking) = (Latencies::new()?, Latencies::new()?);
    let mut wrong = None;
    // The first turn is for warming up.
    for turn in 0..=count.div_ceil(AT_ONCE) {
        let numbers = turn * AT_ONCE..(turn + 1) * AT_ONCE;
        let start = clock.now();
        for number in numbers.clone() {
            sender.send(number..number + 1, message)?;
        }
        let published = clock.now();
        for receiver in &mut receivers {
            let mut due = numbers.start;
            while due < numbers.end {
                receiver.take(256, |payload| {
                    check(payload, due, &mut wrong);
                    due += 1;
                })?;
            }
        }
        if turn > 0 {
            publishing.record(clock.ns(published - start) as u64);
            taking.record(clock.ns(clock.now() - published) as u64);
        }
    }
    all_right(wrong)?;
    let each = |turns: &Latencies, of: u64| rounded(turns.median() as f64 / of as f64);
    part.say(&json!({
        "publish_ns": each(&publishing, AT_ONCE),
        "take_ns_each": each(&taking, AT_ONCE * subs),
    }))
}

/// Between two messages to a sleeper: long enough for it to have fallen asleep.
const PAUSE_NS: u64 = 200_000;
const WAKES_TO_WARM_UP: u64 = 10;

fn sleeping(is_set: u64) -> Ends {
    Ends {
        wait: if is_set == 0 { Wait::Sleep } else { Wait::Set },
        ..ONE_TO_ONE
    }
}

fn waker<P: Peer>(part: &mut Part) -> Result<(), Failure> {
    let (count, is_set) = (part.number()?, part.number()?);
    let mut sender = P::sender(part, "wake", sleeping(is_set))?;
    part.ready()?;
    part.ready()?;
    sender.connect()?;
    part.ready()?;
    for number in 0..WAKES_TO_WARM_UP + count {
        let due = host_ns() + PAUSE_NS;
        // Awake until it is time, as somebody with something to publish is.
        while host_ns() < due {
            spin_loop();
        }
        let sent = host_ns();
        sender.send(number..number + 1, |number| {
            let mut payload = message(number);
            payload[1] = sent;
            payload
        })?;
    }
    part.wait();
    Ok(())
}

fn sleeper<P: Peer>(part: &mut Part) -> Result<(), Failure> {
    let (count, is_set) = (part.number()?, part.number()?);
    part.ready()?;
    let mut receiver = P::receiver(part, "wake", 0, sleeping(is_set))?;
    part.ready()?;
    part.ready()?;
    let mut latencies = Latencies::new()?;
    let (mut due, mut wrong) = (0, None);
    while due < WAKES_TO_WARM_UP + count {
        let taken = receiver.take(1, |payload| {
            let now = host_ns();
            check(payload, due, &mut wrong);
            if due >= WAKES_TO_WARM_UP {
                latencies.record(now.saturating_sub(payload[1]));
            }
            due += 1;
        })?;
        if taken == 0 {
            receiver.sleep()?;
        }
    }
    all_right(wrong)?;
    part.say(&json!({"oneway_ns": latencies.summary()}))
}

/// Runs while nobody else wants the processor.
fn spinner(part: &mut Part) -> Result<(), Failure> {
    let no_priority = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameter is read only.
    if unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &no_priority) } != 0 {
        return Err(format!("cannot be of idle priority: {}", last_error()).into());
    }
    part.ready()?;
    loop {
        spin_loop();
    }
}

fn contending(pubs: u64) -> Ends {
    Ends {
        senders: pubs,
        ..STREAM
    }
}

/// Publishes until it is ended.
fn contender<P: Peer>(part: &mut Part) -> Result<(), Failure> {
    let (pubs, own) = (part.number()?, part.number()?);
    let mut sender = P::sender(part, "contention", contending(pubs))?;
    part.ready()?;
    part.ready()?;
    sender.connect()?;
    part.ready()?;
    let mut number = 0;
    loop {
        sender.send(number..number + BATCH, |number| {
            let mut payload = message(number);
            payload[1] = own;
            payload
        })?;
        number += BATCH;
    }
}

fn referee<P: Peer>(part: &mut Part) -> Result<(), Failure> {
    let (pubs, count) = (part.number()?, part.number()?);
    part.ready()?;
    let mut receiver = P::receiver(part, "contention", 0, contending(pubs))?;
    part.ready()?;
    part.ready()?;
    let clock = Clock::new();
    let mut scores = vec![0; pubs as usize];
    let (mut seen, mut started, mut before, mut wrong) = (0, 0, 0, None);
    while seen < count {
        let taken = receiver.take(256, |payload| {
            if let Some(score) = scores.get_mut(payload[1] as usize) {
                check(payload, *score, &mut wrong);
                *score += 1;
            }
            seen += 1;
        })?;
        if taken == 0 {
            spin_loop();
        } else if started == 0 {
            (started, before) = (clock.now(), seen);
        }
    }
    let seconds = clock.ns(clock.now() - started) / 1e9;
    all_right(wrong)?;
    if scores.iter().sum::<u64>() != seen {
        return Err("there were messages of nobody".into());
    }
    let least = *scores.iter().min().unwrap_or(&0) as f64;
    part.say(&json!({
        "msgs_per_s": rounded((seen - before) as f64 / seconds),
        "fair_share": rounded(least * pubs as f64 / seen as f64),
    }))
}
