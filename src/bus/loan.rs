//! Writing a message in place before it is published.

use std::{
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    time::Duration,
};

use super::{
    Meta, Patience, Payload, Publisher, SlicePayload,
    error::PublishError,
    gatekeeper::Refusal,
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
/// Its contents at first are whatever an earlier message left there, or zeros.
pub struct Loan<'p, T: ?Sized> {
    core: &'p PublisherCore,
    lent: Lent,
    len_bytes: usize,
    meta: Meta,
    payload: PhantomData<&'p mut T>,
}

/// A commit that was refused, and the loan to try again with.
#[derive(Debug)]
pub struct Refused<'p, T: ?Sized> {
    /// Why.
    pub error: PublishError,
    /// What was not published.
    pub loan: Loan<'p, T>,
}

/// Consecutive messages of an exclusive topic that are being written in place, and are published
/// together by [`commit`](Self::commit); dropping it leaves no trace.
pub struct LoanRun<'p, T: ?Sized> {
    core: &'p PublisherCore,
    lent: Vec<Lent>,
    len_bytes: usize,
    meta: Meta,
    payload: PhantomData<&'p mut T>,
}

impl<T> Publisher<T>
where
    T: Payload,
{
    /// Lends the next message to be written in place. Waits while the gate is shut (exclusive
    /// topics) or every free chunk is held by a stopped subscriber (shared ones).
    ///
    /// # Errors
    ///
    /// [`PublishError::LoanOutstanding`] (exclusive), [`PublishError::LoanLimit`] (shared).
    pub fn loan(&self) -> Result<Loan<'_, T>, PublishError> {
        Loan::new(&self.core, T::UNIT_BYTES, Patience::Forever)
    }

    /// As [`loan`](Self::loan), without waiting.
    ///
    /// # Errors
    ///
    /// Those of `loan`, and [`PublishError::Full`].
    pub fn try_loan(&self) -> Result<Loan<'_, T>, PublishError> {
        Loan::new(&self.core, T::UNIT_BYTES, Patience::Try)
    }

    /// As [`loan`](Self::loan), waiting for at most `timeout`.
    ///
    /// # Errors
    ///
    /// Those of `loan`, and [`PublishError::Full`].
    pub fn loan_timeout(&self, timeout: Duration) -> Result<Loan<'_, T>, PublishError> {
        Loan::new(&self.core, T::UNIT_BYTES, Patience::For(timeout))
    }

    /// Lends the next `count` messages of an exclusive topic. Waits while the gate is shut.
    ///
    /// # Errors
    ///
    /// [`PublishError::NoRuns`] on a shared topic, [`PublishError::RunTooLong`], and those of
    /// [`loan`](Self::loan).
    pub fn loan_run(&self, count: usize) -> Result<LoanRun<'_, T>, PublishError> {
        LoanRun::new(&self.core, count, T::UNIT_BYTES)
    }
}

impl<E> Publisher<[E]>
where
    [E]: SlicePayload<Element = E>,
{
    /// Lends the next message, `len` elements long, to be written in place. Waits while the gate is
    /// shut (exclusive topics) or every free chunk is held by a stopped subscriber (shared ones).
    ///
    /// # Errors
    ///
    /// [`PublishError::LoanOutstanding`] (exclusive), [`PublishError::LoanLimit`] (shared), and the
    /// ones about the length.
    pub fn loan(&self, len: usize) -> Result<Loan<'_, [E]>, PublishError> {
        Loan::new(
            &self.core,
            len.saturating_mul(<[E]>::UNIT_BYTES),
            Patience::Forever,
        )
    }

    /// As [`loan`](Self::loan), without waiting.
    ///
    /// # Errors
    ///
    /// Those of `loan`, and [`PublishError::Full`].
    pub fn try_loan(&self, len: usize) -> Result<Loan<'_, [E]>, PublishError> {
        Loan::new(
            &self.core,
            len.saturating_mul(<[E]>::UNIT_BYTES),
            Patience::Try,
        )
    }

    /// As [`loan`](Self::loan), waiting for at most `timeout`.
    ///
    /// # Errors
    ///
    /// Those of `loan`, and [`PublishError::Full`].
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

    /// Lends the next `count` messages of an exclusive topic, `len` elements long each. Waits while
    /// the gate is shut.
    ///
    /// # Errors
    ///
    /// [`PublishError::NoRuns`] on a shared topic, [`PublishError::RunTooLong`], and those of
    /// [`loan`](Self::loan).
    pub fn loan_run(&self, count: usize, len: usize) -> Result<LoanRun<'_, [E]>, PublishError> {
        LoanRun::new(&self.core, count, len.saturating_mul(<[E]>::UNIT_BYTES))
    }
}

impl<'p, T: Payload + ?Sized> Loan<'p, T> {
    fn new(
        core: &'p PublisherCore,
        len_bytes: usize,
        patience: Patience,
    ) -> Result<Self, PublishError> {
        core.check_len(len_bytes)?;
        let loans = core.shape().loans;
        if loans > 0 && core.on_loan().get() >= loans {
            return Err(PublishError::LoanLimit { loans });
        }
        let lent = core.lend_patiently(patience)?;
        core.on_loan().set(core.on_loan().get() + 1);
        Ok(Self {
            core,
            lent,
            len_bytes,
            meta: Meta::new(),
            payload: PhantomData,
        })
    }

