//! The topics of a subscription to many: which they are, and how they come and go.

mod turns;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    marker::PhantomData,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    Bus, Payload, Start, Timestamp, TopicEvent, Watch,
    error::{JoinError, OpenError, PollError, TopicError},
    filter::Filter,
    lease,
    multi_builder::Order,
    multi_error::MultiError,
    multi_sleeper::Sleeper,
    subscriber_core::{Joining, SubscriberCore},
    topic_shared::TopicShared,
    wait_set::{Interrupter, WaitError},
};
use crate::{
    registry::{DirectoryError, Pattern, TopicName},
    ring::{
        cursor::{Delivery, Run},
        sequence::Sequence,
    },
    shared::fnv1a,
};

/// How the topics of a subscription are joined.
pub(super) struct Wishes {
    pub(super) patterns: Vec<Pattern>,
    pub(super) delivery: Delivery,
    pub(super) stall_timeout: Option<Duration>,
    /// For topics that are there when the subscription begins.
    pub(super) start: Start,
    pub(super) spin: Duration,
    pub(super) filter: Filter,
    pub(super) payload_test: Option<SharedTest>,
    pub(super) order: Order,
    /// Which of how many subscriptions this is that share the topics among them.
    pub(super) share: (u64, u64),
}

/// A test of payloads, for as many topics as there are.
pub(super) type SharedTest = Arc<dyn Fn(&[u8]) -> bool + Send + Sync>;

/// One topic of a subscription.
pub(super) struct Member {
    pub(super) name: Arc<TopicName>,
    /// The patterns that it matches, by their numbers.
    pub(super) patterns: Box<[usize]>,
    pub(super) core: SubscriberCore,
    topic: Arc<TopicShared>,
    /// The message that was taken to be handed out next.
    head: Option<Run>,
    /// It is in its turn, by publish time or in the circle.
    is_queued: bool,
    is_removed: bool,
    /// See [`Members::mark`].
    mark: Sequence,
}

/// All topics of a subscription.
pub(super) struct Members<T: ?Sized> {
    bus: Bus,
    watch: Watch,
    /// Once somebody has waited.
    sleeper: Option<Sleeper>,
    wishes: Wishes,
    members: Vec<Option<Box<Member>>>,
    /// Of those that are gone, what they missed.
    lagged_by_gone: u64,
    /// How many were removed and are still read.
    removed: usize,
    looked_at_removed: Instant,
    /// In publish-time order: the members with a head.
    by_time: BinaryHeap<Reverse<(u64, usize)>>,
    /// Before this time nothing was published that was not seen.
    swept_at_ns: u64,
    /// In the circle: those that had messages when they were looked at.
    circle: VecDeque<usize>,
    /// The member to be looked at next.
    swept_to: usize,
    /// The one whose message was handed out last.
    handed_out: Option<usize>,
    untold: VecDeque<MultiError>,
    until_look: u32,
    payload: PhantomData<fn(&T)>,
}

/// Messages that are handed out between two looks at which topics there are.
const MESSAGES_PER_LOOK: u32 = 256;
/// How often to look whether anybody is left who publishes on a topic that was removed.
const REMOVED_LOOK_EVERY: Duration = Duration::from_millis(20);
/// The same while nothing is published.
const LOOK_AT_REMOVED_EVERY: Duration = Duration::from_millis(100);
/// How often to look at all topics where it cannot sleep for them.
const LOOK_WITHOUT_BELL_EVERY: Duration = Duration::from_millis(1);

impl<T: Payload + ?Sized> Members<T> {
    pub(super) fn new(bus: &Bus, wishes: Wishes) -> Result<Self, MultiError> {
        let mut members = Self {
            bus: bus.clone(),
            watch: bus.watch()?,
            sleeper: None,
            members: Vec::new(),
            lagged_by_gone: 0,
            removed: 0,
            looked_at_removed: Instant::now(),
            by_time: BinaryHeap::new(),
            swept_at_ns: 0,
            circle: VecDeque::new(),
            swept_to: 0,
            handed_out: None,
            untold: VecDeque::new(),
            until_look: MESSAGES_PER_LOOK,
            wishes,
            payload: PhantomData,
        };
        while let Some(event) = members.watch.next_pending() {
            members.note(event, true);
        }
        Ok(members)
    }

    /// The member whose message comes next, and the message; `None` if there is none.
    pub(super) fn next(&mut self) -> Result<Option<(usize, Run)>, MultiError> {
        self.until_look = self.until_look.saturating_sub(1);
        if self.until_look == 0 {
            self.look()?;
        }
        match self.next_known()? {
            Some(next) => Ok(Some(next)),
            None if self.look()? => self.next_known(),
            None => Ok(None),
        }
    }

