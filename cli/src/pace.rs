//! So many messages a second, evenly.

use std::time::{Duration, Instant};

use crate::signals::Stop;

/// Further behind than this, the time lost is given up rather than made good in one burst.
const GIVE_UP_BEHIND: Duration = Duration::from_millis(250);

/// A schedule with one beat for each message.
pub struct Pace {
    due: Instant,
    /// Between two beats; zero: as fast as it goes.
    beat: Duration,
}

impl Pace {
    /// `rate` beats a second from now on; none: no limit.
    pub fn new(rate: Option<f64>) -> Self {
        let beat = rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(1.0 / rate));
        Self {
            due: Instant::now(),
            beat,
        }
    }

    /// Sleeps until the next beat; false: asked to end instead.
    pub fn wait(&mut self, stop: &Stop) -> bool {
        if self.beat.is_zero() {
            return !stop.asked();
        }
        let now = Instant::now();
        if now > self.due + GIVE_UP_BEHIND {
            self.due = now;
        }
        let on_time = stop.sleep_until(self.due);
        self.due += self.beat;
        on_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_spreads_the_beats_over_time() {
        let mut pace = Pace::new(Some(200.0));
        let (start, stop) = (Instant::now(), Stop::never());
        for _ in 0..21 {
            assert!(pace.wait(&stop));
        }
        assert!(
            start.elapsed() >= Duration::from_millis(100),
            "{:?}",
            start.elapsed()
        );
    }

    #[test]
    fn no_rate_never_sleeps() {
        let (mut pace, stop) = (Pace::new(None), Stop::never());
        let start = Instant::now();
        for _ in 0..1000 {
            assert!(pace.wait(&stop));
        }
        assert!(start.elapsed() < Duration::from_secs(1));
    }
}
