//! Answering requests from C.

use std::collections::HashMap;
use std::ffi::{c_char, c_void};
use std::mem::offset_of;

use ringbus::{Deferred, PublishError, Request, TypeDescription};

use crate::argument::{Options, Out, needed_text, number, size, slice, timeout};
use crate::bus::Bus;
use crate::code::Code;
use crate::failure::Failure;
use crate::guard::guard;
use crate::handle::{self, Handle, Kind};
use crate::owned::Owned;
use crate::service::RawType;

/// Answers the requests of a service's clients, which know of it until it is closed or its process ends,
/// however that ends. May move between threads, but one call at a time may use it: a second one returns
/// `RINGBUS_BUSY`.
pub struct Server {
    /// The request that C may be reading, and its number. Dropped before what it borrows from.
    held: Option<(u64, Held)>,
    /// Used only while nothing is held.
    inner: Owned<ringbus::Server<[u8], [u8]>>,
    /// Those that were taken back and not answered yet.
    open: HashMap<u64, Deferred>,
    last_request: u64,
}

/// It borrows from the server, whatever its type says.
type Held = Request<'static, [u8], [u8]>;

impl Handle for Server {
    const KIND: Kind = Kind::Server;
    const IS_SHARED: bool = false;
}

// SAFETY: a `ringbus::Server` may be sent, together with what borrows from it, which is in here.
unsafe impl Send for Server {}

/// How a server is to be. All zeros but the size are the defaults. Whoever comes first to a service decides
/// its form, and a server that comes later must agree with what it sets: `RINGBUS_MISMATCH`. Start from
/// ringbus_server_options_init().
#[derive(Clone, Copy)]
#[repr(C)]
pub struct ServerOptions {
    /// `sizeof(ringbus_server_options)`, by which the library knows the fields that the caller has.
    pub size_bytes: usize,
    /// Requests, and replies, that are kept: a power of two; default 4096.
    pub capacity_slots: u64,
    /// The longest request, where they have no one length; default 1024. `RINGBUS_ZERO` for none.
    pub request_max_bytes: u64,
    /// The longest reply, where they have no one length; default 1024. `RINGBUS_ZERO` for none.
    pub reply_max_bytes: u64,
    /// How long it may hold up clients while it does not poll; default a second. Then it misses requests,
    /// and is told so.
    pub stall_timeout_ns: u64,
    /// What it takes.
    pub request_type: RawType,
    /// What it answers with.
    pub reply_type: RawType,
}

// SAFETY: `repr(C)`, the size comes first, pointers and integers.
unsafe impl Options for ServerOptions {
    const FIRST_SIZE: usize = 88;
}

const _: () = assert!(offset_of!(ServerOptions, size_bytes) == 0);

/// A request, where its client wrote it.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RawRequest {
    /// `payload_len_bytes` readable bytes; never NULL. Valid until the request is answered, or until the
    /// next call on the server that is not ringbus_server_send() for this request.
    pub payload: *const c_void,
    /// 0 is a request too.
    pub payload_len_bytes: usize,
    /// What the server knows it by, until it has answered.
    pub id: u64,
}

impl Server {
    /// Takes back the request that C could read, to be answered later.
    fn release(&mut self) -> &mut ringbus::Server<[u8], [u8]> {
        if let Some((id, request)) = self.held.take() {
            self.open.insert(id, request.defer());
        }
        // SAFETY: the result borrows `self`, which owns it; what borrowed from it is dropped.
        unsafe { self.inner.borrow_mut() }
    }

