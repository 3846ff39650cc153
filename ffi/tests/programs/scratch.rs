//! Directories of a test's own, and processes that end in good time.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use ringbus::Bus;

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

pub(crate) fn spawn(program: &Path, arguments: &[&str]) -> Child {
    Command::new(program).args(arguments).spawn().unwrap()
}

/// Runs a program, which must succeed in good time.
pub(crate) fn run(program: &Path, arguments: &[&str]) {
    finish(&mut spawn(program, arguments));
}

/// Waits for a program, which must succeed in good time.
pub(crate) fn finish(child: &mut Child) {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return;
        }
        if start.elapsed() > LONG {
            child.kill().unwrap();
            panic!("the program did not end; its process was {}", child.id());
        }
        thread::sleep(Duration::from_millis(5));
    }
}
