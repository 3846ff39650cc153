//! A lock-free shared-memory message bus for the processes of one host.
#![allow(dead_code, unused_imports)] // until the bus layer uses the layers below it

#[cfg(not(ringbus_loom))]
mod registry;
#[cfg(not(ringbus_loom))]
mod ring;
#[cfg(not(ringbus_loom))]
mod segment;
mod shared;
mod sync;
mod wait;

#[cfg(all(test, not(ringbus_loom)))]
mod testing;
