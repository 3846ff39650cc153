//! A block: the header of one message and its payload.

#[cfg(not(ringbus_loom))]
use std::ptr::NonNull;

#[cfg(not(ringbus_loom))]
use super::{
    layout::{Geometry, HeaderForm, TimeSource},
    place::Place,
    view::{Home, RingView},
};
#[cfg(not(ringbus_loom))]
use crate::sync::{AtomicU64, Ordering, compiler_fence};

/// What stands beside a payload. Fields that the topic does not keep are dropped when written and
/// read as 0, the length as the topic's fixed one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    pub(crate) len_bytes: u32,
    pub(crate) flags: u16,
    pub(crate) publisher: u16,
    pub(crate) tag: u64,
    pub(crate) time: u64,
    pub(crate) attributes_len: u16,
}

#[cfg(not(ringbus_loom))]
impl BlockHeader {
    /// Length, flags and publisher as they lie in memory.
    #[inline(always)]
    fn meta(self) -> u64 {
        u64::from(self.len_bytes) | u64::from(self.flags) << 32 | u64::from(self.publisher) << 48
    }
}

#[cfg(not(ringbus_loom))]
const META_OFFSET: u64 = 8;
/// Of those that have one.
#[cfg(not(ringbus_loom))]
const TAG_OFFSET: u64 = 16;

/// Payloads of up to so many bytes are copied without a call.
#[cfg(not(ringbus_loom))]
const COPIED_IN_PIECES_MAX: usize = 256;

