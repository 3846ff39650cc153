//! Threads of a model, beside each other.

use std::sync::Arc;

use loom::thread;

use crate::sync::model;

/// Explores `others`, each in a thread, beside `main`: all interleavings of two threads, and those of
/// three in which no more than three times a thread is interrupted that could run on.
pub(super) fn explore<S>(others: &[fn(&S)], main: fn(&S))
where
    S: Default + Send + Sync + 'static,
{
    explore_from(|_| (), others, main);
}

/// The same from what `before` leaves.
pub(super) fn explore_from<S>(before: fn(&S), others: &[fn(&S)], main: fn(&S))
where
    S: Default + Send + Sync + 'static,
{
    let others = others.to_vec();
    let preemptions = (others.len() > 1).then_some(3);
    model::explore(preemptions, move || {
        let shared = Arc::new(S::default());
        before(&shared);
        let spawn = |other: &fn(&S)| {
            let (shared, other) = (Arc::clone(&shared), *other);
            thread::spawn(move || other(&shared))
        };
        let running: Vec<_> = others.iter().map(spawn).collect();
        main(&shared);
        for other in running {
            other.join().unwrap();
        }
    });
}
