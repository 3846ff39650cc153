//! Taking for a subscriber that does not want every message: one walk over stamps and headers finds those
//! it may want, and one move of the cursor goes past all others that the walk met.

use super::{Cursor, CursorState, CursorWord, Interruption, PASSED_ROUNDS_MAX, Run};
use crate::{
    ring::{
        layout::PublisherMode,
        place::Place,
        sequence::{Sequence, Slot},
        view::RingView,
    },
    sync::load_acquire,
};

/// What a walk met.
#[derive(Default)]
struct Walked {
    /// Unwanted messages before the first wanted one, of a subscriber that may be passed: they are not held.
    passed_over: u32,
    /// Messages from there on.
    len: u32,
    /// The chunk of the last one.
    last: u32,
    /// It ended at what no honest publisher writes, or at a later message.
    is_broken: bool,
}

impl Walked {
    fn all(&self) -> u32 {
        self.passed_over + self.len
    }
}

impl<'m> Cursor<'m> {
    /// Takes the next messages, looking at `max` of them at most, and puts those that `is_wanted` into
    /// `wanted`; `None` if there is no message at all. Gives back what was taken before.
    ///
    /// The result is all that was looked at. What is in `wanted` may be read until
    /// [`release`](Self::release), whereas `is_wanted` may find a header that is being overwritten, if
    /// this subscriber can be passed: what it says of one is thrown away then, and the message counts as missed.
    #[inline(always)]
    pub(crate) fn sift(
        &mut self,
        max: u32,
        wanted: &mut Vec<Sequence>,
        is_wanted: impl Fn(&RingView<'m>, Place) -> bool,
    ) -> Result<Option<Run>, Interruption> {
        wanted.clear();
        if self.missed_before_start > 0 {
            let missed = std::mem::take(&mut self.missed_before_start);
            let interruption = Interruption::Lagged { missed };
            self.count_loss(&interruption);
            return Err(interruption);
        }
        match self.state {
            CursorState::Reliable => self.sift_gated(max, wanted, is_wanted),
            _ => self
                .sift_pinned(max, wanted, is_wanted)
                .inspect_err(|interruption| self.count_loss(interruption)),
        }
    }

    #[inline(always)]
    fn sift_gated(
        &mut self,
        max: u32,
        wanted: &mut Vec<Sequence>,
        is_wanted: impl Fn(&RingView<'m>, Place) -> bool,
    ) -> Result<Option<Run>, Interruption> {
        self.release();
        let first = self.next;
        let home = match self.ring.geometry().shape.mode {
            PublisherMode::Exclusive => self.walk_home(max, wanted, &is_wanted),
            PublisherMode::Shared => 0,
        };
        let mut walked = Walked {
            len: home,
            ..Walked::default()
        };
        let mut first_place = Place::home(first);
        while walked.len < max {
            let seq = first.plus(walked.len.into());
            let Some(place) = self.walk_to(seq, &mut walked) else {
                break;
            };
            if is_wanted(&self.ring, place) {
                self.ring.prefetch_to_read(place);
                wanted.push(seq);
            }
            if walked.len == 0 {
                first_place = place;
            }
            walked.len += 1;
        }
        match walked.len {
            0 if walked.is_broken => return Err(Interruption::Corrupted { seq: first }),
            0 => self.found_none(),
            len if walked.last != 0 => self.guess.saw(walked.last, len),
            _ => {}
        }
        (self.lent, self.lent_home) = (walked.len, home);
        self.lent_first = first_place;
        let len = walked.len;
        Ok((len > 0).then_some(Run { first, len }))
    }

    /// The same for a subscriber that publishers may have passed. It holds what lies from the first wanted
    /// message on, and no more than `pins`.
    fn sift_pinned(
        &mut self,
        max: u32,
        wanted: &mut Vec<Sequence>,
        is_wanted: impl Fn(&RingView<'m>, Place) -> bool,
    ) -> Result<Option<Run>, Interruption> {
        // As in `take_pinned`.
        for _ in 0..PASSED_ROUNDS_MAX {
            wanted.clear();
            let walked = self.walk_pinned(max, wanted, &is_wanted);
            let first = self.next;
            let held_from = first.plus(walked.passed_over.into());
            let is_still_there = match walked.all() == 0 && self.word.pins() == 0 {
                true => !self.was_passed(),
                false => self.swap_word(CursorWord::new(held_from, walked.len, self.state)),
            };
            match (is_still_there, walked.all()) {
                (true, 0) if walked.is_broken => {
                    return Err(Interruption::Corrupted { seq: first });
                }
                (true, 0) => {
                    self.found_none();
                    return Ok(None);
                }
                // The swap won against every publisher's: none has passed this cursor. So each header was
                // whole when it was looked at, and what is held now stays.
                (true, len) => {
                    if walked.last != 0 {
                        self.guess.saw(walked.last, len);
                    }
                    self.next = first.plus(len.into());
                    return Ok(Some(Run { first, len }));
                }
                (false, _) => match self.come_back() {
                    Interruption::Lagged { missed: 0 } => {}
                    interruption => {
                        wanted.clear();
                        return Err(interruption);
                    }
                },
            }
        }
        wanted.clear();
        Err(Interruption::Corrupted { seq: self.next })
    }

    /// Walks over the messages that lie in their own slots, to the end of the lap; how many there are.
    #[inline(always)]
    fn walk_home(
        &self,
        max: u32,
        wanted: &mut Vec<Sequence>,
        is_wanted: impl Fn(&RingView<'m>, Place) -> bool,
    ) -> u32 {
        let at_home = self.ring.geometry().stamps.stamp(self.next, 0);
        let mut len = 0;
        for home in self.ring.homes(self.next, max.into()) {
            // Acquire: edge COMMIT, as in `count_ready`.
            if load_acquire(home.stamp()) != at_home {
                break;
            }
            let seq = home.sequence();
            if is_wanted(&self.ring, Place::home(seq)) {
                wanted.push(seq);
            }
            len += 1;
        }
        len
    }

    /// Where message `seq` lies, if it is there.
    #[inline(always)]
    fn walk_to(&self, seq: Sequence, walked: &mut Walked) -> Option<Place> {
        let geometry = self.ring.geometry();
        // Acquire: edge COMMIT, as in `count_ready`.
        let stamp = load_acquire(self.ring.stamp(seq));
        let place = match geometry.stamps.read(stamp, seq) {
            Slot::Ready(chunk) => Place::checked(geometry, seq, chunk),
            Slot::Empty => return None,
            Slot::Lapped => None,
        };
        match place {
            Some(place) => walked.last = place.chunk(),
            None => walked.is_broken = true,
        }
        place
    }

    #[inline(always)]
    fn walk_pinned(
        &mut self,
        max: u32,
        wanted: &mut Vec<Sequence>,
        is_wanted: impl Fn(&RingView<'m>, Place) -> bool,
    ) -> Walked {
        let mut walked = Walked::default();
        let pins = self.chunks.len() as u32;
        while walked.all() < max && walked.len < pins {
            let seq = self.next.plus(walked.all().into());
            let Some(place) = self.walk_to(seq, &mut walked) else {
                break;
            };
            if is_wanted(&self.ring, place) {
                self.ring.prefetch_to_read(place);
                wanted.push(seq);
            } else if wanted.is_empty() {
                walked.passed_over += 1;
                continue;
            }
            self.chunks[walked.len as usize] = place.chunk();
            walked.len += 1;
        }
        self.chunks_from = self.next.plus(walked.passed_over.into());
        walked
    }
}
