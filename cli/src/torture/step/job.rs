//! What a worker is told to do: one line.

use std::fmt;

use ringbus::PublisherMode;

use super::deeds::{DEEDS, Deed, Fill, Part};
use crate::json;
use crate::outcome::Failure;

/// One deed at one fill level, and perhaps another one after it, in many victims.
#[derive(Clone, Copy)]
pub struct Job {
    /// What becomes of a victim.
    pub manner: Manner,
    /// How the topic is shared.
    pub mode: PublisherMode,
    /// The deed; with `then`, whoever does it is always killed.
    pub first: Act,
    /// What a second victim does, who meets what the first one left.
    pub then: Option<Act>,
    /// How many moments to choose.
    pub quota: usize,
    /// What chance begins with.
    pub seed: u64,
}

/// A deed, and how full the ring is.
#[derive(Clone, Copy)]
pub struct Act {
    pub deed: &'static Deed,
    pub fill: Fill,
}

/// What becomes of a victim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// SIGKILL.
    Kill,
    /// SIGSTOP; after some laps, SIGCONT.
    Stop,
}

/// The repairs in which a second victim is killed: what the first one did, and what the second one
/// does about it.
const PAIRS: &[(PublisherMode, &str, Fill, &str)] = {
    use PublisherMode::{Exclusive, Shared};
    &[
        (Exclusive, "publish", Fill::Full, "join_publisher"),
        (Exclusive, "publish", Fill::Dead, "publish"),
        (Exclusive, "hold_lossy", Fill::Part, "collect"),
        (Exclusive, "join_reliable", Fill::Part, "publish"),
        (Exclusive, "join_reliable", Fill::Dead, "join_lossy"),
        (Exclusive, "create", Fill::Part, "create"),
        (Exclusive, "create", Fill::Part, "collect"),
        (Exclusive, "remove", Fill::Part, "remove"),
        (Exclusive, "remove", Fill::Part, "collect"),
        (Exclusive, "collect", Fill::Dead, "collect"),
        (Exclusive, "collect", Fill::Dead, "publish"),
        (Shared, "publish", Fill::Wrapping, "join_publisher"),
        (Shared, "publish", Fill::Held, "join_publisher"),
        (Shared, "publish", Fill::Held, "publish"),
        (Shared, "publish", Fill::Dead, "publish"),
        (Shared, "join_publisher", Fill::Wrapping, "join_publisher"),
        (Shared, "join_publisher", Fill::Wrapping, "collect"),
    ]
};

impl Job {
    /// All jobs of a manner, without quota and seed.
    pub fn all(manner: Manner) -> Vec<Self> {
        let modes = [PublisherMode::Exclusive, PublisherMode::Shared];
        let mut jobs = Vec::new();
        let job = |mode, first, then| Self {
            manner,
            mode,
            first,
            then,
            quota: 0,
            seed: 0,
        };
        for mode in modes {
            for deed in DEEDS
                .iter()
                .filter(|deed| deed.only.is_none_or(|only| only == mode))
            {
                let acts = deed.fills.iter().map(|fill| Act { deed, fill: *fill });
                let acts = acts.filter(|act| manner.has(mode, *act));
                jobs.extend(acts.map(|act| job(mode, act, None)));
            }
        }
        if manner == Manner::Kill {
            for (mode, first, fill, then) in PAIRS {
                let act = |name, fill| {
                    let deed = Deed::named(name).expect("a deed");
                    Act { deed, fill }
                };
                let then = act(
                    then,
                    if *fill == Fill::Held {
                        Fill::Held
                    } else {
                        Fill::Part
                    },
                );
                jobs.push(job(*mode, act(first, *fill), Some(then)));
            }
        }
        jobs
    }

    /// What it is called in the findings.
    pub fn name(&self) -> String {
        let then = self.then.map_or(String::new(), |then| format!("+{then}"));
        format!("{}/{}{then}", json::mode(self.mode), self.first)
    }

    /// The job of a [`line`](Self::line).
    pub fn parse(line: &str) -> Result<Self, Failure> {
        let wrong = || Failure::say(format_args!("{line:?} is no job"));
        let words: Vec<_> = line.split(' ').collect();
        let [manner, name, quota, seed] = words[..] else {
            return Err(wrong());
        };
        let manner = [Manner::Kill, Manner::Stop]
            .into_iter()
            .find(|one| one.done() == manner);
        let jobs = manner.map(Self::all).unwrap_or_default();
        let job = jobs
            .into_iter()
            .find(|job| job.name() == name)
            .ok_or_else(wrong)?;
        let quota = quota.parse().map_err(|_| wrong())?;
        let seed = seed.parse().map_err(|_| wrong())?;
        Ok(Self { quota, seed, ..job })
    }

    /// For a worker.
    pub fn line(&self) -> String {
        let manner = self.manner.done();
        format!("{manner} {} {} {}", self.name(), self.quota, self.seed)
    }
}

impl Manner {
    /// As a participle.
    pub fn done(self) -> &'static str {
        match self {
            Self::Kill => "killed",
            Self::Stop => "stopped",
        }
    }

    /// Whether a deed can be done like that.
    fn has(self, mode: PublisherMode, act: Act) -> bool {
        let is_shared_only = act.fill == Fill::Held;
        let is_kill_only = act.fill == Fill::Asleep;
        (!is_shared_only || mode == PublisherMode::Shared)
            && (!is_kill_only || self == Self::Kill)
            && (act.deed.part != Part::Visitor || mode == PublisherMode::Exclusive)
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.deed.name, self.fill.name())
    }
}
