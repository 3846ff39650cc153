//! SIGINT and SIGTERM as a flag: loops look at it, so that everything ends in order.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::{emulate_default_handler, register};

use crate::outcome::Failure;

/// The longest a loop may go without a look at the flag.
pub const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Signals that come within this time are one.
const COME_TOGETHER_MS: u64 = 50;

/// Set once the user, or the system, has asked the process to end.
#[derive(Clone)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Catches SIGINT and SIGTERM; a second one ends the process at once, as it would have without, unless
    /// it comes with the first: `timeout` and others send theirs to a process and to its group.
    pub fn install() -> Result<Self, Failure> {
        Self::catch().map_err(|e| Failure::io("cannot catch signals", &e))
    }

    fn catch() -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        let started = Instant::now();
        // When the last signal came, in milliseconds from then on, and one; 0: none has.
        let last = Arc::new(AtomicU64::new(0));
        for signal in [SIGINT, SIGTERM] {
            let (asked, last) = (Arc::clone(&asked), Arc::clone(&last));
            // One handler for both, so that no signal comes between the flag and the way out.
            let note = move || {
                let now = started.elapsed().as_millis() as u64 + 1;
                let before = last.swap(now, Ordering::Relaxed);
                let is_another = before == 0 || now.saturating_sub(before) > COME_TOGETHER_MS;
                if is_another && asked.swap(true, Ordering::Relaxed) {
                    let _ = emulate_default_handler(signal);
                }
            };
            // SAFETY: async-signal-safe: reads the clock and swaps numbers, or ends the process as that
            // function may.
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
