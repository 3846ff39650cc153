//! What a publish costs while nobody sleeps, by its instructions: no full fence, no system call.
//!
//! A second process single-steps it, and looks at each instruction before it is executed.

use ringbus::PublisherMode;

use super::actor::{Actor, Roles, Stage, say};
use crate::support::{MODES, TestBus};

pub const ROLES: Roles = &[("unfenced/publishes", publishes)];

/// Publishes between two calls of `getppid`, which nothing else makes.
fn publishes(stage: &Stage) {
    let topic = stage.topic();
    let publisher = topic.publisher().unwrap();
    let mut subscriber = topic.subscriber().reliable().join().unwrap();
    // Its first message looks at the cursors, and so does every 512th.
    publisher.publish(b"first").unwrap();
    assert!(subscriber.poll().unwrap().is_some());
    // SAFETY: it only returns a number.
    say(unsafe { libc::gettid() });
    stage.wait();
    mark();
    publisher.publish(b"second").unwrap();
    mark();
    assert_eq!(subscriber.poll().unwrap().unwrap().payload(), b"second");
    mark();
}

fn mark() {
    // SAFETY: it only returns a number.
    unsafe { libc::getppid() };
}

#[test]
fn a_publish_fences_and_calls_nothing_while_nobody_sleeps() {
    for mode in MODES {
        // A shared publisher's swap is what orders its message.
        let swaps = usize::from(mode == PublisherMode::Shared);
        assert_eq!(full_fences_of(mode, false), [swaps, 0]);
        // On a topic that asks for them they are there, and seen.
        assert_eq!(full_fences_of(mode, true), [swaps + 1, 1]);
    }
}

/// Full fences, and instructions that are one as well, of a publish and of a poll.
fn full_fences_of(mode: PublisherMode, wake_fence: bool) -> [usize; 2] {
    let bus = TestBus::new();
    bus.topic_of(mode).wake_fence(wake_fence).create().unwrap();
    let mut actor = Actor::start("unfenced/publishes", bus.root().path(), &[]);
    let thread = actor.hear().parse().unwrap();
    let tracee = Tracee::attach(thread);
    actor.cue();
    tracee.run_to_mark();
    let counts = [tracee.step_to_mark(), tracee.step_to_mark()];
    drop(tracee);
    assert!(actor.ends_well());
    counts
}

/// A thread of another process, stopped.
struct Tracee(libc::pid_t);

impl Tracee {
    fn attach(thread: libc::pid_t) -> Self {
        assert_eq!(request(libc::PTRACE_ATTACH, thread, 0, 0), 0);
        wait_for(thread);
        Self(thread)
    }

    /// Lets it run until it comes back from a mark.
    fn run_to_mark(&self) {
        loop {
            self.resume(libc::PTRACE_SYSCALL);
            if self.registers().orig_rax == libc::SYS_getppid as u64 {
                return self.resume(libc::PTRACE_SYSCALL);
            }
        }
    }

    /// Steps to the next mark; how many full fences there were. A system call is a failure.
    fn step_to_mark(&self) -> usize {
        let mut fences = 0;
        for _ in 0..1_000_000 {
            let registers = self.registers();
            match Instruction::decode(&self.code(registers.rip)) {
                Instruction::Call if registers.rax == libc::SYS_getppid as u64 => {
                    self.resume(libc::PTRACE_SINGLESTEP);
                    return fences;
                }
                Instruction::Call => panic!("system call {}", registers.rax),
                Instruction::Fence => fences += 1,
                Instruction::Other => {}
            }
            self.resume(libc::PTRACE_SINGLESTEP);
        }
        panic!("no mark after a million instructions");
    }

    fn resume(&self, how: libc::c_uint) {
        assert_eq!(request(how, self.0, 0, 0), 0);
        wait_for(self.0);
    }

    fn registers(&self) -> libc::user_regs_struct {
        // SAFETY: a struct of integers.
        let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
        let into = &raw mut registers as usize;
        assert_eq!(request(libc::PTRACE_GETREGS, self.0, 0, into), 0);
        registers
    }

    /// The bytes of the longest instruction that may be there.
    fn code(&self, address: u64) -> [u8; 16] {
        let words = [0, 8].map(|offset| {
            let at = address as usize + offset;
            request(libc::PTRACE_PEEKTEXT, self.0, at, 0).to_ne_bytes()
        });
        words.concat().try_into().expect("16 bytes")
    }
}

impl Drop for Tracee {
    fn drop(&mut self) {
        request(libc::PTRACE_DETACH, self.0, 0, 0);
    }
}

fn request(what: libc::c_uint, thread: libc::pid_t, address: usize, data: usize) -> i64 {
    // SAFETY: the one request that writes here, GETREGS, gets the address of a `user_regs_struct`.
    unsafe { libc::ptrace(what, thread, address, data) }
}

fn wait_for(thread: libc::pid_t) {
    let mut status = 0;
    // SAFETY: `status` is an integer to be written.
    let waited = unsafe { libc::waitpid(thread, &mut status, libc::__WALL) };
    assert!(waited == thread && libc::WIFSTOPPED(status), "{status:#x}");
}

/// What an instruction of x86-64 means here.
#[derive(Debug, PartialEq, Eq)]
enum Instruction {
    /// A system call.
    Call,
    /// `lock`, `mfence`, or `xchg` with memory, which locks by itself.
    Fence,
    Other,
}

impl Instruction {
    fn decode(code: &[u8]) -> Self {
        const LOCK: u8 = 0xf0;
        let is_prefix = |byte: u8| {
            let is_legacy = [
                0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf2, 0xf3, LOCK,
            ];
            is_legacy.contains(&byte)
        };
        let prefixes = code.iter().take_while(|byte| is_prefix(**byte)).count();
        if code[..prefixes].contains(&LOCK) {
            return Self::Fence;
        }
        let is_rex = |byte: &&u8| matches!(byte, 0x40..=0x4f);
        let rex = code[prefixes..].iter().take_while(is_rex).count();
        match code[prefixes + rex..] {
            [0x0f, 0x05, ..] => Self::Call,
            [0x0f, 0xae, 0xf0..=0xf7, ..] => Self::Fence,
            [0x86 | 0x87, mode, ..] if mode < 0xc0 => Self::Fence,
            _ => Self::Other,
        }
    }
}

#[test]
fn fences_are_told_from_other_instructions() {
    let fences: [&[u8]; 4] = [
        &[0xf0, 0x48, 0x0f, 0xb1, 0x0e, 0], // lock cmpxchg %rcx,(%rsi)
        &[0x0f, 0xae, 0xf0, 0],             // mfence
        &[0x48, 0x87, 0x07, 0],             // xchg %rax,(%rdi)
        &[0x66, 0xf0, 0x83, 0x0c, 0x24, 0x00, 0], // with a prefix before `lock`
    ];
    for code in fences {
        assert_eq!(Instruction::decode(code), Instruction::Fence);
    }
    assert_eq!(Instruction::decode(&[0x0f, 0x05, 0]), Instruction::Call);
    let others: [&[u8]; 3] = [
        &[0x48, 0x89, 0x07, 0], // mov %rax,(%rdi)
        &[0x48, 0x87, 0xc3, 0], // xchg %rax,%rbx
        &[0x0f, 0xae, 0xe8, 0], // lfence
    ];
    for code in others {
        assert_eq!(Instruction::decode(code), Instruction::Other);
    }
}
