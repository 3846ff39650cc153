//! A bell: where one sleeps who waits for many events, and is told which of them to look at.
//!
//! ```text
//! sleeper                                        notifier
//!   enter(), once                                  make a predicate true
//!   until a predicate holds:                       notify_and(tell)     bit 1 is clear: done
//!     groups = heard(), look at those, else:         tell: for each who may have asked:
//!     ask() each event that was looked at              ring(group)      marks the group, and
//!     token = prepare(side)                                             wakes whoever sleeps here
//!     anything heard, or a predicate holds? again
//!     sleep(token, timeout)
//! ```
//!
//! A mark says which 64th of the events is to be looked at, so that a sleeper over thousands of events
//! looks at a few. A bell that rings for nothing costs a look.
//!
//! | edge | store                            | then load               | at                           |
//! |------|----------------------------------|-------------------------|------------------------------|
//! | CALL | "ring here", in a peer's sight   | whether one has asked   | sleeper, [`Bell::enter`]     |
//! | CALL | "nobody has asked" (counts)      | whom to ring            | notifier, `Event::wake`      |
//! | RING | "somebody sleeps" (bit 0)        | the marks               | sleeper, [`Bell::prepare`]   |
//! | RING | the mark                         | "somebody sleeps?"      | notifier, [`Bell::ring`]     |
//!
//! Both are of SLEEP's kind: of the two loads, at least one sees the other side's store. Model:
//! `tests/loom_bell.rs`. CALL is for a notifier that was stopped with the bit of another one seen and not cleared:
//! who comes to the bell meanwhile sees the bit and leaves it at that, so the notifier has to find the
//! newcomer when it goes on, or nobody tells it of the next message.

use std::time::Duration;

use super::{Event, FenceSide, Token, event};
use crate::{
    shared::Shared,
    sync::{AtomicU32, AtomicU64, Ordering, fence},
};

/// A bell's words in shared memory.
#[derive(Default)]
#[repr(C)]
pub(crate) struct BellWords {
    /// The lease of the one who listens; 0: nobody.
    pub(crate) owner: AtomicU64,
    /// A bit for each group of events that was rung for.
    marks: AtomicU64,
    /// The word to sleep on, as an [`Event`].
    word: AtomicU32,
    reserved: [AtomicU32; 3],
}

// SAFETY: `repr(C)`, atomic integers and arrays of them only.
unsafe impl Shared for BellWords {}

/// A bell, to be listened to by one thread at a time and rung by anybody.
#[derive(Clone, Copy)]
pub(crate) struct Bell<'m> {
    words: &'m BellWords,
}

/// Which bell to ring, and for which group of its events; fits into a word of shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u32);

impl Ticket {
    /// Bells that can be named.
    pub(crate) const BELLS_MAX: u32 = u16::MAX as u32;

    /// For event number `event` of those that are listened to at `bell`.
    pub(crate) fn new(bell: u32, event: usize) -> Self {
        debug_assert!(bell < Self::BELLS_MAX);
        Self((bell + 1) | (event as u32 % GROUPS) << GROUP_SHIFT)
    }

    /// The ticket in a word that a peer may have written; `None` where nobody wants a ring.
    pub(crate) fn from_word(word: u32) -> Option<Self> {
        (word & BELL_MASK != 0).then_some(Self(word))
    }

    pub(crate) fn word(self) -> u32 {
        self.0
    }

    /// The number of the bell, which may be none that there is.
    pub(crate) fn bell(self) -> u32 {
        (self.0 & BELL_MASK) - 1
    }

    /// The mark of the group.
    pub(crate) fn mark(self) -> u64 {
        1 << ((self.0 >> GROUP_SHIFT) % GROUPS)
    }
}

/// How many groups of events a bell tells apart.
pub(crate) const GROUPS: u32 = u64::BITS;
const GROUP_SHIFT: u32 = 16;
const BELL_MASK: u32 = (1 << GROUP_SHIFT) - 1;

impl<'m> Bell<'m> {
    pub(crate) fn new(words: &'m BellWords) -> Self {
        Self { words }
    }

    /// Orders what was written down so that notifiers find this bell before any [`Event::ask`].
    pub(crate) fn enter() {
        // Edge CALL, pairs with `Event::wake`.
        fence(Ordering::SeqCst);
    }

    /// The groups that were rung for since the last call.
    pub(crate) fn heard(&self) -> u64 {
        match self.words.marks.load(Ordering::Relaxed) {
            0 => 0,
            // Acquire: what the ringer knows of is there to be seen.
            _ => self.words.marks.swap(0, Ordering::Acquire),
        }
    }

    /// Whether there is something to be [`heard`](Self::heard).
    pub(crate) fn has_heard(&self) -> bool {
        self.words.marks.load(Ordering::Relaxed) != 0
    }

    /// Announces a sleep, here and by all that was asked for before; `side` is the most that one of
    /// those events needs. The caller looks once more at what was [`heard`](Self::heard), and at what
    /// it asked for.
    pub(crate) fn prepare(&self, side: FenceSide) -> Token {
        // Edge RING, pairs with `ring`; edge SLEEP, for each event that was asked.
        Event::new(&self.words.word, side).prepare()
    }

    /// As [`prepare`](Self::prepare), for one who asked events to ring where another thread sleeps.
    pub(crate) fn barrier(side: FenceSide) {
        // Edge SLEEP, for each event that was asked.
        event::barrier(side);
    }

    /// Sleeps until rung, for `timeout` or 40 ms at most; signals may also end it.
    /// Unless a group was rung for, everything has to be looked at: a ringer may have died.
    pub(crate) fn sleep(&self, token: Token, timeout: Duration) {
        Event::new(&self.words.word, FenceSide::Both).sleep(token, timeout);
    }

    /// Rings for groups of events: marks them and wakes whoever sleeps here.
    pub(crate) fn ring(&self, marks: u64) {
        self.words.marks.fetch_or(marks, Ordering::Release);
        // Edge RING, pairs with `prepare`: fences before it looks whether somebody sleeps.
        Event::new(&self.words.word, FenceSide::Both).notify();
    }
}

#[cfg(not(ringbus_loom))]
const _: () = assert!(size_of::<BellWords>() == 32);
