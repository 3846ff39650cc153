//! Locks on single bytes.

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
    assert!(first.try_lock(7).unwrap());
    assert!(!second.try_lock(7).unwrap());
    assert!(second.try_lock(8).unwrap());
    assert!(second.is_locked(7).unwrap() && first.is_locked(8).unwrap());
    assert!(
        !first.is_locked(7).unwrap(),
        "one's own lock is not another's"
    );
}

#[test]
fn closing_another_segment_of_the_process_releases_nothing() {
    let scratch = Scratch::new();
    let path = scratch.join("a");
    make(&path);
    let (first, second) = (open(&path), open(&path));
    assert!(first.try_lock(7).unwrap());
    drop(second);
    assert!(open(&path).is_locked(7).unwrap());
}

#[test]
fn a_lock_ends_by_unlock_and_by_drop() {
    let scratch = Scratch::new();
    let path = scratch.join("a");
    make(&path);
    let (first, second) = (open(&path), open(&path));
    assert!(first.try_lock(7).unwrap() && first.try_lock(8).unwrap());
    first.unlock(7).unwrap();
    assert!(second.try_lock(7).unwrap());
    drop(first);
    assert!(second.try_lock(8).unwrap());
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
            let locked = segment.try_lock(7).unwrap();
            drop(segment);
            locked && !observer.is_locked(7).unwrap()
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
    assert!(owner.try_lock(7).unwrap());
    assert!(reader.is_locked(7).unwrap() && !reader.is_locked(8).unwrap());
    assert!(matches!(
        reader.try_lock(8),
        Err(SegmentError::Permission { .. })
    ));
}

#[test]
fn a_byte_that_no_file_can_have_is_an_error() {
    let scratch = Scratch::new();
    let path = scratch.join("a");
    make(&path);
    assert!(open(&path).try_lock(u64::MAX).is_err());
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
    assert!(!segment.try_lock(7).unwrap());
    holder.kill();
    eventually("the kernel releases the lock", || {
        segment.try_lock(7).unwrap()
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
        segment.try_lock(7).unwrap()
    });
    assert!(holder.ends_well(), "the program after the exec still ran");
}

#[test]
#[ignore = "a role"]
fn role_holder() {
    let segment = open(&testing::directory().join("a"));
    assert!(segment.try_lock(7).unwrap());
    say("locked");
    linger();
}

#[test]
#[ignore = "a role"]
fn role_exec() {
    use std::os::unix::process::CommandExt;
    let segment = open(&testing::directory().join("a"));
    assert!(segment.try_lock(7).unwrap());
    say("locked");
    panic!("{}", Command::new("cat").exec()); // `cat` lingers as a role does
}
