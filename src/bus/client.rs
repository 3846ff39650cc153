//! Calling: requests out, replies in, and whether anybody is there to send them.

mod pending;
mod silent;

use std::{
    collections::VecDeque,
    fmt,
    marker::PhantomData,
    sync::Arc,
    time::{Duration, Instant},
};

use self::{pending::Pending, silent::Silent};
use super::{
    Meta, Patience, Payload,
    call::{ALL, CallError, Reply},
    error::PollError,
    lease,
    publisher_core::PublisherCore,
    subscriber_core::SubscriberCore,
    topic_shared::TopicShared,
};
use crate::{
    registry::OwnerId,
    sync::{Ordering, spin_loop},
};

/// Calls the servers of a service. Any number of calls can be under way at the same time.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use std::time::Duration;
///
/// let mut server = bus.server("upper").join()?;
/// let mut client = bus.client("upper").join()?;
/// let calls = [client.send(b"a", Duration::from_secs(1))?, client.send(b"b", Duration::from_secs(1))?];
/// while let Some(request) = server.poll()? {
///     let upper = request.to_ascii_uppercase();
///     request.reply(&upper)?;
/// }
/// let [a, b] = calls;
/// assert_eq!(client.next(&b, Duration::from_secs(10))?.expect("a reply").payload(), b"B");
/// assert_eq!(client.next(&a, Duration::from_secs(10))?.expect("a reply").payload(), b"A");
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct Client<Q: ?Sized, R: ?Sized> {
    requests: PublisherCore,
    replies: SubscriberCore,
    replies_topic: Arc<TopicShared>,
    service: String,
    /// Calls under way, in the order of their requests.
    pending: VecDeque<Pending<R>>,
    /// Until when nothing can have been lost since it sent last, and for how long that is so.
    quiet_until: Option<Instant>,
    quiet_max: Duration,
    /// The memory of a call that is over, for the next one.
    spare: Option<Pending<R>>,
    /// Servers that were alive when the kernel was asked last, in the order of their numbers.
    servers: Vec<(u16, OwnerId)>,
    /// Until when that is good.
    asked_until: Option<Instant>,
    /// How many servers had come and gone by then.
    changes_seen: u64,
    /// Turns among servers that are equally busy.
    turn: usize,
    /// Servers that come last, as they let a call time out and have answered nothing since.
    silent: Silent,
    payload: PhantomData<fn(&Q)>,
}

/// A call under way, of the client that has made it. See [`Client::next`].
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// # use std::time::Duration;
/// let server = bus.server("sums").join()?;
/// let mut client = bus.client("sums").join()?;
/// let call = client.send(b"1 2", Duration::from_secs(1))?;
/// client.cancel(call);
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Debug, PartialEq, Eq, Hash)]
#[must_use = "its answer is kept until it was read to its end, or the call is cancelled"]
pub struct Call {
    sequence: u64,
}

/// How often to look for an answer before the first look at the clock.
const SPINS_WITHOUT_CLOCK: u32 = 256;
/// How often to ask the kernel whether servers live, while waiting for them.
const ASK_EVERY: Duration = Duration::from_millis(10);
/// For how long its answer is good where a request is to be sent.
const ANSWER_IS_GOOD_FOR: Duration = Duration::from_millis(1);
/// A client that has sent nothing for this long, for each reply that is kept, first takes what is there:
/// replies come no faster, and until then a look would only fetch a line that a server is about to write.
const QUIET_PER_REPLY: Duration = Duration::from_nanos(10);

impl<Q: Payload + ?Sized, R: Payload + ?Sized> Client<Q, R> {
    pub(super) fn new(
        service: String,
        requests: PublisherCore,
        replies: SubscriberCore,
        replies_topic: &Arc<TopicShared>,
    ) -> Self {
        let capacity_slots = u32::try_from(requests.capacity_slots()).unwrap_or(u32::MAX);
        Self {
            requests,
            replies,
            replies_topic: Arc::clone(replies_topic),
            service,
            pending: VecDeque::new(),
            quiet_max: QUIET_PER_REPLY * capacity_slots,
            quiet_until: None,
            spare: None,
            servers: Vec::new(),
            asked_until: None,
            changes_seen: 0,
            turn: 0,
            silent: Silent::default(),
            payload: PhantomData,
        }
    }

