//! A lock-free shared-memory message bus for the processes of one host.

mod shared;
mod sync;
