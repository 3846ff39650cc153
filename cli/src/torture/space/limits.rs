//! Rooms that are limits of the process: everything is tried in them, a bit at a time.

use std::fs;
use std::io;
use std::path::Path;
use std::ptr;
use std::time::Duration;

use ringbus::{Bus, Error, Observer, Publisher, Start, Subscriber, Topic, TopicEvent, Watch};

use super::SKIPPED;
use super::rooms::Room;
use super::usage::Usage;
use super::verdict::{Scarce, judge, left, wrong};
use crate::outcome::Failure;
use crate::torture::actor::say;
use crate::torture::checked;
use crate::torture::namespaces::{check, make_read_only};

/// A topic that takes more than the address space that a room allows.
const LARGE: usize = 16 << 20;

/// Everything under a limit, and then everything without it.
pub fn play(room: Room, place: &Path) -> Result<(), Failure> {
    let failed = |e| Failure::io(place.display(), &e);
    // What is there before the limit is: a bus with a topic that has messages.
    let bus = Bus::builder().dir(place).open()?;
    let known = bus.topic("known").capacity(16).create()?;
    let publisher = known.publisher()?;
    for serial in 0..MESSAGES {
        publisher.publish(&checked::payload(100, 1, serial))?;
    }
    let mut watch = bus.watch()?;
    while watch.next(Duration::ZERO)?.is_some() {}
    // A watch has the registry open to write, and so keeps the file system from refusing that.
    let mut watch = Some(watch).filter(|_| room.scarce() != Scarce::Writing);
    drop((publisher, known, bus));
    let (before, files) = (Usage::of(place).map_err(failed)?, open_files());

    let limit = match Limit::set(room, place) {
        Ok(limit) => limit,
        Err(error) => {
            say(format_args!(
                "{SKIPPED} the limit is not to be had here: {error}"
            ));
            return Ok(());
        }
    };
    try_all(place, room.scarce(), watch.as_mut());
    let is_over = !matches!(limit, Limit::Lasting);
    drop(limit);

    if is_over {
        try_all(place, Scarce::Nothing, watch.as_mut());
    }
    let (after, files_after) = (Usage::of(place).map_err(failed)?, open_files());
    if let Some(more) = after.beyond(&before) {
        left("everything", &more);
    }
    if files_after != files {
        left(
            "everything",
            &format!("{files_after} open files, {files} before"),
        );
    }
    Ok(())
}

const MESSAGES: u64 = 5;

/// All that can be had of a bus, kept until all was tried.
#[derive(Default)]
struct Had {
    topics: Vec<Topic<[u8]>>,
    publishers: Vec<Publisher<[u8]>>,
    subscribers: Vec<Subscriber<[u8]>>,
    observers: Vec<Observer<[u8]>>,
    watches: Vec<Watch>,
}

/// Everything, on the bus that is there and on a new one, and back to how it was.
fn try_all(place: &Path, scarce: Scarce, watch: Option<&mut Watch>) {
    let mut had = Had::default();
    let open = |name| {
        Bus::builder()
            .dir(place)
            .name(name)
            .open()
            .map_err(Error::from)
    };
    let bus = judge("opening a bus", open("default"), scarce);
    let new = judge("making a bus", open("new"), scarce);
    for bus in bus.iter().chain(&new) {
        try_bus(bus, scarce, &mut had);
    }
    if let Some(watch) = watch {
        // A topic that cannot be looked at has not vanished.
        while let Some(Some(event)) = judge(
            "watching",
            watch.next(Duration::ZERO).map_err(Error::from),
            scarce,
        ) {
            if matches!(&event, TopicEvent::Vanished(name) if name.as_str() == "known") {
                wrong("watching", "a topic vanished that is there");
            }
        }
    }
    if let Some(bus) = &bus {
        match judge("listing", bus.topics().map_err(Error::from), scarce) {
            Some(topics) if topics.iter().all(|topic| topic.name.as_str() != "known") => {
                wrong("listing", "a topic is missing");
            }
            _ => {}
        }
        judge("collecting", bus.gc().map_err(Error::from), scarce);
    }
    drop(had);
    for bus in bus.iter().chain(&new) {
        for name in NAMES {
            // It may not have been made; what is there can be removed, unless nothing can.
            if bus.topic(name).open().is_ok() {
                let removed = bus
                    .remove(name, ringbus::Remove::Force)
                    .map_err(Error::from);
                judge("removing a topic", removed, scarce);
            }
        }
    }
    let had_new = new.is_some();
    drop((bus, new));
    if had_new && let Err(error) = Bus::builder().dir(place).name("new").destroy() {
        // With no descriptor left there is none to read the directory by: once more without limit.
        judge::<()>("destroying a bus", Err(error.into()), scarce);
    }
}

const NAMES: [&str; 3] = ["exclusive", "shared", "large"];

