//! The C ABI of ringbus; `include/ringbus.h` is its documentation.
//!
//! Every function runs its body in one [`guard`]: a panic and a NULL become codes, and every failure
//! leaves a message for its thread. Handles are boxes that C holds by pointer; their types are
//! opaque to it.

mod argument;
mod bus;
mod code;
mod failure;
mod guard;
mod library;
mod publisher;
mod subscriber;
mod topic;
