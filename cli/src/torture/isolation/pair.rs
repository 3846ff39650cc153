//! Two who work together, wherever they are.

use std::time::{Duration, Instant};

use ringbus::{Bus, Grant, Publisher, Start, Subscriber, Topic};

use super::place::{Place, SKIPPED, player};
use super::{Ending, Scenery};
use crate::outcome::Failure;
use crate::torture::actor::{Actor, Stage, say};
use crate::torture::canary::{Canary, Groups};
use crate::torture::checked;

const THERE: &str = "there";
const BACK: &str = "back";
const CAPACITY: usize = 16;
const LEN_MAX: usize = 100;
/// Messages that are answered one by one, and then all together.
const ANSWERED: u64 = 50;
const FLOOD: u64 = 400;
/// The only group of those whom the canary watches.
const ALL: Groups = 1;
const PATIENCE: Duration = Duration::from_secs(10);

/// Plays a scene with a sender and an echo.
pub fn play(scenery: &Scenery, sender: Place, echo: Place) -> Result<Ending, Failure> {
    if [sender, echo].contains(&Place::Member) && !super::place::is_root() {
        return Ok(Ending::Skipped(
            "only root can become another user".to_owned(),
        ));
    }
    let bus = scenery.bus(Grant::Publish)?;
    let topic = |name| bus.topic(name).capacity(CAPACITY).payload_max(LEN_MAX);
    topic(THERE).create()?;
    topic(BACK).shared().create()?;

    let mut echo_actor = scenery.start(echo, "isolation/echo")?;
    if let Some(reason) = is_skipped(&mut echo_actor, "ready")? {
        return Ok(Ending::Skipped(reason));
    }
    let mut sender_actor = scenery.start(sender, "isolation/sender")?;
    if let Some(reason) = is_skipped(&mut sender_actor, "answered")? {
        return Ok(Ending::Skipped(reason));
    }
    let living = bus.participants().iter().filter(|one| one.alive).count();
    if living != 2 {
        return Err(Failure::say(format_args!(
            "of 2 participants {living} live"
        )));
    }
    // The echo holds a message, and the sender waits for it: how long after its death?
    let victim =
        player(echo_actor.pid(), echo).ok_or_else(|| Failure::say("the echo has no process"))?;
    sender_actor.cue();
    hear(&mut sender_actor, "floods")?;
    let canary = Canary::new();
    let watches = [victim, sender_actor.pid()].map(|pid| canary.watch_process(pid, ALL));
    let own_watch = canary.watch_this_thread(ALL);
    let killed = Instant::now();
    // SAFETY: no memory is involved; the pid is a child's, or its child's, that was not waited for.
    unsafe { libc::kill(victim, libc::SIGKILL) };
    hear(&mut sender_actor, "got on")?;
    let got_on = Instant::now();
    drop((watches, own_watch));
    let late = canary.late(killed, got_on, ALL);
    hear(&mut sender_actor, "alone")?;
    let status = sender_actor.end()?;
    if !status.success() {
        return Err(Failure::say(format_args!("the sender: {status}")));
    }
    drop(echo_actor);
    // Whoever was left has taken back what the dead one had.
    let again = bus.gc()?;
    match again == ringbus::Collected::default() {
        true => Ok(Ending::Played((got_on - killed).saturating_sub(late))),
        false => Err(Failure::say(format_args!("the sender left {again:?}"))),
    }
}

/// Hears that an actor is where it should be, or why it cannot be there.
pub fn is_skipped(actor: &mut Actor, word: &str) -> Result<Option<String>, Failure> {
    let said = actor.hear().unwrap_or_default();
    if let Some(reason) = said.strip_prefix(SKIPPED) {
        return Ok(Some(reason.trim().to_owned()));
    }
    match said == word {
        true => Ok(None),
        false => Err(Failure::say(format_args!("{said:?} instead of {word:?}"))),
    }
}

