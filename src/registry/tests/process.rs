//! Participants of other processes: how they die, and what is left of them.

use std::{thread, time::Duration};

use crate::{
    registry::{Access, OwnerId, Registry, RegistryError},
    segment::{SegmentError, random_id},
    testing::{self, Actor, Scratch, eventually, linger, say},
};

fn open(scratch: &Scratch) -> Registry {
    Registry::open_or_create(scratch.path(), Access::PRIVATE).unwrap()
}

fn start_member(scratch: &Scratch) -> (Actor, OwnerId) {
    let mut member = Actor::start("registry::tests::process::role_member", scratch.path());
    let word = member.hears().parse().unwrap();
    (member, OwnerId::from_word(word).unwrap())
}

#[test]
#[ignore = "a role"]
fn role_member() {
    let registry = Registry::open_or_create(&testing::directory(), Access::PRIVATE).unwrap();
    say(&registry.join().unwrap().word().to_string());
    linger();
}

#[test]
fn a_killed_member_is_dead_and_its_slot_is_collected() {
    let scratch = Scratch::new();
    let registry = open(&scratch);
    let (mut member, owner) = start_member(&scratch);
    assert!(registry.is_alive(owner));
    member.kill();
    eventually("the member is dead", || !registry.is_alive(owner));
    assert!(registry.describe(owner).is_some(), "it can still be named");
    assert_eq!((registry.collect(), registry.collect()), (1, 0));
    assert_eq!(registry.describe(owner), None);
}

#[test]
fn a_stopped_member_is_alive() {
    let scratch = Scratch::new();
    let registry = open(&scratch);
    let (member, owner) = start_member(&scratch);
    member.signal(libc::SIGSTOP);
    thread::sleep(Duration::from_millis(50));
    assert!(registry.is_alive(owner));
    assert_eq!(registry.collect(), 0);
    member.signal(libc::SIGCONT);
    assert!(member.ends_well());
    eventually("the member has left", || !registry.is_alive(owner));
}

#[test]
fn the_slot_of_the_dead_is_taken_without_a_collector() {
    let scratch = Scratch::new();
    let registry = Registry::open_or_create_sized(scratch.path(), Access::PRIVATE, 1).unwrap();
    let (mut member, dead) = start_member(&scratch);
    assert!(registry.join().is_err());
    member.kill();
    eventually("the slot can be had", || registry.join().is_ok());
    let owner = registry.owner().unwrap();
    assert_eq!(
        (owner.slot(), owner.epoch()),
        (dead.slot(), dead.epoch() + 1)
    );
}

#[test]
fn a_forked_child_neither_joins_nor_leaves_for_its_parent() {
    let scratch = Scratch::new();
    let (registry, observer) = (open(&scratch), open(&scratch));
    let owner = registry.join().unwrap();
    // SAFETY: the child uses no lock that another thread may hold, prints nothing, and exits.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let refuses = |registry: &Registry| is_forked(registry.join());
        let refused = refuses(&registry) && refuses(&observer) && observer.collect() == 0;
        drop((registry, observer));
        // SAFETY: ends the child without running what belongs to the parent.
        unsafe { libc::_exit(if refused { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: the pid is that of the child; `status` is one int, exclusively borrowed.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0);
    assert!(observer.is_alive(owner) && observer.describe(owner).is_some());
}

fn is_forked(joined: Result<OwnerId, RegistryError>) -> bool {
    matches!(
        joined,
        Err(RegistryError::Segment(SegmentError::Forked { .. }))
    )
}

#[test]
fn members_killed_while_they_come_and_go_leave_nothing() {
    let scratch = Scratch::new();
    let registry = open(&scratch);
    for _ in 0..25 {
        let role = "registry::tests::process::role_restless";
        let mut member = Actor::start(role, scratch.path());
        assert_eq!(member.hears(), "restless");
        thread::sleep(Duration::from_micros(random_id() % 2000));
        member.kill();
    }
    eventually("all are dead", || {
        registry.collect();
        registry.participants().count() == 0
    });
    assert_eq!(scratch.names().len(), 2, "registry and leases");
    assert!(registry.join().is_ok());
}

#[test]
#[ignore = "a role"]
fn role_restless() {
    say("restless");
    loop {
        let registry = Registry::open_or_create(&testing::directory(), Access::PRIVATE).unwrap();
        registry.join().unwrap();
        registry.collect();
    }
}
