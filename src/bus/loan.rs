//! Writing a message in place before it is published.

mod refused;
mod run;

use std::{
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    time::Duration,
};

pub use self::{refused::Refused, run::LoanRun};
use super::{
    Attributes, Patience, Payload, Publisher, SlicePayload,
    error::PublishError,
    head::Marks,
    publisher_core::{Lent, PublisherCore},
};

/// A message that is being written where it will be read. [`commit`](Self::commit) publishes it;
/// dropping it leaves no trace.
///
/// On an exclusive topic this is the next slot of the ring itself, and there can be one at a time.
/// On a shared topic it is a chunk of the publisher's own: several can be out, up to the topic's
/// limit, and be committed in any order, which becomes the order of the messages; one that is held
/// for long holds up nobody.
///
/// Its contents at first are whatever an earlier message left there, or zeros. If its process dies
/// before the commit, it is as if it had been dropped.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// let topic = bus.topic("frames").open_or_create()?;
/// let mut subscriber = topic.subscriber().join()?;
/// let publisher = topic.publisher()?;
/// let mut frame = publisher.loan(640)?;
/// frame.fill(0x7f);
/// assert!(subscriber.poll()?.is_none());
/// frame.commit()?;
/// assert_eq!(subscriber.poll()?.expect("a frame").payload(), [0x7f; 640]);
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct Loan<'p, T: ?Sized> {
    core: &'p PublisherCore,
    lent: Lent,
    len_bytes: usize,
    marks: Marks,
    payload: PhantomData<&'p mut T>,
}

impl<T> Publisher<T>
where
    T: Payload,
{
    /// Lends the next message to be written in place. Waits while the gate is shut (exclusive
    /// topics) or every free chunk is held by a stopped subscriber (shared ones).
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let publisher = bus.topic("level").typed::<u64>().open_or_create()?.publisher()?;
    /// let mut loan = publisher.loan()?;
    /// *loan = 42;
    /// assert_eq!(loan.commit()?, 0);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError::LoanOutstanding`] (exclusive), [`PublishError::LoanLimit`] (shared): commit
    /// or drop a loan first.
    pub fn loan(&self) -> Result<Loan<'_, T>, PublishError> {
        Loan::new(&self.core, T::UNIT_BYTES, Patience::Forever)
    }

    /// Lends the next message as [`loan`](Self::loan), without waiting.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("level").typed::<u64>().capacity(1).open_or_create()?;
    /// let slow = topic.subscriber().reliable().join()?;
    /// let publisher = topic.publisher()?;
    /// let mut loan = publisher.try_loan()?;
    /// *loan = 42;
    /// loan.commit()?;
    /// assert!(publisher.try_loan().is_err()); // until `slow` has read the 42
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `loan`, [`PublishError::Full`] and [`PublishError::NoSpace`]: try again later.
    pub fn try_loan(&self) -> Result<Loan<'_, T>, PublishError> {
        Loan::new(&self.core, T::UNIT_BYTES, Patience::Try)
    }

    /// Lends the next message as [`loan`](Self::loan), waiting for at most `timeout`.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # use std::time::Duration;
    /// let publisher = bus.topic("level").typed::<u64>().open_or_create()?.publisher()?;
    /// let mut loan = publisher.loan_timeout(Duration::from_millis(5))?;
    /// *loan = 42;
    /// assert_eq!(loan.commit()?, 0);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `loan`, [`PublishError::Full`] and [`PublishError::NoSpace`] when the time is up.
    pub fn loan_timeout(&self, timeout: Duration) -> Result<Loan<'_, T>, PublishError> {
        Loan::new(&self.core, T::UNIT_BYTES, Patience::For(timeout))
    }
}

