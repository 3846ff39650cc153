//! Every byte of every header, changed: refused by an error that names the file, at once.
//!
//! And once more with the checksum made right, as whoever means harm does: refused, or a topic that one
//! can work with.

use std::fmt::Display;
use std::path::Path;
use std::time::{Duration, Instant};

use fastrand::Rng;
use hdrhistogram::Histogram;
use ringbus::Bus;

use super::book::{Book, Count, Seat};
use super::exhibit::Exhibit;
use super::museum::{Museum, Specimen};
use super::mutate::{CURSORS_FIELDS_BYTES, HEADER_BYTES, REGISTRY_HEADER_BYTES, RING_FIELDS_BYTES};
use super::operate::Handles;
use super::watch::Work;
use crate::outcome::Failure;
use crate::torture::actor::{Role, Stage};
use crate::torture::findings::Findings;
use crate::torture::setting::Setting;

/// Who does it.
pub const ROLE: Role = ("hostile/headers", worker);

/// What each byte is changed by where there is no time for all 255.
const CHANGES: [u8; 3] = [0x01, 0x80, 0xff];
/// One byte in so many; no divisor of a field's length, so that all get their turn.
const SOME: usize = 7;
/// Half of the damaged segments are refused within this time.
const MIDDLE_MAX: Duration = Duration::from_millis(1);
const SCHEMA_BYTES: usize = 100;

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub enum Extent {
    /// Each byte in every way.
    All,
    /// Each byte in three ways.
    Each,
    /// Some bytes in three ways.
    Some,
}

/// Changes bytes.
pub fn run(
    setting: &Setting,
    book: &Book,
    extent: Extent,
    findings: &mut Findings,
) -> Result<(), Failure> {
    book.clear();
    let (changes, every) = match extent {
        Extent::All => (255, 1),
        Extent::Each => (CHANGES.len(), 1),
        Extent::Some => (CHANGES.len(), SOME),
    };
    let bytes = || bytes().step_by(every);
    let work = Work {
        role: ROLE.0,
        args: &[changes, every, setting.seed() as usize].map(|arg| arg.to_string()),
        first: 0,
        end: (bytes().count() * changes) as u64,
    };
    let casualties = work.run(setting, book)?;
    findings.did("header_changes", book.sum(Count::Done));
    findings.found("headers_refused", book.sum(Count::Refused));
    findings.found("headers_opened", book.sum(Count::Opened));
    casualties.report("header", findings);
    let first = book.max(Count::FirstWrong).saturating_sub(1) as usize;
    let wrong = book.sum(Count::Wrong);
    let example = bytes().nth(first / changes).filter(|_| wrong > 0);
    let example = example.map(|byte| format!("{byte:?}, change {}", first % changes));
    findings.none("headers_wrongly_judged", wrong, example.as_deref());
    let middle = Duration::from_nanos(book.max(Count::Middle));
    findings.within("header_open_median", middle, MIDDLE_MAX);
    findings.found("header_slowest_ms", book.max(Count::Slowest) / 1_000_000);
    Ok(())
}

/// A byte to be changed.
#[derive(Debug, Clone, Copy)]
struct Byte {
    of: File,
    offset: usize,
    /// Whether the checksum is made right afterwards.
    is_sealed: bool,
}

#[derive(Debug, Clone, Copy)]
enum File {
    /// The ring of topic number so many.
    Ring(usize),
    Cursors,
    Registry,
}

/// All of them: each header whole, and the schema behind it; then, sealed, the parts with a meaning.
fn bytes() -> impl Iterator<Item = Byte> {
    let plain = [
        (File::Ring(0), HEADER_BYTES + SCHEMA_BYTES),
        (File::Ring(1), HEADER_BYTES),
        (File::Cursors, HEADER_BYTES),
        (File::Registry, HEADER_BYTES),
    ];
    let sealed = [
        (File::Ring(0), RING_FIELDS_BYTES),
        (File::Ring(1), RING_FIELDS_BYTES),
        (File::Cursors, CURSORS_FIELDS_BYTES),
        (File::Registry, REGISTRY_HEADER_BYTES - 8),
    ];
    let all = |files: [(File, usize); 4], is_sealed| {
        files.into_iter().flat_map(move |(of, end)| {
            (0..end).map(move |offset| Byte {
                of,
                offset,
                is_sealed,
            })
        })
    };
    all(plain, false).chain(all(sealed, true))
}

