//! Topics that come and go, as C sees them.

use std::ffi::{CString, c_char};

use ringbus::TopicEvent;

use crate::argument::{Out, c_text, timeout};
use crate::bus::Bus;
use crate::code::Code;
use crate::guard::guard;
use crate::handle::{self, Handle, Kind};

/// Reports the topics of a bus: first those that exist, then each that appears or vanishes. May move
/// between threads, but one call at a time may use it: a second one returns `RINGBUS_BUSY`.
pub struct Watch {
    inner: ringbus::Watch,
    /// The name that the last event gave to C.
    name: CString,
}

impl Handle for Watch {
    const KIND: Kind = Kind::Watch;
    const IS_SHARED: bool = false;
}

/// The topic exists: it was there when the watch began, or has appeared since.
pub const RINGBUS_TOPIC_APPEARED: u32 = 1;
/// The topic was removed.
pub const RINGBUS_TOPIC_VANISHED: u32 = 2;

/// A topic that came or went.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RawTopicEvent {
    /// `RINGBUS_TOPIC_APPEARED` or `RINGBUS_TOPIC_VANISHED`; others may come with later versions.
    pub kind: u32,
    /// 0.
    pub reserved: u32,
    /// The topic's name. Valid until the next call on the watch.
    pub name: *const c_char,
}

/// Starts to watch topics appear and vanish. `*watch` is the caller's to close; it may outlive the
/// bus's handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_watch_open(bus: *const Bus, watch: *mut *mut Watch) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(watch, "watch") }?;
        handle::share(bus, "bus", |bus| {
            let inner = bus.inner.watch()?;
            let name = CString::default();
            out.set(handle::give(Watch { inner, name })?);
            Ok(Code::Ok)
        })
    })
}

/// Ends the watch; NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_watch_close(watch: *mut Watch) -> Code {
    guard(|| handle::close(watch, "watch"))
}

/// The next event; sleeps for at most `timeout_ns` until there is one, else `RINGBUS_TIMEOUT`. A topic
/// that is removed and made anew between two looks is reported as both.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_watch_next(
    watch: *mut Watch,
    timeout_ns: u64,
    event: *mut RawTopicEvent,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(event, "event") }?;
        handle::with(watch, "watch", |watch| {
            let (kind, name) = match watch.inner.next(timeout(timeout_ns))? {
                None => return Ok(Code::Timeout),
                Some(TopicEvent::Appeared(name)) => (RINGBUS_TOPIC_APPEARED, name),
                Some(TopicEvent::Vanished(name)) => (RINGBUS_TOPIC_VANISHED, name),
            };
            watch.name = c_text(name.as_str());
            out.set(RawTopicEvent {
                kind,
                reserved: 0,
                name: watch.name.as_ptr(),
            });
            Ok(Code::Ok)
        })
    })
}
