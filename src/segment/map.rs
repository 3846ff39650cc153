//! Values in a mapping.

use std::slice;

use super::os::Mapping;
use crate::shared::{Offset, Shared};

/// `len` values from `first` on, or `None` where they would reach past the end, or where this is a
/// forked child.
pub(super) fn array<T: Shared>(mapping: &Mapping, first: Offset<T>, len: usize) -> Option<&[T]> {
    let start = usize::try_from(first.bytes()).ok()?;
    let bytes = len.checked_mul(size_of::<T>())?;
    let inside = start.checked_add(bytes)? <= mapping.len();
    if !inside || mapping.is_forked() {
        return None;
    }
    // SAFETY:
    // - in bounds: `start` is no more than the length of one mapping (S1), which fits an `isize`.
    let first = unsafe { mapping.base().byte_add(start) }.cast::<T>();
    // SAFETY:
    // - mapped for the borrow of `mapping`, and readable: S1, `inside`, not forked.
    // - aligned: `Offset` is a multiple of the alignment, which in shared memory is no more than
    //   the page that `base` is on.
    // - valid whatever a peer writes, and its writes are no race on it: `T: Shared`.
    Some(unsafe { slice::from_raw_parts(first.as_ptr(), len) })
}
