//! The data plane: rings of messages, their publishers and subscribers.
//!
//! A topic is a ring of `capacity` slots, a power of two. Every message has a [`sequence`]; it belongs
//! into slot `sequence % capacity`, and the slot's *stamp*, a 64-bit word, says which lap's message
//! is there and in which chunk. That word is all that makes a message visible: nothing else is
//! stored per message, no index, no count that others wait for. The bytes are in [`layout`].
//!
//! ```text
//!              oldest                      tail            limit
//!                |                          |                |
//!   ... overwritten | published, retained   | free to write  | not yet allowed ...
//!                |<------------------ capacity -------------->|
//! ```
//!
//! # Publishing
//!
//! An *exclusive* publisher ([`publish`]) writes into the next slot itself and then stores its stamp. A
//! *shared* one ([`publish_shared`]) writes into a chunk that it owns; one compare-and-swap on the
//! stamp, from "message `s - capacity`" to "message `s`, in my chunk", gives the message its place
//! and makes it visible, and hands over the chunk of the message that it displaced ([`chunk_list`]).
//! Killed or stopped at any instruction, either leaves a whole message or none, and nobody waits for
//! it.
//!
//! # The gate
//!
//! Before a publisher writes beyond its *limit* it raises the ring's limit by an eighth of the
//! capacity and looks at every subscriber's cursor ([`gate`]): it stays within a lap of the slowest
//! reliable one, and overtakes lossy ones. The price of the look is spread over the messages up to
//! the limit, so it does not grow with the subscribers per message.
//!
//! Whoever reads without being looked at, a joining subscriber or an observer, trusts only messages
//! within a lap before the limit: anything older may be in the middle of being overwritten.
//!
//! # Subscribing
//!
//! A subscriber ([`cursor`]) has one word, its [`cursor_word`], in a cell of its own. A reliable one just
//! stores its progress there. A lossy one takes messages by a compare-and-swap that says which ones
//! it holds; a publisher passes it by a compare-and-swap on the same word. One of the two wins: either
//! the subscriber learns that it was passed, or the publisher that a message is held, and then the
//! publisher leaves that block alone and uses a spare chunk for its slot. An observer ([`observe`])
//! copies and then checks against the limit.
//!
//! # Edges
//!
//! Every pair of accesses that must be ordered has a name, which stands at both ends in the code.
//!
//! | edge | store | load | what it orders | model (`tests/`) |
//! |---|---|---|---|---|
//! | COMMIT | stamp: Release store, `publish`; AcqRel swap, `publish_shared` | stamp: Acquire, `cursor`, `observe`, `tail` | the block's bytes before their reader | `loom_publish`, `loom_publish_shared` |
//! | RELEASE | cursor: Release, `cursor` | cursor: Acquire, `gate` | a subscriber's reads before the block is written again | `loom_gate`, `loom_cursor` |
//! | PASS | cursor: Release swap, `gate` | cursor: Acquire (failed swap), `cursor` | being passed before coming back | `loom_cursor` |
//! | LIMIT | limit: AcqRel, `gate` | limit: Acquire, `tail` | the tail is within a lap of the limit | `loom_join` |
//! | JOIN | cursor, then SeqCst fence, then load of the limit, `cursor` | limit, then SeqCst fence, then loads of cursors, `gate` | a newcomer sees the limit, or is seen | `loom_join` |
//! | OBSERVE | limit, SeqCst fence, then the block, `gate` | the block, Acquire fence, then limit, `observe` | a torn copy is found out | `loom_publish` |
//! | DISPLACE | stamp: Release half of the swap, `publish_shared` | stamp: Acquire half of the swap | the last writer's and readers' use of a chunk before its next | `loom_publish_shared` |
//! | INTENT | intent: Release, `publish_shared` | intent: Acquire, `chunk_list` | a swap's particulars before anybody judges it | `loom_publish_shared` |
//! | WON | intent: AcqRel swap, `chunk_list` | intent: Acquire, `chunk_list` | the verdict on a swap before its slot is written again | `loom_publish_shared` |
//!
//! Edge SLEEP is in the layer `wait`, PLACE in `bus` and EPOCH in `registry`.
//!
//! # Invariants
//!
//! - **R1, R2 (mapped).** A view's segment is mapped for as long as the view is used.
//! - **R3 (held).** No publisher writes the block of a message between a subscriber's `take` and its
//!   `release`.
//! - **R4 (prefix).** Message `s` is published only after message `s - 1`.
//! - **R5 (limit).** `tail <= limit <= tail + capacity`, and nothing at or beyond the limit is
//!   written.
//! - **R6 (chunks).** Each chunk of a shared topic is named by exactly one stamp, list entry or spare,
//!   but for one that a swap or exchange under way moves; each spare chunk of an exclusive one is in the ring, held,
//!   or free.

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
