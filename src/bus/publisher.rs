//! Publishing.

use std::{
    cell::{Cell, UnsafeCell},
    fmt,
    marker::PhantomData,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Bus, Payload,
    clock::Clock,
    error::{JoinError, PublishError},
    gatekeeper::Gatekeeper,
    lease,
    mapping::{CursorsMap, RingMap},
    topic::{TopicShared, fence_side},
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

/// What stands beside a payload and is chosen by its publisher.
///
/// ```
/// use ringbus::Meta;
///
/// const ORDERS: Meta = Meta::new().tag(7).flags(0b1);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    pub(super) tag: u64,
    pub(super) flags: u16,
}

/// How long a publish waits while the gate is shut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Patience {
    /// Not at all.
    Try,
    /// Until the gate opens. A dead subscriber is reaped meanwhile, within 50 ms.
    #[default]
    Forever,
    /// For at most this long.
    For(Duration),
}

/// Publishes messages to a topic.
///
/// Can be sent to another thread, but is used by one at a time. All publishers of a topic produce
/// one order: the sequences 0, 1, 2, ... without a hole, each message whole or not there at all,
/// wherever a publisher is killed.
///
/// ```
/// # let bus = ringbus::Bus::builder().dir(std::env::temp_dir().join("ringbus-doc")).open()?;
/// let topic = bus.topic("doc/publisher").open_or_create()?;
/// let publisher = topic.publisher()?;
/// let first = publisher.publish(b"hello")?;
/// assert_eq!(publisher.publish(b"world")?, first + 1);
///
/// let mut loan = publisher.loan(5)?; // the next slot of the ring itself
/// loan.copy_from_slice(b"again");
/// loan.set_tag(7);
/// loan.commit()?;
/// # drop(publisher);
/// # bus.remove("doc/publisher", ringbus::Remove::Force)?;
/// # Ok::<(), ringbus::Error>(())
/// ```
pub struct Publisher<T: ?Sized> {
    pub(super) core: PublisherCore,
    payload: PhantomData<fn(&T)>,
}

impl Meta {
    /// Tag 0 and no flags.
    pub const fn new() -> Self {
        Self { tag: 0, flags: 0 }
    }

    /// With this tag: a filter key, a type, an instrument; the bus gives it no meaning.
    pub const fn tag(self, tag: u64) -> Self {
        Self { tag, ..self }
    }

    /// With these flags; the bus gives them no meaning.
    pub const fn flags(self, flags: u16) -> Self {
        Self { flags, ..self }
    }
}

impl<T: Payload + ?Sized> Publisher<T> {
    pub(super) fn new(core: PublisherCore) -> Self {
        Self {
            core,
            payload: PhantomData,
        }
    }

    /// Publishes a message and returns its sequence. Waits while the gate is shut.
    ///
    /// # Errors
    ///
    /// All but [`PublishError::Full`]. After an error nothing was published.
    #[inline]
    pub fn publish(&self, payload: &T) -> Result<u64, PublishError> {
        self.core
            .publish(Meta::new(), payload.bytes(), Patience::Forever)
    }

    /// Publishes a message unless the gate is shut.
    ///
    /// # Errors
    ///
    /// [`PublishError::Full`] names the slowest subscriber. After an error nothing was published.
    #[inline]
    pub fn try_publish(&self, payload: &T) -> Result<u64, PublishError> {
        self.core
            .publish(Meta::new(), payload.bytes(), Patience::Try)
    }

    /// Publishes a message; waits for at most `timeout` while the gate is shut.
    ///
    /// # Errors
    ///
    /// [`PublishError::Full`] when the time is up. After an error nothing was published.
    pub fn publish_timeout(&self, payload: &T, timeout: Duration) -> Result<u64, PublishError> {
        self.core
            .publish(Meta::new(), payload.bytes(), Patience::For(timeout))
    }

    /// Publishes a message with a tag and flags.
    ///
    /// # Errors
    ///
    /// [`PublishError::NotKept`] on a topic that was created without tags, and those of
    /// [`publish`](Self::publish). After an error nothing was published.
    #[inline]
    pub fn publish_with(
        &self,
        meta: Meta,
        payload: &T,
        patience: Patience,
    ) -> Result<u64, PublishError> {
        self.core.publish(meta, payload.bytes(), patience)
    }

