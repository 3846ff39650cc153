//! What one worker needs for all its victims.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use ringbus::PublisherMode;

use super::deeds::Fill;
use super::job::Act;
use super::site::Site;
use super::tally::Stall;
use super::tracee::{Halt, Tracee};
use super::victim::Victim;
use crate::outcome::Failure;
use crate::torture::canary::{Canary, Groups, Watch};
use crate::torture::notes::{Note, Notes, SEATS};
use crate::torture::progress::STALL_MAX;

/// Where victims come from, and what outlives them.
pub struct Lab {
    root: PathBuf,
    name: String,
    notes: Notes,
    canary: Canary,
    _watch: Watch,
    origins: Cell<u64>,
    took: RefCell<Vec<(Instant, Instant)>>,
}

impl Lab {
    /// The lab of the worker `name`, in the directory of its case.
    pub fn new(root: &Path, name: &str) -> Result<Self, Failure> {
        let own = root.join(format!("notes-of-{name}"));
        let made = fs::create_dir(&own);
        made.map_err(|e| Failure::io(own.display(), &e))?;
        let notes = Notes::create(&own);
        // Mapped, or not: nobody opens them again.
        let _ = fs::remove_dir_all(&own);
        let canary = Canary::new();
        Ok(Self {
            root: root.to_owned(),
            name: name.to_owned(),
            notes: notes?,
            _watch: canary.watch_this_thread(SURVIVORS),
            canary,
            origins: Cell::new(0),
            took: RefCell::default(),
        })
    }

    /// A canary for another thread of one who lives: it watches that thread too.
    pub fn canary(&self) -> (Canary, Groups) {
        (self.canary.clone(), SURVIVORS)
    }

    /// What the victim `origin` has noted; later ones have its place.
    pub fn note(&self, origin: u64) -> &Note {
        self.notes.of(origin as usize % SEATS)
    }

    /// Where the next scene is.
    pub fn site(&self, mode: PublisherMode) -> Site {
        Site::new(&self.root, self.name.clone(), mode)
    }

    /// A number that nobody had before.
    pub fn new_origin(&self) -> u64 {
        self.origins.set(self.origins.get() + 1);
        self.origins.get()
    }

    /// Somebody alive took from `from` until now.
    pub fn took(&self, from: Instant) {
        self.took_until(from, Instant::now());
    }

    /// Somebody alive took from `from` until `to`.
    pub fn took_until(&self, from: Instant, to: Instant) {
        self.took.borrow_mut().push((from, to));
    }

    /// The worst of what [`took`](Self::took) was told since the last call.
    pub fn take_stall(&self) -> Stall {
        let took = self.took.take();
        if took.iter().any(|(from, to)| *to > *from + STALL_MAX) {
            // The canary has to wake up before it knows what kept it.
            thread::sleep(CANARY_WAKES);
        }
        let mut stall = Stall::default();
        for (from, to) in took {
            stall.add(from, to, || self.canary.late(from, to, SURVIVORS));
        }
        stall
    }

    /// Forks a victim of its own origin for a deed, and takes it to its first mark: it is ready.
    pub fn victim(&self, site: &Site, act: Act) -> Result<(Tracee, u64), Failure> {
        let Act { deed, fill } = act;
        let origin = self.new_origin();
        let note = self.note(origin);
        note.clear();
        let warm = if fill == Fill::Held { 3 } else { 0 };
        let mut tracee = Tracee::fork(|| {
            // A victim that hangs is a finding, not the end of the case.
            // SAFETY: takes no pointers.
            unsafe { libc::alarm(PATIENCE_SECONDS) };
            let played = (deed.play)(&Victim::new(site, note, origin, warm));
            let words = played.err().map(|failure| failure.to_string());
            if let Some(words) = &words {
                let _ = fs::write(self.last_words(), words);
            }
            words.is_some().into()
        })?;
        self.next_mark(&mut tracee)?;
        Ok((tracee, origin))
    }

    /// Lets a victim run to its next mark, which it must come to.
    pub fn next_mark(&self, victim: &mut Tracee) -> Result<(), Failure> {
        match victim.go_on()? {
            Halt::Mark => Ok(()),
            halt => Err(self.failure(halt)),
        }
    }

    /// Why a victim is not where it should be.
    pub fn failure(&self, halt: Halt) -> Failure {
        match halt {
            Halt::Ended(status) => {
                let words = fs::read_to_string(self.last_words()).unwrap_or_default();
                let _ = fs::remove_file(self.last_words());
                Failure::say(format_args!("a victim ended by itself: {status}: {words}"))
            }
            halt => Failure::say(format_args!("a victim is astray: {halt:?}")),
        }
    }

    /// Where a victim that ends by itself says why.
    fn last_words(&self) -> PathBuf {
        self.root.join(format!("last-words-of-{}", self.name))
    }
}

/// By then the canary has looked at those it watches.
const CANARY_WAKES: Duration = Duration::from_millis(20);

/// Those who live pass messages on to one another.
const SURVIVORS: Groups = 1;

/// A deed takes a fraction of this, even on a machine that is busy with other things.
const PATIENCE_SECONDS: u32 = 30;
