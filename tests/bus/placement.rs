//! Where the memory of topics is, as the kernel tells it.

#[cfg(all(target_os = "linux", not(feature = "portable")))]
use std::{
    fs,
    path::{Path, PathBuf},
};

use ringbus::{SegmentError, Start, Topic, TopicError};

use crate::support::TestBus;

/// A field of /proc/self/smaps in bytes, over all mappings of a file.
#[cfg(all(target_os = "linux", not(feature = "portable")))]
fn mapped(path: &Path, field: &str) -> u64 {
    let smaps = fs::read_to_string("/proc/self/smaps").expect("read");
    let name = path.to_str().expect("UTF-8");
    let mut is_of_file = false;
    let mut sum = 0;
    for line in smaps.lines() {
        let first = line.split_whitespace().next().unwrap_or_default();
        match first.strip_suffix(':') {
            None => is_of_file = line.ends_with(name),
            Some(found) if is_of_file && found == field => {
                let kilobytes = line.split_whitespace().nth(1).expect("a number");
                sum += kilobytes.parse::<u64>().expect("a number") * 1024;
            }
            Some(_) => {}
        }
    }
    sum
}

/// The only file in the bus's topics that ends like this.
#[cfg(all(target_os = "linux", not(feature = "portable")))]
fn file(bus: &TestBus, suffix: &str) -> PathBuf {
    let files = fs::read_dir(bus.path().join("topics")).expect("read");
    let files = files.map(|entry| entry.expect("an entry").path());
    let mut found = files.filter(|path| path.to_str().is_some_and(|path| path.ends_with(suffix)));
    found.next().expect("a file")
}

/// Publishes a lap and reads it.
fn go_round(topic: &Topic<[u8]>) {
    let publisher = topic.publisher().expect("joined");
    let first = publisher.published();
    let mut subscriber = topic
        .subscriber()
        .reliable()
        .start(Start::Latest)
        .join()
        .expect("joined");
    for number in 0..topic.info().capacity_slots {
        publisher.publish(&number.to_ne_bytes()).expect("published");
    }
    for number in 0..topic.info().capacity_slots {
        let message = subscriber.poll().expect("no error").expect("a message");
        assert_eq!(message.payload(), number.to_ne_bytes());
        assert_eq!(message.sequence(), first + number);
    }
}

#[cfg(all(target_os = "linux", not(feature = "portable")))]
const HUGE_PAGE: u64 = 2 << 20;

#[test]
#[cfg(all(target_os = "linux", not(feature = "portable")))]
fn a_ring_on_huge_pages_is_mapped_in_them_by_all_who_open_it() {
    let bus = TestBus::new();
    let asked = || bus.topic("t").prefault(true);
    let creator = match asked().huge_pages(true).create() {
        Err(TopicError::Segment(error @ SegmentError::NoHugePages { .. })) => {
            return eprintln!("skipped: {error}");
        }
        created => created.expect("created"),
    };
    let ring = file(&bus, ".ring");
    assert_eq!(mapped(&ring, "ShmemPmdMapped"), 2 * HUGE_PAGE); // of 4.2 MiB
    let memory = creator.info().memory_bytes;

    let other = asked().open().expect("opened");
    assert_eq!(mapped(&ring, "ShmemPmdMapped"), 4 * HUGE_PAGE);
    go_round(&creator);
    go_round(&other);
    // The publisher's own mapping, too.
    let publisher = other.publisher().expect("joined");
    assert_eq!(mapped(&ring, "ShmemPmdMapped"), 6 * HUGE_PAGE);
    drop(publisher);
    assert_eq!(other.info().memory_bytes, memory);

    // They cost no memory that the formula does not know.
    let small = bus.topic("small").create().expect("created");
    assert_eq!(small.info().memory_bytes, memory);
}

#[test]
#[cfg(all(target_os = "linux", not(feature = "portable")))]
fn a_ring_without_them_is_in_small_pages() {
    let bus = TestBus::new();
    let _topic = bus.topic("t").prefault(true).create().expect("created");
    assert_eq!(mapped(&file(&bus, ".ring"), "ShmemPmdMapped"), 0);
}

