//! In whose turn a message comes.

use std::cmp::Reverse;

use super::{
    super::{Payload, Timestamp, multi_builder::Order, multi_error::MultiError},
    Members,
};
use crate::ring::cursor::Run;

/// Quiet topics that are looked at for each message of a busy one.
const SWEEP_STEP: usize = 2;
/// How often a sweep is repeated for what was published meanwhile.
const SWEEPS_MAX: u32 = 4;

impl<T: Payload + ?Sized> Members<T> {
    pub(super) fn next_in_circle(&mut self) -> Result<Option<(usize, Run)>, MultiError> {
        self.sweep_circle(SWEEP_STEP);
        if let Some(next) = self.turn_circle()? {
            return Ok(Some(next));
        }
        self.sweep_circle(self.members.len());
        self.turn_circle()
    }

    /// Puts members that have messages into the circle, of the next `count`.
    fn sweep_circle(&mut self, count: usize) {
        for _ in 0..count.min(self.members.len()) {
            let index = self.swept_to % self.members.len();
            self.swept_to = index + 1;
            self.put_into_circle(index);
        }
    }

    /// Gives a member its turn, if it has messages.
    pub(super) fn put_into_circle(&mut self, index: usize) {
        if self.wishes.order == Order::RoundRobin
            && let Some(Some(member)) = self.members.get_mut(index)
            && !member.is_queued
            && member.core.has_more()
        {
            member.is_queued = true;
            self.circle.push_back(index);
        }
    }

    fn turn_circle(&mut self) -> Result<Option<(usize, Run)>, MultiError> {
        while let Some(index) = self.circle.pop_front() {
            let Some(member) = &mut self.members[index] else {
                continue;
            };
            match member.take() {
                Ok(Some(run)) => {
                    self.circle.push_back(index);
                    return Ok(Some((index, run)));
                }
                Ok(None) => member.is_queued = false,
                Err(error) => {
                    self.circle.push_back(index);
                    return Err(self.told(index, error));
                }
            }
        }
        Ok(None)
    }

    pub(super) fn next_by_time(&mut self) -> Result<Option<(usize, Run)>, MultiError> {
        if let Some(index) = self.handed_out.take() {
            self.queue_by_time(index, None);
        }
        for sweep in 0..=SWEEPS_MAX {
            if let Some(told) = self.untold.pop_front() {
                return Err(told);
            }
            let is_due =
                |&Reverse((time, _)): &Reverse<_>| time <= self.swept_at_ns || sweep == SWEEPS_MAX;
            if let Some(&Reverse((_, index))) = self.by_time.peek().filter(|next| is_due(next)) {
                self.by_time.pop();
                let member = self.members[index].as_deref_mut();
                let head = member.and_then(|member| {
                    member.is_queued = false;
                    member.head
                });
                if let Some(run) = head {
                    self.handed_out = Some(index);
                    return Ok(Some((index, run)));
                }
                continue;
            }
            let now = Timestamp::now();
            self.swept_at_ns = now.as_nanos();
            self.look()?;
            for index in 0..self.members.len() {
                self.queue_by_time(index, Some(now));
            }
            if self.by_time.is_empty() && self.untold.is_empty() {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Takes a member's next message, if there is one, and puts the member where that belongs.
    fn queue_by_time(&mut self, index: usize, now: Option<Timestamp>) {
        let Some(member) = &mut self.members[index] else {
            return;
        };
        // One whose message was handed out is asked in any case: so it gives that back.
        if member.is_queued || now.is_some() && !member.core.has_more() {
            return;
        }
        match member.take() {
            Ok(Some(run)) => {
                let time = member.time_of(run).or(now).unwrap_or_else(Timestamp::now);
                member.is_queued = true;
                self.by_time.push(Reverse((time.as_nanos(), index)));
            }
            Ok(None) => {}
            Err(error) => {
                let told = self.told(index, error);
                self.untold.push_back(told);
            }
        }
    }
}
