//! A publisher of bytes: what `Publisher<T>`, loans and runs share.

use std::{
    cell::{Cell, UnsafeCell},
    ops::ControlFlow,
    sync::Arc,
};

use super::{
    Attributes, Bus, Meta, Patience,
    clock::Clock,
    error::{JoinError, PublishError},
    gatekeeper::{Gatekeeper, Refusal},
    head::Marks,
    lease,
    mapping::{CursorsMap, RingMap},
    topic_shared::{TopicShared, fence_side},
};
use crate::{
    registry::TopicName,
    ring::{
        block::BlockHeader,
        layout::{PublisherMode, PublisherRecord, Shape},
        news::tell_subscribers,
        place::Place,
        plain::PlainSlots,
        publish::{ExclusivePublisher, ReadyStamp, Reserve, Shut},
        publish_shared::{ChunkLoan, CommitRefusal, LoanRefusal, SharedPublisher},
        sequence::Sequence,
        view::{CellsView, RingView},
    },
    segment::generation,
    sync::{AtomicU64, Ordering},
    wait::Event,
};

pub(super) struct PublisherCore {
    /// Borrowed by the methods below only, which call nothing that could borrow it again.
    engine: UnsafeCell<Engine>,
    shape: Shape,
    /// The shortest payload there may be, and how much longer one may be.
    len_min: usize,
    len_span: usize,
    slots: PlainSlots<'static>,
    /// Elements of a slice type are this long; 1 if untyped.
    unit_bytes: usize,
    clock: Clock,
    index: u32,
    record: &'static PublisherRecord,
    /// Slots of an exclusive topic, or chunks of a shared one, on loan.
    on_loan: Cell<u32>,
    arrivals: Event<'static>,
    gatekeeper: Gatekeeper,
    generation: u32,
    ring: RingView<'static>,
    cells: CellsView<'static>,
    bus: Bus,
    topic: TopicName,
    // Dropped last: the views above point into them.
    ring_map: Arc<RingMap>,
    #[cfg_attr(not(feature = "async"), expect(dead_code, reason = "keeps the map"))]
    cursors_map: Arc<CursorsMap>,
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
                let index = lease::claim_record(&topic.bus, &ring, owner).ok_or_else(|| {
                    JoinError::PublisherExists {
                        topic: topic.name.to_string(),
                        pid: lease::publisher_pid(&topic.bus, &ring, 0),
                    }
                })?;
                ring.publishers_used().store(1, Ordering::Release);
                (
                    index,
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
                let chunks = ring_map.segment();
                let prefault = || match topic.placement.prefault {
                    true => chunks.prefault(offset..offset + len),
                    false => Ok(()),
                };
                if let Err(error) = chunks.reserve(offset, len).and_then(|()| prefault()) {
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
        record.bell.store(0, Ordering::Relaxed); // the last holder's
        // One who was killed may not have counted its last message; the sequences of an exclusive topic tell.
        if let Engine::Exclusive(publisher) = &engine {
            let published = publisher.next().since(ring.geometry().first());
            record.published.store(published, Ordering::Relaxed);
        }
        note_change(&ring);
        let side = fence_side(description);
        let spare_bytes = ring.geometry().block_stride;
        let payload_max = shape.payload_max_bytes as usize;
        let len_min = if shape.fixed { payload_max } else { 0 };
        let unit_bytes = (description.type_size as usize).max(1);
        Ok(Self {
            engine: UnsafeCell::new(engine),
            shape,
            slots: PlainSlots::of(&ring, unit_bytes),
            len_min,
            len_span: payload_max - len_min,
            unit_bytes,
            clock: Clock::new(shape.time, description.tsc_hz),
            index,
            record,
            on_loan: Cell::new(0),
            arrivals: Event::new(cells.arrivals(), side),
            gatekeeper: Gatekeeper::new(topic.bus.clone(), cells, record, spare_bytes, side),
            generation: generation(),
            ring,
            cells,
            bus: topic.bus.clone(),
            topic: topic.name.clone(),
            ring_map,
            cursors_map,
        })
    }

    /// What the waiter watches for it.
    #[cfg(feature = "async")]
    pub(super) fn gate(&self) -> super::publish_async::Gate {
        let side = fence_side(self.ring_map.description());
        let (ring_map, cursors_map) = (&self.ring_map, &self.cursors_map);
        super::publish_async::Gate::new(self.cells, self.record, side, ring_map, cursors_map)
    }

    /// The bus it takes part in.
    #[cfg(feature = "async")]
    pub(super) fn bus(&self) -> &Bus {
        &self.bus
    }

    #[inline(always)]
    pub(super) fn is_forked(&self) -> bool {
        self.generation != generation()
    }

    #[inline(always)]
    pub(super) fn publish(
        &self,
        meta: Meta<'_>,
        payload: &[u8],
        patience: Patience,
    ) -> Result<u64, PublishError> {
        if let Some(seq) = self.publish_plainly(meta, payload) {
            if self.has_more_to_do(seq) {
                self.do_more();
            }
            return Ok(seq.0);
        }
        self.publish_by_call::<true>(meta, payload, patience)
    }

    /// Whether [`do_more`](Self::do_more) is due after message `seq`, which was published plainly.
    #[inline(always)]
    pub(super) fn has_more_to_do(&self, seq: Sequence) -> bool {
        self.is_claim_due(seq) || self.arrivals.is_awaited()
    }

    /// What is due after some messages only: slots are claimed, and those woken who sleep.
    #[cold]
    #[inline(never)]
    pub(super) fn do_more(&self) {
        self.ring_the_bell();
        self.claim();
    }

    /// What is not plain, by calls: what it needs of registers and stack costs plain messages nothing. With
    /// `RINGS`, rings the bell as well.
    #[inline(always)]
    pub(super) fn publish_by_call<const RINGS: bool>(
        &self,
        meta: Meta<'_>,
        payload: &[u8],
        patience: Patience,
    ) -> Result<u64, PublishError> {
        match meta.attributes {
            None => self.publish_marked::<RINGS>(meta.tag, meta.flags, payload, patience),
            Some(_) => self.publish_whole::<RINGS>(meta, payload, patience),
        }
    }

    /// A message without attributes, all of it in registers.
    #[inline(never)]
    fn publish_marked<const RINGS: bool>(
        &self,
        tag: u64,
        flags: u16,
        payload: &[u8],
        patience: Patience,
    ) -> Result<u64, PublishError> {
        let seq = self.publish_any(Meta::new().tag(tag).flags(flags), payload, patience)?;
        if RINGS {
            self.ring_the_bell();
        }
        Ok(seq)
    }

    #[inline(never)]
    fn publish_whole<const RINGS: bool>(
        &self,
        meta: Meta<'_>,
        payload: &[u8],
        patience: Patience,
    ) -> Result<u64, PublishError> {
        let seq = self.publish_any(meta, payload, patience)?;
        if RINGS {
            self.ring_the_bell();
        }
        Ok(seq)
    }

    /// Publishes a payload and counts it, if it is plain and nothing is in the way, without a call. What is
    /// [due](Self::has_more_to_do) after it is still to be done.
    #[inline(always)]
    pub(super) fn publish_plainly(&self, meta: Meta<'_>, payload: &[u8]) -> Option<Sequence> {
        let len = payload.len();
        let Engine::Exclusive(publisher) = self.engine() else {
            return None;
        };
        let seq = publisher.next();
        if !self.slots.takes(seq, len, meta.is_marked()) || self.is_forked() {
            return None;
        }
        if meta.attributes.is_some() {
            return None;
        }
        // SAFETY:
        // - it takes this message, as was found above.
        // - a `&[u8]` of the caller never overlaps a block that is not published.
        let stamp = unsafe { self.slots.write(seq, plain_header(meta, len), payload) };
        publisher.stamp(stamp);
        self.count(1, len as u64);
        Some(seq)
    }

    /// The same for messages, whose attributes are not looked at, up to the first where that cannot be; how
    /// many. Slots are claimed on the way; the bell is still to be rung.
    ///
    /// # Safety
    ///
    /// The iterator does not use this publisher: what was published on the way is noted at the end.
    #[inline(always)]
    pub(super) unsafe fn publish_plainly_all<'a>(
        &self,
        mut messages: impl Iterator<Item = (Meta<'a>, &'a [u8])>,
    ) -> usize {
        let Engine::Exclusive(publisher) = self.engine() else {
            return 0;
        };
        if self.is_forked() {
            return 0;
        }
        let slots = self.slots.clone();
        let (first, mut next, mut bytes) = (publisher.next(), publisher.next(), 0);
        let limit = publisher.limit();
        let _ = messages.try_for_each(|(meta, payload)| {
            let len = payload.len();
            if !slots.takes(next, len, meta.is_marked()) {
                return ControlFlow::Break(());
            }
            // SAFETY: as above.
            next = unsafe { slots.write(next, plain_header(meta, len), payload) }.store();
            bytes += len as u64;
            if slots.is_claim_due(next) {
                slots.claim(&self.ring, next, limit);
            }
            ControlFlow::Continue(())
        });
        publisher.go_on_at(next);
        self.count(next.since(first), bytes);
        next.since(first) as usize
    }

