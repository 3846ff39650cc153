#[cfg(not(ringbus_loom))]
mod event;
#[cfg(ringbus_loom)]
mod explore;
#[cfg(not(ringbus_loom))]
mod futex;
#[cfg(ringbus_loom)]
mod loom_bell;
#[cfg(ringbus_loom)]
mod loom_event;
#[cfg(all(feature = "portable", not(ringbus_loom)))]
mod portable;