    /// Sets the message's tag; 0 unless set.
    pub fn set_tag(&mut self, tag: u64) {
        self.meta.tag = tag;
    }

    /// Sets the message's flags; none unless set.
    pub fn set_flags(&mut self, flags: u16) {
        self.meta.flags = flags;
    }

    /// Publishes the message and returns its sequence. Never waits on an exclusive topic; on a
    /// shared one it waits while the gate is shut.
    ///
    /// # Errors
    ///
    /// [`PublishError::NotKept`] for a tag or flags on a topic without, and
    /// [`PublishError::Corrupted`]; then the message is gone.
    pub fn commit(self) -> Result<u64, PublishError> {
        self.core.check_meta(self.meta)?;
        let seq = self.commit_patiently(Patience::Forever)?;
        self.finish();
        Ok(seq)
    }

    /// Publishes the message unless the gate is shut, in which case the loan comes back.
    ///
    /// # Errors
    ///
    /// Those of [`commit`](Self::commit), and [`PublishError::Full`].
    pub fn try_commit(self) -> Result<u64, Refused<'p, T>> {
        if let Err(error) = self.core.check_meta(self.meta) {
            return Err(Refused { error, loan: self });
        }
        match self.commit_patiently(Patience::Try) {
            Ok(seq) => {
                self.finish();
                Ok(seq)
            }
            Err(error) => Err(Refused { error, loan: self }),
        }
    }

    fn commit_patiently(&self, patience: Patience) -> Result<u64, PublishError> {
        if self.core.is_forked() {
            return Err(PublishError::Forked);
        }
        self.core
            .commit_patiently(self.lent, self.meta, self.len_bytes, patience)
    }

    /// After a commit: there is nothing to take back any more.
    fn finish(self) {
        self.core.ring_the_bell();
        self.core.on_loan().set(self.core.on_loan().get() - 1);
        std::mem::forget(self);
    }
}

impl<E> Loan<'_, [E]>
where
    [E]: SlicePayload<Element = E>,
{
    /// Shortens the message to its first `len` elements; it is never lengthened.
    ///
    /// # Errors
    ///
    /// [`PublishError::WrongLength`] on a topic of fixed size.
    pub fn truncate(&mut self, len: usize) -> Result<(), PublishError> {
        let len_bytes = len.saturating_mul(<[E]>::UNIT_BYTES).min(self.len_bytes);
        self.core.check_len(len_bytes)?;
        self.len_bytes = len_bytes;
        Ok(())
    }
}

impl<'p, T: Payload + ?Sized> LoanRun<'p, T> {
    fn new(core: &'p PublisherCore, count: usize, len_bytes: usize) -> Result<Self, PublishError> {
        core.check_len(len_bytes)?;
        let capacity = core.capacity_slots();
        if count as u64 > capacity {
            return Err(PublishError::RunTooLong { count, capacity });
        }
        if core.on_loan().get() > 0 {
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
        core.on_loan().set(1);
        Ok(Self {
            core,
            lent,
            len_bytes,
            meta: Meta::new(),
            payload: PhantomData,
        })
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.lent.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lent.is_empty()
    }

    /// Message `index` of the run, to be written; `None` past the end.
    pub fn message_mut(&mut self, index: usize) -> Option<&mut T> {
        let lent = *self.lent.get(index)?;
        // SAFETY: the slot is on loan, and `&mut self` makes this the only reference.
        T::from_payload_mut(unsafe { self.core.payload_mut(lent, self.len_bytes) })
    }

    /// Sets the tag of all messages of the run.
    pub fn set_tag(&mut self, tag: u64) {
        self.meta.tag = tag;
    }

    /// Publishes all messages in order and returns the sequence of the first.
    ///
    /// # Errors
    ///
    /// [`PublishError::NotKept`] for a tag on a topic without; then none is published.
    pub fn commit(self) -> Result<u64, PublishError> {
        self.core.check_meta(self.meta)?;
        if self.core.is_forked() {
            return Err(PublishError::Forked);
        }
        let first = self.core.position();
        for lent in &self.lent {
            if let Err(Refusal::Final(error)) = self.core.commit(*lent, self.meta, self.len_bytes) {
                return Err(error);
            }
        }
        self.core.ring_the_bell();
        Ok(first)
    }
}

impl<T: ?Sized> Drop for Loan<'_, T> {
    fn drop(&mut self) {
        self.core.abort(self.lent);
        self.core.on_loan().set(self.core.on_loan().get() - 1);
    }
}

impl<T: ?Sized> Drop for LoanRun<'_, T> {
    fn drop(&mut self) {
        self.core.on_loan().set(0);
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

impl<T: ?Sized> fmt::Debug for LoanRun<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoanRun")
            .field("len", &self.lent.len())
            .finish_non_exhaustive()
    }
}
