//! The way of one victim through its deed, instruction by instruction.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use fastrand::Rng;

use super::tracee::{Halt, Tracee};
use super::watch::Watch;
use crate::outcome::Failure;

/// Every instruction between two marks, in the order in which one victim did them.
pub struct Trail {
    stops: Vec<Stop>,
}

/// A moment between two instructions.
struct Stop {
    /// Of the next instruction.
    address: u64,
    /// The last moment up to this one that a breakpoint finds: no earlier instruction has its
    /// address.
    anchor: usize,
    /// Whether the instruction before or after it may matter to others: a system call, or a change
    /// of what is shared.
    matters: bool,
    /// Whether the instruction before it changed what is shared.
    changed: bool,
}

/// What is known of an instruction.
struct Known {
    is_call: bool,
    /// How often it was done, and whether it ever changed anything.
    done: u32,
    has_changed: bool,
}

/// Deeds are shorter than this; on a processor that cannot be stepped through the pairs of
/// instructions that stand for an atomic one, a deed has no end.
const LEN_MAX: usize = 4 << 20;

impl Known {
    fn new(is_call: bool) -> Self {
        Self {
            is_call,
            done: 0,
            has_changed: false,
        }
    }

    /// Most of a long deed are loops that change nothing that is shared, and looking takes longer than
    /// stepping.
    fn is_worth_a_look(&self) -> bool {
        self.is_call || self.has_changed || self.done < LOOKS
    }

    fn looked(&mut self, has_changed: bool) {
        self.done += 1;
        self.has_changed |= has_changed;
    }
}

const LOOKS: u32 = 8;

impl Trail {
    /// Steps through a deed, from its first mark to its second one. `watch` sees what is shared.
    pub fn record(victim: &mut Tracee, watch: &mut Watch) -> Result<Self, Failure> {
        let mut stops: Vec<Stop> = Vec::new();
        let mut seen = HashMap::new();
        let (mut has_mattered, mut has_changed) = (false, false);
        watch.has_changed(true);
        loop {
            let index = stops.len();
            if index > LEN_MAX {
                return Err(Failure::say(
                    "a single-stepped victim does not get on: this processor needs atomic \
                     instructions that are one step each (on aarch64: LSE)",
                ));
            }
            let address = victim.address()?;
            let (anchor, known) = match (seen.entry(address), stops.last()) {
                (Entry::Occupied(known), Some(last)) => (last.anchor, known.into_mut()),
                (entry, _) => {
                    let is_call = victim.is_system_call(address)?;
                    (index, entry.or_insert(Known::new(is_call)))
                }
            };
            let is_call = known.is_call;
            stops.push(Stop {
                address,
                anchor,
                matters: has_mattered || is_call,
                changed: has_changed,
            });
            match victim.step()? {
                Halt::Step => {}
                Halt::Mark => {
                    // The mark's own signal was on its way already.
                    stops.pop();
                    break;
                }
                Halt::Ended(status) => {
                    return Err(Failure::say(format_args!(
                        "a victim ended in the middle of its deed: {status}"
                    )));
                }
                Halt::Breakpoint => unreachable!("a step is no breakpoint"),
            }
            has_changed = known.is_worth_a_look() && watch.has_changed(is_call);
            known.looked(has_changed);
            has_mattered = is_call || has_changed;
            stops[index].matters |= has_changed;
        }
        Ok(Self { stops })
    }

    /// How many moments it has.
    pub fn len(&self) -> usize {
        self.stops.len()
    }

    /// The addresses of all instructions.
    pub fn addresses(&self) -> BTreeSet<u64> {
        self.stops.iter().map(|stop| stop.address).collect()
    }

    /// The address of the instruction after moment `index`.
    pub fn address(&self, index: usize) -> u64 {
        self.stops[index].address
    }

    /// Up to `count` moments, in order: all, if there are no more; else by chance of those that
    /// matter and, if there is room, of those before an instruction that was not done before, and
    /// then of the others.
    pub fn choose(&self, count: usize, random: &mut Rng) -> Vec<usize> {
        if self.len() <= count {
            return (0..self.len()).collect();
        }
        let mut chosen: Vec<_> = (0..self.len()).collect();
        random.shuffle(&mut chosen);
        chosen.sort_by_key(|index| {
            let stop = &self.stops[*index];
            (!stop.matters, stop.anchor != *index)
        });
        chosen.truncate(count);
        chosen.sort_unstable();
        chosen
    }

    /// The moments at which what is shared has just changed.
    pub fn changes(&self) -> Vec<usize> {
        (0..self.len())
            .filter(|index| self.stops[*index].changed)
            .collect()
    }

    /// Takes another victim, which stands at the first mark of the same deed, to moment `index`.
    /// `false` if it went another way and is past its deed.
    pub fn walk(&self, victim: &mut Tracee, index: usize) -> Result<bool, Failure> {
        let anchor = self.stops[index].anchor;
        if anchor > 0 && victim.run_to(self.stops[anchor].address)? != Halt::Breakpoint {
            return Ok(false);
        }
        for _ in anchor..index {
            if victim.step()? != Halt::Step {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
