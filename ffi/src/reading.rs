//! The attributes of messages that C has, as it reads them.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use ringbus::AttributesView;

use crate::argument::{Out, needed_text, places};
use crate::attribute::{RawAttribute, raw};
use crate::code::Code;
use crate::failure::Failure;
use crate::guard::guard;
use crate::handle;
use crate::observer::Observer;
use crate::subscriber::Subscriber;

/// The attributes of the message with this sequence, of the last poll: `*count` gets how many it has, and
/// up to `max` of them go to `attributes`, in the order in which they were set. They lie where the
/// message does, and are valid as long. Takes nothing back. `attributes` may be NULL where `max` is 0.
///
/// `RINGBUS_NO_MESSAGE`: the last poll gave no such message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_subscriber_attributes(
    subscriber: *mut Subscriber,
    sequence: u64,
    attributes: *mut RawAttribute,
    max: usize,
    count: *mut usize,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let all = unsafe { All::new(attributes, max, count) }?;
        handle::with(subscriber, "subscriber", |subscriber| {
            subscriber.read_attributes(sequence, |attributes| all.set(attributes))
        })
    })
}

/// The attribute of one key, of the message with this sequence, of the last poll. It lies where the
/// message does, and is valid as long. Takes nothing back.
///
/// `RINGBUS_ABSENT`: the message has none of this key. `RINGBUS_NO_MESSAGE`: the last poll gave no such
/// message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_subscriber_attribute(
    subscriber: *mut Subscriber,
    sequence: u64,
    key: *const c_char,
    attribute: *mut RawAttribute,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let one = unsafe { One::new(key, attribute) }?;
        handle::with(subscriber, "subscriber", |subscriber| {
            subscriber.read_attributes(sequence, |attributes| one.set(attributes))
        })
    })
}

/// The attributes of the message with this sequence, of the last poll: `*count` gets how many it has, and
/// up to `max` of them go to `attributes`, in the order in which they were set. They are valid as long as
/// the copy. Takes nothing back. `attributes` may be NULL where `max` is 0.
///
/// `RINGBUS_NO_MESSAGE`: the last poll gave no such message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_observer_attributes(
    observer: *mut Observer,
    sequence: u64,
    attributes: *mut RawAttribute,
    max: usize,
    count: *mut usize,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let all = unsafe { All::new(attributes, max, count) }?;
        handle::with(observer, "observer", |observer| {
            Ok(all.set(observer.attributes(sequence)?))
        })
    })
}

/// The attribute of one key, of the message with this sequence, of the last poll. It is valid as long as
/// the copy. Takes nothing back.
///
/// `RINGBUS_ABSENT`: the message has none of this key. `RINGBUS_NO_MESSAGE`: the last poll gave no such
/// message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_observer_attribute(
    observer: *mut Observer,
    sequence: u64,
    key: *const c_char,
    attribute: *mut RawAttribute,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let one = unsafe { One::new(key, attribute) }?;
        handle::with(observer, "observer", |observer| {
            Ok(one.set(observer.attributes(sequence)?))
        })
    })
}

/// Where C wants all attributes of a message.
pub(crate) struct All<'a> {
    places: &'a mut [MaybeUninit<RawAttribute>],
    count: Out<usize>,
}

impl All<'_> {
    /// # Safety
    ///
    /// As the crate's contract says.
    pub(crate) unsafe fn new(
        attributes: *mut RawAttribute,
        max: usize,
        count: *mut usize,
    ) -> Result<Self, Failure> {
        // SAFETY: as this function requires.
        let count = unsafe { Out::new(count, "count") }?;
        let places = match max {
            0 => &mut [],
            // SAFETY: as this function requires.
            _ => unsafe { places(attributes, max, "attributes") }?,
        };
        Ok(Self { places, count })
    }

    pub(crate) fn set(self, attributes: AttributesView<'_>) -> Code {
        let mut count = 0;
        for (key, value) in attributes.iter() {
            if let Some(place) = self.places.get_mut(count) {
                place.write(raw(key, value));
            }
            count += 1;
        }
        self.count.set(count);
        Code::Ok
    }
}

/// Where C wants the attribute of one key.
pub(crate) struct One<'a> {
    key: &'a str,
    out: Out<RawAttribute>,
}

impl One<'_> {
    /// # Safety
    ///
    /// As the crate's contract says.
    pub(crate) unsafe fn new(
        key: *const c_char,
        attribute: *mut RawAttribute,
    ) -> Result<Self, Failure> {
        // SAFETY: as this function requires.
        let out = unsafe { Out::new(attribute, "attribute") }?;
        // SAFETY: as this function requires.
        let key = unsafe { needed_text(key, "key") }?;
        Ok(Self { key, out })
    }

    pub(crate) fn set(self, attributes: AttributesView<'_>) -> Code {
        let mut entries = attributes.iter();
        match entries.find(|(key, _)| *key == self.key) {
            Some((key, value)) => {
                self.out.set(raw(key, value));
                Code::Ok
            }
            None => Code::Absent,
        }
    }
}
