//! What C hands in, checked as far as it can be: NULL, text, options, and where results go.

use std::ffi::{CStr, CString, c_char};
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::time::Duration;

use ringbus::Patience;

use crate::failure::Failure;

/// A wait without an end, as a `timeout_ns`.
pub const RINGBUS_FOREVER: u64 = u64::MAX;

/// Zero, in the fields of options where 0 means the default.
pub const RINGBUS_ZERO: u64 = u64::MAX;

/// Yes, in the fields of options where 0 means the default.
pub const RINGBUS_YES: u32 = 1;

/// No, in the fields of options where 0 means the default.
pub const RINGBUS_NO: u32 = 2;

/// A time of `timeout_ns`.
pub(crate) fn timeout(timeout_ns: u64) -> Duration {
    match timeout_ns {
        RINGBUS_FOREVER => Duration::MAX,
        _ => Duration::from_nanos(timeout_ns),
    }
}

/// How long a publish waits that is given `timeout_ns`.
#[inline(always)]
pub(crate) fn patience(timeout_ns: u64) -> Patience {
    match timeout_ns {
        0 => Patience::Try,
        RINGBUS_FOREVER => Patience::Forever,
        _ => Patience::For(Duration::from_nanos(timeout_ns)),
    }
}

/// A number where 0 means the default.
pub(crate) fn number(value: u64) -> Option<u64> {
    match value {
        0 => None,
        RINGBUS_ZERO => Some(0),
        _ => Some(value),
    }
}

/// The same, as a size.
pub(crate) fn size(value: u64, name: &str) -> Result<Option<usize>, Failure> {
    let fit = |value| {
        usize::try_from(value).map_err(|_| Failure::invalid(format!("`{name}` is too large")))
    };
    number(value).map(fit).transpose()
}

/// Yes, no, or the default.
pub(crate) fn choice(value: u32, name: &str) -> Result<Option<bool>, Failure> {
    match value {
        0 => Ok(None),
        RINGBUS_YES => Ok(Some(true)),
        RINGBUS_NO => Ok(Some(false)),
        _ => Err(Failure::invalid(format!(
            "`{name}` is {value}, not RINGBUS_YES, RINGBUS_NO or 0"
        ))),
    }
}

/// That a field which later versions may use is not used yet.
pub(crate) fn unused(value: u32, name: &str) -> Result<(), Failure> {
    match value {
        0 => Ok(()),
        _ => Err(Failure::invalid(format!("`{name}` is {value}, not 0"))),
    }
}

/// That no flags are set but `known` ones.
pub(crate) fn known_flags(flags: u32, known: u32, name: &str) -> Result<(), Failure> {
    match flags & !known {
        0 => Ok(()),
        unknown => Err(Failure::invalid(format!(
            "`{name}` has bits that have no meaning: {unknown:#x}"
        ))),
    }
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

/// The text at `pointer`, which must be there.
///
/// # Safety
///
/// As for [`text`].
pub(crate) unsafe fn needed_text<'a>(
    pointer: *const c_char,
    name: &str,
) -> Result<&'a str, Failure> {
    // SAFETY: as this function requires.
    unsafe { text(pointer, name) }?.ok_or_else(|| Failure::null(name))
}

/// The elements at `pointer`, which may be NULL where there are none.
///
/// # Safety
///
/// `pointer` is NULL or points to `len` valid elements that nobody changes during `'a`.
#[inline(always)]
pub(crate) unsafe fn slice<'a, T>(
    pointer: *const T,
    len: usize,
    name: &str,
) -> Result<&'a [T], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    check_slice(pointer, len, name)?;
    // SAFETY:
    // - not NULL, aligned, of at most `isize::MAX` bytes: checked above. Readable and unchanged
    //   during `'a`: the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(pointer, len) })
}

/// The places at `pointer` for up to `len` results.
///
/// # Safety
///
/// `pointer` is NULL or points to `len` places that nobody else uses during `'a`.
#[inline(always)]
pub(crate) unsafe fn places<'a, T>(
    pointer: *mut T,
    len: usize,
    name: &str,
) -> Result<&'a mut [MaybeUninit<T>], Failure> {
    check_slice(pointer, len, name)?;
    // SAFETY:
    // - not NULL, aligned, of at most `isize::MAX` bytes: checked above. Writable and unused by
    //   others during `'a`: the caller's promise. They need not hold a value.
    Ok(unsafe { std::slice::from_raw_parts_mut(pointer.cast(), len) })
}

/// The bytes at `pointer` if there can be so many.
///
/// # Safety
///
/// As for [`slice`].
#[inline(always)]
pub(crate) unsafe fn bytes<'a>(pointer: *const u8, len: usize) -> Option<&'a [u8]> {
    if pointer.is_null() || len > isize::MAX as usize {
        return None;
    }
    // SAFETY: as in `slice`.
    Some(unsafe { std::slice::from_raw_parts(pointer, len) })
}

#[inline(always)]
fn check_slice<T>(pointer: *const T, len: usize, name: &str) -> Result<(), Failure> {
    if is_sound(pointer, len) {
        return Ok(());
    }
    Err(unsound(pointer, len, name))
}

