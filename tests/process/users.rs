//! Processes of other users: what each grant lets them do, and what it keeps them from.
//!
//! The owner of the bus, a member of its group and a stranger are users that only have numbers.

use std::{
    fs::{self, File, OpenOptions},
    io::ErrorKind,
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, PermissionsExt, chown},
    },
    path::{Path, PathBuf},
    sync::atomic::Ordering::Relaxed,
    thread,
    time::{Duration, Instant},
};

use ringbus::{
    Access, Bus, Grant, JoinError, OpenError, PublisherMode, RegistryError, Remove, SegmentError,
    Start, TopicError,
};

use super::actor::{Actor, Roles, Stage, eventually, is_root, say};
use crate::support::{MODES, Scratch};

pub const ROLES: Roles = &[
    ("users/owner", owner),
    ("users/shut_out", shut_out),
    ("users/observer", observer),
    ("users/subscriber", subscriber),
    ("users/publisher", publisher),
    ("users/locker", locker),
    ("users/victim", victim),
];

const OWNER: u32 = 64_001;
const MEMBER: u32 = 64_002;
const STRANGER: u32 = 64_003;
const GROUP: u32 = 64_100;
const NO_GROUP: u32 = 64_200;

/// Gives up the rights of root for those of a user; `stage` says which in its first two words.
fn become_user(stage: &Stage) -> u32 {
    let (uid, gid) = (stage.number(0) as u32, stage.number(1) as u32);
    // SAFETY: a list of no groups.
    assert_eq!(unsafe { libc::setgroups(0, std::ptr::null()) }, 0);
    // SAFETY: takes no pointers.
    assert_eq!(unsafe { libc::setresgid(gid, gid, gid) }, 0);
    // SAFETY: takes no pointers.
    assert_eq!(unsafe { libc::setresuid(uid, uid, uid) }, 0);
    // Lets it look into its own /proc again, as a program that the user had started could.
    // SAFETY: takes no pointers.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1) }, 0);
    uid
}

/// A directory for buses that belongs to the owner, and anybody may look into.
fn owners_root() -> Scratch {
    let root = Scratch::new();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    chown(root.path(), Some(OWNER), Some(GROUP)).unwrap();
    root
}

fn start(role: &str, root: &Scratch, user: (u32, u32), more: &[&str]) -> Actor {
    let (uid, gid) = (user.0.to_string(), user.1.to_string());
    Actor::start(role, root.path(), &[&[&*uid, &*gid], more].concat())
}

/// Makes topic `t` of a mode and an access, publishes, and goes on with each cue.
fn owner(stage: &Stage) {
    become_user(stage);
    let access = Access::from_mode(stage.number(2) as u32).unwrap();
    let builder = Bus::builder().dir(&stage.root).access(access).group(GROUP);
    let bus = builder.open().unwrap();
    let topic = bus.topic("t").capacity(8);
    let topic = match stage.arg(3) {
        "shared" => topic.shared().create(),
        _ => topic.create(),
    };
    let publisher = topic.unwrap().publisher().unwrap();
    publisher.publish(b"first").unwrap();
    say("made");
    stage.wait();
    publisher.publish(b"second").unwrap();
    say("published");
    stage.wait();
    drop(publisher);
    say("left");
    stage.wait();
    // What others have made here is of use to the owner too.
    if let Ok(theirs) = bus.topic("theirs").open() {
        assert_eq!(theirs.info().access, access.with_gid(GROUP));
        assert_ne!(theirs.info().owner, OWNER);
        theirs.publisher().unwrap().publish(b"to all").unwrap();
        bus.remove("theirs", Remove::IfUnused).unwrap();
    }
}

fn start_owner(root: &Scratch, mode: u32, of: PublisherMode) -> Actor {
    let user = (OWNER, GROUP);
    let more = [&*mode.to_string(), &*of.to_string()];
    let mut owner = start("users/owner", root, user, &more);
    assert_eq!(owner.hear(), "made");
    owner
}

