//! A reader with the right to observe: what it has mapped, and what comes of trying to change it.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use ringbus::{Bus, Start};

use super::files::pierce;
use super::traffic;
use super::vandal::{self, is_root};
use crate::outcome::Failure;
use crate::torture::actor::{Actor, Role, Stage, say};
use crate::torture::findings::Findings;
use crate::torture::setting::Setting;

/// Who tries.
pub const ROLE: Role = ("hostile/reader", reader);

/// Has a reader try everything; nothing may have changed, and nothing may have worked.
pub fn run(setting: &Setting, findings: &mut Findings) -> Result<(), Failure> {
    let builder = || Bus::builder().dir(setting.root()).name(traffic::BUS);
    let bus = match is_root() {
        true => builder().mode(0o640).group(vandal::NOBODY).open()?,
        false => builder().open()?,
    };
    let topic = bus.topic("observed").capacity(8).create()?;
    let publisher = topic.publisher()?;
    for _ in 0..20 {
        publisher.publish(b"read me")?;
    }
    let before = contents(bus.path())?;
    let args = [u8::from(is_root()).to_string()];
    let mut reader = Actor::start(ROLE.0, setting.root(), &args)?;
    let mut worked = Vec::new();
    let mut tried = 0;
    while let Some(told) = reader.hear() {
        tried += 1;
        worked.extend(told.strip_prefix("worked: ").map(str::to_owned));
    }
    let status = reader.end()?;
    if !status.success() {
        return Err(Failure::say(format_args!("the reader ended: {status}")));
    }
    findings.did("attempts_to_write_as_a_reader", tried);
    let example = worked.first().map(String::as_str);
    findings.none("writes_of_a_reader", worked.len() as u64, example);
    let changed = before != contents(bus.path())?;
    findings.none("files_changed_by_a_reader", changed.into(), None);
    drop((publisher, topic, bus));
    builder().destroy()?;
    Ok(())
}

fn contents(bus: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let mut paths = vandal::files(&bus.join("topics"))?;
    paths.sort();
    let read = |path| fs::read(path).map_err(|e| Failure::io("cannot read a file", &e));
    paths.iter().map(read).collect()
}

fn reader(stage: &Stage) -> Result<(), Failure> {
    let is_stranger = stage.number(0)? != 0;
    if is_stranger {
        vandal::become_nobody()?;
    }
    let bus = Bus::builder().dir(&stage.root).name(traffic::BUS);
    let bus = bus.create(false).open()?;
    let topic = bus.topic("observed").open()?;
    let mut observer = topic.observer(Start::Oldest)?;
    let read = observer.poll()?.is_some();
    tell("reading nothing", !read);

    let maps = fs::read_to_string("/proc/self/maps").map_err(|e| Failure::io("maps", &e))?;
    let rings = maps.lines().filter(|line| line.ends_with(".ring"));
    let rings: Vec<_> = rings.collect();
    tell("a ring that is not mapped", rings.is_empty());
    for line in rings {
        let mut fields = line.split_ascii_whitespace();
        let range = fields.next().unwrap_or_default();
        tell(
            "a writable map",
            fields.next().is_none_or(|rights| rights.contains('w')),
        );
        tell("making a map writable", protect(range).is_ok());
    }
    for path in vandal::files(&bus.path().join("topics"))? {
        if is_stranger {
            let opened = File::options().write(true).open(&path);
            tell("opening a file to write", opened.is_ok());
            tell("removing a file", fs::remove_file(&path).is_ok());
        }
        let Ok(file) = File::open(&path) else {
            continue;
        };
        tell("cutting a file", file.set_len(0).is_ok());
        tell(
            "taking memory out of a file",
            pierce(&file, 0, 4096).is_ok(),
        );
        if is_stranger {
            tell("opening a file again to write", reopen(&file).is_ok());
        }
    }
    Ok(())
}

fn tell(what: &str, worked: bool) {
    say(format_args!(
        "{}: {what}",
        if worked { "worked" } else { "refused" }
    ));
}

/// Makes the first page of a range of addresses writable.
fn protect(range: &str) -> io::Result<()> {
    let start = range.split('-').next().unwrap_or_default();
    let start = usize::from_str_radix(start, 16).map_err(io::Error::other)?;
    let address = std::ptr::without_provenance_mut(start);
    let rights = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: it adds a right to a page that is mapped, if it does anything.
    match unsafe { libc::mprotect(address, 4096, rights) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn reopen(file: &File) -> io::Result<File> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    File::options().read(true).write(true).open(path)
}
