//! Short times: the cheapest steady clock there is.

use std::time::{Duration, Instant};

use ringbus::Timestamp;

/// A clock for times within one process.
pub struct Clock {
    ns_per_tick: f64,
}

impl Clock {
    /// Finds out how long a tick is.
    pub fn new() -> Self {
        if !ticks::are_steady() {
            return Self { ns_per_tick: 1.0 };
        }
        let (start, start_ticks) = (Instant::now(), ticks::read());
        std::thread::sleep(CALIBRATE_FOR);
        let (elapsed, passed) = (start.elapsed(), ticks::read() - start_ticks);
        Self {
            ns_per_tick: elapsed.as_nanos() as f64 / passed as f64,
        }
    }

    /// Ticks up to now. Everything before it in the program was executed.
    #[inline(always)]
    pub fn now(&self) -> u64 {
        match ticks::IS_COUNTER && self.ns_per_tick != 1.0 {
            true => ticks::read(),
            false => Timestamp::now().as_nanos(),
        }
    }

    /// Nanoseconds in so many ticks.
    #[inline(always)]
    pub fn ns(&self, ticks: u64) -> f64 {
        ticks as f64 * self.ns_per_tick
    }

    /// What one reading costs, in nanoseconds.
    pub fn cost_ns(&self) -> f64 {
        const READINGS: u32 = 1000;
        let lap = || {
            let start = self.now();
            (1..READINGS).for_each(|_| {
                std::hint::black_box(self.now());
            });
            self.ns(self.now() - start) / f64::from(READINGS)
        };
        (0..16).map(|_| lap()).fold(f64::INFINITY, f64::min)
    }
}

/// A millionth of this is what reading the two clocks one after the other may spoil.
const CALIBRATE_FOR: Duration = Duration::from_millis(20);

#[cfg(target_arch = "x86_64")]
mod ticks {
    use std::arch::x86_64::{__cpuid, __rdtscp, CpuidResult};

    pub const IS_COUNTER: bool = true;

    /// Of the two instructions the one that waits for what is before it.
    #[inline(always)]
    pub fn read() -> u64 {
        let mut processor = 0;
        // SAFETY: `processor` is a place for the result; `are_steady` was asked for the instruction.
        unsafe { __rdtscp(&mut processor) }
    }

    /// Whether the counter has one rate and the instruction is there (CPUID 8000_0007h, EDX bit 8, and
    /// 8000_0001h, EDX bit 27: AMD64 Architecture Programmer's Manual vol. 3, E.4).
    pub fn are_steady() -> bool {
        const RDTSCP: u32 = 1 << 27;
        const INVARIANT_TSC: u32 = 1 << 8;
        cpuid(0x8000_0000).eax >= 0x8000_0007
            && cpuid(0x8000_0001).edx & RDTSCP != 0
            && cpuid(0x8000_0007).edx & INVARIANT_TSC != 0
    }

    // Unsafe in the oldest Rust that this crate supports, safe in the newest.
    #[allow(unused_unsafe)]
    fn cpuid(leaf: u32) -> CpuidResult {
        // SAFETY: every x86-64 processor has the instruction.
        unsafe { __cpuid(leaf) }
    }
}

/// The generic timer is what CLOCK_MONOTONIC reads there anyway.
#[cfg(target_arch = "aarch64")]
mod ticks {
    pub const IS_COUNTER: bool = false;

    pub fn read() -> u64 {
        0
    }

    pub fn are_steady() -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_as_long_as_it_says() {
        let clock = Clock::new();
        // The best of some tries: whoever measures may be interrupted.
        let off = (0..10).map(|_| {
            let (start, ticks) = (Instant::now(), clock.now());
            std::thread::sleep(Duration::from_millis(20));
            let measured = clock.ns(clock.now() - ticks);
            (measured / start.elapsed().as_nanos() as f64 - 1.0).abs()
        });
        let off = off.fold(f64::INFINITY, f64::min);
        assert!(off < 0.01, "{off}");
    }
}
