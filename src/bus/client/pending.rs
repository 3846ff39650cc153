//! What a client knows of its calls under way: the replies that have come, and who has still to answer.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use super::{Call, Client};
use crate::{
    bus::{
        AttributesView, Payload,
        call::{CallError, EMPTY, FAILED, LAST, Reply, SEQUENCE_MASK, WHY, read_reply_tag},
        error::PollError,
        lease,
    },
    registry::OwnerId,
    ring::sequence::Sequence,
};

/// What a client knows of a call under way.
pub(super) struct Pending<R: ?Sized> {
    pub(super) sequence: u64,
    /// Those that have not ended their answers.
    pub(super) servers: Vec<(u16, OwnerId)>,
    pub(super) found: VecDeque<Result<Reply<R>, CallError>>,
    /// Somebody waited for it in vain.
    pub(super) is_late: bool,
}

impl<Q: Payload + ?Sized, R: Payload + ?Sized> Client<Q, R> {
    pub(super) fn pending_mut(&mut self, call: &Call) -> Option<&mut Pending<R>> {
        let at = self.position(call.sequence)?;
        self.pending.get_mut(at)
    }

    /// Where the call with this request is among those under way, which are in the order of their requests.
    fn position(&self, sequence: u64) -> Option<usize> {
        // Mostly it is the only one, or the last.
        let last = self.pending.len().checked_sub(1)?;
        if self.pending[last].sequence == sequence {
            return Some(last);
        }
        self.pending
            .binary_search_by_key(&sequence, |one| one.sequence)
            .ok()
    }

    /// The sequence of a request of which a reply tells the lower bits: not after the last one sent.
    fn sequence_of(&self, request: u64) -> Option<u64> {
        let last = self.pending.back()?.sequence;
        let behind = last.wrapping_sub(request) & SEQUENCE_MASK;
        last.checked_sub(behind)
    }

    /// Takes replies that are there, and keeps those to calls under way: all, or until one to this call is
    /// found. A look beyond that would fetch a line that a server is about to write.
    pub(super) fn take_replies(&mut self, until: Option<&Call>) -> Result<(), CallError> {
        loop {
            let found = until.and_then(|call| self.pending_mut(call));
            if found.is_some_and(|one| !one.found.is_empty()) {
                return Ok(());
            }
            match self.replies.take(1) {
                Ok(Some(run)) => {
                    let kept = self.keep(run.first);
                    self.replies.release();
                    kept?;
                }
                Ok(None) => return Ok(()),
                Err(PollError::Lagged { missed } | PollError::Evicted { missed }) => {
                    let unanswered = self.pending.iter_mut();
                    for one in unanswered.filter(|one| !one.servers.is_empty()) {
                        one.servers.clear();
                        one.found.push_back(Err(CallError::Lost { missed }));
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn keep(&mut self, seq: Sequence) -> Result<(), PollError> {
        let place = self.replies.place(seq)?;
        let head = self.replies.head(place);
        let (client, request) = read_reply_tag(head.tag());
        if client != self.requests.id() {
            return Ok(());
        }
        let asked = self
            .sequence_of(request)
            .and_then(|sequence| self.position(sequence));
        let server = head.publisher().unwrap_or_default();
        self.silent.has_answered(server);
        let Some(pending) = asked.and_then(|at| self.pending.get_mut(at)) else {
            return Ok(()); // timed out, or cancelled
        };
        let Some(at) = pending.servers.iter().position(|(id, _)| *id == server) else {
            return Ok(()); // it was taken for dead, or not asked
        };
        let flags = head.flags();
        if flags & LAST != 0 {
            pending.servers.remove(at);
        }
        if flags & FAILED != 0 {
            let copy = self.replies.copy(place);
            let why = AttributesView::new(copy.attributes()).get(WHY);
            let why = why
                .as_ref()
                .and_then(|why| why.as_str())
                .unwrap_or("no reason given");
            let why = why.to_owned();
            pending
                .found
                .push_back(Err(CallError::Failed { server, why }));
        } else if flags & EMPTY == 0 {
            let reply = Reply::new(server, self.replies.copy_payload(place));
            let reply = reply.ok_or(PollError::Corrupted { sequence: seq.0 })?;
            pending.found.push_back(Ok(reply));
        }
        Ok(())
    }

    /// Notes which servers that are to answer will not, as they are no more.
    pub(super) fn note_deaths(&mut self) -> Result<(), CallError> {
        let topic = Arc::clone(&self.replies_topic);
        let ring = topic.ring.view();
        let is_over = |&(id, owner): &(u16, OwnerId)| {
            lease::publisher_owner(&ring, id.into()) != Some(owner) || !topic.bus.is_alive(owner)
        };
        let mut asked = Vec::new();
        for server in self.pending.iter().flat_map(|one| &one.servers) {
            if !asked.contains(server) {
                asked.push(*server);
            }
        }
        asked.retain(is_over);
        let over = asked;
        if over.is_empty() {
            return Ok(());
        }
        // What they said before their end is there by now.
        self.take_replies(None)?;
        for pending in &mut self.pending {
            let found = &mut pending.found;
            pending.servers.retain(|one| {
                let has_ended = over.contains(one);
                if has_ended {
                    found.push_back(Err(CallError::ServerEnded { server: one.0 }));
                }
                !has_ended
            });
        }
        Ok(())
    }

    pub(super) fn note_late(&mut self, call: &Call) {
        if let Some(pending) = self.pending_mut(call) {
            pending.is_late = true;
        }
    }

    pub(super) fn forget(&mut self, call: &Call) {
        let at = self.position(call.sequence);
        let over = at.and_then(|at| match at + 1 == self.pending.len() {
            true => self.pending.pop_back(),
            false => self.pending.remove(at),
        });
        if let Some(mut over) = over {
            if over.is_late && !over.servers.is_empty() {
                self.silent.add(&over.servers, Instant::now());
            }
            over.servers.clear();
            over.found.clear();
            self.spare = Some(over);
        }
    }
}