#[cfg(not(ringbus_loom))]
impl RingView<'_> {
    /// Where the payload of the block at `place` starts; `payload_max_bytes` are there.
    #[inline(always)]
    pub(crate) fn payload(&self, place: Place) -> NonNull<u8> {
        let block = self.block(place);
        // SAFETY: the payload lies within its block, which lies within the segment (R1).
        unsafe { block.add(self.geometry().payload_offset as usize) }
    }

    /// Where the attributes of the block at `place` start; `attributes_max_bytes` are there.
    pub(crate) fn attributes(&self, place: Place) -> NonNull<u8> {
        let block = self.block(place);
        // SAFETY: as above.
        unsafe { block.add(self.geometry().attributes_offset as usize) }
    }

    /// Writes payload and header into a block that the caller is publishing.
    ///
    /// From the payload's end to the header: a subscriber polls the block's first line, and takes it
    /// away from between the first store into it and the stamp if there is time. With all stores
    /// into that line at the end there is none.
    ///
    /// # Safety
    ///
    /// `payload` is at most `payload_max_bytes` long and does not overlap the block, which nobody
    /// else reads or writes until it is published.
    #[inline(always)]
    pub(crate) unsafe fn write(&self, place: Place, header: BlockHeader, payload: &[u8]) {
        // All that is read is read before the first store, which might be to what is read, for all
        // that the compiler knows.
        let (block, form) = (self.block(place), self.geometry().header_form);
        // SAFETY: the payload lies within its block, which lies within the segment (R1).
        let target = unsafe { block.add(self.geometry().payload_offset as usize) };
        // SAFETY: the caller's promise.
        unsafe { copy_backwards(payload.as_ptr(), target.as_ptr(), payload.len()) };
        self.write_header_in(block, form, header);
    }

    /// Writes the header of a block that the caller is publishing.
    #[inline(always)]
    pub(crate) fn write_header(&self, place: Place, header: BlockHeader) {
        self.write_header_in(self.block(place), self.geometry().header_form, header);
    }

    #[inline(always)]
    fn write_header_in(&self, block: NonNull<u8>, form: HeaderForm, header: BlockHeader) {
        match form {
            HeaderForm::Lean => {}
            // SAFETY: such a header lies within the block, which lies within the segment (R1).
            HeaderForm::Tagged => unsafe { write_tagged_header(block, header) },
            HeaderForm::Other => self.write_fields(block, header),
        }
    }

    #[inline]
    fn write_fields(&self, block: NonNull<u8>, header: BlockHeader) {
        // Read before the first store, as in `write`.
        let Geometry {
            shape,
            tag_offset,
            time_offset,
            attributes_len_offset,
            ..
        } = *self.geometry();
        let keeps_time = shape.time != TimeSource::None;
        let (keeps_tags, keeps_attributes) = (shape.tags, shape.keeps_attributes());
        let write = |offset: u64, value: u64| {
            // Relaxed: edge COMMIT publishes it.
            self.word_in(block, offset).store(value, Ordering::Relaxed);
        };
        write(META_OFFSET, header.meta());
        if keeps_tags {
            write(tag_offset, header.tag);
        }
        if keeps_time {
            write(time_offset, header.time);
        }
        if keeps_attributes {
            write(attributes_len_offset, header.attributes_len.into());
        }
    }

    /// Where the payload of a message starts, and its length; at most `payload_max_bytes`, whatever
    /// a peer wrote.
    #[inline(always)]
    pub(crate) fn payload_of(&self, place: Place) -> (NonNull<u8>, usize) {
        self.payload_in(self.block(place))
    }

    /// The same of the message in a slot of this ring's.
    #[inline(always)]
    pub(crate) fn payload_at(&self, home: Home) -> (NonNull<u8>, usize) {
        self.payload_in(home.block())
    }

    #[inline(always)]
    fn payload_in(&self, block: NonNull<u8>) -> (NonNull<u8>, usize) {
        let geometry = self.geometry();
        let max = geometry.shape.payload_max_bytes as usize;
        let len = if geometry.shape.fixed {
            max
        } else {
            // Relaxed: edge COMMIT published it.
            let meta = self.word_in(block, META_OFFSET).load(Ordering::Relaxed);
            max.min(meta as u32 as usize)
        };
        // SAFETY: the payload lies within its block, which lies within the segment (R1).
        let start = unsafe { block.add(geometry.payload_offset as usize) };
        (start, len)
    }

    /// Reads the header of a message. Its lengths are at most `payload_max_bytes` and
    /// `attributes_max_bytes`, whatever a peer wrote.
    #[inline(always)]
    pub(crate) fn read_header(&self, place: Place) -> BlockHeader {
        let geometry = self.geometry();
        // Relaxed throughout: edge COMMIT published them, or the caller revalidates.
        let block = self.block(place);
        let word = |offset: u64| self.word_in(block, offset).load(Ordering::Relaxed);
        let payload_max = geometry.shape.payload_max_bytes as u32;
        let of_meta = |meta: u64| BlockHeader {
            len_bytes: if geometry.shape.fixed {
                payload_max
            } else {
                payload_max.min(meta as u32)
            },
            flags: (meta >> 32) as u16,
            publisher: (meta >> 48) as u16,
            ..BlockHeader::default()
        };
        match geometry.header_form {
            HeaderForm::Tagged => BlockHeader {
                tag: word(TAG_OFFSET),
                ..of_meta(word(META_OFFSET))
            },
            HeaderForm::Lean => BlockHeader {
                len_bytes: payload_max,
                ..BlockHeader::default()
            },
            HeaderForm::Other => self.read_fields(block, of_meta(word(META_OFFSET))),
        }
    }

    /// The tag of a message of a topic that keeps tags.
    #[inline(always)]
    pub(crate) fn tag(&self, place: Place) -> u64 {
        // Relaxed: as in `read_header`.
        let tag = self.word_in(self.block(place), TAG_OFFSET);
        tag.load(Ordering::Relaxed)
    }

    /// How to read messages without time and attributes.
    #[inline(always)]
    pub(crate) fn plain_form(&self) -> PlainForm {
        let geometry = self.geometry();
        PlainForm {
            payload_offset: geometry.payload_offset as usize,
            len_max: geometry.shape.payload_max_bytes as usize,
            is_fixed: geometry.shape.fixed,
            is_lean: geometry.header_form == HeaderForm::Lean,
        }
    }

    /// The length of a message's attributes, at most `attributes_max_bytes`; 0 where the topic keeps none.
    #[inline(always)]
    pub(crate) fn attributes_len(&self, place: Place) -> u16 {
        self.attributes_len_in(self.block(place))
    }

    #[inline(always)]
    fn attributes_len_in(&self, block: NonNull<u8>) -> u16 {
        let geometry = self.geometry();
        if !geometry.shape.keeps_attributes() {
            return 0;
        }
        let max = geometry.shape.attributes_max_bytes as u64;
        // Relaxed: as in `read_header`.
        let len = self.word_in(block, geometry.attributes_len_offset);
        len.load(Ordering::Relaxed).min(max) as u16
    }

    /// Reads what a block with the fields that the shape tells has beside `header`.
    #[inline]
    fn read_fields(&self, block: NonNull<u8>, header: BlockHeader) -> BlockHeader {
        let geometry = self.geometry();
        let word = |offset: u64| self.word_in(block, offset).load(Ordering::Relaxed);
        BlockHeader {
            tag: if geometry.shape.tags {
                word(geometry.tag_offset)
            } else {
                0
            },
            time: match geometry.shape.time {
                TimeSource::None => 0,
                _ => word(geometry.time_offset),
            },
            attributes_len: self.attributes_len_in(block),
            ..header
        }
    }

    /// A word of the header of a block of this ring's.
    #[inline(always)]
    fn word_in(&self, block: NonNull<u8>, offset: u64) -> &AtomicU64 {
        // SAFETY: the header's words lie within the block, which is mapped for as long as `self`: R1.
        unsafe { header_word(block, offset) }
    }
}

