//! The bus as a program in C has it: functions of the shared library, loaded when they are wanted, each
//! called through its address. Types are those of `include/ringbus.h`.

use std::ffi::{CStr, CString, c_char, c_void};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};

use super::via::{Receives, Sends};
use crate::outcome::Failure;

/// Where the library is, instead of beside this program or where the system has it.
const VARIABLE: &str = "RINGBUS_LIBRARY";

const OK: i32 = 0;
const EMPTY: i32 = 1;
const LAGGED: i32 = 500;
const FOREVER: u64 = u64::MAX;
const LOSSY: u32 = 1;
const RELIABLE: u32 = 2;

/// `ringbus_message`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Message {
    payload: *const u8,
    payload_len_bytes: usize,
    sequence: u64,
    tag: u64,
    time_ns: u64,
    publisher: u32,
    flags: u16,
    reserved: u16,
}

/// The beginning of `ringbus_bus_options`, of its first version.
#[repr(C)]
struct BusOptions {
    size_bytes: usize,
    directory: *const c_char,
    flags: u32,
    mode: u32,
    group: u32,
    reserved: u32,
}

/// `ringbus_subscriber_options`, of its first version.
#[repr(C)]
struct SubscriberOptions {
    size_bytes: usize,
    delivery: u32,
    reserved: u32,
    /// Kind, reserved and value of the start: all zeros are the latest.
    start: [u64; 2],
    stall_timeout_ns: u64,
    spin_ns: u64,
    filter: *const c_void,
}

/// `ringbus_failure`, of its first version.
#[repr(C)]
#[derive(Default)]
struct Facts {
    size_bytes: usize,
    code: i32,
    system_errno: i32,
    missed: u64,
    others: [u64; 3],
}

type Handle = *mut c_void;

/// The functions that are used, each by its name without the prefix.
macro_rules! functions {
    ($($name:ident: fn($($argument:ty),*) -> $result:ty;)+) => {
        /// The functions of the shared library, which stays loaded.
        #[derive(Clone, Copy)]
        pub struct Functions {
            $($name: unsafe extern "C" fn($($argument),*) -> $result,)+
        }

        impl Functions {
            fn of(file: *mut c_void) -> Result<Self, Failure> {
                Ok(Self {
                    $($name: {
                        let address = symbol(file, concat!("ringbus_", stringify!($name), "\0"))?;
                        // SAFETY: a function of that name has this type in ringbus.h, and keeps it.
                        unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($argument),*) -> $result>(address) }
                    },)+
                })
            }
        }
    };
}

functions! {
    version: fn() -> *const c_char;
    last_error: fn() -> *const c_char;
    last_failure: fn(*mut Facts) -> i32;
    bus_open: fn(*const c_char, *const BusOptions, *mut Handle) -> i32;
    topic_open: fn(Handle, *const c_char, *const c_void, *mut Handle) -> i32;
    publisher_open: fn(Handle, *mut Handle) -> i32;
    publish: fn(Handle, *const u8, usize, u64, *mut u64) -> i32;
    publish_array: fn(Handle, *const u8, usize, usize, u64, *mut usize) -> i32;
    subscriber_open: fn(Handle, *const SubscriberOptions, *mut Handle) -> i32;
    subscriber_poll: fn(Handle, *mut Message) -> i32;
    subscriber_poll_batch: fn(Handle, *mut Message, usize, *mut usize) -> i32;
}

