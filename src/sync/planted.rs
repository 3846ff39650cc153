//! Bugs put in on purpose, one at a time, to see that the checks find them.
//!
//! A bug is an access to shared memory made wrong: weaker than it must be, left out, a plain store
//! where a swap belongs, another value. [`BUGS`] names the access by the function that makes it,
//! so that the sources stay as they are; `sync` asks here before each access, by its place in the
//! source. None of it is in a normal build: only unit tests and `--cfg ringbus_planted` have it, and
//! only a build for loom or of that cfg has bugs.
//!
//! One is chosen when the program is started: `RINGBUS_PLANTED=reap_left_out`, or, for whatever has no
//! name, `RINGBUS_PLANTED='relaxed src/ring/gate.rs:146'`. `RINGBUS_PLANTED=list` prints each ordered
//! access when it is made for the first time.

// A build that has no bugs has their list all the same, to check it.
#![cfg_attr(not(any(ringbus_loom, ringbus_planted)), allow(dead_code))]

use std::panic::Location;

use super::Ordering;

/// What is wrong with an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// It orders nothing; a fence is left out.
    Relaxed,
    /// It does not release what was done before it, and still acquires.
    NoRelease,
    /// It does not acquire, and still releases.
    NoAcquire,
    /// Where the swap fails, it orders nothing.
    RelaxedFailure,
    /// It does not happen: a load finds 0, a swap fails.
    LeftOut,
    /// A store, whatever there was, in place of a compare-and-swap.
    Stored,
    /// What is written is more by so much.
    Plus(i64),
}

/// A bug that a check must find.
pub struct Bug {
    /// What chooses it.
    pub name: &'static str,
    pub(crate) flaw: Flaw,
    place: Place,
    /// The checks that find it.
    pub found_by: &'static [Check],
}

/// A test, by its path in its program, and a part of what it says when it finds the bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// A unit test under loom.
    Model(&'static str, &'static str),
    /// A test of `tests/process`.
    Process(&'static str, &'static str),
}

/// An access: the first `access` after `function` in a file.
struct Place {
    file: &'static str,
    source: &'static str,
    function: &'static str,
    access: &'static str,
}

macro_rules! place {
    ($file:literal, $function:literal, $access:literal) => {
        Place {
            file: concat!("src/", $file),
            source: include_str!(concat!("../../", $file)),
            function: $function,
            access: $access,
        }
    };
}

impl Place {
    /// Its line, from 1; `None` if the source has changed.
    fn line(&self) -> Option<u32> {
        let function = self.source.find(self.function)?;
        let access = function + self.source[function..].find(self.access)?;
        Some(1 + self.source[..access].matches('\n').count() as u32)
    }
}

/// The flaw of the access that is made at `location`, if any.
#[cfg(not(any(ringbus_loom, ringbus_planted)))]
#[inline(always)]
pub(crate) fn flaw_at(_: &Location<'_>, _: &'static str, _: Ordering) -> Option<Flaw> {
    None
}

#[cfg(any(ringbus_loom, ringbus_planted))]
pub(crate) use chosen::flaw_at;

#[cfg(any(ringbus_loom, ringbus_planted))]
mod chosen {
    use std::{
        collections::BTreeSet,
        env,
        sync::{Mutex, OnceLock, PoisonError},
    };

    use super::{BUGS, Flaw, Location, Ordering};

    /// What was chosen when the program was started.
    enum Chosen {
        Nothing,
        List(Mutex<BTreeSet<String>>),
        Bug { flaw: Flaw, file: String, line: u32 },
    }

    /// The flaw of the access that is made at `location`, if any.
    pub(crate) fn flaw_at(
        location: &Location<'_>,
        access: &'static str,
        order: Ordering,
    ) -> Option<Flaw> {
        static CHOSEN: OnceLock<Chosen> = OnceLock::new();
        match CHOSEN.get_or_init(choose) {
            Chosen::Nothing => None,
            Chosen::List(seen) => {
                let found = format!("{access} {order:?} {location}");
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                if order != Ordering::Relaxed && !location.file().contains("/tests/") {
                    if !seen.contains(&found) {
                        println!("access: {found}");
                    }
                    seen.insert(found);
                }
                None
            }
            Chosen::Bug { flaw, file, line } => {
                (location.line() == *line && location.file() == file).then_some(*flaw)
            }
        }
    }

