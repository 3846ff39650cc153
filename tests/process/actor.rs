//! Other processes: this test program again, told to play a role.
//!
//! A role tells its test what happened on its standard output, and hears from it on its standard
//! input, which ends with the test. It never outlives the thread that started it.

use std::{
    env,
    io::{BufRead, BufReader, Write, stdin},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use ringbus::{Bus, Topic};

/// A process in a role; killed on drop.
pub struct Actor {
    child: Child,
    hears: Option<ChildStdin>,
    says: BufReader<ChildStdout>,
}

impl Actor {
    /// Starts `role` on the buses of `root`.
    pub fn start(role: &str, root: &Path, args: &[&str]) -> Self {
        Self::start_by(Command::new(binary()), role, root, args)
    }

    /// The same through a command that ends with becoming this program.
    pub fn start_by(mut command: Command, role: &str, root: &Path, args: &[&str]) -> Self {
        let mut child = command
            .args([
                "--exact",
                "actor::role",
                "--ignored",
                "--nocapture",
                "--quiet",
            ])
            .arg("--test-threads=1")
            .env(ROLE, role)
            .env(ROOT, root)
            .env(ARGS, args.join("\n"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("the test program starts");
        let says = BufReader::new(child.stdout.take().expect("piped"));
        let hears = child.stdin.take();
        Self { child, hears, says }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next thing that it [`say`]s.
    #[track_caller]
    pub fn hear(&mut self) -> String {
        self.hear_or_end().expect("the actor ended without a word")
    }

    /// The same, or `None` if it ended.
    pub fn hear_or_end(&mut self) -> Option<String> {
        let mut line = String::new();
        while self.says.read_line(&mut line).ok()? > 0 {
            // The test harness writes into the same stream.
            if let Some(said) = line.trim_end().strip_prefix(SAID) {
                return Some(said.to_owned());
            }
            line.clear();
        }
        None
    }

    /// Lets it go on from [`Stage::wait`].
    pub fn cue(&mut self) {
        let hears = self.hears.as_mut().expect("not released");
        writeln!(hears).expect("the actor hears");
    }

    pub fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        // SAFETY: no memory is involved; the pid is a child's that was not waited for.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    /// Stops it, and waits until it has stopped.
    pub fn stop(&self) {
        self.signal(libc::SIGSTOP);
        let stat = format!("/proc/{}/stat", self.pid());
        eventually("stopped", || {
            let stat = std::fs::read_to_string(&stat).unwrap_or_default();
            stat.rsplit(") ")
                .next()
                .is_some_and(|rest| rest.starts_with('T'))
        });
    }

    /// Kills it and waits until the kernel has.
    pub fn kill(mut self) -> ExitStatus {
        self.child.kill().expect("killed");
        self.child.wait().expect("reaped")
    }

    /// Lets the role end; true if it was content.
    pub fn ends_well(self) -> bool {
        self.end().success()
    }

    /// Lets the role end, and says how it did.
    pub fn end(mut self) -> ExitStatus {
        self.hears = None;
        self.child.wait().expect("reaped")
    }

    /// Kills it, and leaves it a zombie until it is dropped.
    pub fn kill_unreaped(&mut self) {
        self.child.kill().expect("killed");
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
    pub root: PathBuf,
    args: Vec<String>,
}

impl Stage {
    pub fn bus(&self) -> Bus {
        Bus::builder().dir(&self.root).open().expect("a bus")
    }

    /// Topic `t`, which exists.
    pub fn topic(&self) -> Topic<[u8]> {
        self.bus().topic("t").open().expect("the topic")
    }

    /// What the test has passed.
    pub fn arg(&self, index: usize) -> &str {
        &self.args[index]
    }

    pub fn number(&self, index: usize) -> u64 {
        self.arg(index).parse().expect("a number")
    }

    /// Waits for a cue, or for the end of the test.
    pub fn wait(&self) {
        let _ = stdin().lock().read_line(&mut String::new());
    }

    /// True from the moment when the test gives a cue, or lets the role end.
    pub fn cue(&self) -> &'static AtomicBool {
        static CUE: AtomicBool = AtomicBool::new(false);
        thread::spawn(|| {
            let _ = stdin().lock().read_line(&mut String::new());
            CUE.store(true, Ordering::Release);
        });
        &CUE
    }
}

/// In a role: tells the test something.
pub fn say(words: impl std::fmt::Display) {
    println!("\n{SAID}{words}");
}

/// This program.
pub fn binary() -> PathBuf {
    env::current_exe().expect("the test program")
}

/// Waits for something that takes the kernel or another process a moment.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Whether this process has the rights of root; says what is left out if not.
pub fn is_root() -> bool {
    // SAFETY: it only returns a number.
    let is_root = unsafe { libc::geteuid() } == 0;
    if !is_root {
        println!("skipped: this needs the rights of root");
    }
    is_root
}

#[test]
#[ignore = "plays a role for other tests, in a process of its own"]
fn role() {
    let Ok(role) = env::var(ROLE) else { return };
    // No role outlives its test, whether that ends, hangs or dies.
    // SAFETY: takes no pointers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // SAFETY: takes no pointers.
    unsafe { libc::alarm(ROLE_LONGEST_S) };
    let args = env::var(ARGS).expect("set with the role");
    let stage = Stage {
        root: env::var_os(ROOT).expect("set with the role").into(),
        args: args.lines().map(str::to_owned).collect(),
    };
    let roles = [
        #[cfg(feature = "portable")]
        super::churn::ROLES,
        super::blackboard::ROLES,
        super::call::ROLES,
        super::create::ROLES,
        super::data::ROLES,
        super::dying::ROLES,
        super::exec::ROLES,
        super::fork::ROLES,
        super::full::ROLES,
        super::kill::ROLES,
        super::multi::ROLES,
        super::order::ROLES,
        super::pins::ROLES,
        super::priorities::ROLES,
        super::reap::ROLES,
        super::rights::ROLES,
        super::seccomp::ROLES,
        super::signals::ROLES,
        super::sleep::ROLES,
        super::takeover::ROLES,
        #[cfg(all(target_arch = "x86_64", target_os = "linux", not(feature = "portable")))]
        super::unfenced::ROLES,
        super::users::ROLES,
        super::wait_set::ROLES,
    ];
    let play = roles.concat().into_iter().find(|(name, _)| *name == role);
    play.expect("a role").1(&stage);
}

/// The roles of a module, by name.
pub type Roles = &'static [(&'static str, fn(&Stage))];

const ROLE: &str = "RINGBUS_TEST_ROLE";
const ROOT: &str = "RINGBUS_TEST_ROOT";
const ARGS: &str = "RINGBUS_TEST_ARGS";
const SAID: &str = "said: ";
const ROLE_LONGEST_S: u32 = 60;