    /// Sends a request to one server, and waits for the first reply.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # use std::time::Duration;
    /// let mut server = bus.server("echo").join()?;
    /// let mut client = bus.client("echo").join()?;
    /// let serving = std::thread::spawn(move || {
    ///     server.wait(Duration::from_secs(10))?;
    ///     server.poll()?.expect("a request").reply(b"here")?;
    ///     Ok::<(), ringbus::Error>(())
    /// });
    /// assert_eq!(client.call(b"where?", Duration::from_secs(10))?.payload(), b"here");
    /// # serving.join().expect("no panic")?;
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send) and [`next`](Self::next), and [`CallError::NoReply`].
    pub fn call(&mut self, request: &Q, timeout: Duration) -> Result<Reply<R>, CallError> {
        // The clock is read once, unless the answer takes long.
        let now = Instant::now();
        let call = self.send_at(now, request, timeout)?;
        let found = self.next_until(&call, now.checked_add(timeout));
        self.cancel(call);
        found?.ok_or(CallError::NoReply)
    }

    /// Sends a request to one server: of those that live, the one with the fewest calls of this client under
    /// way. Waits, at most for `timeout`, only while the ring of requests is full.
    ///
    /// A server with which a call timed out, and was given up then, comes after all others until a reply of
    /// its to this client arrives, be it a late one. As it may have nothing left to reply to, it gets a
    /// request again after a second, and each time that was in vain after twice as long, up to a minute.
    ///
    /// # Errors
    ///
    /// [`CallError::NoServer`], at once; [`CallError::Publish`] where the request is too long, or the ring
    /// stayed full. Nothing was sent then.
    pub fn send(&mut self, request: &Q, timeout: Duration) -> Result<Call, CallError> {
        self.send_at(Instant::now(), request, timeout)
    }

    fn send_at(&mut self, now: Instant, request: &Q, timeout: Duration) -> Result<Call, CallError> {
        self.ask_who_lives(now)?;
        let servers = self.servers.len();
        let load = |(id, _): &(u16, OwnerId)| {
            let busy = self.pending.iter();
            let busy = busy.filter(|one| one.servers.iter().any(|(server, _)| server == id));
            busy.count()
        };
        self.turn = self.turn.wrapping_add(1);
        let turns = (0..servers).map(|number| (self.turn + number) % servers);
        let chosen = turns.min_by_key(|number| match servers {
            1 => (false, 0),
            _ => {
                let server = &self.servers[*number];
                (self.silent.is_last(server, now), load(server))
            }
        });
        let Some(&chosen) = chosen.and_then(|number| self.servers.get(number)) else {
            return Err(self.no_server());
        };
        self.silent.was_asked(&chosen, now);
        self.send_to(now, request, chosen.0.into(), &[chosen], timeout)
    }

    /// Sends a request to all servers that live. [`next`](Self::next) returns the replies of all, as they
    /// come, and `None` once each has ended its answer.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    pub fn send_to_all(&mut self, request: &Q, timeout: Duration) -> Result<Call, CallError> {
        let now = Instant::now();
        self.ask_who_lives(now)?;
        if self.servers.is_empty() {
            return Err(self.no_server());
        }
        let servers = self.servers.clone();
        self.send_to(now, request, ALL, &servers, timeout)
    }

    /// Sends a request to all servers, and waits for the answers of all: their replies, and for each server
    /// that has none, why.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # use std::time::Duration;
    /// let mut servers = [bus.server("who").join()?, bus.server("who").join()?];
    /// let mut client = bus.client("who").join()?;
    /// let serving = std::thread::spawn(move || {
    ///     for server in &mut servers {
    ///         server.wait(Duration::from_secs(10))?;
    ///         let id = server.id();
    ///         server.poll()?.expect("a request").reply(id.to_string().as_bytes())?;
    ///     }
    ///     Ok::<(), ringbus::Error>(())
    /// });
    /// let answers = client.gather(b"who is there?", Duration::from_secs(10))?;
    /// assert_eq!(answers.iter().flatten().count(), 2);
    /// # serving.join().expect("no panic")?;
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send). What is wrong with one server is in its place among the answers;
    /// [`CallError::Timeout`] stands for each that did not answer in time.
    pub fn gather(
        &mut self,
        request: &Q,
        timeout: Duration,
    ) -> Result<Vec<Result<Reply<R>, CallError>>, CallError> {
        let deadline = Instant::now().checked_add(timeout);
        let call = self.send_to_all(request, timeout)?;
        let mut answers = Vec::new();
        loop {
            let left = deadline.map_or(Duration::MAX, |end| {
                end.saturating_duration_since(Instant::now())
            });
            match self.next(&call, left) {
                Ok(None) => break,
                Ok(Some(reply)) => answers.push(Ok(reply)),
                Err(CallError::Timeout) => {
                    let late = self.pending_mut(&call).map_or(0, |one| one.servers.len());
                    answers.extend((0..late).map(|_| Err(CallError::Timeout)));
                    break;
                }
                Err(error @ (CallError::Poll(_) | CallError::Unknown)) => return Err(error),
                Err(error) => answers.push(Err(error)),
            }
        }
        self.cancel(call);
        Ok(answers)
    }

    /// The next reply to a call; `None` once its answer has ended. Waits for up to `timeout`.
    ///
    /// # Errors
    ///
    /// [`CallError::Timeout`]: ask again, or [cancel](Self::cancel) the call.
    /// [`CallError::ServerEnded`], within 50 ms, where a server that was to answer has died or left, and
    /// [`CallError::Failed`] where one could not do it: once for each server.
    /// [`CallError::Lost`] where replies may have been overwritten: the call is over.
    /// [`CallError::Unknown`] for a call that is over. [`CallError::Poll`] where the topic is damaged,
    /// or this is a child of the process that joined: these come again.
    pub fn next(&mut self, call: &Call, timeout: Duration) -> Result<Option<Reply<R>>, CallError> {
        self.next_until(call, Instant::now().checked_add(timeout))
    }

    fn next_until(
        &mut self,
        call: &Call,
        deadline: Option<Instant>,
    ) -> Result<Option<Reply<R>>, CallError> {
        let mut spins = 0;
        let mut ask_at = None;
        loop {
            self.take_replies(Some(call))?;
            let pending = self.pending_mut(call).ok_or(CallError::Unknown)?;
            if let Some(found) = pending.found.pop_front() {
                return found.map(Some);
            }
            if pending.servers.is_empty() {
                self.forget(call);
                return Ok(None);
            }
            let mut is_there = self.replies.has_more_at_last();
            while spins < SPINS_WITHOUT_CLOCK && !is_there {
                spin_loop();
                spins += 1;
                is_there = self.replies.has_more_at_last();
            }
            if is_there {
                continue;
            }
            let now = Instant::now();
            let until = |end: Instant| end.saturating_duration_since(now);
            let left = deadline.map_or(Duration::MAX, until);
            // However many replies come for others meanwhile.
            let ask_in = until(*ask_at.get_or_insert(now + ASK_EVERY));
            if !ask_in.is_zero() && self.replies.wait(left.min(ask_in))? {
                continue;
            }
            self.note_deaths()?;
            ask_at = None;
            let is_told = self
                .pending_mut(call)
                .is_some_and(|one| !one.found.is_empty());
            if left.is_zero() && !is_told {
                self.note_late(call);
                return Err(CallError::Timeout);
            }
        }
    }

    /// Ends a call: whatever comes for it is dropped. The server is not told.
    pub fn cancel(&mut self, call: Call) {
        self.forget(&call);
    }

    /// How many servers live, as the kernel says.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let server = bus.server("sums").join()?;
    /// let client = bus.client("sums").join()?;
    /// assert_eq!(client.servers(), 1);
    /// drop(server);
    /// assert_eq!(client.servers(), 0);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn servers(&self) -> usize {
        match self.replies_topic.is_forked() {
            true => 0,
            false => self.living().count(),
        }
    }

    fn no_server(&self) -> CallError {
        CallError::NoServer {
            service: self.service.clone(),
        }
    }

    fn living(&self) -> impl Iterator<Item = (u16, OwnerId)> {
        let (topic, bus) = (&self.replies_topic, &self.replies_topic.bus);
        let all: Vec<_> = lease::publishers(&topic.ring.view()).collect();
        all.into_iter().filter(|(_, owner)| bus.is_alive(*owner))
    }

    /// Brings `servers` up to date: who has left in order is known at once, who was killed if the kernel
    /// was asked within a millisecond.
    fn ask_who_lives(&mut self, now: Instant) -> Result<(), CallError> {
        if self.replies_topic.is_forked() {
            return Err(PollError::Forked.into());
        }
        let ring = self.replies_topic.ring.view();
        // Acquire: who has come or gone by then is found by what follows. Not the records themselves: servers
        // write their lines with each reply.
        let changes = ring.publishers_changed().load(Ordering::Acquire);
        let is_known = !self.servers.is_empty()
            && self.asked_until.is_some_and(|end| now < end)
            && self.changes_seen == changes;
        if !is_known {
            self.servers = self.living().collect();
            self.silent.keep_only(&self.servers);
            self.asked_until = now.checked_add(ANSWER_IS_GOOD_FOR);
            self.changes_seen = changes;
        }
        Ok(())
    }

    fn send_to(
        &mut self,
        now: Instant,
        request: &Q,
        target: u64,
        servers: &[(u16, OwnerId)],
        timeout: Duration,
    ) -> Result<Call, CallError> {
        // What others were answered meanwhile may have lapped the ring, which is no loss of this call's.
        if self.quiet_until.is_none_or(|end| now > end) {
            self.take_replies(None)?;
        }
        self.quiet_until = now.checked_add(self.quiet_max);
        let meta = Meta::new().tag(target);
        let patience = Patience::For(timeout);
        let sequence = self.requests.publish(meta, request.bytes(), patience)?;
        let mut pending = self.spare.take().unwrap_or_else(|| Pending {
            sequence,
            servers: Vec::new(),
            found: VecDeque::new(),
            is_late: false,
        });
        (pending.sequence, pending.is_late) = (sequence, false);
        pending.servers.extend_from_slice(servers);
        self.pending.push_back(pending);
        Ok(Call { sequence })
    }
}

impl<Q: ?Sized, R: ?Sized> fmt::Debug for Client<Q, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("service", &self.service)
            .field("under_way", &self.pending.len())
            .finish_non_exhaustive()
    }
}
