//! Which messages of a topic a subscriber wants.

use std::{num::NonZeroU64, time::Duration};

#[cfg(feature = "policy")]
use super::{AttributesView, Policy};
use super::{clock::Timestamp, error::PollError, subscriber_core::SubscriberCore, tag_set::TagSet};
use crate::ring::{cursor::Run, layout::Shape, place::Place, sequence::Sequence, view::RingView};

/// Which messages a subscriber wants, by what stands beside their payloads: set by
/// [`SubscriberBuilder::filter`](super::SubscriberBuilder::filter).
///
/// Every test that is set must hold. The tests look at a message's header line only, the payload
/// stays untouched. Messages that fail one are skipped and
/// [counted](super::Subscriber::skipped); they hold up nobody, as if they had been read.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use ringbus::{Filter, Meta, Patience};
///
/// let topic = bus.topic("quotes").open_or_create()?;
/// let mut subscriber = topic.subscriber().filter(Filter::new().tags([7, 9])).join()?;
/// let publisher = topic.publisher()?;
/// for (tag, payload) in [(7, b"wanted"), (8, b"not so"), (9, b"wanted")] {
///     publisher.publish_with(Meta::new().tag(tag), payload, Patience::Forever)?;
/// }
/// let tags: Vec<_> = subscriber.poll_batch(64)?.iter().map(|quote| quote.tag()).collect();
/// assert_eq!(tags, [7, 9]);
/// assert_eq!(subscriber.skipped(), 1);
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    tags: Option<Box<[u64]>>,
    tag_mask: Option<(u64, u64)>,
    flags_mask: Option<(u16, u16)>,
    publisher: Option<u16>,
    #[cfg(feature = "policy")]
    policy: Option<Policy>,
    every: Option<NonZeroU64>,
    interval: Option<Duration>,
}

impl Filter {
    /// Wants every message.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("quotes").open_or_create()?;
    /// let mut subscriber = topic.subscriber().filter(ringbus::Filter::new()).join()?;
    /// topic.publisher()?.publish(b"quote")?;
    /// assert!(subscriber.poll()?.is_some());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Wants messages with this tag. The same as [`tags`](Self::tags) with one.
    ///
    /// ```
    /// # use ringbus::Filter;
    /// assert_eq!(Filter::new().tag(7), Filter::new().tags([7]));
    /// ```
    pub fn tag(self, tag: u64) -> Self {
        self.tags([tag])
    }

    /// Wants messages with one of these tags; with none of them, if there are none.
    ///
    /// ```
    /// # use ringbus::Filter;
    /// assert_eq!(Filter::new().tags([9, 7, 9]), Filter::new().tags([7, 9]));
    /// ```
    pub fn tags(mut self, tags: impl IntoIterator<Item = u64>) -> Self {
        let mut tags: Vec<_> = tags.into_iter().collect();
        tags.sort_unstable();
        tags.dedup();
        self.tags = Some(tags.into());
        self
    }

