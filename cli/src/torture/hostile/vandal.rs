//! A process that writes random words into all that its rights let it write, while others work.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use ringbus::Bus;

use super::book::{Book, Count};
use super::exhibit::Exhibit;
use super::mutate;
use super::traffic::{self, Ends, Flow};
use crate::outcome::Failure;
use crate::torture::actor::{Actor, Role, Stage};
use crate::torture::findings::Findings;
use crate::torture::setting::Setting;

/// Who does it.
pub const ROLE: Role = ("hostile/vandal", vandal);

/// A user and group that own nothing, where this process may become them.
pub const NOBODY: u32 = 65_534;
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long the topics stay damaged before all is as it was, for the attack to go on in depth.
const HEAL_EVERY: Duration = Duration::from_millis(40);
const BREATH: Duration = Duration::from_micros(500);
/// Seats of the vandal, and of the first source.
const SEAT: usize = 0;

/// Two topics are attacked, and two are not, for this long.
pub fn run(
    setting: &Setting,
    book: &Book,
    time: Duration,
    findings: &mut Findings,
) -> Result<(), Failure> {
    book.clear();
    let bus = make_bus(setting.root())?;
    let topics = ["attacked", "attacked-shared", "sound", "sound-shared"];
    let flow = |(name, seat): (&str, usize)| {
        Flow::start(
            setting.root(),
            name,
            [seat, seat + 1],
            name.starts_with("attacked"),
        )
    };
    let mut flows = topics
        .into_iter()
        .zip((SEAT + 1..).step_by(2))
        .map(flow)
        .collect::<Result<Vec<_>, _>>()?;
    let mut vandal = start_vandal(setting)?;
    let files = vandal.hear().unwrap_or_default();
    let mut ends = Ends::default();
    let sound = ["sound", "sound-shared"].map(|name| bus.topic(name).open());
    let mut taken_for_dead = 0;
    let over = Instant::now() + time;
    while Instant::now() < over && !setting.is_interrupted() {
        thread::sleep(LOOK_EVERY);
        for flow in &mut flows {
            flow.look(book, &mut ends)?;
        }
        // Whoever is taken for dead loses its place now.
        let _ = bus.gc();
        let sound = sound.iter().flatten();
        taken_for_dead += sound
            .filter(|topic| topic.info().subscribers.len() != 1)
            .count() as u64;
    }
    vandal.kill()?;
    findings.did("vandal_words", book.seat(SEAT).read(Count::Words));
    findings.found("vandal_files", files);
    let received = |name: &str| {
        let seat = topics.iter().position(|topic| *topic == name).unwrap_or(0) * 2 + SEAT + 2;
        book.seat(seat).read(Count::Worked)
    };
    findings.did(
        "sound_messages",
        received("sound") + received("sound-shared"),
    );
    findings.found(
        "attacked_messages",
        received("attacked") + received("attacked-shared"),
    );
    for flow in flows {
        flow.end(book, &mut ends)?;
    }
    let wrong: u64 = [6, 8]
        .map(|seat| book.seat(SEAT + seat).read(Count::Wrong))
        .iter()
        .sum();
    findings.none("sound_messages_wrong", wrong, None);
    findings.none("sound_messages_lost", ends.lost(), None);
    findings.none("sound_subscribers_taken_for_dead", taken_for_dead, None);
    ends.report("vandal", false, findings);
    drop((sound, bus));
    Bus::builder()
        .dir(setting.root())
        .name(traffic::BUS)
        .destroy()?;
    Ok(())
}

/// A bus that a group may take part in, two topics that it may write, and two private ones.
fn make_bus(root: &Path) -> Result<Bus, Failure> {
    let builder = Bus::builder().dir(root).name(traffic::BUS);
    let builder = match is_root() {
        true => builder.mode(0o660).group(NOBODY),
        false => builder,
    };
    let bus = builder.open()?;
    for (name, mode) in [("attacked", 0o660), ("sound", 0o600)] {
        let shared = format!("{name}-shared");
        for topic in [
            bus.topic(name),
            bus.topic(&shared).shared().max_publishers(4),
        ] {
            let topic = topic.capacity(64).payload_max(64).max_subscribers(8);
            topic.mode(mode).create()?;
        }
    }
    Ok(bus)
}