/// Tries to open a bus of which it is granted nothing.
fn shut_out(stage: &Stage) {
    let uid = become_user(stage);
    for create in [true, false] {
        let error = Bus::builder()
            .dir(&stage.root)
            .create(create)
            .open()
            .unwrap_err();
        let text = error.to_string();
        let bus = stage.root.join("default");
        let words = [
            bus.to_str().unwrap().to_owned(),
            format!("mode {}", stage.arg(2)),
            format!("owner {OWNER} and group {}", stage.arg(3)),
            format!("user {uid} may not"),
            // Only where its members may enter is the group the way in.
            match stage.arg(2) {
                "0700" => "a mode that grants more".to_owned(),
                _ => format!("join group {GROUP}"),
            },
        ];
        for word in words {
            assert!(text.contains(&word), "{text:?} says nothing of {word:?}");
        }
    }
    say("shut out");
}

#[test]
#[cfg_attr(feature = "portable", ignore = "only one user takes part")]
fn who_is_granted_nothing_is_told_what_stands_in_the_way() {
    if !is_root() {
        return;
    }
    let no_member = (STRANGER, NO_GROUP);
    for (mode, visitor, of_directory) in [
        (0o600, (MEMBER, GROUP), "0700"),
        (0o600, no_member, "0700"),
        (0o640, no_member, "2750"),
        (0o660, no_member, "2770"),
    ] {
        let root = owners_root();
        let owner = start_owner(&root, mode, PublisherMode::Exclusive);
        let more = [of_directory, &*GROUP.to_string()];
        let mut visitor = start("users/shut_out", &root, visitor, &more);
        assert_eq!(visitor.hear(), "shut out");
        assert!(visitor.ends_well() && owner.ends_well());
    }
}

/// Every mapped part of a file of the bus: address, length, rights, file.
fn maps(root: &Path) -> Vec<(usize, usize, String, PathBuf)> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let parse = |line: &str| {
        let (fields, path) = line.split_at(line.find('/')?);
        let path = PathBuf::from(path);
        let (range, rest) = fields.split_once(' ')?;
        let (from, to) = range.split_once('-')?;
        let [from, to] = [from, to].map(|hex| usize::from_str_radix(hex, 16).unwrap());
        let rights = rest.split(' ').next()?.to_owned();
        path.starts_with(root)
            .then_some((from, to - from, rights, path))
    };
    maps.lines().filter_map(parse).collect()
}

