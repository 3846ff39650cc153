//! Watching topics appear and vanish.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use super::{Bus, error::OpenError, mapping::RingMap};
use crate::{
    registry::{DirectoryWatch, TopicName},
    segment::Rights,
};

/// A topic that came or went.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use {ringbus::TopicEvent, std::time::Duration};
///
/// let mut watch = bus.watch()?;
/// bus.topic("orders").create()?;
/// match watch.next(Duration::from_secs(10))? {
///     Some(TopicEvent::Appeared(name)) => assert_eq!(name.as_str(), "orders"),
///     Some(TopicEvent::Vanished(name)) => println!("{name} is gone"),
///     None => println!("nothing happened"),
/// }
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicEvent {
    /// The topic exists: it was there when the watch began, or has appeared since.
    Appeared(TopicName),
    /// The topic was removed.
    Vanished(TopicName),
}

/// Reports the topics of a bus: first those that exist, then each that appears or vanishes.
///
/// A topic that is removed and made anew between two looks is reported as both.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use {ringbus::TopicEvent, std::time::Duration};
///
/// let there = bus.topic("orders").create()?;
/// let mut watch = bus.watch()?;
/// let event = watch.next(Duration::ZERO)?;
/// assert_eq!(event, Some(TopicEvent::Appeared(there.name().clone())));
/// bus.remove("orders", ringbus::Remove::IfUnused)?;
/// let event = watch.next(Duration::from_secs(10))?;
/// assert_eq!(event, Some(TopicEvent::Vanished(there.name().clone())));
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct Watch {
    bus: Bus,
    changes: DirectoryWatch,
    /// Known topics: file id to incarnation and name.
    known: BTreeMap<u64, (u64, TopicName)>,
    pending: VecDeque<TopicEvent>,
}

impl Bus {
    /// Starts to watch topics appear and vanish.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use {ringbus::TopicEvent, std::time::Duration};
    ///
    /// let mut watch = bus.watch()?;
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let event = watch.next(Duration::from_secs(10))?;
    /// assert_eq!(event, Some(TopicEvent::Appeared(topic.name().clone())));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`OpenError::Directory`] where the bus's directory cannot be watched.
    pub fn watch(&self) -> Result<Watch, OpenError> {
        let changes = DirectoryWatch::new(&self.directory().topics())?;
        let bus = self.clone();
        let mut watch = Watch {
            bus,
            changes,
            known: BTreeMap::new(),
            pending: VecDeque::new(),
        };
        watch.look()?;
        Ok(watch)
    }
}

impl Watch {
    /// The next event; `None` after `timeout`. Sleeps meanwhile.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use std::time::Duration;
    ///
    /// let mut watch = bus.watch()?;
    /// assert_eq!(watch.next(Duration::from_millis(5))?, None);
    /// bus.topic("orders").create()?;
    /// assert!(watch.next(Duration::from_secs(10))?.is_some());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`OpenError::Directory`] where the bus's directory cannot be read any more.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<TopicEvent>, OpenError> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Ok(Some(event));
            }
            let now = Instant::now();
            let left = deadline.map_or(Duration::MAX, |deadline| deadline.duration_since(now));
            let has_changed = self.changes.wait(left)?;
            self.look()?;
            if !has_changed && left.is_zero() && self.pending.is_empty() {
                return Ok(None);
            }
        }
    }

    /// Compares the topics that exist with those that are known.
    fn look(&mut self) -> Result<(), OpenError> {
        let found = self.found()?;
        for (id, (incarnation, name)) in &self.known {
            if found.get(id).is_none_or(|(other, _)| other != incarnation) {
                self.pending.push_back(TopicEvent::Vanished(name.clone()));
            }
        }
        for (id, (incarnation, name)) in &found {
            if self
                .known
                .get(id)
                .is_none_or(|(other, _)| other != incarnation)
            {
                self.pending.push_back(TopicEvent::Appeared(name.clone()));
            }
        }
        self.known = found;
        Ok(())
    }

    fn found(&self) -> Result<BTreeMap<u64, (u64, TopicName)>, OpenError> {
        let directory = self.bus.directory();
        let describe = |id| {
            let (ring, _) = RingMap::open(&directory.ring(id), Rights::ReadOnly).ok()?;
            let description = ring.description();
            let name = TopicName::new(&description.name).ok()?;
            Some((id, (description.incarnation, name)))
        };
        Ok(directory
            .rings()?
            .into_iter()
            .filter_map(describe)
            .collect())
    }
}
