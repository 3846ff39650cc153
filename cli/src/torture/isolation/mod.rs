//! Participants that the system keeps apart: other PID, time, user and mount namespaces, other roots
//! and other users.
//!
//! In most scenes two processes work together, each in a [place] of its own: a sender, and an echo that
//! sends back what it receives and then is killed while the sender waits for it. They must work as if
//! nothing stood between them, and see each other live and die. In the rest somebody must be
//! refused, or find nothing, and be told so clearly.

mod clock;
mod pair;
mod place;
mod refused;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ringbus::{Access, Bus, Grant};

use super::actor::{Actor, Role};
use super::findings::Findings;
use super::setting::Setting;
use crate::outcome::Failure;

use place::Place;

/// The processes of this case.
pub const ROLES: &[Role] = &[
    ("isolation/enter", place::enter),
    ("isolation/sender", pair::sender),
    ("isolation/echo", pair::echo),
    ("isolation/clock", clock::ahead),
    ("isolation/observer", refused::observe),
    ("isolation/stranger", refused::knock),
    ("isolation/elsewhere", refused::look_elsewhere),
];

/// What a scene comes to, if all held.
enum Ending {
    /// It was played; somebody was held up for so long by a death.
    Played(Duration),
    /// It cannot be played here, for this reason.
    Skipped(String),
}

/// A scene, in a directory of its own.
type Scene = fn(&Scenery) -> Result<Ending, Failure>;

const SCENES: [(&str, Scene); 16] = [
    ("side by side", |scenery| {
        pair::play(scenery, Place::Here, Place::Here)
    }),
    ("a PID namespace", |scenery| {
        pair::play(scenery, Place::Here, Place::Pid)
    }),
    ("sibling PID namespaces", |scenery| {
        pair::play(scenery, Place::Pid, Place::Pid)
    }),
    ("an echo a day ahead", |scenery| {
        pair::play(scenery, Place::Here, Place::Time)
    }),
    ("a sender a day ahead", |scenery| {
        pair::play(scenery, Place::Time, Place::Here)
    }),
    ("times across a day", clock::play),
    ("a user namespace", |scenery| {
        pair::play(scenery, Place::Here, Place::User)
    }),
    ("network, IPC, host name and cgroup namespaces", |scenery| {
        pair::play(scenery, Place::Network, Place::Network)
    }),
    ("containers that share a directory", |scenery| {
        pair::play(scenery, Place::Container, Place::Container)
    }),
    ("an echo in another root", |scenery| {
        pair::play(scenery, Place::Here, Place::Root)
    }),
    ("a sender in another root", |scenery| {
        pair::play(scenery, Place::Root, Place::Here)
    }),
    ("an echo of the group", |scenery| {
        pair::play(scenery, Place::Here, Place::Member)
    }),
    ("a sender of the group", |scenery| {
        pair::play(scenery, Place::Member, Place::Here)
    }),
    ("a member that may only observe", refused::only_observe),
    ("a user without rights", refused::stranger),
    ("a container that shares nothing", refused::elsewhere),
];

/// A whole run: each scene so often.
const USUAL: u64 = 4 * SCENES.len() as u64;

/// Runs the case.
pub fn run(setting: &Setting, findings: &mut Findings) -> Result<(), Failure> {
    let (mut scenes, mut wrong, mut skipped) = (0, Vec::new(), Vec::new());
    let mut longest = Duration::ZERO;
    while setting.goes_on(scenes, USUAL) {
        let (name, play) = SCENES[scenes as usize % SCENES.len()];
        let scenery = Scenery::new(setting.root())?;
        let ending = play(&scenery);
        let ending = scenery.clear().and(ending);
        match ending {
            Ok(Ending::Played(stall)) => longest = longest.max(stall),
            Ok(Ending::Skipped(reason)) => skipped.push(format!("{name}: {reason}")),
            Err(failure) => wrong.push(format!("{name}: {failure}")),
        }
        scenes += 1;
    }
    findings.did("scenes", scenes);
    findings.found("skipped", skipped.len());
    if let Some(first) = skipped.first() {
        findings.found("skipped_first", first.as_str());
    }
    let first = wrong.first().map(String::as_str);
    findings.none("wrong", wrong.len() as u64, first);
    findings.within("stall", longest, super::progress::STALL_MAX);
    Ok(())
}

/// The directory of a scene, which others may enter.
struct Scenery {
    root: PathBuf,
}

impl Scenery {
    fn new(parent: &Path) -> Result<Self, Failure> {
        let root = parent.join("scene");
        let made = fs::create_dir(&root)
            .and_then(|()| fs::create_dir(root.join(place::JAIL)))
            .and_then(|()| open_to_all(&root))
            .and_then(|()| open_to_all(parent));
        made.map_err(|e| Failure::io(root.display(), &e))?;
        Ok(Self { root })
    }

    /// The bus of the scene, which the group of [`Place::Member`] may use as granted.
    fn bus(&self, grant: Grant) -> Result<Bus, Failure> {
        let access = match place::is_root() {
            true => Access::of_group(grant).with_gid(place::STRANGER),
            false => Access::PRIVATE,
        };
        Ok(Bus::builder().dir(&self.root).access(access).open()?)
    }

    /// Starts a role in a place.
    fn start(&self, place: Place, role: &str) -> Result<Actor, Failure> {
        let args = [place.name().to_owned(), role.to_owned()];
        Actor::start("isolation/enter", &self.root, &args)
    }

    /// Removes it: nothing but the bus may be there.
    fn clear(self) -> Result<(), Failure> {
        let builder = || Bus::builder().dir(&self.root);
        for name in builder().names()? {
            builder().name(&name).destroy()?;
        }
        fs::remove_dir(self.root.join(place::JAIL))
            .and_then(|()| fs::remove_dir(&self.root))
            .map_err(|e| Failure::io("something was left behind", &e))
    }
}

fn open_to_all(directory: &Path) -> std::io::Result<()> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))
}
