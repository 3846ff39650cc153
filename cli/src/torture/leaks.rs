//! Whether anything is left of the dead: places, chunks, pins, locks, files.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ringbus::{
    Bus, Collected, JoinError, Loan, PublishError, Publisher, PublisherMode, Start, Topic,
    TopicInfo,
};

use super::checked;
use super::findings::Findings;
use crate::outcome::Failure;
use crate::units::plural;

/// Checks a bus whose participants but this process are all dead, and whose topics these are.
pub fn check(bus: &Bus, topics: &[Topic<[u8]>], findings: &mut Findings) -> Result<(), Failure> {
    let collected = bus.gc()?;
    findings.found("collected_participants", collected.participants);
    findings.found("collected_files", collected.files);
    let again = bus.gc()?;
    let words = format!(
        "gc once is enough; the second one cleared away {}",
        list(&again)
    );
    findings.holds(
        "gc_again",
        total(&again),
        again == Collected::default(),
        words,
    );

    let participants = bus.participants();
    let dead = participants.iter().filter(|one| !one.alive).count();
    findings.none("dead_participants", dead as u64, None);
    let dead: usize = topics.iter().map(|topic| dead_on(&topic.info())).sum();
    findings.none("dead_on_topics", dead as u64, None);

    let found = names(&bus.path().join("topics"))?;
    let words = format!("{} files for {} topics", found.len(), topics.len());
    let holds = found.len() == 2 * topics.len();
    findings.holds("files", found.len(), holds, words);

    let unusable: Vec<_> = topics
        .iter()
        .filter_map(|topic| {
            let failure = use_all(topic).err()?;
            Some(format!("{}: {failure}", topic.name()))
        })
        .collect();
    let first = unusable.first().map(String::as_str);
    findings.none("topics_not_as_new", unusable.len() as u64, first);
    Ok(())
}

/// Checks that nobody has a lock on a file in or below a directory: all handles are dropped.
pub fn check_locks(root: &Path, findings: &mut Findings) -> Result<(), Failure> {
    let mut inodes = Vec::new();
    collect_inodes(root, &mut inodes)?;
    // The directory itself is locked by the setting.
    let locks = fs::read_to_string("/proc/locks").map_err(|e| Failure::io("/proc/locks", &e))?;
    let held: Vec<_> = locks
        .lines()
        .filter(|line| inodes.iter().any(|inode| line.contains(inode)))
        .collect();
    findings.none("locks_left", held.len() as u64, held.first().copied());
    Ok(())
}

/// Whether anybody has a lock on any byte of a file.
pub fn is_locked(path: &Path) -> Result<bool, Failure> {
    let failed = |e: &io::Error| Failure::io(path.display(), e);
    let file = File::open(path).map_err(|e| failed(&e))?;
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0, // to the end, wherever that is
        l_pid: 0,
    };
    // SAFETY: `lock` is there to be read and written.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) } {
        -1 => Err(failed(&io::Error::last_os_error())),
        _ => Ok(lock.l_type != libc::F_UNLCK as libc::c_short),
    }
}

/// The files below `directory` as /proc/locks names them.
fn collect_inodes(directory: &Path, into: &mut Vec<String>) -> Result<(), Failure> {
    for name in names(directory)? {
        let path = directory.join(name);
        let data = fs::metadata(&path).map_err(|e| Failure::io(path.display(), &e))?;
        if data.is_dir() {
            collect_inodes(&path, into)?;
            continue;
        }
        let (major, minor) = (libc::major(data.dev()), libc::minor(data.dev()));
        into.push(format!(" {major:02x}:{minor:02x}:{} ", data.ino()));
    }
    Ok(())
}

/// What is in a directory.
pub fn names(directory: &Path) -> Result<Vec<std::ffi::OsString>, Failure> {
    let failed = |e| Failure::io(directory.display(), &e);
    let entries = fs::read_dir(directory).map_err(failed)?;
    entries
        .map(|entry| entry.map(|entry| entry.file_name()).map_err(failed))
        .collect()
}

fn dead_on(info: &TopicInfo) -> usize {
    let publishers = info.publishers.iter().filter(|one| !one.alive).count();
    publishers + info.subscribers.iter().filter(|one| !one.alive).count()
}

fn list(collected: &Collected) -> String {
    let counts = [
        (collected.participants, "participant"),
        (collected.publishers, "publisher"),
        (collected.subscribers, "subscriber"),
        (collected.files, "file"),
    ];
    let found = counts.iter().filter(|(count, _)| *count > 0);
    let found: Vec<_> = found
        .map(|(count, noun)| plural(*count as u64, noun))
        .collect();
    match found.is_empty() {
        true => "nothing".to_owned(),
        false => found.join(", "),
    }
}

