//! Messages as a subscriber sees them: in place, until it moves on.

use std::{fmt, marker::PhantomData};

use super::{
    Payload,
    clock::Clock,
    error::PollError,
    head::Head,
    subscriber_core::{SubscriberCore, payload_from},
};
use crate::ring::{
    block::PlainForm,
    cursor::Run,
    place::Place,
    sequence::Sequence,
    view::{Home, Homes},
};

/// A message, read where its publisher wrote it. Dropping it moves the subscriber's cursor on.
///
/// It is its payload, by `Deref`, with its sequence, tag, flags and time beside.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// # let topic = bus.topic("orders").open_or_create()?;
/// # let mut subscriber = topic.subscriber().join()?;
/// # topic.publisher()?.publish(b"buy 100")?;
/// let message = subscriber.poll()?.expect("a message");
/// assert_eq!(message.sequence(), 0);
/// assert!(message.starts_with(b"buy"));
/// # Ok::<(), ringbus::Error>(())
/// ```
///
/// It borrows the subscriber, so the compiler ends every reference to the payload before the next
/// poll; until then no publisher touches it.
///
/// ```compile_fail,E0499
/// # fn two(mut subscriber: ringbus::Subscriber<[u8]>) -> Result<(), ringbus::Error> {
/// let first = subscriber.poll()?;
/// let second = subscriber.poll()?; // error: `first` still borrows the subscriber
/// println!("{first:?}");
/// # Ok(())
/// # }
/// ```
pub struct Message<'s, T: ?Sized> {
    subscriber: &'s mut SubscriberCore,
    place: Place,
    payload: &'s T,
}

/// A message of a [`Batch`], read in place; borrows the batch.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// # let topic = bus.topic("orders").open_or_create()?;
/// # let mut subscriber = topic.subscriber().join()?;
/// # topic.publisher()?.publish_batch([&b"buy"[..], b"sell"])?;
/// let batch = subscriber.poll_batch(64)?;
/// let longest = batch.iter().max_by_key(|message| message.len()).expect("a message");
/// assert_eq!((longest.sequence(), longest.payload()), (1, &b"sell"[..]));
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct MessageRef<'b, T: ?Sized> {
    subscriber: &'b SubscriberCore,
    place: Place,
    payload: &'b T,
}

/// Consecutive messages, read in place. Dropping the batch moves the subscriber's cursor past all
/// of them at once.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// # let topic = bus.topic("orders").open_or_create()?;
/// # let publisher = topic.publisher()?;
/// let mut subscriber = topic.subscriber().join()?;
/// publisher.publish(b"one")?;
/// publisher.publish(b"two")?;
/// let batch = subscriber.poll_batch(64)?;
/// assert_eq!(batch.len(), 2);
/// for message in &batch {
///     println!("{}: {:?}", message.sequence(), message.payload());
/// }
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct Batch<'s, T: ?Sized> {
    subscriber: &'s mut SubscriberCore,
    run: Run,
    payload: PhantomData<&'s T>,
}

/// The messages of a batch, in order.
///
/// It ends early only where the ring is damaged; the next poll tells.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// # let topic = bus.topic("orders").open_or_create()?;
/// # let mut subscriber = topic.subscriber().join()?;
/// # topic.publisher()?.publish_batch([&b"buy"[..], b"sell"])?;
/// let batch = subscriber.poll_batch(64)?;
/// let mut messages = batch.iter();
/// assert_eq!(messages.len(), 2);
/// assert_eq!(messages.next().expect("the first").payload(), b"buy");
/// assert_eq!(messages.len(), 1);
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct BatchIter<'b, T: ?Sized> {
    subscriber: &'b SubscriberCore,
    /// The first messages, if they lie in their own slots.
    homes: Homes<'static>,
    rest: Rest<'b>,
    payload: PhantomData<&'b T>,
}

/// Messages of a batch after those that are known to lie in their own slots.
#[derive(Clone, Copy)]
struct Rest<'b> {
    run: Run,
    /// The messages of `run`, if they are not simply those from its first on.
    picks: Option<&'b [Sequence]>,
}

