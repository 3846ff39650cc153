//! A fence of which the rare side pays both halves, on Linux: membarrier(2).
//!
//! [`heavy_barrier`] interrupts every core that runs a thread of a registered process, and so
//! puts a full fence somewhere into the instructions of each of them; others pass one when they
//! are next scheduled. Against that, [`light_barrier`] only has to keep the compiler from
//! swapping.

use std::{ffi::c_int, sync::OnceLock};

use crate::sync::{Ordering, compiler_fence, fence};

/// A full fence here and in every thread of every registered process.
///
/// False: only here. Then a peer's [`light_barrier`] orders nothing.
pub(super) fn heavy_barrier() -> bool {
    let reached_all = command(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED as c_int);
    if !reached_all {
        fence(Ordering::SeqCst);
    }
    reached_all
}

/// The counterpart of [`heavy_barrier`] in a process where [`must_fence`] is false.
#[inline(always)]
pub(super) fn light_barrier() {
    compiler_fence(Ordering::SeqCst);
}

/// Registers this process, once; true where that is not possible, so that it has to fence by
/// itself.
pub(super) fn must_fence() -> bool {
    // A forked child inherits the registration together with this value.
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let register = || command(libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED as c_int);
    !REGISTERED.get_or_init(register)
}

fn command(command: c_int) -> bool {
    const NO_FLAGS: c_int = 0;
    // SAFETY: membarrier takes no pointers.
    unsafe { libc::syscall(libc::SYS_membarrier, command, NO_FLAGS) == 0 }
}
