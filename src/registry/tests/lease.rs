//! Participants of one process, each with a registry of its own.

use std::{collections::HashSet, fs, sync::Barrier, thread};

use crate::{
    registry::{Access, OwnerId, Registry, RegistryError, owner::EPOCH_MASK},
    segment::{Rights, Segment, SegmentError, remove},
    testing::Scratch,
};

fn open(scratch: &Scratch) -> Registry {
    open_sized(scratch, 1024)
}

fn open_sized(scratch: &Scratch, participants_max: u32) -> Registry {
    Registry::open_or_create_sized(scratch.path(), Access::PRIVATE, participants_max).unwrap()
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
fn epochs_wrap() {
    let scratch = Scratch::new();
    let observer = open(&scratch);
    observer.slots_to_write().unwrap()[0].set_epoch(EPOCH_MASK - 2);
    let mut gone: Vec<OwnerId> = Vec::new();
    for epoch in [EPOCH_MASK - 1, EPOCH_MASK, 0, 1, 2] {
        let registry = open(&scratch);
        let here = registry.join().unwrap();
        assert_eq!((here.slot(), here.epoch()), (0, epoch));
        for each in [&observer, &registry] {
            assert!(each.is_alive(here), "{here:?}");
            assert!(gone.iter().all(|&gone| !each.is_alive(gone)), "{here:?}");
            assert!(gone.iter().all(|&gone| each.describe(gone).is_none()));
        }
        drop(registry);
        assert!(!observer.is_alive(here));
        gone.push(here);
    }
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
#[cfg_attr(
    any(not(target_os = "linux"), feature = "portable"),
    ignore = "locks of the portable backend do not say whose they are"
)]
fn nothing_that_is_written_into_the_registry_changes_who_lives() {
    let scratch = Scratch::new();
    let (vandal, member, gone) = (open(&scratch), open(&scratch), open(&scratch));
    let (living, dead) = (member.join().unwrap(), gone.join().unwrap());
    drop(gone);
    let successor = open(&scratch);
    let also_living = successor.join().unwrap();
    assert_eq!(also_living.slot(), dead.slot());

    for epoch in [0, 1, living.epoch(), 2, 1000, u64::MAX] {
        for slot in vandal.slots_to_write().unwrap() {
            slot.begin_lease(epoch, 1, "forged");
        }
        for registry in [&vandal, &member, &successor] {
            assert!(registry.is_alive(living), "{epoch}");
            assert!(registry.is_alive(also_living), "{epoch}");
            assert!(!registry.is_alive(dead), "{epoch}");
        }
        let newcomer = open(&scratch);
        let owner = newcomer.join().unwrap();
        assert!(vandal.is_alive(owner), "{epoch}");
        drop(newcomer);
        assert!(!vandal.is_alive(owner), "{epoch}");
    }
}

#[test]
fn an_owner_id_is_a_word() {
    assert_eq!(OwnerId::from_word(0), None);
    assert_eq!(OwnerId::from_word(OwnerId::REAPING | 1 << 16), None);
    let owner = OwnerId::new(0xfffe, 1 << 45);
    assert_eq!((owner.slot(), owner.epoch()), (0xfffe, 1 << 45));
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
    let slot = &registry.slots_to_write().unwrap()[owner.slot()];
    slot.begin_lease(7, 1, "\x1b[2Jévil");
    assert_eq!(slot.participant().process, "\u{fffd}[2Jévil");
    slot.begin_lease(7, 1, &"é".repeat(40));
    assert_eq!(slot.participant().process, "é".repeat(16));
}

/// The registry as one sees it who may only read it.
fn open_to_observe(scratch: &Scratch) -> Registry {
    let mut registry = open(scratch);
    registry.leases = None;
    registry
}

#[test]
fn an_observer_sees_who_lives_and_cannot_join() {
    let scratch = Scratch::new();
    let member = open(&scratch);
    let owner = member.join().unwrap();
    let observer = open_to_observe(&scratch);
    assert!(observer.is_alive(owner));
    let refused = observer.join();
    assert!(matches!(
        refused,
        Err(RegistryError::Segment(SegmentError::Permission { .. }))
    ));
    drop(member);
    assert!(!observer.is_alive(owner));
    assert_eq!(observer.collect(), 0);
}

#[test]
#[cfg_attr(feature = "portable", ignore = "only one user takes part")]
fn a_lock_on_the_registry_hides_participants_from_observers_alone() {
    let scratch = Scratch::new();
    let attacker = Segment::open(&scratch.join("registry"), Rights::ReadWrite);
    assert!(attacker.is_err(), "nothing is there yet");
    let (member, peer) = (open(&scratch), open(&scratch));
    let attacker = Segment::open(&scratch.join("registry"), Rights::ReadWrite).unwrap();
    let all = attacker.locks().try_lock_range(0, i64::MAX as u64);
    assert!(all.unwrap(), "no lock on the registry is needed by anybody");
    let owner = member.join().unwrap();
    assert!(peer.join().is_ok() && peer.is_alive(owner));
    drop(attacker);
    assert!(!open_to_observe(&scratch).is_alive(owner));
    drop(member);
    assert!(!peer.is_alive(owner));
}

#[test]
fn a_look_maps_nothing_writable() {
    let scratch = Scratch::new();
    let (member, observer) = (open(&scratch), open(&scratch));
    let owner = member.join().unwrap();
    assert!(observer.is_alive(owner) && observer.describe(owner).is_some());
    assert!(observer.writable.get().is_none() && member.writable.get().is_some());
}

#[test]
fn who_opened_a_bus_that_was_removed_cannot_join_its_successor() {
    let scratch = Scratch::new();
    let late = open(&scratch);
    remove(&scratch.join("registry")).unwrap();
    let is_removed = |joined| matches!(joined, Err(RegistryError::Removed { .. }));
    assert!(is_removed(late.join()));
    assert_ne!(open(&scratch).bus_id(), late.bus_id());
    assert!(is_removed(late.join()));
}

#[test]
fn a_bus_without_its_leases_is_an_error_that_names_them() {
    let scratch = Scratch::new();
    let bus_id = open(&scratch).bus_id();
    let leases = scratch.join(&format!("{bus_id:016x}.leases"));
    remove(&leases).unwrap();
    let error = Registry::open_or_create(scratch.path(), Access::PRIVATE).err();
    let error = error.unwrap().to_string();
    assert!(error.contains(leases.to_str().unwrap()), "{error}");
}

#[test]
fn only_who_may_subscribe_may_write_the_registry_and_open_the_leases() {
    use std::os::unix::fs::MetadataExt;
    for (mode, of_registry, of_leases) in [
        (0o640, 0o640, 0o600),
        (0o650, 0o660, 0o660),
        (0o664, 0o664, 0o660),
        (0o645, 0o646, 0o606),
    ] {
        let scratch = Scratch::new();
        let access = Access::from_mode(mode).unwrap();
        let bus_id = Registry::open_or_create(scratch.path(), access)
            .unwrap()
            .bus_id();
        let leases = fs::metadata(scratch.join(&format!("{bus_id:016x}.leases"))).unwrap();
        assert_eq!(leases.mode() & 0o7777, of_leases);
        let status = fs::metadata(scratch.join("registry")).unwrap();
        assert_eq!(status.mode() & 0o7777, of_registry);
        assert!(
            status.blocks() * 512 >= status.len(),
            "every byte is reserved"
        );
    }
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
