//! Files cut, stretched, pierced, or with something else in their place: before somebody opens them,
//! and while they are in use.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use ringbus::{Bus, Start};

use super::book::{Book, Count};
use super::traffic::{self, Ends, Flow};
use super::watch::Work;
use crate::outcome::Failure;
use crate::torture::actor::{Role, Stage};
use crate::torture::findings::Findings;
use crate::torture::setting::Setting;

/// Who opens them.
pub const ROLE: Role = ("hostile/files", worker);

/// What is done to a file.
struct Damage {
    name: &'static str,
    apply: fn(&Path) -> io::Result<()>,
    /// Whether it takes memory away from those who use the file.
    takes_memory: bool,
}

const fn damage(name: &'static str, apply: fn(&Path) -> io::Result<()>) -> Damage {
    Damage {
        name,
        apply,
        takes_memory: false,
    }
}

const fn cut(name: &'static str, apply: fn(&Path) -> io::Result<()>) -> Damage {
    Damage {
        name,
        apply,
        takes_memory: true,
    }
}

const DAMAGES: [Damage; 20] = [
    cut("cut to nothing", |path| resize(path, |_| 0)),
    cut("cut to a byte", |path| resize(path, |_| 1)),
    cut("cut inside of its header", |path| resize(path, |_| 100)),
    cut("cut after its header", |path| resize(path, |_| 4096)),
    cut("cut in half", |path| resize(path, |len| len / 2)),
    cut("cut by a byte", |path| resize(path, |len| len - 1)),
    damage("a page longer", |path| resize(path, |len| len + 4096)),
    damage("a GiB longer", |path| resize(path, |len| len + (1 << 30))),
    damage("without its header", |path| without(path, 0, 4096)),
    damage("without its middle", |path| without(path, 4096, 8192)),
    damage("empty, and as long as before", |path| {
        without(path, 0, 1 << 20)
    }),
    damage("gone", |path| fs::remove_file(path)),
    damage("a directory", |path| {
        instead(path, |path| fs::create_dir(path))
    }),
    damage("a link to itself", |path| {
        instead(path, |path| symlink(path, path))
    }),
    damage("a link to nothing", |path| {
        instead(path, |path| symlink("/nothing/there", path))
    }),
    damage("a link to a device", |path| {
        instead(path, |path| symlink("/dev/zero", path))
    }),
    damage("a link to what it was", |path| {
        let aside = path.with_extension(ASIDE);
        fs::rename(path, &aside)?;
        symlink(&aside, path)
    }),
    damage("a pipe", |path| {
        instead(path, |path| make(path, libc::S_IFIFO))
    }),
    damage("a socket", |path| {
        instead(path, |path| make(path, libc::S_IFSOCK))
    }),
    damage("another file", |path| {
        instead(path, |path| fs::write(path, [0x5a; 9000]))
    }),
];

/// How the name of a file ends that was put aside.
const ASIDE: &str = "aside";
const KINDS: [&str; 3] = ["ring", "cursors", "registry"];
/// As long as those who work need to notice.
const A_WHILE: Duration = Duration::from_millis(60);

/// Opens files damaged in every way; damages every other one, or `all`, of those in use.
pub fn run(
    setting: &Setting,
    book: &Book,
    all: bool,
    findings: &mut Findings,
) -> Result<(), Failure> {
    book.clear();
    let work = Work {
        role: ROLE.0,
        args: &[],
        first: 0,
        end: (DAMAGES.len() * KINDS.len()) as u64,
    };
    let casualties = work.run(setting, book)?;
    findings.did("files_replaced_before_use", book.sum(Count::Done));
    findings.found("files_refused", book.sum(Count::Refused));
    casualties.report("file", findings);
    let first = book.max(Count::FirstWrong).saturating_sub(1);
    let example = describe(first);
    let wrong = book.sum(Count::Wrong);
    let example = (wrong > 0).then_some(&*example);
    findings.none("files_wrongly_judged", wrong, example);

    book.clear();
    let mut ends = Ends::default();
    let mut cut = Ends::default();
    let mut damaged = 0;
    let mut starved = Vec::new();
    let cases = (0..2 * DAMAGES.len()).step_by(if all { 1 } else { 4 });
    for case in cases.take_while(|_| !setting.is_interrupted()) {
        let damage = &DAMAGES[case / 2];
        let ends = if damage.takes_memory {
            &mut cut
        } else {
            &mut ends
        };
        let sound = in_use(setting, book, damage, KINDS[case % 2], ends)?;
        starved.extend((!sound).then_some(damage.name));
        damaged += 1;
    }
    findings.did("files_replaced_in_use", damaged);
    ends.report("file_in_use", false, findings);
    cut.report("file_cut_in_use", true, findings);
    findings.none(
        "messages_lost_beside_damaged_files",
        ends.lost() + cut.lost(),
        None,
    );
    let example = starved.first().copied();
    findings.none("sound_topics_held_up", starved.len() as u64, example);
    Ok(())
}