    /// Whether [`claim`](Self::claim) is due after message `seq`.
    #[inline(always)]
    pub(super) fn is_claim_due(&self, seq: Sequence) -> bool {
        self.slots.is_claim_due(seq.plus(1))
    }

    /// Claims the slots of the next messages of an exclusive topic, if that is due.
    #[cold]
    pub(super) fn claim(&self) {
        if let Engine::Exclusive(publisher) = self.engine() {
            let (next, limit) = (publisher.next(), publisher.limit());
            self.slots.claim(&self.ring, next, limit);
        }
    }

    /// Publishes any payload, and counts it; does not ring the bell, unless it has to wait.
    #[inline(always)]
    fn publish_any(
        &self,
        meta: Meta<'_>,
        payload: &[u8],
        patience: Patience,
    ) -> Result<u64, PublishError> {
        self.check_len(payload.len())?;
        self.check_meta(meta)?;
        match self.publish_at_once(meta, payload) {
            Some(seq) => Ok(seq),
            None => {
                // Whoever holds up this publisher may be asleep itself.
                self.ring_the_bell();
                self.publish_patiently(meta, payload, patience)
            }
        }
    }

    /// The path that nothing holds up, kept apart so that it carries no reason for a refusal.
    #[inline(always)]
    fn publish_at_once(&self, meta: Meta<'_>, payload: &[u8]) -> Option<u64> {
        let seq = match self.engine() {
            Engine::Exclusive(publisher) => {
                if self.on_loan.get() > 0 {
                    return None;
                }
                let place = publisher.home()?;
                let stamp = ReadyStamp::new(&self.ring, place);
                self.write(place, meta, payload);
                publisher.stamp(stamp);
                let (next, limit) = (publisher.next(), publisher.limit());
                self.slots.claim(&self.ring, next, limit);
                self.slots.begin_stretch(&self.ring, next, limit);
                place.sequence()
            }
            Engine::Shared(publisher) => {
                let loan = publisher.lend(self).ok()?;
                self.write(loan.place(), meta, payload);
                let committed = publisher.commit(loan);
                committed.inspect_err(|_| publisher.abort(loan)).ok()?
            }
        };
        self.count(1, payload.len() as u64);
        Some(seq.0)
    }

