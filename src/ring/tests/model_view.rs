//! The counterpart of `view` under loom: the same methods over loom's objects on the heap, since
//! those have sizes of their own and cannot lie in a segment.
//!
//! A payload is a [`loom::cell::UnsafeCell`], so that loom itself reports a message that is written
//! while somebody may read it; what an observer copies, which may be written meanwhile, is relaxed
//! atomics.

use crossbeam_utils::CachePadded;
use loom::cell::UnsafeCell;

use super::{
    block::BlockHeader,
    format::format,
    layout::{
        Cell, Control, CursorsControl, Geometry, PublisherMode, PublisherRecord, Shape, Spare,
    },
    place::Place,
    sequence::Sequence,
};
use crate::sync::{AtomicU32, AtomicU64, Ordering, watched::step};

/// No message says this.
const HALF_WRITTEN: u64 = u64::MAX;

/// Both segments of one topic.
pub(crate) struct ModelTopic {
    geometry: Geometry,
    control: Control,
    records: Vec<PublisherRecord>,
    list_entries: Vec<AtomicU64>,
    spares: Vec<Spare>,
    stamps: Vec<AtomicU64>,
    /// Of the slots of an exclusive topic.
    blocks: Vec<ModelBlock>,
    /// From chunk 1 on.
    chunks: Vec<ModelBlock>,
    cursors: CursorsControl,
    cells: Vec<Cell>,
}

/// A block: what a spare chunk starts with, and two payloads, one for each kind of reader.
struct ModelBlock {
    spare_word: AtomicU64,
    held: UnsafeCell<u64>,
    copied: [AtomicU64; 2],
}

/// The ring segment of a topic.
#[derive(Clone, Copy)]
pub(crate) struct RingView<'m> {
    topic: &'m ModelTopic,
}

/// The slot of a message.
#[derive(Clone, Copy)]
pub(crate) struct Home<'m> {
    seq: Sequence,
    stamp: &'m AtomicU64,
}

/// The slots of one lap.
#[derive(Clone, Copy)]
pub(crate) struct Lap<'m> {
    ring: RingView<'m>,
    first: Sequence,
}

/// The cursors segment of a topic.
#[derive(Clone, Copy)]
pub(crate) struct CellsView<'m> {
    topic: &'m ModelTopic,
}

// SAFETY: all fields but the payloads are atomics; loom checks every access to those.
unsafe impl Send for ModelTopic {}
// SAFETY: as above.
unsafe impl Sync for ModelTopic {}

impl ModelTopic {
    pub(crate) fn new(shape: Shape) -> Self {
        let geometry = Geometry::new(shape).expect("a possible shape");
        let slots = shape.capacity_slots;
        let home_blocks = match shape.mode {
            PublisherMode::Exclusive => slots,
            PublisherMode::Shared => 0,
        };
        let list_entries = u64::from(shape.max_publishers) * shape.chunks_per_publisher();
        let topic = Self {
            geometry,
            control: Control {
                limit: padded(),
                publishers_used: padded(),
                publishers_changed: padded(),
            },
            records: many(shape.max_publishers.into(), record),
            list_entries: many(list_entries, word),
            spares: many(shape.spare_chunks(), || Spare {
                taker: word(),
                entry: word(),
            }),
            stamps: many(slots, word),
            blocks: many(home_blocks, ModelBlock::new),
            chunks: many(geometry.chunks, ModelBlock::new),
            cursors: CursorsControl {
                cells_used: padded(),
                arrivals: CachePadded::new(AtomicU32::new(0)),
                departures: CachePadded::new(AtomicU32::new(0)),
            },
            cells: many(shape.max_subscribers.into(), cell),
        };
        format(&topic.ring());
        topic
    }

    pub(crate) fn ring(&self) -> RingView<'_> {
        RingView { topic: self }
    }

    pub(crate) fn cells(&self) -> CellsView<'_> {
        CellsView { topic: self }
    }
}

