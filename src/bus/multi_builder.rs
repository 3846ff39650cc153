//! How a subscription to many topics is to be.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use super::{
    Bus, Filter, MultiSubscriber, Payload, Start,
    multi_error::MultiError,
    multi_members::{Members, Wishes},
    subscriber::DEFAULT_SPIN,
};
use crate::{registry::Pattern, ring::cursor::Delivery};

/// How a [`MultiSubscriber`] is to read; made by [`Bus::subscribe_pattern`].
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use ringbus::{Filter, Order, Start};
///
/// let mut readings = bus
///     .subscribe_pattern("sensors/*/temperature")
///     .also("sensors/*/pressure")
///     .reliable() // publishers wait for it
///     .start(Start::Oldest)
///     .order(Order::Time)
///     .filter(Filter::new().tag(7))
///     .join()?;
/// assert!(readings.poll()?.is_none());
/// # Ok::<(), ringbus::Error>(())
/// ```
#[must_use = "a builder does nothing until `join`"]
pub struct MultiSubscriberBuilder<T: ?Sized> {
    bus: Bus,
    patterns: Vec<String>,
    wishes: Wishes,
    payload: PhantomData<fn(&T)>,
}

/// Whose message a [`MultiSubscriber`] hands out next.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use ringbus::{Order, TimeSource};
///
/// let mut all = bus.subscribe_pattern(">").order(Order::Time).join()?;
/// let topic = |name| bus.topic(name).time(TimeSource::Clock).create();
/// let (a, b) = (topic("a")?.publisher()?, topic("b")?.publisher()?);
/// a.publish(b"1")?;
/// b.publish(b"2")?;
/// a.publish(b"3")?;
/// let mut read = Vec::new();
/// while let Some(message) = all.poll()? {
///     read.extend_from_slice(message.payload());
/// }
/// assert_eq!(read, b"123");
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// Topics take turns, a message each. A topic that was quiet has its turn after half as many
    /// messages as there are topics, at the latest.
    #[default]
    RoundRobin,
    /// The message that was published first, of all that are there. Messages of topics that keep no
    /// times count as published when they are first seen. Each message costs a look at all topics, and
    /// for new ones, unless it is older than the last such look.
    Time,
}

impl Bus {
    /// Starts to configure one subscription to all topics whose names match a [`Pattern`], now and
    /// later; [`join`](MultiSubscriberBuilder::join) makes it.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let mut orders = bus.subscribe_pattern("orders/>").join()?;
    /// assert!(orders.poll()?.is_none());
    /// assert!(bus.subscribe_pattern("orders/>/new").join().is_err());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn subscribe_pattern(&self, pattern: &str) -> MultiSubscriberBuilder<[u8]> {
        self.subscribe_patterns([pattern])
    }

    /// The same for several patterns; none match no topic.
    pub(super) fn subscribe_patterns<'p>(
        &self,
        patterns: impl IntoIterator<Item = &'p str>,
    ) -> MultiSubscriberBuilder<[u8]> {
        MultiSubscriberBuilder {
            bus: self.clone(),
            patterns: patterns.into_iter().map(str::to_owned).collect(),
            wishes: Wishes {
                patterns: Vec::new(),
                delivery: Delivery::default(),
                stall_timeout: None,
                start: Start::Latest,
                spin: DEFAULT_SPIN,
                filter: Filter::new(),
                payload_test: None,
                order: Order::default(),
                share: (0, 1),
            },
            payload: PhantomData,
        }
    }
}