    #[cold]
    fn publish_patiently(
        &self,
        meta: Meta<'_>,
        payload: &[u8],
        patience: Patience,
    ) -> Result<u64, PublishError> {
        let lent = self.lend_patiently(patience)?;
        self.write(lent.place(), meta, payload);
        let committed = self.commit_patiently(lent, meta.into(), payload.len(), patience);
        committed.inspect_err(|_| self.abort(lent))
    }

    /// Copies a payload, whose length was checked, into a block that was lent.
    #[inline(always)]
    fn write(&self, place: Place, meta: Meta<'_>, payload: &[u8]) {
        if let Some(attributes) = meta.attributes {
            self.write_attributes(place, attributes);
        }
        // SAFETY:
        // - the block has room for `payload_max_bytes`, which `check_len` compared with, and it is
        //   this publisher's until the commit.
        // - a `&[u8]` of the caller never overlaps a block that is not published.
        unsafe {
            self.ring
                .write(place, self.header(meta.into(), payload.len()), payload)
        };
    }

    /// Copies attributes, whose length was checked, into a block that was lent.
    fn write_attributes(&self, place: Place, attributes: &Attributes) {
        let bytes = attributes.bytes();
        let target = self.ring.attributes(place);
        // SAFETY:
        // - `bytes` is readable for its length.
        // - the block has room for `attributes_max_bytes`, which `check_attributes` compared with,
        //   and it is this publisher's until the commit.
        // - a `&[u8]` of the caller never overlaps a block that is not published.
        unsafe {
            target
                .as_ptr()
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
        };
    }

