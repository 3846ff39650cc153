//! A lock-free shared-memory message bus for the processes of one host.
#![allow(dead_code)]

mod ring;
mod shared;
mod sync;
