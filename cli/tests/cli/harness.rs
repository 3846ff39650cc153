//! A bus for one test, and processes of the built binary on it.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The binary under test.
pub const RINGBUS: &str = env!("CARGO_BIN_EXE_ringbus");

/// No process of a test runs for longer than this; it is killed, and the test fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// A directory of buses that is gone when the test is over.
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new one, in memory where there is a place for that.
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let dir = parent.join(format!("ringbus-cli-test-{}-{number}", std::process::id()));
        fs::create_dir(&dir).expect("a directory for the test");
        Self(dir)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Runs `line` to its end with `input` on stdin.
    pub fn run(&self, line: &str, input: &[u8]) -> Ran {
        let mut running = self.start(line);
        let mut stdin = running.stdin();
        let input = input.to_vec();
        // A process that ends early does not read all of it, which is not for this to judge.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let ran = running.finish();
        writer.join().expect("the input's writer");
        ran
    }

    /// Starts `line`, the flags separated by blanks, on this test's bus.
    pub fn start(&self, line: &str) -> Running {
        self.start_with(line.split_whitespace())
    }

    /// Starts the binary with these flags on this test's bus.
    pub fn start_with(&self, flags: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Running {
        let mut command = Command::new(RINGBUS);
        command.env("RINGBUS_DIR", &self.0).args(flags);
        Running::start(command)
    }

    /// Runs `script` in a shell in this directory, with the binary's path in `$R`.
    pub fn shell(&self, script: &str) -> Ran {
        let mut command = Command::new("sh");
        command.args(["-e", "-c", script]).current_dir(&self.0);
        command.env("RINGBUS_DIR", &self.0).env("R", RINGBUS);
        Running::start(command).finish()
    }

    /// The oldest sequence that `topic` retains.
    pub fn oldest(&self, topic: &str) -> u64 {
        let info = self.run(&format!("info {topic} --json"), b"").well().json();
        info["oldest"].as_u64().expect("a sequence")
    }

    /// Waits until `ringbus info` of `topic` shows something that `is_it` accepts.
    pub fn wait_for(&self, topic: &str, is_it: impl Fn(&serde_json::Value) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ran = self.run(&format!("info {topic} --json"), b"");
            if ran.code == Some(0) && is_it(&ran.json()) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{topic} never came to be so: {ran:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let root = || ringbus::Bus::builder().dir(&self.0);
        for bus in root().names().unwrap_or_default() {
            let _ = root().name(&bus).destroy();
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process that goes on; dropping it kills it.
pub struct Running {
    child: Child,
    out: Option<JoinHandle<Vec<u8>>>,
    err: Option<JoinHandle<Vec<u8>>>,
}

/// What a process left.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; none: a signal killed it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub out: Vec<u8>,
    /// What it wrote to stderr.
    pub err: String,
}

impl Running {
    fn start(mut command: Command) -> Self {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let out = child.stdout.take().map(collect);
        let err = child.stderr.take().map(collect);
        Self { child, out, err }
    }

    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its stdin, which is open until this is dropped.
    pub fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("taken once")
    }

    /// Sends it a signal that it catches, once it does.
    pub fn end_by(&self, signal: i32) {
        let deadline = Instant::now() + PATIENCE;
        while self.caught() & (1 << (signal - 1)) == 0 {
            assert!(
                Instant::now() < deadline,
                "it never catches signal {signal}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        self.signal(signal);
    }

    /// The signals it has handlers for, one bit each.
    fn caught(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .unwrap_or(0)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.pid()).expect("a pid");
        // SAFETY:
        // - takes two numbers and touches no memory of ours. The child is not waited for yet, so
        //   its pid is nobody else's.
        let sent = unsafe { libc::kill(pid, signal) };
        assert_eq!(sent, 0);
    }

    /// Waits for its end, its stdin left as it is.
    pub fn finish(mut self) -> Ran {
        let code = self.wait().code();
        let out = self
            .out
            .take()
            .map(|out| out.join().expect("stdout"))
            .unwrap_or_default();
        let err = self
            .err
            .take()
            .map(|err| err.join().expect("stderr"))
            .unwrap_or_default();
        Ran {
            code,
            out,
            err: String::from_utf8_lossy(&err).into_owned(),
        }
    }

    fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("waiting for a child") {
                return status;
            }
            if Instant::now() >= deadline {
                let command = format!("/proc/{}/cmdline", self.child.id());
                let command = std::fs::read_to_string(command).unwrap_or_default();
                panic!("this runs for too long: {}", command.replace('\0', " "));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ran {
    /// Checks that it ended well and said nothing on stderr.
    #[track_caller]
    pub fn well(self) -> Self {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""));
        self
    }

    /// Checks that it ended with `code` and said `words` on stderr.
    #[track_caller]
    pub fn badly(self, code: i32, words: &str) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(
            self.err.contains(words),
            "{:?} does not say {words:?}",
            self.err
        );
        self
    }

    /// Stdout as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.out).expect("text on stdout")
    }

    /// Stdout as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.out).expect("JSON on stdout")
    }
}

fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        let _ = from.read_to_end(&mut all);
        all
    })
}
