//! Too little of everything: memory, files, descriptors, address space, watches, rights to write.
//!
//! Each try is a process in a [`Room`] of its own, a small file system in a mount namespace of its own
//! or a limit, where it does all that takes something from the system: buses, topics of many
//! [shapes](shape), joins, publishing while the file system is full. What does not fit must be refused in
//! words that say what is missing and how much; nothing may be left of it; and no signal may come.

mod limits;
mod rooms;
mod shape;
mod usage;
mod verdict;

use std::fs;
use std::os::unix::process::ExitStatusExt;

use super::actor::{Actor, Role};
use super::findings::Findings;
use super::setting::Setting;
use crate::outcome::Failure;

use rooms::Room;

/// The processes of this case.
pub const ROLES: &[Role] = &[("space/room", rooms::play)];

/// How many rooms make a whole run: each that is listed, and as many of random sizes.
const USUAL: u64 = 2 * rooms::LISTED;

/// The directory in the case's own on which rooms are mounted.
const PLACE: &str = "room";

/// Runs the case.
pub fn run(setting: &Setting, findings: &mut Findings) -> Result<(), Failure> {
    let place = setting.root().join(PLACE);
    fs::create_dir(&place).map_err(|e| Failure::io(place.display(), &e))?;
    let mut tally = Tally::default();
    let mut random = setting.random(0);
    while setting.goes_on(tally.rooms, USUAL) {
        let room = Room::number(tally.rooms, &mut random);
        tally.rooms += 1;
        try_room(setting, &room, random.u64(..), &mut tally)?;
    }
    // It is empty, unless something was written outside of a room.
    let seen_outside = fs::remove_dir(&place).is_err();
    findings.none("seen_outside", seen_outside.into(), None);
    tally.report(findings);
    Ok(())
}

/// Has a process do everything in a room, and takes down what it says.
fn try_room(setting: &Setting, room: &Room, chance: u64, tally: &mut Tally) -> Result<(), Failure> {
    let args = [room.to_string(), chance.to_string()];
    let mut actor = Actor::start("space/room", setting.root(), &args)?;
    while let Some(line) = actor.hear() {
        tally.take_down(&line, room);
    }
    let status = actor.end()?;
    if let Some(signal) = status.signal() {
        tally.signals.add(|| format!("{room}: signal {signal}"));
    } else if !status.success() {
        tally.wrong.add(|| format!("{room}: {status}"));
    }
    Ok(())
}

/// What a room's process says, a word and the rest of the line: that it tried something, ...
const TRIED: &str = "tried";
/// ... that it was refused, as it may be, ...
const REFUSED: &str = "refused";
/// ... that it was refused in other words than it should be, ...
const UNCLEAR: &str = "unclear";
/// ... that something was left of it, ...
const LEFT: &str = "left";
/// ... that what should work did not, ...
const WRONG: &str = "wrong";
/// ... that the room cannot be made here.
const SKIPPED: &str = "skipped";

/// How often something happened, and what it was the first time.
#[derive(Default)]
struct Count(u64, Option<String>);

impl Count {
    fn add(&mut self, example: impl FnOnce() -> String) {
        self.0 += 1;
        self.1.get_or_insert_with(example);
    }

    fn none(&self, what: &str, findings: &mut Findings) {
        findings.none(what, self.0, self.1.as_deref());
    }
}

#[derive(Default)]
struct Tally {
    rooms: u64,
    tried: u64,
    refused: u64,
    skipped: Count,
    signals: Count,
    unclear: Count,
    left: Count,
    wrong: Count,
}

impl Tally {
    fn take_down(&mut self, line: &str, room: &Room) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let example = || format!("{room}: {rest}");
        match word {
            TRIED => self.tried += 1,
            REFUSED => self.refused += 1,
            UNCLEAR => self.unclear.add(example),
            LEFT => self.left.add(example),
            SKIPPED => self.skipped.add(example),
            _ => self.wrong.add(example),
        }
    }

    fn report(&self, findings: &mut Findings) {
        findings.did("rooms", self.rooms);
        findings.did("tries", self.tried);
        findings.found("refused", self.refused);
        findings.found("skipped", self.skipped.0);
        if let Count(1.., Some(reason)) = &self.skipped {
            findings.found("skipped_first", reason.as_str());
        }
        self.signals.none("signals", findings);
        self.unclear.none("unclear_errors", findings);
        self.left.none("left_behind", findings);
        self.wrong.none("wrong", findings);
    }
}
