//! Locks on bytes.

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use crate::{
    segment::{Draft, Rights, Segment, SegmentError},
    testing::{self, Actor, PRIVATE, Scratch, eventually, linger, say},
};

fn make(path: &Path) {
    let draft = Draft::new(path.parent().unwrap(), 4096, &[], PRIVATE).unwrap();
    draft.publish(path).unwrap();
}

fn open(path: &Path) -> Segment {
    let file = Segment::open(path, Rights::ReadWrite).unwrap();
    file.map(4096).unwrap()
}

fn open_read_only(path: &Path) -> Segment {
    let file = Segment::open(path, Rights::ReadOnly).unwrap();
    file.map(4096).unwrap()
}

#[test]
fn two_segments_of_one_process_exclude_each_other() {
    let scratch = Scratch::new();
    let path = scratch.join("a");
    make(&path);
    let (first, second) = (open(&path), open(&path));
    assert!(first.locks().try_lock(7).unwrap());
    assert!(!second.locks().try_lock(7).unwrap());
    assert!(second.locks().try_lock(8).unwrap());
    assert!(second.locks().is_locked(7).unwrap() && first.locks().is_locked(8).unwrap());
    assert!(
        !first.locks().is_locked(7).unwrap(),
        "one's own lock is not another's"
    );
}

#[test]
#[cfg_attr(
    any(not(target_os = "linux"), feature = "portable"),
    ignore = "a lock file has no length"
)]
fn the_length_of_a_lock_is_for_all_to_see() {
    let scratch = Scratch::new();
    let path = scratch.join("a");
    make(&path);
    let (first, second, reader) = (open(&path), open(&path), open_read_only(&path));
    for (byte, len) in [(7, 1), (100, 5), (1 << 50, 1 << 46)] {
        assert!(first.locks().try_lock_range(byte, len).unwrap());
        assert!(!second.locks().try_lock(byte + len - 1).unwrap());
        assert_eq!(reader.locks().locked_len(byte).unwrap(), Some(len));
        assert_eq!(reader.locks().locked_len(byte + len - 1).unwrap(), Some(1));
        assert_eq!(reader.locks().locked_len(byte + len).unwrap(), None);
    }
    assert!(
        !second.locks().try_lock_range(90, 20).unwrap(),
        "all or none"
    );
    assert!(!reader.locks().is_locked(90).unwrap());
}

#[test]
fn closing_another_segment_of_the_process_releases_nothing() {
    let scratch = Scratch::new();
    let path = scratch.join("a");
    make(&path);
    let (first, second) = (open(&path), open(&path));
    assert!(first.locks().try_lock(7).unwrap());
    drop(second);
    assert!(open(&path).locks().is_locked(7).unwrap());
}

#[test]
fn a_lock_ends_by_unlock_and_by_drop() {
    let scratch = Scratch::new();
    let path = scratch.join("a");
    make(&path);
    let (first, second) = (open(&path), open(&path));
    assert!(first.locks().try_lock(7).unwrap() && first.locks().try_lock(8).unwrap());
    first.locks().unlock(7).unwrap();
    assert!(second.locks().try_lock(7).unwrap());
    drop(first);
    assert!(second.locks().try_lock(8).unwrap());
}

#[test]
fn no_fork_delays_the_end_of_a_lock() {
    let scratch = Scratch::new();
    let path = scratch.join("a");
    make(&path);
    let observer = open(&path);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Relaxed) {
                // A spawned child has copies of all files until its exec.
                Command::new("true").status().unwrap();
            }
        });
        let ended = (0..2000).all(|_| {
            let segment = open(&path);
            let locked = segment.locks().try_lock(7).unwrap();
            drop(segment);
            locked && !observer.locks().is_locked(7).unwrap()
        });
        done.store(true, Relaxed);
        assert!(ended);
    });
}

#[test]
fn a_reader_can_query_locks_and_not_take_them() {
    let scratch = Scratch::new();
    let path = scratch.join("a");
    make(&path);
    let (owner, reader) = (open(&path), open_read_only(&path));
    assert!(owner.locks().try_lock(7).unwrap());
    assert!(reader.locks().is_locked(7).unwrap() && !reader.locks().is_locked(8).unwrap());
    assert!(matches!(
        reader.locks().try_lock(8),
        Err(SegmentError::Permission { .. })
    ));
}

#[test]
fn a_byte_that_no_file_can_have_is_an_error() {
    let scratch = Scratch::new();
    let path = scratch.join("a");
    make(&path);
    assert!(open(&path).locks().try_lock(u64::MAX).is_err());
}

#[test]
fn a_killed_process_loses_its_locks_and_a_stopped_one_keeps_them() {
    let scratch = Scratch::new();
    let path = scratch.join("a");
    make(&path);
    let mut holder = Actor::start("segment::tests::lock::role_holder", scratch.path());
    assert_eq!(holder.hears(), "locked");
    let segment = open(&path);
    holder.signal(libc::SIGSTOP);
    assert!(!segment.locks().try_lock(7).unwrap());
    holder.kill();
    eventually("the kernel releases the lock", || {
        segment.locks().try_lock(7).unwrap()
    });
}

#[test]
fn an_exec_releases_the_locks() {
    let scratch = Scratch::new();
    let path = scratch.join("a");
    make(&path);
    let mut holder = Actor::start("segment::tests::lock::role_exec", scratch.path());
    assert_eq!(holder.hears(), "locked");
    let segment = open(&path);
    eventually("the exec releases the lock", || {
        segment.locks().try_lock(7).unwrap()
    });
    assert!(holder.ends_well(), "the program after the exec still ran");
}

#[test]
#[ignore = "a role"]
fn role_holder() {
    let segment = open(&testing::directory().join("a"));
    assert!(segment.locks().try_lock(7).unwrap());
    say("locked");
    linger();
}

#[test]
#[ignore = "a role"]
fn role_exec() {
    use std::os::unix::process::CommandExt;
    let segment = open(&testing::directory().join("a"));
    assert!(segment.locks().try_lock(7).unwrap());
    say("locked");
    panic!("{}", Command::new("cat").exec()); // `cat` lingers as a role does
}
