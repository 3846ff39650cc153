//! Which chunk the next message of a shared topic will lie in.
//!
//! A publisher uses its chunks in turn, and takes over those of the slots in theirs: with one publisher at
//! work all chunks come one after the other, in the order of their numbers. A subscriber that waits
//! asks for the chunk that is due together with the stamp that will name it; a message then comes in
//! one transfer instead of two, one after the other. Where publishers take turns, their chunks mix, and
//! there is nothing to guess.

/// The chunks of the last messages.
pub(crate) struct ChunkGuess {
    /// The one after that of the last message.
    next: u32,
    /// How many messages, or runs of them, in a row ended in the chunk that was due; at most [`SURE`].
    hits: u32,
}

/// A guess is good after so many hits: asking for a chunk that somebody else is writing costs that one
/// a transfer.
const SURE: u32 = 4;

impl ChunkGuess {
    pub(crate) const fn new() -> Self {
        Self { next: 0, hits: 0 }
    }

    /// Notes the chunk of the last of `len` messages that were read.
    #[inline(always)]
    pub(crate) fn saw(&mut self, last: u32, len: u32) {
        // A run in order ends as far on as it is long.
        let due = self.next.wrapping_add(len).wrapping_sub(1);
        self.hits = match last == due {
            true => (self.hits + 1).min(SURE),
            false => 0,
        };
        self.next = last.wrapping_add(1);
    }

    /// The chunk that is due, if that can be said.
    #[inline(always)]
    pub(crate) fn due(&self) -> Option<u32> {
        (self.hits == SURE).then_some(self.next)
    }
}

#[cfg(all(test, not(ringbus_loom)))]
mod tests {
    use super::*;

    #[test]
    fn chunks_in_order_are_foreseen_and_others_are_not() {
        let mut guess = ChunkGuess::new();
        assert_eq!(guess.due(), None);
        (5..=5 + SURE).for_each(|chunk| guess.saw(chunk, 1));
        assert_eq!(guess.due(), Some(6 + SURE));
        guess.saw(77, 1);
        assert_eq!(guess.due(), None);
        (78..78 + SURE).for_each(|chunk| guess.saw(chunk, 1));
        assert_eq!(guess.due(), Some(78 + SURE));
    }

    #[test]
    fn runs_in_order_count_as_one_each() {
        let mut guess = ChunkGuess::new();
        guess.saw(9, 1);
        let mut last = 9;
        for len in 1..=SURE {
            assert_eq!(guess.due(), None);
            last += len;
            guess.saw(last, len);
        }
        assert_eq!(guess.due(), Some(last + 1));
        guess.saw(last + 7, 8);
        assert_eq!(guess.due(), None);
    }
}
