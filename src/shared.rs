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

/// FNV-1a of 64 bits: finds damage, not malice.
///
/// Source: Fowler, Noll and Vo, <http://www.isthe.com/chongo/tech/comp/fnv/>
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    // A zero byte multiplies and does nothing else, so many of them are one multiplication: a header
    // is a page of mostly zeros, and byte by byte it costs 7 us, with them 0.3.
    const ZEROS: usize = 32;
    const PRIME_FOR_ZEROS: u64 = PRIME.wrapping_pow(ZEROS as u32);
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
    let (pieces, rest) = bytes.as_chunks::<ZEROS>();
    let hash = pieces.iter().fold(OFFSET_BASIS, |hash, piece| match piece {
        [0, ..] if *piece == [0; ZEROS] => hash.wrapping_mul(PRIME_FOR_ZEROS),
        _ => piece.iter().fold(hash, fold),
    });
    rest.iter().fold(hash, fold)
}

impl<T> Clone for Offset<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Offset<T> {}

#[cfg(all(test, not(ringbus_loom)))]
mod tests {
    use super::fnv1a;

    /// The algorithm as it is published.
    fn byte_by_byte(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }

    #[test]
    fn runs_of_zeros_count_like_any_bytes() {
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8); // of the authors' own list
        for start in 0..70 {
            for zeros in 0..140 {
                let mut bytes = vec![0x5a; start];
                bytes.resize(start + zeros, 0);
                assert_eq!(fnv1a(&bytes), byte_by_byte(&bytes));
                bytes.extend(1..=40);
                assert_eq!(fnv1a(&bytes), byte_by_byte(&bytes));
            }
        }
    }
}
