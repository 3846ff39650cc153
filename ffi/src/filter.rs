//! Which messages a subscriber of C's wants.

use std::ffi::{c_char, c_void};

use ringbus::{Filter, Policy};

use crate::argument::{Options, known_flags, options, slice, text, timeout, unused};
use crate::failure::Failure;

/// `publisher` counts.
pub const RINGBUS_FILTER_PUBLISHER: u32 = 1;

/// The messages that a subscriber wants: those that pass every test. All zeros but the size are all
/// messages. Start from ringbus_filter_init().
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RawFilter {
    /// `sizeof(ringbus_filter)`, by which the library knows the fields that the caller has.
    pub size_bytes: usize,
    /// `RINGBUS_FILTER_...`, or'ed.
    pub flags: u32,
    /// Those of this publisher, with `RINGBUS_FILTER_PUBLISHER`.
    pub publisher: u32,
    /// Those with one of these tags; NULL: any.
    pub tags: *const u64,
    /// How many tags there are at `tags`; 0 where that is not NULL: no message has one.
    pub tag_count: usize,
    /// Those of whose tag these bits...
    pub tag_mask: u64,
    /// ... are like these.
    pub tag_value: u64,
    /// Those of whose flags these bits...
    pub flags_mask: u16,
    /// ... are like these.
    pub flags_value: u16,
    /// 0.
    pub reserved: u32,
    /// Every n-th of those that pass the other tests; 0 and 1: each.
    pub every: u64,
    /// At most one in this time; 0: any number.
    pub interval_ns: u64,
    /// Those whose attributes match this policy, as JSON: an object in the grammar of Amazon SNS's filter
    /// policies, such as `{"venue": ["XNYS"], "price": [{"numeric": [">", 100]}]}`. NULL: any.
    pub policy: *const c_char,
    /// Those for whose payload this does not return 0; NULL: any. Asked after all other tests but
    /// `every` and `interval_ns`, once for each message, by whichever thread polls or waits. The
    /// subscriber is in use meanwhile: calls on it give `RINGBUS_BUSY`. It must return: no exception, no
    /// longjmp.
    pub payload_test: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            payload: *const c_void,
            payload_len_bytes: usize,
        ) -> i32,
    >,
    /// What `payload_test` gets first; it must live as long as the subscriber.
    pub payload_test_context: *mut c_void,
}

/// What C may ask about a payload.
type PayloadTest = unsafe extern "C" fn(
    context: *mut c_void,
    payload: *const c_void,
    payload_len_bytes: usize,
) -> i32;

/// A test of C's, at work.
pub(crate) struct Tester {
    test: PayloadTest,
    context: *mut c_void,
}

// SAFETY: which threads may use the context is C's to say; one at a time calls.
unsafe impl Send for Tester {}

impl Tester {
    pub(crate) fn wants(&self, payload: &[u8]) -> bool {
        // SAFETY: a function that C gave for this, and what it is to get.
        let answer = unsafe { (self.test)(self.context, payload.as_ptr().cast(), payload.len()) };
        answer != 0
    }
}

// SAFETY: `repr(C)`, the size comes first, pointers and integers; a function is a pointer as well.
unsafe impl Options for RawFilter {
    const FIRST_SIZE: usize = 80;
}

/// What C describes, and its test of payloads; NULL lets everything pass.
///
/// # Safety
///
/// As the crate's contract says.
pub(crate) unsafe fn read(filter: *const RawFilter) -> Result<(Filter, Option<Tester>), Failure> {
    // SAFETY: as this function requires.
    let asked = unsafe { options(filter, "options->filter") }?;
    known_flags(
        asked.flags,
        RINGBUS_FILTER_PUBLISHER,
        "options->filter->flags",
    )?;
    unused(asked.reserved, "options->filter->reserved")?;
    let mut filter = Filter::new();
    // SAFETY: as this function requires.
    let tags = unsafe { slice(asked.tags, asked.tag_count, "options->filter->tags") }?;
    if !asked.tags.is_null() {
        filter = filter.tags(tags.iter().copied());
    }
    if asked.tag_mask != 0 {
        filter = filter.tag_mask(asked.tag_mask, asked.tag_value);
    }
    if asked.flags_mask != 0 {
        filter = filter.flags_mask(asked.flags_mask, asked.flags_value);
    }
    if asked.flags & RINGBUS_FILTER_PUBLISHER != 0 {
        let id = u16::try_from(asked.publisher).map_err(|_| {
            Failure::invalid(format!("no publisher has number {}", asked.publisher))
        })?;
        filter = filter.publisher(id);
    }
    if asked.every > 1 {
        filter = filter.every(asked.every);
    }
    if asked.interval_ns != 0 {
        filter = filter.at_most_every(timeout(asked.interval_ns));
    }
    // SAFETY: as this function requires.
    if let Some(json) = unsafe { text(asked.policy, "options->filter->policy") }? {
        filter = filter.attributes(Policy::new(json)?);
    }
    let context = asked.payload_test_context;
    let tester = asked.payload_test.map(|test| Tester { test, context });
    Ok((filter, tester))
}
