//! Subscribers that are awaited.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_core::Stream;

use super::{
    Bus, Error, Message, Payload, Subscriber, WaitError,
    wait_set::{Told, Waiter, Watched},
};

/// A subscriber's messages as a stream; made by [`Subscriber::into_stream`].
///
/// Any executor may poll it. While it waits, no thread is busy: one for each open bus sleeps for
/// all streams. Dropping the stream, or a future that polls it, loses nothing: a message is taken
/// when it is returned, not before.
///
/// It ends after an error other than [`PollError::Lagged`](super::PollError::Lagged) and
/// [`PollError::Evicted`](super::PollError::Evicted).
pub struct MessageStream<T: ?Sized, F> {
    subscriber: Subscriber<T>,
    map: F,
    awaiting: Option<Awaiting>,
    has_ended: bool,
}

impl<T: Payload + ?Sized> Subscriber<T> {
    /// Makes it a stream of what `map` makes of each message, while it lies in place.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use futures_core::Stream;
    ///
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let stream = topic.subscriber().join()?.into_stream(|message| message.payload().to_vec());
    /// fn is_stream(_: &impl Stream<Item = Result<Vec<u8>, ringbus::Error>>) {}
    /// is_stream(&stream);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn into_stream<F, R>(self, map: F) -> MessageStream<T, F>
    where
        F: FnMut(Message<'_, T>) -> R,
    {
        MessageStream {
            subscriber: self,
            map,
            awaiting: None,
            has_ended: false,
        }
    }

    /// Waits, asleep, until there is something to [`poll`](Self::poll), which may be an error.
    ///
    /// Dropping the future loses nothing: it takes no message.
    ///
    /// ```no_run
    /// # async fn read(mut subscriber: ringbus::Subscriber<[u8]>) -> Result<(), ringbus::Error> {
    /// loop {
    ///     subscriber.readable().await?;
    ///     while let Some(message) = subscriber.poll()? {
    ///         println!("{:?}", message.payload());
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Wait`] where it is in a wait set, or nobody can wait for it.
    pub async fn readable(&mut self) -> Result<(), Error> {
        let mut awaiting = None;
        std::future::poll_fn(|context| {
            if self.wait(Duration::ZERO)? {
                return Poll::Ready(Ok(()));
            }
            match self.arm(&mut awaiting, context)? {
                true => Poll::Pending,
                false => Poll::Ready(Ok(())),
            }
        })
        .await
    }

    fn arm(
        &self,
        awaiting: &mut Option<Awaiting>,
        context: &Context<'_>,
    ) -> Result<bool, WaitError> {
        let core = self.core();
        Awaiting::arm(awaiting, core.bus(), || Arc::new(core.source()), context)
    }
}

impl<T, F, R> Stream for MessageStream<T, F>
where
    T: Payload + ?Sized,
    F: FnMut(Message<'_, T>) -> R,
{
    type Item = Result<R, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.has_ended {
            return Poll::Ready(None);
        }
        match this.subscriber.poll() {
            Ok(Some(message)) => return Poll::Ready(Some(Ok((this.map)(message)))),
            Ok(None) => {}
            Err(error) => {
                this.has_ended = !matches!(
                    error,
                    super::PollError::Lagged { .. } | super::PollError::Evicted { .. }
                );
                return Poll::Ready(Some(Err(error.into())));
            }
        }
        match this.subscriber.arm(&mut this.awaiting, context) {
            Ok(true) => {}
            // Published meanwhile; others have their turn first.
            Ok(false) => context.waker().wake_by_ref(),
            Err(error) => {
                this.has_ended = true;
                return Poll::Ready(Some(Err(error.into())));
            }
        }
        Poll::Pending
    }
}

// Nothing in it is pinned.
impl<T: ?Sized, F> Unpin for MessageStream<T, F> {}

impl<T: ?Sized, F> fmt::Debug for MessageStream<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageStream")
            .field("subscriber", &self.subscriber)
            .finish_non_exhaustive()
    }
}

/// A task that the waiter wakes; taken out by drop.
pub(super) struct Awaiting {
    waiter: Arc<Waiter>,
    key: usize,
    slot: Arc<WakerSlot>,
}

#[derive(Default)]
struct WakerSlot {
    waker: Mutex<Option<Waker>>,
}

impl Told for WakerSlot {
    fn tell(&self, _key: usize) {
        let mut slot = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        let waker = slot.take();
        drop(slot);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Awaiting {
    /// Has the task woken when there is news; false if there is some already.
    pub(super) fn arm<W: Watched + 'static>(
        this: &mut Option<Self>,
        bus: &Bus,
        watched: impl FnOnce() -> Arc<W>,
        context: &Context<'_>,
    ) -> Result<bool, WaitError> {
        let awaiting = match this {
            Some(awaiting) => awaiting,
            None => {
                let waiter = Waiter::of(bus)?;
                let slot = Arc::<WakerSlot>::default();
                let told = Arc::clone(&slot);
                let key = waiter.add(watched(), told)?;
                this.insert(Self { waiter, key, slot })
            }
        };
        let mut waker = awaiting
            .slot
            .waker
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *waker = Some(context.waker().clone());
        drop(waker);
        Ok(awaiting.waiter.arm(&[awaiting.key]))
    }
}

impl Drop for Awaiting {
    fn drop(&mut self) {
        self.waiter.remove(self.key);
    }
}
