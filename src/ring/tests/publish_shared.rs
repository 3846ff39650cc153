//! Shared publishers, step by step.

use super::{
    chunks::assert_chunks_conserved,
    heap::{AllReserved, HeapTopic, publish_shared, read, write},
    shapes::shared,
};
use crate::{
    ring::{
        chunk_list::Entry,
        cursor::{Cursor, Delivery, Interruption},
        cursor_word::{CursorState, CursorWord},
        layout::Shape,
        place::Place,
        publish::Reserve,
        publish_shared::LoanRefusal,
        sequence::Sequence,
        view::RingView,
    },
    sync::{AtomicU64, Ordering, watched::vanishing_after},
};

#[test]
fn chunk_stays_held_however_many_messages_later() {
    let held = Sequence(7);
    let shape = Shape {
        first_sequence: held.0 + (1 << 40),
        ..shared(2)
    };
    let topic = HeapTopic::new(shape);
    let (ring, mut publisher) = (topic.ring(), topic.shared(0));
    let listed = [0, 1].map(|index| {
        let entry = ring.list_entry(0, index);
        let chunk = Entry(entry.load(Ordering::Relaxed)).chunk();
        entry.store(Entry::new(chunk, held).0, Ordering::Relaxed);
        chunk
    });
    topic.join(0, 0, Delivery::Lossy);
    let word = CursorWord::new(held, 1, CursorState::Overtaken);
    let cell = topic.cells().cell(0);
    cell.cursor.store(word.0, Ordering::Relaxed);

    let loan = publisher.lend(&AllReserved).unwrap();
    assert!(!listed.contains(&loan.place().chunk()));
}

#[test]
fn claims_touch_no_message_in_the_ring_nor_one_that_is_held() {
    let topic = HeapTopic::new(shared(16));
    let ring = topic.ring();
    let mut publishers = [topic.shared(0), topic.shared(1)];
    let mut holder = topic.join(0, 0, Delivery::Lossy);
    let mut held = None;
    // Long turns, in which a publisher is alone, and short ones.
    let turn = |seq: u64| {
        if seq % 100 < 50 {
            seq / 50 % 2
        } else {
            seq % 2
        }
    };
    for seq in 0..1000 {
        let publisher = &mut publishers[turn(seq) as usize];
        let loan = publisher.lend(&AllReserved).unwrap();
        write(&ring, loan.place(), seq);
        // A word that is no part of the message, but claimed.
        first_word(&ring, loan.place()).store(seq, Ordering::Relaxed);
        assert_eq!(publisher.commit(loan), Ok(Sequence(seq)));
        if seq % 40 == 0 {
            while let Err(Interruption::Lagged { .. }) = holder.take(1) {}
            held = (holder.held() > 0).then(|| holder.next().0 - 1);
        }
        for seq in seq.saturating_sub(15)..=seq {
            let stamp = ring.stamp(Sequence(seq)).load(Ordering::Relaxed);
            let chunk = ring.geometry().stamps.chunk(stamp);
            let place = Place::checked(ring.geometry(), Sequence(seq), chunk).unwrap();
            assert_eq!(first_word(&ring, place).load(Ordering::Relaxed), seq);
            assert_eq!(read(&ring, place), seq);
        }
        if let Some(held) = held {
            let place = holder.place(Sequence(held)).unwrap();
            assert_eq!(first_word(&ring, place).load(Ordering::Relaxed), held);
            assert_eq!(read(&ring, place), held);
        }
    }
}

fn first_word<'r>(ring: &'r RingView<'_>, place: Place) -> &'r AtomicU64 {
    // SAFETY: a block is at least a word long, aligned, and mapped while `ring` is.
    unsafe { ring.block(place).cast().as_ref() }
}

#[test]
fn subscribers_that_stop_with_messages_in_hand_hold_up_nobody() {
    // Miri is some hundred times slower: one ring shorter than the pins, and one longer.
    let capacities: &[u64] = if cfg!(miri) { &[1, 4] } else { &[1, 2, 4, 8] };
    for &capacity in capacities {
        let topic = HeapTopic::new(shared(capacity));
        let ring = topic.ring();
        let mut publishers = [topic.shared(0), topic.shared(1)];
        let mut subscribers = [0, 1].map(|index| topic.join(index, 0, Delivery::Lossy));
        let mut next = 0;
        let mut publish = |count: u64| {
            for _ in 0..count {
                let publisher = &mut publishers[next as usize / 3 % 2];
                assert_eq!(publish_shared(publisher, &ring, next), Ok(next));
                next += 1;
            }
        };
        for subscriber in &mut subscribers {
            publish(capacity);
            while subscriber.take(2).is_err() {}
        }
        publish(20 * capacity);
        for subscriber in &subscribers {
            assert_eq!(u64::from(subscriber.held()), 2.min(capacity));
            assert_held_is_whole(&ring, subscriber);
        }
        assert_chunks_conserved(&ring);
    }
}

#[test]
fn subscriber_that_is_overtaken_at_every_message_holds_up_nobody() {
    for (capacity, pins, loans) in [(1, 1, 1), (2, 1, 2), (4, 4, 1), (8, 2, 1), (16, 3, 3)] {
        let shape = Shape {
            max_subscribers: 1,
            max_publishers: 1,
            pins,
            loans,
            ..shared(capacity)
        };
        let topic = HeapTopic::new(shape);
        let (ring, mut publisher) = (topic.ring(), topic.shared(0));
        let mut subscriber = topic.join(0, 0, Delivery::Lossy);
        for seq in 0..8 * capacity {
            assert_eq!(publish_shared(&mut publisher, &ring, seq), Ok(seq));
            while let Err(Interruption::Lagged { .. }) = subscriber.take(pins) {}
            assert_held_is_whole(&ring, &subscriber);
        }
        for seq in 8 * capacity..12 * capacity {
            assert_eq!(publish_shared(&mut publisher, &ring, seq), Ok(seq));
            assert_held_is_whole(&ring, &subscriber);
        }
        assert_chunks_conserved(&ring);
    }
}

