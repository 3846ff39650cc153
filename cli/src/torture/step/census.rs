//! Every chunk of a shared topic, counted where it is named: the ring's file, read by its layout.
//!
//! The library is not asked: what it believes to own, and what the file says, are two things.

use std::fs;
use std::path::Path;

use crate::outcome::Failure;

/// The numbers of a topic's form, and the places that follow from them; see ARCHITECTURE.md.
struct Layout {
    capacity: u64,
    publishers: u64,
    chunks_of_each: u64,
    spares: u64,
}

const PAGE: u64 = 4096;
const RECORDS: u64 = 2 * PAGE;
const RECORD_BYTES: u64 = 128;
const INTENT: u64 = 8;
const CHUNK_MASK: u64 = 0xff_ffff;

/// Checks that each chunk of the one topic of a bus has one place, and that nothing is under way.
/// Nobody is on the topic, and every place of a publisher was taken since somebody died.
pub fn count(bus: &Path) -> Result<(), Failure> {
    let file = ring_of(bus)?;
    let layout = Layout::of(&file)?;
    let lists = RECORDS + RECORD_BYTES * layout.publishers;
    let spares = (lists + 8 * layout.publishers * layout.chunks_of_each).next_multiple_of(16);
    let stamps = (spares + 16 * layout.spares).next_multiple_of(PAGE);
    let chunks = layout.capacity + layout.publishers * layout.chunks_of_each + layout.spares;
    let chunk_mask = (2 << chunks.ilog2()) - 1;

    let mut named = vec![0; chunks as usize + 1];
    let mut name = |chunk: u64| match named.get_mut(chunk as usize) {
        Some(count) => *count += 1,
        None => named[0] += 1,
    };
    for slot in 0..layout.capacity {
        name(word(&file, stamps + 64 * slot)? & chunk_mask);
    }
    for entry in 0..layout.publishers * layout.chunks_of_each {
        name(word(&file, lists + 8 * entry)? & CHUNK_MASK);
    }
    let mut under_way = 0;
    for spare in 0..layout.spares {
        under_way += u64::from(word(&file, spares + 16 * spare)? != 0);
        name(word(&file, spares + 16 * spare + 8)? & CHUNK_MASK);
    }
    for record in 0..layout.publishers {
        under_way += u64::from(word(&file, RECORDS + RECORD_BYTES * record + INTENT)? != 0);
    }
    let lost = named[1..].iter().filter(|count| **count == 0).count();
    let shared = named[1..].iter().filter(|count| **count > 1).count();
    match (lost, shared, named[0], under_way) {
        (0, 0, 0, 0) => Ok(()),
        (lost, shared, unknown, under_way) => Err(Failure::say(format_args!(
            "of {chunks} chunks {lost} are lost and {shared} in two places; {unknown} places name \
             none, {under_way} swaps are under way"
        ))),
    }
}

impl Layout {
    fn of(file: &[u8]) -> Result<Self, Failure> {
        let number = |offset: u64| Ok::<_, Failure>(word(file, offset)? & 0xffff_ffff);
        let (publishers, loans) = (number(144)?, number(148)?);
        let (subscribers, pins) = (number(152)?, number(156)?);
        Ok(Self {
            capacity: word(file, 48)?,
            publishers,
            chunks_of_each: loans + 1,
            spares: subscribers * pins + publishers,
        })
    }
}

fn ring_of(bus: &Path) -> Result<Vec<u8>, Failure> {
    let topics = bus.join("topics");
    let entries = fs::read_dir(&topics).map_err(|e| Failure::io(topics.display(), &e))?;
    let mut rings = entries.flatten().map(|entry| entry.path()).filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "ring")
    });
    let path = rings.next().filter(|_| rings.next().is_none());
    let path = path.ok_or_else(|| Failure::say("there is not exactly one ring to be counted"))?;
    fs::read(&path).map_err(|e| Failure::io(path.display(), &e))
}

fn word(file: &[u8], offset: u64) -> Result<u64, Failure> {
    let bytes = file
        .get(offset as usize..)
        .and_then(|rest| rest.first_chunk());
    let bytes = bytes.ok_or_else(|| Failure::say("a ring's file is too short"))?;
    Ok(u64::from_ne_bytes(*bytes))
}