    /// The same for what will be held: it borrows from the server until `release`.
    fn release_to_hold(&mut self) -> &'static mut ringbus::Server<[u8], [u8]> {
        let server: *mut _ = self.release();
        // SAFETY: who gets it keeps what borrows from it in `held`, which is dropped before the server is
        // used or dropped.
        unsafe { &mut *server }
    }

    fn hold(&mut self, request: Held) -> RawRequest {
        self.last_request += 1;
        let payload = request.payload();
        let raw = RawRequest {
            payload: payload.as_ptr().cast(),
            payload_len_bytes: payload.len(),
            id: self.last_request,
        };
        self.held = Some((self.last_request, request));
        raw
    }

    /// Ends the answer to a request, which may be in either state.
    fn end(
        &mut self,
        id: u64,
        held: impl FnOnce(Held) -> Result<(), PublishError>,
        open: impl FnOnce(&ringbus::Server<[u8], [u8]>, Deferred) -> Result<(), PublishError>,
    ) -> Result<Code, Failure> {
        if let Some((_, request)) = self.held.take_if(|(known, _)| *known == id) {
            held(request)?;
            return Ok(Code::Ok);
        }
        let to = self.open.remove(&id).ok_or_else(no_request)?;
        open(self.release(), to)?;
        Ok(Code::Ok)
    }

    fn send(&mut self, id: u64, payload: &[u8]) -> Result<Code, Failure> {
        if let Some((known, request)) = &self.held
            && *known == id
        {
            request.send(payload)?;
            return Ok(Code::Ok);
        }
        if !self.open.contains_key(&id) {
            return Err(no_request());
        }
        self.release();
        // SAFETY: nothing is held, and the result ends with this function.
        let server = unsafe { self.inner.borrow() };
        server.send(&self.open[&id], payload)?;
        Ok(Code::Ok)
    }
}

#[cold]
fn no_request() -> Failure {
    Failure::new(
        Code::NoRequest,
        "no such request of this server is open; it was answered before, or is another's",
    )
}

/// Becomes a server of the service `name`: two topics, `name/requests` and `name/replies`, for any number of
/// clients and of servers. NULL `options` are the defaults. `*server` is the caller's to close; it may
/// outlive the bus's handle.
///
/// `RINGBUS_MISMATCH`: the service is not as `options` ask for. `RINGBUS_TOO_MANY_PUBLISHERS` and
/// `RINGBUS_TOO_MANY_SUBSCRIBERS` while 256 servers are there. The rest is as for
/// ringbus_topic_open_or_create().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_server_open(
    bus: *const Bus,
    name: *const c_char,
    options: *const ServerOptions,
    server: *mut *mut Server,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(server, "server") }?;
        // SAFETY: as the crate's contract says.
        let name = unsafe { needed_text(name, "name") }?;
        // SAFETY: as the crate's contract says.
        let asked = unsafe { crate::argument::options(options, "options") }?;
        // SAFETY: as the crate's contract says.
        let request = unsafe { asked.request_type.read("options->request_type") }?;
        // SAFETY: as the crate's contract says.
        let reply = unsafe { asked.reply_type.read("options->reply_type") }?;
        handle::share(bus, "bus", |bus| {
            let inner = join(bus.inner.server(name), &asked, request, reply)?;
            out.set(handle::give(Server {
                held: None,
                inner: Owned::new(inner),
                open: HashMap::new(),
                last_request: 0,
            })?);
            Ok(Code::Ok)
        })
    })
}

fn join(
    builder: ringbus::ServerBuilder<[u8], [u8]>,
    asked: &ServerOptions,
    request: TypeDescription,
    reply: TypeDescription,
) -> Result<ringbus::Server<[u8], [u8]>, Failure> {
    let mut builder = builder.described(request, reply);
    if let Some(slots) = size(asked.capacity_slots, "options->capacity_slots")? {
        builder = builder.capacity(slots);
    }
    if let Some(bytes) = size(asked.request_max_bytes, "options->request_max_bytes")? {
        builder = builder.request_max(bytes);
    }
    if let Some(bytes) = size(asked.reply_max_bytes, "options->reply_max_bytes")? {
        builder = builder.reply_max(bytes);
    }
    if let Some(stall_ns) = number(asked.stall_timeout_ns) {
        builder = builder.stall_timeout(timeout(stall_ns));
    }
    Ok(builder.join()?)
}

/// Closes the server; NULL does nothing. Clients whose requests it has not answered are told so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_server_close(server: *mut Server) -> Code {
    guard(|| handle::close(server, "server"))
}