impl<'m> RingView<'m> {
    pub(crate) fn geometry(&self) -> &'m Geometry {
        &self.topic.geometry
    }

    /// Hints, which change nothing.
    pub(crate) fn prefetch_second_line(&self, _: Sequence) {}

    /// See above.
    pub(crate) fn prefetch_slots_to_read(&self, _: Sequence, _: u64) {}

    /// See above.
    pub(crate) fn prefetch_to_read(&self, _: Place) {}

    /// See above.
    pub(crate) fn prefetch_stamp_to_write(&self, _: Sequence) {}

    pub(crate) fn claim_stamp(&self, _: Sequence) {}

    pub(crate) fn claim_block(&self, _: Place) {}

    /// See above.
    pub(crate) fn prefetch_to_write(&self, _: Place) {}

    pub(crate) fn stamp(&self, seq: Sequence) -> &'m AtomicU64 {
        &self.topic.stamps[self.slot(seq)]
    }

    pub(crate) fn home(&self, seq: Sequence) -> Home<'m> {
        let stamp = self.stamp(seq);
        Home { seq, stamp }
    }

    pub(crate) fn lap(&self, seq: Sequence) -> Lap<'m> {
        let capacity = self.geometry().shape.capacity_slots;
        Lap {
            ring: *self,
            first: Sequence(seq.0 - seq.0 % capacity),
        }
    }

    pub(crate) fn homes(&self, first: Sequence, len: u64) -> impl Iterator<Item = Home<'m>> {
        let (ring, until) = (*self, self.lap(first).until());
        (first.0..until.0.min(first.0 + len)).map(move |seq| ring.home(Sequence(seq)))
    }

    pub(crate) fn limit(&self) -> &'m AtomicU64 {
        &self.topic.control.limit
    }

    pub(crate) fn publishers_used(&self) -> &'m AtomicU64 {
        &self.topic.control.publishers_used
    }

    pub(crate) fn record(&self, index: u32) -> &'m PublisherRecord {
        &self.topic.records[index as usize]
    }

    pub(crate) fn list_entry(&self, record: u32, index: u32) -> &'m AtomicU64 {
        let per_publisher = self.topic.geometry.shape.chunks_per_publisher();
        let entry = u64::from(record) * per_publisher + u64::from(index);
        &self.topic.list_entries[entry as usize]
    }

    pub(crate) fn chunk_list(&self, record: u32) -> &'m [AtomicU64] {
        let per_publisher = self.topic.geometry.shape.chunks_per_publisher() as usize;
        &self.topic.list_entries[record as usize * per_publisher..][..per_publisher]
    }

    pub(crate) fn spare(&self, index: u32) -> &'m Spare {
        &self.topic.spares[index as usize]
    }

    pub(crate) fn spare_word(&self, chunk: u32) -> &'m AtomicU64 {
        &self.topic.chunks[chunk as usize - 1].spare_word
    }

    pub(crate) fn read_header(&self, place: Place) -> BlockHeader {
        BlockHeader {
            tag: self.block(place).copied[0].load(Ordering::Relaxed),
            ..BlockHeader::default()
        }
    }

    /// Writes a message for readers that hold it; who vanishes meanwhile leaves half of it.
    pub(crate) fn write(&self, place: Place, content: u64) {
        for written in [HALF_WRITTEN, content] {
            self.block(place).held.with_mut(|payload| {
                // SAFETY: loom reports whoever reads or writes at the same time.
                unsafe { *payload = written }
            });
            step();
        }
    }

    /// Reads a message that the caller holds.
    pub(crate) fn read(&self, place: Place) -> u64 {
        self.block(place).held.with(|payload| {
            // SAFETY: loom reports whoever writes at the same time.
            unsafe { *payload }
        })
    }

    /// Writes a message for observers.
    pub(crate) fn write_to_be_copied(&self, place: Place, content: u64) {
        for word in &self.block(place).copied {
            word.store(content, Ordering::Relaxed);
        }
    }

    fn block(&self, place: Place) -> &'m ModelBlock {
        match place.chunk() {
            0 => &self.topic.blocks[self.slot(place.sequence())],
            chunk => &self.topic.chunks[chunk as usize - 1],
        }
    }

    fn slot(&self, seq: Sequence) -> usize {
        (seq.0 & (self.topic.geometry.shape.capacity_slots - 1)) as usize
    }
}

impl<'m> Lap<'m> {
    pub(crate) fn until(&self) -> Sequence {
        self.first.plus(self.ring.geometry().shape.capacity_slots)
    }

    pub(crate) fn stamp(&self) -> u64 {
        self.ring.geometry().stamps.stamp(self.first, 0)
    }

    pub(crate) unsafe fn home(&self, seq: Sequence) -> Home<'m> {
        assert!(self.first <= seq && seq < self.until(), "another lap");
        self.ring.home(seq)
    }
}

impl<'m> Home<'m> {
    pub(crate) fn sequence(self) -> Sequence {
        self.seq
    }

    pub(crate) fn stamp(self) -> &'m AtomicU64 {
        self.stamp
    }
}

impl<'m> CellsView<'m> {
    pub(crate) fn cells_used(&self) -> &'m AtomicU64 {
        &self.topic.cursors.cells_used
    }

    pub(crate) fn used(&self, used: u64) -> impl Iterator<Item = (u32, &'m Cell)> {
        (0..).zip(&self.topic.cells).take(used as usize)
    }

    pub(crate) fn len(&self) -> u32 {
        self.topic.cells.len() as u32
    }

    pub(crate) fn arrivals(&self) -> &'m AtomicU32 {
        &self.topic.cursors.arrivals
    }

    pub(crate) fn departures(&self) -> &'m AtomicU32 {
        &self.topic.cursors.departures
    }

    pub(crate) fn cell(&self, index: u32) -> &'m Cell {
        &self.topic.cells[index as usize]
    }
}

impl ModelBlock {
    fn new() -> Self {
        Self {
            spare_word: word(),
            held: UnsafeCell::new(0),
            copied: [word(), word()],
        }
    }
}

/// The second word of a message that an observer copied.
pub(crate) struct CopyBuffer {
    payload: u64,
}

impl CopyBuffer {
    pub(crate) fn new(_alignment: usize) -> Self {
        Self { payload: 0 }
    }

    pub(crate) fn payload(&self) -> u64 {
        self.payload
    }

    pub(crate) fn copy_from(&mut self, ring: &RingView, place: Place, _: &BlockHeader) {
        self.payload = ring.block(place).copied[1].load(Ordering::Relaxed);
    }
}

fn record() -> PublisherRecord {
    PublisherRecord {
        owner: word(),
        intent: word(),
        displaced: word(),
        published: word(),
        bytes: word(),
        full: word(),
        waited: word(),
        evicted: word(),
        bell: AtomicU32::new(0),
    }
}

fn cell() -> Cell {
    Cell {
        cursor: word(),
        owner: word(),
        stall_timeout_ns: word(),
        lagged: word(),
        lag_events: word(),
        evictions: word(),
        bell: AtomicU32::new(0),
        more: AtomicU32::new(0),
    }
}

fn word() -> AtomicU64 {
    AtomicU64::new(0)
}

fn padded() -> CachePadded<AtomicU64> {
    CachePadded::new(word())
}

fn many<T>(count: u64, make: impl Fn() -> T) -> Vec<T> {
    (0..count).map(|_| make()).collect()
}
