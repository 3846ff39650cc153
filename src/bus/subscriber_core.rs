//! A subscriber of bytes: what `Subscriber<T>`, messages and batches share.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Bus, Payload, Start,
    clock::Clock,
    error::{JoinError, PollError},
    filter::{Filter, PayloadTest},
    head::Head,
    lease,
    mapping::{CursorsMap, RingMap},
    selection::Selection,
    start::{StartError, resolve},
    topic_shared::{TopicShared, fence_side},
    wait_set::{Membership, Source},
};
use crate::{
    ring::{
        cursor::{Cursor, Delivery, Interruption, Next, Run},
        layout::HeaderForm,
        news::tell_publishers,
        observe::CopyBuffer,
        place::Place,
        sequence::Sequence,
        tail::find_tail,
        view::{CellsView, Home, Homes, RingView},
    },
    segment::generation,
    sync::{Ordering, spin_loop},
    wait::Event,
};

/// What a subscriber asked for.
pub(super) struct Joining {
    pub(super) delivery: Delivery,
    pub(super) stall_timeout: Option<Duration>,
    pub(super) start: Start,
    pub(super) spin: Duration,
    pub(super) filter: Filter,
    pub(super) payload_test: Option<PayloadTest>,
}

pub(super) struct SubscriberCore {
    cursor: Cursor<'static>,
    index: u32,
    clock: Clock,
    spin: Duration,
    arrivals: Event<'static>,
    departures: Event<'static>,
    /// What was wrong with a message of the last batch, to be told with the next poll.
    damage: Cell<Option<PollError>>,
    /// For a subscriber that does not want every message.
    selection: Option<Box<Selection>>,
    generation: u32,
    /// The same while the next message is all that a poll can have to say, and every message is wanted;
    /// else what no generation is. Kept by `note_more`.
    plain_in: Cell<u32>,
    /// What wait sets know of it.
    membership: Arc<Membership>,
    ring: RingView<'static>,
    cells: CellsView<'static>,
    // Dropped last: the views above point into them.
    topic: Arc<TopicShared>,
    ring_map: Arc<RingMap>,
    cursors_map: Arc<CursorsMap>,
}

impl SubscriberCore {
    pub(super) fn join(topic: &Arc<TopicShared>, joining: Joining) -> Result<Self, JoinError> {
        topic.check_not_forked()?;
        let (ring_map, cursors_map) = (Arc::clone(&topic.ring), topic.cursors()?);
        // SAFETY: the views are dropped with `Self`, which holds the maps.
        let ring = unsafe { ring_map.view_for_owner() };
        // SAFETY: as above.
        let cells = unsafe { cursors_map.cells_for_owner() };
        let description = Arc::clone(topic.description());
        let shape = description.geometry.shape;
        let clock = Clock::new(shape.time, description.tsc_hz);
        let start = resolve(&ring, clock, joining.start)
            .map_err(|error| error.into_join_error(&topic.name))?;

        if let Some(what) = joining.filter.not_kept(&shape) {
            let topic = topic.name.to_string();
            return Err(JoinError::NotKept { topic, what });
        }
        let owner = topic.bus.join()?;
        let index = lease::claim_cell(&topic.bus, &cells, owner).ok_or_else(|| {
            let max = shape.max_subscribers;
            JoinError::TooManySubscribers {
                topic: topic.name.to_string(),
                max,
            }
        })?;
        let is_evictable =
            joining.delivery == Delivery::Reliable && joining.stall_timeout.is_some();
        if let Some(timeout) = joining.stall_timeout {
            let timeout_ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
            cells
                .cell(index)
                .stall_timeout_ns
                .store(timeout_ns, Ordering::Relaxed);
        }
        let mut cursor = Cursor::join(ring, cells, index, start, joining.delivery, is_evictable);
        if !joining.start.is_exact() {
            cursor.pardon_start();
        }
        let side = fence_side(&description);
        let joined = Self {
            cursor,
            index,
            clock,
            spin: joining.spin,
            arrivals: Event::new(cells.arrivals(), side),
            departures: Event::new(cells.departures(), side),
            damage: Cell::new(None),
            selection: Selection::new(joining.filter, joining.payload_test).map(Box::new),
            generation: generation(),
            plain_in: Cell::new(NO_GENERATION),
            membership: Arc::default(),
            ring,
            cells,
            topic: Arc::clone(topic),
            ring_map,
            cursors_map,
        };
        joined.note_more();
        Ok(joined)
    }

