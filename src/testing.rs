//! What the tests of several layers share: scratch directories, and other processes.
//!
//! Another process is this test binary again, told to run one ignored test, its role. A role says
//! what happened on its standard output, waits for its standard input to end where it has to
//! linger, and so ends with its parent, whatever happens to that.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, stdin},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use crate::segment::{Draft, FileAccess, Rights, Segment, random_id, remove};

/// Files of this user alone.
pub(crate) const PRIVATE: FileAccess = FileAccess {
    mode: 0o600,
    group: None,
};

/// A directory in shared memory, removed with everything in it on drop.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        let shared_memory = Path::new("/dev/shm");
        let parent = match shared_memory.is_dir() {
            true => shared_memory.to_owned(),
            false => env::temp_dir(),
        };
        let path = parent.join(format!("ringbus-test-{:016x}", random_id()));
        fs::create_dir(&path).expect("scratch directory");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The names of everything in it, but for the portable backend's directory of lock files.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("scratch directory");
        let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("entry").file_name();
        entries
            .map(|entry| name(entry).into_string().expect("UTF-8"))
            .filter(|name| name != ".locks")
            .collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove_segments(&self.0);
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Removes every segment in a directory and below: with the portable backend, memory is not where the
/// directory is.
fn remove_segments(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => remove_segments(&entry.path()),
            _ => drop(remove(&entry.path())),
        }
    }
}

/// The bytes of a segment.
pub(crate) fn contents(path: &Path) -> Vec<u8> {
    let file = Segment::open(path, Rights::ReadOnly).expect("opened");
    let mut bytes = vec![0; file.len() as usize];
    assert_eq!(file.read_at(0, &mut bytes).expect("read"), bytes.len());
    bytes
}

/// Puts a segment with these bytes, of any length, in the place of another one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) {
    if !cfg!(feature = "portable") {
        return fs::write(path, bytes).expect("written");
    }
    remove(path).expect("removed");
    let directory = path.parent().expect("a directory");
    let draft = Draft::new(directory, bytes.len() as u64, &[], PRIVATE).expect("made");
    draft.write_at(0, bytes).expect("written");
    drop(draft.publish(path).expect("published"));
}

/// A process in a role; killed on drop.
pub(crate) struct Actor {
    child: Child,
    /// Open for as long as it, or a child of its own, is to linger.
    lingers: Option<ChildStdin>,
    says: BufReader<ChildStdout>,
}

impl Actor {
    /// Starts the ignored test `role`, by its full path, on `directory`.
    pub(crate) fn start(role: &str, directory: &Path) -> Self {
        Self::start_by(Command::new(Self::binary()), role, directory)
    }

    /// The same after a shell, which `wrapper` starts, has done `setup`.
    pub(crate) fn start_after(wrapper: &[&str], setup: &str, role: &str, directory: &Path) -> Self {
        let script = format!("{setup} && exec \"$0\" \"$@\"");
        let words = [wrapper, &["sh", "-c", &script]].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(Self::binary());
        Self::start_by(command, role, directory)
    }

    /// The same through a command that ends with starting this binary.
    pub(crate) fn start_by(mut command: Command, role: &str, directory: &Path) -> Self {
        let mut child = command
            .args(["--exact", role, "--ignored", "--nocapture", "--quiet"])
            .env(DIRECTORY, directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the test binary starts");
        let says = BufReader::new(child.stdout.take().expect("piped"));
        let lingers = child.stdin.take();
        Self {
            child,
            lingers,
            says,
        }
    }

    /// This test binary.
    pub(crate) fn binary() -> PathBuf {
        env::current_exe().expect("the test binary")
    }

    /// The next thing that the actor [`say`]s.
    pub(crate) fn hears(&mut self) -> String {
        let mut line = String::new();
        while self.says.read_line(&mut line).expect("readable") > 0 {
            // The test harness writes "running 1 test" and the like into the same stream.
            if let Some(said) = line.trim_end().strip_prefix(SAID) {
                return said.to_owned();
            }
            line.clear();
        }
        panic!("the actor ended without a word");
    }

    /// Kills it and waits until the kernel has.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("reaped");
    }

    pub(crate) fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        // SAFETY: no memory is involved; the pid is a child's that was not waited for.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    /// Lets whoever [`linger`]s end.
    pub(crate) fn release(&mut self) {
        self.lingers = None;
    }

    /// Lets the actor end; true if it was content.
    pub(crate) fn ends_well(mut self) -> bool {
        self.release();
        self.child.wait().expect("reaped").success()
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In a role: the directory given by the test.
pub(crate) fn directory() -> PathBuf {
    env::var_os(DIRECTORY)
        .expect("this test is a role, run by others")
        .into()
}

/// In a role: tells the test something.
pub(crate) fn say(words: &str) {
    println!("\n{SAID}{words}");
}

/// In a role: waits until the test lets it end.
pub(crate) fn linger() {
    let _ = stdin().read(&mut [0]);
}

/// Waits for something that takes the kernel a moment; panics after five seconds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(5), "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

const DIRECTORY: &str = "RINGBUS_TEST_DIRECTORY";
const SAID: &str = "said: ";