    /// Sets the attributes of what is on loan, and returns their length.
    pub(super) fn set_attributes(
        &self,
        lent: Lent,
        attributes: &Attributes,
    ) -> Result<u16, PublishError> {
        if self.is_forked() {
            return Err(PublishError::Forked);
        }
        self.check_attributes(attributes)?;
        self.write_attributes(lent.place(), attributes);
        Ok(attributes.len_bytes() as u16)
    }

    #[inline(always)]
    fn header(&self, marks: Marks, bytes: usize) -> BlockHeader {
        BlockHeader {
            len_bytes: bytes as u32,
            flags: marks.flags,
            publisher: self.index as u16,
            tag: marks.tag,
            time: self.clock.stamp(),
            attributes_len: marks.attributes_len,
        }
    }

    /// Counts what was published.
    #[inline(always)]
    fn count(&self, messages: u64, bytes: u64) {
        // Relaxed: counts, written by this publisher only.
        let add = |count: &AtomicU64, more: u64| {
            let sum = count.load(Ordering::Relaxed).wrapping_add(more);
            count.store(sum, Ordering::Relaxed);
        };
        let record = self.record; // read once, as stores may be to `self`, for all that the compiler knows
        add(&record.published, messages);
        add(&record.bytes, bytes);
    }

    /// Wakes subscribers that sleep until something is published.
    #[inline(always)]
    pub(super) fn ring_the_bell(&self) {
        self.arrivals.notify_and(|| self.tell_subscribers());
    }

    #[cold]
    fn tell_subscribers(&self) {
        tell_subscribers(&self.cells, |bell| self.bus.ring_bell(bell));
    }

    #[inline(always)]
    pub(super) fn check_len(&self, bytes: usize) -> Result<(), PublishError> {
        if self.is_forked() {
            return Err(PublishError::Forked);
        }
        match self.takes_len(bytes) {
            true => Ok(()),
            false => Err(self.length_error(bytes)),
        }
    }

