//! Those who may not, and those who look in the wrong place.

use std::time::Duration;

use ringbus::{
    Bus, DirectoryError, Grant, JoinError, OpenError, RegistryError, SegmentError, Start,
};

use super::pair::{bus, hear, is_skipped};
use super::place::{Place, is_root};
use super::{Ending, Scenery};
use crate::outcome::Failure;
use crate::torture::actor::{Stage, say};

const TOPIC: &str = "t";

/// A scene with one who is in `place` and plays `role`.
fn alone(scenery: &Scenery, grant: Grant, place: Place, role: &str) -> Result<Ending, Failure> {
    let is_user = matches!(place, Place::Member | Place::Stranger);
    if is_user && !is_root() {
        return Ok(Ending::Skipped(
            "only root can become another user".to_owned(),
        ));
    }
    let bus = scenery.bus(grant)?;
    let topic = bus.topic(TOPIC).capacity(4).create()?;
    let publisher = topic.publisher()?;
    publisher.publish(b"x")?;
    let before = topic.info();
    let mut actor = scenery.start(place, role)?;
    if let Some(reason) = is_skipped(&mut actor, "there")? {
        return Ok(Ending::Skipped(reason));
    }
    hear(&mut actor, "done")?;
    let status = actor.end()?;
    let after = topic.info();
    let is_same = (before.subscribers.len(), before.next) == (after.subscribers.len(), after.next);
    let names = Bus::builder().dir(&scenery.root).names()?;
    match status.success() && is_same && names.len() == 1 && bus.participants().len() == 1 {
        true => Ok(Ending::Played(Duration::ZERO)),
        false => Err(Failure::say(format_args!("{status}, {names:?}, {after:?}"))),
    }
}

/// Scene: a group that was granted to observe.
pub fn only_observe(scenery: &Scenery) -> Result<Ending, Failure> {
    alone(scenery, Grant::Observe, Place::Member, "isolation/observer")
}

/// Scene: a user that was granted nothing.
pub fn stranger(scenery: &Scenery) -> Result<Ending, Failure> {
    alone(
        scenery,
        Grant::Publish,
        Place::Stranger,
        "isolation/stranger",
    )
}

/// Scene: a container with another /dev/shm.
pub fn elsewhere(scenery: &Scenery) -> Result<Ending, Failure> {
    alone(
        scenery,
        Grant::Publish,
        Place::Elsewhere,
        "isolation/elsewhere",
    )
}

/// Role: observes, and tries more than that.
pub fn observe(stage: &Stage) -> Result<(), Failure> {
    say("there");
    let topic = bus(stage)?.topic(TOPIC).open()?;
    let mut observer = topic.observer(Start::Oldest)?;
    let observed = observer.poll()?.map(|message| message.payload().to_owned());
    if observed.as_deref() != Some(b"x") {
        return Err(Failure::say(format_args!("observed {observed:?}")));
    }
    for refusal in [
        topic.publisher().err(),
        topic.subscriber().reliable().join().err(),
        topic.subscriber().lossy().join().err(),
    ] {
        match refusal {
            Some(
                JoinError::Segment(SegmentError::Permission { .. })
                | JoinError::Registry(RegistryError::Segment(SegmentError::Permission { .. })),
            ) => {}
            other => return Err(Failure::say(format_args!("{other:?} instead of a refusal"))),
        }
    }
    let other = Bus::builder().dir(&stage.root).name("other").open();
    is_forbidden(other.err())?;
    say("done");
    Ok(())
}

/// Role: tries to get at a bus, in vain.
pub fn knock(stage: &Stage) -> Result<(), Failure> {
    say("there");
    for create in [false, true] {
        is_forbidden(Bus::builder().dir(&stage.root).create(create).open().err())?;
    }
    is_forbidden(Bus::builder().dir(&stage.root).name("own").open().err())?;
    say("done");
    Ok(())
}

fn is_forbidden(error: Option<OpenError>) -> Result<(), Failure> {
    let is_told = match &error {
        Some(OpenError::Directory(DirectoryError::Segment(SegmentError::Permission {
            ..
        })))
        | Some(OpenError::Registry(RegistryError::Segment(SegmentError::Permission { .. }))) => {
            true
        }
        Some(OpenError::Directory(DirectoryError::Read { source, .. })) => {
            source.kind() == std::io::ErrorKind::PermissionDenied
        }
        _ => false,
    };
    match is_told {
        true => Ok(()),
        false => Err(Failure::say(format_args!("{error:?} instead of a refusal"))),
    }
}

/// Role: finds nothing; and what it makes there is another bus.
pub fn look_elsewhere(stage: &Stage) -> Result<(), Failure> {
    say("there");
    let found = Bus::builder().dir(&stage.root).create(false).open();
    let Err(OpenError::Directory(DirectoryError::NoBus { path })) = found else {
        return Err(Failure::say(format_args!("{found:?} instead of no bus")));
    };
    if !path.starts_with(&stage.root) {
        return Err(Failure::say(format_args!(
            "{} was not asked for",
            path.display()
        )));
    }
    let dir = std::path::Path::new("/dev/shm/own");
    let own = Bus::builder().dir(dir).open()?;
    let topic = own.topic(TOPIC).open_or_create()?;
    topic.publisher()?.publish(b"elsewhere")?;
    say("done");
    Ok(())
}