fn start_vandal(setting: &Setting) -> Result<Actor, Failure> {
    let seed = setting.random(1).u64(..).to_string();
    let becomes_nobody = u8::from(is_root()).to_string();
    Actor::start(ROLE.0, setting.root(), &[seed, becomes_nobody])
}

/// Whether this process may become others.
pub fn is_root() -> bool {
    // SAFETY: it only returns a number.
    unsafe { libc::geteuid() == 0 }
}

/// Damages all it can until it is killed.
fn vandal(stage: &Stage) -> Result<(), Failure> {
    let mut random = fastrand::Rng::with_seed(stage.number(0)?);
    let book = Book::open(&stage.root)?;
    let directory = stage.root.join(traffic::BUS);
    let mut paths = files(&directory)?;
    paths.extend(files(&directory.join("topics"))?);
    if stage.number(1)? != 0 {
        become_nobody()?;
    } else {
        // With the rights to write everything, it keeps to what it was lent.
        let attacked = attacked_inodes(&stage.root)?;
        paths.retain(|path| fs::metadata(path).is_ok_and(|data| attacked.contains(&data.ino())));
    }
    let exhibits: Vec<_> = paths
        .iter()
        .filter_map(|path| Exhibit::open(path).ok())
        .collect();
    crate::torture::actor::say(exhibits.len());
    let seat = book.seat(SEAT);
    let mut healed = Instant::now();
    loop {
        let exhibit = &exhibits[random.usize(..exhibits.len())];
        let words = random.u32(1..64);
        mutate::damage(exhibit, words, &mut random);
        seat.write(Count::Words, seat.read(Count::Words) + u64::from(words));
        if healed.elapsed() > HEAL_EVERY {
            exhibits.iter().for_each(Exhibit::restore);
            healed = Instant::now();
        }
        thread::sleep(BREATH);
    }
}

/// The files in a directory.
pub fn files(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(directory).map_err(|e| Failure::io(directory.display(), &e))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(paths.filter(|path| path.is_file()).collect())
}

/// The registry's, and those of the attacked topics, by what their rings say.
fn attacked_inodes(root: &Path) -> Result<Vec<u64>, Failure> {
    let directory = root.join(traffic::BUS);
    let mut inodes = Vec::new();
    for path in files(&directory.join("topics"))? {
        let bytes = fs::read(&path).map_err(|e| Failure::io(path.display(), &e))?;
        let name = String::from_utf8_lossy(&bytes[176..432]);
        if name.starts_with("attacked") {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            for file in files(&directory.join("topics"))? {
                if file.to_string_lossy().contains(&*stem) {
                    inodes.push(fs::metadata(&file).map_or(0, |data| data.ino()));
                }
            }
        }
    }
    inodes.push(fs::metadata(directory.join("registry")).map_or(0, |data| data.ino()));
    Ok(inodes)
}

/// Gives up all rights but those of a stranger in the group.
pub fn become_nobody() -> Result<(), Failure> {
    let failed = |what: &str| Failure::io(what, &std::io::Error::last_os_error());
    // SAFETY: no groups are passed.
    if unsafe { libc::setgroups(0, std::ptr::null()) } != 0 {
        return Err(failed("cannot leave the groups"));
    }
    // SAFETY: takes numbers only.
    if unsafe { libc::setresgid(NOBODY, NOBODY, NOBODY) } != 0 {
        return Err(failed("cannot change the group"));
    }
    // SAFETY: takes numbers only.
    if unsafe { libc::setresuid(NOBODY, NOBODY, NOBODY) } != 0 {
        return Err(failed("cannot change the user"));
    }
    // The change of the user has undone it.
    crate::torture::actor::die_with_parent();
    Ok(())
}
