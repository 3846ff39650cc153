//! The processes of a run: this program again, told to play a role.
//!
//! A role tells its run on stdout what it found, a JSON value a line, and hears from it on stdin. It
//! does not outlive the thread that started it.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};

use ringbus::{Bus, Topic};
use serde_json::Value;

use super::floor::ring::Any;
use super::processor;
use super::region::Region;
use super::scene::Scene;
use crate::args::BenchRoleArgs;
use crate::outcome::{Failure, Outcome};
use crate::signals::LOOK_EVERY;

/// A role's name, and how it is played.
pub type Role = (&'static str, fn(&mut Part) -> Result<(), Failure>);

/// The processes of one run; dropping it leaves none behind.
pub struct Crew<'s> {
    scene: &'s Scene,
    members: Vec<Member>,
    /// The line that a member has said; none: it will say no more.
    said: Receiver<(usize, Option<String>)>,
    ear: Sender<(usize, Option<String>)>,
}

struct Member {
    role: &'static str,
    child: Child,
    stdin: Option<ChildStdin>,
    heard: VecDeque<String>,
    is_silent: bool,
}

impl<'s> Crew<'s> {
    /// Nobody yet.
    pub fn new(scene: &'s Scene) -> Self {
        let (ear, said) = channel();
        Self {
            scene,
            members: Vec::new(),
            said,
            ear,
        }
    }

    /// Starts a process on a processor; its number in the crew.
    pub fn start(
        &mut self,
        role: &'static str,
        cpu: usize,
        numbers: &[u64],
    ) -> Result<usize, Failure> {
        let program = std::env::current_exe()
            .map_err(|e| Failure::io("cannot find this program to start it again", &e))?;
        let mut command = Command::new(program);
        command.args(["bench-role", role]).arg(self.scene.root());
        command.arg(cpu.to_string());
        command.args(numbers.iter().map(u64::to_string));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|e| Failure::io(format_args!("cannot start {role}"), &e))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let number = self.members.len();
        self.members.push(Member {
            role,
            child,
            stdin,
            heard: VecDeque::new(),
            is_silent: false,
        });
        let ear = self.ear.clone();
        std::thread::spawn(move || listen(number, stdout, &ear));
        Ok(number)
    }

    /// Starts a process, and waits until it is ready.
    pub fn start_ready(
        &mut self,
        role: &'static str,
        cpu: usize,
        numbers: &[u64],
    ) -> Result<usize, Failure> {
        let member = self.start(role, cpu, numbers)?;
        self.hear(member)?;
        Ok(member)
    }

    /// Lets everybody go on who waits for it.
    pub fn cue(&mut self) {
        for member in &mut self.members {
            // One that has ended is found out by whoever waits for what it does.
            let _ = member.stdin.as_mut().map(|stdin| writeln!(stdin));
        }
    }

    /// The next thing that a member says. Whoever of them ends badly ends the run.
    pub fn hear(&mut self, number: usize) -> Result<Value, Failure> {
        loop {
            let member = &mut self.members[number];
            if let Some(line) = member.heard.pop_front() {
                return serde_json::from_str(&line)
                    .map_err(|e| Failure::say(format_args!("{} said {line:?}: {e}", member.role)));
            }
            if member.is_silent {
                return Err(ended_early(member.role));
            }
            match self.said.recv_timeout(LOOK_EVERY) {
                Ok((from, Some(line))) => self.members[from].heard.push_back(line),
                Ok((from, None)) => self.members[from].end()?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            if self.scene.stop.asked() {
                return Err(Failure::say("interrupted"));
            }
        }
    }
}

impl Drop for Crew<'_> {
    fn drop(&mut self) {
        for member in &mut self.members {
            let _ = member.child.kill();
            let _ = member.child.wait();
        }
    }
}

impl Member {
    /// Sees it end; it has said why on stderr if it was not well.
    fn end(&mut self) -> Result<(), Failure> {
        self.is_silent = true;
        let status = self
            .child
            .wait()
            .map_err(|e| Failure::io("cannot wait for a process", &e))?;
        match status.success() {
            true => Ok(()),
            false => Err(ended_early(self.role)),
        }
    }
}

fn ended_early(role: &str) -> Failure {
    Failure::say(format_args!("the process {role} ended before its time"))
}

fn listen(number: usize, stdout: Option<ChildStdout>, ear: &Sender<(usize, Option<String>)>) {
    let lines = stdout.map(BufReader::new).into_iter();
    for line in lines.flat_map(|lines| lines.lines().map_while(Result::ok)) {
        // Nobody listens any more once the run is over.
        let _ = ear.send((number, Some(line)));
    }
    let _ = ear.send((number, None));
}

/// What a role has to work with.
pub struct Part {
    root: PathBuf,
    numbers: std::vec::IntoIter<u64>,
}

impl Part {
    /// The run's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The run's bus.
    pub fn bus(&self) -> Result<Bus, Failure> {
        Ok(Bus::builder().dir(&self.root).create(false).open()?)
    }

    /// A topic of the run's.
    pub fn topic(&self, name: &str) -> Result<Topic<[u8]>, Failure> {
        // As the floor's regions are: what a page fault costs, `attach` and `memory` tell.
        Ok(self.bus()?.topic(name).prefault(true).open()?)
    }

    /// Bare memory of the run's.
    pub fn region(&self, name: &str) -> Result<Region, Failure> {
        Region::open(&self.root, name)
    }

    /// The next of the numbers that the run has passed.
    pub fn number(&mut self) -> Result<u64, Failure> {
        self.numbers
            .next()
            .ok_or_else(|| Failure::say("this verb is only for bench itself: run ringbus bench"))
    }

    /// The form of a bare ring's messages: the next three of the numbers.
    pub fn form(&mut self) -> Result<Any, Failure> {
        Ok(Any {
            stride: self.number()? as usize,
            header: self.number()? as usize,
            payload: self.number()? as usize,
        })
    }

    /// Tells the run something.
    pub fn say(&self, value: &Value) -> Result<(), Failure> {
        let mut out = stdout().lock();
        writeln!(out, "{value}")?;
        Ok(out.flush()?)
    }

    /// Tells the run that this process is ready, and waits for its cue.
    pub fn ready(&self) -> Result<(), Failure> {
        self.say(&Value::Bool(true))?;
        self.wait();
        Ok(())
    }

    /// Waits for the next cue; the end of the run is the end of this process.
    pub fn wait(&self) {
        if stdin().lock().read_line(&mut String::new()).unwrap_or(0) == 0 {
            std::process::exit(1);
        }
    }
}

/// Plays the role that `args` name, one of `roles`.
pub fn play(roles: &[&[Role]], args: &BenchRoleArgs) -> Result<Outcome, Failure> {
    let role = roles
        .concat()
        .into_iter()
        .find(|(name, _)| *name == args.role);
    let (_, play) =
        role.ok_or_else(|| Failure::say("this verb is only for bench itself: run ringbus bench"))?;
    // SAFETY: takes no pointers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    processor::pin(args.cpu)?;
    play(&mut Part {
        root: args.root.clone(),
        numbers: args.numbers.clone().into_iter(),
    })?;
    Ok(Outcome::Done)
}
