//! Buses: opening, listing, cleaning up.

use std::ffi::{CString, c_char};
use std::mem::offset_of;

use ringbus::{BusBuilder, Remove};

use crate::argument::{Options, Out, c_text, known_flags, needed_text, options, text, unused};
use crate::code::Code;
use crate::failure::Failure;
use crate::guard::guard;
use crate::handle::{self, Handle, Kind};

/// A named set of topics: a directory in shared memory. Many threads may use one at once.
pub struct Bus {
    pub(crate) inner: ringbus::Bus,
    name: CString,
    path: CString,
}

impl Handle for Bus {
    const KIND: Kind = Kind::Bus;
    const IS_SHARED: bool = true;
}

/// The bus must exist; without it, a missing one is created.
pub const RINGBUS_BUS_EXISTING: u32 = 1;
/// `group` counts.
pub const RINGBUS_BUS_GROUP: u32 = 2;

/// Where a bus is and who may use it. All zeros but the size are the defaults.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct BusOptions {
    /// `sizeof(ringbus_bus_options)`, by which the library knows the fields that the caller has.
    pub size_bytes: usize,
    /// The directory that holds buses. NULL is `$RINGBUS_DIR`, or else `/dev/shm/ringbus-<uid>`.
    pub directory: *const c_char,
    /// `RINGBUS_BUS_...`, or'ed.
    pub flags: u32,
    /// Who may use the bus, should it be created, and the topics created through it: three octal
    /// digits in the manner of chmod, 6 for the owner, who may do everything, then one for the group
    /// and one for all others: 0 nothing, 4 observe, 5 subscribe, 6 publish. Default 0600, or what the
    /// existing bus grants. `RINGBUS_MISMATCH`: the bus exists and grants less.
    pub mode: u32,
    /// The number of a group of which the user is a member, with `RINGBUS_BUS_GROUP`; default the
    /// user's own.
    pub group: u32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: `repr(C)`, the size comes first, pointers and integers.
unsafe impl Options for BusOptions {
    const FIRST_SIZE: usize = 32;
}

const _: () = assert!(offset_of!(BusOptions, size_bytes) == 0);

/// The builder of the bus that C describes.
///
/// # Safety
///
/// As the crate's contract says.
unsafe fn builder(
    name: *const c_char,
    bus_options: *const BusOptions,
) -> Result<BusBuilder, Failure> {
    // SAFETY: as this function requires.
    let name = unsafe { text(name, "name") }?;
    // SAFETY: as this function requires.
    let asked = unsafe { options(bus_options, "options") }?;
    // SAFETY: as this function requires.
    let directory = unsafe { text(asked.directory, "options->directory") }?;
    let known = RINGBUS_BUS_EXISTING | RINGBUS_BUS_GROUP;
    known_flags(asked.flags, known, "options->flags")?;
    unused(asked.reserved, "options->reserved")?;
    let mut builder = ringbus::Bus::builder().create(asked.flags & RINGBUS_BUS_EXISTING == 0);
    if let Some(directory) = directory {
        builder = builder.dir(directory);
    }
    if let Some(name) = name {
        builder = builder.name(name);
    }
    if asked.mode != 0 {
        builder = builder.mode(asked.mode);
    }
    if asked.flags & RINGBUS_BUS_GROUP != 0 {
        builder = builder.group(asked.group);
    }
    Ok(builder)
}

/// Opens the bus `name`, creating it where it is not there. NULL is the bus "default"; a name has 1 to
/// 64 letters, digits, '.', '_' and '-', and no '.' first. NULL `options` are the defaults.
///
/// `*bus` is the caller's to close. What a process that dies leaves is taken back by the others: there
/// is nothing to clean up.
///
/// `RINGBUS_NOT_FOUND` with `RINGBUS_BUS_EXISTING`; `RINGBUS_PERMISSION_DENIED` and others say in
/// ringbus_last_error() which file could not be used, and what to do.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_bus_open(
    name: *const c_char,
    options: *const BusOptions,
    bus: *mut *mut Bus,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(bus, "bus") }?;
        // SAFETY: as the crate's contract says.
        let inner = unsafe { builder(name, options) }?.open()?;
        let name = c_text(inner.name());
        let path = c_text(&inner.path().to_string_lossy());
        out.set(handle::give(Bus { inner, name, path })?);
        Ok(Code::Ok)
    })
}

/// Closes the bus; NULL does nothing. It and its topics stay for others, and for later, and topics,
/// publishers, subscribers and watches that were opened from it go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_bus_close(bus: *mut Bus) -> Code {
    guard(|| handle::close(bus, "bus"))
}

