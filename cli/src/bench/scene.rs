//! Where one run of a case takes place: memory of its own, and processors.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use ringbus::Bus;

use super::processor;
use crate::args::{CommonArgs, Place};
use crate::outcome::Failure;
use crate::signals::Stop;

/// A directory for one run, gone when this is dropped.
pub struct Scene {
    root: PathBuf,
    cpus: Vec<usize>,
    /// Set once the user has had enough.
    pub stop: Stop,
}

impl Scene {
    /// A new one, in /dev/shm or below `--dir`.
    pub fn new(place: &Place, common: &CommonArgs, stop: &Stop) -> Result<Self, Failure> {
        static RUN: AtomicU32 = AtomicU32::new(0);
        if place.bus.is_some() {
            return Err(Failure::usage(
                "bench works on a bus of its own: leave out --bus",
            ));
        }
        let cpus = processors(common)?;
        let parent = place.dir.as_deref().unwrap_or(Path::new("/dev/shm"));
        let run = RUN.fetch_add(1, Ordering::Relaxed);
        let root = parent.join(format!("ringbus-bench-{}-{run}", std::process::id()));
        fs::create_dir(&root)
            .map_err(|e| Failure::io(format_args!("cannot make {}", root.display()), &e))?;
        Ok(Self {
            root,
            cpus,
            stop: stop.clone(),
        })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The bus, made if it is not there.
    pub fn bus(&self) -> Result<Bus, Failure> {
        Ok(Bus::builder().dir(&self.root).open()?)
    }

    /// The processor of process `number`, in turn.
    pub fn cpu(&self, number: usize) -> usize {
        self.cpus[number % self.cpus.len()]
    }

    /// The last processor.
    pub fn last_cpu(&self) -> usize {
        self.cpu(self.cpus.len() - 1)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // Nobody is left to be told of what cannot be removed.
        let _ = Bus::builder().dir(&self.root).destroy();
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn processors(common: &CommonArgs) -> Result<Vec<usize>, Failure> {
    let allowed = processor::allowed()?;
    let Some(asked) = &common.cpus else {
        return Ok(allowed.into_iter().take(2).collect());
    };
    match asked.iter().find(|cpu| !allowed.contains(cpu)) {
        None => Ok(asked.clone()),
        Some(cpu) => Err(Failure::usage(format_args!(
            "--cpus {cpu}: this process may run on {allowed:?} only"
        ))),
    }
}
