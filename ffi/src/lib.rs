//! The C ABI of ringbus; its documentation is that of the functions, as `include/ringbus.h` has it.
//!
//! Every function runs its body in one [`guard`]: a panic and a NULL become codes, and every failure
//! leaves a message for its thread. What C holds are [`handle`]s, which are looked up and never followed;
//! what C passes by pointer otherwise are texts, payloads, options and places for results.
//!
//! # The contract
//!
//! No function trusts a handle. Of any other pointer each requires, and its documentation repeats only
//! what differs: it is NULL, or valid for what the documentation says is there, and nobody changes or
//! frees that during the call.

#![allow(
    clippy::missing_safety_doc,
    reason = "the documentation is C's; the contract above holds for every function"
)]

mod argument;
mod code;
mod failure;
mod guard;
mod handle;
mod owned;

// What C sees, in the order in which the header has it.
mod library;

mod bus;

mod topic;

mod attribute;

mod publisher;

mod loan;

mod filter;

mod subscriber;

mod message;

mod observer;

mod reading;

mod wait_set;

mod multi;

mod handler;

mod dispatcher;

mod service;

mod client;

mod server;

mod watch;

mod report;

#[cfg(test)]
mod tests;
