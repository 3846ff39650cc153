//! Sleeping until a peer has done something, at no price to a peer while nobody sleeps.
//!
//! [`Event`] is the protocol. It stands on two facilities of the kernel: `futex` puts threads to
//! sleep on a shared word, and `membarrier` lets the one who goes to sleep pay for the fence that
//! the one who wakes would otherwise need. Models replace both (`model.rs`), and so does the portable
//! backend (`portable.rs`).
//!
//! | edge  | store                     | then load           | at                          |
//! |-------|---------------------------|---------------------|-----------------------------|
//! | SLEEP | "somebody sleeps"         | the predicate       | sleeper, [`Event::prepare`] |
//! | SLEEP | what makes the predicate true | "somebody sleeps?" | notifier, [`Event::notify`] |
//!
//! SLEEP is no pair of release and acquire: of the two loads, at least one must see the other
//! side's store. Model: `tests/loom_event.rs`.
//!
//! Whoever waits for many events at once sleeps at a [`Bell`], which has edges of its own, CALL and RING.
//!
//! No sleep is longer than 40 ms, so that a notifier which dies between its two steps delays
//! its sleepers by no more than that.

mod bell;
#[cfg(all(target_os = "linux", not(ringbus_loom)))]
mod epoll;
mod event;
#[cfg(all(target_os = "linux", not(feature = "portable"), not(ringbus_loom)))]
mod futex;
#[cfg(all(target_os = "linux", not(feature = "portable"), not(ringbus_loom)))]
mod membarrier;
#[cfg(ringbus_loom)]
mod model;
#[cfg(all(any(not(target_os = "linux"), feature = "portable"), not(ringbus_loom)))]
mod portable;
#[cfg(test)]
mod tests;

#[cfg(ringbus_loom)]
use self::model::{futex, membarrier};
#[cfg(all(any(not(target_os = "linux"), feature = "portable"), not(ringbus_loom)))]
use self::portable::{futex, membarrier};

#[cfg(all(target_os = "linux", not(ringbus_loom)))]
pub(crate) use self::epoll::{Epoll, EventFd};
pub(crate) use self::{
    bell::{Bell, BellWords, GROUPS, Ticket},
    event::{Event, FenceSide, Token},
};