impl<E> Publisher<[E]>
where
    [E]: SlicePayload<Element = E>,
{
    /// Lends the next message, `len` elements long, to be written in place. Waits while the gate is
    /// shut (exclusive topics) or every free chunk is held by a stopped subscriber (shared ones).
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let publisher = bus.topic("orders").open_or_create()?.publisher()?;
    /// let mut loan = publisher.loan(3)?;
    /// loan.copy_from_slice(b"buy");
    /// assert_eq!(loan.commit()?, 0);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError::LoanOutstanding`] (exclusive), [`PublishError::LoanLimit`] (shared): commit
    /// or drop a loan first. [`PublishError::TooLong`], [`PublishError::WrongLength`] and
    /// [`PublishError::PartialElement`] for a length that no message of this topic has.
    pub fn loan(&self, len: usize) -> Result<Loan<'_, [E]>, PublishError> {
        Loan::new(
            &self.core,
            len.saturating_mul(<[E]>::UNIT_BYTES),
            Patience::Forever,
        )
    }

    /// Lends the next message as [`loan`](Self::loan), without waiting.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("orders").capacity(1).open_or_create()?;
    /// let slow = topic.subscriber().reliable().join()?;
    /// let publisher = topic.publisher()?;
    /// let mut loan = publisher.try_loan(3)?;
    /// loan.copy_from_slice(b"buy");
    /// loan.commit()?;
    /// assert!(publisher.try_loan(4).is_err()); // until `slow` has read the first
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `loan`, [`PublishError::Full`] and [`PublishError::NoSpace`]: try again later.
    pub fn try_loan(&self, len: usize) -> Result<Loan<'_, [E]>, PublishError> {
        Loan::new(
            &self.core,
            len.saturating_mul(<[E]>::UNIT_BYTES),
            Patience::Try,
        )
    }

    /// Lends the next message as [`loan`](Self::loan), waiting for at most `timeout`.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # use std::time::Duration;
    /// let publisher = bus.topic("orders").open_or_create()?.publisher()?;
    /// let mut loan = publisher.loan_timeout(3, Duration::from_millis(5))?;
    /// loan.copy_from_slice(b"buy");
    /// assert_eq!(loan.commit()?, 0);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `loan`, [`PublishError::Full`] and [`PublishError::NoSpace`] when the time is up.
    pub fn loan_timeout(
        &self,
        len: usize,
        timeout: Duration,
    ) -> Result<Loan<'_, [E]>, PublishError> {
        Loan::new(
            &self.core,
            len.saturating_mul(<[E]>::UNIT_BYTES),
            Patience::For(timeout),
        )
    }
}

impl<'p, T: Payload + ?Sized> Loan<'p, T> {
    #[inline]
    fn new(
        core: &'p PublisherCore,
        len_bytes: usize,
        patience: Patience,
    ) -> Result<Self, PublishError> {
        core.check_len(len_bytes)?;
        let loans = core.shape().loans;
        if loans > 0 && core.on_loan() >= loans {
            return Err(PublishError::LoanLimit { loans });
        }
        let lent = core.lend_patiently(patience)?;
        core.note_loan();
        Ok(Self {
            core,
            lent,
            len_bytes,
            marks: Marks::default(),
            payload: PhantomData,
        })
    }

    /// Sets the message's tag; 0 unless set. The bus gives it no meaning.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("orders").open_or_create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// let publisher = topic.publisher()?;
    /// let mut loan = publisher.loan(3)?;
    /// loan.copy_from_slice(b"buy");
    /// loan.set_tag(7);
    /// loan.commit()?;
    /// assert_eq!(subscriber.poll()?.expect("an order").tag(), 7);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn set_tag(&mut self, tag: u64) {
        self.marks.tag = tag;
    }

    /// Sets the message's flags; none unless set. The bus gives them no meaning.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("chunks").open_or_create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// let publisher = topic.publisher()?;
    /// let mut loan = publisher.loan(3)?;
    /// loan.copy_from_slice(b"end");
    /// loan.set_flags(0b1);
    /// loan.commit()?;
    /// assert_eq!(subscriber.poll()?.expect("a chunk").flags(), 0b1);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn set_flags(&mut self, flags: u16) {
        self.marks.flags = flags;
    }

    /// Sets the message's attributes; none unless set. Earlier ones are forgotten.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::{Attribute, Attributes};
    ///
    /// let topic = bus.topic("orders").attributes_max(64).open_or_create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// let publisher = topic.publisher()?;
    /// let mut loan = publisher.loan(3)?;
    /// loan.copy_from_slice(b"buy");
    /// loan.set_attributes(&Attributes::new().with("lot", 100)?)?;
    /// loan.commit()?;
    /// let order = subscriber.poll()?.expect("an order");
    /// assert_eq!(order.attributes().get("lot"), Some(Attribute::Int(100)));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError::NotKept`] and [`PublishError::AttributesTooLong`] where the topic has no room
    /// for them; then nothing has changed.
    pub fn set_attributes(&mut self, attributes: &Attributes) -> Result<(), PublishError> {
        self.marks.attributes_len = self.core.set_attributes(self.lent, attributes)?;
        Ok(())
    }

    /// Publishes the message and returns its sequence. Never waits on an exclusive topic; on a
    /// shared one it waits while the gate is shut.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// let topic = bus.topic("events").shared().open_or_create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// let publisher = topic.publisher()?;
    /// let (mut early, mut late) = (publisher.loan(5)?, publisher.loan(4)?);
    /// early.copy_from_slice(b"early");
    /// late.copy_from_slice(b"late");
    /// assert_eq!(late.commit()?, 0); // the order of the commits
    /// assert_eq!(early.commit()?, 1);
    /// assert_eq!(subscriber.poll()?.expect("an event").payload(), b"late");
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError::NotKept`] for a tag or flags on a topic without, [`PublishError::Corrupted`]
    /// and [`PublishError::Forked`]; then the message is gone.
    pub fn commit(self) -> Result<u64, PublishError> {
        self.core.check_marks(self.marks)?;
        let seq = self.commit_patiently(Patience::Forever)?;
        self.finish();
        Ok(seq)
    }

    /// Publishes the message unless the gate is shut, in which case the loan comes back.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use ringbus::PublishError;
    ///
    /// let topic = bus.topic("events").shared().capacity(1).open_or_create()?;
    /// let slow = topic.subscriber().reliable().join()?;
    /// let publisher = topic.publisher()?;
    /// publisher.loan(8)?.try_commit().expect("the ring has room for one");
    /// let refused = publisher.loan(8)?.try_commit().unwrap_err();
    /// assert!(matches!(refused.error, PublishError::Full(culprit) if culprit.behind == 1));
    /// assert_eq!(refused.loan.len(), 8); // to commit later, or to drop
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError::Full`] and those of [`commit`](Self::commit). [`Refused`] has the loan:
    /// nothing is published, and nothing is lost.
    pub fn try_commit(self) -> Result<u64, Refused<'p, T>> {
        self.commit_or_return(Patience::Try)
    }

    /// Publishes the message; waits for at most `timeout` while the gate of a shared topic is shut,
    /// and then the loan comes back.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// use {ringbus::PublishError, std::time::Duration};
    ///
    /// let topic = bus.topic("events").shared().capacity(1).open_or_create()?;
    /// let slow = topic.subscriber().reliable().join()?;
    /// let publisher = topic.publisher()?;
    /// publisher.loan(8)?.commit()?;
    /// let refused = publisher.loan(8)?.commit_timeout(Duration::from_millis(5)).unwrap_err();
    /// assert!(matches!(refused.error, PublishError::Full(_)));
    /// drop(slow);
    /// assert_eq!(refused.loan.commit()?, 1);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError::Full`] when the time is up, and those of [`commit`](Self::commit).
    /// [`Refused`] has the loan: nothing is published, and nothing is lost.
    pub fn commit_timeout(self, timeout: Duration) -> Result<u64, Refused<'p, T>> {
        self.commit_or_return(Patience::For(timeout))
    }

    fn commit_or_return(self, patience: Patience) -> Result<u64, Refused<'p, T>> {
        let committed = self
            .core
            .check_marks(self.marks)
            .and_then(|()| self.commit_patiently(patience));
        match committed {
            Ok(seq) => {
                self.finish();
                Ok(seq)
            }
            Err(error) => Err(Refused { error, loan: self }),
        }
    }

    #[inline]
    fn commit_patiently(&self, patience: Patience) -> Result<u64, PublishError> {
        if self.core.is_forked() {
            return Err(PublishError::Forked);
        }
        self.core
            .commit_patiently(self.lent, self.marks, self.len_bytes, patience)
    }

    /// After a commit: there is nothing to take back any more.
    fn finish(self) {
        self.core.ring_the_bell();
        self.core.note_return();
        std::mem::forget(self);
    }
}

