//! Opening and closing a bus.

use std::ffi::c_char;

use ringbus::Bus;

use crate::argument::{Out, close, text};
use crate::code::Code;
use crate::guard::guard;

/// Opens a bus, creating it where it is not there.
///
/// # Safety
///
/// `directory` and `name` are NULL or end in NUL; `bus` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_bus_open(
    directory: *const c_char,
    name: *const c_char,
    bus: *mut *mut Bus,
) -> Code {
    guard(|| {
        // SAFETY: as this function requires.
        let directory = unsafe { text(directory, "directory") }?;
        // SAFETY: as this function requires.
        let name = unsafe { text(name, "name") }?;
        // SAFETY: as this function requires.
        let out = unsafe { Out::new(bus, "bus") }?;
        let mut builder = Bus::builder();
        if let Some(directory) = directory {
            builder = builder.dir(directory);
        }
        if let Some(name) = name {
            builder = builder.name(name);
        }
        out.give(builder.open()?);
        Ok(Code::Ok)
    })
}

/// Closes a bus.
///
/// # Safety
///
/// `bus` is NULL, or from [`ringbus_bus_open`] and used by nobody, now or later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_bus_close(bus: *mut Bus) -> Code {
    // SAFETY: as this function requires.
    guard(|| unsafe { close(bus) })
}
