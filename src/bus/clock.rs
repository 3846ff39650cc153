//! When a message was published.

use std::time::Duration;

use crate::ring::layout::TimeSource;

/// A moment on this process's `CLOCK_MONOTONIC`: nanoseconds since the host started, never set back.
///
/// Processes of another time namespace count from another start. The times of messages are kept by
/// the host's own count, so that each process reads them as its own clock would have told them.
///
/// ```
/// use ringbus::Timestamp;
///
/// let earlier = Timestamp::now();
/// assert!(Timestamp::now() >= earlier);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// This moment.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::{Start, TimeSource, Timestamp};
    ///
    /// let topic = bus.topic("orders").time(TimeSource::Clock).open_or_create()?;
    /// let publisher = topic.publisher()?;
    /// publisher.publish(b"before")?;
    /// let now = Timestamp::now();
    /// publisher.publish(b"after")?;
    /// let mut subscriber = topic.subscriber().start(Start::Time(now)).join()?;
    /// assert_eq!(subscriber.poll()?.expect("a message").payload(), b"after");
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn now() -> Self {
        Self(monotonic_ns())
    }

    /// The moment `nanos` nanoseconds after the clock's start.
    ///
    /// ```
    /// use ringbus::Timestamp;
    ///
    /// let moment = Timestamp::from_nanos(1_500_000_000);
    /// assert!(moment > Timestamp::from_nanos(1_000_000_000));
    /// ```
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's start, to be stored or sent elsewhere.
    ///
    /// ```
    /// use ringbus::Timestamp;
    ///
    /// let moment = Timestamp::now();
    /// assert_eq!(Timestamp::from_nanos(moment.as_nanos()), moment);
    /// ```
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long ago this was; zero if it is in the future.
    ///
    /// ```
    /// let moment = ringbus::Timestamp::now();
    /// assert!(moment.elapsed() < std::time::Duration::from_secs(10));
    /// ```
    pub fn elapsed(self) -> Duration {
        Duration::from_nanos(monotonic_ns().saturating_sub(self.0))
    }
}

/// How a topic's messages get their times, and how those are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    source: TimeSource,
    /// Ticks a second; 0 unless the source is `Tsc`.
    tsc_hz: u64,
    /// How far this process's clock is ahead of the host's; 0 unless the source is `Clock`.
    ahead_ns: i64,
}

impl Clock {
    /// That of topics without times.
    pub(super) const NONE: Self = Self {
        source: TimeSource::None,
        tsc_hz: 0,
        ahead_ns: 0,
    };

    pub(super) fn new(source: TimeSource, tsc_hz: u64) -> Self {
        let ahead_ns = match source {
            TimeSource::Clock => time_namespace::ahead_ns(),
            TimeSource::None | TimeSource::Tsc => 0,
        };
        Self {
            source,
            tsc_hz,
            ahead_ns,
        }
    }

    /// The time to store with a message that is published now.
    #[inline(always)]
    pub(super) fn stamp(self) -> u64 {
        match self.source {
            TimeSource::None => 0,
            TimeSource::Clock => monotonic_ns().saturating_add_signed(-self.ahead_ns),
            TimeSource::Tsc => tsc::ticks(),
        }
    }

    /// What a stored time means, where that is no more than a stored number of nanoseconds, else 0.
    #[inline(always)]
    pub(super) fn read_ns(self, stored: u64) -> u64 {
        match self.source {
            TimeSource::Clock => stored.saturating_add_signed(self.ahead_ns),
            TimeSource::None | TimeSource::Tsc => 0,
        }
    }

    /// What a stored time means.
    ///
    /// Ticks are converted from the present backwards: the frequency was measured within a few
    /// parts per million, which would add up since the host's start, but not over a message's age.
    pub(super) fn read(self, stored: u64) -> Option<Timestamp> {
        match self.source {
            TimeSource::None => None,
            TimeSource::Clock => Some(Timestamp(stored.saturating_add_signed(self.ahead_ns))),
            TimeSource::Tsc => {
                let (now_ns, now_ticks) = both_clocks();
                let age_ticks = now_ticks.saturating_sub(stored);
                let hz = u128::from(self.tsc_hz.max(1));
                let age_ns = u128::from(age_ticks) * 1_000_000_000 / hz;
                Some(Timestamp(now_ns.saturating_sub(age_ns as u64)))
            }
        }
    }
}

