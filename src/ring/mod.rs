//! The data plane: rings of messages, their publishers and subscribers.
//!
//! (prose to be completed)

pub(crate) mod block;
mod chunk_list;
mod crash_point;
pub(crate) mod cursor;
pub(crate) mod cursor_word;
pub(crate) mod format;
pub(crate) mod gate;
pub(crate) mod header;
pub(crate) mod layout;
pub(crate) mod observe;
pub(crate) mod place;
pub(crate) mod publish;
pub(crate) mod publish_shared;
pub(crate) mod sequence;
pub(crate) mod tail;
#[cfg(not(ringbus_loom))]
pub(crate) mod view;
#[cfg(ringbus_loom)]
#[path = "tests/model_view.rs"]
pub(crate) mod view;

#[cfg(test)]
mod tests;
