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
//! Bit 0 of the word says that somebody sleeps or is about to; bit 1, that somebody who sleeps
//! elsewhere asked to be told (`ask`). The other 30 count the wakes: between `prepare` and `sleep`, the
//! word changes only by a wake, after which `sleep` returns at once, or by an `ask`, which costs a
//! needless look.

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

/// The sleeper's half of edge SLEEP; whether it has reached all notifiers.
pub(super) fn barrier(side: FenceSide) -> bool {
    match side {
        FenceSide::Sleeper => membarrier::heavy_barrier(),
        FenceSide::Both => {
            fence(Ordering::SeqCst);
            true
        }
    }
}

impl Token {
    /// How long a sleep may last before the predicate has to be looked at again.
    pub(crate) fn longest(&self) -> Duration {
        self.longest
    }
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
        let reached_all = barrier(self.side);
        let longest = if reached_all {
            LONGEST
        } else {
            LONGEST_UNFENCED
        };
        Token { word, longest }
    }

    /// Sleeps until notified, for `timeout` or 40 ms at most; signals may also end it.
    ///
    /// Whatever ended it, the caller looks at its predicate again.
    pub(crate) fn sleep(&self, token: Token, timeout: Duration) {
        futex::wait(self.word, token.word, timeout.min(token.longest));
    }

    /// Asks whoever notifies next to be told of it, by [`notify_and`](Self::notify_and), and not to be
    /// woken here. As for `prepare`, a barrier and a look at the predicate must follow: one for many
    /// events will do, see [`Bell::prepare`](super::Bell::prepare).
    pub(crate) fn ask(&self) {
        // A bit that is seen set is still to be cleared, by one who then finds this asker (CALL).
        if self.word.load(Ordering::Relaxed) & ASKED == 0 {
            self.word.fetch_or(ASKED, Ordering::Relaxed);
        }
    }

    /// Whether nobody was told since somebody asked.
    pub(crate) fn is_asked(&self) -> bool {
        self.word.load(Ordering::Relaxed) & ASKED != 0
    }

    /// Wakes all who sleep. The caller has just made their predicate true.
    ///
    /// While nobody sleeps: one load of the word, and a fence where [`FenceSide`] asks for it.
    #[inline]
    pub(crate) fn notify(&self) {
        self.notify_and(|| {});
    }

    /// The same; `tell` then tells those who asked, if there are any.
    #[inline]
    pub(crate) fn notify_and(&self, tell: impl FnOnce()) {
        let word = self.look();
        if word & (SLEEPING | ASKED) != 0 && self.wake(word) {
            tell();
        }
    }

    /// Whether somebody sleeps or asked, so that a notification is due. The caller has just made their
    /// predicate true.
    #[inline(always)]
    pub(crate) fn is_awaited(&self) -> bool {
        self.look() & (SLEEPING | ASKED) != 0
    }

    #[inline(always)]
    fn look(&self) -> u32 {
        // Edge SLEEP, pairs with `prepare`: the predicate is true before this look at bit 0.
        match self.notify_fences {
            true => fence(Ordering::SeqCst),
            false => membarrier::light_barrier(),
        }
        self.word.load(Ordering::Relaxed)
    }

    /// Counts a wake, so that nobody falls asleep any more on `word`, and wakes those who did. Whether
    /// somebody asked to be told.
    #[cold]
    fn wake(&self, mut word: u32) -> bool {
        let count = word & !(SLEEPING | ASKED);
        let woken = count.wrapping_add(ONE_WAKE); // without the bits
        let count_from = |word| {
            self.word
                .compare_exchange(word, woken, Ordering::Relaxed, Ordering::Relaxed)
        };
        let mut counted = count_from(word);
        for _ in 0..BITS {
            match counted {
                // Somebody has set the other bit.
                Err(now) if now & !(SLEEPING | ASKED) == count => {
                    word = now;
                    counted = count_from(word);
                }
                _ => break,
            }
        }
        // Where it fails, another notifier has counted from `word`, and wakes or tells the same ones.
        // Whoever announced a sleep since then has done so after this notify's look at the word,
        // and so sees the predicate true (SLEEP).
        if counted.is_err() {
            return false;
        }
        if word & SLEEPING != 0 {
            futex::wake_all(self.word);
        }
        // Edge CALL, pairs with `Bell::enter`: the bit is cleared before the look at who asked.
        fence(Ordering::SeqCst);
        word & ASKED != 0
    }
}

/// Bit 0: somebody sleeps, or is about to.
pub(super) const SLEEPING: u32 = 1;
/// Bit 1: somebody wants to be told.
pub(super) const ASKED: u32 = 2;
/// Those two.
const BITS: u32 = 2;
/// The rest counts.
const ONE_WAKE: u32 = 1 << BITS;

/// How late a wake may come from a notifier that died before it: nobody is held up for 50 ms by a
/// death. The 25 looks a second cost a sleeper less than a thousandth of a processor.
const LONGEST: Duration = Duration::from_millis(40);

/// The same where notifiers may not have been reached by the barrier, and any wake may be lost.
const LONGEST_UNFENCED: Duration = Duration::from_millis(1);