/// Ticks of the time-stamp counter a second, if it can serve as a clock here.
pub(super) fn measure_tsc_hz() -> Option<u64> {
    const MEASURE_FOR: Duration = Duration::from_millis(20);
    if !tsc::is_invariant() {
        return None;
    }
    let (start_ns, start_ticks) = both_clocks();
    std::thread::sleep(MEASURE_FOR);
    let (end_ns, end_ticks) = both_clocks();
    let ticks = u128::from(end_ticks.checked_sub(start_ticks)?);
    let elapsed_ns = u128::from(end_ns.checked_sub(start_ns)?);
    let hz = (ticks * 1_000_000_000).checked_div(elapsed_ns)?;
    u64::try_from(hz).ok().filter(|hz| *hz > 0)
}

/// One moment by both clocks: nanoseconds and ticks. Of several tries the one that was least
/// interrupted counts.
fn both_clocks() -> (u64, u64) {
    const TRIES: u32 = 8;
    let read = |_| {
        let before = tsc::ticks();
        let ns = monotonic_ns();
        let took = tsc::ticks().saturating_sub(before);
        (took, ns, before + took / 2)
    };
    let (_, ns, ticks) = (0..TRIES).map(read).min().unwrap_or_default();
    (ns, ticks)
}

#[cfg(unix)]
#[inline]
fn monotonic_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid place for the result; the clock exists on every POSIX system.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Nanoseconds of the system's wall clock, for want of a monotonic one that processes share.
#[cfg(not(unix))]
fn monotonic_ns() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_nanos() as u64)
}

#[cfg(target_os = "linux")]
mod time_namespace {
    use std::fs;

    /// How far `CLOCK_MONOTONIC` of this process's time namespace is ahead of the host's; 0 where
    /// the kernel knows no such namespaces, or there is no /proc to ask.
    pub(super) fn ahead_ns() -> i64 {
        let own = fs::read_link("/proc/self/ns/time").ok();
        // What follows tells of the namespace of children: after unshare(2) not yet this process's.
        if own.is_none() || own != fs::read_link("/proc/self/ns/time_for_children").ok() {
            return 0;
        }
        let offsets = fs::read_to_string("/proc/self/timens_offsets").unwrap_or_default();
        parse(&offsets).unwrap_or(0)
    }

    /// From lines such as `monotonic   -86400   500000000`: seconds, and nanoseconds on top.
    pub(super) fn parse(offsets: &str) -> Option<i64> {
        let is_ours = |line: &&str| line.split_whitespace().next() == Some("monotonic");
        let mut numbers = offsets.lines().find(is_ours)?.split_whitespace().skip(1);
        let mut next = || numbers.next()?.parse::<i64>().ok();
        next()?.checked_mul(1_000_000_000)?.checked_add(next()?)
    }
}

#[cfg(not(target_os = "linux"))]
mod time_namespace {
    pub(super) fn ahead_ns() -> i64 {
        0
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::time_namespace::parse;

    #[test]
    fn offsets_of_time_namespaces_are_read() {
        let ahead = |seconds: &str| parse(&format!("monotonic  {seconds}\nboottime  1  2\n"));
        assert_eq!(ahead("86400         0"), Some(86_400_000_000_000));
        assert_eq!(ahead("-2   500000000"), Some(-1_500_000_000));
        assert_eq!(ahead("0         0"), Some(0));
        assert_eq!(parse("boottime 1 0"), None);
        assert_eq!(ahead("much 0"), None);
        assert_eq!(ahead("9223372036854775807 0"), None);
    }
}

#[cfg(target_arch = "x86_64")]
mod tsc {
    use std::arch::x86_64::{__cpuid, _rdtsc, CpuidResult};

    #[inline(always)]
    pub(super) fn ticks() -> u64 {
        // SAFETY: every x86-64 processor has the instruction.
        unsafe { _rdtsc() }
    }

    /// Whether the counter runs at one rate whatever the processor does (CPUID 8000_0007h, EDX
    /// bit 8: AMD64 Architecture Programmer's Manual vol. 3, E.4.5; Intel SDM vol. 3, 18.17.1).
    pub(super) fn is_invariant() -> bool {
        const EXTENDED: u32 = 0x8000_0000;
        const POWER_MANAGEMENT: u32 = 0x8000_0007;
        const INVARIANT_TSC: u32 = 1 << 8;
        cpuid(EXTENDED).eax >= POWER_MANAGEMENT && cpuid(POWER_MANAGEMENT).edx & INVARIANT_TSC != 0
    }

    // Unsafe in the oldest Rust that this crate supports, safe in the newest.
    #[allow(unused_unsafe)]
    fn cpuid(leaf: u32) -> CpuidResult {
        // SAFETY: every x86-64 processor has the instruction.
        unsafe { __cpuid(leaf) }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod tsc {
    pub(super) fn ticks() -> u64 {
        0
    }

    pub(super) fn is_invariant() -> bool {
        false
    }
}
