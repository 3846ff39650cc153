//! Which messages of a topic a subscriber wants.

use std::{num::NonZeroU64, time::Duration};

#[cfg(feature = "policy")]
use super::{AttributesView, Policy};
use super::{clock::Timestamp, head::Head};
use crate::ring::layout::Shape;

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
    fn wants_header(&self, head: &Head) -> bool {
        let header = &head.header;
        let is_among = |tags: &[u64]| match tags {
            [tag] => *tag == header.tag,
            // A few are compared faster than searched.
            tags if tags.len() <= 8 => tags.contains(&header.tag),
            tags => tags.binary_search(&header.tag).is_ok(),
        };
        self.tag_mask
            .is_none_or(|(mask, value)| header.tag & mask == value)
            && self.tags.as_deref().is_none_or(is_among)
            && self.publisher.is_none_or(|id| header.publisher == id)
            && self
                .flags_mask
                .is_none_or(|(mask, value)| header.flags & mask == value)
    }
}

/// A test of the payload.
pub(super) type PayloadTest = Box<dyn FnMut(&[u8]) -> bool + Send>;

/// A filter at work: what it remembers from one message to the next.
pub(super) struct Selector {
    filter: Filter,
    payload: Option<PayloadTest>,
    /// Messages that passed all tests but those of sampling.
    passed: u64,
    last: Option<Timestamp>,
    skipped: u64,
}

impl Selector {
    /// A selector, if there is anything to select by.
    pub(super) fn new(filter: Filter, payload: Option<PayloadTest>) -> Option<Self> {
        let is_needed = filter != Filter::default() || payload.is_some();
        is_needed.then_some(Self {
            filter,
            payload,
            passed: 0,
            last: None,
            skipped: 0,
        })
    }

    /// Whether the message with this head is wanted; what else there is of it is asked for only
    /// where the header does not settle it.
    #[inline(always)]
    pub(super) fn wants<'a>(
        &mut self,
        head: &Head,
        attributes: impl FnOnce() -> &'a [u8],
        payload: impl FnOnce() -> &'a [u8],
    ) -> bool {
        let wanted = self.filter.wants_header(head)
            && self.filter.wants_attributes(attributes)
            && self.payload.as_mut().is_none_or(|test| test(payload()))
            && self.samples(head);
        self.skipped += u64::from(!wanted);
        wanted
    }

    /// Messages it did not want.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }

    #[inline(always)]
    fn samples(&mut self, head: &Head) -> bool {
        let number = self.passed;
        self.passed += 1;
        if self.filter.every.is_some_and(|every| number % every != 0) {
            return false;
        }
        let Some(interval) = self.filter.interval else {
            return true;
        };
        let now = head
            .clock
            .read(head.header.time)
            .unwrap_or_else(Timestamp::now);
        let since =
            |last: Timestamp| Duration::from_nanos(now.as_nanos().abs_diff(last.as_nanos()));
        let is_due = self.last.is_none_or(|last| since(last) >= interval);
        if is_due {
            self.last = Some(now);
        }
        is_due
    }
}
