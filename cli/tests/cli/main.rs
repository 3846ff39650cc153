//! The built `ringbus` binary, run as its users run it: real processes on a bus of their own.

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(feature = "portable")
))]
mod bench;
#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod builds;
mod calls;
mod demo;
mod endings;
mod harness;
mod inspect;
mod pub_sub;
#[cfg(unix)]
mod readme;
mod real_data;
#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod torture;
#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod torture_hostile;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(feature = "portable")
))]
mod torture_step;
