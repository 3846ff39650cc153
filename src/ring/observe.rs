//! Reading without being known: copy the message out, then see whether it was still there.

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
            Slot::Lapped => self.lagged(),
            Slot::Ready(chunk) => match Place::checked(geometry, seq, chunk) {
                None if self.is_intact(seq) => Observation::Corrupted { seq },
                None => self.lagged(),
                Some(place) => {
                    let header = self.ring.read_header(place);
                    buffer.copy_from(&self.ring, place, header.len_bytes as usize);
                    if !self.is_intact(seq) {
                        return self.lagged();
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
    fn lagged(&mut self) -> Observation {
        let oldest = find_oldest(&self.ring).min(find_tail(&self.ring));
        let missed = oldest.since(self.next);
        if missed == 0 {
            return Observation::Empty;
        }
        self.next = oldest;
        Observation::Lagged { missed }
    }
}

/// A private buffer for one message, aligned like the topic's payloads.
#[cfg(not(ringbus_loom))]
pub(crate) struct CopyBuffer {
    /// Longer than `len` by what aligning its start may take.
    bytes: Vec<u8>,
    start: usize,
    len: usize,
    alignment: usize,
}

#[cfg(not(ringbus_loom))]
impl CopyBuffer {
    /// An empty buffer; `alignment` is a power of two.
    pub(crate) fn new(alignment: usize) -> Self {
        let mut buffer = Self {
            bytes: Vec::new(),
            start: 0,
            len: 0,
            alignment,
        };
        // An empty payload has an address as well.
        buffer.make_room(1);
        buffer
    }

    /// The message that was copied last.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }

    /// Copies `len` bytes of a payload word by word, as a publisher may be writing them.
    fn copy_from(&mut self, ring: &RingView, place: Place, len: usize) {
        self.make_room(len.next_multiple_of(8));
        self.len = len;
        let source = ring.payload(place).cast::<AtomicU64>();
        // The block is a multiple of 8 bytes long: the last word may hold bytes after the payload.
        let room = &mut self.bytes[self.start..self.start + len.next_multiple_of(8)];
        for (index, target) in room.chunks_exact_mut(8).enumerate() {
            // SAFETY: word `index` of a payload of `len` bytes lies within its block.
            let word = unsafe { source.add(index) };
            // SAFETY: as above; aligned, as payloads are aligned to at least 8; an atomic word is
            // valid whatever a peer writes.
            let word = unsafe { word.as_ref() };
            target.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
    }

    fn make_room(&mut self, len: usize) {
        if self.bytes.len() < self.start + len {
            self.bytes = vec![0; len + self.alignment];
            self.start = self.bytes.as_ptr().align_offset(self.alignment);
        }
    }
}