/// What is needed to read a message of a ring whose messages have neither time nor attributes: so little that
/// it stays in registers from one message to the next.
#[cfg(not(ringbus_loom))]
#[derive(Clone, Copy)]
pub(crate) struct PlainForm {
    payload_offset: usize,
    len_max: usize,
    is_fixed: bool,
    is_lean: bool,
}

#[cfg(not(ringbus_loom))]
impl PlainForm {
    /// Whether a payload is all there is.
    #[inline(always)]
    pub(crate) fn is_lean(self) -> bool {
        self.is_lean
    }

    /// Where the payload of the message in a slot starts, its length, and what stands beside it: each word
    /// is read once.
    ///
    /// # Safety
    ///
    /// The slot is one of the ring that the form is of.
    #[inline(always)]
    pub(crate) unsafe fn read(self, home: Home) -> (NonNull<u8>, usize, BlockHeader) {
        let block = home.block();
        // SAFETY: the payload lies within its block, which lies within the segment (R1).
        let payload = unsafe { block.add(self.payload_offset) };
        if self.is_lean {
            return (payload, self.len_max, BlockHeader::default());
        }
        // SAFETY: a block of a ring with headers.
        let meta = unsafe { header_word(block, META_OFFSET) };
        // SAFETY: as above.
        let tag = unsafe { header_word(block, TAG_OFFSET) };
        // Relaxed: edge COMMIT published them.
        let (meta, tag) = (meta.load(Ordering::Relaxed), tag.load(Ordering::Relaxed));
        let len = match self.is_fixed {
            true => self.len_max,
            false => self.len_max.min(meta as u32 as usize),
        };
        let header = BlockHeader {
            flags: (meta >> 32) as u16,
            publisher: (meta >> 48) as u16,
            tag,
            ..BlockHeader::default()
        };
        (payload, len, header)
    }
}

/// Writes the header of a block of [`HeaderForm::Tagged`].
///
/// # Safety
///
/// `block` has such a header, is mapped, and is a multiple of 8.
#[cfg(not(ringbus_loom))]
#[inline(always)]
pub(super) unsafe fn write_tagged_header(block: NonNull<u8>, header: BlockHeader) {
    // SAFETY: the caller's promise.
    let tag = unsafe { header_word(block, TAG_OFFSET) };
    // SAFETY: as above.
    let meta = unsafe { header_word(block, META_OFFSET) };
    // Relaxed: edge COMMIT publishes them.
    tag.store(header.tag, Ordering::Relaxed);
    meta.store(header.meta(), Ordering::Relaxed);
}

/// # Safety
///
/// `block`, a multiple of 8, has a header with a word at `offset`, and is mapped for `'m`.
#[cfg(not(ringbus_loom))]
#[inline(always)]
unsafe fn header_word<'m>(block: NonNull<u8>, offset: u64) -> &'m AtomicU64 {
    // SAFETY: the word lies within the block.
    let word = unsafe { block.add(offset as usize) };
    // SAFETY:
    // - mapped for `'m`, and aligned as `block` is.
    // - peer writes are no race on an atomic, and any value is valid.
    unsafe { word.cast().as_ref() }
}

