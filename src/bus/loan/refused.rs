//! Commits that were refused.

use std::fmt;

use super::{
    super::error::{Error, PublishError},
    Loan,
};

/// A commit that was refused, and the loan to try again with.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// let topic = bus.topic("events").shared().capacity(1).open_or_create()?;
/// let mut slow = topic.subscriber().reliable().join()?;
/// let publisher = topic.publisher()?;
/// publisher.publish(b"one")?;
/// let mut loan = publisher.loan(3)?;
/// loan.copy_from_slice(b"two");
/// let refused = loan.try_commit().unwrap_err();
/// println!("{}", refused.error); // the topic is full: ...
/// slow.poll()?; // reads one, and lets it go
/// assert_eq!(refused.loan.commit()?, 1);
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct Refused<'p, T: ?Sized> {
    /// Why.
    pub error: PublishError,
    /// What was not published.
    pub loan: Loan<'p, T>,
}

impl<T: ?Sized> fmt::Debug for Refused<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { error, loan } = self;
        f.debug_struct("Refused")
            .field("error", error)
            .field("loan", loan)
            .finish()
    }
}

impl<T: ?Sized> fmt::Display for Refused<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T: ?Sized> std::error::Error for Refused<'_, T> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl<T: ?Sized> From<Refused<'_, T>> for Error {
    /// Gives up the loan.
    fn from(refused: Refused<'_, T>) -> Self {
        Self::Publish(refused.error)
    }
}
