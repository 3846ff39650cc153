//! What the fuzz targets do with their input: damage the files of a bus, and use it.
//!
//! Topics, damage and operations are those of `ringbus torture hostile`; here the fuzzer chooses. It all
//! goes through the public API and the files on disk.

#[path = "../../cli/src/torture/hostile/book.rs"]
#[allow(dead_code)]
mod book;
#[path = "../../cli/src/torture/hostile/exhibit.rs"]
#[allow(dead_code)]
mod exhibit;
#[path = "../../cli/src/torture/hostile/museum.rs"]
mod museum;
#[path = "../../cli/src/torture/hostile/operate.rs"]
mod operate;
#[path = "../../cli/src/outcome.rs"]
#[allow(dead_code)]
mod outcome;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::{env, fs, process};

use fastrand::Rng;
use ringbus::Bus;

use book::Book;
use exhibit::Exhibit;
use museum::Museum;
use operate::Handles;

const HEADER_BYTES: usize = 4096;
const REGISTRY_HEADER_BYTES: usize = 40;
/// Operations after each damage.
const ACTS: usize = 3;

/// A bus of this process, and where its worker writes down what it finds.
struct Workshop {
    museum: Museum,
    book: Book,
    root: PathBuf,
}

thread_local! {
    static WORKSHOP: RefCell<Option<Workshop>> = const { RefCell::new(None) };
}

/// `input`: whether to make the checksum right (bit 7 of the first byte) and which topic; then the first
/// bytes of its ring's file.
pub fn segment(input: &[u8]) {
    let Some((&choice, bytes)) = input.split_first() else {
        return;
    };
    in_workshop(|workshop| {
        let specimen = &workshop.museum.topics[usize::from(choice & 0x7f) % 4];
        overwrite(&specimen.ring, 0, bytes);
        if choice & 0x80 != 0 {
            specimen.ring.reseal(HEADER_BYTES);
        }
        let seed = bytes.len() as u64;
        workshop.use_topic(specimen.name, &mut Rng::with_seed(seed), 2 * ACTS);
        specimen.ring.restore();
        specimen.cursors.restore();
    });
}

/// `input`: a topic, what chance begins with, and then one damage after the other: a file, a word of it,
/// and what to write there.
pub fn words(input: &[u8]) {
    let Some((&choice, rest)) = input.split_first() else {
        return;
    };
    let Some((seed, damages)) = rest.split_first_chunk::<8>() else {
        return;
    };
    in_workshop(|workshop| {
        let specimen = &workshop.museum.topics[usize::from(choice) % 4];
        let mut random = Rng::with_seed(u64::from_le_bytes(*seed));
        let bus = &workshop.museum.bus;
        let topic = bus.topic(specimen.name).open().expect("a topic as it was");
        let mut handles = Handles::new(bus, &topic, workshop.book.seat(0));
        for damage in damages.chunks_exact(11).take(32) {
            let exhibit = match damage[0] & 1 {
                0 => &specimen.ring,
                _ => &specimen.cursors,
            };
            // Behind the header, which nobody reads again.
            let place = u16::from_le_bytes([damage[1], damage[2]]);
            let behind = exhibit.len() - HEADER_BYTES / 8;
            let place = HEADER_BYTES / 8 + usize::from(place) % behind;
            let word = damage[3..].first_chunk().expect("eight bytes of eleven");
            exhibit.write(place, u64::from_le_bytes(*word));
            for _ in 0..ACTS {
                assert!(handles.act(&mut random), "impossible data");
            }
        }
        drop(handles);
        specimen.ring.restore();
        specimen.cursors.restore();
        workshop.museum.registry.restore();
    });
}

/// `input`: whether to make the checksum right (bit 7 of the first byte), a header, and what is in the
/// slots.
pub fn registry(input: &[u8]) {
    let Some((&choice, bytes)) = input.split_first() else {
        return;
    };
    in_workshop(|workshop| {
        let registry = &workshop.museum.registry;
        let (header, slots) = bytes.split_at(bytes.len().min(REGISTRY_HEADER_BYTES));
        overwrite(registry, 0, header);
        overwrite(registry, HEADER_BYTES, slots);
        if choice & 0x80 != 0 {
            registry.reseal(REGISTRY_HEADER_BYTES);
        }
        let builder = Bus::builder().dir(&workshop.root);
        let opened = builder
            .name(workshop.museum.bus.name())
            .create(false)
            .open();
        if let Ok(bus) = opened {
            let listed = bus.participants();
            assert!(
                listed
                    .iter()
                    .all(|one| !one.process.contains(char::is_control))
            );
            let topic = bus.topic("exclusive").open();
            drop(topic.map(|topic| topic.subscriber().join().map(drop)));
            let _ = bus.gc();
        }
        workshop.museum.exhibits().for_each(Exhibit::restore);
    });
}

impl Workshop {
    fn new() -> Self {
        let parent = Path::new("/dev/shm");
        let parent = match parent.is_dir() {
            true => parent.to_owned(),
            false => env::temp_dir(),
        };
        let root = parent.join(format!("ringbus-fuzz-{}", process::id()));
        fs::create_dir_all(&root).expect("a directory of its own");
        Self {
            museum: Museum::open(&root).unwrap_or_else(|failure| panic!("{failure}")),
            book: Book::open(&root).unwrap_or_else(|failure| panic!("{failure}")),
            root,
        }
    }

    fn use_topic(&self, name: &str, random: &mut Rng, acts: usize) {
        let bus = &self.museum.bus;
        let Ok(topic) = bus.topic(name).open() else {
            return;
        };
        let mut handles = Handles::new(bus, &topic, self.book.seat(0));
        for _ in 0..acts {
            assert!(handles.act(random), "impossible data");
        }
    }
}

fn in_workshop(work: impl FnOnce(&Workshop)) {
    WORKSHOP.with_borrow_mut(|workshop| {
        work(workshop.get_or_insert_with(Workshop::new));
        // A file that was collected is missing for all inputs to come.
        workshop.take_if(|workshop| !workshop.museum.is_complete());
    });
}

fn overwrite(exhibit: &Exhibit, start: usize, bytes: &[u8]) {
    let room = exhibit.len() * 8 - start;
    for (index, byte) in bytes.iter().take(room).enumerate() {
        exhibit.write_byte(start + index, *byte);
    }
}
