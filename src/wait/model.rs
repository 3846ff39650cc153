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

/// futex(2): it compares and falls asleep in one step, and wakes only those who sleep. Timeouts are
/// left out, so that a lost wake-up is a deadlock.
pub(super) mod futex {
    use std::time::Duration;

    use crate::sync::{AtomicU32, Condvar, Mutex, Ordering, lazy_static};

    pub(in crate::wait) fn wait(word: &AtomicU32, expected: u32, _timeout: Duration) {
        let queue = QUEUE.lock.lock().expect("no panic while it is held");
        if word.load(Ordering::Relaxed) == expected {
            drop(QUEUE.sleepers.wait(queue));
        }
    }

    pub(in crate::wait) fn wake_all(_word: &AtomicU32) {
        let queue = QUEUE.lock.lock();
        QUEUE.sleepers.notify_all();
        drop(queue);
    }

    /// The kernel's queue; one is enough, as a model has one word to sleep on.
    struct Queue {
        lock: Mutex<()>,
        sleepers: Condvar,
    }

    lazy_static! {
        static ref QUEUE: Queue = Queue {
            lock: Mutex::new(()),
            sleepers: Condvar::new(),
        };
    }
}
