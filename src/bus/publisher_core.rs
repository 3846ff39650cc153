//! A publisher of bytes: what `Publisher<T>`, loans and runs share.

use std::{
    cell::{Cell, UnsafeCell},
    sync::Arc,
};

use super::{
    Bus, Meta, Patience,
    clock::Clock,
    error::{JoinError, PublishError},
    gatekeeper::{Gatekeeper, Refusal},
    lease,
    mapping::{CursorsMap, RingMap},
    topic_shared::{TopicShared, fence_side},
};
use crate::{
    ring::{
        block::BlockHeader,
        layout::{PublisherMode, PublisherRecord, Shape},
        place::Place,
        publish::{ExclusivePublisher, Reserve, Shut},
        publish_shared::{ChunkLoan, CommitRefusal, LoanRefusal, SharedPublisher},
        view::{CellsView, RingView},
    },
    segment::generation,
    sync::Ordering,
    wait::Event,
};

pub(super) struct PublisherCore {
    /// Borrowed by the methods below only, which call nothing that could borrow it again.
    engine: UnsafeCell<Engine>,
    shape: Shape,
    /// Elements of a slice type are this long; 1 if untyped.
    unit_bytes: usize,
    clock: Clock,
    index: u32,
    record: &'static PublisherRecord,
    /// The counts in `record`, which this publisher alone writes.
    published: Cell<u64>,
    bytes: Cell<u64>,
    /// Slots of an exclusive topic, or chunks of a shared one, on loan.
    on_loan: Cell<u32>,
    arrivals: Event<'static>,
    gatekeeper: Gatekeeper,
    generation: u32,
    ring: RingView<'static>,
    cells: CellsView<'static>,
    bus: Bus,
    // Dropped last: the views above point into them.
    ring_map: Arc<RingMap>,
    _cursors_map: Arc<CursorsMap>,
}

// SAFETY: everything it refers to is owned by it or synchronised; it is not `Sync`, so one thread
// at a time uses `engine`.
unsafe impl Send for PublisherCore {}

enum Engine {
    Exclusive(ExclusivePublisher<'static>),
    Shared(SharedPublisher<'static>),
}

/// A slot or chunk that the caller writes a message into.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lent {
    Slot(Place),
    Chunk(ChunkLoan),
}

/// The byte of a ring file that the publisher of an exclusive topic locks.
const PUBLISHER_BYTE: u64 = 0;

impl PublisherCore {
    pub(super) fn join(topic: &TopicShared) -> Result<Self, JoinError> {
        topic.check_not_forked()?;
        let ring_map = topic.ring_to_write()?;
        let cursors_map = topic.cursors()?;
        // SAFETY: the views are dropped with `Self`, which holds the maps.
        let ring = unsafe { ring_map.view_for_owner() };
        // SAFETY: as above.
        let cells = unsafe { cursors_map.cells_for_owner() };
        let owner = topic.bus.join()?;
        let shape = ring.geometry().shape;
        let (index, engine) = match shape.mode {
            PublisherMode::Exclusive => {
                if !ring_map.segment().try_lock(PUBLISHER_BYTE)? {
                    let pid = lease::publisher_pid(&topic.bus, &ring, 0);
                    return Err(JoinError::PublisherExists {
                        topic: topic.name.to_string(),
                        pid,
                    });
                }
                ring.publishers_used().store(1, Ordering::Release);
                ring.record(0).owner.store(owner.word(), Ordering::Release);
                (
                    0,
                    Engine::Exclusive(ExclusivePublisher::take_over(ring, cells)),
                )
            }
            PublisherMode::Shared => {
                let max = shape.max_publishers;
                let index = lease::claim_record(&topic.bus, &ring, owner).ok_or_else(|| {
                    JoinError::TooManyPublishers {
                        topic: topic.name.to_string(),
                        max,
                    }
                })?;
                let (offset, len) = ring.geometry().initial_chunks(index);
                if let Err(error) = ring_map.segment().reserve(offset, len) {
                    ring.record(index).owner.store(0, Ordering::Release);
                    return Err(error.into());
                }
                (
                    index,
                    Engine::Shared(SharedPublisher::join(ring, cells, index)),
                )
            }
        };
        let description = topic.description();
        let record = ring.record(index);
        let side = fence_side(description);
        Ok(Self {
            engine: UnsafeCell::new(engine),
            shape,
            unit_bytes: (description.type_size as usize).max(1),
            clock: Clock::new(shape.time, description.tsc_hz),
            index,
            record,
            published: Cell::new(record.published.load(Ordering::Relaxed)),
            bytes: Cell::new(record.bytes.load(Ordering::Relaxed)),
            on_loan: Cell::new(0),
            arrivals: Event::new(cells.arrivals(), side),
            gatekeeper: Gatekeeper::new(topic.bus.clone(), cells, record, side),
            generation: generation(),
            ring,
            cells,
            bus: topic.bus.clone(),
            ring_map,
            _cursors_map: cursors_map,
        })
    }

