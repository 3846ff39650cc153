//! Functions of C's that are called with messages, and what they may ask meanwhile.

use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_void};
use std::panic::resume_unwind;
use std::ptr;

use ringbus::{DispatchError, MultiMessage, Trouble, TroubleKind};

use crate::argument::{c_text, needed_text};
use crate::attribute::RawAttribute;
use crate::code::Code;
use crate::failure::{Failure, of_multi};
use crate::guard::guard;
use crate::multi::RawMultiMessage;
use crate::reading::{All, One};

/// The handler has done its work.
pub const RINGBUS_HANDLED: i32 = 0;
/// The handler could not do its work.
pub const RINGBUS_HANDLER_FAILED: i32 = 1;
/// The handler was ended by an exception, which the caller of the function has caught.
pub const RINGBUS_HANDLER_THREW: i32 = 2;

/// What to call with the messages of the topics that match a pattern.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RawHandler {
    /// As for ringbus_pattern_matches().
    pub pattern: *const c_char,
    /// Gets each message, which is valid until it returns, and whose attributes ringbus_handler_attribute()
    /// and ringbus_handler_attributes() have. Returns `RINGBUS_HANDLED`, or why not: any other number is
    /// `RINGBUS_HANDLER_FAILED`; it may let `*words` be a text, which must stay for a moment, as that of a
    /// literal or a thread-local buffer does. It must return: no exception, no longjmp. With several
    /// threads it may be called by several at once, for different topics.
    pub handle: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            message: *const RawMultiMessage,
            words: *mut *const c_char,
        ) -> i32,
    >,
    /// What `handle` gets first; it must live as long as the dispatcher.
    pub context: *mut c_void,
}

type HandleMessage = unsafe extern "C" fn(
    context: *mut c_void,
    message: *const RawMultiMessage,
    words: *mut *const c_char,
) -> i32;

/// A handler failed: `RINGBUS_HANDLER_FAILED`.
pub const RINGBUS_TROUBLE_FAILED: u32 = 1;
/// A handler was ended by an exception: `RINGBUS_HANDLER_THREW`.
pub const RINGBUS_TROUBLE_THREW: u32 = 2;
/// A topic lagged, or cannot be read.
pub const RINGBUS_TROUBLE_TOPIC: u32 = 3;

/// Something that went wrong in a dispatcher. Valid until the function that gets it returns.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RawTrouble {
    /// Bytes of this struct in the library's version.
    pub size_bytes: usize,
    /// `RINGBUS_TROUBLE_...`; others may come with later versions.
    pub kind: u32,
    /// What a poll of the topic would have returned; `RINGBUS_OK` where a handler is to blame.
    pub code: Code,
    /// The topic; NULL where it is about none.
    pub topic: *const c_char,
    /// The message that was handled.
    pub sequence: u64,
    /// The pattern of the handler; NULL where it is about none.
    pub pattern: *const c_char,
    /// What happened, in words.
    pub words: *const c_char,
    /// Messages that were overwritten before they could be handled.
    pub missed: u64,
}

type TellTrouble = unsafe extern "C" fn(context: *mut c_void, trouble: *const RawTrouble) -> i32;

/// A message that a function of C's handles on this thread, below those that it is handled by as well.
struct Frame {
    message: *const MultiMessage<'static, [u8]>,
    dispatcher: u64,
    below: *const Frame,
}

thread_local! {
    static CURRENT: Cell<*const Frame> = const { Cell::new(ptr::null()) };
    static TOPIC: Cell<CString> = Cell::default();
}

/// Ends a frame.
struct Ending(*const Frame);

impl Drop for Ending {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Whether this thread is in a handler of the dispatcher.
pub(crate) fn is_called_by(dispatcher: u64) -> bool {
    let mut frame = CURRENT.get();
    // SAFETY: NULL, or a frame of a call that has not returned yet: `Ending`.
    while let Some(this) = unsafe { frame.as_ref() } {
        if this.dispatcher == dispatcher {
            return true;
        }
        frame = this.below;
    }
    false
}

/// A handler of C's, at work.
pub(crate) struct Handler {
    handle: HandleMessage,
    context: *mut c_void,
    dispatcher: u64,
}

// SAFETY: which threads may use the context is C's to say: the documentation tells which do.
unsafe impl Send for Handler {}
// SAFETY: as above.
unsafe impl Sync for Handler {}

impl Handler {
    /// The pattern of a handler, and the handler.
    ///
    /// # Safety
    ///
    /// As the crate's contract says.
    pub(crate) unsafe fn read<'a>(
        raw: &RawHandler,
        dispatcher: u64,
    ) -> Result<(&'a str, Self), Failure> {
        // SAFETY: as this function requires.
        let pattern = unsafe { needed_text(raw.pattern, "handlers[..].pattern") }?;
        let handle = raw.handle;
        let handle = handle.ok_or_else(|| Failure::null("handlers[..].handle"))?;
        let context = raw.context;
        let handler = Self {
            handle,
            context,
            dispatcher,
        };
        Ok((pattern, handler))
    }

