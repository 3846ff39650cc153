//! SIGINT and SIGTERM as a flag: loops look at it, so that everything ends in order.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::{emulate_default_handler, register};

use crate::outcome::Failure;

/// The longest a loop may go without a look at the flag.
pub const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Set once the user, or the system, has asked the process to end.
#[derive(Clone)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Catches SIGINT and SIGTERM; a second one ends the process at once, as it would have without.
    pub fn install() -> Result<Self, Failure> {
        Self::catch().map_err(|e| Failure::io("cannot catch signals", &e))
    }

    fn catch() -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            let asked = Arc::clone(&asked);
            // One handler for both, so that no signal comes between the flag and the way out.
            let note = move || {
                if asked.swap(true, Ordering::Relaxed) {
                    let _ = emulate_default_handler(signal);
                }
            };
            // SAFETY: async-signal-safe: swaps a flag, or ends the process as that function may.
            unsafe { register(signal, note) }?;
        }
        Ok(Self(asked))
    }

    /// Whether to end.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes note that the process is about to end by itself: one more signal does not end it at once.
    pub fn is_heeded(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Sleeps until `wake`, or until asked to end; says whether it slept to the end.
    pub fn sleep_until(&self, wake: Instant) -> bool {
        while !self.asked() {
            let left = wake.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(LOOK_EVERY));
        }
        false
    }
}

#[cfg(test)]
impl Stop {
    /// One that no signal reaches.
    pub fn never() -> Self {
        Self(Arc::new(AtomicBool::new(false)))
    }
}
