//! How models are explored and counted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use loom::model::Builder;

use super::watched::vanishing_after;

/// Runs `scene` in all interleavings, or in those in which no more than `preemptions` times a thread
/// is interrupted that could run on, and says how many they were.
pub(crate) fn explore(preemptions: Option<usize>, scene: impl Fn() + Send + Sync + 'static) {
    report(preemptions, count(preemptions, scene), "");
}

/// The same with a participant that vanishes: after none of its steps, after one, after two, and so
/// on until it gets through all of them.
pub(crate) fn explore_vanishing(
    preemptions: Option<usize>,
    scene: impl Fn(&Victim) + Clone + Send + Sync + 'static,
) {
    let mut executions = 0;
    for steps in 0.. {
        let victim = Victim {
            steps,
            has_vanished: Arc::default(),
        };
        let (scene, has_vanished) = (scene.clone(), Arc::clone(&victim.has_vanished));
        executions += count(preemptions, move || scene(&victim));
        if !has_vanished.load(Relaxed) {
            let variants = format!(", {steps} steps to vanish after");
            return report(preemptions, executions, &variants);
        }
    }
}

/// A participant that may vanish, as by a kill.
#[derive(Clone)]
pub(crate) struct Victim {
    steps: u32,
    has_vanished: Arc<AtomicBool>,
}

impl Victim {
    /// What `work` returns, unless the victim vanishes at it.
    pub(crate) fn act<R>(&self, work: impl FnOnce() -> R) -> Option<R> {
        let done = vanishing_after(self.steps, work);
        if done.is_none() {
            self.has_vanished.store(true, Relaxed);
        }
        done
    }
}

fn count(preemptions: Option<usize>, scene: impl Fn() + Send + Sync + 'static) -> u64 {
    let executions = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&executions);
    let mut builder = Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = 100_000;
    builder.check(move || {
        counted.fetch_add(1, Relaxed);
        scene();
    });
    executions.load(Relaxed)
}

/// `.ci/run` adds these numbers up.
fn report(preemptions: Option<usize>, executions: u64, variants: &str) {
    let name = thread::current().name().unwrap_or("model").to_owned();
    let bound = preemptions.map_or("all".to_owned(), |bound| {
        format!("up to {bound} preemptions")
    });
    println!("{name}: {executions} executions ({bound}{variants})");
}
