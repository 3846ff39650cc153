//! How a subscription to many topics sleeps: once, for all of them and for those that appear.

use std::{sync::Arc, time::Duration};

use super::{
    Bus, Watch,
    subscriber_core::SubscriberCore,
    wait_set::{Interrupter, Lookout, WaitError, WaitSet},
};

/// Where it sleeps. Its topics ring the bell of the set; the lookout rings it when the directory
/// changes.
pub(super) struct Sleeper {
    set: WaitSet,
    lookout: Option<(Arc<Lookout>, u64)>,
}

/// How often to look for new topics where nobody tells of them.
const LOOK_FOR_TOPICS_EVERY: Duration = Duration::from_millis(50);

impl Sleeper {
    /// Sleeps for nothing but what `watch` tells.
    pub(super) fn new(bus: &Bus, watch: &Watch) -> Result<Self, WaitError> {
        let set = WaitSet::new(bus)?;
        let lookout = look_out(bus, watch, set.interrupt_handle());
        Ok(Self { set, lookout })
    }

    /// Sleeps for a topic as well, to be known by `index`.
    pub(super) fn add(&mut self, core: &SubscriberCore, index: usize) -> Result<(), WaitError> {
        self.set.add_core(core, index as u64)
    }

    pub(super) fn remove(&mut self, index: usize) {
        self.set.remove(index as u64);
    }

    /// Sleeps until a topic has something, or appears, or the sleep is interrupted; for `timeout` at
    /// most. Returns the topics that are ready.
    pub(super) fn sleep(&mut self, timeout: Duration) -> Result<&[u64], WaitError> {
        let timeout = match self.lookout {
            Some(_) => timeout,
            None => timeout.min(LOOK_FOR_TOPICS_EVERY),
        };
        self.set.wait(timeout)
    }

    pub(super) fn interrupter(&self) -> Interrupter {
        self.set.interrupt_handle()
    }

    /// Ends it, before `watch` is dropped.
    pub(super) fn end(self, watch: &Watch) {
        #[cfg(target_os = "linux")]
        if let Some((lookout, number)) = &self.lookout {
            lookout.remove(watch.fd(), *number);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = watch;
    }
}

/// Has the lookout tell of topics that appear; `None` where there is no lookout.
#[cfg(target_os = "linux")]
fn look_out(bus: &Bus, watch: &Watch, interrupter: Interrupter) -> Option<(Arc<Lookout>, u64)> {
    let lookout = Lookout::of(bus).ok()?;
    let number = lookout.add(watch.fd()?, interrupter).ok()?;
    Some((lookout, number))
}

#[cfg(not(target_os = "linux"))]
fn look_out(_: &Bus, _: &Watch, _: Interrupter) -> Option<(Arc<Lookout>, u64)> {
    None
}
