//! The hazards of `shared_memory`, one by one.

use std::{fs, path::PathBuf, thread};

use crate::{
    segment::{Draft, Rights, Segment, os::is_abandoned_draft, remove},
    testing::{self, Actor, PRIVATE, Scratch, say},
};

fn make(scratch: &Scratch, name: &str) -> Segment {
    let draft = Draft::new(scratch.path(), 4096, &[], PRIVATE).unwrap();
    draft.publish(&scratch.join(name)).unwrap()
}

fn opens(scratch: &Scratch, name: &str) -> bool {
    let opened = Segment::open(&scratch.join(name), Rights::ReadWrite);
    opened.and_then(|file| file.map(4096)).is_ok()
}

/// The object of a segment, as Linux shows it.
fn object(descriptor: &std::path::Path) -> PathBuf {
    let bytes = fs::read(descriptor).unwrap();
    let id = u64::from_ne_bytes(bytes[16..24].try_into().unwrap());
    PathBuf::from(format!("/dev/shm/ringbus-{id:016x}"))
}

/// The one name in a scratch directory.
fn only(scratch: &Scratch) -> PathBuf {
    let names = scratch.names();
    assert_eq!(names.len(), 1, "{names:?}");
    scratch.join(&names[0])
}

#[test]
fn no_drop_removes_a_name() {
    let scratch = Scratch::new();
    drop(make(&scratch, "a"));
    assert!(opens(&scratch, "a"));
    let first = make(&scratch, "b");
    remove(&scratch.join("b")).unwrap();
    let _second = make(&scratch, "b");
    drop(first);
    assert!(opens(&scratch, "b"), "the second of that name stays");
}

#[test]
fn a_removed_segment_leaves_nothing() {
    let scratch = Scratch::new();
    let segment = make(&scratch, "a");
    assert!(segment.locks().try_lock(1).unwrap());
    let object = object(&scratch.join("a"));
    assert!(object.exists());
    remove(&scratch.join("a")).unwrap();
    assert!(!object.exists());
    assert_eq!(scratch.names(), [""; 0]);
    assert_eq!(fs::read_dir(scratch.join(".locks")).unwrap().count(), 0);
    remove(&scratch.join("a")).unwrap();
}

#[test]
fn a_draft_that_fails_leaves_nothing() {
    let scratch = Scratch::new();
    let _winner = make(&scratch, "a");
    let loser = Draft::new(scratch.path(), 4096, &[], PRIVATE).unwrap();
    let names = scratch.names();
    let draft = names.iter().find(|name| name.starts_with(".draft-"));
    let object = object(&scratch.join(draft.unwrap()));
    assert!(object.exists());
    assert!(loser.publish(&scratch.join("a")).is_err());
    assert!(!object.exists());
    assert!(opens(&scratch, "a"));
    assert_eq!(scratch.names(), ["a"]);
}

#[test]
fn the_draft_of_a_killed_maker_is_found_and_removed() {
    let scratch = Scratch::new();
    let mut maker = Actor::start("segment::tests::portable::role_maker", scratch.path());
    assert_eq!(maker.hears(), "made");
    let draft = only(&scratch);
    assert_eq!(is_abandoned_draft(&draft), Some(false));
    maker.kill();
    assert_eq!(is_abandoned_draft(&draft), Some(true));
    let object = object(&draft);
    assert!(object.exists());
    remove(&draft).unwrap();
    assert!(!object.exists());
    assert_eq!(scratch.names(), [""; 0]);
}

#[test]
#[ignore = "a role"]
fn role_maker() {
    let _draft = Draft::new(&testing::directory(), 4096, &[], PRIVATE).unwrap();
    say("made");
    thread::park();
}

#[test]
fn a_temporary_name_that_outlived_publishing_can_go() {
    let scratch = Scratch::new();
    drop(make(&scratch, "a"));
    let second_name = scratch.join(".draft-0");
    fs::hard_link(scratch.join("a"), &second_name).unwrap();
    assert_eq!(is_abandoned_draft(&second_name), Some(true));
    remove(&second_name).unwrap();
    assert!(opens(&scratch, "a"));
}

#[test]
fn a_draft_without_a_page_is_abandoned_only_when_it_is_old() {
    let scratch = Scratch::new();
    let path = scratch.join(".draft-0");
    let file = fs::File::create(&path).unwrap();
    assert_eq!(is_abandoned_draft(&path), Some(false));
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    file.set_modified(long_ago).unwrap();
    assert_eq!(is_abandoned_draft(&path), Some(true));
    assert_eq!(is_abandoned_draft(&scratch.join("a")), None);
}

#[test]
fn askers_hide_a_lock_from_nobody_for_long() {
    let scratch = Scratch::new();
    let segment = make(&scratch, "a");
    let asked = Segment::open(&scratch.join("a"), Rights::ReadOnly).unwrap();
    let asked = asked.map(4096).unwrap();
    thread::scope(|scope| {
        let asker = scope.spawn(|| {
            (0..20_000)
                .filter(|_| asked.locks().is_locked(3).unwrap())
                .count()
        });
        let mut taken = 0;
        let mut tries = 0;
        while !asker.is_finished() {
            tries += 1;
            if segment.locks().try_lock(3).unwrap() {
                taken += 1;
                segment.locks().unlock(3).unwrap();
            }
        }
        assert!(taken * 10 > tries * 9, "{taken} of {tries}");
    });
}