    #[inline(always)]
    fn takes_len(&self, bytes: usize) -> bool {
        // Dividing costs more than the rest of a publish: only slices of larger elements pay.
        bytes.wrapping_sub(self.len_min) <= self.len_span
            && (self.unit_bytes <= 1 || bytes.is_multiple_of(self.unit_bytes))
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
    pub(super) fn check_meta(&self, meta: Meta<'_>) -> Result<(), PublishError> {
        if let Some(attributes) = meta.attributes {
            self.check_attributes(attributes)?;
        }
        self.check_marks(meta.into())
    }

    fn check_attributes(&self, attributes: &Attributes) -> Result<(), PublishError> {
        let (bytes, max) = (
            attributes.len_bytes(),
            self.shape.attributes_max_bytes as usize,
        );
        match max {
            0 if bytes > 0 => Err(PublishError::NotKept { what: "attributes" }),
            _ if bytes > max => Err(PublishError::AttributesTooLong { bytes, max }),
            _ => Ok(()),
        }
    }

    #[inline(always)]
    pub(super) fn check_marks(&self, marks: Marks) -> Result<(), PublishError> {
        if marks.tag != 0 && !self.shape.tags {
            return Err(PublishError::NotKept { what: "tags" });
        }
        if marks.flags != 0 && self.shape.is_lean() {
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
        // Relaxed: as in `count`. A child has not the memory.
        match self.is_forked() {
            true => 0,
            false => self.record.published.load(Ordering::Relaxed),
        }
    }

    /// Registered subscribers that are alive.
    pub(super) fn living_subscribers(&self) -> Result<usize, JoinError> {
        match self.is_forked() {
            true => Err(JoinError::Forked),
            false => Ok(lease::living_subscribers(&self.bus, &self.cells)),
        }
    }

    /// Whether the topic has lost its name: nobody can join it any more.
    pub(super) fn is_removed(&self) -> bool {
        self.ring_map.segment().is_unlinked()
    }

    pub(super) fn removed(&self) -> JoinError {
        JoinError::Removed {
            topic: self.topic.to_string(),
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

    /// Slots of an exclusive topic, or chunks of a shared one, on loan.
    pub(super) fn on_loan(&self) -> u32 {
        self.on_loan.get()
    }

    /// Notes that something was lent.
    #[inline(always)]
    pub(super) fn note_loan(&self) {
        self.slots.end_stretch();
        self.on_loan.set(self.on_loan.get() + 1);
    }

    /// Notes that what was lent is committed or given back.
    #[inline(always)]
    pub(super) fn note_return(&self) {
        self.on_loan.set(self.on_loan.get() - 1);
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
    #[inline(always)]
    pub(super) fn lend_patiently(&self, patience: Patience) -> Result<Lent, PublishError> {
        // The path that nothing holds up, as in `publish_at_once`.
        let lent = match self.engine() {
            Engine::Exclusive(_) if self.on_loan.get() > 0 => None,
            Engine::Exclusive(publisher) => publisher.home().map(Lent::Slot),
            Engine::Shared(publisher) => publisher.lend(self).ok().map(Lent::Chunk),
        };
        lent.map_or_else(|| self.lend_after_all(patience), Ok)
    }

    #[cold]
    fn lend_after_all(&self, patience: Patience) -> Result<Lent, PublishError> {
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
    #[inline(always)]
    pub(super) fn commit(&self, lent: Lent, marks: Marks, bytes: usize) -> Result<u64, Refusal> {
        let header = self.header(marks, bytes);
        self.ring.write_header(lent.place(), header);
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
        self.count(1, bytes as u64);
        Ok(seq.0)
    }

    /// Commits what was lent, when the gate opens; on an error it stays on loan.
    #[inline(always)]
    pub(super) fn commit_patiently(
        &self,
        lent: Lent,
        marks: Marks,
        bytes: usize,
        patience: Patience,
    ) -> Result<u64, PublishError> {
        match self.commit(lent, marks, bytes) {
            Ok(seq) => Ok(seq),
            Err(refusal) => self.commit_after_all(refusal, lent, marks, bytes, patience),
        }
    }

    #[cold]
    fn commit_after_all(
        &self,
        refusal: Refusal,
        lent: Lent,
        marks: Marks,
        bytes: usize,
        patience: Patience,
    ) -> Result<u64, PublishError> {
        let commit = || self.commit(lent, marks, bytes);
        self.gatekeeper
            .wait(refusal, patience, self.position(), commit)
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
        self.ring_map.segment().has_reserved(offset, len)
    }
}

impl Drop for PublisherCore {
    fn drop(&mut self) {
        if !self.is_forked() {
            // Release: whoever takes the record over sees its chunk list as it was left.
            self.record.owner.store(0, Ordering::Release);
            note_change(&self.ring);
        }
    }
}

/// Lets those know who remember who publishes.
fn note_change(ring: &RingView) {
    // Release: the owner word was written before.
    ring.publishers_changed().fetch_add(1, Ordering::Release);
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

/// The header of a plain message: the one publisher of an exclusive topic is number 0.
#[inline(always)]
fn plain_header(meta: Meta<'_>, len: usize) -> BlockHeader {
    BlockHeader {
        len_bytes: len as u32,
        flags: meta.flags,
        tag: meta.tag,
        ..BlockHeader::default()
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