impl MultiSubscriberBuilder<[u8]> {
    /// Wants topics of a type: `T` or `[T]`. Topics of another type are left out, and told of.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let mut levels = bus.subscribe_pattern("levels/*").typed::<u64>().join()?;
    /// bus.topic("levels/a").typed::<u64>().create()?.publisher()?.publish(&7)?;
    /// assert_eq!(*levels.poll()?.expect("a level").payload(), 7);
    /// bus.topic("levels/b").typed::<f32>().create()?;
    /// assert!(levels.poll().is_err());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn typed<U: Payload + ?Sized>(self) -> MultiSubscriberBuilder<U> {
        MultiSubscriberBuilder {
            bus: self.bus,
            patterns: self.patterns,
            wishes: Wishes {
                payload_test: None,
                ..self.wishes
            },
            payload: PhantomData,
        }
    }
}

impl<T: Payload + ?Sized> MultiSubscriberBuilder<T> {
    /// Adds the topics of another pattern. One that matches several is read once.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let mut all = bus.subscribe_pattern("orders/*").also("orders/eu").also("quotes/*").join()?;
    /// bus.topic("orders/eu").create()?.publisher()?.publish(b"buy")?;
    /// assert_eq!(all.poll()?.expect("an order").patterns(), [0, 1]);
    /// assert!(all.poll()?.is_none());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn also(mut self, pattern: &str) -> Self {
        self.patterns.push(pattern.to_owned());
        self
    }

    /// As [`SubscriberBuilder::reliable`](super::SubscriberBuilder::reliable), on each topic.
    pub fn reliable(mut self) -> Self {
        self.wishes.delivery = Delivery::Reliable;
        self
    }

    /// As [`SubscriberBuilder::lossy`](super::SubscriberBuilder::lossy), on each topic; the default.
    pub fn lossy(mut self) -> Self {
        self.wishes.delivery = Delivery::Lossy;
        self
    }

    /// As [`SubscriberBuilder::stall_timeout`](super::SubscriberBuilder::stall_timeout), on each topic.
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.wishes.stall_timeout = Some(timeout);
        self
    }

    /// Sets the first message to read of each topic that exists now; [`Start::Latest`] by default. Topics
    /// that appear later are read from their first message on.
    pub fn start(mut self, start: Start) -> Self {
        self.wishes.start = start;
        self
    }

    /// As [`SubscriberBuilder::spin`](super::SubscriberBuilder::spin).
    pub fn spin(mut self, time: Duration) -> Self {
        self.wishes.spin = time;
        self
    }

    /// As [`SubscriberBuilder::filter`](super::SubscriberBuilder::filter), on each topic: it samples each
    /// by itself.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.wishes.filter = filter;
        self
    }

    /// As [`SubscriberBuilder::filter_payload`](super::SubscriberBuilder::filter_payload), on all topics.
    pub fn filter_payload(mut self, test: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        // One that does not fit its type is for the poll to tell.
        let test = move |bytes: &[u8]| T::from_payload(bytes).is_none_or(&test);
        self.wishes.payload_test = Some(Arc::new(test));
        self
    }

    /// Decides whose message comes next; [`Order::RoundRobin`] by default.
    pub fn order(mut self, order: Order) -> Self {
        self.wishes.order = order;
        self
    }

    /// Takes its share of the topics: the subscriptions that differ only in `index`, from 0 to `count`,
    /// have each topic once among them.
    pub(super) fn share(mut self, index: u64, count: u64) -> Self {
        self.wishes.share = (index, count.max(1));
        self
    }

    /// Joins the topics that exist, and begins to watch for others.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// bus.topic("orders/eu").create()?;
    /// let orders = bus.subscribe_pattern("orders/*").join()?;
    /// assert_eq!(orders.topics().count(), 1);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`MultiError::Pattern`], and [`MultiError::Watch`] where the bus's topics cannot be listed or
    /// watched. What is wrong with a single topic is for the polls to tell.
    pub fn join(mut self) -> Result<MultiSubscriber<T>, MultiError> {
        for pattern in &self.patterns {
            self.wishes.patterns.push(Pattern::new(pattern)?);
        }
        let spin = self.wishes.spin;
        let members = Members::new(&self.bus, self.wishes)?;
        Ok(MultiSubscriber::new(members, spin))
    }
}