    /// Takes the next message if it is simply that, every message being wanted, and nobody has to be
    /// told; gives back what was taken before. Makes no call.
    #[inline(always)]
    pub(super) fn take_next(&mut self) -> Next<'static> {
        if self.plain_in.get() != generation() {
            return Next::Other;
        }
        let departures = &self.departures;
        self.cursor.take_next_plainly(|| departures.is_awaited())
    }

    #[inline(always)]
    pub(super) fn take(&mut self, max: u32) -> Result<Option<Run>, PollError> {
        self.take_by(|cursor| cursor.take(max))
    }

    /// Up to `max` of the next messages, and which of them pass: see [`Cursor::sift`].
    #[inline(always)]
    pub(super) fn sift(
        &mut self,
        max: u32,
        passed: &mut Vec<Sequence>,
        test: impl Fn(&RingView<'static>, Place) -> bool,
    ) -> Result<Option<Run>, PollError> {
        self.take_by(|cursor| cursor.sift(max, passed, test))
    }

    #[inline(always)]
    fn take_by(
        &mut self,
        take: impl FnOnce(&mut Cursor<'static>) -> Result<Option<Run>, Interruption>,
    ) -> Result<Option<Run>, PollError> {
        if self.is_forked() {
            return Err(PollError::Forked);
        }
        if let Some(damage) = self.damage.get() {
            self.damage.set(None);
            self.note_more();
            return Err(damage);
        }
        match take(&mut self.cursor) {
            Ok(taken) => Ok(taken),
            Err(interruption) => Err(self.interrupted(interruption)),
        }
    }

    #[cold]
    fn interrupted(&self, interruption: Interruption) -> PollError {
        self.note_more();
        interruption.into()
    }

    /// Keeps what is wrong with a message for the next poll to tell.
    #[cold]
    pub(super) fn note_damage(&self, error: PollError) {
        self.damage.set(Some(error));
        self.note_more();
    }

    /// Tells those who wait in its place whether the next poll has something to say that the ring
    /// does not tell.
    fn note_more(&self) {
        if self.is_forked() {
            return;
        }
        let damage = self.damage.take();
        let has_damage = damage.is_some();
        self.damage.set(damage);
        let has_kept = self.selection.as_deref().is_some_and(Selection::has_kept);
        let has_more = has_damage || has_kept || self.cursor.has_missed_start();
        // Relaxed: for this process only, where it is called for before anybody waits.
        let more = &self.cells.cell(self.index).more;
        more.store(has_more.into(), Ordering::Relaxed);
        let is_plain = self.cursor.is_plain() && self.selection.is_none() && !has_more;
        self.plain_in.set(match is_plain {
            true => self.generation,
            false => NO_GENERATION,
        });
    }

    /// What a wait set looks at in its place.
    pub(super) fn source(&self) -> Source {
        let (ring_map, cursors_map) = (&self.ring_map, &self.cursors_map);
        Source::new(
            &self.topic,
            ring_map,
            cursors_map,
            self.index,
            &self.membership,
        )
    }

    /// The bus it takes part in.
    pub(super) fn bus(&self) -> &Bus {
        &self.topic.bus
    }

    /// Tells publishers at the gate that the cursor has moved.
    #[inline(always)]
    fn tell_departure(&self) {
        self.departures.notify_and(|| self.tell_publishers());
    }

    #[cold]
    fn tell_publishers(&self) {
        tell_publishers(&self.ring, |bell| self.topic.bus.ring_bell(bell));
    }

    /// Where message `seq` of a run that was taken lies.
    #[inline(always)]
    pub(super) fn place(&self, seq: Sequence) -> Result<Place, PollError> {
        self.cursor.place(seq).map_err(PollError::from)
    }

    /// What it reads.
    pub(super) fn ring(&self) -> &RingView<'static> {
        self.cursor.ring()
    }

    /// Messages that the topic has room for.
    pub(super) fn capacity_slots(&self) -> u64 {
        self.ring.geometry().shape.capacity_slots
    }

    /// The bytes of the payload of a message of a run that was taken.
    ///
    /// # Safety
    ///
    /// The run is not released, nor the subscriber dropped, while the reference lives.
    #[inline(always)]
    pub(super) unsafe fn payload_bytes<'a>(&self, place: Place) -> &'a [u8] {
        let (start, len) = self.cursor.ring().payload_of(place);
        // SAFETY:
        // - the block holds `payload_max_bytes`, which bound `len`, and is mapped while the
        //   subscriber lives, which is longer than `'a`.
        // - no publisher writes it while the run is held (R3), which is longer than `'a`.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), len) }
    }

    /// The same of the message in a slot.
    ///
    /// # Safety
    ///
    /// As [`payload_bytes`](Self::payload_bytes).
    #[inline(always)]
    pub(super) unsafe fn bytes_at<'a>(&self, home: Home) -> &'a [u8] {
        let (start, len) = self.cursor.ring().payload_at(home);
        // SAFETY: as in `payload_bytes`.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), len) }
    }

    /// The attributes of a message of a run that was taken.
    ///
    /// # Safety
    ///
    /// As [`payload_bytes`](Self::payload_bytes).
    pub(super) unsafe fn attribute_bytes<'a>(&self, place: Place) -> &'a [u8] {
        let len = self.ring.attributes_len(place);
        let start = self.ring.attributes(place);
        // SAFETY: as for the payload, with the length bounded by `attributes_max_bytes`.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), len.into()) }
    }

    /// The payload of a message of a run that was taken.
    ///
    /// # Safety
    ///
    /// The run is not released, nor the subscriber dropped, while the reference lives.
    #[inline(always)]
    pub(super) unsafe fn payload<'a, T: Payload + ?Sized>(
        &self,
        place: Place,
    ) -> Result<&'a T, PollError> {
        // SAFETY: the caller's promise is the one that is needed.
        let bytes = unsafe { self.payload_bytes(place) };
        payload_from(bytes, place.sequence())
    }

    /// A copy of a message of a run that was taken.
    pub(super) fn copy(&self, place: Place) -> CopyBuffer {
        CopyBuffer::of(&self.ring, place, &self.ring.read_header(place))
    }

    /// A copy of the payload of a message of a run that was taken.
    #[inline(always)]
    pub(super) fn copy_payload(&self, place: Place) -> CopyBuffer {
        let alignment = self.ring.geometry().shape.alignment_bytes as usize;
        // SAFETY: the run is held, and nothing here releases it, until the copy is made.
        let payload = unsafe { self.payload_bytes(place) };
        CopyBuffer::of_payload(payload, alignment)
    }

    /// What stands beside the payload of a message of a run that was taken.
    #[inline(always)]
    pub(super) fn head(&self, place: Place) -> Head {
        Head {
            header: self.cursor.ring().read_header(place),
            clock: self.clock,
            is_lean: self.cursor.ring().geometry().header_form == HeaderForm::Lean,
        }
    }

    /// Whether messages have no time and no attributes.
    #[inline(always)]
    pub(super) fn has_plain_heads(&self) -> bool {
        self.cursor.ring().geometry().header_form != HeaderForm::Other
    }

    pub(super) fn cursor(&self) -> u64 {
        let unseen = self.selection.as_deref().and_then(Selection::next);
        unseen.unwrap_or(self.cursor.next()).0
    }

    pub(super) fn skipped(&self) -> u64 {
        self.selection.as_deref().map_or(0, Selection::skipped)
    }

    /// The messages of the run that was selected last; `None` if every message of a run is.
    #[inline(always)]
    pub(super) fn picks(&self) -> Option<&[Sequence]> {
        self.selection.as_deref().map(Selection::picks)
    }

    pub(super) fn held(&self) -> u32 {
        self.cursor.held()
    }

    /// Whether this message is held, by a reliable subscriber.
    pub(super) fn holds(&self, sequence: u64) -> bool {
        let index = sequence.checked_sub(self.cursor.next().0);
        index.is_some_and(|index| index < self.held().into())
    }

    pub(super) fn lag(&self) -> u64 {
        if self.is_forked() {
            return 0;
        }
        find_tail(&self.ring).since(Sequence(self.cursor()))
    }

    pub(super) fn lagged(&self) -> u64 {
        if self.is_forked() {
            return 0;
        }
        self.cells.cell(self.index).lagged.load(Ordering::Relaxed)
    }

    /// Up to `max` messages that the subscriber wants, to be found by [`picks`](Self::picks) if it
    /// does not want all of them.
    #[inline(always)]
    pub(super) fn select(&mut self, max: u32) -> Result<Option<Run>, PollError> {
        match self.selection {
            None => self.take(max),
            Some(_) => self.select_by_filter(max),
        }
    }

    /// How many messages of the run that was selected last, from the first on, are consecutive and lie in
    /// their own slots.
    #[inline(always)]
    pub(super) fn home_len(&self) -> u32 {
        match self.selection {
            None => self.cursor.lent_home(),
            Some(_) => 0,
        }
    }

    /// The slots of that many messages from `first` on.
    #[inline(always)]
    pub(super) fn homes(&self, first: Sequence, len: u32) -> Homes<'static> {
        self.cursor.ring().homes(first, len.into())
    }

    /// Whether [`take_next`](Self::take_next) is worth a try.
    #[inline(always)]
    pub(super) fn is_plain(&self) -> bool {
        self.cursor.is_plain()
    }

    /// One message where [`take_next`](Self::take_next) was tried.
    #[inline(always)]
    pub(super) fn select_one(&mut self) -> Result<Option<Run>, PollError> {
        if self.cursor.is_plain() {
            // Also if the message before was leaked rather than dropped.
            self.release();
        }
        match self.selection {
            None => self.take_by(|cursor| cursor.take_otherwise(1)),
            Some(_) => self.select_by_filter(1),
        }
    }

    #[cold]
    fn select_by_filter(&mut self, max: u32) -> Result<Option<Run>, PollError> {
        self.check_not_forked()?;
        let selected = self.with_selection(|selection, core| selection.select(core, max));
        // A test of the program's may have forked.
        self.check_not_forked()?;
        selected.unwrap_or(Ok(None))
    }

    /// Selects by `select`, which calls tests of the program's: they may panic, and nothing is lost by it.
    fn with_selection<R>(
        &mut self,
        select: impl FnOnce(&mut Selection, &mut Self) -> R,
    ) -> Option<R> {
        let mut selection = self.selection.take()?;
        let selected = catch_unwind(AssertUnwindSafe(|| select(&mut selection, self)));
        if selected.is_err() {
            selection.look_again();
        }
        self.selection = Some(selection);
        self.note_more();
        Some(selected.unwrap_or_else(|panic| resume_unwind(panic)))
    }

    fn check_not_forked(&self) -> Result<(), PollError> {
        match self.is_forked() {
            true => Err(PollError::Forked),
            false => Ok(()),
        }
    }

    #[inline(always)]
    pub(super) fn release(&mut self) {
        if self.plain_in.get() != generation() {
            self.release_otherwise();
        } else if self.cursor.release_gated() {
            self.tell_departure();
        }
    }

    #[inline]
    fn release_otherwise(&mut self) {
        // The rest of the run is still to be looked at, or handed out.
        if self.selection.as_deref().is_some_and(Selection::has_kept) {
            return;
        }
        // A message that a forked child inherited is the parent's to release.
        if !self.is_forked() && self.cursor.release() {
            self.tell_departure();
        }
    }

    pub(super) fn take_newest(&mut self) -> Result<Option<Run>, PollError> {
        if self.is_forked() {
            return Err(PollError::Forked);
        }
        let unseen = self.selection.as_deref().and_then(Selection::next);
        if let Some(unseen) = unseen {
            // Taken, and not handed out: one of these may be the newest.
            self.cursor.return_to(unseen);
        }
        let (taken, has_moved) = self.cursor.take_newest();
        if has_moved || unseen.is_some() {
            self.tell_departure();
        }
        self.note_more();
        let run = taken?;
        let selected = self.with_selection(|selection, core| selection.restart_with(core, run));
        self.check_not_forked()?;
        let Some(wanted) = selected else {
            return Ok(run);
        };
        if !matches!(wanted, Ok(Some(_))) {
            self.release();
        }
        wanted
    }

    pub(super) fn seek(&mut self, start: Start) -> Result<(), PollError> {
        if self.is_forked() {
            return Err(PollError::Forked);
        }
        let first = resolve(&self.ring, self.clock, start).map_err(PollError::from)?;
        if let Some(selection) = &mut self.selection {
            selection.forget();
        }
        self.cursor.seek(first);
        if !start.is_exact() {
            self.cursor.pardon_start();
        }
        self.note_more();
        self.tell_departure();
        Ok(())
    }

    pub(super) fn wait(&mut self, timeout: Duration) -> Result<bool, PollError> {
        if self.selection.is_none() {
            return self.wait_for_any(timeout);
        }
        let deadline = Instant::now().checked_add(timeout);
        loop {
            match self.select(1) {
                Ok(None) => {}
                Err(PollError::Forked) => return Err(PollError::Forked),
                selected => {
                    if let Some(selection) = &mut self.selection {
                        selection.keep();
                    }
                    // For the poll to tell.
                    self.damage.set(selected.err());
                    self.note_more();
                    return Ok(true);
                }
            }
            let left = deadline.map_or(Duration::MAX, |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            if left.is_zero() || !self.wait_for_any(left)? {
                return Ok(false);
            }
        }
    }

    /// Whether a call of [`select`](Self::select) may have something to say.
    pub(super) fn has_more(&self) -> bool {
        let has_left = || self.selection.as_deref().is_some_and(Selection::has_left);
        self.is_forked() || self.damage.get().is_some() || has_left() || self.cursor.is_ready()
    }

    /// The same for one who waits, and looks again and again.
    #[inline]
    pub(super) fn has_more_at_last(&mut self) -> bool {
        let has_left = || self.selection.as_deref().is_some_and(Selection::has_left);
        self.is_forked()
            || self.damage.get().is_some()
            || has_left()
            || self.cursor.is_ready_at_last()
    }

    /// Waits for a message, wanted or not.
    fn wait_for_any(&mut self, timeout: Duration) -> Result<bool, PollError> {
        if self.is_forked() {
            return Err(PollError::Forked);
        }
        if self.cursor.is_ready() {
            return Ok(true);
        }
        if self.cursor.release_pins() {
            self.tell_departure();
        }
        let started = Instant::now();
        let deadline = started.checked_add(timeout);
        loop {
            for _ in 0..SPINS_PER_LOOK {
                if self.cursor.is_ready_at_last() {
                    return Ok(true);
                }
                spin_loop();
            }
            let now = Instant::now();
            let left = deadline.map_or(Duration::MAX, |deadline| deadline.duration_since(now));
            if left.is_zero() {
                return Ok(false);
            }
            if now.duration_since(started) >= self.spin {
                let token = self.arrivals.prepare();
                if self.cursor.is_ready() {
                    return Ok(true);
                }
                self.arrivals.sleep(token, left);
            }
        }
    }

    #[inline(always)]
    pub(super) fn is_forked(&self) -> bool {
        self.generation != generation()
    }
}

