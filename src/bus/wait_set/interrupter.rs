//! Ending a wait from outside.

use std::{fmt, sync::Arc};

use super::own_bell::OwnBell;
use crate::sync::{AtomicU32, Ordering};

/// What a wait set and those who interrupt it have in common.
pub(super) struct Shared {
    bell: OwnBell,
    interrupted: AtomicU32,
    /// Where the set waits by a descriptor.
    #[cfg(target_os = "linux")]
    doorstep: std::sync::OnceLock<Arc<super::served::Doorstep>>,
}

impl Shared {
    pub(super) fn new(bell: OwnBell) -> Self {
        let interrupted = AtomicU32::new(0);
        Self {
            bell,
            interrupted,
            #[cfg(target_os = "linux")]
            doorstep: std::sync::OnceLock::new(),
        }
    }

    #[cfg(target_os = "linux")]
    pub(super) fn set_doorstep(&self, doorstep: &Arc<super::served::Doorstep>) {
        let _ = self.doorstep.set(Arc::clone(doorstep));
    }

    /// Makes the set readable.
    #[cfg(target_os = "linux")]
    pub(super) fn set(&self) {
        if let Some(doorstep) = self.doorstep.get() {
            doorstep.set();
        }
    }

    pub(super) fn bell(&self) -> &OwnBell {
        &self.bell
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed) != 0
    }

    /// Whether it was interrupted since the last call.
    pub(super) fn take_interrupt(&self) -> bool {
        // Acquire: what the interrupter did before is there to be seen.
        self.is_interrupted() && self.interrupted.swap(0, Ordering::Acquire) != 0
    }
}

/// Ends the wait of a [`WaitSet`](super::WaitSet), from any thread or a signal handler.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use {ringbus::WaitSet, std::time::Duration};
///
/// let mut set = WaitSet::new(&bus)?;
/// set.interrupt_handle().interrupt(); // before it waits: the next wait ends at once
/// assert!(set.wait(Duration::MAX)?.is_empty());
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone)]
pub struct Interrupter {
    shared: Arc<Shared>,
}

impl Interrupter {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let shared = Arc::clone(shared);
        Self { shared }
    }

    /// Ends the wait under way or, where there is none, the next one. Several that no wait has noticed
    /// end one.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # use {ringbus::WaitSet, std::time::Duration};
    /// let mut set = WaitSet::new(&bus)?;
    /// let interrupter = set.interrupt_handle();
    /// interrupter.interrupt();
    /// interrupter.interrupt();
    /// set.wait(Duration::MAX)?;
    /// assert!(set.was_interrupted());
    /// set.wait(Duration::ZERO)?;
    /// assert!(!set.was_interrupted());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn interrupt(&self) {
        // Release: what was done before is there for the one who was interrupted.
        self.shared.interrupted.store(1, Ordering::Release);
        if let Some(bell) = self.shared.bell.get() {
            bell.ring(0);
        }
        #[cfg(target_os = "linux")]
        self.shared.set();
    }
}

impl fmt::Debug for Interrupter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interrupter").finish_non_exhaustive()
    }
}
