//! A process that does nothing but fork: victims in a fraction of the time that starting a program
//! takes.
//!
//! It has one thread and never touches a bus, so that its children begin like a program of their own.
//! They die with it, and it dies with its case.

use std::fmt;
use std::fs;
use std::io::{self, BufRead, stdin};
use std::mem;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use super::actor::{self, Actor, Role, Stage};
use super::canary::{Canary, Groups, Watch};
use crate::outcome::Failure;

/// The role of the process itself.
pub const ROLES: &[Role] = &[("zygote", serve)];

/// The process that forks.
pub struct Zygote {
    actor: Actor,
    root: PathBuf,
    canary: Canary,
}

/// A process that is there to be killed.
pub struct Victim {
    pid: libc::pid_t,
    watch: Watch,
}

impl Zygote {
    /// Starts it, for victims on the buses of `root`, which the canary watches.
    pub fn start(root: &Path, canary: &Canary) -> Result<Self, Failure> {
        Ok(Self {
            actor: Actor::start("zygote", root, &[])?,
            root: root.to_owned(),
            canary: canary.clone(),
        })
    }

    /// Forks a victim that plays `role`, one of the canary's `groups`.
    pub fn fork(
        &mut self,
        role: &str,
        args: impl fmt::Display,
        groups: Groups,
    ) -> Result<Victim, Failure> {
        let pid = self.ask(format_args!("fork {role} {args}"))?;
        let watch = self.canary.watch_process(pid, groups);
        Ok(Victim { pid, watch })
    }

    /// Waits until the kernel is done with a victim that was killed. What ended by itself is a failure.
    pub fn bury(&mut self, victim: Victim) -> Result<(), Failure> {
        let (status, words) = self.wait(victim)?;
        match status.signal() {
            Some(libc::SIGKILL) => Ok(()),
            _ => Err(Failure::say(format_args!(
                "it ended by itself: {status} {words}"
            ))),
        }
    }

    /// Waits until a victim has ended that was asked to; anything but a good end is a failure.
    pub fn see_off(&mut self, victim: Victim) -> Result<(), Failure> {
        let (status, words) = self.wait(victim)?;
        match status.success() {
            true => Ok(()),
            false => Err(Failure::say(format_args!("{status} {words}"))),
        }
    }

    fn wait(&mut self, victim: Victim) -> Result<(ExitStatus, String), Failure> {
        let status = self.ask(format_args!("await {}", victim.pid))?;
        // Its last figures are there until it is waited for.
        drop(victim.watch);
        self.ask(format_args!("wait {}", victim.pid))?;
        let status = ExitStatus::from_raw(status);
        let path = last_words(&self.root, victim.pid);
        let words = fs::read_to_string(&path).unwrap_or_default();
        // Most have left none.
        let _ = fs::remove_file(path);
        Ok((status, words))
    }

    fn ask(&mut self, what: impl fmt::Display) -> Result<i32, Failure> {
        self.actor.tell(what);
        let answer = self.actor.hear();
        let number = answer.and_then(|answer| answer.parse().ok());
        number.ok_or_else(|| Failure::say("the process that forks victims has failed"))
    }
}

impl Victim {
    /// Kills it, at once; [`Zygote::bury`] waits for the end.
    pub fn kill(&self) {
        // SAFETY: no memory is involved; the pid is the victim's until it is buried.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
    }
}

fn serve(stage: &Stage) -> Result<(), Failure> {
    for line in stdin().lock().lines() {
        let line = line.map_err(|e| Failure::io("cannot read what to fork", &e))?;
        let pid = |pid: &str| pid.parse().unwrap_or(0);
        let answer = match line.split_once(' ') {
            Some(("fork", play)) => fork(stage, play)?,
            Some(("await", dying)) => wait(pid(dying), libc::WEXITED | libc::WNOWAIT)?,
            Some(("wait", dead)) => wait(pid(dead), libc::WEXITED)?,
            _ => return Err(Failure::say(format_args!("cannot do {line:?}"))),
        };
        actor::say(answer);
    }
    Ok(())
}

fn fork(stage: &Stage, play: &str) -> Result<libc::pid_t, Failure> {
    let parent = std::process::id().cast_signed();
    // SAFETY: this process has one thread, so that the child may do whatever it could.
    match unsafe { libc::fork() } {
        -1 => Err(Failure::io("cannot fork", &io::Error::last_os_error())),
        0 => {
            let ended = be_born(parent).and_then(|()| super::play_line(&stage.root, play));
            let failed = i32::from(ended.is_err());
            let words = ended.map_or_else(|failure| failure.to_string(), |()| String::new());
            let _ = fs::write(
                last_words(&stage.root, std::process::id().cast_signed()),
                words,
            );
            // SAFETY: takes no pointers. Nothing of the parent's that is buffered is written.
            unsafe { libc::_exit(failed) }
        }
        pid => Ok(pid),
    }
}

/// In the child: gives back what is the parent's.
fn be_born(parent: libc::pid_t) -> Result<(), Failure> {
    actor::die_with(parent);
    let null = fs::File::options().read(true).write(true).open("/dev/null");
    let null = null.map_err(|e| Failure::io("cannot open /dev/null", &e))?;
    for fd in [0, 1] {
        // SAFETY: takes no pointers; both numbers are open, and stay so.
        unsafe { libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&null), fd) };
    }
    Ok(())
}

/// Waits for a child's end, and says how it was, as `wait()` would.
fn wait(pid: libc::pid_t, how: libc::c_int) -> Result<libc::c_int, Failure> {
    // SAFETY: all zeros is a `siginfo_t` that says nothing.
    let mut ended: libc::siginfo_t = unsafe { mem::zeroed() };
    // SAFETY: `ended` is there to be written.
    let waited = unsafe { libc::waitid(libc::P_PID, pid.cast_unsigned(), &raw mut ended, how) };
    if waited == -1 {
        return Err(Failure::io("cannot wait", &io::Error::last_os_error()));
    }
    // SAFETY: a child's end was written into it.
    let status = unsafe { ended.si_status() };
    match ended.si_code {
        libc::CLD_EXITED => Ok(status << 8),
        _ => Ok(status),
    }
}

/// Where a victim that ends by itself says why.
fn last_words(root: &Path, pid: libc::pid_t) -> PathBuf {
    root.join(format!("ended-{pid}"))
}
