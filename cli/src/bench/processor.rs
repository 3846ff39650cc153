//! Which processor a process runs on, and what keeps that processor awake.

use std::io;

use crate::outcome::Failure;

/// The processors this process may run on.
pub fn allowed() -> Result<Vec<usize>, Failure> {
    let mut set = empty();
    // SAFETY: `set` is a place for as many bytes as it says.
    let code = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) };
    check(code, "cannot tell which processors may be used")?;
    let is_in = |cpu: &usize| {
        // SAFETY: reads a bit of `set`; `cpu` is less than the bits that it has.
        unsafe { libc::CPU_ISSET(*cpu, &set) }
    };
    Ok((0..libc::CPU_SETSIZE as usize).filter(is_in).collect())
}

/// Keeps this process on one processor.
pub fn pin(cpu: usize) -> Result<(), Failure> {
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(Failure::say(format_args!("there is no processor {cpu}")));
    }
    let mut set = empty();
    // SAFETY: sets a bit of `set`, one of those that it has.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: `set` is as many bytes as it says.
    let code = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) };
    check(code, format_args!("cannot run on processor {cpu}"))
}

/// Runs this process only while nobody else wants the processor.
pub fn be_idle() -> Result<(), Failure> {
    let no_priority = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameter is read only.
    let code = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &no_priority) };
    check(code, "cannot become of idle priority")
}

/// Processor time that this process has used, in nanoseconds.
pub fn time_used_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid place for the result; the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn empty() -> libc::cpu_set_t {
    // SAFETY: a set of bits, for which zero is a value: none.
    unsafe { std::mem::zeroed() }
}

fn check(code: i32, what: impl std::fmt::Display) -> Result<(), Failure> {
    match code {
        0 => Ok(()),
        _ => Err(Failure::io(what, &io::Error::last_os_error())),
    }
}
