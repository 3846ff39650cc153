//! Handles under threads: one turn at a time, objects that live as long as they are used.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use super::{Handle, Kind, close, give, share, with};
use crate::code::Code;
use crate::failure::Failure;

/// Notices when two calls use it at once.
struct Alone {
    is_used: Arc<AtomicBool>,
    /// Written without any synchronisation of its own.
    turns: u64,
}

impl Handle for Alone {
    const KIND: Kind = Kind::Publisher;
    const IS_SHARED: bool = false;
}

impl Alone {
    fn new() -> Self {
        Self {
            is_used: Arc::default(),
            turns: 0,
        }
    }

    fn use_alone(&mut self) -> Result<(), Failure> {
        assert!(
            !self.is_used.swap(true, Ordering::Relaxed),
            "two turns at once"
        );
        // Long enough for another to come in between.
        (0..self.turns % 64).for_each(|_| std::hint::spin_loop());
        self.turns += 1;
        self.is_used.store(false, Ordering::Relaxed);
        Ok(())
    }
}

/// A handle as a number, which any thread may have.
#[derive(Clone, Copy)]
struct Passed(usize);

impl Passed {
    fn new<T: Handle>(object: T) -> Self {
        Self(give(object).unwrap().addr())
    }

    fn get<T>(self) -> *mut T {
        ptr::without_provenance_mut(self.0)
    }
}

fn code_of<T>(result: Result<T, Failure>) -> Code {
    result.err().map_or(Code::Ok, |failure| failure.code())
}

#[test]
fn threads_at_once_are_done_or_refused_one_by_one() {
    // Each handle is used by two threads, from when one of them has a seat there: the moment that
    // matters, when the other takes it away, comes once a round.
    const FOR: Duration = Duration::from_millis(1500);
    let start = Instant::now();
    let (mut rounds, mut refused) = (0u64, 0u64);
    while start.elapsed() < FOR {
        let handle = Passed::new(Alone::new());
        with(handle.get(), "handle", Alone::use_alone).unwrap();
        let barrier = Arc::new(Barrier::new(2));
        let other = thread::spawn({
            let barrier = Arc::clone(&barrier);
            move || {
                barrier.wait();
                hammer(handle)
            }
        });
        barrier.wait();
        let (here, there) = (hammer(handle), other.join().unwrap());
        let turns = with(handle.get::<Alone>(), "handle", |alone| Ok(alone.turns)).unwrap();
        assert_eq!(turns, 1 + here.0 + there.0, "a turn was lost");
        refused += here.1 + there.1;
        rounds += 1;
        close(handle.get::<Alone>(), "handle").unwrap();
    }
    assert!(rounds > 10, "{rounds}");
    println!("{rounds} rounds, {refused} calls refused");
}

/// How many turns it had, and how many it was refused.
fn hammer(handle: Passed) -> (u64, u64) {
    let (mut done, mut refused) = (0, 0);
    for _ in 0..400 {
        match code_of(with(handle.get(), "handle", Alone::use_alone)) {
            Code::Ok => done += 1,
            Code::Busy => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    (done, refused)
}

#[test]
fn handle_moves_between_threads() {
    let handle = Passed::new(Alone::new());
    for turn in 0..300u64 {
        let moved = thread::spawn(move || with(handle.get(), "handle", Alone::use_alone));
        moved.join().unwrap().unwrap();
        let turns = with(handle.get::<Alone>(), "handle", |alone| Ok(alone.turns)).unwrap();
        assert_eq!(turns, turn + 1);
    }
    close(handle.get::<Alone>(), "handle").unwrap();
}

#[test]
fn more_handles_than_the_first_places_are_told_apart() {
    const MANY: usize = 1500;
    let handles: Vec<_> = (0..MANY).map(|_| give(Alone::new()).unwrap()).collect();
    let use_it = |handle| with(handle, "handle", Alone::use_alone);
    for (index, handle) in handles.iter().enumerate() {
        for _ in 0..index % 7 {
            use_it(*handle).unwrap();
        }
    }
    for (index, handle) in handles.iter().enumerate() {
        let counted = with(*handle, "handle", |alone| Ok(alone.turns));
        assert_eq!(counted.unwrap(), index as u64 % 7);
    }
    // Below a call on each, one on that whose number differs in the higher digits only.
    for pair in handles.iter().zip(&handles[1024..]) {
        with(*pair.0, "handle", |_| use_it(*pair.1)).unwrap();
        with(*pair.1, "handle", |_| use_it(*pair.0)).unwrap();
    }
    for handle in handles {
        close(handle, "handle").unwrap();
        assert_eq!(code_of(with(handle, "handle", |_| Ok(()))), Code::Closed);
    }
}

#[test]
fn call_below_another_is_refused() {
    let handle = give(Alone::new()).unwrap();
    let below = with(handle, "handle", |_| Ok(code_of(close(handle, "handle"))));
    assert_eq!(below.unwrap(), Code::Busy);
    with(handle, "handle", Alone::use_alone).unwrap();
    close(handle, "handle").unwrap();
}

/// Counts itself out when it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Handle for Counted {
    const KIND: Kind = Kind::Bus;
    const IS_SHARED: bool = true;
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn shared_object_outlives_its_handle_while_it_is_used() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let handle = give(Counted(Arc::clone(&dropped))).unwrap();
    let within = share(handle, "handle", |object: &Counted| {
        close(handle, "handle").unwrap();
        assert_eq!(code_of(share(handle, "handle", |_| Ok(()))), Code::Closed);
        assert_eq!(object.0.load(Ordering::Relaxed), 0, "dropped while in use");
        Ok(())
    });
    within.unwrap();
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
    assert_eq!(code_of(close(handle, "handle")), Code::Closed);
}

#[test]
fn shared_object_is_dropped_once_whoever_closes_it() {
    const THREADS: usize = 4;
    for _ in 0..2_000 {
        let dropped = Arc::new(AtomicUsize::new(0));
        let handle = Passed::new(Counted(Arc::clone(&dropped)));
        let threads = [(); THREADS].map(|()| {
            thread::spawn(move || {
                let used = code_of(share(handle.get::<Counted>(), "handle", |_| Ok(())));
                assert!(matches!(used, Code::Ok | Code::Closed), "{used:?}");
                code_of(close(handle.get::<Counted>(), "handle")) == Code::Ok
            })
        });
        let closed = threads.map(|thread| thread.join().unwrap());
        assert_eq!(closed.iter().filter(|closed| **closed).count(), 1);
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
    }
}

#[test]
fn what_is_no_handle_is_told_apart() {
    let handle = give(Alone::new()).unwrap();
    let shared = give(Counted(Arc::default())).unwrap();
    let ask = |handle: *mut Alone| code_of(with(handle, "handle", |_| Ok(())));
    let mut object = 7u64;
    assert_eq!(ask(ptr::null_mut()), Code::NullArgument);
    assert_eq!(ask(shared.cast()), Code::WrongHandle);
    assert_eq!(ask((&raw mut object).cast()), Code::NotAHandle);
    assert_eq!(
        ask(ptr::without_provenance_mut(usize::MAX)),
        Code::NotAHandle
    );
    // Its place was never used so often.
    let later = handle.addr() + (1 << 30);
    assert_eq!(ask(ptr::without_provenance_mut(later)), Code::NotAHandle);
    close(handle, "handle").unwrap();
    assert_eq!(ask(handle), Code::Closed);
    close(shared, "handle").unwrap();
}
