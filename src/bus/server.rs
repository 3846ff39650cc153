//! Serving: requests in, replies out.

use std::{
    fmt,
    marker::PhantomData,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Bus, Filter, Message, Patience, Payload, Start, TypeDescription,
    call::{ALL, CallError, LAST, ServiceForm, reply_tag},
    error::{PollError, PublishError},
    lease,
    publisher_core::PublisherCore,
    request::{Deferred, Request, fail, finish, send, tell_dropped},
    subscriber::DEFAULT_SPIN,
    subscriber_core::{Joining, SubscriberCore},
    topic_shared::TopicShared,
};
use crate::ring::cursor::{Delivery, Run};

/// How a server is to be; made by [`Bus::server`].
///
/// Whoever comes first to a service decides its form; a server that comes later must agree with what it
/// sets.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// let server = bus.server("sums").capacity(1024).request_max(64).reply_max(16).join()?;
/// assert_eq!(bus.topic("sums/requests").open()?.info().capacity_slots, 1024);
/// # Ok::<(), ringbus::Error>(())
/// ```
#[must_use = "a builder does nothing until `join`"]
pub struct ServerBuilder<Q: ?Sized, R: ?Sized> {
    bus: Bus,
    service: String,
    form: ServiceForm,
    stall_timeout: Duration,
    payload: PhantomData<fn(&Q, &R)>,
}

/// Answers requests. Clients know of it from [`join`](ServerBuilder::join) on, until it is dropped or its
/// process ends, however that ends.
///
/// Of several servers, each request to one is for the one that its client has chosen, and a request to
/// all is for each. A server that does not poll holds up clients once a ring of requests is full, until its
/// stall timeout.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use std::time::Duration;
///
/// let mut server = bus.server("square").typed::<u64, u64>().join()?;
/// let mut client = bus.client("square").typed::<u64, u64>().join()?;
/// let serving = std::thread::spawn(move || {
///     server.wait(Duration::from_secs(10))?;
///     let request = server.poll()?.expect("a request");
///     let square = *request * *request;
///     request.reply(&square)?;
///     Ok::<(), ringbus::Error>(())
/// });
/// assert_eq!(*client.call(&7, Duration::from_secs(10))?, 49);
/// # serving.join().expect("no panic")?;
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct Server<Q: ?Sized, R: ?Sized> {
    requests: SubscriberCore,
    replies: PublisherCore,
    /// That of the requests, and that of the replies.
    topics: [Arc<TopicShared>; 2],
    /// A request that [`wait`](Self::wait) has found.
    found: Option<Run>,
    /// Polls that found nothing since the last look at the clock, up to [`EMPTY_POLLS`].
    empty_polls: u32,
    /// When such a poll looks again whether the topics are still there.
    next_look: Option<Instant>,
    payload: PhantomData<fn(&Q, &R)>,
}

/// How long a server may hold up clients.
const STALL_TIMEOUT: Duration = Duration::from_secs(1);
/// How often one that has nothing to do looks whether its topics are still there.
const LOOK_WHETHER_REMOVED_EVERY: Duration = Duration::from_millis(100);
/// Polls that found nothing, of which one looks at the clock.
const EMPTY_POLLS: u32 = 16;

impl Bus {
    /// Starts to configure a server of the service `name`: any number of clients, and of servers.
    ///
    /// The service is two topics, `name/requests` and `name/replies`.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let mut server = bus.server("sums").join()?;
    /// assert!(server.poll()?.is_none());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn server(&self, name: &str) -> ServerBuilder<[u8], [u8]> {
        ServerBuilder {
            bus: self.clone(),
            service: name.to_owned(),
            form: ServiceForm::default(),
            stall_timeout: STALL_TIMEOUT,
            payload: PhantomData,
        }
    }
}

