//! Reading without being known: copy the message out, then see whether it was still there.

#[cfg(not(ringbus_loom))]
use std::ptr::NonNull;

#[cfg(ringbus_loom)]
pub(crate) use super::view::CopyBuffer;
use super::{
    block::BlockHeader,
    place::Place,
    sequence::{Sequence, Slot},
    tail::{find_oldest, find_tail},
    view::RingView,
};
#[cfg(not(ringbus_loom))]
use crate::sync::AtomicU64;
use crate::sync::{Ordering, fence, load_acquire};

/// What an observer found at its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Observation {
    /// The message was copied whole.
    Copied(Sequence, BlockHeader),
    /// Nothing there yet.
    Empty,
    /// This many messages were overwritten before they could be copied.
    Lagged { missed: u64 },
    /// A stamp that no honest publisher writes.
    Corrupted { seq: Sequence },
}

/// An unregistered reader: publishers do not know of it, and it needs read access only.
pub(crate) struct ObserverCursor<'m> {
    ring: RingView<'m>,
    next: Sequence,
}

impl<'m> ObserverCursor<'m> {
    /// Observes from `start` on.
    pub(crate) fn new(ring: RingView<'m>, start: Sequence) -> Self {
        // The slots of a fresh topic claim to hold what came before its first message.
        let next = start.max(ring.geometry().first());
        Self { ring, next }
    }

    /// The next sequence that it will read.
    pub(crate) fn next(&self) -> Sequence {
        self.next
    }

    /// Goes to `start`.
    pub(crate) fn seek(&mut self, start: Sequence) {
        self.next = start.max(self.ring.geometry().first());
    }

    /// Whether [`observe`](Self::observe) would have something to say.
    pub(crate) fn is_ready(&self) -> bool {
        // Acquire: edge COMMIT.
        let stamp = load_acquire(self.ring.stamp(self.next));
        self.ring.geometry().stamps.read(stamp, self.next) != Slot::Empty
    }

    /// Copies the next message into `buffer`, which is made as long as the message.
    pub(crate) fn observe(&mut self, buffer: &mut CopyBuffer) -> Observation {
        let seq = self.next;
        let geometry = self.ring.geometry();
        // Acquire: edge COMMIT.
        let stamp = load_acquire(self.ring.stamp(seq));
        match geometry.stamps.read(stamp, seq) {
            Slot::Empty => Observation::Empty,
            Slot::Lapped => self.lagged(seq),
            Slot::Ready(chunk) => match Place::checked(geometry, seq, chunk) {
                None if self.is_intact(seq) => Observation::Corrupted { seq },
                None => self.lagged(seq),
                Some(place) => {
                    let header = self.ring.read_header(place);
                    buffer.copy_from(&self.ring, place, &header);
                    if !self.is_intact(seq) {
                        return self.lagged(seq);
                    }
                    self.next = seq.plus(1);
                    Observation::Copied(seq, header)
                }
            },
        }
    }

    /// Whether everything that was read of message `seq` so far was that message.
    fn is_intact(&self, seq: Sequence) -> bool {
        // Edge OBSERVE, pairs with the fence in `gate::raise`: if anything read above was written
        // by a later message, then the limit that allowed it is seen here.
        fence(Ordering::Acquire);
        let limit = self.ring.limit().load(Ordering::Relaxed);
        seq.plus(self.ring.geometry().shape.capacity_slots).0 >= limit
    }

    #[cold]
    fn lagged(&mut self, seq: Sequence) -> Observation {
        let oldest = find_oldest(&self.ring).min(find_tail(&self.ring));
        let missed = oldest.since(self.next);
        if missed == 0 {
            // Whoever overwrites a message has first raised the limit that makes a later one the
            // oldest.
            return Observation::Corrupted { seq };
        }
        self.next = oldest;
        Observation::Lagged { missed }
    }
}

/// A private buffer for one message: its payload, aligned like the topic's payloads, and its
/// attributes.
#[cfg(not(ringbus_loom))]
pub(crate) struct CopyBuffer {
    /// Longer than what is in it by what aligning its start may take.
    bytes: Vec<u8>,
    start: usize,
    payload_len: usize,
    attributes_len: usize,
    alignment: usize,
}

