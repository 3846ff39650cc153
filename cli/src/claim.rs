//! Directories that live no longer than the process that made them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A directory that others are not to remove while this lives. Where directories cannot be locked,
/// none is ever taken for abandoned.
pub struct Claim(#[allow(dead_code, reason = "its lock lives with it")] Option<File>);

impl Claim {
    /// Claims a directory that this process has just made.
    pub fn take(directory: &Path) -> Self {
        Self(lock(directory).ok())
    }
}

/// The directories in `parent` with a name that begins with `prefix`, the makers of which are dead.
pub fn abandoned(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let abandoned = entries.filter(|entry| {
        let is_one = entry.file_name().to_string_lossy().starts_with(prefix);
        // One that was made just now may not be claimed yet.
        let made = entry.metadata().and_then(|data| data.modified());
        let age = made.ok().and_then(|made| made.elapsed().ok());
        is_one && age > Some(YOUNG) && lock(&entry.path()).is_ok()
    });
    abandoned.map(|entry| entry.path()).collect()
}

/// Locks a directory until the file is closed.
fn lock(directory: &Path) -> io::Result<File> {
    let file = File::open(directory)?;
    file.try_lock()?;
    Ok(file)
}

const YOUNG: Duration = Duration::from_secs(1);