/// The bus's name, "default" where none was given. Valid until the bus is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_bus_name(bus: *const Bus, name: *mut *const c_char) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(name, "name") }?;
        handle::share(bus, "bus", |bus| {
            out.set(bus.name.as_ptr());
            Ok(Code::Ok)
        })
    })
}

/// The bus's directory. Whoever can reach it, and may by its mode, can use the bus. Valid until the bus
/// is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_bus_path(bus: *const Bus, path: *mut *const c_char) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(path, "path") }?;
        handle::share(bus, "bus", |bus| {
            out.set(bus.path.as_ptr());
            Ok(Code::Ok)
        })
    })
}

/// The bus's identity, drawn at random when it was created: the same in two processes exactly if they
/// share the bus, whatever their paths say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_bus_id(bus: *const Bus, id: *mut u64) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::new(id, "id") }?;
        handle::share(bus, "bus", |bus| {
            out.set(bus.inner.id());
            Ok(Code::Ok)
        })
    })
}

/// No certain group.
pub const RINGBUS_NO_GROUP: u32 = u32::MAX;

/// Who may use the bus besides its owner: `*mode` as in ringbus_bus_options, and the number of the group
/// meant there, or `RINGBUS_NO_GROUP`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_bus_access(
    bus: *const Bus,
    mode: *mut u32,
    group: *mut u32,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out_mode = unsafe { Out::new(mode, "mode") }?;
        // SAFETY: as the crate's contract says.
        let out_group = unsafe { Out::new(group, "group") }?;
        handle::share(bus, "bus", |bus| {
            let access = bus.inner.access();
            out_mode.set(access.mode());
            out_group.set(access.gid.unwrap_or(RINGBUS_NO_GROUP));
            Ok(Code::Ok)
        })
    })
}

/// Remove a topic even while publishers or subscribers live: they go on among themselves, and whoever
/// opens the name next finds nothing, or a new topic.
pub const RINGBUS_REMOVE_FORCE: u32 = 1;

/// Removes a topic and its messages. Its memory is freed when the last process that has it open lets
/// it go.
///
/// `flags` are 0 or `RINGBUS_REMOVE_FORCE`. `RINGBUS_NOT_FOUND`; `RINGBUS_IN_USE` without force while a
/// publisher or subscriber lives (the dead and observers do not count). The topic is then as it was.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_bus_remove(
    bus: *const Bus,
    topic: *const c_char,
    flags: u32,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let topic = unsafe { needed_text(topic, "topic") }?;
        let how = match flags {
            0 => Remove::IfUnused,
            RINGBUS_REMOVE_FORCE => Remove::Force,
            _ => {
                let message = format!("unknown flags of a removal: {flags:#x}");
                return Err(Failure::invalid(message));
            }
        };
        handle::share(bus, "bus", |bus| {
            bus.inner.remove(topic, how)?;
            Ok(Code::Ok)
        })
    })
}

/// What [`ringbus_bus_gc`] took back: all 0 where no process died, or others have met the dead.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Collected {
    /// Leases of dead processes.
    pub participants: u64,
    /// Places of dead subscribers.
    pub subscribers: u64,
    /// Places of dead publishers.
    pub publishers: u64,
    /// Files that belonged to no topic.
    pub files: u64,
}

/// Takes back what dead processes left. Never needed for anybody's progress: whoever meets the dead
/// reaps them. Topics are not removed, even if nobody uses them. `collected` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_bus_gc(bus: *const Bus, collected: *mut Collected) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        let out = unsafe { Out::optional(collected, "collected") }?;
        handle::share(bus, "bus", |bus| {
            let found = bus.inner.gc()?;
            if let Some(out) = out {
                out.set(Collected {
                    participants: found.participants as u64,
                    subscribers: found.subscribers as u64,
                    publishers: found.publishers as u64,
                    files: found.files as u64,
                });
            }
            Ok(Code::Ok)
        })
    })
}

/// Removes the bus `name` with all its topics, whoever uses it. `options` say where it is; NULL are the
/// defaults. Whoever has it open goes on with what is open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringbus_bus_destroy(
    name: *const c_char,
    options: *const BusOptions,
) -> Code {
    guard(|| {
        // SAFETY: as the crate's contract says.
        unsafe { builder(name, options) }?.destroy()?;
        Ok(Code::Ok)
    })
}

/// The builder for a list of buses.
///
/// # Safety
///
/// As the crate's contract says.
pub(crate) unsafe fn place(bus_options: *const BusOptions) -> Result<BusBuilder, Failure> {
    // SAFETY: as this function requires.
    unsafe { builder(std::ptr::null(), bus_options) }
}