    pub(crate) fn handle(&self, message: &MultiMessage<'_, [u8]>) -> Result<(), DispatchError> {
        let mut topic = TOPIC.take();
        let raw = RawMultiMessage::new(message, &mut topic);
        let mut words = ptr::null();
        let result = {
            let below = CURRENT.get();
            let frame = Frame {
                message: ptr::from_ref(message).cast(),
                dispatcher: self.dispatcher,
                below,
            };
            CURRENT.set(&raw const frame);
            let _ending = Ending(below);
            // SAFETY: a function that C gave for this, and what it is to get.
            unsafe { (self.handle)(self.context, &raw const raw, &raw mut words) }
        };
        TOPIC.set(topic);
        if result == RINGBUS_HANDLED {
            return Ok(());
        }
        let words = match words.is_null() {
            true if result == RINGBUS_HANDLER_FAILED => "no reason given".to_owned(),
            true => format!("it returned {result}"),
            // SAFETY: a text that stays for this moment: C's promise.
            false => unsafe { CStr::from_ptr(words) }
                .to_string_lossy()
                .into_owned(),
        };
        match result {
            // An exception is what a panic is: the dispatcher counts it as one, and nobody else hears it.
            RINGBUS_HANDLER_THREW => resume_unwind(Box::new(words)),
            _ => Err(words.into()),
        }
    }
}

/// Who is told of what goes wrong.
pub(crate) struct Teller {
    tell: TellTrouble,
    context: *mut c_void,
}

// SAFETY: one at a time calls; which threads may use the context is C's to say.
unsafe impl Send for Teller {}
// SAFETY: as above.
unsafe impl Sync for Teller {}

impl Teller {
    pub(crate) fn new(tell: TellTrouble, context: *mut c_void) -> Self {
        Self { tell, context }
    }

    pub(crate) fn tell(&self, trouble: &Trouble<'_>) {
        let (mut code, mut missed, mut of_topic) = (Code::Ok, 0, None);
        let (kind, pattern, words) = match &trouble.kind {
            TroubleKind::Failed { pattern, error } => {
                (RINGBUS_TROUBLE_FAILED, Some(*pattern), error.to_string())
            }
            TroubleKind::Panicked { pattern, words } => {
                (RINGBUS_TROUBLE_THREW, Some(*pattern), (*words).to_owned())
            }
            TroubleKind::Poll(error) => {
                (code, missed, of_topic) = of_multi(error);
                (RINGBUS_TROUBLE_TOPIC, None, error.to_string())
            }
            // A kind of a later library, to which C has no name yet.
            _ => (0, None, trouble.to_string()),
        };
        let of_message = trouble.message.map(|(topic, _)| topic.as_str());
        let topic = of_message.or(of_topic).map(c_text);
        let (pattern, words) = (pattern.map(c_text), c_text(&words));
        let pointer = |text: &Option<CString>| text.as_ref().map_or(ptr::null(), |t| t.as_ptr());
        let raw = RawTrouble {
            size_bytes: size_of::<RawTrouble>(),
            kind,
            code,
            topic: pointer(&topic),
            sequence: trouble.message.map_or(0, |(_, sequence)| sequence),
            pattern: pointer(&pattern),
            words: words.as_ptr(),
            missed,
        };
        // SAFETY: a function that C gave for this, and what it is to get.
        let result = unsafe { (self.tell)(self.context, &raw const raw) };
        if result != RINGBUS_HANDLED {
            // Counted by the dispatcher.
            resume_unwind(Box::new("the teller of troubles failed"));
        }
    }
}

fn current<'a>() -> Result<&'a MultiMessage<'a, [u8]>, Failure> {
    let frame = CURRENT.get();
    // SAFETY: NULL, or a frame of a call that has not returned yet: `Ending`.
    let frame = unsafe { frame.as_ref() };
    let frame = frame.ok_or_else(|| {
        let message = "this thread handles no message; call it in a handler of a dispatcher";
        Failure::new(Code::NoMessage, message)
    })?;
    // SAFETY: the message outlives the frame, and the caller, which that has called.
    Ok(unsafe { &*frame.message.cast() })
}

/// In a handler, the attributes of its message: `*count` gets how many it has, and up to `max` of them go to
/// `attributes`, which may be NULL where `max` is 0. They are valid as long as the message.
/// `RINGBUS_NO_MESSAGE` elsewhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_handler_attributes(
    attributes: *mut RawAttribute,
    max: usize,
    count: *mut usize,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let all = unsafe { All::new(attributes, max, count) }?;
        Ok(all.set(current()?.attributes()))
    })
}

/// In a handler, the attribute of one key of its message, valid as long as that. `RINGBUS_ABSENT`: it has
/// none of this key. `RINGBUS_NO_MESSAGE` elsewhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_handler_attribute(
    key: *const c_char,
    attribute: *mut RawAttribute,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let one = unsafe { One::new(key, attribute) }?;
        Ok(one.set(current()?.attributes()))
    })
}
