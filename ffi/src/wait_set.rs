//! Waiting for many subscribers at once, from C.

use std::ffi::c_int;
use std::sync::{Mutex, MutexGuard, TryLockError};

use crate::argument::{Out, places, timeout};
use crate::bus::Bus;
use crate::code::Code;
use crate::failure::Failure;
use crate::guard::guard;
use crate::handle::{self, Handle, Kind};
use crate::subscriber::Subscriber;

/// Waits for any number of subscribers of one bus at once, and for file descriptors. Any thread may
/// interrupt it; of the other calls one at a time may use it: a second one returns `RINGBUS_BUSY`.
pub struct WaitSet {
    inner: Mutex<ringbus::WaitSet>,
    interrupter: ringbus::Interrupter,
}

impl Handle for WaitSet {
    const KIND: Kind = Kind::WaitSet;
    const IS_SHARED: bool = true;
}

impl WaitSet {
    /// The set, for the only call that uses it.
    fn take(&self) -> Result<MutexGuard<'_, ringbus::WaitSet>, Failure> {
        match self.inner.try_lock() {
            Ok(inner) => Ok(inner),
            // A defect that reached no further than another call.
            Err(TryLockError::Poisoned(inner)) => Ok(inner.into_inner()),
            Err(TryLockError::WouldBlock) => Err(Failure::new(
                Code::Busy,
                "`set` is in use by another call; interrupt it first, or use a set for each thread",
            )),
        }
    }
}

/// Makes an empty set. `*set` is the caller's to close; it may outlive the bus's handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_wait_set_open(bus: *const Bus, set: *mut *mut WaitSet) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(set, "set") }?;
        handle::share(bus, "bus", |bus| {
            let set = ringbus::WaitSet::new(&bus.inner)?;
            let interrupter = set.interrupt_handle();
            let inner = Mutex::new(set);
            out.set(handle::give(WaitSet { inner, interrupter })?);
            Ok(Code::Ok)
        })
    })
}

/// Ends the set; its subscribers stay as they are. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_wait_set_close(set: *mut WaitSet) -> Code {
    guard(|| handle::close(set, "set"))
}

/// Adds a subscriber of the same bus, to be known by `token`; what was lent of it is given back. It is
/// used as before, and leaves the set when it is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_wait_set_add(
    set: *const WaitSet,
    subscriber: *mut Subscriber,
    token: u64,
) -> Code {
    guard(|| {
        handle::share(set, "set", |set| {
            let mut set = set.take()?;
            handle::with(subscriber, "subscriber", |subscriber| {
                set.add(subscriber.release(), token)?;
                Ok(Code::Ok)
            })
        })
    })
}

/// Adds a file descriptor, to be known by `token`: ready while it can be read, or has an error or an
/// end. The set has a copy of it until it is removed. Linux only.
///
/// `RINGBUS_INVALID_ARGUMENT`: it is not open, or a regular file or directory, which nobody can wait for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_wait_set_add_fd(
    set: *const WaitSet,
    fd: c_int,
    token: u64,
) -> Code {
    guard(|| handle::share(set, "set", |set| add_fd(&mut *set.take()?, fd, token)))
}

#[cfg(target_os = "linux")]
fn add_fd(set: &mut ringbus::WaitSet, fd: c_int, token: u64) -> Result<Code, Failure> {
    if fd < 0 {
        return Err(Failure::invalid(format!(
            "`fd` is {fd}, which no descriptor is"
        )));
    }
    // SAFETY: it is not -1; where it is not open, the call says so.
    let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
    set.add_fd(fd, token)?;
    Ok(Code::Ok)
}

#[cfg(not(target_os = "linux"))]
fn add_fd(_: &mut ringbus::WaitSet, _: c_int, _: u64) -> Result<Code, Failure> {
    Err(no_descriptors())
}

/// Takes out the subscriber or descriptor that is known by `token`. `RINGBUS_NOT_FOUND` where there is
/// none; a subscriber that was closed may still be found until the next wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_wait_set_remove(set: *const WaitSet, token: u64) -> Code {
    guard(|| {
        handle::share(set, "set", |set| match set.take()?.remove(token) {
            true => Ok(Code::Ok),
            false => Err(Failure::new(
                Code::NotFound,
                format!("no member of the set has token {token}"),
            )),
        })
    })
}

/// Sleeps for at most `timeout_ns` until a member is ready, else `RINGBUS_TIMEOUT`. Writes the tokens
/// of up to `max` that are, and how many; none with `RINGBUS_OK` where it was interrupted. A subscriber
/// is ready for as long as its poll has something to say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_wait_set_wait(
    set: *const WaitSet,
    timeout_ns: u64,
    max: usize,
    tokens: *mut u64,
    count: *mut usize,
) -> Code {
    guard(|| {
        if max == 0 {
            return Err(Failure::invalid("`max` is 0: there is no room for a token"));
        }
        // SAFETY: as the crate's contract says.
        let places = unsafe { places(tokens, max, "tokens") }?;
        // SAFETY: as above.
        let out = unsafe { Out::new(count, "count") }?;
        handle::share(set, "set", |set| {
            let mut set = set.take()?;
            let ready = set.wait(timeout(timeout_ns))?;
            for (place, token) in places.iter_mut().zip(ready) {
                place.write(*token);
            }
            let found = ready.len().min(max);
            if found == 0 && !set.was_interrupted() {
                return Ok(Code::Timeout);
            }
            out.set(found);
            Ok(Code::Ok)
        })
    })
}

/// Ends the wait under way on another thread or, where there is none, the next one. May be called in a
/// signal handler.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_wait_set_interrupt(set: *const WaitSet) -> Code {
    guard(|| {
        handle::share(set, "set", |set| {
            set.interrupter.interrupt();
            Ok(Code::Ok)
        })
    })
}

/// A descriptor for epoll, poll or select, which is the set's: it is readable when a member may be
/// ready. Then wait with no timeout; it stays readable until such a wait says `RINGBUS_TIMEOUT`. Nothing
/// else may be done with it. Linux only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_wait_set_fd(set: *const WaitSet, fd: *mut c_int) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(fd, "fd") }?;
        handle::share(set, "set", |set| {
            out.set(raw_fd(&mut *set.take()?)?);
            Ok(Code::Ok)
        })
    })
}

#[cfg(target_os = "linux")]
fn raw_fd(set: &mut ringbus::WaitSet) -> Result<c_int, Failure> {
    use std::os::fd::AsRawFd;
    Ok(set.as_fd()?.as_raw_fd())
}

#[cfg(not(target_os = "linux"))]
fn raw_fd(_: &mut ringbus::WaitSet) -> Result<c_int, Failure> {
    Err(no_descriptors())
}

#[cfg(not(target_os = "linux"))]
fn no_descriptors() -> Failure {
    Failure::new(
        Code::System,
        "wait sets have file descriptors on Linux only; wait with a thread of its own",
    )
}
