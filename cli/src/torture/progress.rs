//! Whether anybody who should get on was held up, and for how long.
//!
//! What the [machine](super::canary) was late by at the same time is taken off. What a survivor was held up
//! beyond that is the bus's.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::canary::{Canary, Groups, Watch, lock};
use super::findings::Findings;

/// The longest that anybody may be held up by a death.
pub const STALL_MAX: Duration = Duration::from_millis(50);

/// The progress of one survivor: how long it was owed any, and made none.
pub struct Progress {
    canary: Canary,
    /// It, and whom it depends on.
    groups: Groups,
    state: Mutex<State>,
}

struct State {
    /// Since when it should get on; none: it need not.
    owed: Option<Instant>,
    /// What it was owed before that, since it last got on, and since when.
    before: Option<(Instant, Duration)>,
    limit: Duration,
    /// How often it got on.
    made: u64,
    stalls: Vec<Stalls>,
}

/// Those with the same limit.
struct Stalls {
    limit: Duration,
    longest: Duration,
    /// The longest beyond what the machine was late by, and that, of those that were judged.
    worst: (Duration, Duration),
    /// Not judged yet: from when to when, and for how long of that.
    open: Vec<(Instant, Instant, Duration)>,
}

impl Progress {
    /// A survivor of which nothing is asked yet, and which depends on those of these groups.
    pub fn new(canary: &Canary, groups: Groups) -> Self {
        Self {
            canary: canary.clone(),
            groups,
            state: Mutex::new(State {
                owed: None,
                before: None,
                limit: STALL_MAX,
                made: 0,
                stalls: Vec::new(),
            }),
        }
    }

    /// Has the canary watch the survivor, whose thread this is.
    pub fn watch_this_thread(&self) -> Watch {
        self.canary.watch_this_thread(self.groups)
    }

    fn judge(&self) -> impl Fn(Instant, Instant) -> Duration + '_ {
        |from, to| self.canary.late(from, to, self.groups)
    }

    /// From now on it should get on, and never be held up for longer than `limit`.
    pub fn owe(&self, limit: Duration) {
        let mut state = lock(&self.state);
        state.owed.get_or_insert_with(Instant::now);
        state.limit = limit;
    }

    /// Somebody alive is in its way: until the next [`owe`](Self::owe) it need not get on. That
    /// does not make good for how long it was held up before.
    pub fn waive(&self) {
        let mut state = lock(&self.state);
        state.before = state.waited(Instant::now());
        state.owed = None;
    }

    /// It got on.
    pub fn made(&self) {
        let (mut state, now) = (lock(&self.state), Instant::now());
        if let Some((from, took)) = state.waited(now) {
            state.note(from, now, took, &self.judge());
        }
        state.before = None;
        state.owed = state.owed.map(|_| now);
        state.made += 1;
    }

    /// How often it has got on.
    pub fn times_made(&self) -> u64 {
        lock(&self.state).made
    }

    /// It was held up from `from` until now, where `limit` is the most.
    pub fn took(&self, from: Instant, limit: Duration) {
        let (mut state, now) = (lock(&self.state), Instant::now());
        state.limit = limit;
        let took = now.saturating_duration_since(from);
        state.note(from, now, took, &self.judge());
    }

    /// Whether it was held up for too long, as findings `<name>_...`.
    pub fn report(&self, name: &str, findings: &mut Findings) {
        let milliseconds = |time: Duration| (time.as_secs_f64() * 1e5).round() / 1e2;
        let mut state = lock(&self.state);
        let now = Instant::now();
        if let Some((from, took)) = state.waited(now) {
            state.note(from, now, took, &self.judge());
        }
        for stalls in &mut state.stalls {
            stalls.judge(now, &self.judge());
            let name = match stalls.limit {
                STALL_MAX => name.to_owned(),
                _ => format!("{name}_beside_large_memory"),
            };
            let (beyond, late) = stalls.worst;
            findings.found(&format!("{name}_longest_ms"), milliseconds(stalls.longest));
            findings.found(&format!("{name}_hiccup_ms"), milliseconds(late));
            findings.within(&format!("{name}_stall"), beyond, stalls.limit);
        }
    }
}

impl State {
    /// What it is owed since it last got on, and since when.
    fn waited(&self, now: Instant) -> Option<(Instant, Duration)> {
        let Some(owed) = self.owed else {
            return self.before;
        };
        let (from, before) = self.before.unwrap_or((owed, Duration::ZERO));
        Some((from, before + now.saturating_duration_since(owed)))
    }

    fn note(
        &mut self,
        from: Instant,
        to: Instant,
        took: Duration,
        late: &impl Fn(Instant, Instant) -> Duration,
    ) {
        let limit = self.limit;
        let index = self.stalls.iter().position(|stalls| stalls.limit == limit);
        let index = index.unwrap_or_else(|| {
            self.stalls.push(Stalls {
                limit,
                longest: Duration::ZERO,
                worst: (Duration::ZERO, Duration::ZERO),
                open: Vec::new(),
            });
            self.stalls.len() - 1
        });
        let stalls = &mut self.stalls[index];
        stalls.longest = stalls.longest.max(took);
        if took <= BRIEF {
            stalls.worst = stalls.worst.max((took, Duration::ZERO));
            return;
        }
        stalls.open.push((from, to, took));
        let settled = to.checked_sub(SETTLED).unwrap_or(from);
        for stalls in &mut self.stalls {
            stalls.judge(settled, late);
        }
    }
}

impl Stalls {
    /// Takes what the machine was late by off those that ended before `until`.
    fn judge(&mut self, until: Instant, late: &impl Fn(Instant, Instant) -> Duration) {
        self.open.retain(|(from, to, took)| {
            if *to <= until && *took > self.worst.0 {
                let late = late(*from, *to);
                self.worst = self.worst.max((took.saturating_sub(late), late));
            }
            *to > until
        });
    }
}

/// After so long everything is known that made a process late.
const SETTLED: Duration = Duration::from_secs(1);

/// So short that nobody asks why.
const BRIEF: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_what_was_owed_and_not_made() {
        let progress = Progress::new(&Canary::new(), 1);
        std::thread::sleep(Duration::from_millis(30));
        progress.made();
        assert!(lock(&progress.state).stalls.is_empty(), "nothing was owed");
        let started = Instant::now();
        for _ in 0..3 {
            progress.owe(STALL_MAX);
            std::thread::sleep(Duration::from_millis(60));
            progress.waive();
            std::thread::sleep(Duration::from_millis(10));
        }
        progress.made();
        let lasted = started.elapsed();

        let mut state = lock(&progress.state);
        let [stalls] = &mut state.stalls[..] else {
            panic!("not one limit");
        };
        let stall = stalls.longest;
        let (owed, waived) = (Duration::from_millis(3 * 60), Duration::from_millis(3 * 10));
        assert!(owed <= stall && stall + waived <= lasted, "{stall:?}");
        // However much a busy machine takes off it, that is told apart.
        let late = Duration::from_millis(100);
        stalls.judge(Instant::now(), &|_, _| late);
        assert_eq!(stalls.worst, (stall - late, late));
    }
}
