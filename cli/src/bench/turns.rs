//! Publishing and taking in turn, in one thread: what taking costs, without traffic between processors.

use serde_json::Value;

use super::clock::Clock;
use super::run::number;
use crate::latency::Latencies;
use crate::outcome::Failure;

/// Messages published before they are all taken.
pub const AT_ONCE: u64 = 512;

/// The median over all turns of what taking one message costs: `publish` and `take` are told the turn's
/// first message, and do `AT_ONCE` of them.
pub fn take_ns_each(
    count: u64,
    mut publish: impl FnMut(u64) -> Result<(), Failure>,
    mut take: impl FnMut(u64) -> Result<(), Failure>,
) -> Result<Value, Failure> {
    let clock = Clock::new();
    let mut taking = Latencies::new().map_err(Failure::say)?;
    // The first turn is for warming up.
    for turn in 0..=count.div_ceil(AT_ONCE) {
        let first = turn * AT_ONCE;
        publish(first)?;
        let start = clock.now();
        take(first)?;
        let took = clock.now() - start;
        if turn > 0 {
            taking.record(clock.ns(took) as u64);
        }
    }
    Ok(number(taking.percentiles().p50_ns as f64 / AT_ONCE as f64))
}
