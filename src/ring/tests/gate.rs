//! The gate, step by step.

use super::{
    heap::{AllReserved, HeapTopic, Refusal, publish, publish_shared},
    shapes::{exclusive, shared},
};
use crate::ring::{
    cursor::{Delivery, Run},
    observe::{CopyBuffer, Observation, ObserverCursor},
    publish::Shut,
    publish_shared::CommitRefusal,
    sequence::Sequence,
    tail::find_oldest,
};

#[test]
fn shut_gate_leaves_what_is_there_to_everybody() {
    let topic = HeapTopic::new(exclusive(1));
    let (ring, mut publisher) = (topic.ring(), topic.exclusive());
    topic.join(0, 0, Delivery::Reliable);
    let mut lossy = topic.join(1, 0, Delivery::Lossy);
    publish(&mut publisher, &ring).unwrap();
    for _ in 0..3 {
        assert_eq!(publish(&mut publisher, &ring), Err(Shut::Gate { cell: 0 }));
    }
    assert_eq!(find_oldest(&ring), Sequence(0));
    let mut observer = ObserverCursor::new(ring, Sequence(0));
    let observed = observer.observe(&mut CopyBuffer::new(8));
    assert!(matches!(observed, Observation::Copied(Sequence(0), _)));
    let first = Sequence(0);
    assert_eq!(lossy.take(1), Ok(Some(Run { first, len: 1 })));
}

#[test]
fn refused_look_does_not_forget_who_holds_what() {
    let topic = HeapTopic::new(shared(2));
    let (ring, mut publisher) = (topic.ring(), topic.shared(0));
    let mut holding = topic.join(0, 0, Delivery::Lossy);
    for seq in 0..2 {
        publish_shared(&mut publisher, &ring, seq).unwrap();
    }
    let first = Sequence(0);
    assert_eq!(holding.take(2), Ok(Some(Run { first, len: 2 })));
    let held = [0, 1].map(|seq| holding.place(Sequence(seq)).unwrap().chunk());
    for seq in 2..4 {
        publish_shared(&mut publisher, &ring, seq).unwrap();
    }
    topic.join(1, 0, Delivery::Reliable);
    for _ in 0..4 {
        let shut = Refusal::Commit(CommitRefusal::Shut(Shut::Gate { cell: 1 }));
        assert_eq!(publish_shared(&mut publisher, &ring, 4), Err(shut));
        for _ in 0..2 {
            let loan = publisher.lend(&AllReserved).unwrap();
            assert!(!held.contains(&loan.place().chunk()));
            publisher.abort(loan);
        }
    }
}
