//! What the kernel does for `wait`, as loom can explore it.

/// membarrier(2): where one side's barrier interrupts the other, both have a fence.
pub(super) mod membarrier {
    use crate::sync::{Ordering, fence};

    pub(in crate::wait) fn heavy_barrier() -> bool {
        fence(Ordering::SeqCst);
        true
    }

    pub(in crate::wait) fn light_barrier() {
        fence(Ordering::SeqCst);
    }

    pub(in crate::wait) fn must_fence() -> bool {
        false
    }
}

/// futex(2): it compares and falls asleep in one step, and wakes only those who sleep. No time
/// passes until a model says so ([`futex::time_is_up`]), so that a lost wake-up is a deadlock.
pub(super) mod futex {
    use std::time::Duration;

    use crate::sync::{AtomicU32, Condvar, Mutex, Ordering, lazy_static};

    pub(in crate::wait) fn wait(word: &AtomicU32, expected: u32, _timeout: Duration) {
        let queue = QUEUE.lock.lock().expect("no panic while it is held");
        if word.load(Ordering::Relaxed) == expected && !*queue {
            drop(QUEUE.sleepers.wait(queue));
        }
    }

    pub(in crate::wait) fn wake_all(_word: &AtomicU32) {
        let queue = QUEUE.lock.lock();
        QUEUE.sleepers.notify_all();
        drop(queue);
    }

    /// All sleeps have lasted as long as they may, and so do those that begin from now on.
    pub(in crate::wait) fn time_is_up() {
        *QUEUE.lock.lock().expect("no panic while it is held") = true;
        QUEUE.sleepers.notify_all();
    }

    /// The kernel's queue; one is enough, as a model has one word to sleep on.
    struct Queue {
        /// Whether the time of all sleeps is up.
        lock: Mutex<bool>,
        sleepers: Condvar,
    }

    lazy_static! {
        static ref QUEUE: Queue = Queue {
            lock: Mutex::new(false),
            sleepers: Condvar::new(),
        };
    }
}
