//! Other processes: this program again, told to play a role.
//!
//! A role tells its case what happened on its standard output, and hears from it on its standard
//! input, which ends with the case. It never outlives the thread that started it.

use std::fmt;
use std::io::{BufRead, BufReader, Write, stdin};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use ringbus::Bus;

use crate::args::TortureRoleArgs;
use crate::outcome::{Failure, Outcome};

/// A role's name, and how it is played.
pub type Role = (&'static str, fn(&Stage) -> Result<(), Failure>);

/// A process in a role; killed on drop.
pub struct Actor {
    child: Child,
    hears: Option<ChildStdin>,
    says: BufReader<ChildStdout>,
}

impl Actor {
    /// Starts `role` on the buses of `root`. It dies with the thread that calls this.
    pub fn start(role: &str, root: &Path, args: &[String]) -> Result<Self, Failure> {
        let program = std::env::current_exe()
            .map_err(|e| Failure::io("cannot find this program to start it again", &e))?;
        Self::start_by(Command::new(program), role, root, args)
    }

    /// The same through a command that ends with becoming this program.
    pub fn start_by(
        mut command: Command,
        role: &str,
        root: &Path,
        args: &[String],
    ) -> Result<Self, Failure> {
        command.args(["torture-role", role]).arg(root).args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // What a terminal sends to interrupt the case is for the case alone.
        command.process_group(0);
        let mut child = command
            .spawn()
            .map_err(|e| Failure::io(format_args!("cannot start {role}"), &e))?;
        let hears = child.stdin.take();
        let says = child.stdout.take().map(BufReader::new);
        let says = says.ok_or_else(|| Failure::say(format_args!("{role} has no stdout")))?;
        Ok(Self { child, hears, says })
    }

    /// Its process.
    pub fn pid(&self) -> libc::pid_t {
        self.child.id().cast_signed()
    }

    /// The next thing that it [`say`]s, or `None` if it ended.
    pub fn hear(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.says.read_line(&mut line).unwrap_or(0);
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// Lets it go on from [`Stage::wait`].
    pub fn cue(&mut self) {
        self.tell("");
    }

    /// Sends it a line.
    pub fn tell(&mut self, words: impl fmt::Display) {
        // In one piece. Whether it still lives is for those to find out who wait for what it does.
        let line = format!("{words}\n");
        let _ = self
            .hears
            .as_mut()
            .map(|hears| hears.write_all(line.as_bytes()));
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) {
        // SAFETY: no memory is involved; the pid is a child's that was not waited for.
        unsafe { libc::kill(self.pid(), signal) };
    }

    /// Kills it and waits until the kernel has. An actor that had ended before by itself is a
    /// failure.
    pub fn kill(mut self) -> Result<(), Failure> {
        let ended = self.child.try_wait();
        if let Ok(Some(status)) = ended {
            return Err(Failure::say(format_args!(
                "an actor ended by itself: {status}"
            )));
        }
        self.child
            .kill()
            .and_then(|()| self.child.wait())
            .map(drop)
            .map_err(|e| Failure::io("cannot kill an actor", &e))
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, Failure> {
        let status = self.child.try_wait();
        status.map_err(|e| Failure::io("cannot look after an actor", &e))
    }

    /// Lets the role end, and says how it did.
    pub fn end(mut self) -> Result<ExitStatus, Failure> {
        self.hears = None;
        self.child
            .wait()
            .map_err(|e| Failure::io("cannot wait for an actor", &e))
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a role plays.
pub struct Stage {
    /// The case's directory.
    pub root: PathBuf,
    args: Vec<String>,
}

impl Stage {
    /// The case's default bus.
    pub fn bus(&self) -> Result<Bus, Failure> {
        Ok(Bus::builder().dir(&self.root).open()?)
    }

    /// What the case has passed.
    pub fn arg(&self, index: usize) -> Result<&str, Failure> {
        let arg = self.args.get(index).map(String::as_str);
        arg.ok_or_else(|| Failure::say(format_args!("argument {index} is missing")))
    }

    /// The same, if it is a number.
    pub fn number(&self, index: usize) -> Result<u64, Failure> {
        let arg = self.arg(index)?;
        arg.parse()
            .map_err(|_| Failure::say(format_args!("{arg:?} is not a number")))
    }

    /// Waits for a cue, or for the end of the case.
    pub fn wait(&self) {
        let _ = stdin().lock().read_line(&mut String::new());
    }
}

/// In a role: tells the case something.
pub fn say(words: impl fmt::Display) {
    println!("{words}");
}

/// Plays the role that `args` name, one of `roles`.
pub fn play(roles: &[Role], args: &TortureRoleArgs) -> Result<Outcome, Failure> {
    die_with_parent();
    play_one(roles, &args.role, args.root.clone(), args.args.clone())?;
    Ok(Outcome::Done)
}

/// Plays one of `roles` in this process.
pub fn play_one(
    roles: &[Role],
    role: &str,
    root: PathBuf,
    args: Vec<String>,
) -> Result<(), Failure> {
    let found = roles.iter().find(|(name, _)| *name == role);
    let (_, play) = found
        .ok_or_else(|| Failure::say("this verb is only for torture itself: run ringbus torture"))?;
    play(&Stage { root, args })
}

/// In a child of process `parent`, by fork: ends it when its parent ends, or has ended.
pub fn die_with(parent: libc::pid_t) {
    die_with_parent();
    // SAFETY: takes no pointers.
    if unsafe { libc::getppid() } != parent {
        // SAFETY: takes no pointers.
        unsafe { libc::_exit(1) };
    }
}

/// Ends this process when the thread that started it ends.
pub fn die_with_parent() {
    // SAFETY: takes no pointers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}