const SPINS_PER_LOOK: u32 = 32;

/// Generations are counted from 0.
const NO_GENERATION: u32 = u32::MAX;

/// The payload of message `seq`, whose bytes these are.
#[inline(always)]
pub(super) fn payload_from<T: Payload + ?Sized>(
    bytes: &[u8],
    seq: Sequence,
) -> Result<&T, PollError> {
    T::from_payload(bytes).ok_or(PollError::Corrupted { sequence: seq.0 })
}

impl Drop for SubscriberCore {
    fn drop(&mut self) {
        if self.is_forked() {
            return;
        }
        self.cursor.leave();
        // No wait set touches the cell from here on.
        self.membership
            .end(|| lease::release_cell(self.cells.cell(self.index)));
        self.tell_departure();
    }
}

impl From<Interruption> for PollError {
    fn from(interruption: Interruption) -> Self {
        match interruption {
            Interruption::Lagged { missed } => Self::Lagged { missed },
            Interruption::Evicted { missed } => Self::Evicted { missed },
            Interruption::Corrupted { seq } => Self::Corrupted { sequence: seq.0 },
        }
    }
}

impl From<StartError> for PollError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::NotYet { asked, next } => Self::NotYet { asked, next },
            StartError::NoTime => Self::NoTime,
        }
    }
}