impl ServerBuilder<[u8], [u8]> {
    /// Takes requests of one type and answers with another, each `T` or `[T]`.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let server = bus.server("mean").typed::<[f64], f64>().join()?;
    /// assert!(bus.client("mean").typed::<[f32], f64>().join().is_err());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn typed<Q: Payload + ?Sized, R: Payload + ?Sized>(self) -> ServerBuilder<Q, R> {
        ServerBuilder {
            bus: self.bus,
            service: self.service,
            form: self.form,
            stall_timeout: self.stall_timeout,
            payload: PhantomData,
        }
    }
}

impl ServerBuilder<[u8], [u8]> {
    /// Describes the types of requests and replies instead of naming Rust types, as a binding to another
    /// language does: `[Name]` carries several values in each message, any other name one.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::TypeDescription;
    ///
    /// let float = |name: &str| TypeDescription {
    ///     name: Some(name.to_owned()),
    ///     size_bytes: 8,
    ///     alignment_bytes: 8,
    /// };
    /// let server = bus.server("mean").described(float("[f64]"), float("f64")).join()?;
    /// assert!(bus.client("mean").typed::<[f64], f64>().join().is_ok());
    /// assert!(bus.client("mean").typed::<f64, f64>().join().is_err());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn described(mut self, request: TypeDescription, reply: TypeDescription) -> Self {
        self.form.request_type = request.name.is_some().then_some(request);
        self.form.reply_type = reply.name.is_some().then_some(reply);
        self
    }
}

impl<Q: Payload + ?Sized, R: Payload + ?Sized> ServerBuilder<Q, R> {
    /// Requests, and replies, that are kept: a power of two; 4096 by default.
    pub fn capacity(mut self, slots: usize) -> Self {
        self.form.capacity = Some(slots);
        self
    }

    /// The longest request in bytes, where they have no one length; 1024 by default.
    pub fn request_max(mut self, bytes: usize) -> Self {
        self.form.request_max = Some(bytes);
        self
    }

    /// The longest reply in bytes, where they have no one length; 1024 by default.
    pub fn reply_max(mut self, bytes: usize) -> Self {
        self.form.reply_max = Some(bytes);
        self
    }

    /// Makes the rings of the service's topics on huge pages, as
    /// [`TopicBuilder::huge_pages`](super::TopicBuilder::huge_pages).
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let server = match bus.server("sums").huge_pages(true).join() {
    ///     Err(refused) => {
    ///         eprintln!("going without: {refused}");
    ///         bus.server("sums").join()?
    ///     }
    ///     joined => joined?,
    /// };
    /// # drop(server);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn huge_pages(mut self, yes: bool) -> Self {
        self.form.huge_pages = yes;
        self
    }

    /// Faults all memory in that this server uses, before it serves, as
    /// [`TopicBuilder::prefault`](super::TopicBuilder::prefault).
    pub fn prefault(mut self, yes: bool) -> Self {
        self.form.prefault = yes;
        self
    }

    /// Keeps all memory that this server uses from being swapped out, as
    /// [`TopicBuilder::lock_memory`](super::TopicBuilder::lock_memory).
    pub fn lock_memory(mut self, yes: bool) -> Self {
        self.form.lock_memory = yes;
        self
    }

