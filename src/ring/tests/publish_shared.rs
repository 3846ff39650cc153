//! Shared publishers, step by step.

use super::heap::{AllReserved, HeapTopic, Refusal, publish_shared, read, shared};
use crate::{
    ring::{
        chunk_list::Entry,
        cursor::{Delivery, Run},
        cursor_word::{CursorState, CursorWord},
        layout::Shape,
        publish_shared::LoanRefusal,
        sequence::Sequence,
    },
    sync::Ordering,
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
    for index in 0..2 {
        let entry = ring.list_entry(0, index);
        let chunk = Entry(entry.load(Ordering::Relaxed)).chunk();
        entry.store(Entry::new(chunk, held).0, Ordering::Relaxed);
    }
    topic.join(0, 0, Delivery::Lossy);
    let word = CursorWord::new(held, 1, CursorState::Overtaken);
    let cell = topic.cells().cell(0);
    cell.cursor.store(word.0, Ordering::Relaxed);

    assert_eq!(publisher.lend(), Err(LoanRefusal::Pins { cell: 0 }));
    cell.cursor.store(CursorWord::DETACHED.0, Ordering::Relaxed);
    assert!(publisher.lend().is_ok());
}
