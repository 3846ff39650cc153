//! Topics of every kind, each with a history: what is damaged, and what it was before.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{self, ExitStatus};
use std::{fs, io};

use ringbus::{
    Attributes, Bus, Meta, Patience, Publisher, Remove, Start, Subscriber, TimeSource, Topic,
    TopicBuilder,
};

use super::exhibit::Exhibit;
use crate::outcome::Failure;

/// A bus of a worker's own, and the files of it.
pub struct Museum {
    /// The bus. This process takes part in it.
    pub bus: Bus,
    /// Its registry.
    pub registry: Exhibit,
    /// Its topics.
    pub topics: Vec<Specimen>,
    /// How many files there are.
    names: usize,
}

/// A topic and its files.
pub struct Specimen {
    /// Its name.
    pub name: &'static str,
    /// Its ring.
    pub ring: Exhibit,
    /// Its cursors.
    pub cursors: Exhibit,
}

/// How a kind of topic is made.
type Make = fn(TopicBuilder<[u8]>) -> TopicBuilder<[u8]>;

/// Small ones, so that any word matters.
const KINDS: [(&str, Make); 4] = [
    ("exclusive", |topic| {
        let topic = topic.capacity(4).payload_max(24).time(TimeSource::Clock);
        topic.schema(&[7; 100])
    }),
    ("shared", |topic| {
        let topic = topic.shared().capacity(8).payload_max(24);
        topic
            .attributes_max(48)
            .max_publishers(3)
            .loans(2)
            .encoding("text")
    }),
    ("lean", |topic| {
        topic.capacity(1).payload_fixed(16).tags(false)
    }),
    ("late", |topic| {
        let topic = topic.shared().capacity(4).payload_max(200).alignment(64);
        topic
            .max_publishers(2)
            .loans(1)
            .first_sequence((1 << 48) - 3)
    }),
];

impl Museum {
    /// Makes the bus in a directory of its own, has a process use every topic and die.
    pub fn open(root: &Path) -> Result<Self, Failure> {
        // A worker that takes the place of one that crashed starts afresh.
        let name = format!("museum-{}", process::id());
        let builder = || Bus::builder().dir(root).name(&name);
        if builder().names()?.contains(&name) {
            builder().destroy()?;
        }
        let bus = builder().open()?;
        // So that the registry names this process in every state.
        drop(bus.topic("lobby").create()?.subscriber().join()?);
        bus.remove("lobby", Remove::Force)?;
        let mut files = Vec::new();
        for (name, make) in KINDS {
            let topic = make(bus.topic(name)).max_subscribers(4).pins(2).create()?;
            files.push((name, new_files(&bus, &files, &topic)?));
        }
        in_a_process_that_dies(|| {
            let bus = builder().open()?;
            KINDS
                .iter()
                .try_for_each(|(name, _)| leave_traces(&bus, name))
        })?;
        let topics = files
            .iter()
            .map(|(name, [ring, cursors])| {
                Ok(Specimen {
                    name,
                    ring: Exhibit::open(ring)?,
                    cursors: Exhibit::open(cursors)?,
                })
            })
            .collect::<Result<_, Failure>>()?;
        Ok(Self {
            registry: Exhibit::open(&bus.path().join("registry"))?,
            names: count_names(&bus),
            bus,
            topics,
        })
    }

    /// Whether everything is still there: `gc` takes the cursors of a ring for nobody's that was made to
    /// look like another one.
    pub fn is_complete(&self) -> bool {
        count_names(&self.bus) == self.names
    }

    /// All of its files.
    pub fn exhibits(&self) -> impl Iterator<Item = &Exhibit> {
        let topics = self.topics.iter();
        let files = topics.flat_map(|topic| [&topic.ring, &topic.cursors]);
        files.chain([&self.registry])
    }
}

fn count_names(bus: &Bus) -> usize {
    let names = |path: &Path| fs::read_dir(path).map_or(0, Iterator::count);
    names(bus.path()) + names(&bus.path().join("topics"))
}

/// The ring and the cursors of the topic that was made last.
fn new_files(
    bus: &Bus,
    known: &[(&str, [PathBuf; 2])],
    _made: &Topic<[u8]>,
) -> Result<[PathBuf; 2], Failure> {
    let directory = bus.path().join("topics");
    let entries = fs::read_dir(&directory).map_err(|e| Failure::io(directory.display(), &e))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_new = |path: &PathBuf| !known.iter().any(|(_, files)| files.contains(path));
    let paths: Vec<_> = paths.filter(is_new).collect();
    let with = |extension: &str| {
        let found = paths
            .iter()
            .find(|path| path.extension().is_some_and(|is| is == extension));
        found
            .cloned()
            .ok_or_else(|| Failure::say(format_args!("no .{extension} file was made")))
    };
    Ok([with("ring")?, with("cursors")?])
}

/// Uses a topic as far as one process can, and lets go of nothing.
fn leave_traces(bus: &Bus, name: &str) -> Result<(), Failure> {
    let topic = bus.topic(name).open()?;
    let capacity = topic.info().capacity_slots;
    let len = topic.info().payload.max_bytes();
    let publisher = topic.publisher()?;
    let attributes = Attributes::new().with("k", "value").map_err(Failure::say)?;
    let meta = match topic.info().attributes_max_bytes {
        0 => Meta::new(),
        _ => Meta::new().attributes(&attributes),
    };
    let publish = |count| {
        let publish = |_| publisher.publish_with(meta, &vec![1; len], Patience::Try);
        (0..count).try_for_each(|index| publish(index).map(drop))
    };
    let mut holder = topic.subscriber().join()?;
    publish(capacity.min(2))?;
    let held = holder.poll_batch(2)?;
    publish(2 * capacity + 1)?;
    let evictable = topic
        .subscriber()
        .reliable()
        .stall_timeout(std::time::Duration::from_millis(1));
    let reader = evictable.start(Start::Last(1)).join()?;
    let loan = topic.publisher().ok().map(|other| {
        let other: &'static Publisher<[u8]> = Box::leak(Box::new(other));
        other.try_loan(len)
    });
    std::mem::forget((held, reader, loan));
    let publisher: Publisher<[u8]> = publisher;
    std::mem::forget(publisher);
    let holder: Subscriber<[u8]> = holder;
    std::mem::forget(holder);
    Ok(())
}

/// Does something in a child of this process, which has one thread only.
fn in_a_process_that_dies(work: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    // SAFETY: this process has one thread, so the child may do whatever it could.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let code = match work() {
            Ok(()) => 0,
            Err(failure) => {
                crate::outcome::complain(failure);
                1
            }
        };
        // SAFETY: ends the process at once, without any destructor.
        unsafe { libc::_exit(code) };
    }
    let status = wait_for(child).map_err(|e| Failure::io("the process that leaves traces", &e))?;
    match status.success() {
        true => Ok(()),
        false => Err(Failure::say(format_args!(
            "the process that leaves traces: {status}"
        ))),
    }
}

/// How `child` ended. A fuzzer's clock sends this process signals meanwhile.
fn wait_for(child: libc::pid_t) -> io::Result<ExitStatus> {
    let mut status = 0;
    // SAFETY: `status` is one `int`, exclusively borrowed.
    while unsafe { libc::waitpid(child, &mut status, 0) } != child {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(ExitStatus::from_raw(status))
}
