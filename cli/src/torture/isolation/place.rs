//! Where a process can be, apart from others.

use std::env;
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr;

use crate::outcome::Failure;
use crate::torture::actor::{self, Stage, say};
use crate::torture::namespaces::{self, check, mount_again, mount_memory};

/// A place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// That of the case.
    Here,
    /// A PID namespace of its own.
    Pid,
    /// A time namespace in which it is a day later.
    Time,
    /// A user namespace of its own.
    User,
    /// Network, IPC, host name and cgroup namespaces of its own.
    Network,
    /// A mount namespace with another /dev/shm, in which only the scene's directory is shared.
    Container,
    /// A root of its own, in which there are only the scene's directory and no /proc.
    Root,
    /// Another user, of the group that may use the bus.
    Member,
    /// Another user, of no such group.
    Stranger,
    /// A mount namespace with another /dev/shm, which shares nothing.
    Elsewhere,
}

const ALL: [(Place, &str); 10] = [
    (Place::Here, "here"),
    (Place::Pid, "pid"),
    (Place::Time, "time"),
    (Place::User, "user"),
    (Place::Network, "network"),
    (Place::Container, "container"),
    (Place::Root, "root"),
    (Place::Member, "member"),
    (Place::Stranger, "stranger"),
    (Place::Elsewhere, "elsewhere"),
];

/// In the scene's directory, where a root of its own is mounted.
pub const JAIL: &str = "jail";

/// How far ahead the clock of [`Place::Time`] is.
pub const AHEAD_S: u64 = 86_400;

/// The user and the group that [`Place::Member`] has, and [`Place::Stranger`] only the former of.
pub const STRANGER: u32 = 64_213;

/// What [`enter`] says where it cannot get there, with the reason.
pub const SKIPPED: &str = "skipped";

/// Whether this process may become other users.
pub fn is_root() -> bool {
    // SAFETY: it only returns a number.
    unsafe { libc::geteuid() == 0 }
}

impl Place {
    /// The argument by which a process is told where to go.
    pub fn name(self) -> &'static str {
        let found = ALL.iter().find(|(place, _)| *place == self);
        found.map_or("", |(_, name)| name)
    }

    fn named(name: &str) -> Option<Self> {
        let found = ALL.iter().find(|(_, candidate)| *candidate == name);
        found.map(|(place, _)| *place)
    }

    /// Goes there; returns where the scene's directory is to be found.
    fn go(self, root: &Path) -> io::Result<PathBuf> {
        let root = root.to_owned();
        match self {
            Self::Here => {}
            Self::Pid => namespaces::enter(libc::CLONE_NEWPID)?,
            Self::Time => {
                namespaces::enter(libc::CLONE_NEWTIME)?;
                fs::write(
                    "/proc/self/timens_offsets",
                    format!("monotonic {AHEAD_S} 0"),
                )?;
            }
            Self::User => namespaces::enter(libc::CLONE_NEWUSER)?,
            Self::Network => namespaces::enter(
                libc::CLONE_NEWNET
                    | libc::CLONE_NEWIPC
                    | libc::CLONE_NEWUTS
                    | libc::CLONE_NEWCGROUP,
            )?,
            Self::Container => return share(&root),
            Self::Root => return jail(&root),
            Self::Member => become_other(STRANGER)?,
            Self::Stranger => become_other(STRANGER + 1)?,
            Self::Elsewhere => {
                namespaces::enter(libc::CLONE_NEWNS)?;
                mount_memory(Path::new(SHARED_MEMORY), 0, "mode=1777")?;
            }
        }
        Ok(root)
    }

    /// Whether only children of the one who goes there are there.
    fn is_for_children(self) -> bool {
        matches!(self, Self::Pid | Self::Time)
    }
}

const SHARED_MEMORY: &str = "/dev/shm";

/// Covers /dev/shm by another one, in which the directory `root` alone is seen.
fn share(root: &Path) -> io::Result<PathBuf> {
    namespaces::enter(libc::CLONE_NEWNS)?;
    // While it is covered the directory is reached through where this process is.
    env::set_current_dir(root)?;
    mount_memory(Path::new(SHARED_MEMORY), 0, "mode=1777")?;
    let shared = Path::new(SHARED_MEMORY).join("shared");
    fs::create_dir(&shared)?;
    mount_again(Path::new("."), &shared)?;
    env::set_current_dir("/")?;
    Ok(shared)
}

/// Makes an empty root with the directory `root` in it, and nothing else.
fn jail(root: &Path) -> io::Result<PathBuf> {
    namespaces::enter(libc::CLONE_NEWNS)?;
    let jail = root.join(JAIL);
    mount_memory(&jail, 0, "mode=755")?;
    let inside = Path::new("scene");
    fs::create_dir(jail.join(inside))?;
    mount_again(root, &jail.join(inside))?;
    std::os::unix::fs::chroot(&jail)?;
    env::set_current_dir("/")?;
    Ok(Path::new("/").join(inside))
}

/// Gives up the rights of root for those of user [`STRANGER`], and its groups for one.
fn become_other(group: u32) -> io::Result<()> {
    // SAFETY: a list of no groups.
    check(unsafe { libc::setgroups(0, ptr::null()) })?;
    // SAFETY: takes no pointers.
    check(unsafe { libc::setgid(group) })?;
    // SAFETY: takes no pointers.
    check(unsafe { libc::setuid(STRANGER) })
}

/// Role: goes to a place, and plays another role there.
pub fn enter(stage: &Stage) -> Result<(), Failure> {
    let (place, role) = (stage.arg(0)?, stage.arg(1)?);
    let known = Place::named(place).ok_or_else(|| Failure::say(format_args!("{place:?}?")))?;
    let root = match known.go(&stage.root) {
        Ok(root) => root,
        Err(error) => {
            say(format_args!("{SKIPPED} {error}"));
            return Ok(());
        }
    };
    // Whoever has become another user has lost it.
    actor::die_with_parent();
    match known.is_for_children() {
        true => play_in_child(role, &root),
        false => actor::play_one(&super::super::roles(), role, root, Vec::new()),
    }
}

fn play_in_child(role: &str, root: &Path) -> Result<(), Failure> {
    let failed = |e| Failure::io(format_args!("cannot start {role}"), &e);
    let program = env::current_exe().map_err(failed)?;
    let mut command = Command::new(program);
    command.args(["torture-role", role]).arg(root);
    let status = command.status().map_err(failed)?;
    // Killed by the case.
    match status.success() || status.signal() == Some(libc::SIGKILL) {
        true => Ok(()),
        false => Err(Failure::say(format_args!("{role}: {status}"))),
    }
}

/// The process that plays the role which `enter` of process `pid` plays, or has a child play.
pub fn player(pid: libc::pid_t, place: Place) -> Option<libc::pid_t> {
    if !place.is_for_children() {
        return Some(pid);
    }
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
