//! Scratch directories.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::SystemTime,
};

use ringbus::{Bus, DirectoryError, OpenError};

/// A directory in shared memory, where there is such a thing; removed with everything in it on drop.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let nanos = now.map_or(0, |now| now.subsec_nanos());
        let name = format!("ringbus-test-{}-{count}-{nanos:x}", process::id());
        let shared_memory = Path::new("/dev/shm");
        let parent = match shared_memory.is_dir() {
            true => shared_memory.to_owned(),
            false => env::temp_dir(),
        };
        let path = parent.join(name);
        fs::create_dir(&path).expect("a scratch directory");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // Whatever the umask: some tests share a bus with other users.
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(&path, mode).expect("its own");
        }
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        destroy_buses(&self.0);
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Destroys the buses in a directory and below.
fn destroy_buses(root: &Path) {
    let place = || Bus::builder().dir(root);
    for bus in place().names().unwrap_or_default() {
        // What a test has put in there is in the way: a file, which may stand for memory, as something to
        // be removed with the bus; a directory as what it is.
        let mut count = 0;
        while let Err(OpenError::Directory(DirectoryError::Foreign { path })) =
            place().name(&bus).destroy()
        {
            count += 1;
            let doomed = path.with_file_name(format!(".draft-{count:016x}"));
            if fs::remove_dir_all(&path).is_err() && fs::rename(&path, doomed).is_err() {
                break;
            }
        }
    }
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            destroy_buses(&entry.path());
        }
    }
}
