//! Calling servers from C.

use std::ffi::{CString, c_char, c_void};
use std::mem::offset_of;
use std::ptr;

use ringbus::{Call, CallError, Reply};

use crate::argument::{Options, Out, c_text, needed_text, number, slice, timeout, unused};
use crate::bus::Bus;
use crate::code::Code;
use crate::failure::Failure;
use crate::guard::guard;
use crate::handle::{self, Handle, Kind};
use crate::service::RawType;
use crate::subscriber::{RINGBUS_LOSSY, RINGBUS_RELIABLE};

/// Sends requests to the servers of a service and takes their replies, for any number of calls at the same
/// time. May move between threads, but one call at a time may use it: a second one returns
/// `RINGBUS_BUSY`.
pub struct Client {
    inner: ringbus::Client<[u8], [u8]>,
    /// The calls that are not over, by the numbers that C knows them by.
    calls: Vec<(u64, Call)>,
    last_call: u64,
    /// What C may be reading.
    held: Vec<Result<Reply<[u8]>, CString>>,
    answers: Vec<RawReply>,
}

impl Handle for Client {
    const KIND: Kind = Kind::Client;
    const IS_SHARED: bool = false;
}

// SAFETY: a `ringbus::Client` may be sent; the answers point to what is held beside them.
unsafe impl Send for Client {}

/// How a client is to be. All zeros but the size are the defaults. Start from
/// ringbus_client_options_init().
#[derive(Clone, Copy)]
#[repr(C)]
pub struct ClientOptions {
    /// `sizeof(ringbus_client_options)`, by which the library knows the fields that the caller has.
    pub size_bytes: usize,
    /// `RINGBUS_LOSSY`, the default: a client that is a ring of replies behind is told
    /// `RINGBUS_REPLIES_LOST`. `RINGBUS_RELIABLE`: servers wait for it, up to a second.
    pub delivery: u32,
    /// 0.
    pub reserved: u32,
    /// As for a subscriber.
    pub spin_ns: u64,
    /// What it sends; `RINGBUS_MISMATCH` where the service takes another type.
    pub request_type: RawType,
    /// What it gets.
    pub reply_type: RawType,
}

// SAFETY: `repr(C)`, the size comes first, pointers and integers.
unsafe impl Options for ClientOptions {
    const FIRST_SIZE: usize = 72;
}

const _: () = assert!(offset_of!(ClientOptions, size_bytes) == 0);

/// The number of a server that is not known.
pub const RINGBUS_UNKNOWN_SERVER: u32 = u32::MAX;

/// An answer, or a part of one: a copy. Valid until the next call on the client that gave it.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RawReply {
    /// `payload_len_bytes` readable bytes; NULL where there is no reply.
    pub payload: *const c_void,
    /// 0 is a reply too.
    pub payload_len_bytes: usize,
    /// Why there is none; NULL where there is.
    pub why: *const c_char,
    /// The number of the server, or `RINGBUS_UNKNOWN_SERVER`.
    pub server: u32,
    /// `RINGBUS_OK`, or what a call of that server alone would have returned.
    pub code: Code,
}

impl RawReply {
    fn new(reply: &Reply<[u8]>) -> Self {
        Self {
            payload: reply.payload().as_ptr().cast(),
            payload_len_bytes: reply.payload().len(),
            why: ptr::null(),
            server: reply.server().into(),
            code: Code::Ok,
        }
    }

    fn none(why: *const c_char, server: u32, code: Code) -> Self {
        Self {
            payload: ptr::null(),
            payload_len_bytes: 0,
            why,
            server,
            code,
        }
    }
}

impl Client {
    /// Gives back what C could read.
    fn release(&mut self) -> &mut ringbus::Client<[u8], [u8]> {
        self.answers.clear();
        self.held.clear();
        &mut self.inner
    }

    fn hold(&mut self, reply: Reply<[u8]>) -> RawReply {
        let raw = RawReply::new(&reply);
        self.held.push(Ok(reply));
        raw
    }

    fn begin(&mut self, call: Call) -> u64 {
        self.last_call += 1;
        self.calls.push((self.last_call, call));
        self.last_call
    }

    fn position(&self, call: u64) -> Result<usize, Failure> {
        let mut calls = self.calls.iter();
        let found = calls.position(|(known, _)| *known == call);
        found.ok_or_else(|| CallError::Unknown.into())
    }

    fn end(&mut self, position: usize) {
        let (_, call) = self.calls.swap_remove(position);
        self.inner.cancel(call);
    }
}