/// Tries to get more out of what this process has mapped and open than to read it. Returns the
/// names of the files that it can write, by whatever way, their random part left out.
fn writable_files(root: &Path) -> Vec<String> {
    let mut writable = Vec::new();
    for (from, len, rights, path) in maps(root) {
        // SAFETY: changes no byte, and takes no right away that anybody uses: the map is shared, and
        // mapped to be read at least.
        let made = unsafe {
            libc::mprotect(
                from as *mut libc::c_void,
                len,
                libc::PROT_READ | libc::PROT_WRITE,
            )
        };
        let refused = std::io::Error::last_os_error().raw_os_error() == Some(libc::EACCES);
        assert!(made == 0 || refused);
        assert!(rights == "r--s" || rights == "rw-s", "{rights}");
        if rights == "rw-s" || made == 0 {
            writable.push(path);
        }
    }
    for entry in fs::read_dir("/proc/self/fd").unwrap() {
        let link = entry.unwrap().path();
        let Ok(path) = fs::read_link(&link) else {
            continue; // that of this directory
        };
        if path.starts_with(root) && OpenOptions::new().write(true).open(&link).is_ok() {
            writable.push(path);
        }
    }
    for path in all_files(root) {
        let opened = OpenOptions::new().write(true).open(&path);
        let refused = |e: &std::io::Error| e.kind() == ErrorKind::PermissionDenied;
        assert!(opened.as_ref().err().is_none_or(refused));
        if opened.is_ok() {
            writable.push(path);
        }
    }
    let kind = |path: &PathBuf| match path.extension() {
        Some(kind) => kind.to_str().unwrap().to_owned(),
        None => path.file_name().unwrap().to_str().unwrap().to_owned(),
    };
    let mut kinds: Vec<_> = writable.iter().map(kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// The files of the default bus.
fn all_files(root: &Path) -> Vec<PathBuf> {
    let bus = root.join("default");
    let lists = [bus.clone(), bus.join("topics")].map(|path| fs::read_dir(path).unwrap());
    let paths = lists.into_iter().flatten().map(|it| it.unwrap().path());
    paths.filter(|path| path.is_file()).collect()
}

/// Tries to change the names in the directories of the bus.
fn assert_names_stay(root: &Path) {
    let bus = root.join("default");
    for directory in [root.to_owned(), bus.clone(), bus.join("topics")] {
        assert!(File::create(directory.join("planted")).is_err());
    }
    for path in all_files(root) {
        assert!(fs::remove_file(&path).is_err());
        assert!(fs::rename(&path, path.with_extension("moved")).is_err());
        assert!(fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).is_err());
    }
    assert!(fs::rename(bus.join("topics"), bus.join("moved")).is_err());
}

fn is_denied(error: &JoinError, suffix: &str) -> bool {
    let (JoinError::Segment(SegmentError::Permission { path, denial, .. })
    | JoinError::Registry(RegistryError::Segment(SegmentError::Permission {
        path,
        denial,
        ..
    }))) = error
    else {
        return false;
    };
    let denial = denial.as_ref().expect("the system tells");
    assert_eq!((denial.owner, denial.gid), (OWNER, GROUP), "{error}");
    let advice = match denial.mode & 0o060 {
        0o060 => "; join group 64100",
        _ => "; have the bus, or the topic, made with a mode that grants more",
    };
    path.to_str().unwrap().ends_with(suffix) && error.to_string().ends_with(advice)
}

/// Reads, and can do nothing else.
fn observer(stage: &Stage) {
    become_user(stage);
    let bus = Bus::builder().dir(&stage.root).open().unwrap();
    let topic = bus.topic("t").open().unwrap();
    let mut observer = topic.observer(Start::Oldest).unwrap();
    say("joined");
    stage.wait();
    for payload in [b"first".as_slice(), b"second"] {
        assert!(observer.wait(Duration::from_secs(20)).unwrap());
        assert_eq!(
            observer.poll().unwrap().expect("published").payload(),
            payload
        );
    }
    let info = topic.info();
    assert!(info.publishers[0].alive && info.owner == OWNER);
    assert!(info.access.group.max(info.access.others) >= Grant::Observe);
    assert!(bus.participants()[0].alive);

    assert!(is_denied(&topic.publisher().unwrap_err(), ".ring"));
    for builder in [topic.subscriber(), topic.subscriber().reliable()] {
        assert!(is_denied(&builder.join().unwrap_err(), ".cursors"));
    }
    let is_refused = |error: TopicError| error.to_string().contains("user 6400");
    assert!(is_refused(bus.topic("new").create().unwrap_err()));
    assert!(is_refused(bus.remove("t", Remove::Force).unwrap_err()));
    assert!(matches!(bus.gc(), Err(OpenError::Registry(_))));
    // All of it left no more mapped than it takes to read.
    assert_eq!(writable_files(&stage.root), [""; 0]);
    assert_names_stay(&stage.root);
    say("observed");
}

/// Joins, and can change no message and no name.
fn subscriber(stage: &Stage) {
    become_user(stage);
    let bus = Bus::builder().dir(&stage.root).open().unwrap();
    let topic = bus.topic("t").open().unwrap();
    let mut reliable = topic.subscriber().reliable().start(Start::Oldest);
    let mut lossy = topic.subscriber().start(Start::Oldest).join().unwrap();
    reliable = reliable.stall_timeout(Duration::from_secs(20));
    let mut reliable = reliable.join().unwrap();
    say("joined");
    stage.wait();
    for payload in [b"first".as_slice(), b"second"] {
        for reader in [&mut reliable, &mut lossy] {
            assert!(reader.wait(Duration::from_secs(20)).unwrap());
            assert_eq!(
                reader.poll().unwrap().expect("published").payload(),
                payload
            );
        }
    }
    assert!(is_denied(&topic.publisher().unwrap_err(), ".ring"));
    assert!(bus.topic("new").create().is_err());
    assert!(bus.remove("t", Remove::Force).is_err());
    assert_eq!(
        writable_files(&stage.root),
        ["cursors", "leases", "registry"]
    );
    let rings = maps(&stage.root)
        .into_iter()
        .filter(|map| map.3.extension().is_some_and(|kind| kind == "ring"));
    assert!(rings.into_iter().all(|map| map.2 == "r--s"));
    assert_names_stay(&stage.root);
    say("subscribed");
}

/// Publishes after the owner, and makes a topic for all who use the bus.
fn publisher(stage: &Stage) {
    let uid = become_user(stage);
    let bus = Bus::builder().dir(&stage.root).open().unwrap();
    let topic = bus.topic("t").open().unwrap();
    say("joined");
    stage.wait();
    let publisher = topic.publisher().unwrap();
    assert_eq!(publisher.publish(b"third").unwrap(), 2);
    let theirs = bus.topic("theirs").create().unwrap();
    theirs.publisher().unwrap().publish(b"to all").unwrap();
    assert_eq!(theirs.info().owner, uid);
    for path in all_files(&stage.root) {
        assert_eq!(fs::metadata(&path).unwrap().gid(), GROUP, "{path:?}");
    }
    // Topics it may remove, but not the bus: then nothing of it.
    let before = all_files(&stage.root);
    let refused = Bus::builder().dir(&stage.root).destroy().unwrap_err();
    let words = format!(
        "default: user {uid} may not remove it, as {} has mode 0755, owner {OWNER} and group {GROUP}; \
         user {OWNER} may, and root",
        stage.root.display()
    );
    assert!(refused.to_string().ends_with(&words), "{refused}");
    assert_eq!(all_files(&stage.root), before);
    say("published");
}

#[test]
#[cfg_attr(feature = "portable", ignore = "only one user takes part")]
fn each_grant_allows_what_it_says_and_nothing_more() {
    if !is_root() {
        return;
    }
    let (member, no_member) = ((MEMBER, GROUP), (STRANGER, NO_GROUP));
    for of in MODES {
        for (mode, visitor, role, last_words) in [
            (0o640, member, "users/observer", "observed"),
            (0o604, no_member, "users/observer", "observed"),
            (0o664, no_member, "users/observer", "observed"),
            (0o650, member, "users/subscriber", "subscribed"),
            (0o605, no_member, "users/subscriber", "subscribed"),
            (0o660, member, "users/publisher", "published"),
        ] {
            let root = owners_root();
            let mut owner = start_owner(&root, mode, of);
            let mut visitor = start(role, &root, visitor, &[]);
            assert_eq!(visitor.hear(), "joined", "{role} by {mode:o}");
            owner.cue();
            assert_eq!(owner.hear(), "published");
            if role == "users/publisher" {
                owner.cue();
                assert_eq!(owner.hear(), "left");
            }
            visitor.cue();
            assert_eq!(visitor.hear(), last_words, "{role} by {mode:o}");
            assert!(visitor.ends_well() && owner.ends_well(), "{role}");
        }
    }
}

/// Takes every kind of lock that it can, of all that it can open, again and again.
fn locker(stage: &Stage) {
    become_user(stage);
    let files: Vec<_> = all_files(&stage.root)
        .into_iter()
        .filter_map(|path| File::open(path).ok())
        .collect();
    let over = stage.cue();
    lock_all(&files);
    say(files.len());
    while !over.load(Relaxed) {
        thread::sleep(Duration::from_millis(1));
        lock_all(&files);
    }
}

fn lock_all(files: &[File]) {
    const TO_THE_END: i64 = 0;
    for file in files {
        let all = share_lock(file, 0, TO_THE_END);
        // Where participants have locked a part of it: then the rest.
        let slots = (0..1024).map(|slot| (1 << 30) + (slot << 47));
        for byte in slots.chain(0..16).filter(|_| !all) {
            share_lock(file, byte, 1);
        }
        // SAFETY: the file is open.
        unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) };
        // SAFETY: the file is open; only its owner may have a lease.
        let leased = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK) };
        assert_eq!(leased, -1);
    }
}

