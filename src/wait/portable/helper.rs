//! A thread that does what may never return, for one that must go on.

use std::{
    cell::RefCell,
    mem,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use crate::segment::generation;

pub(super) type Job = Box<dyn FnOnce() + Send>;

/// Has this thread's helper do something, and waits for it, but no longer than for `patience`. A helper
/// that is late is given up, and ends with its job, if that ever ends. False where there is none.
pub(super) fn delegate(patience: Duration, job: Job) -> bool {
    let Some(helper) = take().or_else(Helper::start) else {
        return false;
    };
    if helper.jobs.send(job).is_err() {
        return false;
    }
    if helper.done.recv_timeout(patience).is_ok() {
        // Where this thread is about to end, so does its helper.
        let _ = HELPER.try_with(|own| own.replace(Some(helper)));
    }
    true
}

/// The helper that this thread has already, unless it stayed behind in a parent process.
fn take() -> Option<Helper> {
    let helper = HELPER.try_with(RefCell::take).ok()??;
    if helper.generation == generation() {
        return Some(helper);
    }
    mem::forget(helper); // its channels may be in any state
    None
}

struct Helper {
    jobs: Sender<Job>,
    done: Receiver<()>,
    /// Of the process in which it runs.
    generation: u32,
}

impl Helper {
    fn start() -> Option<Self> {
        let (jobs, jobs_received) = channel::<Job>();
        let (job_done, done) = channel();
        let work = move || {
            for job in jobs_received {
                job();
                if job_done.send(()).is_err() {
                    return; // given up
                }
            }
        };
        let thread = thread::Builder::new().name("ringbus-wait".into());
        thread.stack_size(STACK_BYTES).spawn(work).ok()?;
        Some(Self {
            jobs,
            done,
            generation: generation(),
        })
    }
}

thread_local! {
    static HELPER: RefCell<Option<Helper>> = const { RefCell::new(None) };
}

const STACK_BYTES: usize = 256 << 10;
