//! Push: handlers that are called with the messages of the topics that match their patterns.

use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    Bus, Filter, MultiError, MultiMessage, MultiSubscriber, MultiSubscriberBuilder, Order, Start,
    dispatched::{DispatchError, Dispatched, Trouble, TroubleKind},
    wait_set::Interrupter,
};
use crate::{
    registry::TopicName,
    sync::{AtomicU32, AtomicU64, Ordering},
};

/// Handlers by pattern, before they are at work; made by [`Bus::dispatcher`].
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// let mut dispatcher = bus
///     .dispatcher()
///     .on("orders/*", |order| {
///         println!("{}: {:?}", order.topic(), order.payload());
///         Ok(())
///     })
///     .on("orders/eu", |order| match order.payload() {
///         b"buy" => Ok(()),
///         _ => Err("only buying".into()),
///     })
///     .join()?;
/// let publisher = bus.topic("orders/eu").create()?.publisher()?;
/// publisher.publish_batch([&b"buy"[..], b"sell"])?;
/// dispatcher.drain()?;
/// let done = dispatcher.dispatched();
/// assert_eq!((done.messages, done.handled, done.failed), (2, 3, 1));
/// # Ok::<(), ringbus::Error>(())
/// ```
#[must_use = "a builder does nothing until `join` or `spawn`"]
pub struct DispatcherBuilder {
    bus: Bus,
    subscription: Vec<Box<Configure>>,
    handlers: Vec<(String, Box<Handler>)>,
    on_trouble: Box<TroubleHandler>,
}

/// Calls handlers on the thread that [runs](Self::run_for) it.
///
/// A message is handed to each handler whose pattern its topic matches, in the order in which they were
/// registered, and then given back. A handler that fails or panics is counted and told of, and nothing
/// else is different for anybody.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// let mut dispatcher = bus.dispatcher().on("alarms/>", |_| panic!("alarmed")).join()?;
/// bus.topic("alarms/fire").create()?.publisher()?.publish(b"!")?;
/// # std::panic::set_hook(Box::new(|_| ()));
/// dispatcher.drain()?;
/// assert_eq!(dispatcher.dispatched().panicked, 1);
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct Dispatcher {
    shared: Arc<Shared>,
    source: MultiSubscriber<[u8]>,
}

/// Threads that call handlers, until [`stop`](Self::stop). Dropping it stops them as well.
///
/// Each topic belongs to one of them, so that its messages are handled one after the other, in order.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// let dispatching = bus.dispatcher().on("orders/*", |_| Ok(())).spawn(2)?;
/// for name in ["orders/eu", "orders/us"] {
///     bus.topic(name).create()?.publisher()?.publish(b"buy")?;
/// }
/// let done = dispatching.stop()?; // when all that was published is handled
/// assert_eq!(done.handled, 2);
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct Dispatching {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Result<(), MultiError>>>,
    /// They end the sleep of each thread.
    interrupters: Vec<Interrupter>,
}

type Handler = dyn Fn(&MultiMessage<'_, [u8]>) -> Result<(), DispatchError> + Send + Sync;
type TroubleHandler = dyn Fn(&Trouble<'_>) + Send + Sync;
type Configure = dyn Fn(MultiSubscriberBuilder<[u8]>) -> MultiSubscriberBuilder<[u8]> + Send + Sync;

/// What all threads use.
struct Shared {
    handlers: Vec<(String, Box<Handler>)>,
    on_trouble: Box<TroubleHandler>,
    /// 1 once the threads are to end.
    stopped: AtomicU32,
    messages: AtomicU64,
    handled: AtomicU64,
    failed: AtomicU64,
    panicked: AtomicU64,
    missed: AtomicU64,
    /// Panics of the trouble handler itself are counted, and told to nobody.
    telling: Mutex<()>,
}

/// How often a thread that cannot be interrupted looks whether it is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Bus {
    /// Starts to register handlers.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let dispatcher = bus.dispatcher().on("orders/*", |_| Ok(())).join()?;
    /// # drop(dispatcher);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn dispatcher(&self) -> DispatcherBuilder {
        DispatcherBuilder {
            bus: self.clone(),
            subscription: Vec::new(),
            handlers: Vec::new(),
            on_trouble: Box::new(|_| ()),
        }
    }
}