    #[inline(always)]
    pub(super) fn is_forked(&self) -> bool {
        self.generation != generation()
    }

    #[inline(always)]
    pub(super) fn publish(
        &self,
        meta: Meta,
        payload: &[u8],
        patience: Patience,
    ) -> Result<u64, PublishError> {
        self.check_len(payload.len())?;
        self.check_meta(meta)?;
        let seq = match self.publish_at_once(meta, payload) {
            Some(seq) => seq,
            None => self.publish_patiently(meta, payload, patience)?,
        };
        self.ring_the_bell();
        Ok(seq)
    }

    /// Publishes a payload if it can be done now, and wakes nobody; `None` if not.
    pub(super) fn publish_quietly(&self, payload: &[u8]) -> Option<u64> {
        self.check_len(payload.len()).ok()?;
        self.publish_at_once(Meta::new(), payload)
    }

    /// The path that nothing holds up, kept apart so that it carries no reason for a refusal.
    #[inline(always)]
    fn publish_at_once(&self, meta: Meta, payload: &[u8]) -> Option<u64> {
        let seq = match self.engine() {
            Engine::Exclusive(publisher) => {
                if self.on_loan.get() > 0 {
                    return None;
                }
                let place = publisher.home()?;
                self.write(place, meta, payload);
                publisher.commit(place);
                place.sequence()
            }
            Engine::Shared(publisher) => {
                let loan = publisher.lend(self).ok()?;
                self.write(loan.place(), meta, payload);
                let committed = publisher.commit(loan);
                committed.inspect_err(|_| publisher.abort(loan)).ok()?
            }
        };
        self.count(payload.len());
        Some(seq.0)
    }

    #[cold]
    fn publish_patiently(
        &self,
        meta: Meta,
        payload: &[u8],
        patience: Patience,
    ) -> Result<u64, PublishError> {
        let lent = self.lend_patiently(patience)?;
        self.write(lent.place(), meta, payload);
        let committed = self.commit_patiently(lent, meta, payload.len(), patience);
        committed.inspect_err(|_| self.abort(lent))
    }

    /// Copies a payload, whose length was checked, into a block that was lent.
    #[inline(always)]
    fn write(&self, place: Place, meta: Meta, payload: &[u8]) {
        self.write_header(place, meta, payload.len());
        let target = self.ring.payload(place);
        // SAFETY:
        // - `payload` is readable for its length.
        // - the block has room for `payload_max_bytes`, which `check_len` compared with, and it is
        //   this publisher's until the commit.
        // - a `&[u8]` of the caller never overlaps a block that is not published.
        unsafe {
            target
                .as_ptr()
                .copy_from_nonoverlapping(payload.as_ptr(), payload.len())
        };
    }

    #[inline(always)]
    fn write_header(&self, place: Place, meta: Meta, bytes: usize) {
        let header = BlockHeader {
            len_bytes: bytes as u32,
            flags: meta.flags,
            publisher: self.index as u16,
            tag: meta.tag,
            time: self.clock.stamp(),
        };
        self.ring.write_header(place, header);
    }

    #[inline(always)]
    fn count(&self, bytes: usize) {
        // Relaxed: counts, written by this publisher only.
        self.published.set(self.published.get().wrapping_add(1));
        self.record
            .published
            .store(self.published.get(), Ordering::Relaxed);
        self.bytes.set(self.bytes.get().wrapping_add(bytes as u64));
        self.record.bytes.store(self.bytes.get(), Ordering::Relaxed);
    }

    /// Wakes subscribers that sleep until something is published.
    #[inline(always)]
    pub(super) fn ring_the_bell(&self) {
        self.arrivals.notify();
    }

