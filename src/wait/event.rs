//! An eventcount in one shared word: no wake-up is lost, and nobody pays while nobody sleeps.
//!
//! ```text
//! sleeper                                    notifier
//!   until the predicate holds:                 make the predicate true
//!     token = prepare()   sets bit 0           notify()            bit 0 is clear: done
//!     the predicate holds? break                                   bit 0 is set: wake all
//!     sleep(token, timeout)
//! ```
//!
//! The look at the predicate between `prepare` and `sleep` is part of the protocol.
//!
//! Bit 0 of the word says that somebody sleeps or is about to. The other 31 count the wakes:
//! between `prepare` and `sleep`, the word changes only by a wake, and `sleep` then returns at
//! once.

use std::time::Duration;

use super::{futex, membarrier};
use crate::sync::{AtomicU32, Ordering, fence};

/// A place to sleep until notified; all who use a word agree on its [`FenceSide`].
#[derive(Clone, Copy)]
pub(crate) struct Event<'m> {
    word: &'m AtomicU32,
    side: FenceSide,
    /// Whether this process's notifies must fence.
    notify_fences: bool,
}

/// Who pays for edge SLEEP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FenceSide {
    /// The sleeper, by interrupting every core that runs a process of the bus (10 us); the notifier
    /// pays nothing.
    Sleeper,
    /// Both, by a full fence each: no core is ever interrupted, and each notify costs the fence.
    Both,
}

/// What the word was when somebody prepared to sleep.
pub(crate) struct Token {
    word: u32,
    /// How long a sleep may last before the predicate has to be looked at again.
    longest: Duration,
}

impl<'m> Event<'m> {
    /// An event in `word`, which starts as 0. Anything else in it costs a needless wake at most.
    pub(crate) fn new(word: &'m AtomicU32, side: FenceSide) -> Self {
        let notify_fences = side == FenceSide::Both || membarrier::must_fence();
        Self {
            word,
            side,
            notify_fences,
        }
    }

    /// Announces a sleep. The caller looks at its predicate once more before it calls
    /// [`sleep`](Self::sleep).
    pub(crate) fn prepare(&self) -> Token {
        let word = self.word.fetch_or(SLEEPING, Ordering::Relaxed) | SLEEPING;
        // Edge SLEEP, pairs with `notify`: bit 0 is set before the caller's look at its predicate.
        let reached_all = match self.side {
            FenceSide::Sleeper => membarrier::heavy_barrier(),
            FenceSide::Both => {
                fence(Ordering::SeqCst);
                true
            }
        };
        let longest = if reached_all {
            LONGEST
        } else {
            LONGEST_UNFENCED
        };
        Token { word, longest }
    }

    /// Sleeps until notified, for `timeout` or 100 ms at most; signals may also end it.
    ///
    /// Whatever ended it, the caller looks at its predicate again.
    pub(crate) fn sleep(&self, token: Token, timeout: Duration) {
        futex::wait(self.word, token.word, timeout.min(token.longest));
    }

    /// Wakes all who sleep. The caller has just made their predicate true.
    ///
    /// While nobody sleeps: one load of the word, and a fence where [`FenceSide`] asks for it.
    #[inline]
    pub(crate) fn notify(&self) {
        // Edge SLEEP, pairs with `prepare`: the predicate is true before this look at bit 0.
        match self.notify_fences {
            true => fence(Ordering::SeqCst),
            false => membarrier::light_barrier(),
        }
        let word = self.word.load(Ordering::Relaxed);
        if word & SLEEPING != 0 {
            self.wake(word);
        }
    }

    /// Counts a wake, so that nobody falls asleep any more on `word`, and wakes those who did.
    #[cold]
    fn wake(&self, word: u32) {
        let woken = word.wrapping_add(1); // the carry clears bit 0 and counts
        let counted = self
            .word
            .compare_exchange(word, woken, Ordering::Relaxed, Ordering::Relaxed);
        // Where it fails, another notifier has counted from `word`, and wakes the same sleepers.
        // Whoever announced a sleep since then has done so after this notify's look at the word,
        // and so sees the predicate true (SLEEP).
        if counted.is_ok() {
            futex::wake_all(self.word);
        }
    }
}

/// Bit 0: somebody sleeps, or is about to.
pub(super) const SLEEPING: u32 = 1;

/// How late a wake may come from a notifier that died before it.
const LONGEST: Duration = Duration::from_millis(100);

/// The same where notifiers may not have been reached by the barrier, and any wake may be lost.
const LONGEST_UNFENCED: Duration = Duration::from_millis(1);
