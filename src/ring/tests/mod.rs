//! Tests of the data plane: on heap memory, so that they run alike natively and under Miri; and the
//! models of its protocol, which only `--cfg ringbus_loom` builds.

mod chunks;
mod shapes;

#[cfg(not(ringbus_loom))]
mod cursor;
#[cfg(not(ringbus_loom))]
mod gate;
#[cfg(not(ringbus_loom))]
mod header;
#[cfg(not(ringbus_loom))]
mod heap;
#[cfg(not(ringbus_loom))]
mod properties;
#[cfg(not(ringbus_loom))]
mod publish;
#[cfg(not(ringbus_loom))]
mod publish_shared;

#[cfg(ringbus_loom)]
mod loom_cursor;
#[cfg(ringbus_loom)]
mod loom_gate;
#[cfg(ringbus_loom)]
mod loom_join;
#[cfg(ringbus_loom)]
mod loom_publish;
#[cfg(ringbus_loom)]
mod loom_publish_shared;
#[cfg(ringbus_loom)]
mod model;
