//! Where a case works, for how long, and what chance it is given.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::time::{Duration, Instant};

use fastrand::Rng;
use ringbus::Bus;

use super::findings::Findings;
use crate::args::{Case, Place, TortureArgs};
use crate::claim::{self, Claim};
use crate::outcome::Failure;
use crate::signals::Stop;

/// A directory of buses that is the case's own, and the measure of what it is to do.
pub struct Setting {
    root: PathBuf,
    /// Others see that its maker lives.
    _claim: Claim,
    /// How many files were open before.
    open_files: usize,
    seed: u64,
    operation: Option<String>,
    count: Option<u64>,
    first: Option<u64>,
    ends: Option<Instant>,
    stop: Stop,
}

impl Setting {
    /// Makes the directory; it is removed when this is dropped.
    pub fn new(place: &Place, args: &TortureArgs) -> Result<Self, Failure> {
        if place.bus.is_some() {
            return Err(Failure::usage(
                "torture works on a bus of its own: leave out --bus",
            ));
        }
        if args.first.is_some() && args.case != Case::Hostile {
            return Err(Failure::usage("--first is for the case hostile only"));
        }
        let stop = Stop::install()?;
        let parent = place.dir.as_deref().unwrap_or(Path::new("/dev/shm"));
        for root in claim::abandoned(parent, PREFIX) {
            // Nobody waits for this; what cannot be removed is no obstacle.
            let _ = fs::remove_dir_all(root);
        }
        let root = parent.join(format!("{PREFIX}{}", process::id()));
        fs::create_dir(&root)
            .map_err(|e| Failure::io(format_args!("cannot make {}", root.display()), &e))?;
        let claim = Claim::take(&root);
        Ok(Self {
            root,
            _claim: claim,
            open_files: open_files(),
            seed: args.seed.unwrap_or_else(|| fastrand::u64(..)),
            operation: args.operation.clone(),
            count: args.count,
            first: args.first,
            ends: args
                .seconds
                .map(|s| Instant::now() + Duration::from_secs(s)),
            stop,
        })
    }

    /// The directory for the case's buses.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The case's default bus, made if it is not there.
    pub fn bus(&self) -> Result<Bus, Failure> {
        Ok(Bus::builder().dir(&self.root).open()?)
    }

    /// What the operations that are asked for have in their name; all have nothing.
    pub fn operation(&self) -> &str {
        self.operation.as_deref().unwrap_or("")
    }

    /// What chance began with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Chance, the same for the same seed and `stream`.
    pub fn random(&self, stream: u64) -> Rng {
        Rng::with_seed(
            self.seed
                .wrapping_add(stream.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        )
    }

    /// The fault to begin with, where one is asked for.
    pub fn first(&self) -> Option<u64> {
        self.first
    }

    /// Whether nothing is said of how much is to be done: as much as it takes.
    pub fn is_whole(&self) -> bool {
        self.count.is_none() && self.ends.is_none()
    }

    /// How many faults are asked for, where `usual` make a whole run.
    pub fn count(&self, usual: u64) -> u64 {
        match (self.count, self.ends) {
            (Some(count), _) => count,
            (None, Some(_)) => u64::MAX,
            (None, None) => usual,
        }
    }

    /// Whether there is more to do after `done` faults, where `usual` make a whole run.
    pub fn goes_on(&self, done: u64, usual: u64) -> bool {
        let is_time_left = self.ends.is_none_or(|ends| Instant::now() < ends);
        done < self.count(usual) && is_time_left && !self.is_interrupted()
    }

    /// Whether the user has asked it to end.
    pub fn is_interrupted(&self) -> bool {
        self.stop.asked()
    }

    /// Ends the case: an interrupted one proved nothing, and nothing may be left of any.
    pub fn close(self, findings: &mut Findings) -> Result<(), Failure> {
        if self.is_interrupted() {
            return Err(interrupted());
        }
        let left_open = open_files().saturating_sub(self.open_files) as u64;
        findings.none("descriptors_left_open", left_open, None);
        self.destroy_buses()?;
        let left: Vec<_> = fs::read_dir(&self.root)
            .map_err(|e| Failure::io(self.root.display(), &e))?
            .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
            .collect();
        let example = left.first().map(String::as_str);
        findings.none("files_left", left.len() as u64, example);
        Ok(())
    }

    fn destroy_buses(&self) -> Result<(), Failure> {
        let builder = || Bus::builder().dir(&self.root);
        for name in builder().names()? {
            builder().name(&name).destroy()?;
        }
        Ok(())
    }
}

/// The end of a case that proved nothing.
pub fn interrupted() -> Failure {
    Failure::say("interrupted")
}

/// How many files this process has open.
pub fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

const PREFIX: &str = "ringbus-torture-";

impl Drop for Setting {
    fn drop(&mut self) {
        self.stop.is_heeded();
        // Nobody is left to be told of what cannot be removed.
        let _ = self.destroy_buses();
        let _ = fs::remove_dir_all(&self.root);
    }
}
