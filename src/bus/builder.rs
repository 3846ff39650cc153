//! Creating and opening topics.

mod form;
mod options;
mod placement;

use std::{marker::PhantomData, sync::Arc};

use super::{
    Bus, Payload, Topic,
    error::{TopicError, TypeDescription},
    find::{Found, FoundRing, find},
    mapping::fill_ring,
    topic_shared::TopicShared,
};
use crate::{
    registry::{AccessOptions, TopicName},
    ring::layout::{PublisherMode, TimeSource},
    segment::{Draft, Placement, PublishDraftError, remove},
};

/// What a topic is to be like; made by [`Bus::topic`].
///
/// All options concern creation. When an existing topic is opened, those that were set must agree
/// with it, and the others are whatever its creator chose. Values out of range are refused by
/// [`create`](Self::create) and [`open_or_create`](Self::open_or_create), not before.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// let topic = bus
///     .topic("quotes")
///     .shared() // many publishers
///     .capacity(1024) // messages
///     .payload_max(256) // bytes
///     .open_or_create()?;
/// assert_eq!(topic.info().capacity_slots, 1024);
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until `open`, `create` or `open_or_create`"]
pub struct TopicBuilder<T: ?Sized> {
    bus: Bus,
    name: String,
    options: Options,
    payload: PhantomData<fn(&T)>,
}

#[derive(Clone, Default)]
struct Options {
    mode: Option<PublisherMode>,
    capacity: Option<usize>,
    payload_max: Option<usize>,
    payload_fixed: Option<usize>,
    alignment: Option<usize>,
    max_publishers: Option<usize>,
    max_subscribers: Option<usize>,
    loans: Option<usize>,
    pins: Option<usize>,
    tags: Option<bool>,
    time: Option<TimeSource>,
    attributes_max: Option<usize>,
    encoding: Option<String>,
    schema: Option<Vec<u8>>,
    access: AccessOptions,
    first_sequence: Option<u64>,
    type_name: Option<String>,
    payload_type: Option<TypeDescription>,
    wake_fence: bool,
    huge_pages: bool,
    placement: Placement,
}

/// How often creating gives way to others who create and remove the same topic.
const RACES_MAX: u32 = 1000;

impl TopicBuilder<[u8]> {
    pub(super) fn new(bus: Bus, name: &str) -> Self {
        Self {
            bus,
            name: name.to_owned(),
            options: Options::default(),
            payload: PhantomData,
        }
    }
}