/// Hears that, and nothing else.
pub fn hear(actor: &mut Actor, word: &str) -> Result<(), Failure> {
    match is_skipped(actor, word)? {
        None => Ok(()),
        Some(reason) => Err(Failure::say(reason)),
    }
}

/// The bus of the scene, which is there.
pub fn bus(stage: &Stage) -> Result<Bus, Failure> {
    Ok(Bus::builder().dir(&stage.root).create(false).open()?)
}

/// Role: sends back what it receives, until it has been flooded; then holds a message for ever.
pub fn echo(stage: &Stage) -> Result<(), Failure> {
    let bus = bus(stage)?;
    let topic = bus.topic(THERE).open()?;
    let mut received = topic.subscriber().reliable().start(Start::Oldest).join()?;
    let back = bus.topic(BACK).open()?.publisher()?;
    say("ready");
    for serial in 0..ANSWERED + FLOOD {
        let payload = receive(&mut received, serial)?;
        back.publish(&payload)?;
    }
    loop {
        received.wait(PATIENCE)?;
        if let Some(_held) = received.poll()? {
            loop {
                std::thread::sleep(PATIENCE);
            }
        }
    }
}

/// Role: sends, receives what it sent, and is there when the echo dies.
pub fn sender(stage: &Stage) -> Result<(), Failure> {
    let bus = bus(stage)?;
    let there = bus.topic(THERE).open()?;
    let mut received = bus.topic(BACK).open()?.subscriber().reliable().join()?;
    let publisher = there.publisher()?;
    for serial in 0..ANSWERED {
        publisher.publish(&checked::payload(LEN_MAX, 1, serial))?;
        receive(&mut received, serial)?;
    }
    flood(&publisher, &mut received)?;
    see(&there, 1, true)?;
    say("answered");
    stage.wait();
    while publisher.try_publish(b"fills the ring").is_ok() {}
    say("floods");
    // The one who holds a message there is about to die.
    publisher.publish_timeout(b"is not waited for", PATIENCE)?;
    say("got on");
    for _ in 0..4 * CAPACITY {
        publisher.try_publish(b"goes on")?;
    }
    let collected = bus.gc()?;
    if collected.participants != 1 {
        return Err(Failure::say(format_args!("gc: {collected:?}")));
    }
    see(&there, 0, false)?;
    say("alone");
    Ok(())
}

/// Sends without waiting for each answer: both wait at their gates now and then.
fn flood(publisher: &Publisher<[u8]>, received: &mut Subscriber<[u8]>) -> Result<(), Failure> {
    let mut next = ANSWERED;
    for serial in ANSWERED..ANSWERED + FLOOD {
        let payload = checked::payload(LEN_MAX, 1, serial);
        while publisher.try_publish(&payload).is_err() {
            receive(received, next)?;
            next += 1;
        }
    }
    while next < ANSWERED + FLOOD {
        receive(received, next)?;
        next += 1;
    }
    Ok(())
}

/// The next message, which must be that of `serial`.
fn receive(subscriber: &mut Subscriber<[u8]>, serial: u64) -> Result<Vec<u8>, Failure> {
    if !subscriber.wait(PATIENCE)? {
        return Err(Failure::say(format_args!("message {serial} never came")));
    }
    let message = subscriber.poll()?;
    let payload = message
        .as_ref()
        .map_or(&[][..], |message| message.payload());
    match checked::read(payload) == Some((1, serial)) {
        true => Ok(payload.to_owned()),
        false => Err(Failure::say(format_args!(
            "{message:?} is not message {serial}"
        ))),
    }
}

/// Checks who is seen on a topic.
fn see(topic: &Topic<[u8]>, subscribers: usize, alive: bool) -> Result<(), Failure> {
    let info = topic.info();
    let is_alive = info.subscribers.iter().all(|one| one.alive == alive);
    match info.subscribers.len() == subscribers && is_alive {
        true => Ok(()),
        false => Err(Failure::say(format_args!("seen: {:?}", info.subscribers))),
    }
}
