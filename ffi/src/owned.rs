//! A value at a place of its own, from which what C holds may borrow for as long as it likes.

use std::ptr::NonNull;

/// A box whose content may be borrowed longer than the compiler can see: whoever does so drops the
/// borrower before the box. Unlike `Box` it does not claim to be the only way to its content.
pub(crate) struct Owned<T>(NonNull<T>);

// SAFETY: it owns a `T`, and nothing else.
unsafe impl<T: Send> Send for Owned<T> {}

impl<T> Owned<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(NonNull::from(Box::leak(Box::new(value))))
    }

    /// # Safety
    ///
    /// The result is dropped before the box is, and no `&mut` to the content lives meanwhile.
    #[inline(always)]
    pub(crate) unsafe fn borrow<'a>(&self) -> &'a T {
        // SAFETY: from a box, which lives longer than `'a`: the caller's promise.
        unsafe { self.0.as_ref() }
    }

    /// # Safety
    ///
    /// The result is dropped before the box is, and no other reference to the content lives meanwhile.
    #[inline(always)]
    pub(crate) unsafe fn borrow_mut<'a>(&mut self) -> &'a mut T {
        // SAFETY: from a box, which lives longer than `'a`: the caller's promise.
        unsafe { self.0.as_mut() }
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: from a box, and nobody borrows from it any more: promised to the methods above.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}
