//! How late the machine itself is: what a stall is measured against.
//!
//! A busy machine holds up everybody now and then. The canary's thread only ever sleeps for a
//! millisecond, so whatever it is late by is the machine's doing. And of each process and thread that
//! it watches it knows for how long that was ready to run and had no processor. Whoever waits for a
//! message waits for one after the other of those who pass it on, so what counts is for how long any
//! of these was kept waiting. Who hangs is not ready to run and excuses nothing; but on an overloaded
//! machine others that are can hide a part of a hang. Where the machine was late for more than a few
//! milliseconds, look at the raw figures, `*_longest_ms`, too, or run the case again on a quiet one.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Knows how late the machine was, and when. Its thread ends with the last one that shares it.
#[derive(Clone)]
pub struct Canary(Arc<Mutex<Lateness>>);

struct Lateness {
    /// When it should wake up.
    due: Instant,
    sampled: Instant,
    watched: Vec<Watched>,
    /// The number of the next one to be watched.
    next: u64,
    /// In the order of their ends.
    late: VecDeque<Late>,
}

/// Somebody who should have run and did not.
struct Late {
    /// In which groups it is; the canary is in all.
    whose: Groups,
    from: Instant,
    to: Instant,
}

/// Who depends on whom: a bit for each group that a watched one is in.
pub type Groups = u32;

struct Watched {
    number: u64,
    groups: Groups,
    /// The kernel's figures; none where it keeps none.
    figures: Option<File>,
    /// What they were.
    waited: Duration,
}

/// Somebody is watched until this is dropped.
pub struct Watch {
    canary: Canary,
    number: u64,
}

const NAP: Duration = Duration::from_millis(1);
/// How often it looks at those it watches.
const SAMPLE: Duration = Duration::from_millis(4);
/// Less than this is how timers are.
const LATE: Duration = Duration::from_micros(500);
const REMEMBERED: usize = 1 << 16;

impl Canary {
    /// Has its thread sleep and wake up, over and over.
    pub fn new() -> Self {
        let now = Instant::now();
        let lateness = Arc::new(Mutex::new(Lateness {
            due: now + NAP,
            sampled: now,
            watched: Vec::new(),
            next: 0,
            late: VecDeque::new(),
        }));
        let shared = Arc::downgrade(&lateness);
        thread::spawn(move || {
            while let Some(lateness) = shared.upgrade() {
                lock(&lateness).wake();
                drop(lateness);
                thread::sleep(NAP);
            }
        });
        Self(lateness)
    }

    /// Watches a process, by its first thread. To be ended before the process is waited for: its last
    /// figures are there until then.
    pub fn watch_process(&self, pid: libc::pid_t, groups: Groups) -> Watch {
        self.watch(&format!("/proc/{pid}/schedstat"), groups)
    }

    /// Watches the thread that calls this.
    pub fn watch_this_thread(&self, groups: Groups) -> Watch {
        self.watch("/proc/thread-self/schedstat", groups)
    }

    fn watch(&self, path: &str, groups: Groups) -> Watch {
        let mut lateness = lock(&self.0);
        let figures = File::open(path).ok();
        let number = lateness.next;
        lateness.next += 1;
        lateness.watched.push(Watched {
            number,
            groups,
            waited: waited(figures.as_ref()).unwrap_or_default(),
            figures,
        });
        Watch {
            canary: self.clone(),
            number,
        }
    }

    /// For how long between `from` and `to` the machine was late: for the canary, or for anybody of these
    /// groups.
    pub fn late(&self, from: Instant, to: Instant, groups: Groups) -> Duration {
        let lateness = lock(&self.0);
        let first = lateness.late.partition_point(|late| late.to <= from);
        let all = lateness.late.range(first..);
        let all = all.filter(|late| late.from < to && late.whose & groups != 0);
        let mut late: Vec<_> = all.map(|late| (late.from, late.to)).collect();
        late.push((lateness.due, to));
        late.sort_unstable();
        // What lies before or after is nobody's excuse, and at the same time several may have been late.
        let mut end = from;
        let mut sum = Duration::ZERO;
        for (from, until) in late {
            let until = until.min(to);
            sum += until.saturating_duration_since(from.max(end));
            end = end.max(until);
        }
        sum
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut lateness = lock(&self.canary.0);
        let index = lateness
            .watched
            .iter()
            .position(|one| one.number == self.number);
        if let Some(index) = index {
            let mut watched = lateness.watched.swap_remove(index);
            let late = watched.sample();
            lateness.remember(late);
        }
    }
}

impl Lateness {
    fn wake(&mut self) {
        let now = Instant::now();
        let from = self.due;
        self.remember(Some(Late {
            whose: Groups::MAX,
            from,
            to: now,
        }));
        if now.saturating_duration_since(self.sampled) >= SAMPLE {
            for index in 0..self.watched.len() {
                let late = self.watched[index].sample();
                self.remember(late);
            }
            self.sampled = now;
        }
        self.due = Instant::now() + NAP;
    }

    fn remember(&mut self, late: Option<Late>) {
        let is_late = |late: &Late| late.to.saturating_duration_since(late.from) > LATE;
        self.late.extend(late.filter(is_late));
        if self.late.len() > REMEMBERED {
            self.late.pop_front();
        }
    }
}

impl Watched {
    /// What it has waited since the last time. The kernel tells of a wait when that is over, and not when it began.
    fn sample(&mut self) -> Option<Late> {
        let (waited, to) = (waited(self.figures.as_ref())?, Instant::now());
        let by = waited.saturating_sub(self.waited);
        self.waited = waited;
        Some(Late {
            whose: self.groups,
            from: to.checked_sub(by)?,
            to,
        })
    }
}

/// For how long a process was ready to run and had no processor: the second of the kernel's figures.
fn waited(figures: Option<&File>) -> Option<Duration> {
    let mut text = [0; 80];
    let len = figures?.read_at(&mut text, 0).ok()?;
    let text = str::from_utf8(&text[..len]).ok()?;
    let nanos = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// The lock of what no panic leaves half done.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
