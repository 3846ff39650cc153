//! The thread that waits for directories to change, for those who sleep at a bell meanwhile. One for
//! each open bus, while there are any, however many. It costs nothing while nothing changes.

use std::{
    collections::HashMap,
    os::fd::{AsFd, BorrowedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{super::Bus, Interrupter, WaitError};
use crate::{
    segment::generation,
    wait::{Epoll, EventFd},
};

/// The thread's owner; the last clone ends it.
pub(in crate::bus) struct Lookout {
    common: Arc<Common>,
    thread: Option<JoinHandle<()>>,
    generation: u32,
}

struct Common {
    epoll: Epoll,
    over: EventFd,
    told: Mutex<Told>,
}

/// Whom to interrupt, by the numbers of their descriptors.
#[derive(Default)]
struct Told {
    interrupters: HashMap<u64, Interrupter>,
    last_number: u64,
}

/// The number of the descriptor that ends the thread.
const OVER: u64 = 0;

impl Lookout {
    /// The lookout of a bus as it was opened here.
    pub(in crate::bus) fn of(bus: &Bus) -> Result<Arc<Self>, WaitError> {
        let lookout = &bus.inner.lookout;
        let mut lookout = lookout.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = lookout.upgrade()
            && running.generation == generation()
        {
            return Ok(running);
        }
        let started = Arc::new(Self::start()?);
        *lookout = Arc::downgrade(&started);
        Ok(started)
    }

    fn start() -> Result<Self, WaitError> {
        let (epoll, over) = (Epoll::new()?, EventFd::new()?);
        epoll.add(over.as_fd(), OVER)?;
        let common = Arc::new(Common {
            epoll,
            over,
            told: Mutex::default(),
        });
        let running = Arc::clone(&common);
        let builder = thread::Builder::new().name("ringbus-lookout".to_owned());
        let thread = builder.spawn(move || running.run())?;
        Ok(Self {
            common,
            thread: Some(thread),
            generation: generation(),
        })
    }

    /// Interrupts each time that there is something new to be read from `fd`; returns a number to
    /// [`remove`](Self::remove) it by, before `fd` is closed.
    pub(in crate::bus) fn add(
        &self,
        fd: BorrowedFd<'_>,
        interrupter: Interrupter,
    ) -> Result<u64, WaitError> {
        let mut told = self.common.lock();
        told.last_number += 1;
        let number = told.last_number;
        self.common.epoll.add_news(fd, number)?;
        told.interrupters.insert(number, interrupter);
        Ok(number)
    }

    /// Takes it out; not in a forked child.
    pub(in crate::bus) fn remove(&self, fd: Option<BorrowedFd<'_>>, number: u64) {
        if self.generation != generation() {
            return;
        }
        if let Some(fd) = fd {
            self.common.epoll.remove(fd);
        }
        let removed = self.common.lock().interrupters.remove(&number);
        drop(removed);
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        if self.generation != generation() {
            return; // the thread was left behind with the parent
        }
        self.common.over.set();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Common {
    fn run(&self) {
        let mut numbers = Vec::new();
        while self.epoll.wait(Duration::MAX, &mut numbers).is_ok() && !numbers.contains(&OVER) {
            let told = self.lock();
            for number in numbers.drain(..) {
                if let Some(interrupter) = told.interrupters.get(&number) {
                    interrupter.interrupt();
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
