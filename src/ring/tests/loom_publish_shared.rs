//! Shared publishers: beside each other, beside readers, and after one of them vanished.

use loom::thread;

use super::{
    chunks::assert_chunks_conserved,
    loom_publish::observe,
    model::{AllReserved, content, explore},
    shapes::{shared, slim},
};
use crate::{
    ring::{
        chunk_list::{self, Entry},
        cursor::Delivery,
        observe::ObserverCursor,
        place::Place,
        publish_shared::SharedPublisher,
        sequence::Sequence,
        tail::find_tail,
        view::ModelTopic,
    },
    sync::Ordering,
};

/// Edge COMMIT: two publishers make one order of whole messages. Fails if the swap is a store, and if
/// the reader's load is Relaxed.
#[test]
fn loom_two_publishers_make_one_order() {
    explore(slim(shared(2)), Some(3), |topic| {
        let mut subscriber = topic.join(0, 0, Delivery::Reliable);
        let publishers = [0, 1].map(|index| {
            let mut publisher = topic.shared(index);
            thread::spawn(move || topic.publish_shared(&mut publisher, 10 + u64::from(index)))
        });
        let mut got = topic.take(&mut subscriber, 2).unwrap();
        let seqs = publishers.map(|publisher| publisher.join().unwrap().unwrap());
        while got.len() < 2 {
            got.extend(topic.take(&mut subscriber, 2).unwrap());
        }
        for index in 0..2 {
            assert_eq!(got[seqs[index] as usize], 10 + index as u64);
        }
        assert_chunks_conserved(&topic.ring());
    });
}

/// The same in all interleavings, of one message each and a reader that takes once beside them.
#[test]
fn loom_two_publishers_make_one_order_in_all_interleavings() {
    explore(slim(shared(2)), None, |topic| {
        let mut subscriber = topic.join(0, 0, Delivery::Reliable);
        let (mut one, mut other) = (topic.shared(0), topic.shared(1));
        let reader = thread::spawn(move || {
            let got = topic.take(&mut subscriber, 2).unwrap();
            (got, subscriber)
        });
        let other = thread::spawn(move || topic.publish_shared(&mut other, 11).unwrap());
        let one = topic.publish_shared(&mut one, 10).unwrap();
        let seqs = [one, other.join().unwrap()];
        let (mut got, mut subscriber) = reader.join().unwrap();
        got.extend(topic.take(&mut subscriber, 2).unwrap());
        assert_eq!(got.len(), 2);
        for index in 0..2 {
            assert_eq!(got[seqs[index] as usize], 10 + index as u64);
        }
        assert_chunks_conserved(&topic.ring());
    });
}

/// Edge COMMIT, where no look's fence stands between the block and the swap: the second message that
/// one look has allowed. Fails if the swap does not release.
#[test]
fn loom_second_message_after_a_look_is_whole() {
    explore(slim(shared(16)), None, |topic| {
        let mut subscriber = topic.join(0, 0, Delivery::Reliable);
        let mut publisher = topic.shared(0);
        topic.publish_shared(&mut publisher, content(0)).unwrap();
        // The reader is the thread: loom forgets a load of one thread for that of another, and so the
        // swap after it.
        let reader = thread::spawn(move || {
            topic.follow(&mut subscriber, 2, 1);
            subscriber
        });
        topic.publish_shared(&mut publisher, content(1)).unwrap();
        let mut subscriber = reader.join().unwrap();
        topic.follow(&mut subscriber, 2, 1);
        assert_eq!(subscriber.next(), Sequence(2));
    });
}

/// Edge COMMIT: a chunk is written by one publisher at a time.
#[test]
fn loom_displaced_chunk_is_written_by_its_new_owner_only() {
    explore(slim(shared(1)), Some(2), |topic| {
        let (mut one, mut other) = (topic.shared(0), topic.shared(1));
        let publisher = thread::spawn(move || {
            topic.publish_shared(&mut one, 1).unwrap();
        });
        // The third is written into what the first displaced.
        for content in 2..5 {
            topic.publish_shared(&mut other, content).unwrap();
        }
        publisher.join().unwrap();
        assert_eq!(find_tail(&topic.ring()), Sequence(4));
        assert_chunks_conserved(&topic.ring());
    });
}

/// Edges JOIN and RELEASE: a chunk that a subscriber holds is not lent. Fails if `lend` does not
/// look, and if it looks Relaxed.
#[test]
fn loom_held_chunk_is_not_lent() {
    explore(slim(shared(1)), None, |topic| {
        let mut subscriber = topic.join(0, 0, Delivery::Lossy);
        let mut publisher = topic.shared(0);
        topic.publish_shared(&mut publisher, content(0)).unwrap();
        let publisher = thread::spawn(move || {
            topic.publish_shared(&mut publisher, content(1)).unwrap();
            // All chunks of the list.
            for _ in 0..2 {
                let loan = publisher.lend(&AllReserved).unwrap();
                topic.ring().write(loan.place(), content(2));
                publisher.abort(loan);
            }
        });
        topic.follow(&mut subscriber, 1, 1);
        subscriber.release_pins();
        publisher.join().unwrap();
        topic.follow(&mut subscriber, 2, 1);
        assert_eq!(subscriber.next(), Sequence(2));
        assert_chunks_conserved(&topic.ring());
    });
}

