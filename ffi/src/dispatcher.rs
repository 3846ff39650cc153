//! Handlers of C's by pattern, on the caller's thread or on several.

use std::ffi::c_void;
use std::mem::{ManuallyDrop, offset_of, replace};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use ringbus::{Dispatched, Dispatching};

use crate::argument::{Options, Out, number, slice, timeout, unused};
use crate::bus::Bus;
use crate::code::Code;
use crate::failure::Failure;
use crate::filter::{self, RawFilter};
use crate::guard::guard;
use crate::handle::{self, Handle, Kind};
use crate::handler::{Handler, RawHandler, RawTrouble, Teller, is_called_by};
use crate::multi::order;
use crate::subscriber::{RINGBUS_LOSSY, RINGBUS_RELIABLE, RawStart};

/// Calls handlers with the messages of the topics that match their patterns. Any thread may stop it; of the
/// other calls one at a time may use it: a second one returns `RINGBUS_BUSY`.
pub struct Dispatcher {
    inner: ManuallyDrop<Mutex<Inner>>,
    /// Ends the run that is under way.
    is_stopped: AtomicBool,
    /// What its handlers know it by.
    number: u64,
    /// The process that opened it; a child has none of its threads.
    pid: u32,
}

enum Inner {
    /// For the threads that run it.
    Here(Box<ringbus::Dispatcher>),
    /// With threads of its own.
    Threads(Dispatching),
    Stopped(Dispatched),
}

impl Handle for Dispatcher {
    const KIND: Kind = Kind::Dispatcher;
    const IS_SHARED: bool = true;
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        // A child cannot wait for threads that it does not have, nor for a lock that one of them held.
        let is_here = |inner: &Mutex<Inner>| {
            inner
                .try_lock()
                .is_ok_and(|inner| !matches!(*inner, Inner::Threads(_)))
        };
        if !self.is_of_parent() || is_here(&self.inner) {
            // SAFETY: dropped once, here.
            unsafe { ManuallyDrop::drop(&mut self.inner) };
        }
    }
}

/// What nobody means who asks for more.
const THREADS_MAX: u32 = 1024;
/// How often a run looks whether it is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Dispatcher {
    fn is_of_parent(&self) -> bool {
        self.pid != std::process::id()
    }

    fn check_process(&self) -> Result<(), Failure> {
        match self.is_of_parent() {
            true => Err(Failure::new(
                Code::Forked,
                "`dispatcher` was opened before fork(); open one in the child",
            )),
            false => Ok(()),
        }
    }

    /// What it is, for the only call that uses it.
    fn take(&self) -> Result<MutexGuard<'_, Inner>, Failure> {
        self.check_process()?;
        match self.inner.try_lock() {
            Ok(inner) => Ok(inner),
            Err(TryLockError::Poisoned(inner)) => Ok(inner.into_inner()),
            Err(TryLockError::WouldBlock) => {
                let message = "`dispatcher` is in use by another call";
                Err(Failure::new(Code::Busy, message))
            }
        }
    }

    /// The same, once the run that is under way has ended.
    fn take_to_stop(&self) -> Result<MutexGuard<'_, Inner>, Failure> {
        self.check_process()?;
        if is_called_by(self.number) {
            let message =
                "a handler cannot end the dispatcher that calls it; let another thread do it";
            return Err(Failure::new(Code::Busy, message));
        }
        self.is_stopped.store(true, Ordering::Release);
        Ok(self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn run(&self, time: Duration) -> Result<Code, Failure> {
        let mut inner = self.take()?;
        let deadline = Instant::now().checked_add(time);
        loop {
            let dispatcher = match &mut *inner {
                Inner::Here(_) if self.is_stopped.load(Ordering::Acquire) => {
                    return Ok(Code::Ended);
                }
                Inner::Here(dispatcher) => dispatcher,
                Inner::Stopped(_) => return Ok(Code::Ended),
                Inner::Threads(_) => return Err(has_threads()),
            };
            let left = deadline.map_or(LOOK_EVERY, |end| {
                end.saturating_duration_since(Instant::now())
            });
            dispatcher.run_for(left.min(LOOK_EVERY))?;
            if left.is_zero() {
                return Ok(Code::Ok);
            }
        }
    }

    fn stop(&self) -> Result<Dispatched, Failure> {
        let mut inner = self.take_to_stop()?;
        let counts = inner.dispatched();
        match replace(&mut *inner, Inner::Stopped(counts)) {
            Inner::Here(mut dispatcher) => {
                let drained = dispatcher.drain();
                *inner = Inner::Stopped(dispatcher.dispatched());
                drained?;
            }
            Inner::Threads(threads) => *inner = Inner::Stopped(threads.stop()?),
            Inner::Stopped(_) => {}
        }
        Ok(inner.dispatched())
    }
}

