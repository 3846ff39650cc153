//! Listing, removing and cleaning up.

use std::sync::Arc;

use super::{
    Bus, TopicInfo,
    error::{OpenError, TopicError},
    find::{Found, FoundRing, find},
    info, lease,
    mapping::{MapError, RingMap, if_readable},
    topic_shared::TopicShared,
};
use crate::{
    registry::{Leftover, Purpose, Registry, TopicName},
    segment::{Rights, SegmentError, remove, remove_abandoned},
    sync::Ordering,
};

/// Whether a topic in use may be removed.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use ringbus::{Remove, TopicError};
///
/// let publisher = bus.topic("orders").open_or_create()?.publisher()?;
/// let refused = bus.remove("orders", Remove::IfUnused);
/// assert!(matches!(refused, Err(TopicError::InUse { publishers: 1, .. })));
/// bus.remove("orders", Remove::Force)?;
/// assert!(bus.topics()?.is_empty());
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Remove {
    /// Not while a publisher or subscriber lives.
    #[default]
    IfUnused,
    /// In any case. Those who have it open go on among themselves; whoever opens the name next
    /// finds nothing, or a new topic.
    Force,
}

/// What [`Bus::gc`] took back: nothing, where no process died or others have met the dead.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use ringbus::Collected;
///
/// let topic = bus.topic("orders").open_or_create()?;
/// let subscriber = topic.subscriber().join()?;
/// assert_eq!(bus.gc()?, Collected::default()); // the living keep what they have
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Leases of dead processes.
    pub participants: usize,
    /// Places of dead subscribers.
    pub subscribers: usize,
    /// Places of dead publishers.
    pub publishers: usize,
    /// Files that belonged to no topic.
    pub files: usize,
}

