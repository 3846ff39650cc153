//! What a forked child has of its parent's segments: nothing.

use std::{
    fs,
    path::Path,
    process::exit,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use crate::{
    segment::{Draft, Rights, Segment, SegmentError, fork::generation},
    shared::Offset,
    sync::AtomicU64,
    testing::{self, Actor, PRIVATE, Scratch, eventually, linger, say},
};

fn make(path: &Path) -> Segment {
    let draft = Draft::new(path.parent().unwrap(), 4096, &[], PRIVATE).unwrap();
    draft.publish(path).unwrap()
}

/// Runs `body` in a forked child, which must not panic, and returns whether it returned true.
fn in_child(body: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child uses no lock that another thread may hold: the allocator's is freed by its
    // own fork handlers, and `body` prints nothing.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let code = if body() { 0 } else { 1 };
        // SAFETY: ends the child without running what belongs to the parent.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: the pid is that of the child; `status` is one int, exclusively borrowed.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    status == 0
}

#[test]
fn a_forked_child_is_told_so() {
    let scratch = Scratch::new();
    let segment = make(&scratch.join("a"));
    let before = generation();
    assert!(in_child(
        || generation() == before + 1 && segment.is_forked()
    ));
    assert!(in_child(|| matches!(
        segment.locks().try_lock(7),
        Err(SegmentError::Forked { .. })
    )));
    assert!(in_child(|| segment
        .array(Offset::<AtomicU64>::new(0), 1)
        .is_none()));
    assert_eq!(generation(), before);
    assert!(
        segment.locks().try_lock(7).unwrap(),
        "the parent is not concerned"
    );
}

#[test]
fn a_dropped_segment_leaves_alone_what_the_child_has_there_by_now() {
    let scratch = Scratch::new();
    let segment = make(&scratch.join("a"));
    let path = scratch.join("b");
    fs::write(&path, "content").unwrap();
    assert!(in_child(|| {
        // Takes the lowest free number, and so the segment's.
        let file = fs::File::open(&path).unwrap();
        drop(segment);
        file.metadata().is_ok()
    }));
}

#[test]
fn a_child_may_open_segments_of_its_own() {
    let scratch = Scratch::new();
    let _parents = make(&scratch.join("a"));
    assert!(in_child(|| {
        let own =
            Segment::open(&scratch.join("a"), Rights::ReadWrite).and_then(|file| file.map(4096));
        own.is_ok_and(|own| !own.is_forked() && own.locks().try_lock(7).unwrap_or(false))
    }));
}

#[test]
fn forks_during_opens_leave_no_file_behind() {
    let scratch = Scratch::new();
    let path = scratch.join("a");
    drop(make(&path));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Relaxed) {
                drop(
                    Segment::open(&path, Rights::ReadWrite)
                        .unwrap()
                        .map(4096)
                        .unwrap(),
                );
            }
        });
        let clean = (0..200).all(|_| in_child(|| !is_open_here(&path)));
        done.store(true, Relaxed);
        assert!(clean);
    });
}

/// True where some open file of this process is the one at `path`.
fn is_open_here(path: &Path) -> bool {
    let mut open = fs::read_dir("/proc/self/fd").unwrap();
    open.any(|fd| fs::read_link(fd.unwrap().path()).is_ok_and(|target| target == path))
}

#[test]
fn a_living_child_keeps_no_lock_of_its_dead_parent() {
    let scratch = Scratch::new();
    let segment = make(&scratch.join("a"));
    let mut parent = Actor::start("segment::tests::fork::role_parent", scratch.path());
    assert_eq!(parent.hears(), "child runs");
    assert!(segment.locks().is_locked(7).unwrap());
    parent.kill();
    eventually("the parent's lock is gone", || {
        !segment.locks().is_locked(7).unwrap()
    });
    parent.release();
    assert_eq!(parent.hears(), "child ends");
}

#[test]
#[ignore = "a role"]
fn role_parent() {
    let file = Segment::open(&testing::directory().join("a"), Rights::ReadWrite).unwrap();
    let segment = file.map(4096).unwrap();
    assert!(segment.locks().try_lock(7).unwrap());
    // SAFETY: the child only reads, writes and exits.
    if unsafe { libc::fork() } == 0 {
        say("child runs");
        linger();
        say("child ends");
        exit(0);
    }
    thread::park();
}