/// Becomes a client of the service `name`, which a server has made. NULL `options` are the defaults.
/// `*client` is the caller's to close; it may outlive the bus's handle.
///
/// `RINGBUS_NO_SERVER`: nobody ever served. `RINGBUS_MISMATCH`: its types are others.
/// `RINGBUS_TOO_MANY_PUBLISHERS` and `RINGBUS_TOO_MANY_SUBSCRIBERS` while 256 clients are there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_client_open(
    bus: *const Bus,
    name: *const c_char,
    options: *const ClientOptions,
    client: *mut *mut Client,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(client, "client") }?;
        // SAFETY: as the crate's contract says.
        let name = unsafe { needed_text(name, "name") }?;
        // SAFETY: as the crate's contract says.
        let asked = unsafe { crate::argument::options(options, "options") }?;
        // SAFETY: as the crate's contract says.
        let request = unsafe { asked.request_type.read("options->request_type") }?;
        // SAFETY: as the crate's contract says.
        let reply = unsafe { asked.reply_type.read("options->reply_type") }?;
        handle::share(bus, "bus", |bus| {
            let builder = bus.inner.client(name).described(request, reply);
            out.set(handle::give(Client {
                inner: join(builder, &asked)?,
                calls: Vec::new(),
                last_call: 0,
                held: Vec::new(),
                answers: Vec::new(),
            })?);
            Ok(Code::Ok)
        })
    })
}

fn join(
    mut builder: ringbus::ClientBuilder<[u8], [u8]>,
    asked: &ClientOptions,
) -> Result<ringbus::Client<[u8], [u8]>, Failure> {
    unused(asked.reserved, "options->reserved")?;
    builder = match asked.delivery {
        0 | RINGBUS_LOSSY => builder,
        RINGBUS_RELIABLE => builder.reliable(),
        other => return Err(Failure::invalid(format!("`options->delivery` is {other}"))),
    };
    if let Some(spin_ns) = number(asked.spin_ns) {
        builder = builder.spin(timeout(spin_ns));
    }
    Ok(builder.join()?)
}

/// Closes the client; NULL does nothing. What it was given is no longer valid; servers are not told.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_client_close(client: *mut Client) -> Code {
    guard(|| handle::close(client, "client"))
}

/// Sends a request of `len_bytes` at `request`, which may be NULL where that is 0, to one server, and waits
/// for the first reply, for at most `timeout_ns`.
///
/// `RINGBUS_TIMEOUT`: none came in time. Without a reply: `RINGBUS_NO_SERVER`, at once, and nothing was
/// sent; `RINGBUS_SERVER_ENDED`, within 50 ms of the server's death, which may have done what it was asked
/// for; `RINGBUS_SERVER_FAILED`, and ringbus_last_error() has its words; `RINGBUS_NO_REPLY`,
/// `RINGBUS_REPLIES_LOST`. The `server` of ringbus_last_failure() says which.
/// `RINGBUS_FULL`, `RINGBUS_TOO_LONG`, `RINGBUS_WRONG_SIZE`: nothing was sent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_client_call(
    client: *mut Client,
    request: *const c_void,
    len_bytes: usize,
    timeout_ns: u64,
    reply: *mut RawReply,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(reply, "reply") }?;
        handle::with(client, "client", |client| {
            // SAFETY: as the crate's contract says.
            let request = unsafe { slice(request.cast::<u8>(), len_bytes, "request") }?;
            match client.release().call(request, timeout(timeout_ns)) {
                Ok(reply) => {
                    out.set(client.hold(reply));
                    Ok(Code::Ok)
                }
                Err(CallError::Timeout) => Ok(Code::Timeout),
                Err(error) => Err(error.into()),
            }
        })
    })
}

/// Sends a request to one server: of those that live, the one with the fewest calls of this client under
/// way. Waits only while the ring of requests is full. `*call` gets a number by which
/// ringbus_client_next() asks for the answer, until that has ended or ringbus_client_cancel().
///
/// A server with which a call timed out, and was given up then, comes after all others until a reply of its
/// to this client arrives. It gets a request again after a second, and each time that was in vain after
/// twice as long, up to a minute.
///
/// `RINGBUS_NO_SERVER`, at once; `RINGBUS_FULL`, `RINGBUS_TOO_LONG`, `RINGBUS_WRONG_SIZE`: nothing was sent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_client_send(
    client: *mut Client,
    request: *const c_void,
    len_bytes: usize,
    timeout_ns: u64,
    call: *mut u64,
) -> Code {
    // SAFETY: as the crate's contract says.
    guard(|| unsafe {
        send(client, request, len_bytes, call, |inner, request| {
            inner.send(request, timeout(timeout_ns))
        })
    })
}

/// The same to all servers that live: ringbus_client_next() gives the replies of all, as they come.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_client_send_to_all(
    client: *mut Client,
    request: *const c_void,
    len_bytes: usize,
    timeout_ns: u64,
    call: *mut u64,
) -> Code {
    // SAFETY: as the crate's contract says.
    guard(|| unsafe {
        send(client, request, len_bytes, call, |inner, request| {
            inner.send_to_all(request, timeout(timeout_ns))
        })
    })
}

