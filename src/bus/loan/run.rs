//! Several messages at a time, of an exclusive topic.

use std::{fmt, marker::PhantomData};

use super::super::{
    Patience, Payload, Publisher, SlicePayload,
    error::PublishError,
    gatekeeper::Refusal,
    head::Marks,
    publisher_core::{Lent, PublisherCore},
};
use crate::ring::layout::PublisherMode;

/// Consecutive messages of an exclusive topic that are being written in place, and are published
/// together by [`commit`](Self::commit); dropping it leaves no trace.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// let topic = bus.topic("samples").typed::<u64>().open_or_create()?;
/// let mut subscriber = topic.subscriber().join()?;
/// let publisher = topic.publisher()?;
/// let mut run = publisher.loan_run(3)?;
/// for index in 0..run.len() {
///     *run.message_mut(index).expect("in the run") = index as u64;
/// }
/// run.commit()?;
/// assert_eq!(subscriber.poll_batch(8)?.len(), 3);
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct LoanRun<'p, T: ?Sized> {
    core: &'p PublisherCore,
    lent: Vec<Lent>,
    len_bytes: usize,
    marks: Marks,
    payload: PhantomData<&'p mut T>,
}

impl<T> Publisher<T>
where
    T: Payload,
{
    /// Lends the next `count` messages of an exclusive topic. Waits while the gate is shut.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let publisher = bus.topic("level").typed::<u64>().open_or_create()?.publisher()?;
    /// let mut run = publisher.loan_run(2)?;
    /// *run.message_mut(0).expect("the first of two") = 42;
    /// *run.message_mut(1).expect("the second of two") = 43;
    /// assert_eq!(run.commit()?, 0); // and 1
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError::NoRuns`] on a shared topic, [`PublishError::RunTooLong`] for more messages
    /// than the ring has slots, and those of [`loan`](Self::loan). Nothing is on loan then.
    pub fn loan_run(&self, count: usize) -> Result<LoanRun<'_, T>, PublishError> {
        LoanRun::new(&self.core, count, T::UNIT_BYTES)
    }
}

impl<E> Publisher<[E]>
where
    [E]: SlicePayload<Element = E>,
{
    /// Lends the next `count` messages of an exclusive topic, `len` elements long each. Waits while
    /// the gate is shut. To lossy subscribers the slots are overwritten from now on: one may be
    /// overtaken by as many messages earlier.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let publisher = bus.topic("orders").open_or_create()?.publisher()?;
    /// let mut run = publisher.loan_run(2, 4)?;
    /// run.message_mut(0).expect("the first of two").copy_from_slice(b"sell");
    /// run.message_mut(1).expect("the second of two").copy_from_slice(b"hold");
    /// assert_eq!(run.commit()?, 0); // and 1
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError::NoRuns`] on a shared topic, [`PublishError::RunTooLong`] for more messages
    /// than the ring has slots, and those of [`loan`](Self::loan). Nothing is on loan then.
    pub fn loan_run(&self, count: usize, len: usize) -> Result<LoanRun<'_, [E]>, PublishError> {
        LoanRun::new(&self.core, count, len.saturating_mul(<[E]>::UNIT_BYTES))
    }
}

impl<'p, T: Payload + ?Sized> LoanRun<'p, T> {
    fn new(core: &'p PublisherCore, count: usize, len_bytes: usize) -> Result<Self, PublishError> {
        core.check_len(len_bytes)?;
        if core.shape().mode == PublisherMode::Shared {
            return Err(PublishError::NoRuns);
        }
        let capacity = core.capacity_slots();
        if count as u64 > capacity {
            return Err(PublishError::RunTooLong { count, capacity });
        }
        if core.on_loan() > 0 {
            return Err(PublishError::LoanOutstanding);
        }
        let mut lent = Vec::with_capacity(count);
        for ahead in 0..count as u64 {
            let slot = core.lend_ahead(ahead).or_else(|refusal: Refusal| {
                core.gatekeeper()
                    .wait(refusal, Patience::Forever, core.position(), || {
                        core.lend_ahead(ahead)
                    })
            })?;
            lent.push(slot);
        }
        core.note_loan();
        Ok(Self {
            core,
            lent,
            len_bytes,
            marks: Marks::default(),
            payload: PhantomData,
        })
    }

    /// How many messages there are.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let publisher = bus.topic("orders").open_or_create()?.publisher()?;
    /// assert_eq!(publisher.loan_run(16, 64)?.len(), 16);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn len(&self) -> usize {
        self.lent.len()
    }

    /// Whether there are none, since none were asked for.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let publisher = bus.topic("orders").open_or_create()?.publisher()?;
    /// assert!(!publisher.loan_run(16, 64)?.is_empty());
    /// assert!(publisher.loan_run(0, 64)?.is_empty());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.lent.is_empty()
    }

    /// Message `index` of the run, counted from 0, to be written; `None` past the end.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let publisher = bus.topic("orders").open_or_create()?.publisher()?;
    /// let mut run = publisher.loan_run(2, 4)?;
    /// run.message_mut(1).expect("the last of two").copy_from_slice(b"hold");
    /// assert!(run.message_mut(2).is_none());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn message_mut(&mut self, index: usize) -> Option<&mut T> {
        let lent = *self.lent.get(index)?;
        // SAFETY: the slot is on loan, and `&mut self` makes this the only reference.
        T::from_payload_mut(unsafe { self.core.payload_mut(lent, self.len_bytes) })
    }

    /// Sets the tag of all messages of the run; 0 unless set.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// let publisher = topic.publisher()?;
    /// let mut run = publisher.loan_run(2, 4)?;
    /// run.set_tag(7);
    /// run.commit()?;
    /// assert!(subscriber.poll_batch(8)?.iter().all(|order| order.tag() == 7));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn set_tag(&mut self, tag: u64) {
        self.marks.tag = tag;
    }

    /// Publishes all messages in order and returns the sequence of the first. Never waits.
    ///
    /// A process that dies in the middle has published the first so many.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let publisher = bus.topic("orders").open_or_create()?.publisher()?;
    /// publisher.publish(b"buy")?;
    /// let run = publisher.loan_run(3, 4)?;
    /// assert_eq!(run.commit()?, 1); // to 3
    /// assert_eq!(publisher.publish(b"buy")?, 4);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError::NotKept`] for a tag on a topic without; then none is published.
    pub fn commit(self) -> Result<u64, PublishError> {
        self.core.check_marks(self.marks)?;
        if self.core.is_forked() {
            return Err(PublishError::Forked);
        }
        let first = self.core.position();
        for lent in &self.lent {
            if let Err(Refusal::Final(error)) = self.core.commit(*lent, self.marks, self.len_bytes)
            {
                return Err(error);
            }
        }
        self.core.ring_the_bell();
        Ok(first)
    }
}

impl<T: ?Sized> Drop for LoanRun<'_, T> {
    fn drop(&mut self) {
        self.core.note_return();
    }
}

impl<T: ?Sized> fmt::Debug for LoanRun<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoanRun")
            .field("len", &self.lent.len())
            .finish_non_exhaustive()
    }
}