    /// How long this server may hold up clients while it does not poll; one second by default. Then it
    /// misses requests, and is told so.
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.stall_timeout = timeout;
        self
    }

    /// Begins to serve.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let one = bus.server("sums").join()?;
    /// let another = bus.server("sums").join()?;
    /// assert_eq!(bus.client("sums").join()?.servers(), 2);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`CallError::Topic`] where the service's topics cannot be made, or are not as asked for;
    /// [`CallError::Join`] where this process may not use them, or 256 servers are there. Topics that this
    /// call has made are removed again, unless others have joined them.
    pub fn join(self) -> Result<Server<Q, R>, CallError> {
        let mut made = Vec::new();
        let joined = self.join_and_note(&mut made);
        if joined.is_err() {
            made.iter().for_each(|topic| topic.unmake());
        }
        joined
    }

    /// The same; which topics it had to make are told even where it fails.
    fn join_and_note(&self, made: &mut Vec<Arc<TopicShared>>) -> Result<Server<Q, R>, CallError> {
        let mut note = |topic: &Arc<TopicShared>, is_made: bool| {
            if is_made {
                made.push(Arc::clone(topic));
            }
        };
        let requests = self.form.requests::<Q>(&self.bus, &self.service);
        let (requests, is_made) = requests.open_or_make()?;
        note(requests.shared(), is_made);
        let replies = self.form.replies::<R>(&self.bus, &self.service);
        let (replies, is_made) = replies.open_or_make()?;
        note(replies.shared(), is_made);
        let joining = Joining {
            delivery: Delivery::Reliable,
            stall_timeout: Some(self.stall_timeout),
            start: Start::Latest,
            spin: DEFAULT_SPIN,
            filter: Filter::new(),
            payload_test: None,
        };
        let topics = [requests.shared(), replies.shared()].map(Arc::clone);
        // In this order: whoever sees it among the publishers can send to it.
        let requests = SubscriberCore::join(requests.shared(), joining)?;
        let replies = PublisherCore::join(replies.shared())?;
        Ok(Server {
            requests,
            replies,
            topics,
            found: None,
            empty_polls: 0,
            next_look: None,
            payload: PhantomData,
        })
    }
}

