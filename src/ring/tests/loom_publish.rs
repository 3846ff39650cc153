//! The exclusive publisher and those who read what it writes.

use loom::thread;

use super::{
    model::{content, explore},
    shapes::{exclusive, slim},
};
use crate::ring::{
    cursor::Delivery,
    observe::{CopyBuffer, Observation, ObserverCursor},
    sequence::Sequence,
    view::ModelTopic,
};

/// Edge COMMIT. Fails if the stamp is stored or loaded Relaxed.
#[test]
fn loom_commit_publishes_payload() {
    explore(slim(exclusive(2)), None, |topic| {
        let mut subscriber = topic.join(0, 0, Delivery::Reliable);
        let mut publisher = topic.exclusive();
        let publisher = thread::spawn(move || {
            for seq in 0..2 {
                assert_eq!(topic.publish(&mut publisher), Ok(seq));
            }
        });
        topic.follow(&mut subscriber, 2, 2);
        publisher.join().unwrap();
        topic.follow(&mut subscriber, 2, 2);
        assert_eq!(subscriber.next(), Sequence(2));
    });
}

/// Edge OBSERVE, in the slot itself. Fails without the fence in `gate::raise`, without the one in
/// `is_intact`, and if `is_intact` does not look at the limit.
#[test]
fn loom_observer_finds_out_a_torn_copy() {
    explore(slim(exclusive(1)), None, |topic| {
        let mut publisher = topic.exclusive();
        publish_to_be_copied(topic, &mut publisher);
        let observer = thread::spawn(move || {
            let mut observer = ObserverCursor::new(topic.ring(), Sequence(0));
            for _ in 0..2 {
                observe(&mut observer);
            }
        });
        let mut publisher = topic.exclusive();
        publish_to_be_copied(topic, &mut publisher);
        observer.join().unwrap();
    });
}

/// A message to be copied is written into the block of the next-but-one; on a ring of one slot.
pub(super) fn publish_to_be_copied(
    topic: &ModelTopic,
    publisher: &mut crate::ring::publish::ExclusivePublisher,
) {
    let place = publisher.place(0, &super::model::AllReserved).unwrap();
    topic
        .ring()
        .write_to_be_copied(place, content(place.sequence().0));
    publisher.commit(place);
}

/// Observes once: what was copied is whole.
pub(super) fn observe(observer: &mut ObserverCursor) {
    let mut buffer = CopyBuffer::new(8);
    match observer.observe(&mut buffer) {
        Observation::Copied(seq, header) => {
            assert_eq!(header.tag, content(seq.0));
            assert_eq!(buffer.payload(), content(seq.0));
        }
        Observation::Empty | Observation::Lagged { .. } => {}
        Observation::Corrupted { seq } => panic!("message {seq} is corrupted"),
    }
}
