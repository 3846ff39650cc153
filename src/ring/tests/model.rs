//! What the models share: how they are explored, and what their participants do.

use crate::{
    ring::{
        cursor::{Cursor, Delivery, Interruption},
        layout::Shape,
        publish::{ExclusivePublisher, Reserve, Shut},
        publish_shared::SharedPublisher,
        sequence::Sequence,
        view::ModelTopic,
    },
    sync::model::{self, Victim},
};

/// Runs `scene` on a fresh topic in all interleavings, or in those in which no more than
/// `preemptions` times a thread is interrupted that could run on.
///
/// The scene joins the threads that it spawns.
pub(super) fn explore(
    shape: Shape,
    preemptions: Option<usize>,
    scene: impl Fn(&'static ModelTopic) + Send + Sync + 'static,
) {
    model::explore(preemptions, move || on_a_fresh_topic(shape, &scene));
}

/// The same with a participant that vanishes after any of its steps, or after none.
pub(super) fn explore_vanishing(
    shape: Shape,
    preemptions: Option<usize>,
    scene: impl Fn(&'static ModelTopic, Victim) + Clone + Send + Sync + 'static,
) {
    model::explore_vanishing(preemptions, move |victim| {
        on_a_fresh_topic(shape, |topic| scene(topic, victim.clone()));
    });
}

fn on_a_fresh_topic(shape: Shape, scene: impl Fn(&'static ModelTopic)) {
    let topic = Box::new(ModelTopic::new(shape));
    let borrowed: *const ModelTopic = &*topic;
    // SAFETY: the topic is dropped after the scene, which outlives its threads.
    scene(unsafe { &*borrowed });
}

/// Memory that is there.
pub(super) struct AllReserved;

impl Reserve for AllReserved {
    fn reserve(&self, _chunk: u32) -> bool {
        true
    }
}

impl ModelTopic {
    pub(super) fn exclusive(&self) -> ExclusivePublisher<'_> {
        ExclusivePublisher::take_over(self.ring(), self.cells())
    }

    pub(super) fn shared(&self, index: u32) -> SharedPublisher<'_> {
        SharedPublisher::join(self.ring(), self.cells(), index)
    }

    pub(super) fn join(&self, index: u32, start: u64, delivery: Delivery) -> Cursor<'_> {
        let start = Sequence(start);
        Cursor::join(self.ring(), self.cells(), index, start, delivery, false)
    }

    pub(super) fn join_evictable(&self, index: u32, start: u64) -> Cursor<'_> {
        let (start, delivery) = (Sequence(start), Delivery::Reliable);
        Cursor::join(self.ring(), self.cells(), index, start, delivery, true)
    }

    /// Publishes the next message, unless somebody is in the way.
    pub(super) fn publish(&self, publisher: &mut ExclusivePublisher) -> Result<u64, Shut> {
        let place = publisher.place(0, &AllReserved)?;
        let seq = place.sequence().0;
        self.ring().write(place, content(seq));
        publisher.commit(place);
        Ok(seq)
    }

    /// Publishes a message that says `content`, unless somebody is in the way.
    pub(super) fn publish_shared(
        &self,
        publisher: &mut SharedPublisher,
        content: u64,
    ) -> Option<u64> {
        let loan = publisher.lend(&AllReserved).ok()?;
        self.ring().write(loan.place(), content);
        let committed = publisher.commit(loan);
        committed
            .inspect_err(|_| publisher.abort(loan))
            .ok()
            .map(|seq| seq.0)
    }

    /// What a subscriber takes: the contents of up to `max` messages.
    pub(super) fn take(&self, cursor: &mut Cursor, max: u32) -> Result<Vec<u64>, Interruption> {
        let Some(run) = cursor.take(max)? else {
            return Ok(Vec::new());
        };
        (0..run.len)
            .map(|ahead| {
                let place = cursor.place(run.first.plus(ahead.into()))?;
                Ok(self.ring().read(place))
            })
            .collect()
    }

    /// Message `seq` of those that a subscriber took last.
    pub(super) fn read_held(&self, cursor: &Cursor, seq: u64) -> u64 {
        self.ring().read(cursor.place(Sequence(seq)).unwrap())
    }

    /// Follows an exclusive publisher for `rounds` calls of `take`: each message is whole and in
    /// order, and each that is missing was reported. Returns how many messages came.
    pub(super) fn follow(&self, cursor: &mut Cursor, rounds: u32, max: u32) -> u64 {
        self.follow_from(cursor, cursor.next().0, rounds, max)
    }

    /// The same for a subscriber that has just joined at `start`.
    pub(super) fn follow_from(
        &self,
        cursor: &mut Cursor,
        start: u64,
        rounds: u32,
        max: u32,
    ) -> u64 {
        let (mut got, mut missed) = (0, 0);
        for _ in 0..rounds {
            match self.take(cursor, max) {
                Ok(contents) => {
                    for found in contents {
                        assert_eq!(found, content(start + got + missed));
                        got += 1;
                    }
                }
                Err(
                    Interruption::Lagged { missed: more } | Interruption::Evicted { missed: more },
                ) => {
                    missed += more;
                }
                Err(Interruption::Corrupted { seq }) => panic!("message {seq} is corrupted"),
            }
            cursor.release();
        }
        got
    }
}

/// What message `seq` of an exclusive publisher says; never 0, as fresh memory does.
pub(super) fn content(seq: u64) -> u64 {
    seq + 1
}
