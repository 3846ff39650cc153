//! The cases, whatever the peer: what a peer must have for them, and which processes take part in each.
//!
//! All of a case's processes make their senders first, then their receivers, then connect them: what some
//! peers need, and none minds.

mod roles;

use std::ops::Range;

use serde_json::{Value, json};

use crate::Failure;
use crate::crew::{Crew, Part};
use crate::scene::Scene;

pub use roles::{WARM_UP, play, time_trips};

/// What is sent.
pub type Payload = [u64; 8];

/// How a receiver waits.
#[derive(Clone, Copy, PartialEq)]
pub enum Wait {
    /// It polls, and is to be asked for one message at a time.
    Poll,
    /// It polls, and takes as many messages as are there.
    Stream,
    /// It sleeps.
    Sleep,
    /// It sleeps in what waits for many.
    Set,
}

/// What makes a peer one.
pub trait Peer {
    /// What it is called.
    const NAME: &'static str;
    /// The cases that it has.
    const CASES: &'static [&'static str];
    /// Its sending end.
    type Sender: Sender;
    /// Its receiving end.
    type Receiver: Receiver;

    /// Makes one of `senders` on a topic, for so many receivers.
    fn sender(part: &Part, topic: &str, of: Ends) -> Result<Self::Sender, Failure>;
    /// Makes receiver `number`.
    fn receiver(part: &Part, topic: &str, number: u64, of: Ends)
    -> Result<Self::Receiver, Failure>;

    /// What must run beside the processes of a case, if anything.
    fn daemon(_crew: &mut Crew) -> Result<(), Failure> {
        Ok(())
    }

    /// What only this peer has.
    fn play_own(role: &str, _part: &mut Part) -> Result<(), Failure> {
        Err(format!("{} has no role {role}", Self::NAME).into())
    }
}

/// How many ends a topic has, and how they wait.
#[derive(Clone, Copy)]
pub struct Ends {
    /// Senders.
    pub senders: u64,
    /// Receivers.
    pub receivers: u64,
    /// How the receivers wait.
    pub wait: Wait,
}

/// Sends messages.
pub trait Sender {
    /// Waits for its receivers.
    fn connect(&mut self) -> Result<(), Failure>;
    /// Sends some messages, each as `fill` says, and waits for room if need be.
    fn send(&mut self, numbers: Range<u64>, fill: impl Fn(u64) -> Payload) -> Result<(), Failure>;
}

/// Receives messages.
pub trait Receiver {
    /// Takes what is there, `max` messages at most where it can be told; how many it were.
    fn take(&mut self, max: usize, see: impl FnMut(&Payload)) -> Result<usize, Failure>;

    /// Sleeps until there may be something.
    fn sleep(&mut self) -> Result<(), Failure> {
        Err("this peer has no blocking wait".into())
    }
}

/// How many messages a case has for a peer unless it is told: about half a second's.
pub fn count(peer: &str, case: &str) -> u64 {
    match (case, peer) {
        ("pingpong" | "call", "socket") => 50_000,
        ("pingpong" | "call", _) => 100_000,
        ("stream", "iceoryx2" | "socket") => 1_000_000,
        ("stream", _) => 10_000_000,
        ("fanout", "socket") => 20_000,
        ("fanout", _) => 50_000,
        ("contention", "iceoryx2") => 300_000,
        ("contention", _) => 2_000_000,
        _ => 2000,
    }
}

/// Measures a case of a peer.
pub fn measure<P: Peer>(case: &str, count: u64) -> Result<Value, Failure> {
    if !P::CASES.contains(&case) {
        return Err(format!("{} has no case {case}", P::NAME).into());
    }
    let mut figures = match case {
        "pingpong" => one_run::<P>(["ping", "pong"], &[count])?,
        "stream" => one_run::<P>(["out", "in"], &[count])?,
        "wake" => both_ways::<P>(count, 0)?,
        "waitset" => both_ways::<P>(count, 1)?,
        "call" => one_run::<P>(["caller", "server"], &[count])?,
        "fanout" => rows::<P>("subs", &[1, 4, 16], &|crew, subs| {
            let process = crew.start("fan", Some(0), &[count, subs])?;
            crew.together()?;
            crew.hear(process)
        })?,
        "contention" => rows::<P>("pubs", &[1, 2, 4], &|crew, pubs| {
            let mut contenders = Vec::new();
            for number in 0..pubs {
                let cpu = Some((number % 2) as usize);
                contenders.push(crew.start("contender", cpu, &[pubs, number])?);
            }
            let referee = crew.start("referee", Some(1), &[pubs, count])?;
            (0..3).try_for_each(|_| crew.together())?;
            crew.hear(referee)
        })?,
        other => return Err(format!("there is no case {other}").into()),
    };
    figures["peer"] = json!(P::NAME);
    figures["case"] = json!(case);
    figures["size"] = json!(size_of::<Payload>());
    Ok(figures)
}

/// A run of two processes, of which one has the figures.
fn one_run<P: Peer>(roles: [&'static str; 2], numbers: &[u64]) -> Result<Value, Failure> {
    let scene = Scene::new()?;
    let mut crew = Crew::new(&scene, P::NAME);
    P::daemon(&mut crew)?;
    let first = crew.start(roles[0], Some(0), numbers)?;
    let second = crew.start(roles[1], Some(1), numbers)?;
    (0..3).try_for_each(|_| crew.together())?;
    let teller = if roles[1] == "in" { second } else { first };
    crew.hear(teller)
}

/// Wakes, plain and with a spinner of idle priority that keeps the sleeper's processor from halting.
fn both_ways<P: Peer>(count: u64, is_set: u64) -> Result<Value, Failure> {
    let mut figures = json!({});
    for (name, with_spinner) in [("oneway_ns", false), ("spinner_oneway_ns", true)] {
        let scene = Scene::new()?;
        let mut crew = Crew::new(&scene, P::NAME);
        let numbers = [count, is_set];
        crew.start("waker", Some(0), &numbers)?;
        let sleeper = crew.start("sleeper", Some(1), &numbers)?;
        (0..2).try_for_each(|_| crew.together())?;
        let mut idle = Crew::new(&scene, P::NAME);
        if with_spinner {
            idle.start("spinner", Some(1), &[])?;
            idle.together()?;
        }
        crew.together()?;
        figures[name] = crew.hear(sleeper)?["oneway_ns"].take();
    }
    Ok(figures)
}

fn rows<P: Peer>(
    key: &str,
    of: &[u64],
    run: &dyn Fn(&mut Crew, u64) -> Result<Value, Failure>,
) -> Result<Value, Failure> {
    let mut rows = Vec::new();
    for &number in of {
        let scene = Scene::new()?;
        let mut crew = Crew::new(&scene, P::NAME);
        P::daemon(&mut crew)?;
        let mut row = run(&mut crew, number)?;
        row[key] = json!(number);
        rows.push(row);
    }
    Ok(json!({"rows": rows}))
}
