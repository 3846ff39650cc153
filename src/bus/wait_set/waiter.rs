//! The thread that sleeps for those who cannot: file descriptors and streams. One for each open bus,
//! while there are any, however many.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Instant,
};

use super::{super::Bus, WaitError, own_bell::OwnBell};
use crate::{
    segment::generation,
    sync::{AtomicU32, Ordering},
    wait::{Bell, FenceSide, GROUPS, Ticket},
};

/// What may have news.
pub(in crate::bus) trait Watched: Send + Sync {
    /// Lets those who make the news know which bell to ring.
    fn enter(&self, ticket: Ticket) -> Result<(), WaitError>;
    /// Takes that back; not in a forked child.
    fn leave(&self);
    /// Asks for a ring, by the next news.
    fn ask(&self);
    /// Whether there is news, as far as a look can tell.
    fn has_news(&self) -> bool;
    /// Whether a ring, or that some time has passed, is news enough.
    fn counts_rings(&self) -> bool;
}

/// Whom to tell.
pub(in crate::bus) trait Told: Send + Sync {
    /// What was added as `key` has news. It is told once for each time that it was armed.
    fn tell(&self, key: usize);
}

/// The thread's owner; the last clone ends it.
pub(in crate::bus) struct Waiter {
    common: Arc<Common>,
    thread: Option<JoinHandle<()>>,
    generation: u32,
}

struct Common {
    bell: OwnBell,
    table: Mutex<Table>,
    is_over: AtomicU32,
}

#[derive(Default)]
struct Table {
    entries: Vec<Option<Entry>>,
    free: Vec<usize>,
}

struct Entry {
    watched: Arc<dyn Watched>,
    told: Arc<dyn Told>,
    is_armed: bool,
}

impl Waiter {
    /// The waiter of a bus as it was opened here.
    pub(in crate::bus) fn of(bus: &Bus) -> Result<Arc<Self>, WaitError> {
        let mut waiter = bus
            .inner
            .waiter
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = waiter.upgrade()
            && running.generation == generation()
        {
            return Ok(running);
        }
        let started = Arc::new(Self::start(OwnBell::claim(bus)?)?);
        *waiter = Arc::downgrade(&started);
        Ok(started)
    }

    fn start(bell: OwnBell) -> Result<Self, WaitError> {
        let common = Arc::new(Common {
            bell,
            table: Mutex::default(),
            is_over: AtomicU32::new(0),
        });
        let running = Arc::clone(&common);
        let builder = thread::Builder::new().name("ringbus-waiter".to_owned());
        let thread = builder.spawn(move || running.run())?;
        Ok(Self {
            common,
            thread: Some(thread),
            generation: generation(),
        })
    }

    /// Adds something to be watched when it is armed; its key.
    pub(in crate::bus) fn add(
        &self,
        watched: Arc<dyn Watched>,
        told: Arc<dyn Told>,
    ) -> Result<usize, WaitError> {
        let mut table = self.common.lock();
        let key = table.free.last().copied().unwrap_or(table.entries.len());
        watched.enter(self.common.bell.ticket(key))?;
        let entry = Some(Entry {
            watched,
            told,
            is_armed: false,
        });
        match table.free.pop() {
            Some(key) => table.entries[key] = entry,
            None => table.entries.push(entry),
        }
        Ok(key)
    }

    /// Takes it out; it may be told once more.
    pub(in crate::bus) fn remove(&self, key: usize) {
        if self.generation != generation() {
            return;
        }
        let mut table = self.common.lock();
        let entry = table.entries.get_mut(key).and_then(Option::take);
        if entry.is_some() {
            table.free.push(key);
        }
        drop(table);
        if let Some(entry) = entry {
            entry.watched.leave();
        }
    }

    /// Has each of `keys` told of when it has news; false if one of them has some already.
    pub(in crate::bus) fn arm(&self, keys: &[usize]) -> bool {
        let mut armed = Vec::with_capacity(keys.len());
        let mut table = self.common.lock();
        for key in keys {
            if let Some(Some(entry)) = table.entries.get_mut(*key) {
                entry.is_armed = true;
                entry.watched.ask();
                armed.push(Arc::clone(&entry.watched));
            }
        }
        drop(table);
        Bell::barrier(FenceSide::Sleeper);
        !armed.iter().any(|watched| watched.has_news())
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if self.generation != generation() {
            return; // the thread was left behind with the parent
        }
        self.common.is_over.store(1, Ordering::Release);
        if let Some(bell) = self.common.bell.get() {
            bell.ring(0);
        }
        // What a told one drops, the thread itself may drop.
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

impl Common {
    fn run(&self) {
        let mut swept = Instant::now();
        let mut again = 0;
        while let Some(bell) = self.bell.get()
            && self.is_over.load(Ordering::Acquire) == 0
        {
            let rung = bell.heard() | again;
            let asked = self.look(rung);
            let token = bell.prepare(FenceSide::Sleeper);
            again = asked
                .iter()
                .filter(|(watched, _)| watched.has_news())
                .fold(0, |marks, (_, mark)| marks | mark);
            let is_over = self.is_over.load(Ordering::Acquire) != 0;
            if again != 0 || bell.has_heard() || is_over {
                continue;
            }
            let longest = token.longest();
            if swept.elapsed() >= longest {
                // A ringer may have died.
                swept = Instant::now();
                again = u64::MAX;
                continue;
            }
            bell.sleep(token, longest - swept.elapsed().min(longest));
        }
    }

    /// Tells of those in the marked groups that have news, and asks the others for a ring; returns
    /// these.
    fn look(&self, marks: u64) -> Vec<(Arc<dyn Watched>, u64)> {
        let (mut news, mut asked) = (Vec::new(), Vec::new());
        let mut table = self.lock();
        for group in (0..GROUPS as usize).filter(|group| marks >> group & 1 != 0) {
            let entries = table.entries.iter_mut().enumerate().skip(group);
            for (key, entry) in entries.step_by(GROUPS as usize) {
                let Some(entry) = entry.as_mut().filter(|entry| entry.is_armed) else {
                    continue;
                };
                if entry.watched.counts_rings() || entry.watched.has_news() {
                    entry.is_armed = false;
                    news.push((Arc::clone(&entry.told), key));
                } else {
                    entry.watched.ask();
                    asked.push((Arc::clone(&entry.watched), 1 << group));
                }
            }
        }
        drop(table);
        for (told, key) in news {
            told.tell(key);
        }
        asked
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