#[cfg(not(ringbus_loom))]
impl CopyBuffer {
    /// An empty buffer; `alignment` is a power of two.
    pub(crate) fn new(alignment: usize) -> Self {
        let mut buffer = Self {
            bytes: Vec::new(),
            start: 0,
            payload_len: 0,
            attributes_len: 0,
            alignment,
        };
        // An empty payload has an address as well.
        buffer.make_room(1);
        buffer
    }

    /// A copy of a message, in as much memory as it takes.
    pub(crate) fn of(ring: &RingView, place: Place, header: &BlockHeader) -> Self {
        let alignment = ring.geometry().shape.alignment_bytes as usize;
        let mut copy = Self {
            bytes: Vec::new(),
            start: 0,
            payload_len: 0,
            attributes_len: 0,
            alignment,
        };
        copy.copy_from(ring, place, header);
        // An empty payload has an address as well.
        copy.make_room(1);
        copy
    }

    /// A copy of a payload that nobody writes meanwhile, without attributes: by fewer steps.
    pub(crate) fn of_payload(payload: &[u8], alignment: usize) -> Self {
        // An empty payload has an address as well. Not zeroed: the C library's calloc takes several times as
        // long as malloc for so little.
        let room = words(payload.len()).max(1);
        let mut bytes: Vec<u8> = Vec::with_capacity(room + alignment);
        let start = bytes.as_ptr().align_offset(alignment);
        bytes.resize(start, 0);
        bytes.extend_from_slice(payload);
        bytes.resize(start + room, 0);
        Self {
            bytes,
            start,
            payload_len: payload.len(),
            attributes_len: 0,
            alignment,
        }
    }

    /// The payload that was copied last.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.payload_len]
    }

    /// The attributes that were copied last.
    pub(crate) fn attributes(&self) -> &[u8] {
        let start = self.start + words(self.payload_len);
        &self.bytes[start..start + self.attributes_len]
    }

    /// Copies a message word by word, as a publisher may be writing it.
    pub(crate) fn copy_from(&mut self, ring: &RingView, place: Place, header: &BlockHeader) {
        self.payload_len = header.len_bytes as usize;
        self.attributes_len = header.attributes_len.into();
        let payload_room = words(self.payload_len);
        let room = payload_room + words(self.attributes_len);
        self.make_room(room);
        let room = &mut self.bytes[self.start..self.start + room];
        let (payload, attributes) = room.split_at_mut(payload_room);
        // SAFETY: the block is a multiple of 8 bytes long; the last word may hold bytes after the
        // payload.
        unsafe { copy_words(ring.payload(place), payload) };
        // SAFETY: as above; what is there is no longer than the header may say.
        unsafe { copy_words(ring.attributes(place), attributes) };
    }

    fn make_room(&mut self, len: usize) {
        if self.bytes.len() < self.start + len {
            self.bytes = vec![0; len + self.alignment];
            self.start = self.bytes.as_ptr().align_offset(self.alignment);
        }
    }
}

/// Bytes of the words that hold so many bytes.
#[cfg(not(ringbus_loom))]
fn words(bytes: usize) -> usize {
    bytes.next_multiple_of(8)
}

/// Copies words that others may be writing.
///
/// # Safety
///
/// `target` is a number of whole words, and as many are mapped at `source`, which is aligned to 8.
#[cfg(not(ringbus_loom))]
unsafe fn copy_words(source: NonNull<u8>, target: &mut [u8]) {
    for (index, target) in target.chunks_exact_mut(8).enumerate() {
        // SAFETY: word `index` is mapped: the caller's promise.
        let word = unsafe { source.cast::<AtomicU64>().add(index) };
        // SAFETY: as above; an atomic word is valid whatever a peer writes.
        let word = unsafe { word.as_ref() };
        target.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
    }
}

#[cfg(all(test, not(ringbus_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_a_payload_is_whole_aligned_and_without_attributes() {
        let bytes: Vec<u8> = (0..100).collect();
        for alignment in [8, 16, 64, 4096] {
            for len in 0..bytes.len() {
                let copy = CopyBuffer::of_payload(&bytes[..len], alignment);
                assert_eq!(copy.payload(), &bytes[..len]);
                assert!(copy.payload().as_ptr().addr().is_multiple_of(alignment));
                assert!(copy.attributes().is_empty());
            }
        }
    }
}