/// Shares the locks on some bytes in both ways that there are; `false` where another one has them.
fn share_lock(file: &File, start: i64, len: i64) -> bool {
    let share = |command| {
        let lock = libc::flock {
            l_type: libc::F_RDLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: start,
            l_len: len,
            l_pid: 0,
        };
        // SAFETY: the file is open; `lock` outlives the call.
        unsafe { libc::fcntl(file.as_raw_fd(), command, &lock) == 0 }
    };
    share(libc::F_OFD_SETLK) && share(libc::F_SETLK)
}

/// Publishes and holds up others as a reliable subscriber, to be killed.
fn victim(stage: &Stage) {
    become_user(stage);
    let bus = Bus::builder().dir(&stage.root).open().unwrap();
    let topic = bus.topic("t").open().unwrap();
    let _subscriber = topic.subscriber().reliable().join().unwrap();
    let publisher = topic.publisher().unwrap();
    publisher.publish(b"last words").unwrap();
    say("joined");
    stage.wait();
}

#[test]
#[cfg_attr(feature = "portable", ignore = "only one user takes part")]
fn no_lock_of_an_observer_delays_anybody_or_raises_the_dead() {
    if !is_root() {
        return;
    }
    for of in MODES {
        let root = owners_root();
        let bus = Bus::builder().dir(root.path()).mode(0o664).group(GROUP);
        let bus = bus.open().unwrap();
        chown(bus.path(), Some(OWNER), Some(GROUP)).unwrap();
        let topic = bus.topic("t").capacity(8);
        let topic = match of {
            PublisherMode::Shared => topic.shared().max_publishers(1).create(),
            PublisherMode::Exclusive => topic.max_subscribers(1).create(),
        };
        let topic = topic.unwrap();
        let mut locker = start("users/locker", &root, (STRANGER, NO_GROUP), &[]);
        let opened: usize = locker.hear().parse().unwrap();
        assert_eq!(opened, 3, "ring, cursors and registry");
        let mut victim = start("users/victim", &root, (MEMBER, GROUP), &[]);
        assert_eq!(victim.hear(), "joined");
        thread::sleep(Duration::from_millis(20)); // the locks of its life are tried as well
        assert!(topic.publisher().is_err(), "the place is taken");
        victim.kill();

        let killed = Instant::now();
        eventually("the next publisher joins", || topic.publisher().is_ok());
        let publisher = topic.publisher().unwrap();
        for _ in 0..20 {
            publisher.publish(b"on").unwrap();
        }
        println!("{of}: {:?} after the kill", killed.elapsed());
        // The lock of each participant's life, and all that is made anew.
        let late = Bus::builder().dir(root.path()).open().unwrap();
        let mut late = late.topic("t").open().unwrap().subscriber().join().unwrap();
        publisher.publish(b"to all").unwrap();
        assert_eq!(
            late.poll().unwrap().expect("published").payload(),
            b"to all"
        );
        let new = bus.topic("new").create().unwrap();
        new.publisher().unwrap().publish(b"x").unwrap();
        bus.remove("new", Remove::IfUnused).unwrap();
        drop(late);
        let collected = bus.gc().unwrap();
        println!("{of}: {collected:?}");
        assert!(topic.info().subscribers.is_empty());
        assert!(bus.participants().iter().all(|it| it.alive));
        locker.cue();
        assert!(locker.ends_well());
    }
}
