//! The one boundary between C and Rust: panics, NULLs, and the last error of a thread.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::code::Code;
use crate::failure::{Failure, FailureFacts};

/// Runs the body of a function that C calls; a failure and a panic become the thread's last error.
#[inline(always)]
pub(crate) fn guard(body: impl FnOnce() -> Result<Code, Failure>) -> Code {
    let guarded = || {
        #[cfg(test)]
        tests::panic_if_planned();
        body()
    };
    // A handle that a panic leaves half changed reports its own state at the next call, as it does
    // to Rust code that catches a panic.
    match catch_unwind(AssertUnwindSafe(guarded)) {
        Ok(Ok(code)) => code,
        Ok(Err(failure)) => remember(failure),
        Err(panic) => remember(defect(panic)),
    }
}

/// The same for a body that calls nothing, so that a function which does nearly all of its calls by it
/// needs no stack frame; what is left to do is `Err`, for an `extern "C"` function with a guard inside.
#[inline(always)]
pub(crate) fn guard_hot<L>(body: impl FnOnce() -> Result<Code, L>) -> Result<Code, L> {
    let guarded = || {
        #[cfg(test)]
        tests::panic_if_planned();
        body()
    };
    match catch_unwind(AssertUnwindSafe(guarded)) {
        Ok(done) => done,
        Err(panic) => Ok(remember(defect(panic))),
    }
}

#[cold]
fn defect(panic: Box<dyn Any + Send>) -> Failure {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let message = format!(
        "a defect in ringbus, please report it: {}",
        text.unwrap_or("no message")
    );
    // Dropping a panic's payload may panic again.
    std::mem::forget(panic);
    Failure::new(Code::Panicked, message)
}

/// What failed last on a thread, and its message, made when somebody asks for it.
#[derive(Default)]
struct Last {
    failure: Option<Failure>,
    message: Option<CString>,
}

#[cold]
fn remember(failure: Failure) -> Code {
    let code = failure.code();
    let last = Last {
        failure: Some(failure),
        message: None,
    };
    // Without a place to keep it, at the end of the thread, the code alone must do.
    let _ = LAST.try_with(|place| place.replace(last));
    code
}

/// The message of the last failure on this thread, or "".
pub(crate) fn last_error() -> *const c_char {
    let message = LAST.try_with(|last| {
        let Last { failure, message } = &mut *last.borrow_mut();
        let Some(failure) = failure else {
            return c"".as_ptr();
        };
        let compose = || {
            let text = failure.to_string().replace('\0', "\u{fffd}");
            CString::new(text).unwrap_or_default()
        };
        message.get_or_insert_with(compose).as_ptr()
    });
    message.unwrap_or(c"".as_ptr())
}

/// The facts of the last failure on this thread.
pub(crate) fn last_facts() -> FailureFacts {
    let facts = LAST.try_with(|last| last.borrow().failure.as_ref().map(Failure::facts));
    facts.ok().flatten().unwrap_or_default()
}

thread_local! {
    static LAST: RefCell<Last> = RefCell::default();
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;
    use std::ffi::CStr;

    use super::{guard, last_error};
    use crate::code::Code;
    use crate::failure::Failure;

    thread_local! {
        static IS_PANIC_PLANNED: Cell<bool> = const { Cell::new(false) };
    }

    /// Lets the next call of this thread panic.
    pub(crate) fn plan_panic() {
        IS_PANIC_PLANNED.set(true);
    }

    pub(super) fn panic_if_planned() {
        if IS_PANIC_PLANNED.replace(false) {
            panic!("as planned");
        }
    }

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