    /// Publishes several messages in order and returns how many; looks for sleeping subscribers
    /// once. Waits while the gate is shut.
    ///
    /// On a shared topic, messages of other publishers may come in between.
    ///
    /// # Errors
    ///
    /// Those of [`publish`](Self::publish), for the first payload that failed: those before it were
    /// published, and [`published`](Self::published) tells how many.
    pub fn publish_batch<'a>(
        &self,
        payloads: impl IntoIterator<Item = &'a T>,
    ) -> Result<usize, PublishError>
    where
        T: 'a,
    {
        let mut count = 0;
        for payload in payloads {
            if self.core.publish_quietly(payload.bytes()).is_err() {
                // Whoever holds up this publisher may be asleep itself.
                self.core.ring_the_bell();
                self.publish(payload)?;
            }
            count += 1;
        }
        self.core.ring_the_bell();
        Ok(count)
    }

    /// This publisher's number among those of its topic, which its messages carry.
    pub fn id(&self) -> u16 {
        self.core.index as u16
    }

    /// Messages published through this publisher's place in the topic, by predecessors as well.
    pub fn published(&self) -> u64 {
        self.core.published.get()
    }

    /// Waits until at least `count` living subscribers are registered; `false` after `timeout`.
    ///
    /// # Errors
    ///
    /// [`JoinError::Forked`].
    pub fn wait_subscribers(&self, count: usize, timeout: Duration) -> Result<bool, JoinError> {
        const LOOK_EVERY: Duration = Duration::from_millis(1);
        let deadline = Instant::now().checked_add(timeout);
        loop {
            if self.core.is_forked() {
                return Err(JoinError::Forked);
            }
            if lease::living_subscribers(&self.core.bus, &self.core.cells) >= count {
                return Ok(true);
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(false);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl<T: ?Sized> fmt::Debug for Publisher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("id", &self.core.index)
            .finish_non_exhaustive()
    }
}

/// A publisher of bytes: what all `Publisher<T>` and loans share.
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
    pub(super) generation: u32,
    pub(super) ring: RingView<'static>,
    pub(super) cells: CellsView<'static>,
    pub(super) bus: Bus,
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

/// Why a publish did not happen at once.
#[derive(Clone, Copy)]
pub(super) enum Refusal {
    /// Somebody is in the way: it may be different later.
    Shut(Shut),
    /// It will not be different later.
    Final(PublishError),
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
        let side = fence_side(&description);
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
    fn publish(&self, meta: Meta, payload: &[u8], patience: Patience) -> Result<u64, PublishError> {
        self.check_len(payload.len())?;
        self.check_meta(meta)?;
        let lent = self.lend_patiently(patience)?;
        self.write(lent, payload);
        let committed = self.commit_patiently(lent, meta, payload.len(), patience);
        let seq = committed.inspect_err(|_| self.abort(lent))?;
        self.ring_the_bell();
        Ok(seq)
    }

    /// Publishes if it can be done now, and wakes nobody.
    fn publish_quietly(&self, payload: &[u8]) -> Result<u64, Refusal> {
        self.check_len(payload.len()).map_err(Refusal::Final)?;
        let lent = self.lend_one()?;
        self.write(lent, payload);
        self.commit(lent, Meta::new(), payload.len())
            .inspect_err(|_| self.abort(lent))
    }

    /// Commits what was lent, when the gate opens; on an error it stays on loan.
    #[inline(always)]
    pub(super) fn commit_patiently(
        &self,
        lent: Lent,
        meta: Meta,
        bytes: usize,
        patience: Patience,
    ) -> Result<u64, PublishError> {
        let commit = || self.commit(lent, meta, bytes);
        commit().or_else(|refusal| self.gatekeeper.wait(refusal, patience, self, commit))
    }

    /// Copies a payload, whose length was checked, into a block that was lent.
    #[inline(always)]
    fn write(&self, lent: Lent, payload: &[u8]) {
        let target = self.ring.payload(lent.place());
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
        if bytes > max
            || (self.shape.fixed && bytes != max)
            || !bytes.is_multiple_of(self.unit_bytes)
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
    #[inline(always)]
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
                .lend()
                .map(Lent::Chunk)
                .map_err(|refusal| self.loan_refused(refusal)),
        }
    }

    /// Lends as [`lend_one`](Self::lend_one), when there is something to lend.
    #[inline(always)]
    pub(super) fn lend_patiently(&self, patience: Patience) -> Result<Lent, PublishError> {
        let lend = || self.lend_one();
        lend().or_else(|refusal| self.gatekeeper.wait(refusal, patience, self, lend))
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
    pub(super) fn commit(&self, lent: Lent, meta: Meta, bytes: usize) -> Result<u64, Refusal> {
        let header = BlockHeader {
            len_bytes: bytes as u32,
            flags: meta.flags,
            publisher: self.index as u16,
            tag: meta.tag,
            time: self.clock.stamp(),
        };
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
        // Relaxed: counts, written by this publisher only.
        self.published.set(self.published.get() + 1);
        self.record
            .published
            .store(self.published.get(), Ordering::Relaxed);
        self.bytes.set(self.bytes.get() + bytes as u64);
        self.record.bytes.store(self.bytes.get(), Ordering::Relaxed);
        Ok(seq.0)
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
