//! How those who poll wait for what does not come at once.

use std::hint::spin_loop;

/// Spins, and lets others have the processor if that goes on: those who are waited for may need it. Two
/// benches that share their processors would otherwise run by turns that may never meet.
pub struct Backoff(u32);

/// Some 30 us: as long as anything takes that is on its way between two processors, several times.
const SPINS: u32 = 1000;

impl Backoff {
    /// Nothing was waited for yet.
    #[inline(always)]
    pub fn new() -> Self {
        Self(0)
    }

    /// Waits a little; call it for each look that found nothing.
    #[inline(always)]
    pub fn pause(&mut self) {
        spin_loop();
        self.0 += 1;
        if self.0 >= SPINS {
            self.0 = 0;
            std::thread::yield_now();
        }
    }
}