    /// Wants messages whose tag has the bits of `value` where `mask` has ones: `tag & mask ==
    /// value & mask`.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::{Filter, Meta, Patience};
    ///
    /// const VENUE: u64 = 0xff00; // this application's tags: venue and instrument
    /// let topic = bus.topic("quotes").open_or_create()?;
    /// let filter = Filter::new().tag_mask(VENUE, 0x0300);
    /// let mut subscriber = topic.subscriber().filter(filter).join()?;
    /// let publisher = topic.publisher()?;
    /// publisher.publish_with(Meta::new().tag(0x0211), b"other venue", Patience::Forever)?;
    /// publisher.publish_with(Meta::new().tag(0x0311), b"this venue", Patience::Forever)?;
    /// assert_eq!(subscriber.poll()?.expect("a quote").tag(), 0x0311);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn tag_mask(mut self, mask: u64, value: u64) -> Self {
        self.tag_mask = Some((mask, value & mask));
        self
    }

    /// Wants messages whose flags have the bits of `value` where `mask` has ones.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::{Filter, Meta, Patience};
    ///
    /// const URGENT: u16 = 1;
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let filter = Filter::new().flags_mask(URGENT, URGENT);
    /// let mut subscriber = topic.subscriber().filter(filter).join()?;
    /// let publisher = topic.publisher()?;
    /// publisher.publish(b"has time")?;
    /// publisher.publish_with(Meta::new().flags(URGENT), b"urgent", Patience::Forever)?;
    /// assert_eq!(subscriber.poll()?.expect("an order").payload(), b"urgent");
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn flags_mask(mut self, mask: u16, value: u16) -> Self {
        self.flags_mask = Some((mask, value & mask));
        self
    }

    /// Wants messages of the publisher with this [number](super::Publisher::id).
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::Filter;
    ///
    /// let topic = bus.topic("events").shared().open_or_create()?;
    /// let (one, other) = (topic.publisher()?, topic.publisher()?);
    /// let filter = Filter::new().publisher(other.id());
    /// let mut subscriber = topic.subscriber().filter(filter).join()?;
    /// one.publish(b"of one")?;
    /// other.publish(b"of the other")?;
    /// assert_eq!(subscriber.poll()?.expect("an event").payload(), b"of the other");
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn publisher(mut self, id: u16) -> Self {
        self.publisher = Some(id);
        self
    }

    /// Wants messages whose attributes pass this policy.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::{Attributes, Filter, Meta, Patience, Policy};
    ///
    /// let topic = bus.topic("orders").attributes_max(64).open_or_create()?;
    /// let filter = Filter::new().attributes(Policy::new(r#"{"urgent": [true]}"#)?);
    /// let mut subscriber = topic.subscriber().filter(filter).join()?;
    /// let publisher = topic.publisher()?;
    /// publisher.publish(b"has time")?;
    /// let urgent = Attributes::new().with("urgent", true)?;
    /// publisher.publish_with(Meta::new().attributes(&urgent), b"urgent", Patience::Forever)?;
    /// assert_eq!(subscriber.poll()?.expect("an order").payload(), b"urgent");
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    #[cfg(feature = "policy")]
    pub fn attributes(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Of the messages that pass all other tests, wants the first of every `n`; 0 is taken as 1.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::Filter;
    ///
    /// let topic = bus.topic("quotes").open_or_create()?;
    /// let mut subscriber = topic.subscriber().filter(Filter::new().every(3)).join()?;
    /// topic.publisher()?.publish_batch([&b"0"[..]; 7])?;
    /// let sampled: Vec<_> = subscriber.poll_batch(64)?.iter().map(|m| m.sequence()).collect();
    /// assert_eq!(sampled, [0, 3, 6]);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn every(mut self, n: u64) -> Self {
        self.every = NonZeroU64::new(n);
        self
    }

    /// Of the messages that pass all other tests, wants none within `interval` of the last one it
    /// got: by publish time where the topic keeps it, else by when they are read.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use {ringbus::Filter, std::time::Duration};
    ///
    /// let topic = bus.topic("pose").open_or_create()?;
    /// let filter = Filter::new().at_most_every(Duration::from_secs(1));
    /// let mut subscriber = topic.subscriber().filter(filter).join()?;
    /// topic.publisher()?.publish_batch([&b"here"[..], b"there"])?;
    /// assert_eq!(subscriber.poll_batch(64)?.len(), 1);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn at_most_every(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// What it tests that topics of this shape do not keep.
    pub(super) fn not_kept(&self, shape: &Shape) -> Option<&'static str> {
        let by_tag = self.tags.is_some() || self.tag_mask.is_some();
        let by_meta = self.flags_mask.is_some() || self.publisher.is_some();
        match () {
            () if by_tag && !shape.tags => Some("tags"),
            () if by_meta && shape.is_lean() => Some("flags and publishers"),
            () if self.tests_attributes() && !shape.keeps_attributes() => Some("attributes"),
            () => None,
        }
    }

    #[cfg(feature = "policy")]
    fn tests_attributes(&self) -> bool {
        self.policy.is_some()
    }

    #[cfg(not(feature = "policy"))]
    fn tests_attributes(&self) -> bool {
        false
    }

    /// Whether no message without attributes passes.
    #[cfg(feature = "policy")]
    fn needs_attributes(&self) -> bool {
        let passes_without = |policy: &Policy| policy.matches(AttributesView::new(&[]));
        !self.policy.as_ref().is_none_or(passes_without)
    }

    #[cfg(not(feature = "policy"))]
    fn needs_attributes(&self) -> bool {
        false
    }

    /// What it says of headers, to be asked for each message.
    fn header_test(&self) -> HeaderTest {
        if self.publisher.is_some() || self.flags_mask.is_some() {
            return HeaderTest::Several(SeveralTests::of(self).into());
        }
        match (self.tags.as_deref(), self.tag_mask) {
            (None, None) if self.needs_attributes() => HeaderTest::HasAttributes,
            (None, None) => HeaderTest::Any,
            (None, Some((mask, value))) => HeaderTest::Tag { mask, value },
            (Some([tag]), None) => HeaderTest::Tag {
                mask: u64::MAX,
                value: *tag,
            },
            (Some(tags), None) => HeaderTest::Tags(TagSet::new(tags)),
            (Some(_), Some(_)) => HeaderTest::Several(SeveralTests::of(self).into()),
        }
    }
}