impl Bus {
    /// What exists on the bus, by name. Files that are no topics, or that this process may not
    /// read, are left out.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// bus.topic("robot/7/pose").create()?;
    /// bus.topic("robot/8/pose").create()?;
    /// let names: Vec<_> = bus.topics()?.iter().map(|topic| topic.name.to_string()).collect();
    /// assert_eq!(names, ["robot/7/pose", "robot/8/pose"]);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`OpenError::Directory`] where the bus's directory cannot be read, or where this process has
    /// too few open files or too little address space to look at one more topic.
    pub fn topics(&self) -> Result<Vec<TopicInfo>, OpenError> {
        let describe = |topic: Result<Arc<TopicShared>, _>| Ok(info::describe(&*topic?));
        let mut topics = self
            .rings()?
            .map(describe)
            .collect::<Result<Vec<_>, OpenError>>()?;
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    /// Removes a topic and its messages. Its memory is freed when the last process that has it open
    /// lets it go.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::Remove;
    ///
    /// let topic = bus.topic("orders").create()?;
    /// bus.remove("orders", Remove::IfUnused)?;
    /// assert!(topic.is_removed());
    /// assert!(bus.topic("orders").open().is_err());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`TopicError::NotFound`] where there is no such topic, [`TopicError::InUse`] with
    /// [`Remove::IfUnused`] while a publisher or subscriber lives (the dead and observers do not
    /// count), [`TopicError::Name`] for a name that no topic has, [`TopicError::Header`] for a
    /// damaged topic, which [`Remove::Force`] removes. The topic is then as it was.
    pub fn remove(&self, topic: &str, how: Remove) -> Result<(), TopicError> {
        let name = TopicName::new(topic)?;
        let found = match find(self, &name) {
            Ok(Found::Ring(found)) => self.share(found, name),
            Ok(Found::Nothing { .. }) => {
                return Err(TopicError::NotFound {
                    topic: topic.to_owned(),
                });
            }
            // A damaged ring can still be removed, but nobody can say who uses it.
            Err(
                TopicError::Header { path, .. }
                | TopicError::OtherBus { path }
                | TopicError::Segment(SegmentError::Foreign { path }),
            ) if how == Remove::Force => {
                return Ok(remove(&path)?);
            }
            Err(error) => return Err(error),
        };
        self.remove_found(&found, how)
    }

    /// Removes a topic that this process has just made, unless somebody has joined it since: whatever it
    /// was made for has failed, which is what is told.
    pub(super) fn unmake(&self, name: &TopicName, incarnation: u64) {
        if let Ok(Found::Ring(found)) = find(self, name)
            && found.ring.description().incarnation == incarnation
        {
            let _ = self.remove_found(&self.share(found, name.clone()), Remove::IfUnused);
        }
    }

    fn remove_found(&self, found: &TopicShared, how: Remove) -> Result<(), TopicError> {
        if how == Remove::IfUnused {
            let publishers = lease::living_publishers(self, &found.ring.view());
            let cursors = found.cursors_to_read();
            let subscribers = cursors.map_or(0, |cursors| {
                lease::living_subscribers(self, &cursors.cells())
            });
            if publishers + subscribers > 0 {
                return Err(TopicError::InUse {
                    topic: found.name.to_string(),
                    publishers,
                    subscribers,
                });
            }
        }
        // The ring first: without it there is no topic, whatever else is left.
        remove(&found.ring_path)?;
        Ok(remove(&found.cursors_path)?)
    }

    /// Takes back what dead processes left: leases, places in topics, half-made files.
    ///
    /// Never needed for anybody's progress: whoever meets the dead reaps them. It frees what nobody
    /// has met yet. This process takes part in the bus to do so. Topics are not removed, even if
    /// nobody uses them.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// bus.topic("orders").create()?;
    /// let collected = bus.gc()?;
    /// println!("{} dead processes", collected.participants);
    /// assert_eq!(collected.participants, 0);
    /// assert_eq!(bus.topics()?.len(), 1);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`OpenError::Registry`] where the bus cannot be joined, [`OpenError::Directory`] where its
    /// directory cannot be read. What was taken back until then stays so; try again.
    pub fn gc(&self) -> Result<Collected, OpenError> {
        self.join()?;
        let mut collected = Collected::default();
        for topic in self.rings()? {
            let topic = topic?;
            collected.subscribers += self.collect_subscribers(&topic);
            collected.publishers += self.collect_publishers(&topic);
        }
        collected.participants = self.inner.registry.collect();
        collected.files = self.collect_files()?;
        Ok(collected)
    }

    fn collect_subscribers(&self, topic: &TopicShared) -> usize {
        let Ok(cursors) = topic.cursors() else {
            return 0;
        };
        let cells = cursors.cells();
        let used = cells.cells_used().load(Ordering::Acquire);
        cells
            .used(used)
            .filter(|(_, cell)| lease::reap_cell_if_dead(self, cell))
            .count()
    }

    fn collect_publishers(&self, topic: &TopicShared) -> usize {
        let Ok(map) = topic.ring_to_write() else {
            return 0;
        };
        let ring = map.view();
        let max = u64::from(ring.geometry().shape.max_publishers);
        let used = ring.publishers_used().load(Ordering::Acquire).min(max) as u32;
        let is_reaped = |index| lease::reap_record_if_dead(self, &ring.record(index).owner);
        (0..used).filter(|index| is_reaped(*index)).count()
    }

    /// Removes files that nothing needs, unless somebody is just making them.
    fn collect_files(&self) -> Result<usize, OpenError> {
        let leftovers = self.directory().leftovers()?;
        let is_removed =
            |left: &&Leftover| remove_abandoned(&left.path, || self.is_needed(left.purpose));
        Ok(leftovers.iter().filter(is_removed).count())
    }

    /// Whether something that is there needs this file, or may: what cannot be read still might.
    fn is_needed(&self, purpose: Purpose) -> bool {
        let (id, incarnation) = match purpose {
            Purpose::Draft => return false,
            Purpose::Leases { bus_id } => {
                let found = Registry::find_bus_id(self.path());
                return found.is_none_or(|found| found == Some(bus_id));
            }
            Purpose::Cursors { id, incarnation } => (id, incarnation),
        };
        match RingMap::open(&self.directory().ring(id), Rights::ReadOnly) {
            Ok((ring, _)) => ring.description().incarnation == incarnation,
            Err(MapError::Segment(SegmentError::NotFound { .. })) => false,
            Err(_) => true,
        }
    }

    /// All topics that can be opened, one after the other: each takes descriptors and maps only while
    /// it is looked at.
    fn rings(
        &self,
    ) -> Result<impl Iterator<Item = Result<Arc<TopicShared>, OpenError>>, OpenError> {
        let ids = self.directory().rings()?;
        Ok(ids.into_iter().filter_map(|id| self.ring(id).transpose()))
    }

    /// The topic with this id, if it can be opened.
    fn ring(&self, id: u64) -> Result<Option<Arc<TopicShared>>, OpenError> {
        let path = self.directory().ring(id);
        let Some((ring, schema)) = if_readable(RingMap::open(&path, Rights::ReadOnly))? else {
            return Ok(None);
        };
        let Ok(name) = TopicName::new(&ring.description().name) else {
            return Ok(None);
        };
        if ring.description().bus_id != self.id() {
            return Ok(None);
        }
        Ok(Some(self.share(
            FoundRing {
                id,
                path,
                ring,
                schema,
            },
            name,
        )))
    }

    fn share(&self, found: FoundRing, name: TopicName) -> Arc<TopicShared> {
        let FoundRing {
            id,
            path,
            ring,
            schema,
        } = found;
        let cursors_path = self.directory().cursors(id, ring.description().incarnation);
        Arc::new(TopicShared::new(
            self.clone(),
            name,
            ring,
            schema,
            path,
            cursors_path,
        ))
    }
}
