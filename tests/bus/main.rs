//! The public behaviour of a bus, as far as one process can show it.

#[path = "../support/mod.rs"]
mod support;

mod access;
mod attributes;
mod blackboard;
mod call;
mod control_plane;
mod delivery;
mod dispatcher;
mod eviction;
mod filter;
mod filter_account;
mod full_speed;
mod hardening;
mod info;
mod limits;
mod loans;
mod multi;
mod multi_model;
mod names;
mod panics;
mod placement;
#[cfg(feature = "portable")]
mod portable;
mod publish;
mod start;
mod typed;
mod wait_set;
mod waiting;
mod watch;