fn describe(number: u64) -> String {
    let (damage, kind) = (number as usize / KINDS.len(), number as usize % KINDS.len());
    format!("the {} {}", KINDS[kind], DAMAGES[damage].name)
}

/// Damages a file of a topic with traffic on it; whether a topic beside it went on.
fn in_use(
    setting: &Setting,
    book: &Book,
    damage: &Damage,
    kind: &str,
    ends: &mut Ends,
) -> Result<bool, Failure> {
    let bus = Bus::builder()
        .dir(setting.root())
        .name(traffic::BUS)
        .open()?;
    for name in ["sound", "attacked"] {
        bus.topic(name).capacity(64).payload_max(64).create()?;
    }
    let path = files_of(&bus, "attacked", kind)?;
    book.clear();
    let mut attacked = Flow::start(setting.root(), "attacked", [0, 1], true)?;
    let mut sound = Flow::start(setting.root(), "sound", [2, 3], false)?;
    let applied = (damage.apply)(&path);
    applied.map_err(|e| Failure::io(format_args!("cannot make the {kind} {}", damage.name), &e))?;
    let before = sound.received(book);
    let over = Instant::now() + A_WHILE;
    while Instant::now() < over
        || sound.received(book) == before && Instant::now() < over + A_WHILE * 20
    {
        thread::sleep(Duration::from_millis(2));
        attacked.look(book, ends)?;
        sound.look(book, ends)?;
    }
    let went_on = sound.received(book) > before;
    sound.end(book, ends)?;
    attacked.end(book, ends)?;
    drop(bus);
    // A bus is not removed together with what is nothing of its own.
    let _ = fs::remove_file(path.with_extension(ASIDE));
    Bus::builder()
        .dir(setting.root())
        .name(traffic::BUS)
        .destroy()?;
    let _ = fs::remove_dir_all(setting.root().join(traffic::BUS));
    Ok(went_on)
}

/// Opens what is damaged, in every way in which programs do.
fn worker(stage: &Stage) -> Result<(), Failure> {
    let (seat, first) = (stage.number(0)? as usize, stage.number(1)?);
    let (step, end) = (stage.number(2)?, stage.number(3)?);
    let book = Book::open(&stage.root)?;
    let seat = book.seat(seat);
    for number in (first..end).step_by(step as usize) {
        seat.begin(number);
        let name = format!("shelf-{number}");
        let builder = || Bus::builder().dir(&stage.root).name(&name);
        let path = {
            let bus = builder().open()?;
            let topic = bus.topic("t").capacity(4).create()?;
            topic.publisher()?.publish(b"x")?;
            bus.topic("sound").create()?;
            files_of(&bus, "t", KINDS[number as usize % KINDS.len()])?
        };
        (DAMAGES[number as usize / KINDS.len()].apply)(&path)
            .map_err(|e| Failure::io(describe(number), &e))?;
        let started = Instant::now();
        let (told, still_works) = match builder().create(false).open() {
            // A topic is of no use beside another registry, and says so.
            Ok(bus) if path.ends_with("registry") => (use_topic(&bus), true),
            Ok(bus) => (use_topic(&bus), has_sound_topic(&bus)),
            Err(error) => (Some(error.to_string()), true),
        };
        let took = started.elapsed().as_nanos() as u64;
        let is_clear = told.as_ref().is_none_or(|told| told.contains(['/', ' ']));
        seat.add(match told {
            None => Count::Opened,
            Some(_) => Count::Refused,
        });
        let _ = fs::remove_dir_all(stage.root.join(&name));
        seat.end(took, !(is_clear && still_works));
    }
    Ok(())
}