fn try_bus(bus: &Bus, scarce: Scarce, had: &mut Had) {
    let small = || bus.topic(NAMES[0]).capacity(4).payload_max(100).create();
    let shared = || {
        bus.topic(NAMES[1])
            .shared()
            .capacity(4)
            .payload_max(100)
            .create()
    };
    let large = || bus.topic(NAMES[2]).capacity(1).payload_max(LARGE).create();
    let known = || bus.topic("known").open();
    let mut topics = Vec::new();
    topics.extend(judge(
        "making an exclusive topic",
        small().map_err(Error::from),
        scarce,
    ));
    topics.extend(judge(
        "making a shared topic",
        shared().map_err(Error::from),
        scarce,
    ));
    topics.extend(judge(
        "making a large topic",
        large().map_err(Error::from),
        scarce,
    ));
    if bus.name() == "default" {
        topics.extend(judge(
            "opening a topic",
            known().map_err(Error::from),
            scarce,
        ));
    }
    for topic in &topics {
        let name = topic.name();
        let what = |doing: &str| format!("{doing} {name}");
        let reliable = topic.subscriber().reliable().start(Start::Oldest).join();
        let observer = topic.observer(Start::Oldest).map_err(Error::from);
        let reliable = judge(
            &what("subscribing to"),
            reliable.map_err(Error::from),
            scarce,
        );
        let mut observer = judge(&what("observing"), observer, scarce);
        let publisher = topic.publisher().map_err(Error::from);
        if let Some(publisher) = judge(&what("joining to publish on"), publisher, scarce) {
            let sent = publisher.try_publish(&checked::payload(100, 2, 0));
            judge(
                &what("publishing on"),
                sent.map_err(Error::from),
                Scarce::Nothing,
            );
            had.publishers.push(publisher);
        }
        if let Some(observer) = &mut observer
            && name.as_str() == "known"
        {
            check_known(observer);
        }
        had.subscribers.extend(reliable);
        had.observers.extend(observer);
        topic.info();
    }
    let watch = bus.watch().map_err(Error::from);
    had.watches.extend(judge("a new watch", watch, scarce));
    had.topics.extend(topics);
}

/// The messages that were there before the limit was.
fn check_known(observer: &mut Observer<[u8]>) {
    for serial in 0..MESSAGES {
        let came = observer.poll();
        let read = came.as_ref().ok().and_then(Option::as_ref);
        if read.and_then(|message| checked::read(message.payload())) != Some((1, serial)) {
            return wrong(
                "observing known",
                &format!("{came:?} is not message {serial}"),
            );
        }
    }
}

/// A limit of this process, taken away on drop.
enum Limit {
    Resource(libc::__rlimit_resource_t, libc::rlimit),
    /// Memory that was mapped to leave no room for other maps.
    Maps(*mut libc::c_void, usize),
    /// For the rest of the process's life.
    Lasting,
}

impl Limit {
    fn set(room: Room, place: &Path) -> io::Result<Self> {
        match room {
            Room::Descriptors(count) => Self::resource(libc::RLIMIT_NOFILE, count),
            Room::FileSize(bytes) => Self::resource(libc::RLIMIT_FSIZE, bytes),
            Room::Locked(kib) => Self::resource(libc::RLIMIT_MEMLOCK, kib << 10),
            Room::AddressSpace(kib) => {
                Self::resource(libc::RLIMIT_AS, address_space()? + (kib << 10))
            }
            Room::Maps(free) => Self::maps(free),
            Room::Watches(count) => {
                // SAFETY: takes no pointers.
                check(unsafe { libc::unshare(libc::CLONE_NEWUSER) })?;
                fs::write("/proc/self/uid_map", "0 0 1")?;
                fs::write("/proc/sys/user/max_inotify_instances", count.to_string())?;
                Ok(Self::Lasting)
            }
            Room::ReadOnly(_) => make_read_only(place).map(|()| Self::Lasting),
            Room::Memory(_) | Room::Inodes(_) | Room::NoExec(_) => Ok(Self::Lasting),
        }
    }

    fn resource(resource: libc::__rlimit_resource_t, soft: u64) -> io::Result<Self> {
        let mut before = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: `before` is one `rlimit`.
        check(unsafe { libc::getrlimit(resource, &mut before) })?;
        let limit = libc::rlimit {
            rlim_cur: soft.min(before.rlim_max),
            ..before
        };
        // SAFETY: `limit` is one `rlimit`; it concerns this process alone.
        check(unsafe { libc::setrlimit(resource, &limit) })?;
        Ok(Self::Resource(resource, before))
    }

    /// Maps memory, every other page with other rights, which makes each a map of its own, until there
    /// is room for `free` more.
    fn maps(free: u64) -> io::Result<Self> {
        const PAGE: usize = 4096;
        let max = fs::read_to_string("/proc/sys/vm/max_map_count")?;
        let max: usize = max.trim().parse().map_err(io::Error::other)?;
        let len = (max + 2) * PAGE;
        let (anywhere, no_file) = (ptr::null_mut(), -1);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: replaces no mapping: no address is asked for.
        let base = unsafe { libc::mmap(anywhere, len, libc::PROT_NONE, flags, no_file, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let mut splits = 0;
        let protect = |page: usize, rights| {
            let start = base.wrapping_byte_add(page * PAGE);
            // SAFETY: within the mapping, nothing of which is ever used.
            check(unsafe { libc::mprotect(start, PAGE, rights) })
        };
        while protect(1 + 2 * splits, libc::PROT_READ).is_ok() {
            splits += 1;
        }
        // Each page made like its neighbours again is two maps fewer; an odd one is left to chance.
        for undo in 0..free.div_ceil(2) as usize {
            protect(1 + 2 * (splits - 1 - undo), libc::PROT_NONE)?;
        }
        Ok(Self::Maps(base, len))
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        match self {
            // SAFETY: the limit was this process's own before.
            Self::Resource(resource, before) => unsafe {
                libc::setrlimit(*resource, before);
            },
            // SAFETY: the whole mapping, which nothing refers to.
            Self::Maps(base, len) => unsafe {
                libc::munmap(*base, *len);
            },
            Self::Lasting => {}
        }
    }
}

/// Bytes of address space that this process has.
fn address_space() -> io::Result<u64> {
    let sizes = fs::read_to_string("/proc/self/statm")?;
    let pages = sizes
        .split(' ')
        .next()
        .and_then(|pages| pages.parse::<u64>().ok());
    pages
        .map(|pages| pages * 4096)
        .ok_or_else(|| io::Error::other("/proc/self/statm"))
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}
