//! When a subscriber that is at its publisher's heels looks again.
//!
//! Who reads each message at once, at the rate at which they are written, takes each line away from
//! the publisher while that writes the next: both then go at the pace of single lines between two
//! processors, a fraction of what they can do some dozens of messages apart. So after messages that
//! came as fast as they could be looked for, the first look that finds none lets the publisher get
//! ahead: until a batch is there, or for a few microseconds, and no longer than messages come fast. A
//! message that is waited for for longer than a few looks is never delayed; where looks are far apart, as
//! in a loop over many topics, half a microsecond in 64 messages is the most.

use super::sequence::Sequence;

/// How far the publisher is let ahead: measured, one core to another of a virtual machine, 64 B
/// messages in a default topic: none 31-45 million messages a second, 32 messages 84, 64 messages
/// 101, 128 messages 90, 256 messages 83.
pub(crate) const BATCH: u64 = 64;
/// How often to look for the last message of that batch: together with the spins between, some 2 us
/// where a spin takes 16 ns, up to 6 us where it takes 45.
pub(crate) const LOOKS_AHEAD_MAX: u64 = 16;
/// From this look on there must be a message for every two looks, or the publisher is not at full speed,
/// however few looks in vain this subscriber made, which may look seldom.
pub(crate) const LOOKS_AHEAD_MIN: u64 = 4;
/// Spins between two of those looks.
pub(crate) const SPINS_PER_LOOK: u32 = 8;

/// How the last messages came.
pub(crate) struct Pace {
    /// Where the subscriber stood when it last found no message.
    at: Sequence,
    /// Where it is behind, unless it finds none before.
    behind_from: Sequence,
    /// How often it has looked in vain for the message there.
    looks: u32,
    /// How many messages came in a row that were looked for in vain a few times at most.
    dense: u64,
}

/// Looks in vain for one message that a publisher at full speed is worth: one that is read line by
/// line needs 60 to 100 ns for a message, a look takes 10 to 30.
const LOOKS_MAX: u32 = 4;

/// So many messages are no coincidence.
const DENSE_MIN: u64 = 64;

impl Pace {
    /// A subscriber that has just come to `next`.
    pub(crate) fn new(next: Sequence) -> Self {
        Self {
            at: next,
            behind_from: next.plus(DENSE_MIN),
            looks: 0,
            dense: 0,
        }
    }

    /// Whether the next message is waited for, and not just a moment away.
    #[inline(always)]
    pub(crate) fn is_waiting(&self) -> bool {
        self.looks > LOOKS_MAX
    }

    /// Notes that the publisher has got ahead of message `next`.
    pub(crate) fn publisher_is_ahead(&mut self, next: Sequence) {
        self.behind_from = next;
    }

    /// Notes that letting the publisher get ahead was for nothing.
    pub(crate) fn publisher_is_slow(&mut self) {
        self.dense = 0;
    }

    /// Notes that message `next` was looked for in vain; whether to let the publisher get ahead.
    #[inline(always)]
    pub(crate) fn found_none(&mut self, next: Sequence) -> bool {
        if next == self.at {
            self.looks = self.looks.saturating_add(1);
            return false;
        }
        self.dense = self.dense_until(next);
        self.at = next;
        self.behind_from = next.plus(DENSE_MIN);
        self.looks = 1;
        self.dense >= DENSE_MIN
    }

    /// Whether the last messages before `next` were there when they were looked for, so that those after it
    /// are, in all likelihood, as well.
    #[inline(always)]
    pub(crate) fn is_behind(&self, next: Sequence) -> bool {
        next >= self.behind_from
    }

    /// What [`found_none`](Self::found_none) would say.
    #[inline(always)]
    pub(crate) fn is_dense_at(&self, next: Sequence) -> bool {
        next != self.at && self.dense_until(next) >= DENSE_MIN
    }

    #[inline(always)]
    fn dense_until(&self, next: Sequence) -> u64 {
        let before = if self.looks > LOOKS_MAX {
            0
        } else {
            self.dense
        };
        before.saturating_add(next.since(self.at))
    }
}

#[cfg(all(test, not(ringbus_loom)))]
mod tests {
    use super::*;

    /// Takes `messages`, each after `looks` in vain; how often the publisher was let ahead.
    fn let_ahead(pace: &mut Pace, messages: u64, looks: u32) -> usize {
        (0..messages)
            .map(|_| {
                let at = pace.at.plus(1);
                let mut look = || {
                    let is_dense = pace.is_dense_at(at);
                    assert_eq!(pace.found_none(at), is_dense);
                    is_dense
                };
                (0..looks).filter(|_| look()).count()
            })
            .sum()
    }

    #[test]
    fn a_message_that_is_waited_for_is_never_delayed() {
        let mut pace = Pace::new(Sequence(7));
        assert_eq!(let_ahead(&mut pace, 10_000, LOOKS_MAX + 1), 0);
    }

    #[test]
    fn a_publisher_at_full_speed_is_let_ahead_once_a_run() {
        let mut pace = Pace::new(Sequence(7));
        assert_eq!(let_ahead(&mut pace, DENSE_MIN - 1, 1), 0);
        assert_eq!(let_ahead(&mut pace, 100, LOOKS_MAX), 100);
        // One pause ends it.
        assert_eq!(let_ahead(&mut pace, 1, LOOKS_MAX + 1), 1);
        assert_eq!(let_ahead(&mut pace, DENSE_MIN - 1, LOOKS_MAX), 0);
    }

    #[test]
    fn who_waited_for_nothing_waits_no_more_until_messages_came_fast_again() {
        let mut pace = Pace::new(Sequence(7));
        assert_eq!(let_ahead(&mut pace, DENSE_MIN, 1), 1);
        pace.publisher_is_slow();
        assert_eq!(let_ahead(&mut pace, DENSE_MIN - 1, 1), 0);
        assert_eq!(let_ahead(&mut pace, 1, 1), 1);
    }

    #[test]
    fn who_finds_each_message_at_once_is_behind() {
        let mut pace = Pace::new(Sequence(7));
        assert!(!pace.is_behind(Sequence(7 + DENSE_MIN - 1)));
        assert!(pace.is_behind(Sequence(7 + DENSE_MIN)));
        pace.found_none(Sequence(7 + DENSE_MIN));
        assert!(!pace.is_behind(Sequence(8 + DENSE_MIN)));
        pace.publisher_is_ahead(Sequence(8 + DENSE_MIN));
        assert!(pace.is_behind(Sequence(8 + DENSE_MIN)));
    }

    #[test]
    fn batches_count_by_their_messages() {
        let mut pace = Pace::new(Sequence(0));
        assert!(!pace.found_none(Sequence(DENSE_MIN - 1)));
        assert!(pace.found_none(Sequence(DENSE_MIN)));
    }
}
