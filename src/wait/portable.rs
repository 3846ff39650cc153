//! Sleeping where there is neither futex nor membarrier: an event of `raw_sync` for each sleeper.
//!
//! Behind each segment is room for [`SEATS`] seats. A sleeper takes one by its lock, writes down on
//! which word it sleeps, looks at the word once more, and waits for the event in the seat. Whoever wakes
//! sets the events of all seats in which that word is written. Where no seat is free, and for words
//! in no segment, a sleeper looks at its word every millisecond.
//!
//! One sleeper per event, because `raw_sync` does not survive the death of one of several: the next
//! to set the event hangs, with its mutex locked. A sole sleeper that is killed leaves an event
//! nobody waits for, and its lock tells the next one to make it anew.

use std::time::{Duration, Instant, SystemTime};

use raw_sync::{
    Timeout,
    events::{Event, EventImpl, EventInit, EventState},
};

use crate::{
    segment::{ROOM_BYTES, Room},
    shared::Shared,
    sync::{AtomicU32, Ordering, fence},
};

/// membarrier(2): nothing like it is everywhere, so that each side fences for itself.
pub(super) mod membarrier {
    use crate::sync::{Ordering, compiler_fence, fence};

    pub(in crate::wait) fn heavy_barrier() -> bool {
        fence(Ordering::SeqCst);
        true // all notifiers fence
    }

    #[inline(always)]
    pub(in crate::wait) fn light_barrier() {
        compiler_fence(Ordering::SeqCst);
    }

    pub(in crate::wait) fn must_fence() -> bool {
        true
    }
}

/// futex(2), by seats.
pub(super) mod futex {
    pub(in crate::wait) use super::{wait, wake_all};
}

/// Sleeps while `word` is `expected`, until woken or for `timeout`.
pub(in crate::wait) fn wait(word: &AtomicU32, expected: u32, timeout: Duration) {
    let deadline = Instant::now() + timeout.min(LONGEST);
    let room = Room::of(word);
    let mut seat = room.as_ref().and_then(Seat::take);
    if let Some(seat) = &seat {
        seat.head.word.store(seat.room.word(), Ordering::Relaxed);
        // Pairs with the fence in `wake_all`: either this look sees the word changed, or the waker
        // sees the seat taken.
        fence(Ordering::SeqCst);
    }
    while word.load(Ordering::Relaxed) == expected {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        match &seat {
            Some(sitting) if sitting.wait(left) => {}
            Some(_) => seat = None, // it fails: look at the word instead
            None => std::thread::sleep(left.min(LOOK_EVERY)),
        }
    }
}