/// The accessors that messages, references into batches and snapshots have in common.
macro_rules! message_accessors {
    ($type:ident) => {
        impl<T: ?Sized> $type<'_, T> {
            /// Its position in the topic: 0, 1, 2, ..., or from the topic's first sequence on;
            /// never used twice.
            ///
            /// ```
            /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
            /// # let topic = bus.topic("orders").open_or_create()?;
            /// # let mut subscriber = topic.subscriber().join()?;
            /// let sequence = topic.publisher()?.publish(b"buy")?;
            /// let message = subscriber.poll()?.expect("a message");
            /// assert_eq!(message.sequence(), sequence);
            /// # Ok::<(), ringbus::Error>(())
            /// ```
            pub fn sequence(&self) -> u64 {
                self.place.sequence().0
            }

            /// Its tag; 0 where the topic keeps none.
            ///
            /// ```
            /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
            /// # let topic = bus.topic("orders").open_or_create()?;
            /// # let mut subscriber = topic.subscriber().join()?;
            /// # let publisher = topic.publisher()?;
            /// use ringbus::{Meta, Patience};
            ///
            /// publisher.publish_with(Meta::new().tag(7), b"buy", Patience::Forever)?;
            /// let message = subscriber.poll()?.expect("a message");
            /// assert_eq!(message.tag(), 7);
            /// # Ok::<(), ringbus::Error>(())
            /// ```
            pub fn tag(&self) -> u64 {
                self.head().tag()
            }

            /// Its flags; 0 where the topic keeps none.
            ///
            /// ```
            /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
            /// # let topic = bus.topic("orders").open_or_create()?;
            /// # let mut subscriber = topic.subscriber().join()?;
            /// # let publisher = topic.publisher()?;
            /// use ringbus::{Meta, Patience};
            ///
            /// publisher.publish_with(Meta::new().flags(0b1), b"buy", Patience::Forever)?;
            /// let message = subscriber.poll()?.expect("a message");
            /// assert_eq!(message.flags(), 0b1);
            /// # Ok::<(), ringbus::Error>(())
            /// ```
            pub fn flags(&self) -> u16 {
                self.head().flags()
            }

            /// The number of its publisher; `None` where the topic keeps none (fixed size without
            /// tags and time).
            ///
            /// ```
            /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
            /// # let topic = bus.topic("events").shared().open_or_create()?;
            /// # let mut subscriber = topic.subscriber().join()?;
            /// let publisher = topic.publisher()?;
            /// publisher.publish(b"event")?;
            /// let message = subscriber.poll()?.expect("a message");
            /// assert_eq!(message.publisher(), Some(publisher.id()));
            /// # Ok::<(), ringbus::Error>(())
            /// ```
            pub fn publisher(&self) -> Option<u16> {
                self.head().publisher()
            }

            /// When it was published; `None` where the topic keeps no time.
            ///
            /// ```
            /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
            /// use ringbus::{TimeSource, Timestamp};
            ///
            /// let topic = bus.topic("quotes").time(TimeSource::Clock).open_or_create()?;
            /// # let mut subscriber = topic.subscriber().join()?;
            /// topic.publisher()?.publish(b"quote")?;
            /// let message = subscriber.poll()?.expect("a message");
            /// assert!(message.time().expect("this topic keeps times") <= Timestamp::now());
            /// # Ok::<(), ringbus::Error>(())
            /// ```
            pub fn time(&self) -> Option<$crate::bus::Timestamp> {
                self.head().time()
            }

            /// What stands beside the payload, read at once: for those who want more than one of it.
            ///
            /// ```
            /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
            /// # let topic = bus.topic("orders").open_or_create()?;
            /// # let mut subscriber = topic.subscriber().join()?;
            /// use ringbus::{Meta, Patience};
            ///
            /// let meta = Meta::new().tag(7).flags(0b1);
            /// topic.publisher()?.publish_with(meta, b"buy", Patience::Forever)?;
            /// let head = subscriber.poll()?.expect("an order").head();
            /// assert_eq!((head.tag(), head.flags(), head.publisher()), (7, 0b1, Some(0)));
            /// # Ok::<(), ringbus::Error>(())
            /// ```
            #[inline(always)]
            pub fn head(&self) -> $crate::bus::Head {
                self.read_head()
            }

            /// Its attributes; none where the topic keeps none.
            ///
            /// ```
            /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
            /// use ringbus::{Attribute, Attributes, Meta, Patience};
            ///
            /// let topic = bus.topic("orders").attributes_max(64).open_or_create()?;
            /// # let mut subscriber = topic.subscriber().join()?;
            /// # let publisher = topic.publisher()?;
            /// let attributes = Attributes::new().with("venue", "XNYS")?;
            /// publisher.publish_with(Meta::new().attributes(&attributes), b"buy", Patience::Try)?;
            /// let message = subscriber.poll()?.expect("a message");
            /// assert_eq!(message.attributes().get("venue"), Some(Attribute::Text("XNYS")));
            /// # Ok::<(), ringbus::Error>(())
            /// ```
            pub fn attributes(&self) -> $crate::bus::AttributesView<'_> {
                $crate::bus::AttributesView::new(self.attribute_bytes())
            }

            /// Its payload; also what it dereferences to.
            ///
            /// ```
            /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
            /// # let topic = bus.topic("orders").open_or_create()?;
            /// # let mut subscriber = topic.subscriber().join()?;
            /// # topic.publisher()?.publish(b"buy")?;
            /// let message = subscriber.poll()?.expect("a message");
            /// assert_eq!(message.payload(), b"buy");
            /// assert_eq!(message[0], b'b');
            /// # Ok::<(), ringbus::Error>(())
            /// ```
            pub fn payload(&self) -> &T {
                self.payload
            }
        }

        impl<T: ?Sized> std::ops::Deref for $type<'_, T> {
            type Target = T;

            fn deref(&self) -> &T {
                self.payload
            }
        }

        impl<T: ?Sized> AsRef<T> for $type<'_, T> {
            fn as_ref(&self) -> &T {
                self.payload
            }
        }

        impl<T: ?Sized + std::fmt::Debug> std::fmt::Debug for $type<'_, T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($type))
                    .field("sequence", &self.sequence())
                    .field("tag", &self.tag())
                    .field("payload", &&self.payload)
                    .finish_non_exhaustive()
            }
        }
    };
}
pub(super) use message_accessors;

