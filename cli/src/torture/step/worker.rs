//! One process that forks, steps, kills and stops victims, a job at a time.

use std::io::{BufRead, stdin};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use ringbus::{Batch, Subscriber};
use serde_json::json;

use super::code::Code;
use super::deeds::{Deed, Fill, Part};
use super::job::{Act, Job, Manner};
use super::lab::Lab;
use super::scene::Scene;
use super::site::PINS;
use super::tally::Tally;
use super::tracee::{Halt, Tracee};
use super::trail::Trail;
use super::watch::Watch;
use crate::outcome::Failure;
use crate::torture::actor::{Stage, say};
use crate::torture::checked;
use crate::torture::faults::{Faults, Kind};
use crate::torture::setting::open_files;

/// At how many moments at least a second victim is killed for each of the first one's.
const SECONDS_MIN: usize = 16;
/// Nobody sleeps through this.
const NIGHT: Duration = Duration::from_secs(20);
/// To step through more than this, to learn the ways, takes longer than the kills themselves.
const INSTRUCTIONS_MAX: u64 = 500_000;

/// Does jobs, one a line, and says a line of JSON for each.
pub fn serve(stage: &Stage) -> Result<(), Failure> {
    let lab = Lab::new(&stage.root, stage.arg(0)?)?;
    let may_trace = Tracee::fork(|| 0).and_then(Tracee::kill);
    for line in stdin().lock().lines() {
        let line = line.map_err(|e| Failure::io("cannot read what to do", &e))?;
        if let Err(failure) = &may_trace {
            say(json!({"failure": failure.to_string()}));
            continue;
        }
        let job = Job::parse(&line)?;
        let open_before = open_files();
        let mut tally = Bench::new(&lab, &job).work();
        let open = open_files();
        if open > open_before {
            let words = format!("{}: {open} files open, of {open_before}", job.name());
            tally.left.add(words);
        }
        say(tally.to_json());
    }
    Ok(())
}

/// A job at work.
struct Bench<'l> {
    lab: &'l Lab,
    job: &'l Job,
    code: Code,
    tally: Tally,
}

/// The way of a victim, and a moment on it.
type Moment<'t> = (&'t Trail, usize);

impl<'l> Bench<'l> {
    fn new(lab: &'l Lab, job: &'l Job) -> Self {
        let (code, tally) = (Code::of_this_process(), Tally::default());
        Self {
            lab,
            job,
            code,
            tally,
        }
    }

    fn work(mut self) -> Tally {
        let mut random = Rng::with_seed(self.job.seed);
        let quota = self.job.quota;
        if let Some(trail) = self.learn(None) {
            match self.job.then {
                None => self.work_through(&trail, None, quota, &mut random),
                Some(_) => self.work_on_pairs(&trail, &mut random),
            }
        }
        self.tally
    }

    /// The first one dies wherever it has just changed something, or else at its end; the second one
    /// anywhere.
    fn work_on_pairs(&mut self, trail: &Trail, random: &mut Rng) {
        let mut firsts = trail.changes();
        if firsts.is_empty() {
            firsts.push(trail.len() - 1);
        }
        random.shuffle(&mut firsts);
        firsts.truncate(self.job.quota.div_ceil(SECONDS_MIN));
        let quota = self.job.quota.div_ceil(firsts.len().max(1));
        for first in firsts {
            if self.tally.instructions > INSTRUCTIONS_MAX {
                break;
            }
            let first = Some((trail, first));
            if let Some(second) = self.learn(first) {
                self.work_through(&second, first, quota, random);
            }
        }
    }

    fn work_through(
        &mut self,
        trail: &Trail,
        first: Option<Moment>,
        quota: usize,
        random: &mut Rng,
    ) {
        let moments = trail.choose(quota, random);
        self.tally.instructions += trail.len() as u64;
        self.tally.skipped += (trail.len() - moments.len()) as u64;
        let addresses = trail.addresses();
        let names = addresses.iter().map(|address| self.code.name(*address));
        self.tally.addresses.extend(names);
        for moment in moments {
            self.tally.points += 1;
            let place = self.place((trail, moment), first);
            self.with_scene(&place, |bench, scene| {
                bench.harm(scene, (trail, moment), first)
            });
        }
    }

