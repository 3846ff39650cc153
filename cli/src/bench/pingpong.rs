//! One message there and one back, both sides polling: half of a round trip.

use serde_json::{Value, json};

use super::clock::Clock;
use super::crew::{Crew, Part, Role};
use super::floor::lines::Mailbox;
use super::form::{mark, number_of, out_of_order};
use super::region::Region;
use super::run::{Run, from_pairs, to_pairs};
use super::scene::Scene;
use super::via::{Play, Receives, Sends, next, play};
use crate::args::PingpongArgs;
use crate::latency::Latencies;
use crate::outcome::Failure;

/// The processes of this case.
pub const ROLES: &[Role] = &[
    ("ping", ping),
    ("pong", pong),
    ("floor-ping", floor_ping),
    ("floor-pong", floor_pong),
];

const THERE: &str = "there";
const BACK: &str = "back";

/// Round trips before the first that counts.
pub fn warm_up(iters: u64) -> u64 {
    iters.min(100_000)
}

/// Through the bus.
pub fn bus(scene: &Scene, args: &PingpongArgs) -> Result<Run, Failure> {
    let bus = scene.bus()?;
    let _there = args.form.create(&bus, THERE)?;
    let _back = args.form.create(&bus, BACK)?;
    let size = args.form.payload_bytes() as u64;
    let numbers = [args.iters, size, args.form.is_lossy(), args.via.number()];
    measure(scene, ["ping", "pong"], &numbers)
}

/// Through bare lines.
pub fn floor(scene: &Scene, args: &PingpongArgs) -> Result<Run, Failure> {
    let size = args.form.payload_bytes();
    let _region = Region::create(scene.root(), THERE, 2 * Mailbox::bytes(size))?;
    measure(
        scene,
        ["floor-ping", "floor-pong"],
        &[args.iters, size as u64],
    )
}

fn measure(scene: &Scene, roles: [&'static str; 2], numbers: &[u64]) -> Result<Run, Failure> {
    let mut crew = Crew::new(scene);
    let first = crew.start_ready(roles[0], scene.cpu(0), numbers)?;
    crew.start_ready(roles[1], scene.cpu(1), numbers)?;
    crew.cue();
    let trips = from_pairs(&crew.hear(first)?)?;
    Ok(Run::of(json!({})).with("oneway_ns", trips))
}

/// Times round trips: `trip` makes one with this number, from 1 on.
pub fn time(
    iters: u64,
    mut trip: impl FnMut(u64) -> Result<(), Failure>,
) -> Result<Value, Failure> {
    let clock = Clock::new();
    let mut halves = Latencies::new().map_err(Failure::say)?;
    let warm_up = warm_up(iters);
    for number in 1..=warm_up + iters {
        let sent = clock.now();
        trip(number)?;
        let took = clock.now() - sent;
        if number > warm_up {
            halves.record((clock.ns(took) / 2.0).round() as u64);
        }
    }
    Ok(to_pairs(&halves))
}

fn ping(part: &mut Part) -> Result<(), Failure> {
    let (iters, size, is_lossy) = (part.number()?, part.number()?, part.number()? != 0);
    let role = Ping { iters, size };
    play(part, Some(THERE), Some(BACK), is_lossy, role)
}

struct Ping {
    iters: u64,
    size: u64,
}

impl Play for Ping {
    fn play<P: Sends, S: Receives>(
        self,
        part: &mut Part,
        publisher: Option<P>,
        subscriber: Option<S>,
    ) -> Result<(), Failure> {
        let (Some(mut publisher), Some(mut subscriber)) = (publisher, subscriber) else {
            return Ok(());
        };
        let mut payload = vec![0; self.size as usize];
        part.ready()?;
        let trips = time(self.iters, |number| {
            mark(&mut payload, number);
            publisher.publish(&payload).map_err(Into::into)?;
            match next(&mut subscriber, number_of).map_err(Into::into)? {
                Some(found) if found == number => Ok(()),
                found => Err(out_of_order(number, found)),
            }
        })?;
        part.say(&trips)
    }
}

fn pong(part: &mut Part) -> Result<(), Failure> {
    let (iters, _size, is_lossy) = (part.number()?, part.number()?, part.number()? != 0);
    play(part, Some(BACK), Some(THERE), is_lossy, Pong { iters })
}

struct Pong {
    iters: u64,
}

impl Play for Pong {
    fn play<P: Sends, S: Receives>(
        self,
        part: &mut Part,
        publisher: Option<P>,
        subscriber: Option<S>,
    ) -> Result<(), Failure> {
        let (Some(mut publisher), Some(mut subscriber)) = (publisher, subscriber) else {
            return Ok(());
        };
        part.ready()?;
        for _ in 0..warm_up(self.iters) + self.iters {
            next(&mut subscriber, |message| publisher.publish(message))
                .map_err(Into::into)?
                .map_err(Into::into)?;
        }
        Ok(())
    }
}

fn floor_ping(part: &mut Part) -> Result<(), Failure> {
    let (iters, size) = (part.number()?, part.number()? as usize);
    let region = part.region(THERE)?;
    let [there, back] = [0, 1].map(|number| Mailbox::new(&region, number, size));
    let mut payload = vec![0; size];
    part.ready()?;
    let trips = time(iters, |number| {
        mark(&mut payload, number);
        there.put(number, &payload);
        back.take(number, &mut payload);
        match number_of(&payload) {
            Some(found) if found == number => Ok(()),
            found => Err(out_of_order(number, found)),
        }
    })?;
    part.say(&trips)
}

fn floor_pong(part: &mut Part) -> Result<(), Failure> {
    let (iters, size) = (part.number()?, part.number()? as usize);
    let region = part.region(THERE)?;
    let [there, back] = [0, 1].map(|number| Mailbox::new(&region, number, size));
    let mut payload = vec![0; size];
    part.ready()?;
    for number in 1..=warm_up(iters) + iters {
        there.take(number, &mut payload);
        back.put(number, &payload);
    }
    Ok(())
}