message_accessors!(Message);
message_accessors!(MessageRef);

impl<'s, T: Payload + ?Sized> Message<'s, T> {
    /// The message `seq`, which `subscriber` has taken.
    #[inline(always)]
    pub(super) fn new(
        subscriber: &'s mut SubscriberCore,
        seq: Sequence,
    ) -> Result<Self, PollError> {
        let place = subscriber.place(seq)?;
        Self::at(subscriber, place)
    }

    /// The message at `place`, which `subscriber` has taken.
    #[inline(always)]
    pub(super) fn at(subscriber: &'s mut SubscriberCore, place: Place) -> Result<Self, PollError> {
        // SAFETY: the message is released by `drop`, and borrows the subscriber until then.
        let payload = unsafe { subscriber.payload(place) }?;
        Ok(Self {
            subscriber,
            place,
            payload,
        })
    }
}

impl<'s, T: Payload + ?Sized> Message<'s, T> {
    /// The message in a slot, which `subscriber` has taken.
    #[inline(always)]
    pub(super) fn at_home(
        subscriber: &'s mut SubscriberCore,
        home: Home,
    ) -> Result<Self, PollError> {
        let place = home.place();
        // SAFETY: as in `at`.
        let bytes = unsafe { subscriber.bytes_at(home) };
        let payload = payload_from(bytes, place.sequence())?;
        Ok(Self {
            subscriber,
            place,
            payload,
        })
    }
}

impl<T: ?Sized> Message<'_, T> {
    #[inline(always)]
    fn read_head(&self) -> Head {
        self.subscriber.head(self.place)
    }

    fn attribute_bytes(&self) -> &[u8] {
        // SAFETY: the message is held until it is dropped.
        unsafe { self.subscriber.attribute_bytes(self.place) }
    }
}

impl<T: ?Sized> MessageRef<'_, T> {
    #[inline(always)]
    fn read_head(&self) -> Head {
        self.subscriber.head(self.place)
    }

    fn attribute_bytes(&self) -> &[u8] {
        // SAFETY: the batch holds the message until it is dropped, and `self` borrows the batch.
        unsafe { self.subscriber.attribute_bytes(self.place) }
    }
}

impl<'s, T: Payload + ?Sized> Batch<'s, T> {
    pub(super) fn new(subscriber: &'s mut SubscriberCore, run: Option<Run>) -> Self {
        Self {
            subscriber,
            run: run.unwrap_or(Run::EMPTY),
            payload: PhantomData,
        }
    }

    /// How many messages there are.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let topic = bus.topic("orders").open_or_create()?;
    /// # let mut subscriber = topic.subscriber().join()?;
    /// topic.publisher()?.publish_batch([&b"buy"[..], b"sell"])?;
    /// assert_eq!(subscriber.poll_batch(64)?.len(), 2);
    /// assert_eq!(subscriber.poll_batch(64)?.len(), 0);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn len(&self) -> usize {
        self.run.len as usize
    }

    /// Whether there are none.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let topic = bus.topic("orders").open_or_create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// assert!(subscriber.poll_batch(64)?.is_empty());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.run.len == 0
    }

    /// The messages in order. Can be called again: the batch keeps them until it is dropped.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let topic = bus.topic("orders").open_or_create()?;
    /// # let mut subscriber = topic.subscriber().join()?;
    /// # topic.publisher()?.publish_batch([&b"buy"[..], b"sell"])?;
    /// let batch = subscriber.poll_batch(64)?;
    /// let bytes: usize = batch.iter().map(|message| message.len()).sum();
    /// assert_eq!(bytes, 7);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn iter(&self) -> BatchIter<'_, T> {
        let Run { first, len } = self.run;
        let homes = self.subscriber.home_len().min(len);
        BatchIter {
            subscriber: self.subscriber,
            homes: self.subscriber.homes(first, homes),
            rest: Rest {
                run: Run {
                    first: first.plus(homes.into()),
                    len: len - homes,
                },
                picks: self.subscriber.picks(),
            },
            payload: PhantomData,
        }
    }
}

