//! Where everything lies, and how large it is.

use super::{
    super::sequence::{Sequence, StampFormat},
    Cell, CursorsControl, PAGE, PublisherMode, PublisherRecord, Shape, ShapeError, Spare,
    TimeSource,
};
use crate::shared::Offset;

/// Where everything lies in the segments of one topic: computed from a validated [`Shape`], never
/// read from shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) shape: Shape,
    pub(crate) stamps: StampFormat,
    pub(crate) header_form: HeaderForm,
    /// Bytes from one block to the next.
    pub(crate) block_stride: u64,
    /// Bytes from one slot to the next.
    pub(crate) slot_stride: u64,
    pub(crate) tag_offset: u64,
    pub(crate) time_offset: u64,
    pub(crate) attributes_len_offset: u64,
    pub(crate) payload_offset: u64,
    pub(crate) attributes_offset: u64,
    /// Chunks outside of the slots.
    pub(crate) chunks: u64,
    pub(crate) schema: u64,
    pub(crate) control: u64,
    pub(crate) records: u64,
    pub(crate) chunk_lists: u64,
    pub(crate) spares: u64,
    pub(crate) slots_offset: u64,
    pub(crate) chunks_offset: u64,
    pub(crate) ring_bytes: u64,
    pub(crate) cursors_bytes: u64,
}

/// What a block has before its payload, so that each message asks once and not for each field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderForm {
    /// The stamp alone.
    Lean,
    /// Length, flags, publisher and tag: the default.
    Tagged,
    /// Anything else: the shape tells.
    Other,
}

impl Geometry {
    /// The geometry of a topic of this shape.
    pub(crate) fn new(shape: Shape) -> Result<Self, ShapeError> {
        shape.validate()?;
        let chunks = shape.chunks();
        let max = StampFormat::chunks_max(shape.capacity_slots, shape.mode);
        if chunks > max {
            return Err(ShapeError::Chunks { chunks, max });
        }
        // No sum below overflows: each factor was bounded above, twice 2^30 slots x (2^30 + 2^13) B
        // being the largest product.
        let block_stride = shape.block_stride();
        let slot_stride = match shape.mode {
            PublisherMode::Exclusive => block_stride,
            PublisherMode::Shared => STAMP_STRIDE,
        };
        let tag_offset = 16;
        let time_offset = if shape.tags { 24 } else { 16 };
        let attributes_len_offset = match shape.time {
            TimeSource::None => time_offset,
            _ => time_offset + 8,
        };
        let control = PAGE + u64::from(shape.schema_bytes).next_multiple_of(PAGE);
        let records = control + PAGE;
        let publishers = u64::from(shape.max_publishers);
        let chunk_lists = records + publishers * size_of::<PublisherRecord>() as u64;
        let lists_bytes = publishers * shape.chunks_per_publisher() * 8;
        let spares = (chunk_lists + lists_bytes).next_multiple_of(size_of::<Spare>() as u64);
        let spares_end = spares + shape.spare_chunks() * size_of::<Spare>() as u64;
        let slots_offset = spares_end.next_multiple_of(PAGE);
        let slots_end = slots_offset + shape.capacity_slots * slot_stride;
        let chunks_offset = slots_end.next_multiple_of(PAGE);
        let ring_bytes = (chunks_offset + chunks * block_stride).next_multiple_of(PAGE);
        if ring_bytes > Shape::SEGMENT_MAX {
            return Err(ShapeError::Size {
                max: Shape::SEGMENT_MAX,
            });
        }
        let cells_bytes = u64::from(shape.max_subscribers) * size_of::<Cell>() as u64;
        Ok(Self {
            shape,
            stamps: StampFormat::new(shape.capacity_slots, chunks + 1),
            header_form: shape.header_form(),
            block_stride,
            slot_stride,
            tag_offset,
            time_offset,
            attributes_len_offset,
            payload_offset: shape.payload_offset(),
            attributes_offset: shape.attributes_offset(),
            chunks,
            schema: PAGE,
            control,
            records,
            chunk_lists,
            spares,
            slots_offset,
            chunks_offset,
            ring_bytes,
            cursors_bytes: (Self::CELLS + cells_bytes).next_multiple_of(PAGE),
        })
    }

    /// Where the words of the cursors segment lie.
    pub(crate) const CURSORS_CONTROL: Offset<CursorsControl> = Offset::new(PAGE);
    /// Where the cells of the cursors segment start.
    pub(crate) const CELLS: u64 = 2 * PAGE;

    /// The bytes of the ring segment that must be there before anybody uses it; the rest is
    /// reserved when it is first needed.
    pub(crate) fn reserved_at_creation(&self) -> u64 {
        match self.shape.mode {
            PublisherMode::Exclusive => self.chunks_offset,
            PublisherMode::Shared => {
                self.chunks_offset + self.shape.capacity_slots * self.block_stride
            }
        }
    }

    /// The bytes (offset, length) of the chunks with which publisher `record` starts.
    pub(crate) fn initial_chunks(&self, record: u32) -> (u64, u64) {
        let count = self.shape.chunks_per_publisher();
        let first = self.shape.capacity_slots + u64::from(record) * count;
        (
            self.chunks_offset + first * self.block_stride,
            count * self.block_stride,
        )
    }

    /// The bytes (offset, length) of chunk number `chunk` (from 1).
    pub(crate) fn chunk_range(&self, chunk: u32) -> (u64, u64) {
        let index = u64::from(chunk) - 1;
        (
            self.chunks_offset + index * self.block_stride,
            self.block_stride,
        )
    }

    /// How far publishers raise the limit at a time: the price of looking at every cursor is
    /// spread over an eighth of the ring.
    ///
    /// Measured as [`pace::BATCH`](super::super::pace::BATCH), in batches and one by one: a quarter 90-110 and
    /// 57-59 million messages a second, an eighth 107 and 48-52, a sixteenth 77-97 and 52-75, a
    /// thirty-second 101-105 and 38-51. All alike, so what counts is how much of the ring is kept for those
    /// who are slow: seven eighths, where a quarter would leave three.
    #[inline]
    pub(crate) const fn quantum(&self) -> u64 {
        let eighth = self.shape.capacity_slots / 8;
        if eighth == 0 { 1 } else { eighth }
    }

    /// The first sequence of the topic.
    pub(crate) const fn first(&self) -> Sequence {
        Sequence(self.shape.first_sequence)
    }
}

/// A shared topic's stamps lie a line apart: eight to a line cost a sixth of the throughput
/// (measured, two publishers, 64 B: 60-75 M msg/s against 10-13).
const STAMP_STRIDE: u64 = 64;