/// Whether a topic beside the damaged one is as it was.
fn has_sound_topic(bus: &Bus) -> bool {
    let published = bus.topic("sound").open().ok().and_then(|topic| {
        let mut subscriber = topic.subscriber().join().ok()?;
        topic.publisher().ok()?.publish(b"x").ok()?;
        Some(subscriber.poll().ok()??.payload() == b"x")
    });
    published == Some(true) && bus.topics().is_ok()
}

/// Everything on a topic whose file is damaged; the first thing that was refused.
fn use_topic(bus: &Bus) -> Option<String> {
    let topic = match bus.topic("t").open() {
        Ok(topic) => topic,
        Err(error) => {
            said(bus.gc());
            return Some(error.to_string());
        }
    };
    topic.info();
    let mut told = Vec::new();
    let publisher = topic.publisher();
    if let Ok(publisher) = &publisher {
        told.extend((0..20).filter_map(|_| said(publisher.try_publish(b"x"))));
    }
    for builder in [topic.subscriber(), topic.subscriber().reliable()] {
        let joined = builder.start(Start::Oldest).join();
        told.extend(said(joined.map(|mut subscriber| {
            for _ in 0..20 {
                let _ = subscriber.poll();
            }
        })));
    }
    let observer = topic.observer(Start::Oldest);
    told.extend(said(observer.map(|mut observer| said(observer.poll()))));
    told.extend(said(publisher));
    told.extend(said(bus.gc()));
    told.into_iter().next()
}

fn said<T, E: std::fmt::Display>(result: Result<T, E>) -> Option<String> {
    result.err().map(|error| error.to_string())
}

/// The file of this kind of a topic, by what its header says.
fn files_of(bus: &Bus, topic: &str, kind: &str) -> Result<PathBuf, Failure> {
    if kind == "registry" {
        return Ok(bus.path().join("registry"));
    }
    let directory = bus.path().join("topics");
    let failed = |e| Failure::io(directory.display(), &e);
    let mut paths = Vec::new();
    for entry in fs::read_dir(&directory).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    let name_of = |path: &PathBuf| {
        let bytes = fs::read(path).unwrap_or_default();
        let name = bytes.get(176..176 + topic.len() + 1).unwrap_or_default();
        name.strip_suffix(&[0]) == Some(topic.as_bytes())
    };
    let is_ring = |path: &PathBuf| path.extension().is_some_and(|is| is == "ring");
    let ring = paths.iter().find(|path| is_ring(path) && name_of(path));
    let ring = ring.ok_or_else(|| Failure::say("the topic has no ring"))?;
    if kind == "ring" {
        return Ok(ring.clone());
    }
    let stem = ring.file_stem().unwrap_or_default().to_string_lossy();
    let goes_with = |path: &&PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&*stem) && name.ends_with(".cursors")
    };
    let cursors = paths.iter().find(goes_with);
    cursors
        .cloned()
        .ok_or_else(|| Failure::say("the topic has no cursors"))
}

fn resize(path: &Path, len: impl Fn(u64) -> u64) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    file.set_len(len(file.metadata()?.len()))
}

fn without(path: &Path, start: i64, len: i64) -> io::Result<()> {
    pierce(&File::options().write(true).open(path)?, start, len)
}

/// Takes the memory out of a part of a file, which then reads as zeros.
pub fn pierce(file: &File, start: i64, len: i64) -> io::Result<()> {
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: the kernel checks the range; the file is open.
    match unsafe { libc::fallocate(file.as_raw_fd(), mode, start, len) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Puts something else in the place of a file.
fn instead(path: &Path, make: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    fs::remove_file(path)?;
    make(path)
}

/// Makes a pipe or a socket.
fn make(path: &Path, kind: libc::mode_t) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the path ends in NUL and outlives the call.
    match unsafe { libc::mknod(path.as_ptr(), kind | 0o600, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