impl<Q: Payload + ?Sized, R: Payload + ?Sized> Server<Q, R> {
    /// Bytes that a reply may have at most, as whoever made the service said.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let first = bus.server("sums").reply_max(16).join()?;
    /// assert_eq!(first.reply_max(), 16);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn reply_max(&self) -> usize {
        self.replies.shape().payload_max_bytes as usize
    }

    /// The next request, if there is one. Never waits.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # use std::time::Duration;
    /// let mut server = bus.server("echo").join()?;
    /// let mut client = bus.client("echo").join()?;
    /// let call = client.send(b"hello", Duration::from_secs(1))?;
    /// while let Some(request) = server.poll()? {
    ///     let echo = request.to_vec();
    ///     request.reply(&echo)?;
    /// }
    /// assert!(client.next(&call, Duration::from_secs(10))?.is_some());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PollError::Evicted`] where it did not poll for longer than its stall timeout while clients
    /// waited: so many requests it has missed, whomever they were for. The next poll goes on.
    /// [`PollError::Removed`] where the service's topics, or the bus, were removed, and no client is left
    /// on them: a server that only polls is told within some 16 polls once 100 ms have passed.
    /// [`PollError::Corrupted`], [`PollError::Forked`] and [`PollError::Removed`] come again.
    pub fn poll(&mut self) -> Result<Option<Request<'_, Q, R>>, PollError> {
        let found = match self.found.take() {
            Some(run) => Some(run),
            None => match self.find()? {
                None => self.look_whether_removed()?,
                run => run,
            },
        };
        let Some(run) = found else {
            return Ok(None);
        };
        let message: Message<'_, Q> = Message::new(&mut self.requests, run.first)?;
        let tag = reply_tag(message.publisher().unwrap_or_default(), message.sequence());
        Ok(Some(Request::new(message, &self.replies, tag)))
    }

    /// Waits until there is a request; `false` after `timeout`. Spins first, then sleeps.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # use std::time::Duration;
    /// let mut server = bus.server("echo").join()?;
    /// assert!(!server.wait(Duration::from_millis(5))?);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`poll`](Self::poll).
    pub fn wait(&mut self, timeout: Duration) -> Result<bool, PollError> {
        if self.has_found()? {
            return Ok(true);
        }
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let left = deadline.map_or(Duration::MAX, |end| {
                end.saturating_duration_since(Instant::now())
            });
            if self.requests.wait(left.min(LOOK_WHETHER_REMOVED_EVERY))? {
                if self.has_found()? {
                    return Ok(true);
                }
                continue;
            }
            if !left.is_zero() && self.is_deserted() {
                // A client that has left since may have sent something before.
                return match self.has_found()? {
                    true => Ok(true),
                    false => Err(PollError::Removed),
                };
            }
            if left <= LOOK_WHETHER_REMOVED_EVERY {
                return Ok(false);
            }
        }
    }

    /// This server's number, by which clients know it.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let (one, another) = (bus.server("sums").join()?, bus.server("sums").join()?);
    /// assert_ne!(one.id(), another.id());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn id(&self) -> u16 {
        self.replies.id()
    }

    /// Answers a request that was [deferred](Request::defer).
    ///
    /// # Errors
    ///
    /// [`PublishError`]: the reply was too long, or the topic cannot be written. The client is told, if that
    /// is possible, that there is no answer.
    pub fn reply(&self, to: Deferred, payload: &R) -> Result<(), PublishError> {
        let sent = send(&self.replies, to.tag, LAST, payload);
        sent.inspect_err(|_| tell_dropped(&self.replies, to.tag))
    }

    /// Sends a part of the answer; more follow, and at last a [`reply`](Self::reply) or a
    /// [`fail`](Self::fail).
    ///
    /// # Errors
    ///
    /// Those of [`reply`](Self::reply).
    pub fn send(&self, to: &Deferred, payload: &R) -> Result<(), PublishError> {
        send(&self.replies, to.tag, 0, payload)
    }

    /// Ends the answer to a deferred request without a further reply.
    ///
    /// # Errors
    ///
    /// Those of [`reply`](Self::reply).
    pub fn finish(&self, to: Deferred) -> Result<(), PublishError> {
        finish(&self.replies, to.tag)
    }

    /// Says why there is no answer, in up to 200 bytes; the rest is cut off.
    ///
    /// # Errors
    ///
    /// Those of [`reply`](Self::reply).
    pub fn fail(&self, to: Deferred, why: &str) -> Result<(), PublishError> {
        fail(&self.replies, to.tag, why, Patience::Forever)
    }

    /// Whether no request will ever come any more: no client finds the topics, and none is left.
    fn is_deserted(&self) -> bool {
        let [requests, _] = &self.topics;
        let mut all = self.topics.iter();
        all.any(|topic| topic.ring.segment().is_unlinked())
            && lease::living_publishers(&requests.bus, &requests.ring.view()) == 0
    }

    /// What an empty poll does besides, now and then: fails where no request will ever come any more.
    /// There may be a last one.
    fn look_whether_removed(&mut self) -> Result<Option<Run>, PollError> {
        if self.empty_polls < EMPTY_POLLS {
            self.empty_polls += 1;
            return Ok(None);
        }
        let now = Instant::now();
        let is_due = self.next_look.is_none_or(|next| now >= next);
        if is_due && self.is_deserted() {
            // A client that has left since may have sent something before. The next poll looks again.
            return match self.find()? {
                None => Err(PollError::Removed),
                last => Ok(last),
            };
        }
        if is_due {
            self.next_look = now.checked_add(LOOK_WHETHER_REMOVED_EVERY);
        }
        self.empty_polls = 0;
        Ok(None)
    }

    /// Whether there is a request, which is kept for the next poll.
    fn has_found(&mut self) -> Result<bool, PollError> {
        if self.found.is_none() {
            self.found = self.find()?;
        }
        Ok(self.found.is_some())
    }

    /// Takes the next request that is for this server.
    fn find(&mut self) -> Result<Option<Run>, PollError> {
        let id = u64::from(self.id());
        while let Some(run) = self.requests.take(1)? {
            let target = self.requests.head(self.requests.place(run.first)?).tag();
            if target == id || target == ALL {
                return Ok(Some(run));
            }
            self.requests.release();
        }
        Ok(None)
    }
}

impl<Q: ?Sized, R: ?Sized> fmt::Debug for Server<Q, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("id", &self.replies.id())
            .finish_non_exhaustive()
    }
}