/// What is asked of each header, by kind: the kind is looked at once for many messages.
enum HeaderTest {
    Any,
    HasAttributes,
    Tag { mask: u64, value: u64 },
    Tags(TagSet),
    Several(Box<SeveralTests>),
}

struct SeveralTests {
    tags: Option<TagSet>,
    tag_mask: Option<(u64, u64)>,
    flags_mask: Option<(u16, u16)>,
    publisher: Option<u16>,
}

impl HeaderTest {
    /// Takes the next messages, and puts those that pass into `wanted`: see
    /// [`Cursor::sift`](crate::ring::cursor::Cursor::sift).
    fn sift(
        &self,
        core: &mut SubscriberCore,
        max: u32,
        wanted: &mut Vec<Sequence>,
    ) -> Result<Option<Run>, PollError> {
        match self {
            Self::Any => core.sift(max, wanted, |_, _| true),
            Self::HasAttributes => core.sift(max, wanted, has_attributes),
            Self::Tag { mask, value } => {
                let (mask, value) = (*mask, *value);
                core.sift(max, wanted, |ring, at| ring.tag(at) & mask == value)
            }
            Self::Tags(TagSet::Few(tags)) => {
                core.sift(max, wanted, |ring, at| tags.has(ring.tag(at)))
            }
            Self::Tags(TagSet::Near(tags)) => {
                core.sift(max, wanted, |ring, at| tags.has(ring.tag(at)))
            }
            Self::Tags(TagSet::Many(tags)) => {
                core.sift(max, wanted, |ring, at| tags.has(ring.tag(at)))
            }
            Self::Several(tests) => core.sift(max, wanted, |ring, at| tests.hold(ring, at)),
        }
    }

    fn holds(&self, ring: &RingView, place: Place) -> bool {
        match self {
            Self::Any => true,
            Self::HasAttributes => has_attributes(ring, place),
            Self::Tag { mask, value } => ring.tag(place) & mask == *value,
            Self::Tags(tags) => tags.has(ring.tag(place)),
            Self::Several(tests) => tests.hold(ring, place),
        }
    }
}

#[inline(always)]
fn has_attributes(ring: &RingView, place: Place) -> bool {
    ring.attributes_len(place) > 0
}

impl SeveralTests {
    fn of(filter: &Filter) -> Self {
        Self {
            tags: filter.tags.as_deref().map(TagSet::new),
            tag_mask: filter.tag_mask,
            flags_mask: filter.flags_mask,
            publisher: filter.publisher,
        }
    }

    fn hold(&self, ring: &RingView, place: Place) -> bool {
        let header = ring.read_header(place);
        let (tag, flags) = (header.tag, header.flags);
        self.tag_mask
            .is_none_or(|(mask, value)| tag & mask == value)
            && self
                .flags_mask
                .is_none_or(|(mask, value)| flags & mask == value)
            && self.publisher.is_none_or(|id| header.publisher == id)
            && self.tags.as_ref().is_none_or(|tags| tags.has(tag))
    }
}