impl<E> Loan<'_, [E]>
where
    [E]: SlicePayload<Element = E>,
{
    /// Shortens the message to its first `len` elements; it is never lengthened.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # use std::io::Write;
    /// let topic = bus.topic("log").payload_max(256).open_or_create()?;
    /// let mut subscriber = topic.subscriber().join()?;
    /// let publisher = topic.publisher()?;
    /// let mut loan = publisher.loan(256)?; // the length is known when it is written
    /// let mut rest = &mut loan[..];
    /// write!(rest, "{} degrees", 21).expect("fits");
    /// let len = 256 - rest.len();
    /// loan.truncate(len)?;
    /// loan.commit()?;
    /// assert_eq!(subscriber.poll()?.expect("a line").payload(), b"21 degrees");
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError::WrongLength`] on a topic of fixed size; the loan is as long as it was.
    pub fn truncate(&mut self, len: usize) -> Result<(), PublishError> {
        let len_bytes = len.saturating_mul(<[E]>::UNIT_BYTES).min(self.len_bytes);
        self.core.check_len(len_bytes)?;
        self.len_bytes = len_bytes;
        Ok(())
    }
}

impl<T: ?Sized> Drop for Loan<'_, T> {
    fn drop(&mut self) {
        self.core.abort(self.lent);
        self.core.note_return();
    }
}

impl<T: Payload + ?Sized> Deref for Loan<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the block is on loan, and it is written through `&mut self` only.
        let bytes = unsafe { self.core.payload(self.lent, self.len_bytes) };
        T::from_payload(bytes).expect("the topic's alignment and the loan's length fit the type")
    }
}

impl<T: Payload + ?Sized> DerefMut for Loan<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the block is on loan, and `&mut self` makes this the only reference.
        let bytes = unsafe { self.core.payload_mut(self.lent, self.len_bytes) };
        T::from_payload_mut(bytes)
            .expect("the topic's alignment and the loan's length fit the type")
    }
}

impl<T: ?Sized> fmt::Debug for Loan<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loan")
            .field("len_bytes", &self.len_bytes)
            .finish_non_exhaustive()
    }
}
