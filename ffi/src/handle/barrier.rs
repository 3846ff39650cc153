//! A full fence in every thread of this process, of which one thread pays both halves: membarrier(2).

/// Fences every running thread of this process; the others pass a fence when they run next. `false`:
/// nothing was ordered.
pub(super) fn everywhere() -> bool {
    is_there() && system::fence_all()
}

/// Whether there is such a fence.
pub(super) fn is_there() -> bool {
    system::is_registered()
}

#[cfg(target_os = "linux")]
mod system {
    use std::ffi::c_int;
    use std::sync::OnceLock;

    pub(super) fn is_registered() -> bool {
        // A forked child inherits the registration together with this value.
        static REGISTERED: OnceLock<bool> = OnceLock::new();
        let register = || command(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED as c_int);
        *REGISTERED.get_or_init(register)
    }

    pub(super) fn fence_all() -> bool {
        command(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED as c_int)
    }

    fn command(command: c_int) -> bool {
        const NO_FLAGS: c_int = 0;
        // SAFETY: membarrier takes no pointers.
        unsafe { libc::syscall(libc::SYS_membarrier, command, NO_FLAGS) == 0 }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn is_registered() -> bool {
        false
    }

    pub(super) fn fence_all() -> bool {
        false
    }
}
