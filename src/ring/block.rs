//! A block: the header of one message and its payload.

#[cfg(not(ringbus_loom))]
use std::ptr::NonNull;

#[cfg(not(ringbus_loom))]
use super::{place::Place, view::RingView};
#[cfg(not(ringbus_loom))]
use crate::sync::{AtomicU64, Ordering};

/// What stands beside a payload. Fields that the topic does not keep are dropped when written and
/// read as 0, the length as the topic's fixed one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    pub(crate) len_bytes: u32,
    pub(crate) flags: u16,
    pub(crate) publisher: u16,
    pub(crate) tag: u64,
    pub(crate) time: u64,
}

#[cfg(not(ringbus_loom))]
const META_OFFSET: usize = 8;

#[cfg(not(ringbus_loom))]
impl RingView<'_> {
    /// Where the payload of the block at `place` starts; `payload_max_bytes` are there.
    #[inline(always)]
    pub(crate) fn payload(&self, place: Place) -> NonNull<u8> {
        let block = self.block(place);
        // SAFETY: the payload lies within its block, which lies within the segment (R1).
        unsafe { block.add(self.geometry().payload_offset as usize) }
    }

    /// Writes the header of a block that the caller is publishing.
    #[inline(always)]
    pub(crate) fn write_header(&self, place: Place, header: BlockHeader) {
        let geometry = self.geometry();
        if geometry.shape.is_lean() {
            return;
        }
        let meta = u64::from(header.len_bytes)
            | u64::from(header.flags) << 32
            | u64::from(header.publisher) << 48;
        // Relaxed throughout: edge COMMIT publishes them.
        self.block_word(place, META_OFFSET)
            .store(meta, Ordering::Relaxed);
        if geometry.shape.tags {
            let offset = geometry.tag_offset as usize;
            self.block_word(place, offset)
                .store(header.tag, Ordering::Relaxed);
        }
        if geometry.shape.time != super::layout::TimeSource::None {
            let offset = geometry.time_offset as usize;
            self.block_word(place, offset)
                .store(header.time, Ordering::Relaxed);
        }
    }

    /// The length of a message's payload; at most `payload_max_bytes`, whatever a peer wrote.
    #[inline(always)]
    pub(crate) fn payload_len(&self, place: Place) -> usize {
        let shape = &self.geometry().shape;
        if shape.fixed {
            return shape.payload_max_bytes as usize;
        }
        // Relaxed: edge COMMIT published it.
        let meta = self.block_word(place, META_OFFSET).load(Ordering::Relaxed);
        (shape.payload_max_bytes as usize).min(meta as u32 as usize)
    }

    /// Reads the header of a message. Its length is at most `payload_max_bytes`, whatever a peer
    /// wrote.
    #[inline(always)]
    pub(crate) fn read_header(&self, place: Place) -> BlockHeader {
        let geometry = self.geometry();
        let payload_max = geometry.shape.payload_max_bytes as u32;
        if geometry.shape.is_lean() {
            return BlockHeader {
                len_bytes: payload_max,
                ..BlockHeader::default()
            };
        }
        // Relaxed throughout: edge COMMIT published them, or the caller revalidates.
        let word = |offset: u64| {
            self.block_word(place, offset as usize)
                .load(Ordering::Relaxed)
        };
        let meta = word(META_OFFSET as u64);
        BlockHeader {
            len_bytes: if geometry.shape.fixed {
                payload_max
            } else {
                payload_max.min(meta as u32)
            },
            flags: (meta >> 32) as u16,
            publisher: (meta >> 48) as u16,
            tag: if geometry.shape.tags {
                word(geometry.tag_offset)
            } else {
                0
            },
            time: match geometry.shape.time {
                super::layout::TimeSource::None => 0,
                _ => word(geometry.time_offset),
            },
        }
    }

    #[inline(always)]
    fn block_word(&self, place: Place, offset: usize) -> &AtomicU64 {
        let block = self.block(place);
        // SAFETY: the header's words lie within the block, which lies within the segment (R1).
        let word = unsafe { block.add(offset) };
        // SAFETY:
        // - mapped for `'m`: R1. Aligned: blocks and `offset` are multiples of 8.
        // - peer writes are no race on an atomic, and any value is valid.
        unsafe { word.cast().as_ref() }
    }
}