impl Inner {
    fn dispatched(&self) -> Dispatched {
        match self {
            Self::Here(dispatcher) => dispatcher.dispatched(),
            Self::Threads(threads) => threads.dispatched(),
            Self::Stopped(counts) => *counts,
        }
    }
}

#[cold]
fn has_threads() -> Failure {
    Failure::invalid("the dispatcher has threads of its own, which run it")
}

/// How a dispatcher is to be. All zeros but the size are the defaults. Start from
/// ringbus_dispatcher_options_init().
#[derive(Clone, Copy)]
#[repr(C)]
pub struct DispatcherOptions {
    /// `sizeof(ringbus_dispatcher_options)`, by which the library knows the fields that the caller has.
    pub size_bytes: usize,
    /// How many threads of its own are to call handlers, each for a share of the topics, at most 1024; 0: those that call
    /// ringbus_dispatcher_run() or ringbus_dispatcher_drain() do.
    pub threads: u32,
    /// `RINGBUS_LOSSY` or `RINGBUS_RELIABLE`, on each topic.
    pub delivery: u32,
    /// `RINGBUS_ORDER_...`, among the topics of each thread.
    pub order: u32,
    /// 0.
    pub reserved: u32,
    /// The first message to handle of each topic that exists; those that appear later are read from their
    /// first message on.
    pub start: RawStart,
    /// As for a subscriber, on each topic.
    pub stall_timeout_ns: u64,
    /// The messages wanted of each topic; NULL: all. Without a `payload_test`, which is the handler's.
    pub filter: *const RawFilter,
    /// Gets all that goes wrong, in addition to its being counted; NULL: nobody does. Called by one thread
    /// at a time. Returns 0; anything else counts as an exception. It must return: no exception, no
    /// longjmp.
    pub on_trouble:
        Option<unsafe extern "C" fn(context: *mut c_void, trouble: *const RawTrouble) -> i32>,
    /// What `on_trouble` gets first; it must live as long as the dispatcher.
    pub on_trouble_context: *mut c_void,
}

// SAFETY: `repr(C)`, the size comes first, pointers and integers; a function is a pointer as well.
unsafe impl Options for DispatcherOptions {
    const FIRST_SIZE: usize = 72;
}

const _: () = assert!(offset_of!(DispatcherOptions, size_bytes) == 0);

/// What became of the messages so far.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RawDispatched {
    /// Messages that were handed to handlers.
    pub messages: u64,
    /// Calls of handlers that went well.
    pub handled: u64,
    /// Calls that failed.
    pub failed: u64,
    /// Calls that were ended by an exception.
    pub threw: u64,
    /// Messages that were overwritten before they could be handled.
    pub missed: u64,
}

impl RawDispatched {
    fn new(counts: Dispatched) -> Self {
        Self {
            messages: counts.messages,
            handled: counts.handled,
            failed: counts.failed,
            threw: counts.panicked,
            missed: counts.missed,
        }
    }
}

/// Begins to dispatch: a message is handed to each of the `handler_count` handlers whose pattern its topic
/// matches, in their order, and then given back. One that fails is counted and told of, and nothing else is
/// different for anybody. The messages of a topic are handled one after the other, in order. NULL `options`
/// are the defaults. `*dispatcher` is the caller's to close; it may outlive the bus's handle.
///
/// `RINGBUS_INVALID_ARGUMENT` for what is no pattern; `RINGBUS_SYSTEM` where there are no more threads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_dispatcher_open(
    bus: *const Bus,
    handlers: *const RawHandler,
    handler_count: usize,
    options: *const DispatcherOptions,
    dispatcher: *mut *mut Dispatcher,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(dispatcher, "dispatcher") }?;
        // SAFETY: as the crate's contract says.
        let handlers = unsafe { slice(handlers, handler_count, "handlers") }?;
        if handlers.is_empty() {
            return Err(Failure::invalid("`handler_count` is 0: nothing to call"));
        }
        // SAFETY: as the crate's contract says.
        let asked = unsafe { crate::argument::options(options, "options") }?;
        handle::share(bus, "bus", |bus| {
            static NUMBERS: AtomicU64 = AtomicU64::new(1);
            let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
            let mut builder = bus.inner.dispatcher();
            for raw in handlers {
                // SAFETY: as the crate's contract says.
                let (pattern, handler) = unsafe { Handler::read(raw, number) }?;
                builder = builder.on(pattern, move |message| handler.handle(message));
            }
            // SAFETY: as the crate's contract says.
            let builder = unsafe { configure(builder, &asked) }?;
            let inner = match asked.threads {
                0 => Inner::Here(Box::new(builder.join()?)),
                threads => Inner::Threads(builder.spawn(threads as usize)?),
            };
            out.set(handle::give(Dispatcher {
                inner: ManuallyDrop::new(Mutex::new(inner)),
                is_stopped: AtomicBool::new(false),
                number,
                pid: std::process::id(),
            })?);
            Ok(Code::Ok)
        })
    })
}