    #[inline(always)]
    pub(super) fn check_len(&self, bytes: usize) -> Result<(), PublishError> {
        if self.is_forked() {
            return Err(PublishError::Forked);
        }
        let max = self.shape.payload_max_bytes as usize;
        // Dividing costs more than the rest of a publish: only slices of larger elements pay.
        let is_partial = || self.unit_bytes > 1 && !bytes.is_multiple_of(self.unit_bytes);
        if bytes > max
            || if self.shape.fixed {
                bytes != max
            } else {
                is_partial()
            }
        {
            return Err(self.length_error(bytes));
        }
        Ok(())
    }

    #[cold]
    fn length_error(&self, bytes: usize) -> PublishError {
        let max = self.shape.payload_max_bytes as usize;
        if self.shape.fixed {
            return PublishError::WrongLength { bytes, fixed: max };
        }
        if bytes > max {
            return PublishError::TooLong { bytes, max };
        }
        PublishError::PartialElement {
            bytes,
            element: self.unit_bytes,
        }
    }

    #[inline(always)]
    pub(super) fn check_meta(&self, meta: Meta) -> Result<(), PublishError> {
        if meta.tag != 0 && !self.shape.tags {
            return Err(PublishError::NotKept { what: "tags" });
        }
        if meta.flags != 0 && self.shape.is_lean() {
            return Err(PublishError::NotKept { what: "flags" });
        }
        Ok(())
    }
}

/// Lending and committing: what a publish and a loan both do.
impl PublisherCore {
    pub(super) fn id(&self) -> u16 {
        self.index as u16
    }

    pub(super) fn published(&self) -> u64 {
        self.published.get()
    }

    /// Registered subscribers that are alive.
    pub(super) fn living_subscribers(&self) -> Result<usize, JoinError> {
        match self.is_forked() {
            true => Err(JoinError::Forked),
            false => Ok(lease::living_subscribers(&self.bus, &self.cells)),
        }
    }

    pub(super) fn shape(&self) -> &Shape {
        &self.shape
    }

    pub(super) fn capacity_slots(&self) -> u64 {
        self.shape.capacity_slots
    }

    pub(super) fn gatekeeper(&self) -> &Gatekeeper {
        &self.gatekeeper
    }

    pub(super) fn on_loan(&self) -> &Cell<u32> {
        &self.on_loan
    }

    /// Lends the next slot, or any chunk of this publisher's.
    pub(super) fn lend_one(&self) -> Result<Lent, Refusal> {
        match self.engine() {
            Engine::Exclusive(publisher) => {
                if self.on_loan.get() > 0 {
                    return Err(Refusal::Final(PublishError::LoanOutstanding));
                }
                publisher
                    .place(0, self)
                    .map(Lent::Slot)
                    .map_err(Refusal::Shut)
            }
            Engine::Shared(publisher) => publisher
                .lend(self)
                .map(Lent::Chunk)
                .map_err(|refusal| self.loan_refused(refusal)),
        }
    }

    /// Lends as [`lend_one`](Self::lend_one), when there is something to lend.
    pub(super) fn lend_patiently(&self, patience: Patience) -> Result<Lent, PublishError> {
        let lend = || self.lend_one();
        lend().or_else(|refusal| {
            self.gatekeeper
                .wait(refusal, patience, self.position(), lend)
        })
    }

    /// Lends the slot `ahead` after the next one; exclusive topics only.
    pub(super) fn lend_ahead(&self, ahead: u64) -> Result<Lent, Refusal> {
        match self.engine() {
            Engine::Exclusive(publisher) => publisher
                .place(ahead, self)
                .map(Lent::Slot)
                .map_err(Refusal::Shut),
            Engine::Shared(_) => Err(Refusal::Final(PublishError::NoRuns)),
        }
    }

    /// Publishes what was written, `bytes` long, or refuses and leaves it on loan.
    pub(super) fn commit(&self, lent: Lent, meta: Meta, bytes: usize) -> Result<u64, Refusal> {
        self.write_header(lent.place(), meta, bytes);
        let seq = match (self.engine(), lent) {
            (Engine::Exclusive(publisher), Lent::Slot(place)) => {
                publisher.commit(place);
                place.sequence()
            }
            (Engine::Shared(publisher), Lent::Chunk(loan)) => {
                publisher.commit(loan).map_err(commit_refused)?
            }
            _ => unreachable!("a loan of the other publisher mode"),
        };
        self.count(bytes);
        Ok(seq.0)
    }

