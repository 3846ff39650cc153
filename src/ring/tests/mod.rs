//! Tests of the data plane: on heap memory, so that they run alike natively and under Miri; and the
//! models of its protocol, which only `--cfg ringbus_loom` builds.

#[cfg(not(ringbus_loom))]
mod cursor;
#[cfg(not(ringbus_loom))]
mod gate;
#[cfg(not(ringbus_loom))]
pub(crate) mod heap;
#[cfg(not(ringbus_loom))]
mod publish;
#[cfg(not(ringbus_loom))]
mod publish_shared;