/// The server's number, by which clients know it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_server_id(server: *mut Server, id: *mut u16) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(id, "id") }?;
        handle::with(server, "server", |server| {
            out.set(server.release().id());
            Ok(Code::Ok)
        })
    })
}

/// Takes the next request, without waiting. It stays open until it is answered, by ringbus_server_reply() or
/// its like, at any time and in any order; its payload is valid until the next call on this server that is
/// not about it.
///
/// `RINGBUS_EMPTY`: none. `RINGBUS_EVICTED`: it did not poll for longer than its stall timeout while
/// clients waited; ringbus_last_failure() says how many requests it has missed, whomever they were for. The
/// next poll goes on. `RINGBUS_REMOVED`: the service's topics, or the bus, were removed, and no client is
/// left on them. That, `RINGBUS_CORRUPTED` and `RINGBUS_FORKED` come again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_server_poll(
    server: *mut Server,
    request: *mut RawRequest,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(request, "request") }?;
        handle::with(server, "server", |server| {
            let Some(request) = server.release_to_hold().poll()? else {
                return Ok(Code::Empty);
            };
            out.set(server.hold(request));
            Ok(Code::Ok)
        })
    })
}

/// Waits until there is a request, for at most `timeout_ns`; `RINGBUS_TIMEOUT` if none came. Spins first,
/// then sleeps. The failures are those of ringbus_server_poll().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_server_wait(server: *mut Server, timeout_ns: u64) -> Code {
    guard(|| {
        handle::with(server, "server", |server| {
            let there = server.release().wait(timeout(timeout_ns))?;
            Ok(if there { Code::Ok } else { Code::Timeout })
        })
    })
}

/// Sends a part of the answer to the request with this id; more follow, and at last one of the functions
/// below. The payload may be that of the request.
///
/// `RINGBUS_TOO_LONG`, `RINGBUS_WRONG_SIZE`: the request is still open. `RINGBUS_NO_REQUEST`: it was
/// answered before, or is another server's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_server_send(
    server: *mut Server,
    request_id: u64,
    payload: *const c_void,
    len_bytes: usize,
) -> Code {
    guard(|| {
        handle::with(server, "server", |server| {
            // SAFETY: as the crate's contract says.
            let payload = unsafe { slice(payload.cast::<u8>(), len_bytes, "payload") }?;
            server.send(request_id, payload)
        })
    })
}

/// Answers a request, as the only reply or the last of several. The payload may be that of the request.
///
/// `RINGBUS_TOO_LONG`, `RINGBUS_WRONG_SIZE`: the client is told that there is no answer, and the request is
/// over. `RINGBUS_NO_REQUEST`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_server_reply(
    server: *mut Server,
    request_id: u64,
    payload: *const c_void,
    len_bytes: usize,
) -> Code {
    guard(|| {
        handle::with(server, "server", |server| {
            // SAFETY: as the crate's contract says.
            let payload = unsafe { slice(payload.cast::<u8>(), len_bytes, "payload") }?;
            server.end(
                request_id,
                |request| request.reply(payload),
                |server, to| server.reply(to, payload),
            )
        })
    })
}

/// Ends the answer to a request without a further reply. `RINGBUS_NO_REQUEST`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_server_finish(server: *mut Server, request_id: u64) -> Code {
    guard(|| {
        handle::with(server, "server", |server| {
            server.end(
                request_id,
                |request| request.finish(),
                |server, to| server.finish(to),
            )
        })
    })
}

/// Says why there is no answer to a request, in up to 200 bytes; the rest is cut off. Its client gets
/// `RINGBUS_SERVER_FAILED`. `RINGBUS_NO_REQUEST`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_server_fail(
    server: *mut Server,
    request_id: u64,
    why: *const c_char,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let why = unsafe { needed_text(why, "why") }?;
        handle::with(server, "server", |server| {
            server.end(
                request_id,
                |request| request.fail(why),
                |server, to| server.fail(to, why),
            )
        })
    })
}
