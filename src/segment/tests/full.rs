//! Limits of memory, of file sizes and of open files, each in a process of its own.

use std::process::Command;

use crate::{
    segment::{Draft, SegmentError},
    testing::{self, Actor, PRIVATE, Scratch, say},
};

/// A shell that does `setup` and then becomes the test binary.
fn shell(setup: &str) -> Command {
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("{setup} && exec \"$0\" \"$@\""))
        .arg(Actor::binary());
    shell
}

#[test]
fn a_full_file_system_is_an_error_and_no_signal() {
    let scratch = Scratch::new();
    let may_mount = Command::new("unshare").args(["-m", "true"]).status();
    if !may_mount.is_ok_and(|status| status.success()) {
        return println!("skipped: mounting a small tmpfs needs the rights of root");
    }
    let mut mount = Command::new("unshare");
    let tiny = format!(
        "mount -t tmpfs -o size=64k tmpfs {}",
        scratch.path().display()
    );
    mount.arg("-m").arg("--").arg("sh").arg("-c");
    mount
        .arg(format!("{tiny} && exec \"$0\" \"$@\""))
        .arg(Actor::binary());
    let mut actor = Actor::start_by(mount, "segment::tests::full::role_full", scratch.path());
    assert_eq!(actor.hears(), "needed 1048576 available 65536");
    assert_eq!(actor.hears(), "left 0");
    assert_eq!(actor.hears(), "sparse needed 131072 available 61440");
    assert!(actor.ends_well());
}

#[test]
fn a_file_size_limit_is_an_error_and_no_signal() {
    let scratch = Scratch::new();
    let limited = shell("ulimit -f 16"); // blocks of 512 bytes
    let mut actor = Actor::start_by(
        limited,
        "segment::tests::full::role_limited",
        scratch.path(),
    );
    assert_eq!(actor.hears(), "needed 8193 limit 8192");
    assert!(actor.ends_well());
}

#[test]
fn no_room_for_open_files_is_an_error() {
    let scratch = Scratch::new();
    let mut actor = Actor::start("segment::tests::full::role_many_files", scratch.path());
    assert_eq!(actor.hears(), "too many files");
    assert!(actor.ends_well());
}

#[test]
#[ignore = "a role"]
fn role_full() {
    let dir = testing::directory();
    let whole = Draft::new(&dir, 1 << 20, &[0..1 << 20], PRIVATE)
        .err()
        .unwrap();
    let SegmentError::NoSpace {
        needed_bytes,
        available_bytes,
        ..
    } = whole
    else {
        panic!("{whole}");
    };
    say(&format!(
        "needed {needed_bytes} available {available_bytes}"
    ));
    say(&format!("left {}", dir.read_dir().unwrap().count()));
    let sparse = Draft::new(&dir, 1 << 20, &[0..4096], PRIVATE).unwrap();
    let sparse = sparse.publish(&dir.join("a")).unwrap();
    let error = sparse.reserve(4096, 131072).unwrap_err();
    let SegmentError::NoSpace {
        needed_bytes,
        available_bytes,
        ..
    } = error
    else {
        panic!("{error}");
    };
    say(&format!(
        "sparse needed {needed_bytes} available {available_bytes}"
    ));
}

#[test]
#[ignore = "a role"]
fn role_limited() {
    let dir = testing::directory();
    Draft::new(&dir, 8192, &[0..8192], PRIVATE).unwrap();
    let error = Draft::new(&dir, 8193, &[], PRIVATE).err().unwrap();
    let SegmentError::FileSizeLimit {
        needed_bytes,
        limit_bytes,
        ..
    } = error
    else {
        panic!("{error}");
    };
    say(&format!("needed {needed_bytes} limit {limit_bytes}"));
}

#[test]
#[ignore = "a role"]
fn role_many_files() {
    let limit = libc::rlimit {
        rlim_cur: 32,
        rlim_max: 32,
    };
    // SAFETY: `limit` is one `rlimit`; it concerns this process alone.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
    let mut drafts = Vec::new();
    let error = loop {
        match Draft::new(&testing::directory(), 4096, &[], PRIVATE) {
            Ok(draft) => drafts.push(draft),
            Err(error) => break error,
        }
    };
    drop(drafts);
    assert!(
        matches!(error, SegmentError::TooManyFiles { .. }),
        "{error}"
    );
    say("too many files");
}
