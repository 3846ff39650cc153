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
//! | COMMIT | stamp: Release store, `publish`; Release swap, `publish_shared` | stamp: Acquire, `cursor`, `observe`, `tail` | the block's bytes before their reader | `loom_publish`, `loom_publish_shared` |
//! | RELEASE | cursor: Release, `cursor` | cursor: Acquire, `gate` | a subscriber's reads before the block is written again | `loom_gate`, `loom_cursor` |
//! | LIMIT | limit: AcqRel, `gate` | limit: Acquire, `tail` | the tail is within a lap of the limit | `loom_join` |
//! | JOIN | cursor, then SeqCst fence, then load of the limit, `cursor` | limit, then SeqCst fence, then loads of cursors, `gate` | a newcomer, or one who was passed and comes back, sees the limit, or is seen | `loom_join`, `loom_cursor` |
//! | OBSERVE | limit, SeqCst fence, then the block, `gate` | the block, Acquire fence, then limit, `observe` | a torn copy is found out | `loom_publish` |
//! | INTENT | intent: Release, `publish_shared` | intent: Acquire, `chunk_list` | a swap's particulars before anybody judges it | below |
//! | WON | intent: Relaxed swap, `chunk_list`, then the stamp: Release swap, `publish_shared` | stamp: Acquire, then the intent, `chunk_list` | the verdict on a swap before its slot is written again | `loom_vanish_publisher` |
//! | SPARE | taker: Release, `chunk_list` | taker: Acquire swap, `chunk_list` | a spare's last use before its next | `loom_publish_shared`, `loom_vanish_publisher` |
//! | PLACE | owner: Release, `owner` | owner: AcqRel swap, `owner` | what the last owner left before the next one's use | `loom_owner` |
//!
//! Edges SLEEP, CALL and RING are in the layer `wait` and EPOCH in `registry`.
//!
//! Weakened one at a time (`RINGBUS_PLANTED`), these ends make a model fail: COMMIT, both ends, the store
//! and the swap; RELEASE, both; LIMIT, both; JOIN, both fences; OBSERVE, every fence; SPARE, both; WON, both;
//! PLACE, the store; SLEEP, CALL and RING, the fences; EPOCH, both.
//!
//! INTENT is the one that no model can miss. Its Release stores keep the steps of `chunk_list` in order
//! before a death, which a compiler could change, and models vanish in the order of the source. Its
//! Acquire load only repeats what others order. If the swap succeeded, then whoever judges it has seen
//! the stamp of that message or of a later one, and by COMMIT what came before the swap. If it failed, it
//! could be taken for a success only where the judge reads in the list entry a chunk that has left it, and
//! that somebody else has published in this very slot. If the chunk left by an exchange, SPARE and COMMIT
//! bring that to the judge. If it left by a swap, then its publisher has looked between that and the
//! intent, as nobody gets a lap further without a look, and so has the judge before it judges. One of
//! their full fences is the first: the publisher's, and the judge reads the entry as it is; or the judge's,
//! and the publisher finds the slot taken, and does not try. The load stays Acquire, so that nothing else
//! has to rest on this.
//!
//! What needs no edge: a subscriber that finds itself passed comes back by JOIN; and a chunk that is won from
//! the ring was last written before the stamp of the message before, which its winner has read by COMMIT.
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

mod ahead;
pub(crate) mod block;
mod chunk_guess;
mod chunk_list;
pub(crate) mod cursor;
pub(crate) mod cursor_word;
pub(crate) mod format;
pub(crate) mod gate;
pub(crate) mod header;
mod headway;
pub(crate) mod layout;
pub(crate) mod news;
pub(crate) mod observe;
pub(crate) mod owner;
pub(crate) mod pace;
pub(crate) mod place;
#[cfg(not(ringbus_loom))]
pub(crate) mod plain;
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
