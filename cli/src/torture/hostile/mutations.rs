//! Random damage to whole files, and then everything that a program may do with them.

use std::time::Instant;

use fastrand::Rng;

use super::book::{Book, Count, Seat};
use super::museum::{Museum, Specimen};
use super::operate::Handles;
use super::watch::Work;
use super::{fence, mutate};
use crate::outcome::Failure;
use crate::torture::actor::{Role, Stage};
use crate::torture::findings::Findings;
use crate::torture::setting::Setting;

/// Who does it.
pub const ROLE: Role = ("hostile/mutations", worker);

/// Mutations between two looks at what is mapped where.
const LOOK_EVERY: u64 = 512;
/// As long as cursors, rings and registries are here, and longer than any of them.
const SEGMENTS_BYTES: [usize; 4] = [12 << 10, 20 << 10, 24 << 10, 132 << 10];
/// More of each than anybody has mapped at the same time.
const GAPS: usize = 24;

/// Makes mutations `first..first + count`, as far as there are numbers, each by seed and number alone.
pub fn run(
    setting: &Setting,
    book: &Book,
    first: u64,
    count: u64,
    findings: &mut Findings,
) -> Result<(), Failure> {
    book.clear();
    let started = Instant::now();
    let work = Work {
        role: ROLE.0,
        args: &[setting.seed().to_string()],
        first,
        end: first.saturating_add(count),
    };
    let casualties = work.run(setting, book)?;
    let done = book.sum(Count::Done);
    findings.did("mutations", done);
    let rate = done as f64 / started.elapsed().as_secs_f64();
    findings.found("mutations_a_second", rate.round());
    findings.found("mutations_opened", book.sum(Count::Opened));
    findings.found("mutations_refused", book.sum(Count::Refused));
    findings.found("operations_done", book.sum(Count::Worked));
    findings.found("operations_refused", book.sum(Count::Failed));
    findings.found("mutation_slowest_ms", book.max(Count::Slowest) / 1_000_000);
    casualties.report("mutation", findings);
    let wrong = book.sum(Count::Wrong);
    let first_wrong = book.max(Count::FirstWrong).saturating_sub(1);
    let example = (wrong > 0).then(|| format!("number {first_wrong}"));
    findings.none("impossible_data", wrong, example.as_deref());
    findings.found("fences_seen", book.sum(Count::Guarded));
    findings.none("fences_missing", book.sum(Count::Unguarded), None);
    Ok(())
}

fn worker(stage: &Stage) -> Result<(), Failure> {
    let (seat, first) = (stage.number(0)? as usize, stage.number(1)?);
    let (step, end, seed) = (stage.number(2)?, stage.number(3)?, stage.number(4)?);
    let book = Book::open(&stage.root)?;
    fence::put_up(&SEGMENTS_BYTES, GAPS);
    let mut museum = Museum::open(&stage.root)?;
    let seat = book.seat(seat);
    for number in (first..end).step_by(step as usize) {
        seat.begin(number);
        let started = Instant::now();
        let mut random = Rng::with_seed(mix(seed, number));
        let is_plausible = attempt(&museum, seat, number, &mut random);
        seat.end(started.elapsed().as_nanos() as u64, !is_plausible);
        if !museum.is_complete() {
            drop(museum);
            museum = Museum::open(&stage.root)?;
        }
    }
    Ok(())
}

/// Damages a topic and uses it; `false` if what came of that was impossible.
fn attempt(museum: &Museum, seat: &Seat, number: u64, random: &mut Rng) -> bool {
    let specimen = &museum.topics[random.usize(..museum.topics.len())];
    // Some damage is found when the files are opened, some by those who have them open.
    let opened_before = random
        .bool()
        .then(|| museum.bus.topic(specimen.name).open());
    if opened_before.is_none() {
        do_damage(museum, specimen, random);
    }
    let opened = opened_before.unwrap_or_else(|| museum.bus.topic(specimen.name).open());
    seat.add(match opened {
        Ok(_) => Count::Opened,
        Err(_) => Count::Refused,
    });
    let mut is_plausible = true;
    if let Ok(topic) = &opened {
        let mut handles = Handles::new(&museum.bus, topic, seat);
        let acts = random.u32(2..16);
        let damaged_at = random.u32(..acts);
        for act in 0..acts {
            if act == damaged_at {
                do_damage(museum, specimen, random);
            }
            is_plausible &= handles.act(random);
        }
        if number % LOOK_EVERY < 2 {
            look_at_maps(museum, seat);
        }
    }
    for exhibit in [&specimen.ring, &specimen.cursors, &museum.registry] {
        exhibit.restore();
    }
    is_plausible
}

fn do_damage(museum: &Museum, specimen: &Specimen, random: &mut Rng) {
    let count = 1 << random.u32(..6);
    match random.u32(..16) {
        0 => mutate::forge_ring(&specimen.ring, random),
        1 => mutate::forge_cursors(&specimen.cursors, random),
        2 => mutate::damage(&museum.registry, count, random),
        3..7 => mutate::damage(&specimen.cursors, count, random),
        7..9 => {
            mutate::damage(&specimen.cursors, count, random);
            mutate::damage(&specimen.ring, count, random);
        }
        _ => mutate::damage(&specimen.ring, count, random),
    }
}

fn look_at_maps(museum: &Museum, seat: &Seat) {
    match fence::stands(museum.bus.path()) {
        Some(true) => seat.add(Count::Guarded),
        Some(false) => seat.add(Count::Unguarded),
        None => {}
    }
}

/// What chance begins with for one number.
fn mix(seed: u64, number: u64) -> u64 {
    let mixed =
        (seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ mixed >> 31
}
