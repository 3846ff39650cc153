//! Plain slots: what is stored into slots before their messages are.

use super::{heap::HeapTopic, shapes::exclusive};
use crate::{
    ring::{layout::Shape, plain::PlainSlots, sequence::Sequence, view::RingView},
    sync::Ordering,
};

const CAPACITY: u64 = 32;
const GROUP: u64 = 8;

/// Slots of one line, of a line and a half, and of two.
fn shapes() -> impl Iterator<Item = Shape> {
    [56, 64, 100]
        .map(|bytes| Shape {
            payload_max_bytes: bytes,
            ..exclusive(CAPACITY)
        })
        .into_iter()
}

/// All words of all slots, each of which was set to 1 before `change`.
fn words_after(ring: &RingView<'_>, change: impl FnOnce()) -> Vec<u64> {
    let words = CAPACITY * ring.geometry().slot_stride / 8;
    let word = |index: u64| {
        let (slot, at) = (
            index * 8 / ring.geometry().slot_stride,
            index * 8 % ring.geometry().slot_stride,
        );
        let first = std::ptr::from_ref(ring.stamp(Sequence(slot)));
        // SAFETY: within the slot.
        let word = unsafe { first.byte_add(at as usize) };
        // SAFETY: aligned as the slot is, and mapped while `ring` is.
        unsafe { &*word }
    };
    (0..words).for_each(|index| word(index).store(1, Ordering::Relaxed));
    change();
    (0..words)
        .map(|index| word(index).load(Ordering::Relaxed))
        .collect()
}

#[test]
fn a_claim_stores_into_each_line_of_the_next_group_and_into_no_stamp() {
    for shape in shapes() {
        let topic = HeapTopic::new(shape);
        let ring = topic.ring();
        let slots = PlainSlots::of(&ring, 1);
        let stride = ring.geometry().slot_stride;
        // In the lap after the first, the beginning of the second group.
        let next = Sequence(CAPACITY + GROUP);
        let words = words_after(&ring, || slots.claim(&ring, next, next.plus(GROUP)));
        let group = GROUP * stride / 8..2 * GROUP * stride / 8;
        for (index, word) in (0..).zip(words) {
            let is_claimed = group.contains(&index) && index % 8 == 7;
            assert_eq!(word == 0, is_claimed, "word {index}, slots of {stride} B");
            assert!(!is_claimed || index * 8 % stride != 0, "a stamp");
        }
    }
}

#[test]
fn nothing_is_claimed_inside_of_a_group_or_beyond_the_limit() {
    for shape in shapes() {
        let topic = HeapTopic::new(shape);
        let ring = topic.ring();
        let slots = PlainSlots::of(&ring, 1);
        let second = Sequence(GROUP);
        for (next, limit) in [
            (second.minus(1), second.plus(3 * GROUP)),
            (second.plus(1), second.plus(3 * GROUP)),
            (second, second.plus(GROUP - 1)),
            (second, second),
        ] {
            let words = words_after(&ring, || slots.claim(&ring, next, limit));
            assert!(words.iter().all(|word| *word == 1), "{next:?}, {limit:?}");
        }
    }
}
