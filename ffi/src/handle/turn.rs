//! One call at a time, for objects that one thread at a time may use; another is refused at once.
//!
//! A compare-and-swap in each call would cost more than a publish does. So the thread that used a handle
//! last has a *seat* there, and takes its turn with plain loads and stores. Another thread has to ask: it
//! takes the lock, takes the seat away, and makes every running thread of the process pass a full fence
//! (membarrier(2)) before it looks whether somebody sits there.
//!
//! ```text
//! the seat's thread                          another thread
//!   is the seat mine, and empty?               lock
//!   sit down: inside = true                    seat = none
//!   (edge TURN: the compiler keeps the order)  (edge TURN: fence everywhere)
//!   is the seat still mine? go on              inside? give the seat back: refused
//!   else stand up, and ask                     else the seat is my own now
//! ```
//!
//! Either the asking thread sees `inside`, or the seat's thread sees that the seat is gone. Each thread has
//! a seat of its own for each place, which nobody else ever writes: a store that comes late spoils nothing.
//! A handle that is passed around a lot has no seat any more, and each call locks.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering, compiler_fence};

use super::barrier;

/// Who may use an object.
pub(super) struct Turn {
    /// Where one thread can sit down without asking; NULL: everybody asks.
    seat: AtomicPtr<Seat>,
    /// Held to change the seat, and where there is none, for the whole turn.
    lock: AtomicBool,
    /// Every thread's seat here, made at its first turn and never freed.
    seats: AtomicPtr<Seat>,
    /// How often the seat went to another thread, of this handle; changed by who has the lock.
    moves: AtomicU32,
}

/// One thread's, at one place.
struct Seat {
    thread: usize,
    inside: AtomicBool,
    next: *const Seat,
}

/// A turn, which ends with it.
pub(super) struct Taken<'t>(&'t AtomicBool);

/// A seat that moves more often costs more than it saves: a move takes microseconds.
const MOVES_MAX: u32 = 64;
/// Bounds what threads that come and go leave behind.
const SEATS_MAX: usize = 32;

impl Turn {
    pub(super) const fn new() -> Self {
        Self {
            seat: AtomicPtr::new(ptr::null_mut()),
            lock: AtomicBool::new(false),
            seats: AtomicPtr::new(ptr::null_mut()),
            moves: AtomicU32::new(0),
        }
    }

    /// Forgets how the handle before was used; nobody has the new one yet.
    pub(super) fn start(&self) {
        self.moves.store(0, Ordering::Relaxed);
    }

    /// Takes a turn, in which `is_current` holds; `None` where another call has it, or it does not hold.
    pub(super) fn take(&self, is_current: impl Fn() -> bool) -> Option<Taken<'_>> {
        let sat = self.sit().filter(|_| is_current());
        sat.or_else(|| self.ask(is_current))
    }

    /// Takes a turn if this thread has the seat; `None` says nothing else. What only somebody who has a
    /// turn changes is as it was before: who had one since has the seat now, or has left none.
    #[inline(always)]
    pub(super) fn sit(&self) -> Option<Taken<'_>> {
        let here = current_thread();
        // Acquire: the seat's fields, and what its thread left at its last turn.
        let seat = self.seat.load(Ordering::Acquire);
        // SAFETY: NULL, or a seat, which is never freed.
        if let Some(mine) = unsafe { seat.as_ref() }
            && mine.thread == here
            && !mine.inside.load(Ordering::Relaxed)
        {
            mine.inside.store(true, Ordering::Relaxed);
            // Edge TURN, pairs with the barrier in `ask`.
            compiler_fence(Ordering::SeqCst);
            if ptr::eq(self.seat.load(Ordering::Relaxed), seat) {
                return Some(Taken(&mine.inside));
            }
            mine.inside.store(false, Ordering::Release);
        }
        None
    }

    #[cold]
    fn ask(&self, is_current: impl Fn() -> bool) -> Option<Taken<'_>> {
        // Acquire: what the last to have the lock did.
        if self.lock.swap(true, Ordering::Acquire) {
            return None;
        }
        let lock = Taken(&self.lock);
        let seat = self.seat.swap(ptr::null_mut(), Ordering::Acquire);
        // SAFETY: NULL, or a seat, which is never freed.
        if let Some(other) = unsafe { seat.as_ref() } {
            // Edge TURN, pairs with the fence in `sit`.
            let is_ordered = barrier::everywhere();
            // Acquire: what its thread did in its last turn.
            if !is_ordered || other.inside.load(Ordering::Acquire) {
                self.seat.store(seat, Ordering::Release);
                return None;
            }
        }
        if !is_current() {
            return None;
        }
        let Some(mine) = self.seat_of_this_thread() else {
            return Some(lock);
        };
        mine.inside.store(true, Ordering::Relaxed);
        // Release: who takes this seat away sees that somebody sits there.
        self.seat
            .store(ptr::from_ref(mine).cast_mut(), Ordering::Release);
        Some(Taken(&mine.inside))
    }

    /// `None` where each call had better lock.
    fn seat_of_this_thread(&self) -> Option<&'static Seat> {
        let moves = self.moves.load(Ordering::Relaxed);
        if moves > MOVES_MAX || !barrier::is_there() {
            return None;
        }
        self.moves.store(moves + 1, Ordering::Relaxed);
        let thread = current_thread();
        let first = self.seats.load(Ordering::Relaxed).cast_const();
        let mut next = first;
        for _ in 0..SEATS_MAX {
            // SAFETY: NULL, or a seat, which is never freed.
            let Some(seat) = (unsafe { next.as_ref() }) else {
                return Some(self.add_seat(thread, first));
            };
            if seat.thread == thread {
                return Some(seat);
            }
            next = seat.next;
        }
        None
    }

    fn add_seat(&self, thread: usize, next: *const Seat) -> &'static Seat {
        let seat = Seat {
            thread,
            inside: AtomicBool::new(false),
            next,
        };
        let seat: &'static Seat = Box::leak(Box::new(seat));
        self.seats
            .store(ptr::from_ref(seat).cast_mut(), Ordering::Relaxed);
        seat
    }
}

// SAFETY: `next` is a seat that is never freed, and is not changed.
unsafe impl Sync for Seat {}

impl Drop for Taken<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // Release: whoever has the next turn sees what was done in this one.
        self.0.store(false, Ordering::Release);
    }
}

/// What tells this thread from every other that lives.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[inline(always)]
fn current_thread() -> usize {
    let thread: usize;
    // SAFETY: on Linux, fs is the base of the thread's control block, whose first word is its address.
    unsafe {
        std::arch::asm!(
            "mov {}, fs:0",
            out(reg) thread,
            options(nostack, preserves_flags, readonly, pure)
        );
    };
    thread
}

#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
#[inline(always)]
fn current_thread() -> usize {
    let thread: usize;
    // SAFETY: on Linux, the register holds the address of the thread's control block.
    unsafe {
        std::arch::asm!(
            "mrs {}, tpidr_el0",
            out(reg) thread,
            options(nomem, nostack, preserves_flags, pure)
        );
    };
    thread
}

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
fn current_thread() -> usize {
    thread_local!(static HERE: u8 = const { 0 });
    HERE.with(|here| ptr::from_ref(here).addr())
}
