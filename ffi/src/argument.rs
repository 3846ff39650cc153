//! What C hands in, checked as far as it can be: NULL, text, and where results go.

use std::ffi::{CStr, c_char};
use std::ptr::NonNull;
use std::time::Duration;

use crate::code::Code;
use crate::failure::Failure;

/// `RINGBUS_FOREVER`.
const FOREVER: u64 = u64::MAX;

/// A time of `timeout_ns`; none is a wait without an end.
pub(crate) fn timeout(timeout_ns: u64) -> Option<Duration> {
    (timeout_ns != FOREVER).then(|| Duration::from_nanos(timeout_ns))
}

/// The value behind a handle or an options pointer.
///
/// # Safety
///
/// `pointer` is NULL or points to a valid `T`, which nobody changes or frees during `'a`.
pub(crate) unsafe fn borrow<'a, T>(pointer: *const T, name: &str) -> Result<&'a T, Failure> {
    // SAFETY:
    // - NULL or valid, and not changed during `'a`: the caller's promise.
    unsafe { pointer.as_ref() }.ok_or_else(|| Failure::null(name))
}

/// The value behind a handle that the call changes.
///
/// # Safety
///
/// `pointer` is NULL or points to a valid `T`, which nobody else uses during `'a`.
pub(crate) unsafe fn borrow_mut<'a, T>(pointer: *mut T, name: &str) -> Result<&'a mut T, Failure> {
    // SAFETY:
    // - NULL or valid, and not used by others during `'a`: the caller's promise.
    unsafe { pointer.as_mut() }.ok_or_else(|| Failure::null(name))
}

/// The text at `pointer`, or none where it is NULL.
///
/// # Safety
///
/// `pointer` is NULL or points to a string that ends in NUL, which nobody changes during `'a`.
pub(crate) unsafe fn text<'a>(
    pointer: *const c_char,
    name: &str,
) -> Result<Option<&'a str>, Failure> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY:
    // - not NULL: checked above. Ends in NUL, unchanged during `'a`: the caller's promise.
    let text = unsafe { CStr::from_ptr(pointer) };
    let text = text
        .to_str()
        .map_err(|error| Failure::invalid(format!("`{name}` is not UTF-8: {error}")))?;
    Ok(Some(text))
}

/// The bytes at `pointer`, which may be NULL where there are none.
///
/// # Safety
///
/// `pointer` is NULL or points to `len_bytes` bytes that nobody changes during `'a`.
pub(crate) unsafe fn bytes<'a>(
    pointer: *const u8,
    len_bytes: usize,
    name: &str,
) -> Result<&'a [u8], Failure> {
    if len_bytes == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(Failure::null(name));
    }
    if len_bytes > isize::MAX as usize {
        return Err(Failure::invalid(format!(
            "{len_bytes} bytes at `{name}` cannot be"
        )));
    }
    // SAFETY:
    // - not NULL, at most `isize::MAX`: checked above. Readable and unchanged during `'a`: the
    //   caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(pointer, len_bytes) })
}

/// Where a result goes.
pub(crate) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    /// # Safety
    ///
    /// `pointer` is NULL or may be written with a `T` for as long as the result lives.
    pub(crate) unsafe fn new(pointer: *mut T, name: &str) -> Result<Self, Failure> {
        NonNull::new(pointer)
            .map(Self)
            .ok_or_else(|| Failure::null(name))
    }

    pub(crate) fn set(self, value: T) {
        // SAFETY:
        // - may be written with a `T`: promised to `new`, the only way to get an `Out`.
        unsafe { self.0.write(value) }
    }
}

impl<T> Out<*mut T> {
    /// Gives C a handle, which [`close`] takes back.
    pub(crate) fn give(self, handle: T) {
        self.set(Box::into_raw(Box::new(handle)));
    }
}

/// Takes a handle back and drops it; NULL is none.
///
/// # Safety
///
/// `handle` is NULL, or came from [`Out::give`] and is used by nobody, now or later.
pub(crate) unsafe fn close<T>(handle: *mut T) -> Result<Code, Failure> {
    if !handle.is_null() {
        // SAFETY:
        // - from a box, and used by nobody else: the caller's promise.
        drop(unsafe { Box::from_raw(handle) });
    }
    Ok(Code::Ok)
}
