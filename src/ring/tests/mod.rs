//! Tests of the data plane: on heap memory, so that they run alike natively and under Miri; and the
//! models of its protocol, which only `--cfg ringbus_loom` builds.
//!
//! Models have two or three participants and a few messages. What they cannot hold, many participants
//! and long histories, is for the histories of `properties`, for the threads and processes of `tests/`
//! and for `ringbus torture`. A randomised scheduler (shuttle) would stand between the two; it is left
//! out because its atomics are sequentially consistent only, so that it would find fewer bugs than loom
//! in small scenes and, running one thread at a time, fewer in long ones than real processes do in
//! the same time, at the price of a third set of types behind the seam.

mod chunks;
pub(super) mod shapes;

#[cfg(not(ringbus_loom))]
mod cursor;
#[cfg(not(ringbus_loom))]
mod gate;
#[cfg(not(ringbus_loom))]
mod header;
#[cfg(not(ringbus_loom))]
pub(super) mod heap;
#[cfg(not(ringbus_loom))]
mod hostile;
#[cfg(not(ringbus_loom))]
mod plain;
#[cfg(not(ringbus_loom))]
mod properties;
#[cfg(not(ringbus_loom))]
mod publish;
#[cfg(not(ringbus_loom))]
mod publish_shared;
#[cfg(not(ringbus_loom))]
mod threads;

#[cfg(ringbus_loom)]
mod loom_cursor;
#[cfg(ringbus_loom)]
mod loom_gate;
#[cfg(ringbus_loom)]
mod loom_join;
#[cfg(ringbus_loom)]
mod loom_owner;
#[cfg(ringbus_loom)]
mod loom_publish;
#[cfg(ringbus_loom)]
mod loom_publish_shared;
#[cfg(ringbus_loom)]
mod loom_vanish_publisher;
#[cfg(ringbus_loom)]
mod loom_vanish_subscriber;
#[cfg(ringbus_loom)]
mod model;
