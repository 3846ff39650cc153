//! Limits of memory, file sizes, open files and rights, each in a process of its own.

use std::{fs, os::unix::fs::MetadataExt, process::Command};

use crate::{
    segment::{Draft, FileAccess, Placement, SegmentError, create_directory},
    testing::{self, Actor, PRIVATE, Scratch, say},
};

#[test]
#[cfg_attr(
    feature = "portable",
    ignore = "there is no portable way to reserve memory"
)]
fn a_full_file_system_is_an_error_and_no_signal() {
    let scratch = Scratch::new();
    let may_mount = Command::new("unshare").args(["-m", "true"]).status();
    if !may_mount.is_ok_and(|status| status.success()) {
        return println!("skipped: mounting a small tmpfs needs the rights of root");
    }
    let mount = format!(
        "mount -t tmpfs -o size=64k tmpfs {}",
        scratch.path().display()
    );
    let role = "segment::tests::limits::role_full";
    let mut actor = Actor::start_after(&["unshare", "-m"], &mount, role, scratch.path());
    assert_eq!(actor.hears(), "needed 1048576 available 65536");
    assert_eq!(actor.hears(), "left 0");
    assert_eq!(actor.hears(), "sparse needed 131072 available 61440");
    assert!(actor.ends_well());
}

/// The longest segment under a limit of 32 KiB: a portable one has 16 KiB more.
const LIMIT_BYTES: u64 = match cfg!(feature = "portable") {
    true => 16384,
    false => 32768,
};

#[test]
fn a_file_size_limit_is_an_error_and_no_signal() {
    let scratch = Scratch::new();
    let limit = "ulimit -f 64"; // blocks of 512 bytes
    let role = "segment::tests::limits::role_limited";
    let mut actor = Actor::start_after(&[], limit, role, scratch.path());
    let needed = LIMIT_BYTES + 1;
    assert_eq!(
        actor.hears(),
        format!("needed {needed} limit {LIMIT_BYTES}")
    );
    assert!(actor.ends_well());
}

#[test]
fn no_room_for_open_files_is_an_error() {
    let scratch = Scratch::new();
    let mut actor = Actor::start("segment::tests::limits::role_many_files", scratch.path());
    assert_eq!(actor.hears(), "too many files");
    assert!(actor.ends_well());
}

#[test]
#[cfg(all(target_os = "linux", not(feature = "portable")))]
fn reserving_gets_to_its_end_under_a_steady_stream_of_signals() {
    use std::io::{Error, ErrorKind};

    const DONE_BETWEEN_SIGNALS: u64 = 100_000;
    let (mut next, mut interruptions) = (4096, 0);
    let allocate = |start, len| {
        assert_eq!(start, next);
        if len > DONE_BETWEEN_SIGNALS {
            interruptions += 1;
            return Err(Error::from(ErrorKind::Interrupted));
        }
        next += len;
        Ok(())
    };
    crate::segment::os::in_steps(4096..(40 << 20) + 5, allocate).unwrap();
    assert_eq!(next, (40 << 20) + 5);
    assert_eq!(interruptions, 8, "from 16 MiB to 64 KiB");
}

#[test]
fn no_umask_narrows_what_is_asked_for() {
    let scratch = Scratch::new();
    let role = "segment::tests::limits::role_masked";
    let mut actor = Actor::start_after(&[], "umask 777", role, scratch.path());
    assert_eq!(actor.hears(), "made");
    assert!(actor.ends_well());
    let mode = |name| fs::metadata(scratch.join(name)).unwrap().mode() & 0o7777;
    assert_eq!(
        [mode("file"), mode("named"), mode("dir")],
        [0o640, 0o640, 0o750]
    );
}

#[test]
#[cfg_attr(feature = "portable", ignore = "it locks no memory")]
fn a_limit_of_locked_memory_is_an_error() {
    let scratch = Scratch::new();
    // The right to exceed the limit, which root has, is given up; others have it not.
    let set_right = [
        "setpriv",
        "--bounding-set=-ipc_lock",
        "--inh-caps=-ipc_lock",
    ];
    let may_set = Command::new(set_right[0])
        .args(&set_right[1..])
        .arg("true")
        .output();
    let may_set = may_set.is_ok_and(|ended| ended.status.success());
    if !may_set && crate::segment::effective_user() == 0 {
        return println!(
            "skipped: root is bound to the limit by setpriv(1) only, which is not there"
        );
    }
    let wrapper = if may_set { &set_right[..] } else { &[] };
    let role = "segment::tests::limits::role_locking";
    let mut actor = Actor::start_after(wrapper, "ulimit -l 64", role, scratch.path()); // KiB
    assert_eq!(actor.hears(), "needed 1048576 limit 65536");
    assert_eq!(actor.hears(), "locked 16384");
    assert!(actor.ends_well());
}

#[test]
#[ignore = "a role"]
fn role_locking() {
    let dir = testing::directory();
    let whole = 0..1 << 20;
    let draft = Draft::new(&dir, whole.end, std::slice::from_ref(&whole), PRIVATE).unwrap();
    let segment = draft.publish(&dir.join("a")).unwrap();
    let (lock, prefault) = (true, false);
    let how = Placement { prefault, lock };
    let error = segment.place(whole, how).unwrap_err();
    let SegmentError::LockLimit {
        needed_bytes,
        limit_bytes,
        ..
    } = error
    else {
        panic!("{error}");
    };
    say(&format!("needed {needed_bytes} limit {limit_bytes}"));
    segment.place(0..16384, how).unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:"));
    let kilobytes: u64 = line.unwrap().trim_end_matches("kB").trim().parse().unwrap();
    say(&format!("locked {}", kilobytes * 1024));
}

#[test]
#[ignore = "a role"]
fn role_masked() {
    let (dir, access) = (
        testing::directory(),
        FileAccess {
            mode: 0o640,
            group: None,
        },
    );
    let unnamed = Draft::new(&dir, 4096, &[], access).unwrap();
    unnamed.publish(&dir.join("file")).unwrap();
    let named = Draft::new_named(&dir, 4096, &[], access).unwrap();
    named.publish(&dir.join("named")).unwrap();
    let access = FileAccess {
        mode: 0o750,
        ..access
    };
    create_directory(&dir.join("dir"), access).unwrap();
    say("made");
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
    let whole = 0..LIMIT_BYTES;
    Draft::new(&dir, whole.end, std::slice::from_ref(&whole), PRIVATE).unwrap();
    let error = Draft::new(&dir, LIMIT_BYTES + 1, &[], PRIVATE)
        .err()
        .unwrap();
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
    // With each count of files already open: a draft opens several, and any of them may be one too many.
    for count in 0..8 {
        let open: Vec<_> = (0..count)
            .map(|_| fs::File::open("/dev/null").unwrap())
            .collect();
        let mut drafts = Vec::new();
        let error = loop {
            match Draft::new(&testing::directory(), 4096, &[], PRIVATE) {
                Ok(draft) => drafts.push(draft),
                Err(error) => break error,
            }
        };
        drop((drafts, open));
        assert!(
            matches!(error, SegmentError::TooManyFiles { .. }),
            "{count}: {error}"
        );
    }
    say("too many files");
}