fn total(collected: &Collected) -> usize {
    collected.participants + collected.publishers + collected.subscribers + collected.files
}

/// Takes everything that a topic has, and uses it: each place, chunk and pin is there, and is in
/// one hand only. Nobody else is on the topic.
pub fn use_all(topic: &Topic<[u8]>) -> Result<(), Failure> {
    let info = topic.info();
    let publishers = all_publishers(topic, &info)?;
    let mut readers = Vec::new();
    for _ in 0..info.max_subscribers {
        readers.push(topic.subscriber().start(Start::Latest).lossy().join()?);
    }
    if !matches!(
        topic.subscriber().join(),
        Err(JoinError::TooManySubscribers { .. })
    ) {
        return Err(Failure::say("there is a place for one subscriber too many"));
    }

    // Everybody holds as much as it may, of different messages.
    let mut serial = 0;
    let mut held = Vec::new();
    for reader in &mut readers {
        let first = serial;
        reader.seek(Start::Latest)?;
        for _ in 0..info.pins {
            publish(&publishers, &mut serial, &info)?;
        }
        let batch = reader.poll_batch(info.pins as usize)?;
        let skipped = batch.len() as u64 != u64::from(info.pins);
        if skipped {
            return Err(Failure::say("a batch is short of its pins"));
        }
        held.push((first, batch));
    }
    // And publishers their loans, while the ring goes round.
    let mut loans = loans(&publishers, &info)?;
    if info.mode == PublisherMode::Exclusive {
        loans.clear();
    }
    for _ in 0..2 * info.capacity_slots + 2 {
        publish(&publishers, &mut serial, &info)?;
    }
    for (index, loan) in loans.iter().enumerate() {
        is(loan, LOANED, index as u64, "a loan")?;
    }
    for (first, batch) in &held {
        for (serial, message) in (*first..).zip(batch) {
            is(message.payload(), PUBLISHED, serial, "a held message")?;
        }
    }
    Ok(())
}

fn all_publishers(topic: &Topic<[u8]>, info: &TopicInfo) -> Result<Vec<Publisher<[u8]>>, Failure> {
    let max = match info.mode {
        PublisherMode::Exclusive => 1,
        PublisherMode::Shared => info.max_publishers,
    };
    let publishers = (0..max).map(|_| topic.publisher());
    let publishers = publishers.collect::<Result<Vec<_>, _>>()?;
    match topic.publisher() {
        Err(JoinError::TooManyPublishers { .. } | JoinError::PublisherExists { .. }) => {
            Ok(publishers)
        }
        Err(error) => Err(error.into()),
        Ok(_) => Err(Failure::say("there is a place for one publisher too many")),
    }
}

fn loans<'p>(
    publishers: &'p [Publisher<[u8]>],
    info: &TopicInfo,
) -> Result<Vec<Loan<'p, [u8]>>, Failure> {
    let mut loans = Vec::new();
    for publisher in publishers {
        for _ in 0..info.loans {
            let mut loan = publisher.try_loan(checked::LEN_MIN)?;
            checked::fill(&mut loan, LOANED, loans.len() as u64);
            loans.push(loan);
        }
        let one_more = publisher.try_loan(checked::LEN_MIN);
        if info.mode == PublisherMode::Shared
            && !matches!(one_more, Err(PublishError::LoanLimit { .. }))
        {
            return Err(Failure::say("there is one loan too many"));
        }
    }
    Ok(loans)
}

/// Publishes one message, by each publisher in turn.
fn publish(
    publishers: &[Publisher<[u8]>],
    serial: &mut u64,
    info: &TopicInfo,
) -> Result<(), Failure> {
    let publisher = &publishers[*serial as usize % publishers.len()];
    let payload = checked::payload(info.payload.max_bytes(), PUBLISHED, *serial);
    publisher.try_publish(&payload)?;
    *serial += 1;
    Ok(())
}

fn is(payload: &[u8], origin: u64, serial: u64, what: &str) -> Result<(), Failure> {
    let found = checked::read(payload);
    match found == Some((origin, serial)) {
        true => Ok(()),
        false => Err(Failure::say(format_args!(
            "{what} has changed: {}, was message {serial} of {origin}",
            match found {
                Some((origin, serial)) => format!("it is message {serial} of {origin}"),
                None => "it is no message".to_owned(),
            }
        ))),
    }
}

const PUBLISHED: u64 = u64::MAX;
const LOANED: u64 = u64::MAX - 1;
