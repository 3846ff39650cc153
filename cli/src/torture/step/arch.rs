//! What single-stepping has to know of a processor.

pub use libc::user_regs_struct as Registers;

/// The address of the next instruction.
pub fn address(registers: &mut Registers) -> u64 {
    *address_mut(registers)
}

#[cfg(target_arch = "x86_64")]
mod processor {
    use super::Registers;

    /// The register that names the next instruction.
    pub fn address_mut(registers: &mut Registers) -> &mut u64 {
        &mut registers.rip
    }

    /// `word` with its first instruction replaced by a breakpoint: `int3`.
    pub fn with_breakpoint(word: u64) -> u64 {
        word & !0xff | 0xcc
    }

    /// Whether `word` begins with `syscall`.
    pub fn is_system_call(word: u64) -> bool {
        word & 0xffff == 0x050f
    }
}

#[cfg(target_arch = "aarch64")]
mod processor {
    use super::Registers;

    /// The register that names the next instruction.
    pub fn address_mut(registers: &mut Registers) -> &mut u64 {
        &mut registers.pc
    }

    /// `word` with its first instruction replaced by a breakpoint: `brk #0`.
    pub fn with_breakpoint(word: u64) -> u64 {
        word & !0xffff_ffff | 0xd420_0000
    }

    /// Whether `word` begins with `svc #0`.
    pub fn is_system_call(word: u64) -> bool {
        word & 0xffff_ffff == 0xd400_0001
    }
}

pub use processor::{address_mut, is_system_call, with_breakpoint};
