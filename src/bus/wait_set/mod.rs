//! Waiting for many subscribers at once.

mod error;
mod interrupter;
mod look;
#[cfg(target_os = "linux")]
mod lookout;
mod own_bell;
#[cfg(target_os = "linux")]
mod served;
#[cfg(target_os = "linux")]
#[path = "fd.rs"]
mod set_fd;
mod source;
mod waiter;

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

#[cfg(target_os = "linux")]
pub(super) use self::lookout::Lookout;
#[cfg(target_os = "linux")]
use self::served::Served;
#[cfg(not(feature = "async"))]
use self::waiter::Watched;
#[cfg(feature = "async")]
pub(super) use self::waiter::{Told, Watched};
pub use self::{error::WaitError, interrupter::Interrupter};
/// There is none.
#[cfg(not(target_os = "linux"))]
pub(super) enum Lookout {}
use self::{interrupter::Shared, own_bell::OwnBell};
pub(super) use self::{
    source::{Membership, Source},
    waiter::Waiter,
};
use super::{Bus, Payload, Subscriber, subscriber_core::SubscriberCore};
use crate::{segment::generation, wait::FenceSide};

/// Waits for any number of subscribers of one bus at once: asleep until one of them has something to
/// poll.
///
/// Nobody polls meanwhile, and there is no thread. While it sleeps, publishers of its topics pay
/// for one wake-up; while it does not, they pay what they always do, nothing. A wait looks only at
/// members that were published to since they were last found empty, of 64 groups of them, so that
/// thousands cost little more than one.
///
/// A member is *ready* as long as its poll has something to say, which may be an error, or that a
/// [filter](crate::SubscriberBuilder::filter) wants nothing of what is there. A message that a
/// reliable subscriber has in hand counts. So poll until there is nothing, or wait again and be told
/// again.
///
/// A publisher that is killed before it wakes whom it should delays a wake by 40 ms at most.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use {ringbus::WaitSet, std::time::Duration};
///
/// let mut subscribers = Vec::new();
/// let mut set = WaitSet::new(&bus)?;
/// for (index, name) in ["orders", "quotes", "trades"].into_iter().enumerate() {
///     let subscriber = bus.topic(name).open_or_create()?.subscriber().join()?;
///     set.add(&subscriber, index as u64)?;
///     subscribers.push(subscriber);
/// }
/// let quotes = bus.topic("quotes").open()?.publisher()?;
/// std::thread::spawn(move || quotes.publish(b"99.5"));
/// for token in set.wait(Duration::from_secs(10))? {
///     assert_eq!(*token, 1);
///     while let Some(message) = subscribers[*token as usize].poll()? {
///         assert_eq!(message.payload(), b"99.5");
///     }
/// }
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct WaitSet {
    members: Vec<Option<Member>>,
    free: Vec<usize>,
    by_token: HashMap<u64, usize>,
    /// Members to be looked at; all others asked for a ring since they had no news.
    pending: Vec<usize>,
    ready: Vec<u64>,
    was_interrupted: bool,
    /// When all members were looked at for the last time.
    swept: Instant,
    /// How late a ring may come: of one who died before it, or whom a barrier did not reach.
    sweep_every: Duration,
    /// Whether a member's topic leaves the fence to its sleepers.
    needs_barrier: bool,
    generation: u32,
    /// Once it has been asked for a descriptor, or to wait for one.
    #[cfg(target_os = "linux")]
    served: Option<Served>,
    shared: Arc<Shared>,
    bus: Bus,
}

struct Member {
    token: u64,
    is_pending: bool,
    source: Arc<Source>,
}

/// How late the ring of a publisher may come that was killed before it.
const SWEEP_EVERY: Duration = Duration::from_millis(40);

