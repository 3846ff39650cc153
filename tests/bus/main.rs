//! The public behaviour of a bus, as far as one process can show it.

#[path = "../support/mod.rs"]
mod support;

mod access;
mod control_plane;
mod delivery;
mod hardening;
mod info;
mod limits;
mod loans;
mod names;
#[cfg(feature = "portable")]
mod portable;
mod publish;
mod start;
mod typed;
mod waiting;
mod watch;