/// Edge SPARE: a spare is exchanged by one publisher at a time, and written after its former owner
/// wrote it. Fails if a spare is claimed without a swap, if the claim or its end is Relaxed, and if
/// the spare is not looked at again once it is claimed.
#[test]
fn loom_spare_is_exchanged_by_one_publisher_at_a_time() {
    explore(slim(shared(1)), None, |topic| {
        leave_one_spare(topic);
        let write_exchange_write = move |index| {
            let given = listed(topic, index, 0);
            topic.ring().write(given, 1);
            let got = exchange(topic, index, 0);
            if let Some(got) = got {
                topic.ring().write(got, 2);
            }
            got.is_some()
        };
        let one = thread::spawn(move || write_exchange_write(0));
        let other = write_exchange_write(1);
        assert!(one.join().unwrap() || other);
        return_the_spares(topic);
        assert_chunks_conserved(&topic.ring());
    });
}

/// Edge OBSERVE, in chunks. Fails without the fence in `gate::raise`.
#[test]
fn loom_observer_finds_out_a_chunk_written_anew() {
    explore(slim(shared(1)), None, |topic| {
        let mut publisher = topic.shared(0);
        publish_to_be_copied(topic, &mut publisher, 0);
        let observer = thread::spawn(move || {
            observe(&mut ObserverCursor::new(topic.ring(), Sequence(0)));
        });
        publish_to_be_copied(topic, &mut publisher, 1);
        write_to_all_chunks(topic, &mut publisher);
        observer.join().unwrap();
    });
}

/// Edge OBSERVE, where the chunk is written by one that took the list over. Fails without the fence
/// in `SharedPublisher::join`.
#[test]
fn loom_observer_finds_out_a_successor() {
    explore(slim(shared(1)), Some(3), |topic| {
        let mut publisher = topic.shared(0);
        publish_to_be_copied(topic, &mut publisher, 0);
        let owner = &topic.ring().record(0).owner;
        owner.store(1, Ordering::Relaxed);
        let observer = thread::spawn(move || {
            observe(&mut ObserverCursor::new(topic.ring(), Sequence(0)));
        });
        let predecessor = thread::spawn(move || {
            publish_to_be_copied(topic, &mut publisher, 1);
            // Edge PLACE.
            owner.store(0, Ordering::Release);
        });
        if owner.load(Ordering::Acquire) == 0 {
            write_to_all_chunks(topic, &mut topic.shared(0));
        }
        observer.join().unwrap();
        predecessor.join().unwrap();
    });
}

/// Edge OBSERVE, where the chunk is written by one that got it as a spare. Fails without the fence
/// in `exchange`.
#[test]
fn loom_observer_finds_out_a_spare() {
    explore(slim(shared(1)), Some(3), |topic| {
        let mut publisher = topic.shared(0);
        publish_to_be_copied(topic, &mut publisher, 0);
        leave_one_spare(topic);
        let observer = thread::spawn(move || {
            observe(&mut ObserverCursor::new(topic.ring(), Sequence(0)));
        });
        let displacing = thread::spawn(move || {
            publish_to_be_copied(topic, &mut publisher, 1);
            // The chunk of message 0 becomes the spare.
            exchange(topic, 0, 1);
        });
        if let Some(chunk) = exchange(topic, 1, 0) {
            topic.ring().write_to_be_copied(chunk, content(7));
        }
        observer.join().unwrap();
        displacing.join().unwrap();
    });
}

fn publish_to_be_copied(topic: &ModelTopic, publisher: &mut SharedPublisher, seq: u64) {
    let loan = publisher.lend(&AllReserved).unwrap();
    topic.ring().write_to_be_copied(loan.place(), content(seq));
    assert_eq!(publisher.commit(loan), Ok(Sequence(seq)));
}

/// Writes into every chunk of a publisher's list.
fn write_to_all_chunks(topic: &ModelTopic, publisher: &mut SharedPublisher) {
    let loans = [0; 2].map(|_| publisher.lend(&AllReserved).unwrap());
    for loan in loans {
        topic.ring().write_to_be_copied(loan.place(), content(7));
        publisher.abort(loan);
    }
}

/// What a publisher exchanges for a list entry, as if that were held.
pub(super) fn exchange(topic: &ModelTopic, index: u32, entry: u32) -> Option<Place> {
    let (ring, cells) = (topic.ring(), topic.cells());
    let spare = chunk_list::exchange(&ring, &cells, index, entry, &mut 0, &AllReserved);
    spare.ok().map(|spare| place_of(topic, spare))
}

pub(super) fn listed(topic: &ModelTopic, index: u32, entry: u32) -> Place {
    let entry = topic.ring().list_entry(index, entry);
    place_of(topic, Entry(entry.load(Ordering::Relaxed)))
}

fn place_of(topic: &ModelTopic, entry: Entry) -> Place {
    Place::checked(topic.ring().geometry(), Sequence(0), entry.chunk()).unwrap()
}

/// All spares but the first are claimed, as by publishers that stopped.
pub(super) fn leave_one_spare(topic: &ModelTopic) {
    for index in 1..topic.ring().geometry().shape.spare_chunks() as u32 {
        topic.ring().spare(index).taker.store(99, Ordering::Relaxed);
    }
}

pub(super) fn return_the_spares(topic: &ModelTopic) {
    for index in 1..topic.ring().geometry().shape.spare_chunks() as u32 {
        topic.ring().spare(index).taker.store(0, Ordering::Relaxed);
    }
}
