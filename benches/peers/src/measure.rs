//! Short times, and what many of them look like.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::Failure;

/// The cheapest steady clock there is, for times within one process.
pub struct Clock {
    ns_per_tick: f64,
}

/// A millionth of this is what reading the two clocks one after the other may spoil.
const CALIBRATE_FOR: Duration = Duration::from_millis(20);

impl Clock {
    /// Finds out how long a tick is.
    pub fn new() -> Self {
        let (start, start_ticks) = (Instant::now(), ticks());
        std::thread::sleep(CALIBRATE_FOR);
        let (elapsed, passed) = (start.elapsed(), ticks() - start_ticks);
        Self {
            ns_per_tick: elapsed.as_nanos() as f64 / passed as f64,
        }
    }

    /// Ticks up to now. Everything before it in the program was executed.
    #[inline(always)]
    pub fn now(&self) -> u64 {
        ticks()
    }

    /// Nanoseconds in so many ticks.
    #[inline(always)]
    pub fn ns(&self, ticks: u64) -> f64 {
        ticks as f64 * self.ns_per_tick
    }
}

/// Of the two instructions that read the counter the one that waits for what is before it.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn ticks() -> u64 {
    let mut processor = 0;
    // SAFETY: `processor` is a place for the result; every processor of the last fifteen years has it.
    unsafe { std::arch::x86_64::__rdtscp(&mut processor) }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn ticks() -> u64 {
    host_ns()
}

/// The host's monotonic clock, the same in all processes.
#[inline(always)]
pub fn host_ns() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a place for the result; the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Latencies, in nanoseconds.
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// None yet.
    pub fn new() -> Result<Self, Failure> {
        Ok(Self(Histogram::new_with_bounds(1, 60_000_000_000, 3)?))
    }

    /// One more.
    #[inline(always)]
    pub fn record(&mut self, ns: u64) {
        self.0.saturating_record(ns.max(1));
    }

    /// The one in the middle.
    pub fn median(&self) -> u64 {
        self.0.value_at_quantile(0.5)
    }

    /// What they look like.
    pub fn summary(&self) -> Value {
        let at = |quantile| self.0.value_at_quantile(quantile);
        json!({
            "min": self.0.min(),
            "p50": at(0.5),
            "p99": at(0.99),
            "p999": at(0.999),
            "mean": rounded(self.0.mean()),
        })
    }
}

/// A figure with a few digits.
pub fn rounded(figure: f64) -> f64 {
    match figure.abs() {
        size if size >= 1e4 => figure.round(),
        size if size >= 100.0 => (figure * 10.0).round() / 10.0,
        _ => (figure * 1e3).round() / 1e3,
    }
}