impl Functions {
    /// The library that `RINGBUS_LIBRARY` names, or that lies beside this program, or that the system finds.
    pub fn load() -> Result<Self, Failure> {
        let mut reasons = Vec::new();
        for place in places() {
            let Ok(name) = CString::new(place.as_os_str().as_bytes()) else {
                continue;
            };
            // SAFETY: a string that ends in NUL; what the library runs when it is loaded is std's.
            let file = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) };
            if !file.is_null() {
                return Self::of(file)?.checked(&place);
            }
            reasons.push(loader_error());
        }
        Err(Failure::say(format_args!(
            "--via c needs the shared library: build it with `cargo build --release -p ringbus-ffi`, or \
             name it by {VARIABLE} ({})",
            reasons.join("; ")
        )))
    }

    fn checked(self, place: &Path) -> Result<Self, Failure> {
        // SAFETY: takes nothing.
        let version = unsafe { (self.version)() };
        // SAFETY: never NULL, ends in NUL, and stays.
        let version = unsafe { CStr::from_ptr(version) }.to_string_lossy();
        match version == env!("CARGO_PKG_VERSION") {
            true => Ok(self),
            false => Err(Failure::say(format_args!(
                "{} is of version {version}, and this program of {}: name another library by {VARIABLE}",
                place.display(),
                env!("CARGO_PKG_VERSION")
            ))),
        }
    }

    /// Opens the bus that is in a directory.
    pub fn open(self, root: &Path) -> Result<BusInC, Failure> {
        let directory = CString::new(root.as_os_str().as_bytes()).map_err(Failure::say)?;
        let options = BusOptions {
            size_bytes: size_of::<BusOptions>(),
            directory: directory.as_ptr(),
            flags: 0,
            mode: 0,
            group: 0,
            reserved: 0,
        };
        let mut bus = null_mut();
        // SAFETY: options of their size with a text that ends in NUL, and a place for the result.
        self.done(unsafe { (self.bus_open)(null(), &options, &mut bus) })?;
        let functions = self;
        Ok(BusInC { functions, bus })
    }

    /// A code as a result.
    #[inline(always)]
    fn done(&self, code: i32) -> Result<(), InC> {
        match code {
            OK => Ok(()),
            _ => Err(self.failure(code)),
        }
    }

    #[cold]
    fn failure(&self, code: i32) -> InC {
        let mut facts = Facts {
            size_bytes: size_of::<Facts>(),
            ..Facts::default()
        };
        // SAFETY: a place of the size that it says.
        unsafe { (self.last_failure)(&mut facts) };
        // SAFETY: takes nothing.
        let text = unsafe { (self.last_error)() };
        // SAFETY: never NULL, ends in NUL, and stays until the next failure.
        let text = unsafe { CStr::from_ptr(text) };
        InC(Box::new(Reason {
            code,
            missed: facts.missed,
            text: text.to_string_lossy().into_owned(),
        }))
    }
}

/// Where the library may be, best first.
fn places() -> Vec<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        return vec![named.into()];
    }
    let name = match env!("CARGO_PKG_VERSION_MAJOR") {
        "0" => concat!("libringbus.so.0.", env!("CARGO_PKG_VERSION_MINOR")),
        _ => concat!("libringbus.so.", env!("CARGO_PKG_VERSION_MAJOR")),
    };
    let program = std::env::current_exe().unwrap_or_default();
    let here = program.parent().unwrap_or(Path::new("."));
    vec![
        here.join("libringbus.so"),
        here.join("../lib").join(name),
        name.into(),
    ]
}

fn symbol(file: *mut c_void, name: &str) -> Result<*mut c_void, Failure> {
    // SAFETY: a library that is loaded, and a string that ends in NUL.
    let address = unsafe { libc::dlsym(file, name.as_ptr().cast()) };
    match address.is_null() {
        true => Err(Failure::say(loader_error())),
        false => Ok(address),
    }
}

fn loader_error() -> String {
    // SAFETY: gives a string that ends in NUL, or NULL.
    let text = unsafe { libc::dlerror() };
    match text.is_null() {
        true => String::from("no such function"),
        // SAFETY: not NULL, and stays until the next call, which no other thread makes.
        false => unsafe { CStr::from_ptr(text) }
            .to_string_lossy()
            .into_owned(),
    }
}

/// Why a call into the library failed: as short as a code where it is passed on.
pub struct InC(Box<Reason>);

struct Reason {
    code: i32,
    missed: u64,
    text: String,
}

impl From<InC> for Failure {
    fn from(error: InC) -> Self {
        Self::say(error.0.text)
    }
}

/// A `ringbus_bus`, open until the process ends, as is all else here.
pub struct BusInC {
    functions: Functions,
    bus: Handle,
}

impl BusInC {
    fn topic(&self, name: &str) -> Result<Handle, Failure> {
        let name = CString::new(name).map_err(Failure::say)?;
        let mut topic = null_mut();
        let open = self.functions.topic_open;
        // SAFETY: a string that ends in NUL, no options, and a place for the result.
        let code = unsafe { open(self.bus, name.as_ptr(), null(), &mut topic) };
        self.functions.done(code)?;
        Ok(topic)
    }
}

