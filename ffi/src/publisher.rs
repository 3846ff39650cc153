//! Publishing from C.

use std::ffi::c_void;
use std::iter::repeat_n;

use ringbus::{Attributes, Meta};

use crate::argument::{Out, bytes, patience, slice, timeout, unused};
use crate::attribute::{self, RawAttribute};
use crate::code::Code;
use crate::failure::Failure;
use crate::guard::{guard, guard_hot};
use crate::handle::{self, Handle, Kind, Taken};
use crate::loan::{Loans, Run};
use crate::owned::Owned;
use crate::topic::Topic;

/// Sends messages on one topic. May move between threads, but one call at a time may use it: a second
/// one returns `RINGBUS_BUSY`.
pub struct Publisher {
    /// What C may be writing. Dropped before what it borrows from.
    pub(crate) loans: Loans,
    pub(crate) run: Option<Run>,
    /// Where attributes are put together: as many as one call had at most, kept for the next.
    pub(crate) attributes: Vec<Attributes>,
    pub(crate) inner: Owned<ringbus::Publisher<[u8]>>,
}

impl Handle for Publisher {
    const KIND: Kind = Kind::Publisher;
    const IS_SHARED: bool = false;
}

// SAFETY: a `ringbus::Publisher` may be sent, together with all that borrows from it, which is in here.
unsafe impl Send for Publisher {}

impl Publisher {
    #[inline(always)]
    fn inner(&self) -> &ringbus::Publisher<[u8]> {
        // SAFETY: the result borrows `self`, which owns it; nobody has a `&mut` to it, ever.
        unsafe { self.inner.borrow() }
    }
}

/// A message to be sent, for ringbus_publish_message() and ringbus_publish_batch(). All zeros are an empty
/// one.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Outgoing {
    /// The payload; may be NULL where its length is 0.
    pub payload: *const c_void,
    /// Its length in bytes.
    pub payload_len_bytes: usize,
    /// The caller's: a filter key, a type, an instrument. 0 on topics without tags.
    pub tag: u64,
    /// The caller's. 0 on topics without tags and time.
    pub flags: u16,
    /// 0.
    pub reserved: [u16; 3],
    /// What stands beside the payload; may be NULL where there are none.
    pub attributes: *const RawAttribute,
    /// How many. Those of one key are one, the last.
    pub attribute_count: usize,
}

/// Becomes a publisher of the topic: the only one, if the topic is exclusive.
///
/// It takes over where a predecessor that died stopped: what that one did not commit was never there,
/// and sequences go on without a hole. `*publisher` is the caller's to close; it may outlive the
/// handles of topic and bus.
///
/// `RINGBUS_PUBLISHER_EXISTS` while another publisher of an exclusive topic lives; the kernel ends the
/// claim of one that dies, so trying again later is enough. `RINGBUS_TOO_MANY_PUBLISHERS`,
/// `RINGBUS_REMOVED`, `RINGBUS_PERMISSION_DENIED`. Nothing has changed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_publisher_open(
    topic: *const Topic,
    publisher: *mut *mut Publisher,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(publisher, "publisher") }?;
        handle::share(topic, "topic", |topic| {
            let inner = Owned::new(topic.inner.publisher()?);
            out.set(handle::give(Publisher {
                loans: Loans::default(),
                run: None,
                attributes: Vec::new(),
                inner,
            })?);
            Ok(Code::Ok)
        })
    })
}

/// Closes the publisher; NULL does nothing. What it has sent stays readable; its loans are aborted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_publisher_close(publisher: *mut Publisher) -> Code {
    guard(|| handle::close(publisher, "publisher"))
}

