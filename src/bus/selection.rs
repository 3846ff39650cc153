//! A subscriber that does not want every message: runs are taken whole, looked at message by
//! message, and given back once all of a run was looked at.

use super::{
    error::PollError,
    filter::{Filter, PayloadTest, Selector},
    subscriber_core::SubscriberCore,
};
use crate::ring::{cursor::Run, sequence::Sequence};

/// How many messages are taken at once to be looked at: enough to share the cost of the cursor's
/// move, few enough that publishers are not held up for long by what was looked at already.
const RUN_MAX: u32 = 64;

pub(super) struct Selection {
    selector: Selector,
    /// Of the run that was taken last, what was not looked at yet.
    left: Run,
    /// Those that are wanted, until the next call.
    picks: Vec<Sequence>,
    /// `picks` were not handed out yet.
    is_kept: bool,
}

impl Selection {
    /// One, if there is anything to select by.
    pub(super) fn new(filter: Filter, payload_test: Option<PayloadTest>) -> Option<Self> {
        Some(Self {
            selector: Selector::new(filter, payload_test)?,
            left: Run::EMPTY,
            picks: Vec::new(),
            is_kept: false,
        })
    }

    /// Up to `max` wanted messages, in [`picks`](Self::picks). Gives up after a lap of others.
    pub(super) fn select(
        &mut self,
        core: &mut SubscriberCore,
        max: u32,
    ) -> Result<Option<Run>, PollError> {
        if !std::mem::take(&mut self.is_kept) {
            self.picks.clear();
        }
        let mut looked_at = 0;
        loop {
            let looked = self.look(core, max);
            if !self.picks.is_empty() {
                if let Err(damage) = looked {
                    core.note_damage(damage);
                }
                return Ok(self.picked());
            }
            looked?;
            if self.has_left() {
                // Nothing was asked for.
                return Ok(None);
            }
            core.release();
            if looked_at >= core.capacity_slots() {
                return Ok(None);
            }
            match core.take(RUN_MAX)? {
                Some(run) => self.left = run,
                None => return Ok(None),
            }
            looked_at += u64::from(self.left.len);
        }
    }

    /// Forgets what was taken before, and looks at `run` instead.
    pub(super) fn restart_with(
        &mut self,
        core: &SubscriberCore,
        run: Option<Run>,
    ) -> Result<Option<Run>, PollError> {
        self.forget();
        self.left = run.unwrap_or(Run::EMPTY);
        self.look(core, u32::MAX)?;
        Ok(self.picked())
    }

    /// Forgets what was taken before.
    pub(super) fn forget(&mut self) {
        self.left = Run::EMPTY;
        self.picks.clear();
        self.is_kept = false;
    }

    /// Hands out what was selected last once more.
    pub(super) fn keep(&mut self) {
        self.is_kept = !self.picks.is_empty();
    }

    /// What was selected last.
    #[inline(always)]
    pub(super) fn picks(&self) -> &[Sequence] {
        &self.picks
    }

    /// Whether the next call has a message without looking at the ring, or may have one.
    pub(super) fn has_kept(&self) -> bool {
        self.is_kept || self.has_left()
    }

    /// Whether a run was taken that was not looked at to its end.
    #[inline(always)]
    pub(super) fn has_left(&self) -> bool {
        self.left.len > 0
    }

    /// The first message that was taken and not handed out.
    pub(super) fn next(&self) -> Option<Sequence> {
        let kept = self.picks.first().filter(|_| self.is_kept);
        kept.copied().or(self.has_left().then_some(self.left.first))
    }

    /// Messages that were not wanted.
    pub(super) fn skipped(&self) -> u64 {
        self.selector.skipped()
    }

    fn picked(&self) -> Option<Run> {
        let first = *self.picks.first()?;
        let len = self.picks.len() as u32;
        Some(Run { first, len })
    }

    #[inline(always)]
    fn look(&mut self, core: &SubscriberCore, max: u32) -> Result<(), PollError> {
        while self.left.len > 0 && (self.picks.len() as u64) < u64::from(max) {
            let seq = self.left.first;
            self.left = Run {
                first: seq.plus(1),
                len: self.left.len - 1,
            };
            let place = core.place(seq)?;
            // SAFETY: the run is held until all of it was looked at.
            let attributes = || unsafe { core.attribute_bytes(place) };
            // SAFETY: as above.
            let payload = || unsafe { core.payload_bytes(place) };
            if self.selector.wants(&core.head(place), attributes, payload) {
                self.picks.push(seq);
            }
        }
        Ok(())
    }
}