#[inline(always)]
fn is_sound<T>(pointer: *const T, len: usize) -> bool {
    let max = isize::MAX as usize / size_of::<T>().max(1);
    !pointer.is_null() && pointer.is_aligned() && len <= max
}

/// What is wrong with the elements at `pointer`.
#[cold]
fn unsound<T>(pointer: *const T, len: usize, name: &str) -> Failure {
    if pointer.is_null() {
        return Failure::null(name);
    }
    if !pointer.is_aligned() {
        return misaligned(name);
    }
    Failure::invalid(format!("{len} at `{name}` cannot be"))
}

#[cold]
fn misaligned(name: &str) -> Failure {
    Failure::invalid(format!("`{name}` is not aligned"))
}

/// Options that C passes by pointer.
///
/// # Safety
///
/// `repr(C)`, the first field is `size_bytes: usize`, and every bit pattern is valid.
pub(crate) unsafe trait Options: Copy {
    /// The size of the first version of them that was released.
    const FIRST_SIZE: usize;
}

/// The largest size that a later version of any options may have.
const OPTIONS_MAX_BYTES: usize = 4096;

/// The options at `pointer`, of the caller's version, or all zeros where it is NULL.
///
/// # Safety
///
/// `pointer` is NULL or points to options of as many bytes as they say, unchanged meanwhile.
pub(crate) unsafe fn options<T: Options>(pointer: *const T, name: &str) -> Result<T, Failure> {
    let mut options = MaybeUninit::<T>::zeroed();
    if pointer.is_null() {
        // SAFETY: all zeros is valid: `Options`.
        return Ok(unsafe { options.assume_init() });
    }
    if !pointer.is_aligned() {
        return Err(misaligned(name));
    }
    // SAFETY:
    // - not NULL and aligned: checked above. The size comes first in every version.
    let size_bytes = unsafe { pointer.cast::<usize>().read() };
    if !(T::FIRST_SIZE..=OPTIONS_MAX_BYTES).contains(&size_bytes) {
        return Err(Failure::invalid(format!(
            "`{name}->size_bytes` is {size_bytes}; start from its `_init` function"
        )));
    }
    // SAFETY: as many bytes as they say: the caller's promise.
    let bytes = unsafe { slice(pointer.cast::<u8>(), size_bytes, name) }?;
    let (known, later) = bytes.split_at(size_bytes.min(size_of::<T>()));
    if later.iter().any(|byte| *byte != 0) {
        return Err(Failure::invalid(format!(
            "`{name}` ask for what this library, of version {}, does not know",
            env!("CARGO_PKG_VERSION")
        )));
    }
    let target = options.as_mut_ptr().cast::<u8>();
    // SAFETY: at most the size of `T`: split there.
    unsafe { target.copy_from_nonoverlapping(known.as_ptr(), known.len()) };
    // SAFETY: every bit pattern is valid: `Options`.
    Ok(unsafe { options.assume_init() })
}

/// Where a result goes.
pub(crate) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    /// # Safety
    ///
    /// `pointer` is NULL or may be written with a `T` for as long as the result lives.
    #[inline(always)]
    pub(crate) unsafe fn new(pointer: *mut T, name: &str) -> Result<Self, Failure> {
        if !pointer.is_aligned() {
            return Err(misaligned(name));
        }
        NonNull::new(pointer)
            .map(Self)
            .ok_or_else(|| Failure::null(name))
    }

    /// The same, without a word about what is wrong.
    ///
    /// # Safety
    ///
    /// As for [`new`](Self::new).
    #[inline(always)]
    pub(crate) unsafe fn sound(pointer: *mut T) -> Option<Self> {
        match pointer.is_aligned() {
            true => NonNull::new(pointer).map(Self),
            false => None,
        }
    }

    /// The same for a result that C may not want.
    ///
    /// # Safety
    ///
    /// As for [`new`](Self::new).
    #[inline(always)]
    pub(crate) unsafe fn optional(pointer: *mut T, name: &str) -> Result<Option<Self>, Failure> {
        if pointer.is_null() {
            return Ok(None);
        }
        // SAFETY: as this function requires.
        unsafe { Self::new(pointer, name) }.map(Some)
    }

    /// The place itself.
    #[inline(always)]
    pub(crate) fn place(&mut self) -> &mut MaybeUninit<T> {
        // SAFETY: may be written with a `T` for as long as it lives: promised to `new`.
        unsafe { self.0.cast::<MaybeUninit<T>>().as_mut() }
    }

    /// Writes what a later [`set`](Self::set) replaces.
    #[inline(always)]
    pub(crate) fn put(&self, value: T) {
        // SAFETY:
        // - may be written with a `T`: promised to `new`, the only way to get an `Out`.
        unsafe { self.0.write(value) }
    }

    #[inline(always)]
    pub(crate) fn set(self, value: T) {
        self.put(value);
    }
}

/// A text for C. What a NUL in it would cut off is shown without.
pub(crate) fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}
