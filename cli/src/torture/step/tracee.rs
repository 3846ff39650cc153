//! A forked child that runs one instruction at a time: ptrace(2).

use std::io;
use std::mem::MaybeUninit;
use std::os::unix::process::ExitStatusExt;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitStatus;

use super::arch;
use crate::outcome::Failure;
use crate::torture::actor;

/// A child of this thread, which alone may deal with it; killed on drop.
pub struct Tracee {
    pid: libc::pid_t,
    /// The kernel has told how it ended: the number may be another process's by now.
    is_buried: bool,
}

/// Where a child has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// After one instruction, or a system call.
    Step,
    /// At a [`mark`], or stopped by SIGSTOP from elsewhere.
    Mark,
    /// At the breakpoint.
    Breakpoint,
    /// It is no more.
    Ended(ExitStatus),
}

/// What to say where the system does not let a process trace its children.
pub const NO_PTRACE: &str = "this case needs ptrace(2), which this system does not allow";

/// The exit code of a child that may not be traced.
const UNTRACEABLE: i32 = 126;

impl Tracee {
    /// Forks a child that runs `life` and ends with the exit code that it returns. It has not
    /// begun yet; see [`go_on`](Self::go_on).
    ///
    /// Nothing else of the parent goes on in the child: no destructor runs, no buffer is written.
    pub fn fork(life: impl FnOnce() -> i32) -> Result<Self, Failure> {
        // SAFETY: the only other thread is a canary's, which sleeps and takes a lock of its own:
        // the child may do what it likes, but for looking at the canary.
        match unsafe { libc::fork() } {
            -1 => Err(failed("fork")),
            0 => {
                actor::die_with_parent();
                let code = match request(libc::PTRACE_TRACEME, 0, 0, 0) {
                    Err(_) => UNTRACEABLE,
                    Ok(()) => {
                        mark(std::process::id().cast_signed());
                        panic::catch_unwind(AssertUnwindSafe(life)).unwrap_or(101)
                    }
                };
                // SAFETY: takes no pointers.
                unsafe { libc::_exit(code) }
            }
            pid => {
                let is_buried = false;
                let mut tracee = Self { pid, is_buried };
                tracee.expect_tracing()?;
                Ok(tracee)
            }
        }
    }

    /// Waits until the child is traced.
    fn expect_tracing(&mut self) -> Result<(), Failure> {
        match self.wait(0)? {
            Halt::Mark => {}
            Halt::Ended(status) if status.code() == Some(UNTRACEABLE) => {
                return Err(Failure::say(NO_PTRACE));
            }
            halt => {
                return Err(Failure::say(format_args!(
                    "a victim did not begin: {halt:?}"
                )));
            }
        }
        let options = libc::PTRACE_O_EXITKILL as usize;
        request(libc::PTRACE_SETOPTIONS, self.pid, 0, options)
            .map_err(|e| Failure::io("cannot trace a victim", &e))
    }

    /// Lets it run to its next mark, or to its end.
    pub fn go_on(&mut self) -> Result<Halt, Failure> {
        self.resume(libc::PTRACE_CONT)
    }

    /// Lets it do one instruction.
    pub fn step(&mut self) -> Result<Halt, Failure> {
        match self.resume(libc::PTRACE_SINGLESTEP)? {
            Halt::Breakpoint => Ok(Halt::Step),
            halt => Ok(halt),
        }
    }

    /// Lets it run until it is about to do the instruction at `address`, or to its next mark.
    pub fn run_to(&mut self, address: u64) -> Result<Halt, Failure> {
        let word = self.peek(address)?;
        self.poke(address, arch::with_breakpoint(word))?;
        let halt = self.resume(libc::PTRACE_CONT)?;
        if !self.is_buried {
            self.poke(address, word)?;
        }
        if halt == Halt::Breakpoint {
            self.set_address(address)?;
        }
        Ok(halt)
    }

    /// The address of its next instruction.
    pub fn address(&self) -> Result<u64, Failure> {
        Ok(arch::address(&mut self.registers()?))
    }

    /// Whether the instruction at `address` is a system call.
    pub fn is_system_call(&self, address: u64) -> Result<bool, Failure> {
        Ok(arch::is_system_call(self.peek(address)?))
    }

    /// Kills it where it stands, and waits until the kernel is done with it.
    pub fn kill(mut self) -> Result<(), Failure> {
        self.signal(libc::SIGKILL);
        loop {
            match self.wait(0)? {
                Halt::Ended(status) if status.signal() == Some(libc::SIGKILL) => return Ok(()),
                Halt::Ended(status) => {
                    return Err(Failure::say(format_args!(
                        "a victim ended by itself: {status}"
                    )));
                }
                _ => {}
            }
        }
    }

    /// Stops it by SIGSTOP where it stands, and traces it no more.
    pub fn stop(mut self) -> Result<Stopped, Failure> {
        request(libc::PTRACE_DETACH, self.pid, 0, libc::SIGSTOP as usize)
            .map_err(|e| Failure::io("cannot detach from a victim", &e))?;
        match self.wait(libc::WUNTRACED)? {
            Halt::Mark => Ok(Stopped(self)),
            halt => Err(Failure::say(format_args!(
                "a victim does not stop: {halt:?}"
            ))),
        }
    }