fn worker(stage: &Stage) -> Result<(), Failure> {
    let (seat, first) = (stage.number(0)? as usize, stage.number(1)?);
    let (step, end) = (stage.number(2)?, stage.number(3)?);
    let (changes, every, seed) = (stage.number(4)?, stage.number(5)?, stage.number(6)?);
    let book = Book::open(&stage.root)?;
    let museum = Museum::open(&stage.root)?;
    let seat = book.seat(seat);
    let bytes: Vec<_> = bytes().step_by(every as usize).collect();
    let mut times = Histogram::<u64>::new(3).map_err(Failure::say)?;
    for number in (first..end).step_by(step as usize) {
        seat.begin(number);
        let byte = bytes[(number / changes) as usize];
        let change = match changes {
            255 => 1 + (number % 255) as u8,
            _ => CHANGES[(number % changes) as usize],
        };
        let exhibit = byte.exhibit(&museum);
        byte.change(exhibit, change);
        let started = Instant::now();
        let opened = byte.open(&stage.root, &museum);
        let took = started.elapsed().as_nanos() as u64;
        let mut is_right = byte.is_right(exhibit.path(), &opened);
        seat.add(match opened {
            Ok(()) => Count::Opened,
            Err(_) => Count::Refused,
        });
        if byte.is_sealed && opened.is_ok() {
            is_right &= byte.operate(&museum, seat, &mut Rng::with_seed(seed ^ number));
            museum.exhibits().for_each(Exhibit::restore);
        }
        exhibit.restore();
        times.record(took).map_err(Failure::say)?;
        if number % 1024 < step {
            seat.write(Count::Middle, times.value_at_quantile(0.5));
        }
        seat.end(took, !is_right);
    }
    Ok(())
}

impl Byte {
    fn specimen<'m>(&self, museum: &'m Museum) -> &'m Specimen {
        match self.of {
            File::Ring(index) => &museum.topics[index],
            File::Cursors | File::Registry => &museum.topics[0],
        }
    }

    fn exhibit<'m>(&self, museum: &'m Museum) -> &'m Exhibit {
        match self.of {
            File::Ring(_) => &self.specimen(museum).ring,
            File::Cursors => &self.specimen(museum).cursors,
            File::Registry => &museum.registry,
        }
    }

    fn change(&self, exhibit: &Exhibit, change: u8) {
        exhibit.write_byte(self.offset, exhibit.byte(self.offset) ^ change);
        if self.is_sealed {
            exhibit.reseal(match self.of {
                File::Registry => REGISTRY_HEADER_BYTES,
                File::Ring(_) | File::Cursors => HEADER_BYTES,
            });
        }
    }

    /// Opens what was changed; `Err` with what its user is told.
    fn open(&self, root: &Path, museum: &Museum) -> Result<(), String> {
        let topic = || museum.bus.topic(self.specimen(museum).name).open();
        match self.of {
            File::Ring(_) => said(topic()),
            File::Cursors => {
                let topic = topic().map_err(|error| error.to_string())?;
                said(topic.subscriber().join())
            }
            File::Registry => {
                let builder = Bus::builder().dir(root).name(museum.bus.name());
                said(builder.create(false).open())
            }
        }
    }

    /// A change that no checksum hides is refused by an error that names the file, or the topic that has
    /// got another name; only what is behind a registry's header does not matter.
    fn is_right(&self, path: &Path, opened: &Result<(), String>) -> bool {
        let matters = !matches!(self.of, File::Registry) || self.offset < REGISTRY_HEADER_BYTES;
        match opened {
            Ok(()) => self.is_sealed || !matters,
            Err(told) if told.contains(&*path.to_string_lossy()) => matters,
            Err(told) => self.is_sealed && told.contains("topic"),
        }
    }

    /// Uses a topic that was opened all the same; `false` if what came of that was impossible.
    fn operate(&self, museum: &Museum, seat: &Seat, random: &mut Rng) -> bool {
        let specimen = self.specimen(museum);
        let Ok(topic) = museum.bus.topic(specimen.name).open() else {
            return true;
        };
        let mut handles = Handles::new(&museum.bus, &topic, seat);
        (0..4).all(|_| handles.act(random))
    }
}

fn said<T, E: Display>(result: Result<T, E>) -> Result<(), String> {
    result.map(drop).map_err(|error| error.to_string())
}
