//! Where a reader starts.

use super::{Timestamp, clock::Clock, error::JoinError};
use crate::{
    registry::TopicName,
    ring::{
        layout::TimeSource,
        place::Place,
        sequence::{Sequence, Slot},
        tail::{find_oldest, find_tail},
        view::RingView,
    },
    sync::load_acquire,
};

/// The first message that a subscriber or observer reads.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use ringbus::Start;
///
/// let topic = bus.topic("orders").open_or_create()?;
/// topic.publisher()?.publish_batch([&b"1"[..], b"2", b"3"])?;
/// let starts = [Start::Oldest, Start::Sequence(1), Start::Last(1), Start::Latest];
/// for (start, expected) in starts.into_iter().zip(0..) {
///     let subscriber = topic.subscriber().start(start).join()?;
///     assert_eq!(subscriber.cursor(), expected);
/// }
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// The first one published after joining.
    #[default]
    Latest,
    /// The oldest one retained: at least seven eighths of the capacity are, once so many were
    /// published.
    Oldest,
    /// The one with this sequence. If it is no longer retained, the first poll says
    /// [`Lagged`](super::PollError::Lagged) and how many are missing.
    Sequence(u64),
    /// The last so many, or as many as are retained.
    Last(u64),
    /// The first one published at this time or later, or the oldest retained. Needs a topic that
    /// keeps times.
    Time(Timestamp),
}

impl Start {
    /// Whether it means one certain message, which is missed where it is no longer retained; the
    /// others mean whatever is retained.
    pub(super) fn is_exact(self) -> bool {
        matches!(self, Self::Sequence(_))
    }
}

/// Why there is no such start.
pub(super) enum StartError {
    NotYet { asked: u64, next: u64 },
    NoTime,
}

/// The sequence that `start` means now; what of it is retained is for the join to find out.
pub(super) fn resolve(ring: &RingView, clock: Clock, start: Start) -> Result<Sequence, StartError> {
    let tail = find_tail(ring);
    match start {
        Start::Latest => Ok(tail),
        Start::Oldest => Ok(find_oldest(ring).min(tail)),
        Start::Last(count) => Ok(tail.minus(count).max(find_oldest(ring)).min(tail)),
        Start::Sequence(asked) if asked > tail.0 => Err(StartError::NotYet {
            asked,
            next: tail.0,
        }),
        Start::Sequence(asked) => Ok(Sequence(asked).max(ring.geometry().first())),
        Start::Time(_) if ring.geometry().shape.time == TimeSource::None => Err(StartError::NoTime),
        Start::Time(time) => Ok(first_since(ring, clock, time, tail)),
    }
}

/// The first retained message published at `time` or later. Times grow along the ring, up to the
/// few nanoseconds by which shared publishers overtake each other between clock and commit.
fn first_since(ring: &RingView, clock: Clock, time: Timestamp, tail: Sequence) -> Sequence {
    let (mut from, mut to) = (find_oldest(ring).min(tail), tail);
    while from < to {
        let middle = Sequence(from.0 + (to.0 - from.0) / 2);
        // A message that was overwritten meanwhile is older than anything retained.
        let is_before = published_at(ring, clock, middle).is_none_or(|at| at < time);
        if is_before {
            from = middle.plus(1);
        } else {
            to = middle;
        }
    }
    from
}

fn published_at(ring: &RingView, clock: Clock, seq: Sequence) -> Option<Timestamp> {
    let geometry = ring.geometry();
    let Slot::Ready(chunk) = geometry.stamps.read(load_acquire(ring.stamp(seq)), seq) else {
        return None;
    };
    let place = Place::checked(geometry, seq, chunk)?;
    clock.read(ring.read_header(place).time)
}

impl StartError {
    pub(super) fn into_join_error(self, topic: &TopicName) -> JoinError {
        match self {
            Self::NotYet { asked, next } => JoinError::NotYet { asked, next },
            Self::NoTime => JoinError::NoTime {
                topic: topic.to_string(),
            },
        }
    }
}
