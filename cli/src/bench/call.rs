//! A request there and its reply back: half of a round trip, beside that of two plain topics.

use std::time::Duration;

use serde_json::json;

use super::crew::{Crew, Part, Role};
use super::form::{mark, number_of, out_of_order};
use super::pingpong;
use super::run::{Run, from_pairs};
use super::scene::Scene;
use crate::args::{CallBenchArgs, ChartArgs, CommonArgs, FormArgs, PingpongArgs, Reading, Via};
use crate::outcome::Failure;

/// The processes of this case.
pub const ROLES: &[Role] = &[("caller", caller), ("server", server)];

const SERVICE: &str = "call";
/// Nobody waits for so long.
const LONG: Duration = Duration::from_secs(10);

/// A client and a server.
pub fn bus(scene: &Scene, args: &CallBenchArgs) -> Result<Run, Failure> {
    let _bus = scene.bus()?;
    let numbers = [args.iters, args.size as u64];
    let mut crew = Crew::new(scene);
    crew.start_ready("server", scene.cpu(1), &numbers)?;
    let caller = crew.start_ready("caller", scene.cpu(0), &numbers)?;
    crew.cue();
    let trips = from_pairs(&crew.hear(caller)?)?;
    Ok(Run::of(json!({})).with("oneway_ns", trips))
}

/// Two publishes: `pingpong` through the bus.
pub fn floor(scene: &Scene, args: &CallBenchArgs) -> Result<Run, Failure> {
    let args = PingpongArgs {
        form: FormArgs {
            size: Some(args.size),
            lean: false,
            huge_pages: false,
            mode: args.mode,
            delivery: Reading::Reliable,
            capacity: None,
        },
        iters: args.iters,
        via: Via::Rust,
        common: CommonArgs {
            rounds: None,
            cpus: None,
            json: false,
        },
        chart: ChartArgs {
            hdr: None,
            svg: None,
        },
    };
    pingpong::bus(scene, &args)
}

fn caller(part: &mut Part) -> Result<(), Failure> {
    let (iters, size) = (part.number()?, part.number()? as usize);
    let mut client = part.bus()?.client(SERVICE).join()?;
    let mut payload = vec![0; size];
    part.ready()?;
    let trips = pingpong::time(iters, |number| {
        mark(&mut payload, number);
        let reply = client.call(&payload, LONG)?;
        match number_of(&reply) {
            Some(found) if found == number => Ok(()),
            found => Err(out_of_order(number, found)),
        }
    })?;
    part.say(&trips)
}

fn server(part: &mut Part) -> Result<(), Failure> {
    let (iters, size) = (part.number()?, part.number()? as usize);
    let builder = part.bus()?.server(SERVICE);
    let mut server = builder.request_max(size).reply_max(size).join()?;
    part.ready()?;
    let mut answer = vec![0; size];
    for _ in 0..pingpong::warm_up(iters) + iters {
        let request = loop {
            if server.wait(LONG)? {
                break server.poll()?;
            }
        };
        if let Some(request) = request {
            answer.copy_from_slice(&request);
            request.reply(&answer)?;
        }
    }
    // The caller takes the last answer.
    part.wait();
    Ok(())
}