/// A `ringbus_publisher`.
pub struct PublisherInC {
    functions: Functions,
    publisher: Handle,
}

impl PublisherInC {
    /// Becomes the publisher of a topic.
    pub fn open(bus: &BusInC, topic: &str) -> Result<Self, Failure> {
        let (functions, mut publisher) = (bus.functions, null_mut());
        let topic = bus.topic(topic)?;
        // SAFETY: a place for the result.
        functions.done(unsafe { (functions.publisher_open)(topic, &mut publisher) })?;
        Ok(Self {
            functions,
            publisher,
        })
    }
}

impl Sends for PublisherInC {
    type Error = InC;

    #[inline(always)]
    fn publish(&mut self, payload: &[u8]) -> Result<(), InC> {
        let publish = self.functions.publish;
        let (at, len) = (payload.as_ptr(), payload.len());
        // SAFETY: so many bytes, which nobody changes meanwhile; the sequence is not wanted.
        let code = unsafe { publish(self.publisher, at, len, FOREVER, null_mut()) };
        self.functions.done(code)
    }

    #[inline(always)]
    fn publish_batch(&mut self, payloads: &[u8], size: usize) -> Result<(), InC> {
        let publish = self.functions.publish_array;
        let (at, count) = (payloads.as_ptr(), payloads.len() / size);
        // SAFETY: so many payloads of that size, which nobody changes meanwhile; how many were sent is not
        // wanted.
        let code = unsafe { publish(self.publisher, at, size, count, FOREVER, null_mut()) };
        self.functions.done(code)
    }
}

/// A `ringbus_subscriber`.
pub struct SubscriberInC {
    functions: Functions,
    subscriber: Handle,
    messages: Vec<MaybeUninit<Message>>,
}

impl SubscriberInC {
    /// Joins a topic.
    pub fn open(bus: &BusInC, topic: &str, is_lossy: bool) -> Result<Self, Failure> {
        let (functions, mut subscriber) = (bus.functions, null_mut());
        let topic = bus.topic(topic)?;
        let options = SubscriberOptions {
            size_bytes: size_of::<SubscriberOptions>(),
            delivery: if is_lossy { LOSSY } else { RELIABLE },
            reserved: 0,
            start: [0; 2],
            stall_timeout_ns: 0,
            spin_ns: 0,
            filter: null(),
        };
        // SAFETY: options of their size, and a place for the result.
        functions.done(unsafe { (functions.subscriber_open)(topic, &options, &mut subscriber) })?;
        Ok(Self {
            functions,
            subscriber,
            messages: Vec::new(),
        })
    }
}

impl Message {
    #[inline(always)]
    fn payload(&self) -> &[u8] {
        // SAFETY: so many bytes, which stay as they are until the next call on the subscriber, and that
        // is after the last use of `self`.
        unsafe { std::slice::from_raw_parts(self.payload, self.payload_len_bytes) }
    }
}

impl Receives for SubscriberInC {
    type Error = InC;

    #[inline(always)]
    fn poll<R>(&mut self, use_it: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, InC> {
        let mut message = MaybeUninit::uninit();
        // SAFETY: a place for the result.
        match unsafe { (self.functions.subscriber_poll)(self.subscriber, message.as_mut_ptr()) } {
            // SAFETY: written on success.
            OK => Ok(Some(use_it(unsafe { message.assume_init_ref() }.payload()))),
            EMPTY => Ok(None),
            code => Err(self.functions.failure(code)),
        }
    }

    #[inline(always)]
    fn poll_batch(&mut self, max: usize, mut use_it: impl FnMut(&[u8])) -> Result<usize, InC> {
        if self.messages.len() < max {
            self.messages.resize(max, MaybeUninit::uninit());
        }
        let poll = self.functions.subscriber_poll_batch;
        let (at, mut count) = (self.messages.as_mut_ptr().cast(), 0);
        // SAFETY: places for so many results, and for how many they are.
        match unsafe { poll(self.subscriber, at, max, &mut count) } {
            OK | EMPTY => {}
            code => return Err(self.functions.failure(code)),
        }
        for message in &self.messages[..count] {
            // SAFETY: so many were written.
            use_it(unsafe { message.assume_init_ref() }.payload());
        }
        Ok(count)
    }

    fn missed(error: &InC) -> Option<u64> {
        (error.0.code == LAGGED).then_some(error.0.missed)
    }
}