/// Copies the bytes from the last to the first, in pieces, which costs less than a call of `memcpy`;
/// of more than 256 bytes all but the first 64 are copied by that, and those last.
///
/// # Safety
///
/// As for `copy_nonoverlapping`.
#[cfg(not(ringbus_loom))]
#[inline(always)]
unsafe fn copy_backwards(from: *const u8, to: *mut u8, len: usize) {
    let mut left = len;
    if len > COPIED_IN_PIECES_MAX {
        left = 2 * PIECE;
        let (from, to) = (from.wrapping_add(left), to.wrapping_add(left));
        // SAFETY: the bytes from `left` to `len` of what the caller promised.
        unsafe { to.copy_from_nonoverlapping(from, len - left) };
    }
    // SAFETY: the first `left` of them.
    unsafe { copy_in_pieces(from, to, left) };
}

#[cfg(not(ringbus_loom))]
const PIECE: usize = 32;

/// Payloads of up to so many bytes are copied without a loop.
#[cfg(not(ringbus_loom))]
pub(super) const COPIED_AT_ONCE_MAX: usize = 128;

/// The same, all of it in pieces.
///
/// # Safety
///
/// As for `copy_nonoverlapping`.
#[cfg(not(ringbus_loom))]
#[inline(always)]
unsafe fn copy_in_pieces(from: *const u8, to: *mut u8, len: usize) {
    let mut left = len;
    while left > COPIED_AT_ONCE_MAX {
        left -= PIECE;
        // SAFETY: `left + PIECE` is at most `len`.
        unsafe { copy_piece::<PIECE>(from, to, left) };
        // Or else the compiler makes a call of `memcpy` of the loop.
        compiler_fence(Ordering::SeqCst);
    }
    // SAFETY: the first `left` bytes.
    unsafe { copy_at_once(from, to, left) };
}

/// The same without a loop: as two pieces that overlap.
///
/// # Safety
///
/// As for `copy_nonoverlapping`; at most [`COPIED_AT_ONCE_MAX`] bytes.
#[cfg(not(ringbus_loom))]
#[inline(always)]
pub(super) unsafe fn copy_at_once(from: *const u8, to: *mut u8, len: usize) {
    debug_assert!(len <= COPIED_AT_ONCE_MAX);
    match len {
        // SAFETY: within the bytes of the caller's promise.
        65.. => unsafe { copy_ends::<64>(from, to, len) },
        // SAFETY: as above.
        33.. => unsafe { copy_ends::<PIECE>(from, to, len) },
        // SAFETY: as above.
        17.. => unsafe { copy_ends::<16>(from, to, len) },
        // SAFETY: as above.
        8.. => unsafe { copy_ends::<8>(from, to, len) },
        // SAFETY: each byte is one of them.
        _ => (0..len)
            .rev()
            .for_each(|at| unsafe { copy_piece::<1>(from, to, at) }),
    }
}

/// Copies the last and then the first `BYTES` of `len` bytes, which are at least as many.
///
/// # Safety
///
/// As for `copy_nonoverlapping` of `len` bytes.
#[cfg(not(ringbus_loom))]
#[inline(always)]
unsafe fn copy_ends<const BYTES: usize>(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the end of what the caller promised.
    unsafe { copy_piece::<BYTES>(from, to, len - BYTES) };
    // SAFETY: the beginning of it.
    unsafe { copy_piece::<BYTES>(from, to, 0) };
}

/// Copies `BYTES` bytes from offset `at` to the same offset.
///
/// # Safety
///
/// As for `copy_nonoverlapping` of `at + BYTES` bytes.
#[cfg(not(ringbus_loom))]
#[inline(always)]
unsafe fn copy_piece<const BYTES: usize>(from: *const u8, to: *mut u8, at: usize) {
    let (from, to) = (from.wrapping_add(at), to.wrapping_add(at));
    // SAFETY: within what the caller promised.
    unsafe { to.copy_from_nonoverlapping(from, BYTES) };
}

#[cfg(all(test, not(ringbus_loom)))]
mod tests {
    use super::copy_backwards;

    #[test]
    fn every_length_is_copied_whole_and_nothing_beside_it() {
        let from: Vec<u8> = (0..600u32).map(|byte| byte as u8 | 1).collect();
        for len in 0..from.len() {
            let mut to = vec![0; len + 64];
            // SAFETY: `from` is longer than `len`, and `to` has room for it from byte 32 on.
            unsafe { copy_backwards(from.as_ptr(), to[32..].as_mut_ptr(), len) };
            assert_eq!(to[32..32 + len], from[..len]);
            assert!(
                to[..32]
                    .iter()
                    .chain(&to[32 + len..])
                    .all(|byte| *byte == 0)
            );
        }
    }
}
