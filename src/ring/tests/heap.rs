//! A topic in heap memory.

use std::{
    alloc::{self, Layout},
    ptr::NonNull,
};

use super::shapes::PAYLOAD_WORDS;
use crate::ring::{
    block::BlockHeader,
    cursor::{Cursor, Delivery},
    format::format,
    layout::{Geometry, Shape},
    place::Place,
    publish::{ExclusivePublisher, Reserve, Shut},
    publish_shared::{CommitRefusal, LoanRefusal, SharedPublisher},
    sequence::Sequence,
    view::{CellsView, RingView},
};

/// Both segments of one topic.
pub(crate) struct HeapTopic {
    ring: NonNull<u8>,
    cursors: NonNull<u8>,
    geometry: Geometry,
}

/// Memory from the heap needs no reserving.
pub(crate) struct AllReserved;

impl HeapTopic {
    pub(crate) fn new(shape: Shape) -> Self {
        let geometry = Geometry::new(shape).expect("a possible shape");
        let topic = Self {
            ring: zeroed_pages(geometry.ring_bytes),
            cursors: zeroed_pages(geometry.cursors_bytes),
            geometry,
        };
        format(&topic.ring());
        topic
    }

    pub(crate) fn ring(&self) -> RingView<'_> {
        // SAFETY: R1: page-aligned, `ring_bytes` long, alive as long as `self`.
        unsafe { RingView::new(self.ring, self.geometry) }
    }

    pub(crate) fn cells(&self) -> CellsView<'_> {
        // SAFETY: R2: page-aligned, `cursors_bytes` long, alive as long as `self`.
        unsafe { CellsView::new(self.cursors, &self.geometry) }
    }

    pub(crate) fn exclusive(&self) -> ExclusivePublisher<'_> {
        ExclusivePublisher::take_over(self.ring(), self.cells())
    }

    pub(crate) fn shared(&self, index: u32) -> SharedPublisher<'_> {
        SharedPublisher::join(self.ring(), self.cells(), index)
    }

    pub(crate) fn join(&self, index: u32, start: u64, delivery: Delivery) -> Cursor<'_> {
        let start = Sequence(start);
        Cursor::join(self.ring(), self.cells(), index, start, delivery, false)
    }

    pub(crate) fn join_evictable(&self, index: u32, start: u64) -> Cursor<'_> {
        let (start, delivery) = (Sequence(start), Delivery::Reliable);
        Cursor::join(self.ring(), self.cells(), index, start, delivery, true)
    }
}

impl Drop for HeapTopic {
    fn drop(&mut self) {
        for (start, bytes) in [
            (self.ring, self.geometry.ring_bytes),
            (self.cursors, self.geometry.cursors_bytes),
        ] {
            // SAFETY: allocated with this layout in `new`; the views borrow `self`.
            unsafe { alloc::dealloc(start.as_ptr(), pages(bytes)) };
        }
    }
}

// SAFETY: it owns its memory, and hands out views only.
unsafe impl Send for HeapTopic {}
// SAFETY: as above.
unsafe impl Sync for HeapTopic {}

impl Reserve for AllReserved {
    fn reserve(&self, _chunk: u32) -> bool {
        true
    }
}

/// Writes a message of which every word says that it is message `content`.
pub(crate) fn write(ring: &RingView, place: Place, content: u64) {
    let header = BlockHeader {
        len_bytes: 8 * PAYLOAD_WORDS as u32,
        flags: content as u16,
        publisher: 0,
        tag: content,
        time: 0,
        attributes_len: 0,
    };
    ring.write_header(place, header);
    let start = ring.payload(place).cast::<u64>();
    for index in 0..PAYLOAD_WORDS {
        // SAFETY: the payload is `PAYLOAD_WORDS` long.
        let word = unsafe { start.add(index) };
        // SAFETY: as above; the block is on loan to the caller.
        unsafe { word.write(content.wrapping_add(index as u64)) };
    }
}

/// The message at `place`, which the caller holds; all of its words say the same.
pub(crate) fn read(ring: &RingView, place: Place) -> u64 {
    let header = ring.read_header(place);
    assert_eq!(header.len_bytes as usize, 8 * PAYLOAD_WORDS);
    assert_eq!(header.flags, header.tag as u16);
    let start = ring.payload(place).cast::<u64>();
    for index in 0..PAYLOAD_WORDS {
        // SAFETY: the payload is `PAYLOAD_WORDS` long.
        let word = unsafe { start.add(index) };
        // SAFETY: as above; the caller holds the message.
        let found = unsafe { word.read() };
        let expected = header.tag.wrapping_add(index as u64);
        assert_eq!(found, expected, "word {index} is not of this message");
    }
    header.tag
}

/// Publishes message `next()`, which says so.
pub(crate) fn publish(publisher: &mut ExclusivePublisher, ring: &RingView) -> Result<u64, Shut> {
    let place = publisher.place(0, &AllReserved)?;
    let seq = place.sequence().0;
    write(ring, place, seq);
    publisher.commit(place);
    Ok(seq)
}

/// Publishes a message that says `content`.
pub(crate) fn publish_shared(
    publisher: &mut SharedPublisher,
    ring: &RingView,
    content: u64,
) -> Result<u64, Refusal> {
    let loan = publisher.lend(&AllReserved).map_err(Refusal::Loan)?;
    write(ring, loan.place(), content);
    match publisher.commit(loan) {
        Ok(seq) => Ok(seq.0),
        Err(refusal) => {
            publisher.abort(loan);
            Err(Refusal::Commit(refusal))
        }
    }
}

/// Why [`publish_shared`] did not publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Loan(LoanRefusal),
    Commit(CommitRefusal),
}

fn pages(bytes: u64) -> Layout {
    Layout::from_size_align(bytes as usize, 4096).expect("a size in range")
}

fn zeroed_pages(bytes: u64) -> NonNull<u8> {
    let layout = pages(bytes);
    // SAFETY: no segment is empty.
    let start = unsafe { alloc::alloc_zeroed(layout) };
    NonNull::new(start).unwrap_or_else(|| alloc::handle_alloc_error(layout))
}
