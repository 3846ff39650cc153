//! Participants of one process, each with a registry of its own.

use std::{collections::HashSet, fs, sync::Barrier, thread};

use crate::{
    registry::{OwnerId, Registry, RegistryError},
    segment::{Rights, SegmentError},
    testing::{PRIVATE, Scratch},
};

fn open(scratch: &Scratch) -> Registry {
    open_sized(scratch, 1024)
}

fn open_sized(scratch: &Scratch, participants_max: u32) -> Registry {
    Registry::open_or_create_sized(scratch.path(), PRIVATE, participants_max).unwrap()
}

#[test]
fn two_registries_of_one_process_see_each_other_alive() {
    let scratch = Scratch::new();
    let (first, second) = (open(&scratch), open(&scratch));
    let (a, b) = (first.join().unwrap(), second.join().unwrap());
    assert_ne!(a, b);
    for registry in [&first, &second] {
        assert!(registry.is_alive(a) && registry.is_alive(b));
    }
}

#[test]
fn joining_again_is_the_same_lease() {
    let scratch = Scratch::new();
    let registry = open(&scratch);
    assert_eq!(registry.owner(), None);
    let joined = || registry.join().unwrap();
    let owners: HashSet<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(joined)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(owners, HashSet::from([registry.owner().unwrap()]));
    assert_eq!(registry.participants().count(), 1);
}

#[test]
fn who_has_left_is_dead_and_so_stays_when_the_slot_is_taken_again() {
    let scratch = Scratch::new();
    let observer = open(&scratch);
    let first = open(&scratch);
    let gone = first.join().unwrap();
    drop(first);
    assert!(!observer.is_alive(gone));

    let second = open(&scratch);
    let here = second.join().unwrap();
    assert_eq!(here.slot(), gone.slot());
    assert!(observer.is_alive(here) && !observer.is_alive(gone) && !second.is_alive(gone));
}

#[test]
fn ids_that_nobody_has_are_dead() {
    let scratch = Scratch::new();
    let registry = open_sized(&scratch, 4);
    let owner = registry.join().unwrap();
    for word in [
        5,
        !OwnerId::REAPING,
        owner.word() + 1,
        owner.word() - (1 << 16),
    ] {
        assert!(
            !registry.is_alive(OwnerId::from_word(word).unwrap()),
            "{word:#x}"
        );
    }
    assert!(registry.is_alive(OwnerId::from_word(owner.word() | OwnerId::REAPING).unwrap()));
}

#[test]
fn an_owner_id_is_a_word() {
    assert_eq!(OwnerId::from_word(0), None);
    assert_eq!(OwnerId::from_word(OwnerId::REAPING | 1 << 16), None);
    let owner = OwnerId::new(0xfffe, 1 << 46);
    assert_eq!((owner.slot(), owner.epoch()), (0xfffe, 1 << 46));
    assert_eq!(OwnerId::from_word(owner.word()), Some(owner));
    assert_eq!(
        OwnerId::from_word(owner.word() | OwnerId::REAPING),
        Some(owner)
    );
    assert_eq!(owner.word() & OwnerId::REAPING, 0);
}

#[test]
fn a_bus_of_living_participants_is_full_until_one_leaves() {
    let scratch = Scratch::new();
    let mut members: Vec<_> = (0..3).map(|_| open_sized(&scratch, 3)).collect();
    assert!(members.iter().all(|member| member.join().is_ok()));
    let late = open(&scratch);
    assert!(matches!(
        late.join(),
        Err(RegistryError::Full {
            participants_max: 3,
            ..
        })
    ));
    assert_eq!(late.owner(), None);
    members.pop();
    assert!(late.join().is_ok());
}

#[test]
fn participants_are_described_for_as_long_as_they_stay() {
    let scratch = Scratch::new();
    let (observer, member) = (open(&scratch), open(&scratch));
    let owner = member.join().unwrap();
    let told = observer.describe(owner).unwrap();
    assert_eq!(told.pid, std::process::id());
    assert!(told.process.starts_with("ringbus-"), "{told:?}");
    assert_eq!(observer.participants().collect::<Vec<_>>(), [owner]);
    drop(member);
    assert_eq!(observer.describe(owner), None);
    assert_eq!(observer.participants().count(), 0);
}

#[test]
fn what_a_peer_wrote_as_its_name_is_safe_to_show() {
    let scratch = Scratch::new();
    let registry = open(&scratch);
    let owner = registry.join().unwrap();
    let slot = &registry.slots()[owner.slot()];
    slot.begin_lease(1, "\x1b[2Jévil");
    assert_eq!(slot.participant().process, "\u{fffd}[2Jévil");
    slot.begin_lease(1, &"é".repeat(40));
    assert_eq!(slot.participant().process, "é".repeat(16));
}

#[test]
fn a_reader_asks_who_lives_and_cannot_join() {
    let scratch = Scratch::new();
    let member = open(&scratch);
    let owner = member.join().unwrap();
    let reader = Registry::open_as(&scratch.join("registry"), Rights::ReadOnly).unwrap();
    assert!(reader.is_alive(owner));
    let refused = reader.join();
    assert!(matches!(
        refused,
        Err(RegistryError::Segment(SegmentError::Permission { .. }))
    ));
    drop(member);
    assert!(!reader.is_alive(owner));
    assert_eq!(reader.collect(), 0);
}

#[test]
fn whoever_may_read_the_bus_may_write_its_registry() {
    use std::os::unix::fs::MetadataExt;
    let scratch = Scratch::new();
    let access = crate::segment::Access {
        mode: 0o640,
        group: None,
    };
    drop(Registry::open_or_create(scratch.path(), access).unwrap());
    let status = fs::metadata(scratch.join("registry")).unwrap();
    assert_eq!(status.mode() & 0o7777, 0o660);
    assert!(
        status.blocks() * 512 >= status.len(),
        "every byte is reserved"
    );
}

#[test]
fn many_lives_take_no_slots_for_good() {
    let scratch = Scratch::new();
    let observer = open_sized(&scratch, 2);
    let mut before = None;
    for _ in 0..3000 {
        let member = open(&scratch);
        let owner = member.join().unwrap();
        assert!(observer.is_alive(owner) && before != Some(owner));
        drop(member);
        assert!(!observer.is_alive(owner));
        before = Some(owner);
    }
    assert_eq!(observer.participants().count(), 0);
}

#[test]
fn racing_creators_make_one_bus() {
    for _ in 0..50 {
        let scratch = Scratch::new();
        let start = Barrier::new(4);
        let join = || {
            start.wait();
            let registry = open(&scratch);
            let owner = registry.join().unwrap();
            start.wait(); // all live at once
            (registry.bus_id(), owner)
        };
        let members: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(join)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let buses: HashSet<_> = members.iter().map(|(bus, _)| bus).collect();
        let owners: HashSet<_> = members.iter().map(|(_, owner)| owner).collect();
        assert_eq!((buses.len(), owners.len()), (1, 4));
    }
}

#[test]
fn the_living_are_never_taken_for_dead_while_others_come_and_go() {
    let scratch = Scratch::new();
    let member = open_sized(&scratch, 3);
    let owner = member.join().unwrap();
    let come_and_go = || {
        for _ in 0..500 {
            let other = open(&scratch);
            let _ = other.join();
            assert_eq!(other.collect(), 0, "nobody has died");
            assert!(other.is_alive(owner));
        }
    };
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(come_and_go);
        }
    });
    assert_eq!(member.participants().collect::<Vec<_>>(), [owner]);
}