/// Sends a copy of the `len_bytes` at `payload`, which may be NULL where `len_bytes` is 0.
///
/// While the slowest reliable subscriber holds the topic full, waits for at most `timeout_ns`: 0 does
/// not wait, `RINGBUS_FOREVER` waits without an end. A subscriber that died is noticed within 50 ms.
/// `sequence` may be NULL; on success it gets the message's sequence. Makes no system call while nobody
/// waits or sleeps.
///
/// On a failure nothing was sent. `RINGBUS_FULL`: ringbus_last_error() names who holds the topic, and
/// ringbus_last_failure() has it in numbers. `RINGBUS_TOO_LONG`, `RINGBUS_WRONG_SIZE`;
/// `RINGBUS_LOAN_OUTSTANDING` while the loan of an exclusive publisher is out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_publish(
    publisher: *mut Publisher,
    payload: *const c_void,
    len_bytes: usize,
    timeout_ns: u64,
    sequence: *mut u64,
) -> Code {
    // SAFETY: as the crate's contract says.
    let sent = guard_hot(|| unsafe {
        publish_at_once(publisher, Meta::new(), payload, len_bytes, sequence)
    });
    match sent {
        Ok(code) => code,
        Err(Left::More(taken)) => do_more(taken),
        // SAFETY: as the crate's contract says.
        Err(Left::Publish(taken)) => unsafe {
            publish_taken(taken, payload, len_bytes, timeout_ns, sequence)
        },
        // SAFETY: as the crate's contract says.
        Err(Left::All) => unsafe {
            publish_all(publisher, payload, len_bytes, timeout_ns, sequence)
        },
    }
}

/// The same with a tag and flags, to which the bus gives no meaning: a filter key, a type, an
/// instrument. `RINGBUS_NOT_KEPT`: the topic keeps none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_publish_with(
    publisher: *mut Publisher,
    payload: *const c_void,
    len_bytes: usize,
    tag: u64,
    flags: u16,
    timeout_ns: u64,
    sequence: *mut u64,
) -> Code {
    let meta = Meta::new().tag(tag).flags(flags);
    // SAFETY: as the crate's contract says.
    guard(|| unsafe { publish(publisher, meta, payload, len_bytes, timeout_ns, sequence) })
}

/// What is left of a publish that could not be done at once.
enum Left<'t> {
    /// All of it.
    All,
    /// All but finding the publisher.
    Publish(Taken<'t, Publisher>),
    /// The message is sent, and something is due.
    More(Taken<'t, Publisher>),
}

/// Publishes without a call if nothing is in the way.
///
/// # Safety
///
/// As the crate's contract says.
#[inline(always)]
unsafe fn publish_at_once<'t>(
    publisher: *mut Publisher,
    meta: Meta,
    payload: *const c_void,
    len_bytes: usize,
    sequence: *mut u64,
) -> Result<Code, Left<'t>> {
    // SAFETY: as this function requires.
    let payload = unsafe { bytes(payload.cast::<u8>(), len_bytes) }.ok_or(Left::All)?;
    if !sequence.is_aligned() {
        return Err(Left::All);
    }
    let publisher = handle::take_at_once(publisher).ok_or(Left::All)?;
    let Some(sent) = publisher.inner().publish_at_once(meta, payload) else {
        return Err(Left::Publish(publisher));
    };
    // SAFETY: aligned; the rest is as this function requires.
    if let Some(sequence) = unsafe { sequence.as_mut() } {
        *sequence = sent;
    }
    match publisher.inner().has_more_to_do(sent) {
        true => Err(Left::More(publisher)),
        false => Ok(Code::Ok),
    }
}

#[cold]
#[inline(never)]
#[allow(improper_ctypes_definitions, reason = "called by Rust only")]
extern "C" fn do_more(publisher: Taken<'_, Publisher>) -> Code {
    guard(|| {
        publisher.inner().do_more();
        Ok(Code::Ok)
    })
}

/// # Safety
///
/// As the crate's contract says.
#[cold]
#[inline(never)]
#[allow(improper_ctypes_definitions, reason = "called by Rust only")]
unsafe extern "C" fn publish_taken(
    publisher: Taken<'_, Publisher>,
    payload: *const c_void,
    len_bytes: usize,
    timeout_ns: u64,
    sequence: *mut u64,
) -> Code {
    let meta = Meta::new();
    // SAFETY: as this function requires.
    guard(|| unsafe { publish_by(&publisher, meta, payload, len_bytes, timeout_ns, sequence) })
}

