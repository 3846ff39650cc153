//! Attributes of messages, as C sets and reads them, and the policies that look at them.

use std::ffi::{c_char, c_void};
use std::ptr;

use ringbus::{Attribute, Attributes, Policy};

use crate::argument::{Out, needed_text, slice, unused};
use crate::code::Code;
use crate::failure::Failure;
use crate::guard::guard;

/// The value is text: `data`, which is UTF-8.
pub const RINGBUS_ATTRIBUTE_TEXT: u32 = 1;
/// The value is bytes that are no text: `data`.
pub const RINGBUS_ATTRIBUTE_BYTES: u32 = 2;
/// The value is a whole number: `integer`.
pub const RINGBUS_ATTRIBUTE_INT: u32 = 3;
/// The value is a number with a fraction: `real`.
pub const RINGBUS_ATTRIBUTE_FLOAT: u32 = 4;
/// The value is yes or no: `integer`, 1 or 0.
pub const RINGBUS_ATTRIBUTE_BOOL: u32 = 5;

/// A key and its value, beside the payload of a message. ringbus_attribute_text() and its like make
/// one; what was read may be published again as it is.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RawAttribute {
    /// The key, UTF-8. Where it was read it does not end in NUL.
    pub key: *const c_char,
    /// Its length in bytes, 1 to 255.
    pub key_len_bytes: usize,
    /// `RINGBUS_ATTRIBUTE_...`, which says where the value is.
    pub kind: u32,
    /// 0.
    pub reserved: u32,
    /// Text or bytes. Where it was read it does not end in NUL.
    pub data: *const c_void,
    /// Their length in bytes.
    pub data_len_bytes: usize,
    /// A whole number, or yes (1) or no (0).
    pub integer: i64,
    /// A number with a fraction; where it was read, whole numbers as well.
    pub real: f64,
}

/// Whether a message with these attributes would pass a policy, as the `policy` of a ringbus_filter:
/// to try one before it is used. `*matches` gets 1 or 0.
///
/// `RINGBUS_INVALID_ARGUMENT` for what is no policy: ringbus_last_error() says what is wrong and would
/// be right, ringbus_last_failure() in which line and column.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_policy_matches(
    policy: *const c_char,
    attributes: *const RawAttribute,
    attribute_count: usize,
    matches: *mut i32,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(matches, "matches") }?;
        // SAFETY: as the crate's contract says.
        let policy = Policy::new(unsafe { needed_text(policy, "policy") }?)?;
        let mut beside = Attributes::new();
        // SAFETY: as the crate's contract says.
        unsafe { encode(attributes, attribute_count, &mut beside) }?;
        out.set(policy.matches(beside.view()).into());
        Ok(Code::Ok)
    })
}

/// Makes `into` these attributes and no others; of those with one key the last.
///
/// # Safety
///
/// As the crate's contract says.
pub(crate) unsafe fn encode(
    attributes: *const RawAttribute,
    count: usize,
    into: &mut Attributes,
) -> Result<(), Failure> {
    into.clear();
    // SAFETY: as this function requires.
    for (index, attribute) in unsafe { slice(attributes, count, "attributes") }?
        .iter()
        .enumerate()
    {
        // SAFETY: as this function requires.
        unsafe { set(attribute, into) }.map_err(|failure| failure.within(index))?;
    }
    Ok(())
}

/// # Safety
///
/// As the crate's contract says.
unsafe fn set(attribute: &RawAttribute, into: &mut Attributes) -> Result<(), Failure> {
    let key = attribute.key.cast::<u8>();
    // SAFETY: as this function requires.
    let key = utf8(
        unsafe { slice(key, attribute.key_len_bytes, "key") }?,
        "key",
    )?;
    let data = || {
        let data = attribute.data.cast::<u8>();
        // SAFETY: as this function requires.
        unsafe { slice(data, attribute.data_len_bytes, "data") }
    };
    unused(attribute.reserved, "reserved")?;
    let value = match (attribute.kind, attribute.integer) {
        (RINGBUS_ATTRIBUTE_TEXT, _) => Attribute::Text(utf8(data()?, "data")?),
        (RINGBUS_ATTRIBUTE_BYTES, _) => Attribute::Bytes(data()?),
        (RINGBUS_ATTRIBUTE_INT, integer) => Attribute::Int(integer),
        (RINGBUS_ATTRIBUTE_FLOAT, _) => Attribute::Float(attribute.real),
        (RINGBUS_ATTRIBUTE_BOOL, 0) => Attribute::Bool(false),
        (RINGBUS_ATTRIBUTE_BOOL, 1) => Attribute::Bool(true),
        (RINGBUS_ATTRIBUTE_BOOL, other) => {
            return Err(Failure::invalid(format!("{other} is neither 1 nor 0")));
        }
        (kind, _) => {
            return Err(Failure::invalid(format!(
                "`kind` is {kind}, none of RINGBUS_ATTRIBUTE_..."
            )));
        }
    };
    into.set(key, value)
        .map_err(|error| Failure::invalid(error.to_string()))
}

fn utf8<'a>(bytes: &'a [u8], name: &str) -> Result<&'a str, Failure> {
    str::from_utf8(bytes)
        .map_err(|error| Failure::invalid(format!("`{name}` is not UTF-8: {error}")))
}

/// What C gets of one attribute: it lies where its message does.
pub(crate) fn raw(key: &str, value: Attribute<'_>) -> RawAttribute {
    let mut raw = RawAttribute {
        key: key.as_ptr().cast(),
        key_len_bytes: key.len(),
        kind: 0,
        reserved: 0,
        data: ptr::null(),
        data_len_bytes: 0,
        integer: 0,
        real: value.as_f64().unwrap_or(0.0),
    };
    match value {
        Attribute::Text(text) => {
            raw.kind = RINGBUS_ATTRIBUTE_TEXT;
            (raw.data, raw.data_len_bytes) = (text.as_ptr().cast(), text.len());
        }
        Attribute::Bytes(bytes) => {
            raw.kind = RINGBUS_ATTRIBUTE_BYTES;
            (raw.data, raw.data_len_bytes) = (bytes.as_ptr().cast(), bytes.len());
        }
        Attribute::Int(integer) => (raw.kind, raw.integer) = (RINGBUS_ATTRIBUTE_INT, integer),
        Attribute::Float(_) => raw.kind = RINGBUS_ATTRIBUTE_FLOAT,
        Attribute::Bool(yes) => {
            (raw.kind, raw.integer) = (RINGBUS_ATTRIBUTE_BOOL, yes.into());
        }
        // A kind of a later library, to which C has no name yet.
        _ => {}
    }
    raw
}
