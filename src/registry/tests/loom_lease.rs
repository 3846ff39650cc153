//! Leases that begin and end beside those who ask whether they last.

use std::sync::Arc;

use loom::{sync::Mutex, thread};

use super::{
    owner::OwnerId,
    slot::{Slot, lock_len},
};
use crate::{
    ring::owner::{self, Deaths},
    sync::{AtomicU64, Ordering, model},
};

/// A registry with one slot, and a topic with one place.
#[derive(Default)]
struct Host {
    slot: Slot,
    /// How long the lock is that an open file of a living process has on the slot.
    lock: Mutex<Option<u64>>,
    /// The locks have no length, as those of the portable backend.
    is_portable: bool,
    place: AtomicU64,
}

impl Host {
    fn new(is_portable: bool) -> Arc<Self> {
        Arc::new(Self {
            is_portable,
            ..Self::default()
        })
    }

    /// Takes the slot's lock, if it is free, and with it a lease.
    fn join(&self, pid: u32) -> Option<OwnerId> {
        self.try_lock().then(|| self.take_slot(pid))
    }

    /// Takes a lease. The caller has the slot's first lock byte.
    fn take_slot(&self, pid: u32) -> OwnerId {
        let epoch = self.slot.next_epoch();
        if !self.is_portable {
            *self.lock.lock().unwrap() = Some(lock_len(epoch));
        }
        self.slot.begin_lease(epoch, pid, "");
        OwnerId::new(0, epoch)
    }

    fn try_lock(&self) -> bool {
        let mut lock = self.lock.lock().unwrap();
        lock.is_none() && lock.replace(1).is_none()
    }

    fn locked_len(&self) -> Option<u64> {
        *self.lock.lock().unwrap()
    }

    /// What the kernel does when a process is dead.
    fn bury(&self) {
        *self.lock.lock().unwrap() = None;
    }

    fn claim_place(&self, owner: OwnerId) -> bool {
        owner::claim(owner.word(), 1, |_| &self.place, self).is_some()
    }

    fn pid_of(&self, owner: OwnerId) -> Option<u32> {
        let participant = self.slot.participant_of(owner.epoch());
        participant.map(|participant| participant.pid)
    }
}

impl Deaths for Host {
    fn is_dead(&self, owner: u64) -> bool {
        let owner = OwnerId::from_word(owner);
        owner.is_some_and(|owner| !self.slot.is_alive(owner.epoch(), self.locked_len()))
    }
}

/// Edge EPOCH: who owns a place is not taken for dead by those who find it there, and can be named.
/// Fails if the place is claimed, or looked at, Relaxed.
#[test]
fn loom_owner_that_was_found_is_alive() {
    model::explore(None, || {
        let host = Host::new(true);
        let first = host.join(1).unwrap();
        assert!(host.claim_place(first));
        host.bury();
        let newcomer = thread::spawn({
            let host = Arc::clone(&host);
            move || {
                let second = host.join(2).unwrap();
                assert_ne!(second, first);
                assert!(host.claim_place(second));
                second
            }
        });
        let found = OwnerId::from_word(host.place.load(Ordering::Acquire)).unwrap();
        if found != first {
            assert_eq!(host.pid_of(found), Some(2));
        }
        owner::reap_record_if_dead(&host.place, &*host);
        let second = newcomer.join().unwrap();
        assert_eq!(host.place.load(Ordering::Acquire), second.word());
        assert!(host.is_dead(first.word()));
    });
}

/// One that vanishes while it takes a slot, or a place, is dead, and stays dead when the slot is taken
/// again, by one that has another name, and is never taken for dead itself.
#[test]
fn loom_participant_that_vanishes_is_dead_for_ever() {
    vanish(false);
}

/// The same by locks that have no length, so that the slot's epoch decides.
#[test]
fn loom_participant_that_vanishes_is_dead_for_ever_by_its_epoch_alone() {
    vanish(true);
}

fn vanish(is_portable: bool) {
    model::explore_vanishing(None, move |victim| {
        let host = Host::new(is_portable);
        let successor = thread::spawn({
            let host = Arc::clone(&host);
            move || {
                let owner = host.join(2)?;
                let has_place = host.claim_place(owner);
                Some((owner, has_place))
            }
        });
        let locked = host.try_lock();
        let lived = victim.act(|| {
            let owner = locked.then(|| host.take_slot(1));
            owner.map(|owner| (owner, host.claim_place(owner)))
        });
        let found = host.place.load(Ordering::Acquire);
        if locked {
            host.bury();
        }
        // A reaper of the living: nobody's place is taken who may still use it.
        let is_reaped = owner::reap_record_if_dead(&host.place, &*host);
        let successor = successor.join().unwrap();
        if let Some((owner, has_place)) = successor {
            assert!(!host.is_dead(owner.word()));
            assert!(
                lived
                    .flatten()
                    .is_none_or(|(dead, _)| dead != owner && host.is_dead(dead.word()))
            );
            assert!(!is_reaped || locked);
            if has_place {
                assert_eq!(host.place.load(Ordering::Acquire), owner.word());
                assert_eq!(host.pid_of(owner), Some(2));
            }
        } else {
            assert!(locked && (found == 0 || is_reaped));
            assert_eq!(host.place.load(Ordering::Acquire), 0);
        }
    });
}