#[test]
fn publisher_without_space_for_a_spare_chunk_says_so() {
    struct Nothing;
    impl Reserve for Nothing {
        fn reserve(&self, _chunk: u32) -> bool {
            false
        }
    }
    let topic = HeapTopic::new(shared(2));
    let (ring, mut publisher) = (topic.ring(), topic.shared(0));
    let mut subscriber = topic.join(0, 0, Delivery::Lossy);
    for seq in 0..2 {
        publish_shared(&mut publisher, &ring, seq).unwrap();
    }
    assert_eq!(subscriber.take(2).unwrap().unwrap().len, 2);
    for seq in 2..4 {
        publish_shared(&mut publisher, &ring, seq).unwrap();
    }
    assert_eq!(publisher.lend(&Nothing), Err(LoanRefusal::Space));
    assert!(subscriber.release_pins());
    assert!(publisher.lend(&Nothing).is_ok());
}

#[test]
fn all_chunks_of_a_list_can_be_lent_at_once_and_no_more() {
    let topic = HeapTopic::new(shared(4));
    let (ring, mut publisher) = (topic.ring(), topic.shared(1));
    let loans = [0, 1].map(|_| publisher.lend(&AllReserved).unwrap());
    assert_eq!(publisher.lend(&AllReserved), Err(LoanRefusal::Limit));
    assert_eq!(publisher.commit(loans[1]), Ok(Sequence(0)));
    publisher.abort(loans[0]);
    for seq in 1..10 {
        assert_eq!(publish_shared(&mut publisher, &ring, seq), Ok(seq));
    }
    assert_chunks_conserved(&ring);
}

/// Each message is published whole or not at all, in order, and no chunk is lost, wherever a
/// publisher vanishes, and wherever the one that puts its list in order does.
#[test]
fn publisher_that_vanishes_at_any_step_leaves_a_whole_message_or_none() {
    // Miri takes each capacity, each number of messages between, with and without an exchange.
    for scene in (0..SCENES).step_by(if cfg!(miri) { 5 } else { 1 }) {
        let mut point = 0;
        while vanish_and_recover(scene, point, None) {
            let mut recovery_point = 0;
            while vanish_and_recover(scene, point, Some(recovery_point)) {
                recovery_point += 1;
            }
            point += 1;
        }
        let is_exchanging = scene / 3 % 2 == 1;
        // The swap's steps, or an exchange's and the swap's, and the first point, before them.
        assert!(point > if is_exchanging { 10 } else { 4 });
    }
}

const SCENES: u64 = 24;

/// `false` if there was no such crash point.
fn vanish_and_recover(scene: u64, point: u32, recovery_point: Option<u32>) -> bool {
    let capacity = [1, 2, 4][scene as usize % 3];
    let is_holding = scene / 3 % 2 == 1;
    let messages_between = [0, 1, capacity, 2 * capacity + 1][scene as usize / 6];

    let topic = HeapTopic::new(shared(capacity));
    let ring = topic.ring();
    let (mut victim, mut survivor) = (topic.shared(0), topic.shared(1));
    let mut subscriber = topic.join(0, 0, Delivery::Lossy);
    let mut next = 0;
    for _ in 0..capacity {
        assert_eq!(publish_shared(&mut victim, &ring, next), Ok(next));
        next += 1;
    }
    if is_holding {
        // Held and displaced: the victim's next loan begins with an exchange.
        assert_eq!(subscriber.take(2).map(|run| run.is_some()), Ok(true));
        for _ in 0..2 {
            assert_eq!(publish_shared(&mut victim, &ring, next), Ok(next));
            next += 1;
        }
    }

    let published = vanishing_after(point, || publish_shared(&mut victim, &ring, next));
    let is_last_point = match published {
        Some(done) => {
            assert_eq!(done, Ok(next));
            true
        }
        None => false,
    };
    let stamp = ring.stamp(Sequence(next)).load(Ordering::Relaxed);
    let stamps = ring.geometry().stamps;
    let is_there = stamps.read(stamp, Sequence(next)) != crate::ring::sequence::Slot::Empty;
    next += u64::from(is_there);
    for _ in 0..messages_between {
        assert_eq!(publish_shared(&mut survivor, &ring, next), Ok(next));
        next += 1;
    }
    assert_held_is_whole(&ring, &subscriber);

    let mut is_last_recovery_point = false;
    if let Some(point) = recovery_point {
        is_last_recovery_point = vanishing_after(point, || topic.shared(0)).is_some();
    }
    let mut successor = topic.shared(0);
    assert_chunks_conserved(&ring);
    for _ in 0..3 * capacity {
        for publisher in [&mut successor, &mut survivor] {
            assert_eq!(publish_shared(publisher, &ring, next), Ok(next));
            next += 1;
        }
        assert_held_is_whole(&ring, &subscriber);
    }
    assert_chunks_conserved(&ring);
    !is_last_point && !is_last_recovery_point
}

fn assert_held_is_whole(ring: &RingView, subscriber: &Cursor) {
    let next = subscriber.next().0;
    for seq in next - u64::from(subscriber.held())..next {
        let place = subscriber.place(Sequence(seq)).unwrap();
        assert_eq!(read(ring, place), seq);
    }
}
