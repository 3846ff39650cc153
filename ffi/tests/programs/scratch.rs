//! Directories of a test's own, and processes that end in good time.

use std::fs::File;
use std::io::BufReader;
use std::os::unix::fs::FileExt;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use ringbus::Bus;

use crate::compiler::scratch;

pub(crate) const LONG: Duration = Duration::from_secs(120);

/// A directory for buses, removed at the end.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("ringbus-ffi-{name}-{}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// The bus that the test programs use.
    pub(crate) fn bus(&self) -> Bus {
        Bus::builder().dir(&self.0).name("c").open().unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let root = || Bus::builder().dir(&self.0);
        for bus in root().names().unwrap_or_default() {
            let _ = root().name(&bus).destroy();
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A program at work. What it says is kept, and told if it fails or the test does; dropping it kills it.
pub(crate) struct Running {
    child: Child,
    name: String,
    /// Its stdout, unless that is taken, and stderr: a file, which is never full as a pipe is.
    said: File,
}

pub(crate) fn spawn(program: &Path, arguments: &[&str]) -> Running {
    spawn_command(Command::new(program).args(arguments))
}

pub(crate) fn spawn_command(command: &mut Command) -> Running {
    let said = unnamed_file();
    command.stdout(said.try_clone().unwrap());
    Running::start(command, said)
}

/// The same, with pipes to its stdin and from its stdout.
pub(crate) fn spawn_piped(program: &Path, arguments: &[&str]) -> Running {
    let mut command = Command::new(program);
    command.args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    Running::start(&mut command, unnamed_file())
}

/// Runs a program, which must succeed in good time.
#[track_caller]
pub(crate) fn run(program: &Path, arguments: &[&str]) {
    finish(&mut spawn(program, arguments));
}

/// Waits for a program, which must succeed in good time.
#[track_caller]
pub(crate) fn finish(running: &mut Running) {
    let start = Instant::now();
    loop {
        if let Some(status) = running.child.try_wait().unwrap() {
            let (name, said) = (&running.name, running.said());
            assert!(status.success(), "{name}: {status}; it said:\n{said}");
            return;
        }
        if start.elapsed() > LONG {
            let (name, said) = (&running.name, running.said());
            panic!("{name} did not end; it said:\n{said}");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

impl Running {
    fn start(command: &mut Command, said: File) -> Self {
        command.stderr(said.try_clone().unwrap());
        let child = command.spawn().unwrap();
        let name = format!("{command:?}");
        Self { child, name, said }
    }

    /// Its stdin, which is open until this is dropped.
    pub(crate) fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    pub(crate) fn stdout(&mut self) -> BufReader<ChildStdout> {
        BufReader::new(self.child.stdout.take().unwrap())
    }

    fn said(&self) -> String {
        let mut said = vec![0; self.said.metadata().unwrap().len() as usize];
        self.said.read_exact_at(&mut said, 0).unwrap();
        String::from_utf8_lossy(&said).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            if thread::panicking() {
                println!("{} goes on; it said:\n{}", self.name, self.said());
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A file that is gone with the last process that has it open.
fn unnamed_file() -> File {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = scratch().join(format!("said-{}-{number}", process::id()));
    let mut options = File::options();
    let file = options.read(true).append(true).create_new(true).open(&path);
    fs::remove_file(path).unwrap();
    file.unwrap()
}

#[test]
fn what_a_failed_program_said_is_told() {
    let script = "echo on stdout; head -c 300000 /dev/zero; echo on stderr >&2; exit 3";
    let failed = catch_unwind(|| run(Path::new("sh"), &["-c", script])).unwrap_err();
    let told = failed.downcast::<String>().unwrap();
    for expected in ["\"sh\"", "exit status: 3", "on stdout\n", "on stderr\n"] {
        assert!(told.contains(expected), "no {expected:?}");
    }
}