/// # Safety
///
/// As the crate's contract says.
unsafe fn send(
    client: *mut Client,
    request: *const c_void,
    len_bytes: usize,
    call: *mut u64,
    how: impl FnOnce(&mut ringbus::Client<[u8], [u8]>, &[u8]) -> Result<Call, CallError>,
) -> Result<Code, Failure> {
    // SAFETY: as this function requires.
    let out = unsafe { Out::new(call, "call") }?;
    handle::with(client, "client", |client| {
        // SAFETY: as this function requires.
        let request = unsafe { slice(request.cast::<u8>(), len_bytes, "request") }?;
        let call = how(client.release(), request)?;
        out.set(client.begin(call));
        Ok(Code::Ok)
    })
}

/// The next reply to a call, for which it waits for at most `timeout_ns`.
///
/// `RINGBUS_ENDED`: the answer has ended, and the call is over. `RINGBUS_TIMEOUT`: ask again, or cancel.
/// `RINGBUS_SERVER_ENDED` and `RINGBUS_SERVER_FAILED`, once for each server that will not answer.
/// `RINGBUS_REPLIES_LOST`: the call is over, and nobody knows whether there was an answer.
/// `RINGBUS_NO_CALL`: it was over before, or is another client's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_client_next(
    client: *mut Client,
    call: u64,
    timeout_ns: u64,
    reply: *mut RawReply,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(reply, "reply") }?;
        handle::with(client, "client", |client| {
            client.release();
            let position = client.position(call)?;
            let (_, known) = &client.calls[position];
            match client.inner.next(known, timeout(timeout_ns)) {
                Ok(Some(reply)) => {
                    out.set(client.hold(reply));
                    Ok(Code::Ok)
                }
                Ok(None) => {
                    client.end(position);
                    Ok(Code::Ended)
                }
                Err(CallError::Timeout) => Ok(Code::Timeout),
                Err(error) => {
                    if matches!(error, CallError::Lost { .. } | CallError::Unknown) {
                        client.end(position);
                    }
                    Err(error.into())
                }
            }
        })
    })
}

/// Sends a request to all servers, and waits for the answers of all, for at most `timeout_ns`.
///
/// `*replies` are `*count` of them: each reply, and for each server that has none, why; those that did not
/// answer in time have `RINGBUS_TIMEOUT`. They are the library's, and valid until the next call on this
/// client. The failures are those of ringbus_client_send(), and `RINGBUS_CORRUPTED` and `RINGBUS_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_client_gather(
    client: *mut Client,
    request: *const c_void,
    len_bytes: usize,
    timeout_ns: u64,
    replies: *mut *const RawReply,
    count: *mut usize,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(replies, "replies") }?;
        // SAFETY: as the crate's contract says.
        let out_count = unsafe { Out::new(count, "count") }?;
        handle::with(client, "client", |client| {
            // SAFETY: as the crate's contract says.
            let request = unsafe { slice(request.cast::<u8>(), len_bytes, "request") }?;
            let answers = client.release().gather(request, timeout(timeout_ns))?;
            for answer in answers {
                let answer = client.take_in(answer);
                client.answers.push(answer);
            }
            out.set(client.answers.as_ptr());
            out_count.set(client.answers.len());
            Ok(Code::Ok)
        })
    })
}

impl Client {
    /// Keeps what a server answered, or why it did not.
    fn take_in(&mut self, answer: Result<Reply<[u8]>, CallError>) -> RawReply {
        let error = match answer {
            Ok(reply) => return self.hold(reply),
            Err(error) => error,
        };
        let is_late = matches!(error, CallError::Timeout);
        let failure = Failure::from(error);
        let why = c_text(&failure.to_string());
        let (server, code) = match is_late {
            true => (RINGBUS_UNKNOWN_SERVER, Code::Timeout),
            false => (failure.facts().server, failure.code()),
        };
        let raw = RawReply::none(why.as_ptr(), server, code);
        self.held.push(Err(why));
        raw
    }
}

/// Ends a call: whatever comes for it is dropped. The server is not told. `RINGBUS_NO_CALL`: it was over
/// before, or is another client's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_client_cancel(client: *mut Client, call: u64) -> Code {
    guard(|| {
        handle::with(client, "client", |client| {
            client.release();
            let position = client.position(call)?;
            client.end(position);
            Ok(Code::Ok)
        })
    })
}

/// How many servers live, as the kernel says; 0 in a child of the process that opened it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_client_servers(client: *mut Client, servers: *mut usize) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(servers, "servers") }?;
        handle::with(client, "client", |client| {
            out.set(client.release().servers());
            Ok(Code::Ok)
        })
    })
}