    fn choose() -> Chosen {
        let Ok(name) = env::var("RINGBUS_PLANTED") else {
            return Chosen::Nothing;
        };
        if name == "list" {
            return Chosen::List(Mutex::default());
        }
        if let Some(bug) = BUGS.iter().find(|bug| bug.name == name) {
            let line = bug.place.line().expect("BUGS is checked by a test");
            let (flaw, file) = (bug.flaw, bug.place.file.to_owned());
            return Chosen::Bug { flaw, file, line };
        }
        unnamed(&name).unwrap_or_else(|| panic!("RINGBUS_PLANTED: there is no bug `{name}`"))
    }

    /// `FLAW FILE:LINE`
    fn unnamed(words: &str) -> Option<Chosen> {
        let (flaw, place) = words.split_once(' ')?;
        let (file, line) = place.split_once(':')?;
        let flaw = match flaw {
            "relaxed" => Flaw::Relaxed,
            "no-release" => Flaw::NoRelease,
            "no-acquire" => Flaw::NoAcquire,
            "relaxed-failure" => Flaw::RelaxedFailure,
            "left-out" => Flaw::LeftOut,
            "stored" => Flaw::Stored,
            _ => return None,
        };
        let (file, line) = (file.to_owned(), line.parse().ok()?);
        Some(Chosen::Bug { flaw, file, line })
    }
}

mod bugs;

pub use bugs::BUGS;

#[cfg(any(ringbus_loom, ringbus_planted))]
pub use found::assert_found;

#[cfg(any(ringbus_loom, ringbus_planted))]
mod found {
    use std::{
        env, fs,
        process::{Command, ExitStatus, Stdio},
        thread,
        time::{Duration, Instant},
    };

    use super::{BUGS, Bug, Check};

    /// A check that takes longer hangs.
    const CHECK_MAX: Duration = Duration::from_secs(120);

    /// Runs the checks of this program that are to find a bug, each with its bug and in a process of
    /// its own; each must fail and say what is expected. Prints what found what.
    ///
    /// # Panics
    ///
    /// If a bug is not found.
    pub fn assert_found(of_this_program: impl Fn(&Check) -> bool) {
        let mut escaped = Vec::new();
        let checks = |bug: &'static Bug| bug.found_by.iter().map(move |check| (bug, check));
        for (bug, check) in BUGS.iter().flat_map(checks) {
            if !of_this_program(check) {
                continue;
            }
            let started = Instant::now();
            let (Check::Model(test, says) | Check::Process(test, says)) = check;
            let (status, said) = run(bug.name, test);
            let message = said.lines().find(|line| line.contains(says));
            let is_found = status.is_some_and(|status| !status.success()) && message.is_some();
            println!(
                "{} | {:?} in `{}` of {} | {test} | {} ({:.1} s)",
                bug.name,
                bug.flaw,
                bug.place.function.trim_end_matches('('),
                bug.place.file,
                message.filter(|_| is_found).unwrap_or("NOT FOUND").trim(),
                started.elapsed().as_secs_f32()
            );
            if !is_found {
                escaped.push(format!("{}: {test}: {status:?}\n{said}", bug.name));
            }
        }
        assert!(escaped.is_empty(), "{}", escaped.join("\n\n"));
    }

    /// How the test ended, `None` if it was too slow, and what it said.
    fn run(bug: &str, test: &str) -> (Option<ExitStatus>, String) {
        let said = env::temp_dir().join(format!("ringbus-planted-{}", std::process::id()));
        let file = || fs::File::options().append(true).create(true).open(&said);
        let mut check = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env("RINGBUS_PLANTED", bug)
            .env("RUST_BACKTRACE", "0")
            .stdout(Stdio::from(file().expect("a temporary file")))
            .stderr(Stdio::from(file().expect("a temporary file")))
            .spawn()
            .expect("this program starts again");
        let started = Instant::now();
        let status = loop {
            match check.try_wait().expect("a child") {
                Some(status) => break Some(status),
                None if started.elapsed() > CHECK_MAX => break None,
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        let _ = check.kill();
        let _ = check.wait();
        let words = fs::read(&said).unwrap_or_default();
        let _ = fs::remove_file(&said);
        (status, String::from_utf8_lossy(&words).into_owned())
    }
}

#[cfg(test)]
mod tests;
