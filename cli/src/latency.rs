//! One-way latencies in nanoseconds, and their percentiles.

use hdrhistogram::Histogram;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The longest latency told apart from longer ones.
const MAX_NS: u64 = 60_000_000_000;

/// A distribution of latencies.
pub struct Latencies(pub Histogram<u64>);

/// What is shown of a distribution; all zero where there was nothing to measure.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Percentiles {
    /// Half were at most this, in nanoseconds.
    pub p50_ns: u64,
    /// 99 of 100 were at most this.
    pub p99_ns: u64,
    /// 999 of 1000 were at most this.
    pub p999_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

impl Latencies {
    /// None yet; three significant digits are kept.
    pub fn new() -> Result<Self, hdrhistogram::CreationError> {
        Histogram::new_with_bounds(1, MAX_NS, 3).map(Self)
    }

    /// Counts one.
    pub fn record(&mut self, latency_ns: u64) {
        self.0.saturating_record(latency_ns);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// The distribution so far.
    pub fn percentiles(&self) -> Percentiles {
        Percentiles {
            p50_ns: self.0.value_at_quantile(0.5),
            p99_ns: self.0.value_at_quantile(0.99),
            p999_ns: self.0.value_at_quantile(0.999),
            max_ns: self.0.max(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_a_thousandth() {
        let mut latencies = Latencies::new().unwrap();
        (1..=1000).for_each(|us| latencies.record(us * 1000));
        let seen = latencies.percentiles();
        for (seen, exact) in [
            (seen.p50_ns, 500_000),
            (seen.p99_ns, 990_000),
            (seen.max_ns, 1_000_000),
        ] {
            assert!(seen.abs_diff(exact) <= exact / 500, "{seen} {exact}");
        }
    }

    #[test]
    fn no_latencies_are_zero() {
        assert_eq!(
            Latencies::new().unwrap().percentiles(),
            Percentiles::default()
        );
    }
}
