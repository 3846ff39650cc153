//! What may live in memory that a peer writes: types made of atomics only, and typed offsets to
//! them.
//!
//! A peer may store anything at any time, so a type in shared memory must be valid for every bit
//! pattern and must tolerate a concurrent store to each of its fields.

use std::marker::PhantomData;

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicU32, AtomicU64};

/// A type that may be borrowed from memory which other processes write.
///
/// # Safety
///
/// Every field is an atomic integer (or an array or padding of such), every bit pattern is a valid
/// value, and the type is `repr(C)` or `repr(transparent)`, so that all processes agree on its
/// layout.
pub(crate) unsafe trait Shared {}

// SAFETY: an atomic integer accepts every bit pattern and concurrent access.
unsafe impl Shared for AtomicU32 {}
// SAFETY: as above.
unsafe impl Shared for AtomicU64 {}
// SAFETY: `CachePadded` is `repr(C)` since crossbeam-utils 0.8.22, its value first, then padding.
unsafe impl<T: Shared> Shared for CachePadded<T> {}
// SAFETY: an array of shared values is one after the other.
unsafe impl<T: Shared, const N: usize> Shared for [T; N] {}

/// The place of a `T` in a segment, in bytes from its start.
pub(crate) struct Offset<T> {
    bytes: u64,
    of: PhantomData<fn() -> T>,
}

impl<T: Shared> Offset<T> {
    /// The place `bytes` after the start of a segment.
    pub(crate) const fn new(bytes: u64) -> Self {
        assert!(bytes.is_multiple_of(align_of::<T>() as u64));
        Self {
            bytes,
            of: PhantomData,
        }
    }

    /// Bytes from the start of the segment.
    pub(crate) const fn bytes(self) -> u64 {
        self.bytes
    }
}

impl<T> Clone for Offset<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Offset<T> {}