    fn resume(&mut self, how: libc::c_uint) -> Result<Halt, Failure> {
        let mut signal = 0;
        loop {
            request(how, self.pid, 0, signal)
                .map_err(|e| Failure::io("cannot step a victim", &e))?;
            match self.wait_for_signal(0)? {
                Err(status) => return Ok(Halt::Ended(status)),
                Ok(libc::SIGSTOP) => return Ok(Halt::Mark),
                Ok(libc::SIGTRAP) => return Ok(Halt::Breakpoint),
                // Not from here: it is the victim's to take.
                Ok(other) => signal = other as usize,
            }
        }
    }

    fn wait(&mut self, options: i32) -> Result<Halt, Failure> {
        Ok(match self.wait_for_signal(options)? {
            Err(status) => Halt::Ended(status),
            Ok(libc::SIGSTOP) => Halt::Mark,
            Ok(_) => Halt::Step,
        })
    }

    /// The signal that it stopped for, or how it ended.
    fn wait_for_signal(&mut self, options: i32) -> Result<Result<i32, ExitStatus>, Failure> {
        let mut status = 0;
        // SAFETY: `status` is there to be written.
        while unsafe { libc::waitpid(self.pid, &raw mut status, options | libc::__WALL) } < 0 {
            if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                return Err(failed("wait for a victim"));
            }
        }
        if libc::WIFSTOPPED(status) {
            return Ok(Ok(libc::WSTOPSIG(status)));
        }
        self.is_buried = true;
        Ok(Err(ExitStatus::from_raw(status)))
    }

    fn signal(&self, signal: i32) {
        // SAFETY: takes no pointers; the number is the child's until it is buried.
        unsafe { libc::kill(self.pid, signal) };
    }

    fn registers(&self) -> Result<arch::Registers, Failure> {
        let mut registers = MaybeUninit::zeroed();
        self.registers_by(libc::PTRACE_GETREGSET, &mut registers)?;
        // SAFETY: zeros are registers, and so is what the kernel wrote over them.
        Ok(unsafe { registers.assume_init() })
    }

    fn set_address(&self, address: u64) -> Result<(), Failure> {
        let mut registers = self.registers()?;
        *arch::address_mut(&mut registers) = address;
        self.registers_by(libc::PTRACE_SETREGSET, &mut MaybeUninit::new(registers))
    }

    fn registers_by(
        &self,
        how: libc::c_uint,
        registers: &mut MaybeUninit<arch::Registers>,
    ) -> Result<(), Failure> {
        let mut part = libc::iovec {
            iov_base: registers.as_mut_ptr().cast(),
            iov_len: size_of::<arch::Registers>(),
        };
        request(
            how,
            self.pid,
            libc::NT_PRSTATUS as usize,
            (&raw mut part) as usize,
        )
        .map_err(|e| Failure::io("cannot reach a victim's registers", &e))
    }

    fn peek(&self, address: u64) -> Result<u64, Failure> {
        // SAFETY: the address is one of the child's; none of this process's is involved.
        match unsafe { libc::ptrace(libc::PTRACE_PEEKTEXT, self.pid, address, 0) } {
            // No instruction looks like this.
            -1 => Err(failed("read a victim's code")),
            word => Ok(word.cast_unsigned()),
        }
    }

    fn poke(&self, address: u64, word: u64) -> Result<(), Failure> {
        request(
            libc::PTRACE_POKETEXT,
            self.pid,
            address as usize,
            word as usize,
        )
        .map_err(|e| Failure::io("cannot write a victim's code", &e))
    }
}

impl Drop for Tracee {
    fn drop(&mut self) {
        while !self.is_buried {
            self.signal(libc::SIGKILL);
            if self.wait_for_signal(0).is_err() {
                break;
            }
        }
    }
}

/// A child that is stopped like any other, and not traced.
pub struct Stopped(Tracee);

impl Stopped {
    /// Continues it by SIGCONT, until its next mark or its end.
    pub fn go_on(&mut self) -> Result<Halt, Failure> {
        self.0.signal(libc::SIGCONT);
        self.0.wait(libc::WUNTRACED)
    }

    /// Its process id.
    pub fn pid(&self) -> libc::pid_t {
        self.0.pid
    }
}

/// In the child: stops here. It takes one system call, so that hardly an instruction of the marks
/// themselves lies between two of them.
#[inline(always)]
pub fn mark(own_pid: libc::pid_t) {
    // SAFETY: takes no pointers.
    unsafe { libc::kill(own_pid, libc::SIGSTOP) };
}

fn request(
    what: libc::c_uint,
    pid: libc::pid_t,
    address: usize,
    data: usize,
) -> Result<(), io::Error> {
    // SAFETY: of these requests only those for registers write memory of this process: the
    // registers that the caller passes.
    match unsafe { libc::ptrace(what, pid, address, data) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn failed(what: &str) -> Failure {
    Failure::io(format_args!("cannot {what}"), &io::Error::last_os_error())
}
