//! The two segments of a topic to the byte: where each part lies, and the words that change.
//!
//! ```text
//! <id>.ring      publishers map it read-write, everybody else read-only
//!   0            RingHeader          4 KiB, never changes (see `header`)
//!   4 KiB        schema              rounded up to a page
//!   ..           Control             4 KiB: limit | publishers_used | publishers_changed
//!   ..           PublisherRecord     128 B each, max_publishers of them
//!   ..           chunk lists         8 B x (loans + 1) for each publisher; shared topics only
//!   ..           Spare               16 B for each spare chunk; shared topics only
//!   page         slots               exclusive: a block each; shared: a stamp each, 64 B apart
//!   page         chunks              blocks: the spares of an exclusive topic, or all of a shared one
//!
//! <id>.cursors   publishers and subscribers map it read-write
//!   0            CursorsHeader       4 KiB, never changes
//!   4 KiB        CursorsControl      4 KiB: cells_used | arrivals | departures
//!   8 KiB        Cell                128 B each, max_subscribers of them
//!
//! a block        0: stamp (in a slot) or last use (in a spare chunk)    8 B
//!                8: payload length u32 | flags u16 | publisher u16      8 B, absent if lean
//!                   tag                                                 8 B, if kept
//!                   publish time                                        8 B, if kept
//!                   length of the attributes                            8 B, if kept
//!                   payload, at the next multiple of its alignment
//!                   attributes, at the next multiple of 8 after the longest payload
//! ```
//!
//! A topic of fixed size without tags, time and attributes is *lean*: its blocks are stamp and payload only.

mod geometry;
mod shape;

use crossbeam_utils::CachePadded;

pub use self::shape::{PublisherMode, ShapeError, TimeSource};
pub(crate) use self::{
    geometry::{Geometry, HeaderForm},
    shape::Shape,
};
use crate::{
    shared::Shared,
    sync::{AtomicU32, AtomicU64},
};

/// The version of everything described in this file and in `header`.
pub(crate) const LAYOUT_VERSION: u32 = 2;

const PAGE: u64 = 4096;

/// The words of a ring that all publishers write.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Control {
    /// The first sequence that no publisher may write yet. Messages more than a lap before it may
    /// be overwritten at any moment. Only grows.
    pub(crate) limit: CachePadded<AtomicU64>,
    /// Records that were ever in use: `0..publishers_used`. Only grows.
    pub(crate) publishers_used: CachePadded<AtomicU64>,
    /// Counts publishers that joined or left in order, after they did: who looks at it need not look at
    /// all records, whose lines publishers write all the time.
    pub(crate) publishers_changed: CachePadded<AtomicU64>,
}

/// One publisher of a topic; an exclusive topic uses record 0 only.
///
/// The counts belong to the record, not to its holder: a successor adds to them.
#[repr(C, align(128))]
#[derive(Debug)]
pub(crate) struct PublisherRecord {
    /// The lease of its holder; 0: free.
    pub(crate) owner: AtomicU64,
    /// The swap that is under way ([`Intent`](super::chunk_list::Intent)); shared topics only.
    pub(crate) intent: AtomicU64,
    /// The chunk that the swap under way wins; shared topics only.
    pub(crate) displaced: AtomicU64,
    pub(crate) published: AtomicU64,
    pub(crate) bytes: AtomicU64,
    /// Publishes refused because the gate was shut.
    pub(crate) full: AtomicU64,
    /// Publishes that had to wait at the gate.
    pub(crate) waited: AtomicU64,
    /// Reliable subscribers evicted.
    pub(crate) evicted: AtomicU64,
    /// Which bell to ring when subscribers move on, for the layers above; 0: none.
    pub(crate) bell: AtomicU32,
}

/// A spare chunk of a shared topic, which any publisher may exchange for one that is held.
#[repr(C, align(16))]
#[derive(Debug)]
pub(crate) struct Spare {
    /// One more than the index of the publisher that is exchanging it; 0: nobody.
    pub(crate) taker: AtomicU64,
    /// The chunk ([`Entry`](super::chunk_list::Entry)).
    pub(crate) entry: AtomicU64,
}

/// The words of the cursors segment that concern everybody.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct CursorsControl {
    /// Cells that were ever in use: `0..cells_used`. Only grows.
    pub(crate) cells_used: CachePadded<AtomicU64>,
    /// Where subscribers sleep until something is published.
    pub(crate) arrivals: CachePadded<AtomicU32>,
    /// Where publishers sleep until a subscriber moves on.
    pub(crate) departures: CachePadded<AtomicU32>,
}

/// Set in a cell's owner word while the cell is taken back from a dead subscriber: its cursor then
/// stands for nobody. So one who is stopped while taking it back holds up nobody either.
pub(crate) const REAPING: u64 = 1 << 63;

/// One subscriber of a topic.
#[repr(C, align(128))]
#[derive(Debug)]
pub(crate) struct Cell {
    /// [`CursorWord`](super::cursor_word::CursorWord).
    pub(crate) cursor: AtomicU64,
    /// The lease of its holder; 0: free.
    pub(crate) owner: AtomicU64,
    /// After how long without a move an evictable subscriber may be evicted.
    pub(crate) stall_timeout_ns: AtomicU64,
    /// Messages lost, in all.
    pub(crate) lagged: AtomicU64,
    /// How often messages were lost.
    pub(crate) lag_events: AtomicU64,
    /// How often it was evicted.
    pub(crate) evictions: AtomicU64,
    /// Which bell to ring when something is published, for the layers above; 0: none.
    pub(crate) bell: AtomicU32,
    /// Whether its next poll has something to say that neither cursor nor ring tells; not 0: yes.
    pub(crate) more: AtomicU32,
}

// SAFETY: `repr(C)`, atomics only.
unsafe impl Shared for Control {}
// SAFETY: as above.
unsafe impl Shared for PublisherRecord {}
// SAFETY: as above.
unsafe impl Shared for Spare {}
// SAFETY: as above.
unsafe impl Shared for CursorsControl {}
// SAFETY: as above.
unsafe impl Shared for Cell {}

// loom's atomics have sizes of their own.
#[cfg(not(ringbus_loom))]
const _: () = {
    use std::mem::offset_of;
    assert!(size_of::<Control>() <= PAGE as usize);
    assert!(size_of::<CursorsControl>() <= PAGE as usize);
    assert!(size_of::<PublisherRecord>() == 128);
    assert!(offset_of!(PublisherRecord, owner) == 0);
    assert!(offset_of!(PublisherRecord, intent) == 8);
    assert!(offset_of!(PublisherRecord, displaced) == 16);
    assert!(offset_of!(PublisherRecord, evicted) == 56);
    assert!(offset_of!(PublisherRecord, bell) == 64);
    assert!(size_of::<Spare>() == 16);
    assert!(offset_of!(Spare, entry) == 8);
    assert!(size_of::<Cell>() == 128);
    assert!(offset_of!(Cell, cursor) == 0);
    assert!(offset_of!(Cell, owner) == 8);
    assert!(offset_of!(Cell, evictions) == 40);
    assert!(offset_of!(Cell, bell) == 48);
    assert!(offset_of!(Cell, more) == 52);
};