/// Wakes all who sleep on `word`, which has changed.
pub(in crate::wait) fn wake_all(word: &AtomicU32) {
    fence(Ordering::SeqCst); // pairs with the one in `wait`
    let Some(room) = Room::of(word) else { return };
    for index in 0..SEATS {
        let head = head(&room, index);
        let sleeps_here = head.state.load(Ordering::Acquire) == TAKEN
            && head.word.load(Ordering::Relaxed) == room.word();
        if sleeps_here && !set(&room, index) {
            // Only from TAKEN: its sleeper may have given it up meanwhile.
            let _ =
                head.state
                    .compare_exchange(TAKEN, BROKEN, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

/// A seat that this thread has, until drop.
struct Seat<'r> {
    room: &'r Room,
    head: &'r Head,
    event: Box<dyn EventImpl>,
    /// Dropped last.
    _lock: Box<dyn Send>,
}

impl<'r> Seat<'r> {
    /// Takes a seat that is free or, if none is, one whose sleeper is dead.
    fn take(room: &'r Room) -> Option<Self> {
        let looks_free =
            |index: &usize| matches!(head(room, *index).state.load(Ordering::Relaxed), NEW | FREE);
        let free = (0..SEATS).filter(|index| looks_free(index));
        let taken = (0..SEATS).filter(|index| !looks_free(index));
        free.chain(taken)
            .find_map(|index| Self::take_this(room, index))
    }

    fn take_this(room: &'r Room, index: usize) -> Option<Self> {
        let lock = room.try_lock(index).ok()??;
        let head = head(room, index);
        let memory = event_memory(room, index);
        let left_in_order = head.state.load(Ordering::Acquire) == FREE;
        // On Windows an event ends with its last handle.
        let event = match left_in_order && cfg!(unix) {
            // SAFETY:
            // - `memory` is mapped while `room` lives, and has room for an event (`event_memory`).
            // - an event was made there, and nobody is left in it: FREE, by the one who had the lock.
            true => unsafe { Event::from_existing(memory) },
            false => {
                if head.state.swap(NEW, Ordering::Relaxed) != NEW {
                    // Its sleeper died. Whoever was about to wake it has done so by then.
                    std::thread::sleep(LET_WAKERS_PASS);
                }
                // SAFETY:
                // - `memory` as above. Nobody else makes an event there: the lock. Wakers leave it
                //   alone: NEW.
                unsafe { Event::new(memory, RESETS_ITSELF) }
            }
        };
        let (event, _) = event.ok()?;
        head.word.store(NO_WORD, Ordering::Relaxed);
        // Release: whoever sees it TAKEN sees the event made.
        head.state.store(TAKEN, Ordering::Release);
        Some(Self {
            room,
            head,
            event,
            _lock: Box::new(lock),
        })
    }

    /// Waits for the event, until some moment before `timeout`. False where that failed at once.
    fn wait(&self, timeout: Duration) -> bool {
        let start = Instant::now();
        let Some(slice) = slice(timeout) else {
            std::thread::sleep(timeout.min(LOOK_EVERY));
            return true;
        };
        let ended = self.event.wait(Timeout::Val(slice));
        // An error is a timeout as well: only the time that it took tells.
        ended.is_ok() || start.elapsed() >= slice / 2
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.head.word.store(NO_WORD, Ordering::Relaxed);
        // Where a waker has found it broken, it stays so, to be made anew.
        let _ = self
            .head
            .state
            .compare_exchange(TAKEN, FREE, Ordering::Release, Ordering::Relaxed);
    }
}

/// Sets the event of a seat; false where its mutex cannot be had.
fn set(room: &Room, index: usize) -> bool {
    let memory = event_memory(room, index);
    if !can_be_locked(memory) {
        return false;
    }
    // SAFETY:
    // - `memory` is mapped while `room` lives, and has room for an event (`event_memory`).
    // - an event was made there: TAKEN, by Acquire.
    let event = unsafe { Event::from_existing(memory) };
    event.is_ok_and(|(event, _)| event.set(EventState::Signaled).is_ok())
}

/// Whether the mutex of an event can be locked, as nobody has died with it: `Event::set` would wait
/// for it without an end.
#[cfg(unix)]
fn can_be_locked(memory: *mut u8) -> bool {
    use raw_sync::locks::{LockImpl, LockInit, Mutex};
    /// How long it may be locked, for the few instructions that need it.
    const PATIENCE: Duration = Duration::from_millis(1);
    const TRIES: u32 = 3;
    // SAFETY:
    // - as for the event in `set`, which begins with this mutex.
    let mutex = unsafe { Mutex::from_existing(memory, std::ptr::null_mut()) };
    let Ok((mutex, _)) = mutex else { return false };
    let mutex: &dyn LockImpl = &*mutex;
    (0..TRIES).any(|_| {
        let patience = slice(PATIENCE).unwrap_or(Duration::ZERO);
        mutex.try_lock(Timeout::Val(patience)).is_ok()
    })
}

/// On Windows an event is an object of the kernel, which nobody can leave locked.
#[cfg(not(unix))]
fn can_be_locked(_memory: *mut u8) -> bool {
    true
}

/// As much of `timeout` as `raw_sync` can wait: it adds the nanoseconds of a timeout to those of the
/// wall clock and does not carry, so that a wait must end before the second does. `None` where that
/// is too little.
fn slice(timeout: Duration) -> Option<Duration> {
    let second = Duration::from_secs(1);
    let passed = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let left = second - Duration::from_nanos(passed.subsec_nanos().into());
    let slice = timeout.min(left.checked_sub(BEFORE_THE_SECOND)?);
    // Windows counts in milliseconds, and takes less than one for none.
    match cfg!(unix) {
        true => (!slice.is_zero()).then_some(slice),
        false => Some(slice.max(Duration::from_millis(1))),
    }
}

/// What stands before the event in a seat.
#[repr(C)]
struct Head {
    state: AtomicU32,
    /// The number of the word slept on, in its segment.
    word: AtomicU32,
}

// SAFETY: `repr(C)`, atomics only.
unsafe impl Shared for Head {}

fn head(room: &Room, index: usize) -> &Head {
    // SAFETY: in bounds: `index` is less than `SEATS`, which fill the room.
    let head = unsafe { room.base().byte_add(index * SEAT_BYTES) };
    // SAFETY:
    // - mapped while `room` lives; aligned: seats are 256 bytes apart, from a page on.
    // - valid whatever a peer writes, and its writes are no race on it: `Head: Shared`.
    unsafe { head.cast().as_ref() }
}

/// Where the event of a seat is: 8-aligned, `SEAT_BYTES - EVENT_AT` bytes.
fn event_memory(room: &Room, index: usize) -> *mut u8 {
    // SAFETY: in bounds, as in `head`.
    unsafe { room.base().byte_add(index * SEAT_BYTES + EVENT_AT) }.as_ptr()
}

/// How many can sleep on the words of one segment at the same time, otherwise than by looking.
const SEATS: usize = ROOM_BYTES / SEAT_BYTES;
const SEAT_BYTES: usize = 256;
const EVENT_AT: usize = 16;
const _: () = assert!(size_of::<Head>() <= EVENT_AT);

// The event has what `raw_sync` puts there on Unix (its own `size_of` counts the mutex twice where
// it is aligned): a mutex, a condition variable, two bytes, each from a multiple of 8 on.
#[cfg(unix)]
const _: () = assert!(
    size_of::<libc::pthread_mutex_t>().next_multiple_of(8)
        + (size_of::<libc::pthread_cond_t>() + 2).next_multiple_of(8)
        <= SEAT_BYTES - EVENT_AT
);

/// No event was ever made there, or it is no more.
const NEW: u32 = 0;
/// There is an event, and nobody in it.
const FREE: u32 = 1;
const TAKEN: u32 = 2;
/// Its mutex stays locked.
const BROKEN: u32 = 3;

const NO_WORD: u32 = u32::MAX;
const RESETS_ITSELF: bool = true;

/// The longest sleep; nobody asks for more.
const LONGEST: Duration = Duration::from_secs(60);
/// How often to look at a word without an event.
const LOOK_EVERY: Duration = Duration::from_millis(1);
const LET_WAKERS_PASS: Duration = Duration::from_millis(1);
/// For the time between the look at the clock here and the one in `raw_sync`.
const BEFORE_THE_SECOND: Duration = Duration::from_millis(2);