/// # Safety
///
/// As the crate's contract says.
#[cold]
#[inline(never)]
unsafe extern "C" fn publish_all(
    publisher: *mut Publisher,
    payload: *const c_void,
    len_bytes: usize,
    timeout_ns: u64,
    sequence: *mut u64,
) -> Code {
    let meta = Meta::new();
    // SAFETY: as this function requires.
    guard(|| unsafe { publish(publisher, meta, payload, len_bytes, timeout_ns, sequence) })
}

/// The same with all that may stand beside a payload: tag, flags and attributes.
///
/// `RINGBUS_ATTRIBUTES_TOO_LONG`: the topic has less room for attributes; `RINGBUS_NOT_KEPT`: it keeps none.
/// `RINGBUS_INVALID_ARGUMENT` for an attribute that cannot be: ringbus_last_error() says which, and why.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_publish_message(
    publisher: *mut Publisher,
    message: *const Outgoing,
    timeout_ns: u64,
    sequence: *mut u64,
) -> Code {
    guard(|| {
        handle::with(publisher, "publisher", |publisher| {
            // SAFETY: as the crate's contract says.
            let message = unsafe { slice(message, 1, "message") }?[0];
            // SAFETY: as the crate's contract says.
            let out = unsafe { Out::optional(sequence, "sequence") }?;
            let payload = message.payload.cast::<u8>();
            // SAFETY: as the crate's contract says.
            let payload = unsafe { slice(payload, message.payload_len_bytes, "message->payload") }?;
            // SAFETY: as the crate's contract says.
            unsafe { message.encode(&mut publisher.attributes, 0) }?;
            let mut meta = Meta::new().tag(message.tag).flags(message.flags);
            if message.attribute_count > 0 {
                meta = meta.attributes(&publisher.attributes[0]);
            }
            let patience = patience(timeout_ns);
            let sent = publisher.inner().publish_with(meta, payload, patience)?;
            if let Some(out) = out {
                out.set(sent);
            }
            Ok(Code::Ok)
        })
    })
}

impl Outgoing {
    /// Whether there is nothing about any that has to be looked at closely: no attributes, and a payload that
    /// can be. Without a branch for each.
    #[inline(always)]
    fn are_simple(messages: &[Self]) -> bool {
        let of_none = |message: &Self| {
            let [a, b, c] = message.reserved;
            u64::from(message.payload.is_null())
                | (message.payload_len_bytes as u64) >> 63
                | message.attribute_count as u64
                | u64::from(a | b | c)
        };
        messages
            .iter()
            .fold(0, |all, message| all | of_none(message))
            == 0
    }

    /// Puts its attributes together at `index`, if it has any; refuses what means nothing yet.
    ///
    /// # Safety
    ///
    /// As the crate's contract says.
    unsafe fn encode(&self, into: &mut Vec<Attributes>, index: usize) -> Result<(), Failure> {
        for reserved in self.reserved {
            unused(reserved.into(), "message.reserved")?;
        }
        if self.attribute_count == 0 {
            return Ok(());
        }
        if into.len() == index {
            into.push(Attributes::new());
        }
        // SAFETY: as this function requires.
        unsafe { attribute::encode(self.attributes, self.attribute_count, &mut into[index]) }
    }
}

/// # Safety
///
/// As the crate's contract says.
#[inline(always)]
unsafe fn publish(
    publisher: *mut Publisher,
    meta: Meta,
    payload: *const c_void,
    len_bytes: usize,
    timeout_ns: u64,
    sequence: *mut u64,
) -> Result<Code, Failure> {
    let publisher = handle::take(publisher, "publisher")?;
    // SAFETY: as this function requires.
    unsafe { publish_by(&publisher, meta, payload, len_bytes, timeout_ns, sequence) }
}

