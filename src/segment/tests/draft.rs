//! Files in the making.

use std::{fs, os::unix::fs::MetadataExt, sync::Barrier, thread};

use crate::{
    segment::{
        Draft, FileAccess, PublishDraftError, Rights, Segment, SegmentError, remove_abandoned,
    },
    shared::Offset,
    sync::{AtomicU64, Ordering},
    testing::{self, Actor, PRIVATE, Scratch, contents, eventually, linger, say},
};

#[test]
fn nothing_is_visible_before_publish() {
    let scratch = Scratch::new();
    let draft = Draft::new(scratch.path(), 8192, &[0..8192], PRIVATE).unwrap();
    draft.write_at(4096, b"content").unwrap();
    assert!(
        scratch
            .names()
            .iter()
            .all(|name| name.starts_with(".draft-"))
    );
    draft.publish(&scratch.join("a")).unwrap();
    assert_eq!(scratch.names(), ["a"]);
    assert_eq!(contents(&scratch.join("a"))[4096..4103], *b"content");
}

#[test]
fn the_second_to_publish_finds_the_first() {
    let scratch = Scratch::new();
    let publish = || {
        Draft::new(scratch.path(), 4096, &[], PRIVATE)
            .unwrap()
            .publish(&scratch.join("a"))
    };
    publish().unwrap();
    assert!(matches!(publish(), Err(PublishDraftError::Exists { .. })));
    assert_eq!(scratch.names(), ["a"]);
}

#[test]
fn of_many_racing_creators_exactly_one_wins() {
    let scratch = Scratch::new();
    for round in 0..50 {
        let path = scratch.join(&round.to_string());
        let start = Barrier::new(4);
        let won = || {
            let draft = Draft::new(scratch.path(), 4096, &[0..4096], PRIVATE).unwrap();
            start.wait();
            draft.publish(&path).is_ok()
        };
        let winners = thread::scope(|scope| {
            let racers: Vec<_> = (0..4).map(|_| scope.spawn(won)).collect();
            let won = racers.into_iter().map(|racer| racer.join().unwrap());
            won.filter(|&won| won).count()
        });
        assert_eq!(winners, 1);
    }
}

#[test]
fn a_published_draft_is_the_segment_that_others_open() {
    let scratch = Scratch::new();
    let word: Offset<AtomicU64> = Offset::new(4096);
    let draft = Draft::new(scratch.path(), 8192, &[], PRIVATE).unwrap();
    let ours = draft.publish(&scratch.join("a")).unwrap();
    let theirs = Segment::open(&scratch.join("a"), Rights::ReadOnly)
        .unwrap()
        .map(8192)
        .unwrap();
    ours.array(word, 1).unwrap()[0].store(7, Ordering::Relaxed);
    assert_eq!(theirs.array(word, 1).unwrap()[0].load(Ordering::Relaxed), 7);
    assert_eq!(ours.path(), scratch.join("a"));
}

#[test]
fn without_unnamed_files_a_draft_has_a_temporary_name() {
    let scratch = Scratch::new();
    let draft = Draft::new_named(scratch.path(), 4096, &[0..4096], PRIVATE).unwrap();
    assert!(scratch.names()[0].starts_with(".draft-"));
    draft.publish(&scratch.join("a")).unwrap();
    assert_eq!(scratch.names(), ["a"]);

    let second = Draft::new_named(scratch.path(), 4096, &[], PRIVATE).unwrap();
    assert!(matches!(
        second.publish(&scratch.join("a")),
        Err(PublishDraftError::Exists { .. })
    ));
    drop(Draft::new_named(scratch.path(), 4096, &[], PRIVATE).unwrap());
    assert_eq!(scratch.names(), ["a"]);
}

#[test]
fn a_file_is_left_alone_while_it_or_what_needs_it_is_being_made() {
    let scratch = Scratch::new();
    let remove = |name: &str| remove_abandoned(&scratch.join(name), || false);
    let draft = Draft::new_named(scratch.path(), 4096, &[], PRIVATE).unwrap();
    let temporary = scratch.names().remove(0);
    assert!(!remove(&temporary), "its maker lives");
    let segment = draft.publish(&scratch.join("a")).unwrap();
    assert!(!remove("a"), "what needs it may come yet");
    drop(segment);
    assert!(!remove_abandoned(&scratch.join("a"), || true), "needed");
    assert_eq!(scratch.names(), ["a"]);
    assert!(remove("a") && !remove("a"));
    assert_eq!(scratch.names(), [""; 0]);
}

#[test]
fn a_draft_whose_maker_was_killed_is_removed() {
    let scratch = Scratch::new();
    let mut maker = Actor::start("segment::tests::draft::role_maker", scratch.path());
    assert_eq!(maker.hears(), "made");
    let temporary = scratch.join(&scratch.names()[0]);
    assert!(!remove_abandoned(&temporary, || false));
    maker.kill();
    eventually("its lock is gone", || {
        remove_abandoned(&temporary, || false)
    });
    assert_eq!(scratch.names(), [""; 0]);
}

#[test]
#[ignore = "a role"]
fn role_maker() {
    let _draft = Draft::new_named(&testing::directory(), 4096, &[], PRIVATE).unwrap();
    say("made");
    linger();
}

#[test]
fn mode_and_group_are_as_asked() {
    let scratch = Scratch::new();
    let group = fs::metadata(scratch.path()).unwrap().gid();
    let access = FileAccess {
        mode: 0o666,
        group: Some(group),
    };
    let draft = Draft::new(scratch.path(), 4096, &[], access).unwrap();
    draft.publish(&scratch.join("a")).unwrap();
    let file = fs::metadata(scratch.join("a")).unwrap();
    assert_eq!((file.mode() & 0o7777, file.gid()), (0o666, group));
}

#[test]
#[cfg_attr(
    feature = "portable",
    ignore = "there is no portable way to reserve memory"
)]
fn only_the_ranges_asked_for_are_reserved() {
    let scratch = Scratch::new();
    let draft = Draft::new(scratch.path(), 1 << 20, &[0..4096, 65536..69632], PRIVATE).unwrap();
    let segment = draft.publish(&scratch.join("a")).unwrap();
    let reserved = || fs::metadata(scratch.join("a")).unwrap().blocks() * 512;
    assert_eq!(reserved(), 8192);
    segment.reserve(131072, 8192).unwrap();
    assert_eq!(reserved(), 16384);
}

#[test]
fn reserving_past_the_end_is_refused() {
    let scratch = Scratch::new();
    let draft = Draft::new(scratch.path(), 4096, &[], PRIVATE).unwrap();
    let segment = draft.publish(&scratch.join("a")).unwrap();
    let Err(SegmentError::Truncated {
        need_bytes,
        have_bytes,
        ..
    }) = segment.reserve(4096, 1)
    else {
        panic!("not refused");
    };
    assert_eq!((need_bytes, have_bytes), (4097, 4096));
    assert!(segment.reserve(u64::MAX, u64::MAX).is_err());
}

#[test]
fn writing_past_the_end_is_refused() {
    let scratch = Scratch::new();
    let draft = Draft::new(scratch.path(), 4096, &[], PRIVATE).unwrap();
    assert!(draft.write_at(4090, &[0; 7]).is_err());
    assert!(draft.write_at(u64::MAX, &[0; 7]).is_err());
}

#[test]
fn a_missing_directory_is_named_in_the_error() {
    let scratch = Scratch::new();
    let error = Draft::new(&scratch.join("no"), 4096, &[], PRIVATE)
        .err()
        .unwrap();
    assert!(matches!(&error, SegmentError::NotFound { path } if *path == scratch.join("no")));
}
