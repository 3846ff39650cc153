//! What is written where: the damage that says most, chosen by chance.

use fastrand::Rng;

use super::exhibit::Exhibit;

/// Bytes of a header, which ends with its checksum.
pub const HEADER_BYTES: usize = 4096;
/// Bytes of a registry's header, likewise.
pub const REGISTRY_HEADER_BYTES: usize = 40;
/// Bytes of a ring's header that have a meaning.
pub const RING_FIELDS_BYTES: usize = 952;
/// Bytes of a cursors header that have a meaning.
pub const CURSORS_FIELDS_BYTES: usize = 56;

/// Does `count` damages to one file, or to a word of it several times.
pub fn damage(exhibit: &Exhibit, count: u32, random: &mut Rng) {
    for _ in 0..count {
        let place = place(exhibit, random);
        let now = exhibit.read(place);
        match random.u32(..12) {
            // What the words next to it, or any other, say.
            0 => swap(exhibit, place, telling(exhibit, random)),
            1 => exhibit.write(place, exhibit.read(telling(exhibit, random))),
            2 => exhibit.write_byte(place * 8 + random.usize(..8), random.u8(..)),
            3 => exhibit.write(place, now ^ (1 << random.u32(..64))),
            4 => exhibit.write(place, now.wrapping_add(1 << random.u32(..64))),
            5 => exhibit.write(place, now.wrapping_sub(1 << random.u32(..64))),
            // One half of it only.
            6 => exhibit.write(place, now & !0xffff_ffff | u64::from(random.u32(..))),
            7 => exhibit.write(place, now & 0xffff_ffff | u64::from(random.u32(..)) << 32),
            _ => exhibit.write(place, value(random)),
        }
    }
}

/// Damages a ring's header and then makes its checksum right, as whoever means harm does.
pub fn forge_ring(ring: &Exhibit, random: &mut Rng) {
    forge(ring, RING_FIELDS_BYTES / 8, HEADER_BYTES, random);
}

/// The same to a header of cursors.
pub fn forge_cursors(cursors: &Exhibit, random: &mut Rng) {
    forge(cursors, CURSORS_FIELDS_BYTES / 8, HEADER_BYTES, random);
}

fn forge(exhibit: &Exhibit, words: usize, end: usize, random: &mut Rng) {
    for _ in 0..random.u32(1..4) {
        let place = random.usize(..words);
        let now = exhibit.read(place);
        match random.u32(..5) {
            0 => exhibit.write_byte(place * 8 + random.usize(..8), random.u8(..)),
            1 => exhibit.write(place, now << random.u32(..8)),
            2 => exhibit.write(place, now >> random.u32(..8)),
            3 => exhibit.write(place, now ^ (1 << random.u32(..64))),
            _ => exhibit.write(place, value(random)),
        }
    }
    exhibit.reseal(end);
}

fn swap(exhibit: &Exhibit, one: usize, other: usize) {
    let word = exhibit.read(one);
    exhibit.write(one, exhibit.read(other));
    exhibit.write(other, word);
}

/// A word: mostly one that says something behind the header, or a neighbour of one.
fn place(exhibit: &Exhibit, random: &mut Rng) -> usize {
    match random.u32(..8) {
        0 => random.usize(..exhibit.len()),
        1 if exhibit.len() > HEADER_BYTES / 8 => random.usize(HEADER_BYTES / 8..exhibit.len()),
        2 => (telling(exhibit, random) + 1) % exhibit.len(),
        _ => telling(exhibit, random),
    }
}

fn telling(exhibit: &Exhibit, random: &mut Rng) -> usize {
    let telling = exhibit.telling();
    // Headers have a part of their own: few of the damages go there.
    let behind = telling.partition_point(|&index| index < HEADER_BYTES / 8);
    let from = if random.u32(..32) == 0 { 0 } else { behind };
    match telling.get(from..) {
        Some(some) if !some.is_empty() => some[random.usize(..some.len())],
        _ => random.usize(..exhibit.len()),
    }
}

/// A value that some check may have forgotten.
fn value(random: &mut Rng) -> u64 {
    match random.u32(..8) {
        0 => 0,
        1 => u64::MAX,
        2 => 1 << random.u32(..64),
        3 => u64::MAX >> random.u32(..64),
        4 => u64::from(random.u8(..)),
        // As cursors and stamps are packed: a small number before some low bits.
        5 => u64::from(random.u8(..32)) << 16 | u64::from(random.u8(..)),
        6 => u64::from(random.u8(..32)) << random.u32(..16) | u64::from(random.u8(..8)),
        _ => random.u64(..),
    }
}