/// A test of the payload.
pub(super) type PayloadTest = Box<dyn FnMut(&[u8]) -> bool + Send>;

/// A filter at work: what it remembers from one message to the next.
pub(super) struct Selector {
    header: HeaderTest,
    #[cfg(feature = "policy")]
    policy: Option<Policy>,
    payload: Option<PayloadTest>,
    every: Option<NonZeroU64>,
    interval: Option<Duration>,
    /// Messages that passed all tests but those of sampling.
    passed: u64,
    last: Option<Timestamp>,
}

impl Selector {
    /// A selector, if there is anything to select by.
    pub(super) fn new(filter: Filter, payload: Option<PayloadTest>) -> Option<Self> {
        let is_needed = filter != Filter::default() || payload.is_some();
        is_needed.then(|| Self {
            header: filter.header_test(),
            #[cfg(feature = "policy")]
            policy: filter.policy,
            payload,
            every: filter.every,
            interval: filter.interval,
            passed: 0,
            last: None,
        })
    }

    /// Takes up to `max` of the next messages, and puts those into `wanted` that
    /// [`wants_rest`](Self::wants_rest) is still to be asked about.
    pub(super) fn sift(
        &self,
        core: &mut SubscriberCore,
        max: u32,
        wanted: &mut Vec<Sequence>,
    ) -> Result<Option<Run>, PollError> {
        self.header.sift(core, max, wanted)
    }

    /// Whether the header of the message at `place` passes.
    pub(super) fn wants_header(&self, core: &SubscriberCore, place: Place) -> bool {
        self.header.holds(core.ring(), place)
    }

    /// Whether there is more to ask than the header tells.
    pub(super) fn has_rest(&self) -> bool {
        let samples = self.every.is_some() || self.interval.is_some();
        samples || self.payload.is_some() || self.tests_attributes()
    }

    /// Whether the message at `place`, whose header passes, is wanted.
    ///
    /// # Safety
    ///
    /// Its run is not released meanwhile.
    pub(super) unsafe fn wants_rest(&mut self, core: &SubscriberCore, place: Place) -> bool {
        // SAFETY: the caller's promise is the one that is needed.
        let attributes = || unsafe { core.attribute_bytes(place) };
        // SAFETY: as above.
        let payload = || unsafe { core.payload_bytes(place) };
        self.wants_attributes(attributes)
            && self.payload.as_mut().is_none_or(|test| test(payload()))
            && self.samples(core, place)
    }

    #[cfg(feature = "policy")]
    fn tests_attributes(&self) -> bool {
        self.policy.is_some()
    }

    #[cfg(not(feature = "policy"))]
    fn tests_attributes(&self) -> bool {
        false
    }

    #[cfg(feature = "policy")]
    #[inline(always)]
    fn wants_attributes<'a>(&self, attributes: impl FnOnce() -> &'a [u8]) -> bool {
        self.policy
            .as_ref()
            .is_none_or(|policy| policy.matches(AttributesView::new(attributes())))
    }

    #[cfg(not(feature = "policy"))]
    fn wants_attributes<'a>(&self, _: impl FnOnce() -> &'a [u8]) -> bool {
        true
    }

    #[inline(always)]
    fn samples(&mut self, core: &SubscriberCore, place: Place) -> bool {
        let number = self.passed;
        self.passed += 1;
        if self.every.is_some_and(|every| number % every != 0) {
            return false;
        }
        let Some(interval) = self.interval else {
            return true;
        };
        let now = core.head(place).time().unwrap_or_else(Timestamp::now);
        let since =
            |last: Timestamp| Duration::from_nanos(now.as_nanos().abs_diff(last.as_nanos()));
        let is_due = self.last.is_none_or(|last| since(last) >= interval);
        if is_due {
            self.last = Some(now);
        }
        is_due
    }
}