    pub(super) fn member(&mut self, index: usize) -> Option<&mut Member> {
        let member = self.members.get_mut(index)?.as_deref_mut()?;
        member.head = None;
        Some(member)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().flatten().map(|member| &**member)
    }

    /// Sleeps until there may be something, on any topic or on a new one, for `timeout` at most.
    ///
    /// Nothing may be handed out that was not given back.
    pub(super) fn sleep(&mut self, timeout: Duration) -> Result<(), MultiError> {
        let timeout = match self.removed {
            0 => timeout,
            _ => timeout.min(LOOK_AT_REMOVED_EVERY),
        };
        let slept = match self.sleeper() {
            Ok(sleeper) => sleeper.sleep(timeout).map(<[u64]>::to_vec),
            Err(error) => Err(error),
        };
        match slept {
            Ok(ready) => {
                for index in ready {
                    self.put_into_circle(index as usize);
                }
                Ok(())
            }
            Err(WaitError::Forked) => Err(MultiError::Forked),
            // No bell is left, or this process may claim none.
            Err(_) => {
                thread::sleep(timeout.min(LOOK_WITHOUT_BELL_EVERY));
                Ok(())
            }
        }
    }

    /// What ends a sleep, or the next one; `None` where a sleep is short anyway.
    pub(super) fn interrupter(&mut self) -> Option<Interrupter> {
        let sleeper = self.sleeper().ok()?;
        Some(sleeper.interrupter())
    }

    fn sleeper(&mut self) -> Result<&mut Sleeper, WaitError> {
        if self.sleeper.is_none() {
            let mut sleeper = Sleeper::new(&self.bus, &self.watch)?;
            for (index, member) in self.members.iter().enumerate() {
                if let Some(member) = member {
                    sleeper.add(&member.core, index)?;
                }
            }
            self.sleeper = Some(sleeper);
        }
        self.sleeper.as_mut().ok_or(WaitError::Forked)
    }

    pub(super) fn lagged(&self) -> u64 {
        let now = self.iter().map(|member| member.core.lagged());
        now.fold(self.lagged_by_gone, u64::saturating_add)
    }

    /// Remembers how far each topic that exists is now.
    pub(super) fn mark(&mut self) -> Result<(), MultiError> {
        self.look()?;
        for member in self.members.iter_mut().flatten() {
            member.mark = member.position().plus(member.lag());
        }
        Ok(())
    }

    /// Whether all that was published before [`mark`](Self::mark) was handed out or missed.
    pub(super) fn has_reached_mark(&self) -> bool {
        self.iter().all(|member| member.position() >= member.mark)
    }

    fn next_known(&mut self) -> Result<Option<(usize, Run)>, MultiError> {
        if let Some(told) = self.untold.pop_front() {
            return Err(told);
        }
        match self.wishes.order {
            Order::RoundRobin => self.next_in_circle(),
            Order::Time => self.next_by_time(),
        }
    }

    /// What an error of a member means for all.
    fn told(&mut self, index: usize, source: PollError) -> MultiError {
        let topic = match (&self.members[index], source) {
            (Some(member), source) if source != PollError::Forked => Arc::clone(&member.name),
            _ => return MultiError::Forked,
        };
        if matches!(source, PollError::Corrupted { .. }) {
            self.leave(index);
        }
        MultiError::Poll { topic, source }
    }

    /// Looks which topics there are, if that may have changed; whether there are new ones.
    fn look(&mut self) -> Result<bool, MultiError> {
        self.until_look = MESSAGES_PER_LOOK;
        let mut is_news = false;
        let end = loop {
            match self.watch.next_if_changed() {
                Ok(Some(event)) => is_news |= self.note(event, false),
                Ok(None) => break None,
                Err(end @ OpenError::Directory(DirectoryError::Removed { .. })) => break Some(end),
                Err(error) => return Err(error.into()),
            }
        };
        if end.is_some() {
            self.note_end();
        }
        if self.removed > 0 && self.looked_at_removed.elapsed() >= REMOVED_LOOK_EVERY {
            self.looked_at_removed = Instant::now();
            for index in 0..self.members.len() {
                if self.members[index]
                    .as_ref()
                    .is_some_and(|one| one.is_over())
                {
                    self.leave(index);
                }
            }
        }
        match end {
            // No topic comes any more, and the last one is read to its end.
            Some(end) if self.iter().next().is_none() => Err(end.into()),
            _ => Ok(is_news),
        }
    }

    /// Notes that the bus was removed, and all topics with it.
    fn note_end(&mut self) {
        for member in self.members.iter_mut().flatten() {
            self.removed += usize::from(!member.is_removed);
            member.is_removed = true;
        }
    }