/// # Safety
///
/// As the crate's contract says.
#[inline(always)]
unsafe fn publish_by(
    publisher: &Publisher,
    meta: Meta,
    payload: *const c_void,
    len_bytes: usize,
    timeout_ns: u64,
    sequence: *mut u64,
) -> Result<Code, Failure> {
    // SAFETY: as this function requires.
    let payload = unsafe { slice(payload.cast::<u8>(), len_bytes, "payload") }?;
    // SAFETY: as this function requires.
    let out = unsafe { Out::optional(sequence, "sequence") }?;
    let patience = patience(timeout_ns);
    let sent = publisher.inner().publish_with(meta, payload, patience)?;
    if let Some(out) = out {
        out.set(sent);
    }
    Ok(Code::Ok)
}

/// Sends copies of `count` messages in order, and looks for sleeping subscribers once. Waits for each
/// as ringbus_publish() does.
///
/// `published` may be NULL; it gets how many were sent, on a failure too: those before the message that
/// failed. An attribute or a pointer that cannot be is found before any message is sent. On a shared
/// topic, messages of other publishers may come in between. A publisher that dies in the middle has sent
/// the first so many.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_publish_batch(
    publisher: *mut Publisher,
    messages: *const Outgoing,
    count: usize,
    timeout_ns: u64,
    published: *mut usize,
) -> Code {
    guard(|| {
        handle::with(publisher, "publisher", |publisher| {
            // SAFETY: as the crate's contract says.
            let out = unsafe { Out::optional(published, "published") }?;
            let tell = |sent| {
                if let Some(out) = &out {
                    out.put(sent);
                }
            };
            tell(0);
            // SAFETY: as the crate's contract says.
            let messages = unsafe { slice(messages, count, "messages") }?;
            let is_simple = Outgoing::are_simple(messages);
            let mut attributed = 0;
            if !is_simple {
                // SAFETY: as the crate's contract says.
                attributed = unsafe { encode_all(messages, &mut publisher.attributes) }?;
            }
            let mut attributes = publisher.attributes[..attributed].iter();
            let inner = publisher.inner();
            let before = inner.published();
            let mut sent_at_once = 0;
            if is_simple {
                // SAFETY: simple, as was found; the rest is the crate's contract.
                sent_at_once = unsafe { send_plainly(inner, messages) };
            }
            let outgoing = messages[sent_at_once..].iter().map(|message| {
                let (payload, len) = (message.payload.cast::<u8>(), message.payload_len_bytes);
                // SAFETY: as the crate's contract says, and checked above.
                let payload = unsafe { slice(payload, len, "payload") };
                let mut meta = Meta::new().tag(message.tag).flags(message.flags);
                if message.attribute_count > 0
                    && let Some(beside) = attributes.next()
                {
                    meta = meta.attributes(beside);
                }
                (meta, payload.unwrap_or_default())
            });
            let sent = inner.publish_batch_with(outgoing, patience(timeout_ns));
            tell(inner.published().wrapping_sub(before) as usize);
            sent?;
            Ok(Code::Ok)
        })
    })
}