impl DispatcherBuilder {
    /// Calls `handler` with each message of the topics that match `pattern`, now and later.
    pub fn on(
        mut self,
        pattern: &str,
        handler: impl Fn(&MultiMessage<'_, [u8]>) -> Result<(), DispatchError> + Send + Sync + 'static,
    ) -> Self {
        self.handlers.push((pattern.to_owned(), Box::new(handler)));
        self
    }

    /// Calls `tell` with all that goes wrong, in addition to counting it.
    pub fn on_trouble(mut self, tell: impl Fn(&Trouble<'_>) + Send + Sync + 'static) -> Self {
        self.on_trouble = Box::new(tell);
        self
    }

    /// As [`MultiSubscriberBuilder::reliable`].
    pub fn reliable(self) -> Self {
        self.configured(MultiSubscriberBuilder::reliable)
    }

    /// As [`MultiSubscriberBuilder::stall_timeout`].
    pub fn stall_timeout(self, timeout: Duration) -> Self {
        self.configured(move |builder| builder.stall_timeout(timeout))
    }

    /// As [`MultiSubscriberBuilder::start`].
    pub fn start(self, start: Start) -> Self {
        self.configured(move |builder| builder.start(start))
    }

    /// As [`MultiSubscriberBuilder::filter`].
    pub fn filter(self, filter: Filter) -> Self {
        self.configured(move |builder| builder.filter(filter.clone()))
    }

    /// As [`MultiSubscriberBuilder::order`], among the topics of each thread.
    pub fn order(self, order: Order) -> Self {
        self.configured(move |builder| builder.order(order))
    }

    /// Makes a dispatcher for the calling thread.
    ///
    /// # Errors
    ///
    /// Those of [`MultiSubscriberBuilder::join`]. Without a handler there is nothing to dispatch, and no
    /// error.
    pub fn join(self) -> Result<Dispatcher, MultiError> {
        let source = self.source(0, 1)?;
        Ok(Dispatcher {
            shared: Arc::new(self.shared()),
            source,
        })
    }

    /// Starts `threads` threads, at least one, that share the topics among them. One that cannot go on, as
    /// where the bus was removed, ends: trouble tells of it, and [`stop`](Dispatching::stop) why.
    ///
    /// # Errors
    ///
    /// Those of [`join`](Self::join); [`MultiError::Thread`] where the system has no more threads. Nothing
    /// runs then.
    pub fn spawn(self, threads: usize) -> Result<Dispatching, MultiError> {
        let count = threads.max(1) as u64;
        let sources = (0..count).map(|index| self.source(index, count));
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        let shared = Arc::new(self.shared());
        let mut dispatching = Dispatching {
            shared: Arc::clone(&shared),
            threads: Vec::new(),
            interrupters: Vec::new(),
        };
        for mut source in sources {
            let interrupter = source.interrupter();
            let sleep = interrupter.as_ref().map_or(LOOK_EVERY, |_| Duration::MAX);
            dispatching.interrupters.extend(interrupter);
            let mut dispatcher = Dispatcher {
                shared: Arc::clone(&shared),
                source,
            };
            let builder = Builder::new().name("ringbus-dispatch".to_owned());
            let thread = builder.spawn(move || dispatcher.run_alone(sleep));
            // Dropping those that run stops them.
            dispatching
                .threads
                .push(thread.map_err(MultiError::Thread)?);
        }
        Ok(dispatching)
    }

    fn configured(
        mut self,
        configure: impl Fn(MultiSubscriberBuilder<[u8]>) -> MultiSubscriberBuilder<[u8]>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.subscription.push(Box::new(configure));
        self
    }

    fn source(&self, index: u64, count: u64) -> Result<MultiSubscriber<[u8]>, MultiError> {
        let patterns = self.handlers.iter().map(|(pattern, _)| pattern.as_str());
        let builder = self.bus.subscribe_patterns(patterns).share(index, count);
        let configures = self.subscription.iter();
        configures
            .fold(builder, |builder, configure| configure(builder))
            .join()
    }

    fn shared(self) -> Shared {
        Shared {
            handlers: self.handlers,
            on_trouble: self.on_trouble,
            stopped: AtomicU32::new(0),
            messages: AtomicU64::new(0),
            handled: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            panicked: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            telling: Mutex::new(()),
        }
    }
}

impl Dispatcher {
    /// Calls handlers for `time`. What is there by then and was not handled stays for the next time.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # use std::time::Duration;
    /// let mut dispatcher = bus.dispatcher().on("orders/*", |_| Ok(())).join()?;
    /// bus.topic("orders/eu").create()?.publisher()?.publish(b"buy")?;
    /// while dispatcher.dispatched().messages == 0 {
    ///     dispatcher.run_for(Duration::from_millis(5))?;
    /// }
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`MultiError::Watch`] and [`MultiError::Forked`], which come again; all else is trouble.
    pub fn run_for(&mut self, time: Duration) -> Result<(), MultiError> {
        let deadline = Instant::now().checked_add(time);
        loop {
            let is_idle = !self.dispatch_one()?;
            let left = deadline.map_or(Duration::MAX, |end| {
                end.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return Ok(());
            }
            if is_idle {
                self.source.wait(left)?;
            }
        }
    }

    /// Calls handlers for everything that is there; says how many messages that were.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let mut dispatcher = bus.dispatcher().on("orders/*", |_| Ok(())).join()?;
    /// bus.topic("orders/eu").create()?.publisher()?.publish(b"buy")?;
    /// assert_eq!(dispatcher.drain()?, 1);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`run_for`](Self::run_for).
    pub fn drain(&mut self) -> Result<u64, MultiError> {
        self.source.mark()?;
        let before = self.dispatched().messages;
        while !self.source.has_reached_mark() && self.dispatch_one()? {}
        Ok(self.dispatched().messages - before)
    }

    /// What became of the messages so far.
    pub fn dispatched(&self) -> Dispatched {
        self.shared.dispatched()
    }

    fn run_until_stopped(&mut self, sleep: Duration) -> Result<(), MultiError> {
        let shared = Arc::clone(&self.shared);
        // Acquire: what was published before the stop is seen by the drain.
        let goes_on = || shared.stopped.load(Ordering::Acquire) == 0;
        while goes_on() {
            if !self.dispatch_one()? {
                self.source.wait_while(sleep, goes_on)?;
            }
        }
        self.drain().map(drop)
    }

    /// The same on a thread of its own, whose end is told of: nobody may ask for it soon.
    fn run_alone(&mut self, sleep: Duration) -> Result<(), MultiError> {
        let ended = self.run_until_stopped(sleep);
        ended.inspect_err(|error| self.shared.note(error))
    }

    /// Handles a message, or tells of trouble; `false` if there is neither.
    fn dispatch_one(&mut self) -> Result<bool, MultiError> {
        match self.source.poll() {
            Ok(None) => return Ok(false),
            Ok(Some(message)) => self.shared.handle(&message),
            Err(error @ (MultiError::Watch(_) | MultiError::Forked)) => return Err(error),
            Err(error) => self.shared.note(&error),
        }
        Ok(true)
    }
}

impl Dispatching {
    /// Handles what was published until now, ends the threads, and says what became of all messages.
    ///
    /// # Errors
    ///
    /// Those of [`Dispatcher::run_for`], where they have ended a thread before.
    pub fn stop(mut self) -> Result<Dispatched, MultiError> {
        self.end()?;
        Ok(self.shared.dispatched())
    }

    /// What became of the messages so far.
    pub fn dispatched(&self) -> Dispatched {
        self.shared.dispatched()
    }

    fn end(&mut self) -> Result<(), MultiError> {
        self.shared.stopped.store(1, Ordering::Release);
        self.interrupters.iter().for_each(Interrupter::interrupt);
        let ended = self.threads.drain(..).map(JoinHandle::join);
        // All are waited for. They contain the panics of handlers, and have none of their own.
        let ended: Vec<_> = ended.flatten().collect();
        ended.into_iter().collect()
    }
}

impl Drop for Dispatching {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

impl Shared {
    fn handle(&self, message: &MultiMessage<'_, [u8]>) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        for number in message.patterns() {
            let Some((pattern, handler)) = self.handlers.get(*number) else {
                continue;
            };
            let about = Some((message.topic(), message.sequence()));
            // What a handler leaves half-done is its own: nothing of the bus is lent to be written.
            match catch_unwind(AssertUnwindSafe(|| handler(message))) {
                Ok(Ok(())) => {
                    self.handled.fetch_add(1, Ordering::Relaxed);
                }
                Ok(Err(error)) => {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                    let error = &error;
                    self.tell(about, TroubleKind::Failed { pattern, error });
                }
                Err(payload) => {
                    self.panicked.fetch_add(1, Ordering::Relaxed);
                    let words = words_of(&*payload);
                    self.tell(about, TroubleKind::Panicked { pattern, words });
                }
            }
        }
    }

    fn note(&self, error: &MultiError) {
        if let MultiError::Poll { source, .. } = error
            && let super::PollError::Lagged { missed } | super::PollError::Evicted { missed } =
                source
        {
            self.missed.fetch_add(*missed, Ordering::Relaxed);
        }
        self.tell(None, TroubleKind::Poll(error));
    }

    fn tell(&self, message: Option<(&TopicName, u64)>, kind: TroubleKind<'_>) {
        let _one_at_a_time = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        let trouble = Trouble { message, kind };
        if catch_unwind(AssertUnwindSafe(|| (self.on_trouble)(&trouble))).is_err() {
            self.panicked.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn dispatched(&self) -> Dispatched {
        // Relaxed: counts.
        Dispatched {
            messages: self.messages.load(Ordering::Relaxed),
            handled: self.handled.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            panicked: self.panicked.load(Ordering::Relaxed),
            missed: self.missed.load(Ordering::Relaxed),
        }
    }
}

fn words_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dispatcher")
            .field(&self.dispatched())
            .finish()
    }
}

impl fmt::Debug for Dispatching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dispatching")
            .field(&self.dispatched())
            .finish()
    }
}
