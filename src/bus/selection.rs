//! A subscriber that does not want every message: runs are sifted by their headers, what passes is looked at
//! message by message, and each run is given back once all that passed was.

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
    /// The run that was taken last.
    run: Run,
    /// Those of it whose headers passed.
    passed: Vec<Sequence>,
    /// How many of these were looked at.
    looked_at: usize,
    /// Those that are wanted, until the next call.
    picks: Vec<Sequence>,
    /// How many of the run were handed out, `picks` among them unless they are kept.
    handed_out: u64,
    /// `picks` were not handed out yet.
    is_kept: bool,
    /// Messages of earlier runs that were not wanted.
    skipped_before: u64,
}

impl Selection {
    /// One, if there is anything to select by.
    pub(super) fn new(filter: Filter, payload_test: Option<PayloadTest>) -> Option<Self> {
        Some(Self {
            selector: Selector::new(filter, payload_test)?,
            run: Run::EMPTY,
            passed: Vec::with_capacity(RUN_MAX as usize),
            looked_at: 0,
            picks: Vec::with_capacity(RUN_MAX as usize),
            handed_out: 0,
            is_kept: false,
            skipped_before: 0,
        })
    }

    /// Up to `max` wanted messages, in [`picks`](Self::picks). Gives up after a lap of others.
    pub(super) fn select(
        &mut self,
        core: &mut SubscriberCore,
        max: u32,
    ) -> Result<Option<Run>, PollError> {
        if max == 0 {
            return Ok(None);
        }
        if !std::mem::take(&mut self.is_kept) {
            self.picks.clear();
        }
        let mut taken = 0;
        loop {
            let looked = self.look(core, max);
            if !self.picks.is_empty() {
                if let Err(damage) = looked {
                    core.note_damage(damage);
                }
                return Ok(self.hand_out());
            }
            looked?;
            if self.has_left() {
                // Nothing was asked for.
                return Ok(None);
            }
            core.release();
            if taken >= core.capacity_slots() {
                return Ok(None);
            }
            self.finish_run();
            match self.selector.sift(core, RUN_MAX, &mut self.passed)? {
                Some(run) => self.run = run,
                None => return Ok(None),
            }
            taken += u64::from(self.run.len);
        }
    }

    /// Forgets what was taken before, and looks at `run` instead.
    pub(super) fn restart_with(
        &mut self,
        core: &SubscriberCore,
        run: Option<Run>,
    ) -> Result<Option<Run>, PollError> {
        self.forget();
        self.run = run.unwrap_or(Run::EMPTY);
        for ahead in 0..self.run.len {
            let seq = self.run.first.plus(ahead.into());
            if self.selector.wants_header(core, core.place(seq)?) {
                self.passed.push(seq);
            }
        }
        self.look(core, u32::MAX)?;
        Ok(self.hand_out())
    }

    /// Forgets what was taken before.
    pub(super) fn forget(&mut self) {
        self.finish_run();
        self.picks.clear();
        self.is_kept = false;
    }

    /// Hands out what was selected last once more.
    pub(super) fn keep(&mut self) {
        self.is_kept = !self.picks.is_empty();
        self.handed_out -= self.picks.len() as u64;
    }

    /// Looks again, in the next call, at what was selected in one that did not come to its end.
    pub(super) fn look_again(&mut self) {
        let first = self.picks.first();
        let again = first.and_then(|first| self.passed.iter().position(|seq| seq == first));
        self.looked_at = again.unwrap_or(self.looked_at);
        self.picks.clear();
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
        self.looked_at < self.passed.len()
    }

    /// The first message that was taken and not handed out.
    pub(super) fn next(&self) -> Option<Sequence> {
        let kept = self.picks.first().filter(|_| self.is_kept);
        kept.or_else(|| self.passed.get(self.looked_at)).copied()
    }

    /// Messages that were not wanted, of those before the next one.
    pub(super) fn skipped(&self) -> u64 {
        let end = self.run.first.plus(self.run.len.into());
        let next = self.next().unwrap_or(end);
        self.skipped_before + next.since(self.run.first) - self.handed_out
    }

    fn finish_run(&mut self) {
        self.skipped_before = self.skipped();
        (self.run, self.handed_out) = (Run::EMPTY, 0);
        self.passed.clear();
        self.looked_at = 0;
    }

    fn hand_out(&mut self) -> Option<Run> {
        let first = *self.picks.first()?;
        let len = self.picks.len() as u32;
        self.handed_out += u64::from(len);
        Some(Run { first, len })
    }

    #[inline(always)]
    fn look(&mut self, core: &SubscriberCore, max: u32) -> Result<(), PollError> {
        let has_rest = self.selector.has_rest();
        while self.has_left() && (self.picks.len() as u64) < u64::from(max) {
            let seq = self.passed[self.looked_at];
            let wants_it = match has_rest {
                true => core.place(seq).map(|place| {
                    // SAFETY: the run is held until all of it was looked at.
                    unsafe { self.selector.wants_rest(core, place) }
                }),
                false => Ok(true),
            };
            // Only now: a message whose test panics is looked at again.
            self.looked_at += 1;
            if core.is_forked() {
                return Err(PollError::Forked); // the test has forked, and this is the child
            }
            if wants_it? {
                self.picks.push(seq);
            }
        }
        Ok(())
    }
}
