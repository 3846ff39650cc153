//! The library itself: its version, its codes, the last error.

use std::ffi::c_char;

use crate::code::Code;
use crate::guard;

/// The version of the library, "major.minor.patch".
#[unsafe(no_mangle)]
pub extern "C" fn ringbus_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// What a code means, in a few words.
#[unsafe(no_mangle)]
pub extern "C" fn ringbus_strerror(code: i32) -> *const c_char {
    let known = Code::TABLE.iter().find(|(_, number, _)| *number == code);
    known
        .map_or("unknown code\0", |(_, _, text)| text)
        .as_ptr()
        .cast()
}

/// What failed last on this thread.
#[unsafe(no_mangle)]
pub extern "C" fn ringbus_last_error() -> *const c_char {
    guard::last_error()
}
