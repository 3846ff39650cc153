//! Those who are killed.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use ringbus::{CallError, Remove, TopicError};

use super::{CAPACITY, LEN_MAX, MADE, SERVICE, SUBSCRIBERS_MAX, made};
use crate::outcome::Failure;
use crate::torture::actor::{Role, Stage};
use crate::torture::canary::lock;
use crate::torture::checked;

/// Who is killed.
pub const ROLES: &[Role] = &[
    ("listeners/dispatcher", dispatcher),
    ("listeners/server", server),
    ("listeners/client", client),
    ("listeners/maker", maker),
];

/// Longer than anybody lives.
const LONG: Duration = Duration::from_secs(3600);
/// One in so many requests is never answered.
const UNANSWERED: u64 = 8;

/// Handles the messages of all topics, each the next of its publisher, and has publishers wait for it.
fn dispatcher(stage: &Stage) -> Result<(), Failure> {
    let next = Mutex::new(HashMap::new());
    let handlers = stage.bus()?.dispatcher().reliable();
    let mut dispatcher = handlers
        .on("*/*", move |message| {
            if message.topic().as_str().starts_with(SERVICE) {
                return Ok(());
            }
            let (origin, serial) = checked::read(message.payload()).ok_or("torn")?;
            let key = (message.topic().to_string(), origin);
            match lock(&next).insert(key, serial + 1) {
                Some(next) if next != serial => Err(format!("{serial} came for {next}").into()),
                _ => Ok(()),
            }
        })
        .join()?;
    loop {
        dispatcher.run_for(Duration::from_millis(20))?;
        if dispatcher.dispatched().failed > 0 {
            return Err(Failure::say("a message was torn or in disorder"));
        }
    }
}

/// Answers what it is asked with the same; now and then not at all.
fn server(stage: &Stage) -> Result<(), Failure> {
    let bus = stage.bus()?;
    let mut server = bus.server(SERVICE).capacity(CAPACITY).join()?;
    let mut unanswered = Vec::new();
    for number in 0_u64.. {
        while !server.wait(LONG)? {}
        let Some(request) = server.poll()? else {
            continue;
        };
        if number % UNANSWERED == 0 {
            unanswered.push(request.defer());
            continue;
        }
        let echo = request.to_vec();
        request.reply(&echo)?;
    }
    Ok(())
}

/// Calls as fast as it is answered, has servers wait for it, and forgets some of its calls.
fn client(stage: &Stage) -> Result<(), Failure> {
    let origin = stage.number(0)?;
    let mut random = Rng::with_seed(stage.number(1)?);
    let mut client = stage.bus()?.client(SERVICE).reliable().join()?;
    let mut under_way = VecDeque::new();
    for serial in 0.. {
        let request = checked::payload(LEN_MAX, origin, serial);
        under_way.push_back((client.send(&request, LONG)?, request));
        if under_way.len() < 4 {
            continue;
        }
        let Some((call, request)) = under_way.pop_front() else {
            continue;
        };
        if random.u32(..4) > 0 {
            match client.next(&call, Duration::from_millis(1)) {
                Ok(Some(reply)) if reply.payload() == request => {}
                Ok(_) => return Err(Failure::say("an answer to another call")),
                Err(CallError::ServerEnded { .. } | CallError::Timeout) => {}
                Err(error) => return Err(error.into()),
            }
        }
        client.cancel(call);
    }
    Ok(())
}

/// Makes topics, publishes a little on each, and removes them, its predecessor's too.
fn maker(stage: &Stage) -> Result<(), Failure> {
    let life = stage.number(0)?;
    let mut random = Rng::with_seed(stage.number(1)?);
    let bus = stage.bus()?;
    for number in 0.. {
        let name = made(random.u32(..MADE));
        let topic = bus.topic(&name).capacity(CAPACITY).payload_max(LEN_MAX);
        let topic = match topic.max_subscribers(SUBSCRIBERS_MAX).create() {
            Err(TopicError::Exists { .. }) => {
                bus.remove(&name, Remove::Force)?;
                continue;
            }
            topic => topic?,
        };
        let publisher = topic.publisher()?;
        let origin = life << 32 | number;
        for serial in 0..random.u64(1..8) {
            publisher.publish(&checked::payload(LEN_MAX, origin, serial))?;
            thread::sleep(Duration::from_micros(random.u64(..300)));
        }
        if random.bool() {
            bus.remove(&name, Remove::Force)?;
        }
        thread::sleep(Duration::from_micros(random.u64(..2_000)));
    }
    Ok(())
}
