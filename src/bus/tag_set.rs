//! A set of tags that each message is looked up in.

/// Tags, in the form in which one is looked up fastest.
#[derive(Debug)]
pub(super) enum TagSet {
    Few(FewTags),
    Near(NearTags),
    Many(ManyTags),
}

/// So few that each is compared.
#[derive(Debug)]
pub(super) struct FewTags(Box<[u64]>);

/// So near to each other that each has a bit.
#[derive(Debug)]
pub(super) struct NearTags {
    first: u64,
    bits: Box<[u64]>,
}

/// A table with open addressing, half empty at least.
#[derive(Debug)]
pub(super) struct ManyTags {
    slots: Box<[u64]>,
    /// What an empty slot has: a tag that is not in the set.
    absent: u64,
    /// From a hash to a slot.
    shift: u32,
}

const FEW_MAX: usize = 4;
/// Bits of a set of whatever size may take so many words; those of a larger one, a word for each tag.
const WORDS_MAX: u64 = 64;
/// 2 to the power of 64, by the golden ratio: spreads consecutive numbers.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl TagSet {
    /// A set of `tags`, which are sorted and all different.
    pub(super) fn new(tags: &[u64]) -> Self {
        let (Some(first), Some(last)) = (tags.first(), tags.last()) else {
            return Self::Few(FewTags(Box::default()));
        };
        let words_max = WORDS_MAX.max(tags.len() as u64);
        match (last - first) / 64 {
            _ if tags.len() <= FEW_MAX => Self::Few(FewTags(tags.into())),
            last_word if last_word < words_max => {
                Self::Near(NearTags::new(tags, *first, last_word))
            }
            _ => Self::Many(ManyTags::new(tags)),
        }
    }

    pub(super) fn has(&self, tag: u64) -> bool {
        match self {
            Self::Few(tags) => tags.has(tag),
            Self::Near(tags) => tags.has(tag),
            Self::Many(tags) => tags.has(tag),
        }
    }
}

impl FewTags {
    #[inline(always)]
    pub(super) fn has(&self, tag: u64) -> bool {
        self.0.contains(&tag)
    }
}

impl NearTags {
    fn new(tags: &[u64], first: u64, last_word: u64) -> Self {
        let mut bits = vec![0; last_word as usize + 1];
        for tag in tags {
            let at = tag - first;
            bits[(at / 64) as usize] |= 1 << (at % 64);
        }
        let bits = bits.into();
        Self { first, bits }
    }

    #[inline(always)]
    pub(super) fn has(&self, tag: u64) -> bool {
        let at = tag.wrapping_sub(self.first);
        let word = usize::try_from(at / 64)
            .ok()
            .and_then(|at| self.bits.get(at));
        word.is_some_and(|bits| bits >> (at % 64) & 1 != 0)
    }
}

impl ManyTags {
    fn new(tags: &[u64]) -> Self {
        // The first place where the sorted tags are not 0, 1, 2 and so on.
        let absent = (0..).zip(tags).find(|(at, tag)| at != *tag);
        let absent = absent.map_or(tags.len() as u64, |(at, _)| at);
        let len = (2 * tags.len()).next_power_of_two();
        let shift = u64::BITS - len.ilog2();
        let slots = vec![absent; len].into();
        let mut table = Self {
            slots,
            absent,
            shift,
        };
        for tag in tags {
            let at = table.find(*tag);
            table.slots[at] = *tag;
        }
        table
    }

    #[inline(always)]
    pub(super) fn has(&self, tag: u64) -> bool {
        tag != self.absent && self.slots[self.find(tag)] == tag
    }

    /// The slot that has the tag, or else the empty one where it would be.
    #[inline(always)]
    fn find(&self, tag: u64) -> usize {
        let mut at = (tag.wrapping_mul(SPREAD) >> self.shift) as usize;
        while self.slots[at] != tag && self.slots[at] != self.absent {
            at = (at + 1) & (self.slots.len() - 1);
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn tags() -> impl Strategy<Value = BTreeSet<u64>> {
        let near = prop::collection::btree_set(0..300_u64, 0..200);
        let far = prop::collection::btree_set(any::<u64>(), 0..40);
        let ends = prop::collection::btree_set(
            prop::sample::select(vec![0, 1, 2, 63, 64, 65, 1 << 63, u64::MAX - 1, u64::MAX]),
            0..9,
        );
        (near, far, ends, any::<u64>(), 0..3_u8).prop_map(|(near, far, ends, by, kind)| {
            let moved = near.iter().map(|tag| tag.wrapping_add(by)).collect();
            match kind {
                0 => moved,
                1 => &far | &ends,
                _ => &near | &ends,
            }
        })
    }

    proptest! {
        #[test]
        fn a_set_has_its_tags_and_no_others(tags in tags(), others in prop::collection::vec(any::<u64>(), 9)) {
            let sorted: Vec<_> = tags.iter().copied().collect();
            let set = TagSet::new(&sorted);
            let neighbours = tags.iter().flat_map(|tag| [*tag, tag.wrapping_add(1), tag.wrapping_sub(1)]);
            for tag in neighbours.chain(others).chain(0..130) {
                prop_assert_eq!(set.has(tag), tags.contains(&tag), "{} in {:?}", tag, set);
            }
        }
    }

    #[test]
    fn each_set_has_the_form_that_fits() {
        let form = |tags: &[u64]| match TagSet::new(tags) {
            TagSet::Few(_) => "few",
            TagSet::Near(_) => "near",
            TagSet::Many(_) => "many",
        };
        let range: Vec<_> = (1 << 40..(1 << 40) + 64).collect();
        let apart: Vec<_> = (0..64).map(|at| at << 32).collect();
        assert_eq!(form(&[]), "few");
        assert_eq!(form(&[1, 1 << 60]), "few");
        assert_eq!(form(&range), "near");
        assert_eq!(form(&apart), "many");
    }
}