#[test]
#[cfg(all(target_os = "linux", not(feature = "portable")))]
fn a_ring_that_is_smaller_than_a_huge_page_is_refused_them_and_not_made() {
    let bus = TestBus::new();
    let small = bus.topic("t").capacity(64).huge_pages(true);
    let error = small.create().expect_err("refused").to_string();
    assert!(
        error.contains("give the topic a larger capacity"),
        "{error}"
    );
    assert!(bus.topics().expect("listed").is_empty());
}

#[test]
#[cfg(all(target_os = "linux", not(feature = "portable")))]
fn what_is_faulted_in_is_all_that_was_reserved() {
    for is_shared in [false, true] {
        let bus = TestBus::new();
        let form = |name: &str| {
            let form = bus.topic(name).capacity(1024);
            if is_shared { form.shared() } else { form }
        };
        let lazy = form("t").create().expect("created");
        let ring = file(&bus, ".ring");
        let reserved =
            lazy.info().memory_bytes - fs::metadata(file(&bus, ".cursors")).expect("there").len();
        assert!(mapped(&ring, "Rss") < reserved / 2);

        drop(lazy);
        let eager = form("t").prefault(true).open().expect("opened");
        assert_eq!(mapped(&ring, "Rss"), reserved);
        let publisher = eager.publisher().expect("joined");
        let own =
            fs::metadata(&ring).map(|status| std::os::unix::fs::MetadataExt::blocks(&status) * 512);
        // The topic's mapping, and the publisher's with the chunks that it has brought.
        let own = own.expect("there");
        assert_eq!(is_shared, own > reserved);
        let both = mapped(&ring, "Rss");
        assert!(
            (reserved + own..=reserved + own + 4096).contains(&both),
            "{both}"
        );
        drop(publisher);
        go_round(&eager);
    }
}

#[test]
#[cfg(all(target_os = "linux", not(feature = "portable")))]
fn memory_is_locked_while_the_topic_is_open() {
    let bus = TestBus::new();
    let form = || bus.topic("t").capacity(64);
    form().create().expect("created");
    assert_eq!(locked_bytes(), 0); // no other test of this program locks any

    let locked = match form().lock_memory(true).open() {
        Err(TopicError::Segment(error @ SegmentError::LockLimit { .. })) => {
            return eprintln!("skipped: {error}");
        }
        opened => opened.expect("opened"),
    };
    let (subscriber, publisher) = (locked.subscriber().join(), locked.publisher());
    let (subscriber, publisher) = (subscriber.expect("joined"), publisher.expect("joined"));
    // Of ring and cursors, once each, though the publisher has a mapping of its own.
    assert_eq!(locked_bytes(), locked.info().memory_bytes);
    drop((subscriber, publisher, locked));
    assert_eq!(locked_bytes(), 0);
}

/// What this process has locked in memory.
#[cfg(all(target_os = "linux", not(feature = "portable")))]
fn locked_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("read");
    let mut found = status
        .lines()
        .filter_map(|line| line.strip_prefix("VmLck:"));
    let kilobytes = found.next().and_then(|line| line.split_whitespace().next());
    kilobytes
        .expect("a number")
        .parse::<u64>()
        .expect("a number")
        * 1024
}

#[test]
#[cfg(feature = "portable")]
fn the_portable_backend_faults_in_and_refuses_the_rest() {
    let bus = TestBus::new();
    let topic = bus.topic("t").prefault(true).create().expect("created");
    go_round(&topic);
    let refused = [
        bus.topic("huge").huge_pages(true).create(),
        bus.topic("t").lock_memory(true).open(),
    ];
    for refused in refused {
        let error = refused.expect_err("refused");
        assert!(matches!(
            error,
            TopicError::Segment(SegmentError::Unsupported { .. })
        ));
    }
    assert!(bus.topic("huge").open().is_err());
}
