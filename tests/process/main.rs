//! Real processes on one bus: what each sees of the others, while they live and when they die.
//!
//! Every other process is this test program again, in a [role](actor::Stage).

#[path = "../support/mod.rs"]
mod support;

mod actor;
mod churn;
mod create;
mod data;
mod exec;
mod fork;
mod full;
mod kill;
mod order;
mod pins;
mod reap;
mod rights;
mod sleep;
mod takeover;