/// Sends copies of `count` messages of `len_bytes` each, which lie one after the other at `payloads`: an array
/// of them. For less than ringbus_publish_batch() costs, and otherwise as that does, without tags, flags and
/// attributes. `payloads` may be NULL where there are no bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_publish_array(
    publisher: *mut Publisher,
    payloads: *const c_void,
    len_bytes: usize,
    count: usize,
    timeout_ns: u64,
    published: *mut usize,
) -> Code {
    guard(|| {
        handle::with(publisher, "publisher", |publisher| {
            // SAFETY: as the crate's contract says.
            let out = unsafe { Out::optional(published, "published") }?;
            let tell = |sent| {
                if let Some(out) = &out {
                    out.put(sent);
                }
            };
            tell(0);
            let Some(bytes) = len_bytes.checked_mul(count) else {
                return Err(Failure::invalid(format!(
                    "{count} payloads of {len_bytes} bytes cannot be"
                )));
            };
            // SAFETY: as the crate's contract says.
            let bytes = unsafe { slice(payloads.cast::<u8>(), bytes, "payloads") }?;
            let inner = publisher.inner();
            let before = inner.published();
            let sent = match len_bytes {
                0 => {
                    let empty = repeat_n((Meta::new(), &[][..]), count);
                    inner.publish_batch_with(empty, patience(timeout_ns))
                }
                _ => {
                    let payload = |payload| (Meta::new(), payload);
                    let messages = bytes.chunks_exact(len_bytes).map(payload);
                    // SAFETY: cutting bytes into pieces uses no publisher.
                    let at_once = unsafe { inner.publish_many_at_once(messages.clone()) };
                    inner.publish_batch_with(messages.skip(at_once), patience(timeout_ns))
                }
            };
            tell(inner.published().wrapping_sub(before) as usize);
            sent?;
            Ok(Code::Ok)
        })
    })
}

/// Sends as many of the messages as are sent without a call; how many.
///
/// # Safety
///
/// All are [simple](Outgoing::is_simple), and as the crate's contract says.
#[inline(always)]
unsafe fn send_plainly(publisher: &ringbus::Publisher<[u8]>, messages: &[Outgoing]) -> usize {
    let messages = messages.iter().map(|message| {
        let (payload, len) = (message.payload.cast::<u8>(), message.payload_len_bytes);
        // SAFETY: not NULL, and no more bytes than there can be, as was found; the rest is the crate's contract.
        let payload = unsafe { std::slice::from_raw_parts(payload, len) };
        (Meta::new().tag(message.tag).flags(message.flags), payload)
    });
    // SAFETY: reading what C wrote uses no publisher.
    unsafe { publisher.publish_many_at_once(messages) }
}

/// Checks the messages of a batch, and puts the attributes together of those that have some: how many have.
///
/// # Safety
///
/// As the crate's contract says.
#[inline(never)]
unsafe fn encode_all(
    messages: &[Outgoing],
    attributes: &mut Vec<Attributes>,
) -> Result<usize, Failure> {
    let mut attributed = 0;
    for message in messages {
        let (payload, len) = (message.payload.cast::<u8>(), message.payload_len_bytes);
        // SAFETY: as this function requires.
        unsafe { slice(payload, len, "messages[..].payload") }?;
        // SAFETY: as this function requires.
        unsafe { message.encode(attributes, attributed) }?;
        attributed += usize::from(message.attribute_count > 0);
    }
    Ok(attributed)
}

/// Waits until `count` living subscribers have joined the topic, for at most `timeout_ns`.
/// `RINGBUS_TIMEOUT`: fewer were there until then. `RINGBUS_REMOVED`: the topic was removed, and fewer are
/// there. Observers do not count. Looks every millisecond.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_publisher_wait_subscribers(
    publisher: *mut Publisher,
    count: usize,
    timeout_ns: u64,
) -> Code {
    guard(|| {
        handle::with(publisher, "publisher", |publisher| {
            let there = publisher
                .inner()
                .wait_subscribers(count, timeout(timeout_ns))?;
            Ok(if there { Code::Ok } else { Code::Timeout })
        })
    })
}

/// The publisher's number among those of its topic, which its messages carry; 0 on an exclusive topic.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_publisher_id(publisher: *mut Publisher, id: *mut u16) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(id, "id") }?;
        handle::with(publisher, "publisher", |publisher| {
            out.set(publisher.inner().id());
            Ok(Code::Ok)
        })
    })
}

/// Messages sent through this publisher's place in the topic, by predecessors as well.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_publisher_published(
    publisher: *mut Publisher,
    messages: *mut u64,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(messages, "messages") }?;
        handle::with(publisher, "publisher", |publisher| {
            out.set(publisher.inner().published());
            Ok(Code::Ok)
        })
    })
}
