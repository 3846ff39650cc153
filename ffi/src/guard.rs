//! The one boundary between C and Rust: panics, NULLs, and the last error of a thread.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::code::Code;
use crate::failure::Failure;

/// Runs the body of a function that C calls; a failure and a panic become the thread's last error.
pub(crate) fn guard(body: impl FnOnce() -> Result<Code, Failure>) -> Code {
    // A handle that a panic leaves half changed reports its own state at the next call, as it does
    // to Rust code that catches a panic.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(code)) => code,
        Ok(Err(failure)) => remember(failure),
        Err(panic) => {
            let failure = Failure::new(Code::Panicked, panic_message(panic.as_ref()));
            // Dropping a panic's payload may panic again.
            std::mem::forget(panic);
            remember(failure)
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!(
        "a defect in ringbus, please report it: {}",
        text.unwrap_or("no message")
    )
}

/// Keeps the message for [`last_error`].
fn remember(failure: Failure) -> Code {
    let message = failure.message.replace('\0', "\u{fffd}");
    let message = CString::new(message).unwrap_or_default();
    // Without a place to keep it, at the end of the thread, the code alone must do.
    let _ = LAST_ERROR.try_with(|last| last.replace(message));
    failure.code
}

/// The message of the last failure on this thread, or "".
pub(crate) fn last_error() -> *const c_char {
    let message = LAST_ERROR.try_with(|last| last.borrow().as_ptr());
    message.unwrap_or(c"".as_ptr())
}

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::default();
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::{guard, last_error};
    use crate::code::Code;
    use crate::failure::Failure;

    fn last() -> String {
        // SAFETY: `last_error` gives a string that ends in NUL, and nothing fails until it is copied.
        unsafe { CStr::from_ptr(last_error()) }
            .to_str()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn panic_becomes_a_code_and_a_message() {
        let word = "broken";
        assert_eq!(guard(|| panic!("all is {word}")), Code::Panicked);
        assert!(last().ends_with("all is broken"), "{}", last());
        assert_eq!(guard(|| panic!("plain")), Code::Panicked);
        assert!(last().ends_with("plain"), "{}", last());
    }

    #[test]
    fn panicking_payload_of_a_panic_is_held_back() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        assert_eq!(guard(|| std::panic::panic_any(Bomb)), Code::Panicked);
    }

    #[test]
    fn success_keeps_the_last_error_and_each_thread_has_its_own() {
        assert_eq!(last(), "");
        let fail = || Err(Failure::new(Code::Full, "held by \0 nobody"));
        assert_eq!(guard(fail), Code::Full);
        assert_eq!(guard(|| Ok(Code::Empty)), Code::Empty);
        assert_eq!(last(), "held by \u{fffd} nobody");
        std::thread::spawn(|| assert_eq!(last(), ""))
            .join()
            .unwrap();
    }
}
