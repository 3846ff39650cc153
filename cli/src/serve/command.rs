//! A command that answers one request: it is waited for, or ended when there is no more time for it.

use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// The command at work on a request.
pub struct Running<'a> {
    program: &'a str,
    child: Child,
    reply_max: usize,
    /// Tells what was read from its stdout, once that is closed, or more was read than a reply may have.
    stdout: Receiver<io::Result<Vec<u8>>>,
    reply: Option<io::Result<Vec<u8>>>,
}

impl<'a> Running<'a> {
    /// Starts it, with the request on its stdin; its reply is to have `reply_max` bytes at most.
    pub fn start(
        command: &'a [String],
        request: Vec<u8>,
        reply_max: usize,
    ) -> Result<Self, String> {
        let [program, arguments @ ..] = command else {
            return Err("there is no command".to_owned());
        };
        let mut command = Command::new(program);
        command.args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        apart(&mut command);
        let mut child = command.spawn().map_err(|e| cannot(program, &e))?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read all of its request has had enough of it.
            thread::spawn(move || stdin.write_all(&request));
        }
        let (read, stdout) = mpsc::channel();
        if let Some(from) = child.stdout.take() {
            let mut from = from.take(reply_max as u64 + 1);
            thread::spawn(move || {
                let mut all = Vec::new();
                // Nobody waits any more for what a command says that was ended.
                let _ = read.send(from.read_to_end(&mut all).map(|_| all));
            });
        }
        Ok(Self {
            program,
            child,
            reply_max,
            stdout,
            reply: None,
        })
    }

    /// What it said, or why it said nothing, once it has ended; `None`: not within `patience`.
    pub fn wait(&mut self, patience: Duration) -> Option<Result<Vec<u8>, String>> {
        let deadline = Instant::now() + patience;
        if self.reply.is_none() {
            self.reply = match self.stdout.recv_timeout(patience) {
                Ok(read) => Some(read),
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => Some(Ok(Vec::new())),
            };
        }
        if matches!(&self.reply, Some(Ok(reply)) if reply.len() > self.reply_max) {
            self.end();
            let (program, max) = (self.program, self.reply_max);
            return Some(Err(format!(
                "{program}: a reply of more than {max} bytes; serve it with a larger --reply-max"
            )));
        }
        let status = self.await_end(deadline)?;
        let reply = self.reply.take().unwrap_or(Ok(Vec::new()));
        Some(match (status, reply) {
            (Ok(status), Ok(reply)) if status.success() => Ok(reply),
            (Ok(status), Ok(_)) => Err(format!("{}: {status}", self.program)),
            (Err(error), _) | (_, Err(error)) => Err(cannot(self.program, &error)),
        })
    }

    /// Ends it, and what it has started: by SIGTERM and, if it does not heed that, by SIGKILL.
    pub fn end(&mut self) {
        self.signal(End::Asked);
        if self.await_end(Instant::now() + HEEDS_WITHIN).is_none() {
            self.signal(End::Forced);
            let _ = self.child.wait();
        }
    }

    /// How it ended, if it did before `deadline`.
    fn await_end(&mut self, deadline: Instant) -> Option<io::Result<ExitStatus>> {
        let mut pause = SHORTEST_PAUSE;
        loop {
            if let Some(ended) = self.child.try_wait().transpose() {
                return Some(ended);
            }
            if Instant::now() >= deadline {
                return None;
            }
            thread::sleep(pause);
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    #[cfg(unix)]
    fn signal(&mut self, how: End) {
        let signal = match how {
            End::Asked => libc::SIGTERM,
            End::Forced => libc::SIGKILL,
        };
        if let Ok(group) = i32::try_from(self.child.id()) {
            // SAFETY: takes two numbers and touches no memory of ours. The child is not waited for yet,
            // so its group is nobody else's.
            unsafe { libc::kill(-group, signal) };
        }
    }

    #[cfg(not(unix))]
    fn signal(&mut self, _how: End) {
        let _ = self.child.kill();
    }
}

/// How a command is made to end.
#[cfg_attr(not(unix), allow(dead_code, reason = "there is one way only"))]
enum End {
    Asked,
    Forced,
}

/// In a group of its own: what is meant to end the server, such as Ctrl-C, leaves it time to answer. On Linux
/// it is asked to end where its server is gone all the same, as by a hang-up or a kill.
#[cfg(unix)]
fn apart(command: &mut Command) {
    use std::os::unix::process::CommandExt;

    command.process_group(0);
    #[cfg(target_os = "linux")]
    {
        let server = std::process::id();
        let end_with_server = move || {
            // SAFETY: takes numbers only, and touches no memory.
            let is_set = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) } == 0;
            // SAFETY: as above.
            let is_orphan = unsafe { libc::getppid() } as u32 != server;
            match is_set && !is_orphan {
                true => Ok(()),
                false => Err(io::Error::last_os_error()),
            }
        };
        // SAFETY: two system calls, which allocate nothing and take no lock.
        unsafe { command.pre_exec(end_with_server) };
    }
}

#[cfg(not(unix))]
fn apart(_command: &mut Command) {}

fn cannot(program: &str, error: &io::Error) -> String {
    format!("cannot run {program}: {error}")
}

/// A command that was asked to end does so within this time, or is forced to.
const HEEDS_WITHIN: Duration = Duration::from_secs(1);
/// Between two looks at a command: short at first, as most end right after their last word.
const SHORTEST_PAUSE: Duration = Duration::from_micros(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);