    /// Where and when, in words.
    fn place(&self, (trail, moment): Moment, first: Option<Moment>) -> String {
        let after = first.map_or(String::new(), |(trail, moment)| {
            let at = self.code.name(trail.address(moment));
            format!(", the first one after instruction {moment}, at {at}")
        });
        format!(
            "{}, {} after instruction {moment} of {}, at {}{after}",
            self.job.name(),
            self.job.manner.done(),
            trail.len() - 1,
            self.code.name(trail.address(moment)),
        )
    }

    /// Steps a victim through all of its deed, after the death of a first one if there was one.
    fn learn(&mut self, first: Option<Moment>) -> Option<Trail> {
        let mut trail = None;
        let place = format!("{}, stepped through", self.job.name());
        self.with_scene(&place, |bench, scene| {
            let mut laggard = scene.laggard(bench.job.first)?;
            let _held = bench.set(scene, laggard.as_mut())?;
            let (act, mut victim, origin) = bench.begin(scene, first)?;
            let mut watch = Watch::new(&scene.path());
            let recorded = bench.die_beside(scene, act, |_| {
                let recorded = Trail::record(&mut victim, &mut watch)?;
                victim.kill().map(|()| recorded)
            })?;
            scene.settle(origin)?;
            scene.go_on()?;
            trail = Some(recorded);
            Ok(())
        });
        trail
    }

    /// Does something in a scene made for it; whatever is found there counts, and whatever fails.
    fn with_scene(
        &mut self,
        place: &str,
        act: impl FnOnce(&mut Self, &mut Scene) -> Result<(), Failure>,
    ) {
        let mut faults = Faults::default();
        match Scene::new(self.lab, self.job.mode) {
            Err(failure) => faults.add(Kind::Failed, 1, || failure.to_string()),
            Ok(mut scene) => match act(self, &mut scene) {
                Err(failure) => {
                    faults.add(Kind::Failed, 1, || failure.to_string());
                    faults.merge(scene.give_up());
                }
                Ok(()) => {
                    let (found, left) = scene.close();
                    faults.merge(found);
                    if let Err(failure) = left {
                        self.tally.left.add(format!("{place}: {failure}"));
                    }
                }
            },
        }
        self.tally.faults.merge(faults.located(place));
        self.tally
            .stall
            .merge(&self.lab.take_stall().located(place));
    }

    /// Kills or stops one victim at one moment.
    fn harm(
        &mut self,
        scene: &mut Scene,
        (trail, moment): Moment,
        first: Option<Moment>,
    ) -> Result<(), Failure> {
        let mut laggard = scene.laggard(self.job.first)?;
        let held = self.set(scene, laggard.as_mut())?;
        let (act, mut victim, origin) = self.begin(scene, first)?;
        match self.job.manner {
            Manner::Kill => {
                self.die_beside(scene, act, |bench| {
                    bench.walk(&mut victim, (trail, moment))?;
                    victim.kill()
                })?;
                scene.settle(origin)?;
            }
            Manner::Stop => match self.walk(&mut victim, (trail, moment))? {
                true => self.stop(scene, act, victim, origin)?,
                false => {
                    victim.kill()?;
                    scene.settle(origin)?;
                }
            },
        }
        scene.go_on()?;
        for (serial, message) in (0..).zip(held.iter().flatten()) {
            let found = checked::read(&message);
            if found.is_none_or(|(_, found)| found != serial) {
                scene.fault(Kind::Torn, || {
                    format!("message {serial}, held by a subscriber, became {found:?}")
                });
            }
        }
        Ok(())
    }

