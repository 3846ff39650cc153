//! The library itself: its version, its codes, the last failure, the handles that are open.

use std::ffi::c_char;

use ringbus::{Pattern, Timestamp};

use crate::argument::{Out, needed_text};
use crate::code::Code;
use crate::failure::{Failure, FailureFacts};
use crate::guard::{self, guard};
use crate::handle;

/// The version of the library, "major.minor.patch"; `RINGBUS_VERSION_MAJOR` and so on are those of the
/// header. Never NULL, never to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn ringbus_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// What a code means, in a few words. Never NULL, never to be freed; a number that is no code gives
/// "unknown code".
#[unsafe(no_mangle)]
pub extern "C" fn ringbus_strerror(code: i32) -> *const c_char {
    let known = Code::TABLE.iter().find(|(known, _)| *known as i32 == code);
    known
        .map_or("unknown code\0", |(_, text)| text)
        .as_ptr()
        .cast()
}

/// What failed last on this thread, where, and what to do about it. Never NULL: "" before the first
/// failure. A success does not clear it. Valid until the next failure on this thread, or its end.
#[unsafe(no_mangle)]
pub extern "C" fn ringbus_last_error() -> *const c_char {
    guard::last_error()
}

/// The facts of what failed last on this thread: how many messages were missed, who holds the topic
/// full. Set `failure->size_bytes` to `sizeof *failure` first; as much is written as fits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_last_failure(failure: *mut FailureFacts) -> Code {
    let facts = guard::last_facts();
    guard(|| {
        // SAFETY: as the crate's contract says.
        let _out = unsafe { Out::new(failure, "failure") }?;
        // SAFETY: not NULL and aligned; the size comes first in every version.
        let size_bytes = unsafe { failure.cast::<usize>().read() };
        if size_bytes < FIRST_FACTS_SIZE {
            return Err(Failure::invalid(format!(
                "`failure->size_bytes` is {size_bytes}; set it to `sizeof *failure`"
            )));
        }
        let facts = FailureFacts {
            size_bytes,
            ..facts
        };
        let (from, fitting) = (&raw const facts, size_bytes.min(size_of_val(&facts)));
        // SAFETY: as large as this at least: the caller says so.
        unsafe { failure.cast::<u8>().copy_from(from.cast(), fitting) };
        Ok(Code::Ok)
    })
}

/// The size of the first version of a failure's facts.
const FIRST_FACTS_SIZE: usize = 48;

/// This moment by the clock of publish times, `CLOCK_MONOTONIC`, in nanoseconds: for `RINGBUS_START_TIME`,
/// and to tell how old a message is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_now(time_ns: *mut u64) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(time_ns, "time_ns") }?;
        out.set(Timestamp::now().as_nanos());
        Ok(Code::Ok)
    })
}

/// Whether a pattern stands for the topic of this name, among others: in a pattern a level `*` stands
/// for any one level, and a last level `>` for one or more. `*matches` gets 1 or 0. `RINGBUS_INVALID_ARGUMENT` for
/// what is no pattern.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_pattern_matches(
    pattern: *const c_char,
    name: *const c_char,
    matches: *mut i32,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(matches, "matches") }?;
        // SAFETY: as the crate's contract says.
        let pattern = Pattern::new(unsafe { needed_text(pattern, "pattern") }?)?;
        // SAFETY: as the crate's contract says.
        let name = unsafe { needed_text(name, "name") }?;
        out.set(pattern.matches(name).into());
        Ok(Code::Ok)
    })
}

/// How many handles this process has open, of all kinds: 0 at the end of a program that leaks none.
#[unsafe(no_mangle)]
pub extern "C" fn ringbus_open_handles() -> usize {
    handle::open_handles()
}