impl WaitSet {
    /// An empty set. The process becomes a participant of the bus, if it is not one yet.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use {ringbus::WaitSet, std::time::Duration};
    ///
    /// let mut set = WaitSet::new(&bus)?;
    /// assert!(set.wait(Duration::from_millis(5))?.is_empty()); // nobody to wait for
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WaitError::Registry`] where the process may not take part, or where no bell is left.
    pub fn new(bus: &Bus) -> Result<Self, WaitError> {
        let bell = OwnBell::claim(bus)?;
        Ok(Self {
            members: Vec::new(),
            free: Vec::new(),
            by_token: HashMap::new(),
            pending: Vec::new(),
            ready: Vec::new(),
            was_interrupted: false,
            swept: Instant::now(),
            sweep_every: SWEEP_EVERY,
            needs_barrier: false,
            generation: generation(),
            #[cfg(target_os = "linux")]
            served: None,
            shared: Arc::new(Shared::new(bell)),
            bus: bus.clone(),
        })
    }

    /// Adds a subscriber, to be known by `token`. It is used as before; when it is dropped, it leaves
    /// the set.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use {ringbus::WaitSet, std::time::Duration};
    ///
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// let mut set = WaitSet::new(&bus)?;
    /// set.add(&subscriber, 7)?;
    /// topic.publisher()?.publish(b"buy")?;
    /// assert_eq!(set.wait(Duration::ZERO)?, [7]);
    /// assert_eq!(set.wait(Duration::ZERO)?, [7]); // until it was polled
    /// while subscriber.poll()?.is_some() {}
    /// assert!(set.wait(Duration::ZERO)?.is_empty());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WaitError::TokenTaken`], [`WaitError::Watched`], [`WaitError::OtherBus`],
    /// [`WaitError::Forked`].
    pub fn add<T: Payload + ?Sized>(
        &mut self,
        subscriber: &Subscriber<T>,
        token: u64,
    ) -> Result<(), WaitError> {
        self.add_core(subscriber.core(), token)
    }

    pub(super) fn add_core(
        &mut self,
        subscriber: &SubscriberCore,
        token: u64,
    ) -> Result<(), WaitError> {
        self.check_not_forked()?;
        self.check_token(token)?;
        if !Arc::ptr_eq(&subscriber.bus().inner, &self.bus.inner) {
            return Err(WaitError::OtherBus);
        }
        let source = Arc::new(subscriber.source());
        let index = self.free.last().copied().unwrap_or(self.members.len());
        self.enter(index, &source)?;
        self.needs_barrier |= source.side() == FenceSide::Sleeper;
        self.by_token.insert(token, index);
        let member = Member {
            token,
            is_pending: true,
            source,
        };
        self.pending.push(index);
        match self.free.pop() {
            Some(index) => self.members[index] = Some(member),
            None => self.members.push(Some(member)),
        }
        Ok(())
    }

    /// Takes a member out; `false` where none has the token.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # use ringbus::WaitSet;
    /// let subscriber = bus.topic("orders").open_or_create()?.subscriber().join()?;
    /// let mut set = WaitSet::new(&bus)?;
    /// set.add(&subscriber, 7)?;
    /// assert!(set.remove(7));
    /// assert!(!set.remove(7));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn remove(&mut self, token: u64) -> bool {
        let Some(index) = self.by_token.remove(&token) else {
            return self.remove_fd(token);
        };
        if let Some(member) = self.members[index].take() {
            self.let_go(index, &member);
        }
        self.pending.retain(|pending| *pending != index);
        self.free.push(index);
        true
    }

    /// How many members it has.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// assert_eq!(ringbus::WaitSet::new(&bus)?.len(), 0);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn len(&self) -> usize {
        self.by_token.len() + self.fds()
    }

    /// Whether it has none.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// assert!(ringbus::WaitSet::new(&bus)?.is_empty());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What ends a wait from another thread or from a signal handler.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use {ringbus::WaitSet, std::time::Duration};
    ///
    /// let mut set = WaitSet::new(&bus)?;
    /// let interrupter = set.interrupt_handle();
    /// std::thread::spawn(move || interrupter.interrupt());
    /// assert!(set.wait(Duration::MAX)?.is_empty());
    /// assert!(set.was_interrupted());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn interrupt_handle(&self) -> Interrupter {
        Interrupter::new(&self.shared)
    }

    /// Whether the last wait was ended by an [`Interrupter`].
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # use {ringbus::WaitSet, std::time::Duration};
    /// let mut set = WaitSet::new(&bus)?;
    /// set.wait(Duration::ZERO)?;
    /// assert!(!set.was_interrupted());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn was_interrupted(&self) -> bool {
        self.was_interrupted
    }

    /// The tokens of the members that are ready, once one is; none after `timeout`, or when
    /// [interrupted](Self::interrupt_handle). [`Duration::MAX`] waits for ever.
    ///
    /// # Errors
    ///
    /// [`WaitError::Forked`] in a child of the process that made the set.
    pub fn wait(&mut self, timeout: Duration) -> Result<&[u64], WaitError> {
        self.check_not_forked()?;
        #[cfg(target_os = "linux")]
        if self.served.is_some() {
            return self.wait_by_fd(timeout);
        }
        let deadline = Instant::now().checked_add(timeout);
        let shared = Arc::clone(&self.shared);
        let bell = shared.bell().get().ok_or(WaitError::Forked)?;
        self.ready.clear();
        loop {
            self.was_interrupted = shared.take_interrupt();
            if self.was_interrupted {
                break;
            }
            let now = Instant::now();
            self.hear(&bell, now);
            self.look();
            let left = deadline.map_or(Duration::MAX, |end| end.saturating_duration_since(now));
            if !self.ready.is_empty() || left.is_zero() {
                break;
            }
            self.sleep(&bell, left);
        }
        Ok(&self.ready)
    }

    /// Has publishers ring for a member where somebody listens.
    fn enter(&mut self, index: usize, source: &Arc<Source>) -> Result<(), WaitError> {
        #[cfg(target_os = "linux")]
        if let Some(served) = &mut self.served {
            return served.add(index, source);
        }
        source.enter(self.shared.bell().ticket(index))
    }

    fn let_go(&mut self, index: usize, member: &Member) {
        #[cfg(target_os = "linux")]
        if let Some(served) = &mut self.served {
            return served.remove(index);
        }
        let _ = index;
        if self.generation == generation() {
            member.source.leave();
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn remove_fd(&mut self, _token: u64) -> bool {
        false
    }

    #[cfg(not(target_os = "linux"))]
    fn has_fd(&self, _token: u64) -> bool {
        false
    }

    #[cfg(not(target_os = "linux"))]
    fn fds(&self) -> usize {
        0
    }

    fn check_token(&self, token: u64) -> Result<(), WaitError> {
        match self.by_token.contains_key(&token) || self.has_fd(token) {
            true => Err(WaitError::TokenTaken { token }),
            false => Ok(()),
        }
    }

    fn check_not_forked(&self) -> Result<(), WaitError> {
        match self.generation == generation() {
            true => Ok(()),
            false => Err(WaitError::Forked),
        }
    }
}

impl Drop for WaitSet {
    fn drop(&mut self) {
        for (index, member) in std::mem::take(&mut self.members).iter().enumerate() {
            if let Some(member) = member {
                self.let_go(index, member);
            }
        }
    }
}

impl fmt::Debug for WaitSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitSet")
            .field("members", &self.len())
            .finish_non_exhaustive()
    }
}