    fn note(&mut self, event: TopicEvent, is_first_look: bool) -> bool {
        match event {
            TopicEvent::Appeared(name) => self.join(name, is_first_look),
            TopicEvent::Vanished(name) => {
                let all = self.members.iter_mut().flatten();
                for member in all.filter(|member| !member.is_removed && *member.name == name) {
                    member.is_removed = member.topic.ring.segment().is_unlinked();
                    self.removed += usize::from(member.is_removed);
                }
                false
            }
        }
    }

    /// Joins a topic, if it is wanted; whether there is anything to poll for.
    fn join(&mut self, name: TopicName, is_first_look: bool) -> bool {
        let patterns = self.wishes.patterns.iter().enumerate();
        let matching = patterns.filter(|(_, pattern)| pattern.matches(name.as_str()));
        let patterns: Box<[_]> = matching.map(|(number, _)| number).collect();
        let (share, shares) = self.wishes.share;
        if patterns.is_empty() || fnv1a(name.as_str().as_bytes()) % shares != share {
            return false;
        }
        let opened = self.bus.topic(name.as_str()).typed::<T>().open();
        let topic = match opened {
            Ok(topic) => Arc::clone(topic.shared()),
            Err(TopicError::NotFound { .. }) => return false,
            Err(error) => {
                self.untold.push_back(error.into());
                return true;
            }
        };
        let incarnation = topic.description().incarnation;
        if self
            .iter()
            .any(|one| one.topic.description().incarnation == incarnation)
        {
            return false; // removed and made anew, and met under its new identity before
        }
        let start = match is_first_look {
            true => self.wishes.start,
            // All that was ever published on it: what is no longer there counts as missed.
            false => Start::Sequence(topic.description().geometry.shape.first_sequence),
        };
        let name = Arc::new(name);
        let payload_test = self.wishes.payload_test.clone();
        let payload_test = payload_test.map(|test| Box::new(move |bytes: &[u8]| test(bytes)) as _);
        let joining = Joining {
            delivery: self.wishes.delivery,
            stall_timeout: self.wishes.stall_timeout,
            start,
            spin: self.wishes.spin,
            filter: self.wishes.filter.clone(),
            payload_test,
        };
        match SubscriberCore::join(&topic, joining) {
            Ok(core) => {
                let mark = Sequence(core.cursor());
                let member = Box::new(Member {
                    name,
                    patterns,
                    core,
                    topic,
                    head: None,
                    is_queued: false,
                    is_removed: false,
                    mark,
                });
                self.take_in(member);
            }
            // Removed since it was opened. Its cursors go last: if only they are gone, it is damaged.
            Err(JoinError::Removed { .. }) if topic.ring.segment().is_unlinked() => return false,
            Err(source) => {
                let topic = name;
                self.untold.push_back(MultiError::Join { topic, source });
            }
        }
        true
    }

    fn take_in(&mut self, member: Box<Member>) {
        let free = self.members.iter().position(Option::is_none);
        let index = free.unwrap_or(self.members.len());
        if let Some(sleeper) = &mut self.sleeper
            && sleeper.add(&member.core, index).is_err()
        {
            // It is not to be slept without it.
            self.end_sleeper();
        }
        match free {
            Some(free) => self.members[free] = Some(member),
            None => self.members.push(Some(member)),
        }
    }

    fn leave(&mut self, index: usize) {
        if let Some(member) = self.members[index].take() {
            if let Some(sleeper) = &mut self.sleeper {
                sleeper.remove(index);
            }
            self.lagged_by_gone = self.lagged_by_gone.saturating_add(member.core.lagged());
            self.removed -= usize::from(member.is_removed);
        }
    }
}

impl<T: ?Sized> Members<T> {
    fn end_sleeper(&mut self) {
        if let Some(sleeper) = self.sleeper.take() {
            sleeper.end(&self.watch);
        }
    }
}

impl<T: ?Sized> Drop for Members<T> {
    fn drop(&mut self) {
        self.end_sleeper();
    }
}

impl Member {
    fn take(&mut self) -> Result<Option<Run>, PollError> {
        self.head = self.core.select(1)?;
        Ok(self.head)
    }

    fn time_of(&self, run: Run) -> Option<Timestamp> {
        let place = self.core.place(run.first).ok()?;
        self.core.head(place).time()
    }

    /// The sequence of the next message to be handed out.
    pub(super) fn position(&self) -> Sequence {
        self.head
            .map_or(Sequence(self.core.cursor()), |run| run.first)
    }

    /// Messages published and not handed out.
    pub(super) fn lag(&self) -> u64 {
        let end = Sequence(self.core.cursor()).plus(self.core.lag());
        end.since(self.position())
    }

    /// Whether nothing will ever come any more: it was removed, and nobody is left to publish.
    fn is_over(&self) -> bool {
        let is_silent = || lease::living_publishers(&self.topic.bus, &self.topic.ring.view()) == 0;
        self.is_removed && self.head.is_none() && is_silent() && !self.core.has_more()
    }
}