    /// Commits what was lent, when the gate opens; on an error it stays on loan.
    pub(super) fn commit_patiently(
        &self,
        lent: Lent,
        meta: Meta,
        bytes: usize,
        patience: Patience,
    ) -> Result<u64, PublishError> {
        let commit = || self.commit(lent, meta, bytes);
        commit().or_else(|refusal| {
            self.gatekeeper
                .wait(refusal, patience, self.position(), commit)
        })
    }

    /// Takes back what was lent and not committed.
    #[inline]
    pub(super) fn abort(&self, lent: Lent) {
        if let (Engine::Shared(publisher), Lent::Chunk(loan)) = (self.engine(), lent) {
            publisher.abort(loan);
        }
    }

    /// The payload of a loan.
    ///
    /// # Safety
    ///
    /// `lent` is on loan and `bytes` long, and nobody writes it while the reference lives.
    pub(super) unsafe fn payload(&self, lent: Lent, bytes: usize) -> &[u8] {
        let payload = self.ring.payload(lent.place());
        // SAFETY:
        // - the block holds `bytes`, as `check_len` found, and is mapped while `self` lives.
        // - nobody writes it: the caller's promise, and it is this publisher's.
        // - shared memory is initialised: zero, or what was written there.
        unsafe { std::slice::from_raw_parts(payload.as_ptr(), bytes) }
    }

    /// The payload of a loan, to be written.
    ///
    /// # Safety
    ///
    /// `lent` is on loan and `bytes` long, and no other reference to it lives.
    #[allow(
        clippy::mut_from_ref,
        reason = "the loan is the owner, not the publisher"
    )]
    pub(super) unsafe fn payload_mut(&self, lent: Lent, bytes: usize) -> &mut [u8] {
        let payload = self.ring.payload(lent.place());
        // SAFETY:
        // - the block holds `bytes`, as `check_len` found, and is mapped while `self` lives.
        // - nobody else refers to it: the caller's promise, and no subscriber may read it.
        // - shared memory is initialised: zero, or what was written there.
        unsafe { std::slice::from_raw_parts_mut(payload.as_ptr(), bytes) }
    }

    #[inline(always)]
    #[allow(
        clippy::mut_from_ref,
        reason = "one thread, and no method calls another with it"
    )]
    fn engine(&self) -> &mut Engine {
        // SAFETY: `self` is not `Sync`; the reference lives within one of the methods above, none
        // of which calls another that borrows the engine, or the caller's code, meanwhile.
        unsafe { &mut *self.engine.get() }
    }

    #[cold]
    fn loan_refused(&self, refusal: LoanRefusal) -> Refusal {
        match refusal {
            LoanRefusal::Limit => Refusal::Final(PublishError::LoanLimit {
                loans: self.shape.loans,
            }),
            LoanRefusal::Space => Refusal::Shut(Shut::Space),
            LoanRefusal::Pins { cell } => Refusal::Shut(Shut::Pins { cell }),
            LoanRefusal::Corrupted => Refusal::Final(PublishError::Corrupted { sequence: 0 }),
        }
    }

    /// The sequence near which this publisher works.
    pub(super) fn position(&self) -> u64 {
        match self.engine() {
            Engine::Exclusive(publisher) => publisher.next().0,
            Engine::Shared(publisher) => publisher.next().0,
        }
    }
}

impl Reserve for PublisherCore {
    fn reserve(&self, chunk: u32) -> bool {
        let (offset, len) = self.ring.geometry().chunk_range(chunk);
        self.ring_map.segment().reserve(offset, len).is_ok()
    }
}

impl Drop for PublisherCore {
    fn drop(&mut self) {
        if !self.is_forked() {
            // Release: whoever takes the record over sees its chunk list as it was left.
            self.record.owner.store(0, Ordering::Release);
        }
    }
}

impl Lent {
    #[inline(always)]
    pub(super) fn place(self) -> Place {
        match self {
            Self::Slot(place) => place,
            Self::Chunk(loan) => loan.place(),
        }
    }
}

fn commit_refused(refusal: CommitRefusal) -> Refusal {
    match refusal {
        CommitRefusal::Shut(shut) => Refusal::Shut(shut),
        CommitRefusal::Corrupted { seq } => {
            Refusal::Final(PublishError::Corrupted { sequence: seq.0 })
        }
    }
}
