//! Where one run of a case takes place: names and files of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Failure;

/// Where shared memory lies.
const SHARED_MEMORY: &str = "/dev/shm";

/// How everything begins; then come the program's number, and the run's.
const PREFIX: &str = "rbp";

/// A directory and a prefix of names for one run; what bears them is removed when this is dropped.
pub struct Scene {
    dir: PathBuf,
    tag: String,
}

impl Scene {
    /// A new one.
    pub fn new() -> Result<Self, Failure> {
        static RUN: AtomicU32 = AtomicU32::new(0);
        let run = RUN.fetch_add(1, Ordering::Relaxed);
        let tag = format!("{PREFIX}{}x{run}_", std::process::id());
        let dir = Path::new(SHARED_MEMORY).join(format!("{tag}dir"));
        fs::create_dir(&dir).map_err(|e| format!("cannot make {}: {e}", dir.display()))?;
        Ok(Self { dir, tag })
    }

    /// For files of the run.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// How everything in shared memory is called at its beginning.
    pub fn tag(&self) -> &str {
        &self.tag
    }
}

/// Removes what a run has left whose program was killed.
pub fn sweep() {
    for entry in fs::read_dir(SHARED_MEMORY).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name
            .to_string_lossy()
            .strip_prefix(PREFIX)
            .and_then(|rest| {
                let (pid, _) = rest.split_once('x')?;
                pid.parse::<u32>().ok()
            });
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = fs::remove_dir_all(entry.path()).or_else(|_| fs::remove_file(entry.path()));
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // Nobody is left to be told of what cannot be removed.
        let _ = fs::remove_dir_all(&self.dir);
        for entry in fs::read_dir(SHARED_MEMORY).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&self.tag) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}
