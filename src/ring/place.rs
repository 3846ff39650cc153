//! Where one message lies.

use super::{
    layout::{Geometry, PublisherMode},
    sequence::Sequence,
};

/// The block of one message: that of its slot (chunk 0) or a numbered chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    seq: Sequence,
    chunk: u32,
}

impl Place {
    /// The block inside of the slot of `seq`; exclusive topics only.
    #[inline(always)]
    pub(crate) const fn home(seq: Sequence) -> Self {
        Self { seq, chunk: 0 }
    }

    /// The place named by a stamp, unless no honest publisher wrote that stamp.
    #[inline(always)]
    pub(crate) const fn checked(geometry: &Geometry, seq: Sequence, chunk: u32) -> Option<Self> {
        let first = match geometry.shape.mode {
            PublisherMode::Exclusive => 0,
            PublisherMode::Shared => 1,
        };
        if chunk < first || chunk as u64 > geometry.chunks {
            return None;
        }
        Some(Self { seq, chunk })
    }

    /// The message's sequence.
    #[inline(always)]
    pub(crate) const fn sequence(self) -> Sequence {
        self.seq
    }

    /// The chunk's number; 0: the slot itself.
    #[inline(always)]
    pub(crate) const fn chunk(self) -> u32 {
        self.chunk
    }
}
