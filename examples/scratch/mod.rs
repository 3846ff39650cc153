//! A directory for an example's own bus, in shared memory where there is some, removed at the end.

use std::path::{Path, PathBuf};
use std::{env, fs, io, process};

pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(example: &str) -> io::Result<Self> {
        let shared_memory = PathBuf::from("/dev/shm");
        let parent = if shared_memory.is_dir() {
            shared_memory
        } else {
            env::temp_dir()
        };
        let path = parent.join(format!("ringbus-{example}-{}", process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
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
