//! The processes of a run: this program again, told to play a role.
//!
//! A role tells its run on stdout what it found, a line of JSON behind a mark, as peers may print there
//! too; and hears from it on stdin. Who says nothing for a while is taken to hang.

use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::Value;

use crate::scene::Scene;
use crate::{Failure, peers};

/// Before what a role says.
const MARK: &str = "\u{1}";
/// Nothing takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// The processes of one run; dropping it ends them.
pub struct Crew<'s> {
    scene: &'s Scene,
    peer: &'static str,
    members: Vec<Member>,
    /// Whom nobody waits for.
    daemons: Vec<Member>,
}

struct Member {
    role: &'static str,
    child: Child,
    stdin: Option<ChildStdin>,
    said: Receiver<String>,
}

impl<'s> Crew<'s> {
    /// Nobody yet.
    pub fn new(scene: &'s Scene, peer: &'static str) -> Self {
        Self {
            scene,
            peer,
            members: Vec::new(),
            daemons: Vec::new(),
        }
    }

    /// Starts what the others need, and waits until it is there.
    #[cfg_attr(
        not(feature = "aeron"),
        expect(dead_code, reason = "nobody else has a daemon")
    )]
    pub fn start_daemon(&mut self, role: &'static str) -> Result<(), Failure> {
        let daemon = self.spawn(role, None, &[])?;
        self.daemons.push(daemon);
        hear(self.peer, &self.daemons[self.daemons.len() - 1]).map(drop)
    }

    /// Starts a process, on one processor if there is a number of one; its number in the crew.
    pub fn start(
        &mut self,
        role: &'static str,
        cpu: Option<usize>,
        numbers: &[u64],
    ) -> Result<usize, Failure> {
        let member = self.spawn(role, cpu, numbers)?;
        self.members.push(member);
        Ok(self.members.len() - 1)
    }

    fn spawn(
        &self,
        role: &'static str,
        cpu: Option<usize>,
        numbers: &[u64],
    ) -> Result<Member, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["role", self.peer, role]);
        command.arg(self.scene.dir()).arg(self.scene.tag());
        command.arg(cpu.map_or("-".to_owned(), |cpu| cpu.to_string()));
        command.args(numbers.iter().map(u64::to_string));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (ear, said) = channel();
        std::thread::spawn(move || {
            let lines = stdout.map(BufReader::new).into_iter();
            for line in lines.flat_map(|lines| lines.lines().map_while(Result::ok)) {
                if let Some(line) = line.strip_prefix(MARK) {
                    // Nobody listens any more once the run is over.
                    let _ = ear.send(line.to_owned());
                }
            }
        });
        Ok(Member {
            role,
            child,
            stdin,
            said,
        })
    }

    /// Waits until everybody has said to be ready, and lets them go on.
    pub fn together(&mut self) -> Result<(), Failure> {
        for member in 0..self.members.len() {
            self.hear(member)?;
        }
        for member in &mut self.members {
            // One that has ended is found out by whoever waits for what it does.
            let _ = member.stdin.as_mut().map(|stdin| writeln!(stdin));
        }
        Ok(())
    }

    /// The next thing that a member says.
    pub fn hear(&mut self, number: usize) -> Result<Value, Failure> {
        hear(self.peer, &self.members[number])
    }
}

fn hear(peer: &str, member: &Member) -> Result<Value, Failure> {
    let role = member.role;
    match member.said.recv_timeout(PATIENCE) {
        Ok(line) => Ok(serde_json::from_str(&line)?),
        Err(RecvTimeoutError::Timeout) => Err(format!("{peer}: {role} hangs").into()),
        Err(RecvTimeoutError::Disconnected) => {
            Err(format!("{peer}: {role} ended before its time").into())
        }
    }
}

impl Drop for Crew<'_> {
    fn drop(&mut self) {
        for member in self.members.iter_mut().chain(&mut self.daemons) {
            let _ = member.child.kill();
            let _ = member.child.wait();
        }
    }
}

/// What a role has to work with.
pub struct Part {
    dir: PathBuf,
    tag: String,
    numbers: std::vec::IntoIter<u64>,
}

impl Part {
    /// For files of the run.
    pub fn dir(&self) -> &PathBuf {
        &self.dir
    }

    /// How everything in shared memory is called at its beginning.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The next of the numbers that the run has passed.
    pub fn number(&mut self) -> Result<u64, Failure> {
        let number = self.numbers.next();
        number.ok_or_else(|| "this verb is only for the program itself".into())
    }

    /// Tells the run something.
    pub fn say(&self, value: &Value) -> Result<(), Failure> {
        let mut out = stdout().lock();
        writeln!(out, "\n{MARK}{value}")?;
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

/// Plays the role that `args` name.
pub fn play(args: &[&str]) -> Result<(), Failure> {
    let [peer, role, dir, tag, cpu, numbers @ ..] = args else {
        return Err("this verb is only for the program itself".into());
    };
    // SAFETY: takes no pointers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    if let Ok(cpu) = cpu.parse() {
        pin(cpu)?;
    }
    let numbers: Result<Vec<u64>, _> = numbers.iter().map(|number| number.parse()).collect();
    let mut part = Part {
        dir: dir.into(),
        tag: (*tag).to_owned(),
        numbers: numbers?.into_iter(),
    };
    peers::play(peer, role, &mut part)
}

/// Keeps this process on one processor.
fn pin(cpu: usize) -> Result<(), Failure> {
    // SAFETY: a set of bits, for which zero is a value: none.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: sets a bit of `set`; a number beyond it panics.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: `set` is as many bytes as it says.
    match unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) } {
        0 => Ok(()),
        _ => Err(format!("cannot run on processor {cpu}: {}", last_error()).into()),
    }
}

/// What the last system call complained of.
pub fn last_error() -> std::io::Error {
    std::io::Error::last_os_error()
}