/// Opening and creating.
impl<T: Payload + ?Sized> TopicBuilder<T> {
    /// Opens the topic, which exists.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::TopicError;
    ///
    /// assert!(matches!(bus.topic("orders").open(), Err(TopicError::NotFound { .. })));
    /// bus.topic("orders").create()?;
    /// assert_eq!(bus.topic("orders").open()?.name().as_str(), "orders");
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`TopicError::NotFound`]: wait for it with a [`Watch`](crate::Watch), or create it.
    /// [`TopicError::Mismatch`] and [`TopicError::Type`] where the topic is not as asked for.
    /// Others where its files cannot be used: [`TopicError::Header`] for one of another release, or
    /// damaged.
    pub fn open(self) -> Result<Topic<T>, TopicError> {
        let name = TopicName::new(&self.name)?;
        match find(&self.bus, &name)? {
            Found::Ring(found) => self.check_and_wrap(name, found),
            Found::Nothing { .. } => Err(TopicError::NotFound { topic: self.name }),
        }
    }

    /// Creates the topic, which does not exist. Nobody sees it before it is whole: a creator that
    /// dies leaves no topic.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::TopicError;
    ///
    /// let topic = bus.topic("orders").create()?;
    /// assert!(topic.subscriber().join().is_ok());
    /// assert!(matches!(bus.topic("orders").create(), Err(TopicError::Exists { .. })));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`TopicError::Exists`]; [`TopicError::Shape`] for impossible options,
    /// [`TopicError::TooLong`] for texts, [`TopicError::NoTsc`]; a
    /// [`SegmentError::NoSpace`](crate::SegmentError) that names the bytes needed and available
    /// where the file system is too full. Nothing was made then.
    pub fn create(self) -> Result<Topic<T>, TopicError> {
        let name = TopicName::new(&self.name)?;
        for _ in 0..RACES_MAX {
            let made = match find(&self.bus, &name)? {
                Found::Nothing { free_id } => self.create_at(&name, free_id)?,
                Found::Ring(_) => None,
            };
            let Some(incarnation) = made else {
                return Err(TopicError::Exists { topic: self.name });
            };
            match find(&self.bus, &name)? {
                Found::Ring(found) if found.ring.description().incarnation == incarnation => {
                    return self.wrap_made(name, found);
                }
                // Removed as soon as it was there, and perhaps made again by somebody else.
                _ => {}
            }
        }
        Err(TopicError::NotFound { topic: self.name })
    }

    /// Opens the topic, or creates it if it does not exist. Of several processes that do so at the
    /// same time one creates it, and all open the same.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let here = bus.topic("orders").capacity(64).open_or_create()?;
    /// let there = bus.topic("orders").open_or_create()?; // takes it as it is
    /// assert_eq!(there.info().capacity_slots, 64);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open) and [`create`](Self::create), except that it is no error
    /// whether the topic exists.
    pub fn open_or_create(self) -> Result<Topic<T>, TopicError> {
        self.open_or_make().map(|(topic, _)| topic)
    }

    /// The same, and whether this call has created it.
    pub(super) fn open_or_make(self) -> Result<(Topic<T>, bool), TopicError> {
        let name = TopicName::new(&self.name)?;
        let mut made = None;
        for _ in 0..RACES_MAX {
            match find(&self.bus, &name)? {
                Found::Ring(found) if made == Some(found.ring.description().incarnation) => {
                    return Ok((self.wrap_made(name, found)?, true));
                }
                Found::Ring(found) => return Ok((self.check_and_wrap(name, found)?, false)),
                Found::Nothing { free_id } => made = self.create_at(&name, free_id)?,
            }
        }
        Err(TopicError::NotFound { topic: self.name })
    }

    /// Wraps a topic that this call has created; where that fails, it is removed again.
    fn wrap_made(self, name: TopicName, made: FoundRing) -> Result<Topic<T>, TopicError> {
        let bus = self.bus.clone();
        let incarnation = made.ring.description().incarnation;
        let wrapped = self.check_and_wrap(name.clone(), made);
        wrapped.inspect_err(|_| bus.unmake(&name, incarnation))
    }

    /// Makes the topic, and returns its incarnation; `None` if somebody else was first.
    fn create_at(&self, name: &TopicName, id: u64) -> Result<Option<u64>, TopicError> {
        let description = self.describe(name)?;
        // Options that contradict each other, before anything is there.
        self.check(&description, self.options.schema.as_deref().unwrap_or(&[]))?;
        let geometry = description.geometry;
        let directory = self.bus.directory();
        let access = self.options.access.resolve(self.bus.topics_access())?;
        if !access.is_within(self.bus.access()) {
            return Err(TopicError::Closed {
                topic: self.name.clone(),
                asked: access,
                bus: self.bus.access(),
            });
        }

        let topics = directory.topics();
        let draft = Draft::new(
            &topics,
            geometry.cursors_bytes,
            std::slice::from_ref(&(0..geometry.cursors_bytes)),
            access.cursors(),
        )?;
        draft.write_at(0, &description.to_cursors_page())?;
        let cursors_path = directory.cursors(id, description.incarnation);

        let schema = self.options.schema.as_deref().unwrap_or(&[]);
        let reserved = 0..geometry.reserved_at_creation();
        let reserved = std::slice::from_ref(&reserved);
        let ring = Draft::new(&topics, geometry.ring_bytes, reserved, access.ring())?;
        fill_ring(&ring, &description, schema)?;

        // They count as being made until the ring is there, and needs them.
        let _cursors = match draft.publish(&cursors_path) {
            Ok(segment) => segment,
            Err(PublishDraftError::Exists { .. }) => return Ok(None),
            Err(PublishDraftError::Segment(error)) => return Err(error.into()),
        };
        match ring.publish(&directory.ring(id)) {
            Ok(_) => Ok(Some(description.incarnation)),
            Err(error) => {
                let _ = remove(&cursors_path);
                match error {
                    PublishDraftError::Exists { .. } => Ok(None),
                    PublishDraftError::Segment(error) => Err(error.into()),
                }
            }
        }
    }

    fn check_and_wrap(self, name: TopicName, found: FoundRing) -> Result<Topic<T>, TopicError> {
        let description = Arc::clone(found.ring.description());
        self.check(&description, &found.schema)?;
        let cursors_path = self
            .bus
            .directory()
            .cursors(found.id, description.incarnation);
        let FoundRing {
            ring, schema, path, ..
        } = found;
        let (asked, placement) = (self.options.access, self.options.placement);
        let bus = self.bus.clone();
        let topic = TopicShared::new(bus, name, ring, schema, path, cursors_path);
        let topic = topic.placed(placement)?;
        if asked.is_any()
            && let Some(found) = topic.access()
            && !asked.agree(found)?
        {
            return Err(TopicError::Mismatch {
                topic: self.name,
                what: "access",
                asked: asked.resolve(found)?.to_string(),
                found: found.to_string(),
            });
        }
        Ok(Topic::new(topic))
    }
}
