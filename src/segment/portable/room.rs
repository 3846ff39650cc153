//! Room behind each segment for those who sleep on a word of it.
//!
//! Native sleepers need no memory: the kernel keeps them by the address of the word. Here they leave
//! something in shared memory, which lies behind the segment, so that the layouts above know nothing
//! of it. What it is, only `wait` knows.

use std::{
    io,
    ptr::NonNull,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    lock::{LockFile, Locks},
    object::Object,
};
use crate::{segment::fork, sync::AtomicU32};

/// The room that goes with a word in a segment that is mapped here; it stays mapped.
pub(crate) struct Room {
    object: Arc<Object>,
    locks: Locks,
    word: u32,
}

impl Room {
    /// The room that goes with `word`; `None` where it is in no segment.
    pub(crate) fn of(word: &AtomicU32) -> Option<Self> {
        let address = std::ptr::from_ref(word).addr();
        let is_around = |(object, _): &&(Arc<Object>, Locks)| {
            let start = object.base().addr().get();
            (start..start + object.len() as usize).contains(&address)
        };
        let (object, locks) = with_mapped(|mapped| mapped.iter().find(is_around).cloned())?;
        let offset = address - object.base().addr().get();
        let word = (offset / size_of::<u32>()) as u32;
        Some(Self {
            object,
            locks,
            word,
        })
    }

    /// The number of the word in its segment: the same in each process.
    pub(crate) fn word(&self) -> u32 {
        self.word
    }

    /// The first of [`ROOM_BYTES`], on a page; zero when the segment was made.
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.object.room()
    }

    /// Takes a place in the room, whose meaning is the caller's; `None` while another one has it.
    /// It is given back by drop or death.
    pub(crate) fn try_lock(&self, place: usize) -> io::Result<Option<LockFile>> {
        self.locks.try_lock(&format!("s{place}"))
    }
}

/// Makes the room of an object known.
pub(super) fn register(object: &Arc<Object>, locks: &Locks) {
    with_mapped(|mapped| mapped.push((Arc::clone(object), locks.clone())));
}

/// Forgets the room of an object.
pub(super) fn deregister(object: &Arc<Object>) {
    let is_it = |(known, _): &(Arc<Object>, Locks)| Arc::ptr_eq(known, object);
    let gone = with_mapped(|mapped| {
        let at = mapped.iter().position(is_it)?;
        Some(mapped.swap_remove(at))
    });
    drop(gone); // outside of the lock
}

fn with_mapped<T>(f: impl FnOnce(&mut Vec<(Arc<Object>, Locks)>) -> T) -> T {
    // No fork meanwhile, so that the child's copy is not locked for good.
    fork::exclude(|| f(&mut MAPPED.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// What is mapped in this process; in a forked child, also what its parents had.
static MAPPED: Mutex<Vec<(Arc<Object>, Locks)>> = Mutex::new(Vec::new());

/// Bytes of room behind a segment; untouched, they take no memory.
pub(crate) const ROOM_BYTES: usize = 16 << 10;