/// # Safety
///
/// As the crate's contract says.
unsafe fn configure(
    builder: ringbus::DispatcherBuilder,
    asked: &DispatcherOptions,
) -> Result<ringbus::DispatcherBuilder, Failure> {
    // SAFETY: as this function requires.
    let (filter, tester) = unsafe { filter::read(asked.filter) }?;
    if tester.is_some() {
        let message = "a dispatcher takes no `payload_test`; let the handler look at the payload";
        return Err(Failure::invalid(message));
    }
    unused(asked.reserved, "options->reserved")?;
    if asked.threads > THREADS_MAX {
        return Err(Failure::invalid(format!(
            "`options->threads` is {}, more than {THREADS_MAX}",
            asked.threads
        )));
    }
    let mut builder = builder.start(asked.start.read()?).filter(filter);
    builder = builder.order(order(asked.order)?);
    builder = match asked.delivery {
        0 | RINGBUS_LOSSY => builder,
        RINGBUS_RELIABLE => builder.reliable(),
        other => return Err(Failure::invalid(format!("`options->delivery` is {other}"))),
    };
    if asked.stall_timeout_ns != 0 {
        builder = builder.stall_timeout(timeout(number(asked.stall_timeout_ns).unwrap_or(0)));
    }
    if let Some(tell) = asked.on_trouble {
        let teller = Teller::new(tell, asked.on_trouble_context);
        builder = builder.on_trouble(move |trouble| teller.tell(trouble));
    }
    Ok(builder)
}

/// Ends the dispatcher; NULL does nothing. Waits for the handlers under way: when it returns, none is called
/// any more. With threads of its own, what was published before is handled. `RINGBUS_BUSY` in one of its
/// handlers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_dispatcher_close(dispatcher: *mut Dispatcher) -> Code {
    guard(|| {
        if !dispatcher.is_null() {
            handle::share(dispatcher, "dispatcher", |this| {
                if !this.is_of_parent() {
                    let mut inner = this.take_to_stop()?;
                    let counts = inner.dispatched();
                    // Here, not where the last use of the handle ends: that may be in a handler.
                    drop(replace(&mut *inner, Inner::Stopped(counts)));
                }
                Ok(())
            })?;
        }
        handle::close(dispatcher, "dispatcher")
    })
}

/// Calls handlers on this thread for `time_ns`. What is there by then stays for the next time.
///
/// `RINGBUS_ENDED`: it was stopped. `RINGBUS_INVALID_ARGUMENT`: it has threads of its own.
/// `RINGBUS_FORKED`, and that the bus cannot be watched any more, come again; all else is trouble.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_dispatcher_run(
    dispatcher: *const Dispatcher,
    time_ns: u64,
) -> Code {
    guard(|| {
        handle::share(dispatcher, "dispatcher", |dispatcher| {
            dispatcher.run(timeout(time_ns))
        })
    })
}

/// Calls handlers on this thread for everything that is there; `messages` may be NULL, and gets how many
/// messages that were. The failures are those of ringbus_dispatcher_run().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_dispatcher_drain(
    dispatcher: *const Dispatcher,
    messages: *mut u64,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::optional(messages, "messages") }?;
        handle::share(dispatcher, "dispatcher", |dispatcher| {
            let drained = match &mut *dispatcher.take()? {
                Inner::Here(dispatcher) => dispatcher.drain()?,
                Inner::Threads(_) => return Err(has_threads()),
                Inner::Stopped(_) => return Ok(Code::Ended),
            };
            if let Some(out) = out {
                out.set(drained);
            }
            Ok(Code::Ok)
        })
    })
}

/// Handles what was published until now, ends the run under way or the threads, and says what became of all
/// messages. `dispatched` may be NULL. Called again it says the same.
///
/// `RINGBUS_BUSY` in one of its handlers: let another thread stop it. Where threads were ended by a failure
/// before, this is told, and it is stopped.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_dispatcher_stop(
    dispatcher: *const Dispatcher,
    dispatched: *mut RawDispatched,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::optional(dispatched, "dispatched") }?;
        handle::share(dispatcher, "dispatcher", |dispatcher| {
            let counts = dispatcher.stop()?;
            if let Some(out) = out {
                out.set(RawDispatched::new(counts));
            }
            Ok(Code::Ok)
        })
    })
}

/// What became of the messages so far. `RINGBUS_BUSY` while another call runs or stops it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_dispatcher_dispatched(
    dispatcher: *const Dispatcher,
    dispatched: *mut RawDispatched,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(dispatched, "dispatched") }?;
        handle::share(dispatcher, "dispatcher", |dispatcher| {
            out.set(RawDispatched::new(dispatcher.take()?.dispatched()));
            Ok(Code::Ok)
        })
    })
}