    /// Fills the ring; what a laggard holds from then on.
    fn set<'s>(
        &self,
        scene: &mut Scene,
        laggard: Option<&'s mut Subscriber<[u8]>>,
    ) -> Result<Option<Batch<'s, [u8]>>, Failure> {
        let act = self.job.first;
        if act.fill == Fill::Dead {
            self.leave_a_corpse(scene)?;
            if matches!(act.deed.part, Part::Subscriber(_)) {
                scene.crowd()?;
            }
        }
        let mut held = None;
        if let Some(laggard) = laggard {
            scene.publish(PINS as u64)?;
            held = Some(laggard.poll_batch(PINS)?);
        }
        let published = held.as_ref().map_or(0, |held| held.len() as u64);
        scene.fill(act, published)?;
        Ok(held)
    }

    /// A reliable subscriber joins, and dies.
    fn leave_a_corpse(&self, scene: &Scene) -> Result<(), Failure> {
        let deed = Deed::named("join_reliable").expect("a deed");
        let fill = Fill::Empty;
        let (mut victim, _) = self.lab.victim(&scene.site, Act { deed, fill })?;
        self.lab.next_mark(&mut victim)?;
        self.lab.next_mark(&mut victim)?;
        victim.kill()
    }

    /// A victim that stands at the beginning of its deed: the second one's, if a first one is to die
    /// before.
    fn begin(
        &mut self,
        scene: &mut Scene,
        first: Option<Moment>,
    ) -> Result<(Act, Tracee, u64), Failure> {
        let (Some(moment), Some(then)) = (first, self.job.then) else {
            return self.begin_one(scene, self.job.first);
        };
        let (_, mut victim, origin) = self.begin_one(scene, self.job.first)?;
        self.walk(&mut victim, moment)?;
        victim.kill()?;
        scene.settle(origin)?;
        self.begin_one(scene, then)
    }

    fn begin_one(&self, scene: &mut Scene, act: Act) -> Result<(Act, Tracee, u64), Failure> {
        scene.make_room(act.deed);
        let (mut victim, origin) = self.lab.victim(&scene.site, act)?;
        scene.expect(origin);
        scene.fill_further(act)?;
        self.lab.next_mark(&mut victim)?;
        Ok((act, victim, origin))
    }

    /// Takes a victim to a moment of its deed; `false` if it went another way, and is at its end.
    fn walk(&mut self, victim: &mut Tracee, (trail, moment): Moment) -> Result<bool, Failure> {
        let is_there = trail.walk(victim, moment)?;
        self.tally.strays += u64::from(!is_there);
        Ok(is_there)
    }

    /// Lets a victim go its way and die, beside a sleeper if there is to be one.
    fn die_beside<R>(
        &mut self,
        scene: &mut Scene,
        act: Act,
        die: impl FnOnce(&mut Self) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        if act.fill != Fill::Asleep {
            return die(self);
        }
        let lab = self.lab;
        beside_a_sleeper(lab, scene, |_| die(self).map(|done| (done, Instant::now())))
    }

    /// Stops one, lets the others go on, and lets it come back.
    fn stop(
        &self,
        scene: &mut Scene,
        act: Act,
        victim: Tracee,
        origin: u64,
    ) -> Result<(), Failure> {
        let mut victim = victim.stop()?;
        scene.go_on_beside(act, victim.pid())?;
        // On to the end of its deed, and then of its life.
        match victim.go_on()? {
            Halt::Mark => {}
            halt => return Err(self.lab.failure(halt)),
        }
        match victim.go_on()? {
            Halt::Ended(status) if status.success() => {}
            halt => return Err(self.lab.failure(halt)),
        }
        let mut faults = Faults::default();
        self.lab.note(origin).collect(origin, &mut faults);
        scene.merge(faults);
        scene.settle(origin)
    }
}

/// Does something while somebody sleeps until the next message; it ends with the death, at the
/// moment that it says, of one who would wake that sleeper. If there is a message, that one must not
/// sleep on.
fn beside_a_sleeper<R>(
    lab: &Lab,
    scene: &mut Scene,
    act: impl FnOnce(&mut Scene) -> Result<(R, Instant), Failure>,
) -> Result<R, Failure> {
    let mut sleeper = scene.sleeper()?;
    let next = sleeper.cursor();
    let (canary, group) = lab.canary();
    thread::scope(|scope| {
        let sleeping = scope.spawn(move || {
            let _watch = canary.watch_this_thread(group);
            (sleeper.wait(NIGHT), Instant::now())
        });
        // It is asleep by then; if the machine is so busy that it is not, it is not woken either.
        thread::sleep(Duration::from_micros(500));
        let (done, mut due) = act(scene)?;
        if scene.topic.info().next == next {
            scene.publish_one()?;
            due = Instant::now();
        }
        let (woken, at) = sleeping.join().expect("a sleeper does not panic");
        lab.took_until(due, at);
        match woken? {
            true => Ok(done),
            false => Err(Failure::say("a sleeper was never woken")),
        }
    })
}
