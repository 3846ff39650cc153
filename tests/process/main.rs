//! Real processes on one bus: what each sees of the others, while they live and when they die.
//!
//! Every other process is this test program again, in a [role](actor::Stage).

#[path = "../support/mod.rs"]
mod support;

mod actor;
mod blackboard;
// `ringbus torture` does this and more, with the native backend only.
mod call;
#[cfg(feature = "portable")]
mod churn;
mod create;
mod data;
mod dying;
mod exec;
mod fork;
mod full;
mod kill;
mod multi;
mod order;
mod pins;
#[cfg(ringbus_planted)]
mod planted;
mod priorities;
mod reap;
mod rights;
mod seccomp;
mod signals;
mod sleep;
mod takeover;
#[cfg(all(target_arch = "x86_64", target_os = "linux", not(feature = "portable")))]
mod unfenced;
mod users;
mod wait_set;
