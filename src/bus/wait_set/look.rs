//! Which members of a wait set to look at, and sleeping at its bell until there are some.

use std::time::{Duration, Instant};

use super::{Member, WaitSet, waiter::Watched};
use crate::wait::{Bell, FenceSide, GROUPS};

impl WaitSet {
    /// Notes which members to look at.
    pub(super) fn hear(&mut self, bell: &Bell, now: Instant) {
        let mut marks = bell.heard();
        if now.duration_since(self.swept) >= self.sweep_every {
            self.swept = now;
            self.sweep();
        }
        while marks != 0 {
            let group = marks.trailing_zeros() as usize;
            marks &= marks - 1;
            for index in (group..self.members.len()).step_by(GROUPS as usize) {
                self.note(index);
            }
        }
    }

    /// Notes those that publishers owe a ring who may have died, and those that nobody would ring for.
    fn sweep(&mut self) {
        for index in 0..self.members.len() {
            let is_due = |member: &Member| {
                let source = &member.source;
                !member.is_pending && (!source.is_asked() || source.has_news())
            };
            if self.members[index].as_ref().is_some_and(is_due) {
                self.note(index);
            }
        }
    }

    /// Notes a member to be looked at.
    pub(super) fn note(&mut self, index: usize) {
        if let Some(Some(member)) = self.members.get_mut(index)
            && !member.is_pending
        {
            member.is_pending = true;
            self.pending.push(index);
        }
    }

    /// Finds those that are ready among the pending, and takes out those that are gone.
    pub(super) fn look(&mut self) {
        let mut gone = Vec::new();
        for &index in &self.pending {
            let Some(member) = &self.members[index] else {
                continue;
            };
            if member.source.has_ended() {
                gone.push(member.token);
            } else if member.source.has_news() {
                self.ready.push(member.token);
            }
        }
        for token in gone {
            self.remove(token);
        }
    }

    /// Sleeps until there may be something to look at, for `timeout` at most.
    pub(super) fn sleep(&mut self, bell: &Bell, timeout: Duration) {
        for &index in &self.pending {
            if let Some(member) = &self.members[index] {
                member.source.ask();
            }
        }
        // Without anything asked, there is only the bell.
        let side = match self.needs_barrier && !self.pending.is_empty() {
            true => FenceSide::Sleeper,
            false => FenceSide::Both,
        };
        let token = bell.prepare(side);
        if side == FenceSide::Sleeper {
            self.sweep_every = token.longest();
        }
        if self.shared.is_interrupted() || bell.has_heard() || self.has_pending_news() {
            return;
        }
        self.clear_pending();
        bell.sleep(token, timeout.min(self.sweep_every));
    }

    pub(super) fn clear_pending(&mut self) {
        for index in self.pending.drain(..) {
            if let Some(member) = &mut self.members[index] {
                member.is_pending = false;
            }
        }
    }

    fn has_pending_news(&self) -> bool {
        let has_news = |index: &usize| {
            let member = self.members[*index].as_ref();
            member.is_some_and(|member| member.source.has_news())
        };
        self.pending.iter().any(has_news)
    }
}