impl Batch<'_, [u8]> {
    /// Its first messages, as far as they are plain, for less than the iterator asks.
    #[doc(hidden)]
    #[inline(always)]
    pub fn plain(&self) -> impl Iterator<Item = Plain<'_>> {
        let len = match self.subscriber.has_plain_heads() {
            true => self.subscriber.home_len().min(self.run.len),
            false => 0,
        };
        let form = self.subscriber.ring().plain_form();
        let homes = self.subscriber.homes(self.run.first, len);
        // SAFETY: the batch holds the run until it is dropped, and the result borrows it.
        homes.map(move |home| unsafe { Plain::read(form, home) })
    }
}

/// A message with neither time nor attributes, as those read it who need all of it.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Plain<'b> {
    pub sequence: u64,
    pub payload: &'b [u8],
    pub head: Head,
}

impl Plain<'_> {
    /// # Safety
    ///
    /// The message is in a slot of the ring that `form` is of, and is not released, nor the subscriber
    /// dropped, while the result lives.
    #[inline(always)]
    pub(super) unsafe fn read(form: PlainForm, home: Home) -> Self {
        // SAFETY: the caller's promise.
        let (start, len, header) = unsafe { form.read(home) };
        Self {
            sequence: home.sequence().0,
            // SAFETY:
            // - the block holds `payload_max_bytes`, which bound `len`, and is mapped while the subscriber
            //   lives; no publisher writes it while the run is held (R3). Both are the caller's promise.
            payload: unsafe { std::slice::from_raw_parts(start.as_ptr(), len) },
            head: Head {
                header,
                clock: Clock::NONE,
                is_lean: form.is_lean(),
            },
        }
    }
}

impl<T: ?Sized> Drop for Message<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.subscriber.release();
    }
}

impl<T: ?Sized> Drop for Batch<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.subscriber.release();
    }
}

impl<'b, T: Payload + ?Sized> IntoIterator for &'b Batch<'_, T> {
    type Item = MessageRef<'b, T>;
    type IntoIter = BatchIter<'b, T>;

    fn into_iter(self) -> BatchIter<'b, T> {
        self.iter()
    }
}

impl<'b, T: Payload + ?Sized> Iterator for BatchIter<'b, T> {
    type Item = MessageRef<'b, T>;

    #[inline]
    fn next(&mut self) -> Option<MessageRef<'b, T>> {
        let Some(home) = self.homes.next() else {
            let (next, rest) = self.rest.next(self.subscriber);
            self.rest = rest;
            return next;
        };
        // SAFETY: the batch holds the run until it is dropped, and this iterator borrows it.
        let bytes = unsafe { self.subscriber.bytes_at(home) };
        let payload = noted(self.subscriber, payload_from(bytes, home.sequence()))?;
        Some(MessageRef {
            subscriber: self.subscriber,
            place: home.place(),
            payload,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.homes.len() + self.rest.run.len as usize;
        (len, Some(len))
    }
}

impl<'b> Rest<'b> {
    /// The next message, and what is left then: by value, so that the iterator can stay in registers.
    #[inline(always)]
    fn next<T: Payload + ?Sized>(
        mut self,
        subscriber: &'b SubscriberCore,
    ) -> (Option<MessageRef<'b, T>>, Self) {
        (self.advance(subscriber), self)
    }

    #[inline(always)]
    fn advance<T: Payload + ?Sized>(
        &mut self,
        subscriber: &'b SubscriberCore,
    ) -> Option<MessageRef<'b, T>> {
        if self.run.len == 0 {
            return None;
        }
        let seq = match &mut self.picks {
            None => self.run.first,
            Some(picks) => *picks.split_off_first()?,
        };
        self.run = Run {
            first: seq.plus(1),
            len: self.run.len - 1,
        };
        let place = noted(subscriber, subscriber.place(seq))?;
        // SAFETY: as in `BatchIter::next`.
        let payload = unsafe { subscriber.payload(place) };
        Some(MessageRef {
            subscriber,
            place,
            payload: noted(subscriber, payload)?,
        })
    }
}

/// A damaged message ends the batch: the next poll says so.
#[inline(always)]
fn noted<R>(subscriber: &SubscriberCore, found: Result<R, PollError>) -> Option<R> {
    found
        .inspect_err(|error| subscriber.note_damage(*error))
        .ok()
}

impl<T: Payload + ?Sized> ExactSizeIterator for BatchIter<'_, T> {}

impl<T: ?Sized> Clone for MessageRef<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for MessageRef<'_, T> {}

impl<T: ?Sized> fmt::Debug for Batch<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("len", &self.run.len)
            .finish_non_exhaustive()
    }
}
