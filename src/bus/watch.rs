//! Watching topics appear and vanish.

#[cfg(target_os = "linux")]
use std::os::fd::BorrowedFd;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use super::{
    Bus,
    error::OpenError,
    mapping::{MapError, RingMap, if_readable},
};
use crate::{
    registry::{BusDirectory, DirectoryError, DirectoryWatch, TopicName},
    segment::{Rights, SegmentError},
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
    /// Ids of files that are no topic yet, or cannot be read: looked at again each time.
    unread: BTreeSet<u64>,
    pending: VecDeque<TopicEvent>,
    /// The bus was removed.
    is_over: bool,
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
            unread: BTreeSet::new(),
            pending: VecDeque::new(),
            is_over: false,
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
    /// [`OpenError::Directory`]: where the bus was removed, [`Removed`](DirectoryError::Removed), after
    /// all of its topics have vanished; else where its directory cannot be read any more, or this is
    /// a child of the process that watches.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<TopicEvent>, OpenError> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            if !self.pending.is_empty() {
                self.refuse_child()?;
                return Ok(self.pending.pop_front());
            }
            let now = Instant::now();
            let left = deadline.map_or(Duration::MAX, |deadline| deadline.duration_since(now));
            match self.wait_and_look(left) {
                Ok(false) if left.is_zero() && self.pending.is_empty() => return Ok(None),
                Ok(_) => {}
                Err(error) => {
                    // Removed while it was looked into: whatever the look met with, that is why.
                    let Err(removed @ DirectoryError::Removed { .. }) = self.changes.check() else {
                        return Err(error);
                    };
                    self.is_over = true;
                    let known = self.known.keys().copied().collect();
                    self.compare(&known, BTreeMap::new());
                    if self.pending.is_empty() {
                        return Err(removed.into());
                    }
                }
            }
        }
    }

    /// The next event that is known; looks for no others.
    pub(super) fn next_pending(&mut self) -> Option<TopicEvent> {
        self.pending.pop_front()
    }

    /// The next event, looking for others only if something has changed. Never waits. That the bus was
    /// removed comes again.
    pub(super) fn next_if_changed(&mut self) -> Result<Option<TopicEvent>, OpenError> {
        if self.pending.is_empty() && !self.is_over && !self.changes.has_changed()? {
            return Ok(None);
        }
        self.next(Duration::ZERO)
    }

    /// Readable when something has changed; `None` in a forked child.
    #[cfg(target_os = "linux")]
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.changes.fd()
    }

    fn refuse_child(&self) -> Result<(), OpenError> {
        match self.changes.check() {
            Err(DirectoryError::Removed { .. }) => Ok(()),
            checked => Ok(checked?),
        }
    }

    /// Waits until something may have changed, and looks; `false` where nothing has.
    fn wait_and_look(&mut self, timeout: Duration) -> Result<bool, OpenError> {
        let has_changed = self.changes.wait(timeout)?;
        self.look()?;
        Ok(has_changed)
    }

    /// Compares the topics that exist with those that are known, where they may differ.
    fn look(&mut self) -> Result<(), OpenError> {
        let suspects = self.suspects()?;
        let (mut found, mut unread) = (BTreeMap::new(), BTreeSet::new());
        for &id in &suspects {
            let ring = self.bus.directory().ring(id);
            let opened = RingMap::open(&ring, Rights::ReadOnly);
            let is_there = !is_missing(&opened);
            if let Some((ring, _)) = if_readable(opened)?
                && let Ok(name) = TopicName::new(&ring.description().name)
            {
                found.insert(id, (ring.description().incarnation, name));
            } else if is_there {
                unread.insert(id);
            }
        }
        // What was found by name is this bus's only if it has not been removed meanwhile, and made anew.
        self.changes.check()?;
        self.changes.forget();
        self.unread = unread;
        self.compare(&suspects, found);
        Ok(())
    }

    /// The topics that may have appeared, vanished or been made anew, and those that could not be read
    /// the last time.
    fn suspects(&self) -> Result<BTreeSet<u64>, OpenError> {
        let changed = self.changes.changed();
        if changed.is_any {
            let known = self.known.keys().copied();
            return Ok(known.chain(self.bus.directory().rings()?).collect());
        }
        let changed = changed.names.iter();
        let changed = changed.filter_map(|name| BusDirectory::id_of_ring(name));
        Ok(changed.chain(self.unread.iter().copied()).collect())
    }

    /// Notes how what was found of `ids` differs from what is known of them.
    fn compare(&mut self, ids: &BTreeSet<u64>, mut found: BTreeMap<u64, (u64, TopicName)>) {
        let mut appeared = Vec::new();
        for id in ids {
            let incarnation = |topic: Option<&(u64, _)>| topic.map(|(incarnation, _)| *incarnation);
            if incarnation(self.known.get(id)) == incarnation(found.get(id)) {
                continue;
            }
            if let Some((_, name)) = self.known.remove(id) {
                self.pending.push_back(TopicEvent::Vanished(name));
            }
            if let Some(topic) = found.remove(id) {
                appeared.push(TopicEvent::Appeared(topic.1.clone()));
                self.known.insert(*id, topic);
            }
        }
        self.pending.extend(appeared);
    }
}

/// Whether nothing is there to be opened.
fn is_missing<T>(opened: &Result<T, MapError>) -> bool {
    matches!(
        opened,
        Err(MapError::Segment(SegmentError::NotFound { .. }))
    )
}
