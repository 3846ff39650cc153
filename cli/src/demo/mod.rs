//! `ringbus demo`: the bus at its main job, and a verdict on it.
//!
//! The director (this process) builds the [`stage`], starts the [`cast`], has one of them killed and
//! restarted, and shows on the [`board`] what they report. Each process ([`role`]) keeps account of
//! every sequence; the [`verdict`] is drawn from these accounts alone.

mod board;
mod cast;
mod life;
mod quote;
mod report;
mod role;
mod stage;
mod verdict;

use std::time::{Duration, Instant};

use ringbus::Subscriber;

use crate::args::{DemoArgs, Place};
use crate::check;
use crate::outcome::{Failure, Outcome};
use crate::signals::Stop;
use crate::units;

use board::Board;
use cast::Cast;
use life::{Life, Lives};
use report::Report;
use stage::Stage;
use verdict::Evidence;

pub use role::play;

/// What a process of the demo plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Publishes the market data.
    Feed = 0,
    /// A strategy that is there from beginning to end.
    Momentum = 1,
    /// A strategy that is killed and restarted.
    Hedger = 2,
    /// A strategy that is too slow.
    Charts = 3,
    /// Looks on.
    Monitor = 4,
}

/// Roles that register with the topic as subscribers: all but the feed and the observer.
const REGISTERED: usize = 3;

impl Role {
    const ALL: [Self; 5] = [
        Self::Feed,
        Self::Momentum,
        Self::Hedger,
        Self::Charts,
        Self::Monitor,
    ];

    fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|&role| role as u32 == number)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Feed => "feed",
            Self::Momentum => "momentum",
            Self::Hedger => "hedger",
            Self::Charts => "charts",
            Self::Monitor => "monitor",
        }
    }

    fn delivery(self) -> &'static str {
        match self {
            Self::Feed => "publisher",
            Self::Momentum | Self::Hedger => "reliable",
            Self::Charts => "lossy, slow",
            Self::Monitor => "observer",
        }
    }
}

/// Runs the demo; anything but a clean bill is a failure.
pub fn run(place: &Place, args: &DemoArgs) -> Result<Outcome, Failure> {
    let stop = Stop::install()?;
    let stage = Stage::build(place, args)?;
    let mut director = Director::new(&stage, args, stop.clone())?;
    let ending = director.direct().and_then(|()| director.judge());
    // What is left to do is to clear up, and takes a moment.
    stop.is_heeded();
    match ending {
        // Nobody saw the verdict, so it was not a good one.
        Err(Failure::OutputClosed) => Err(Failure::say("stdout was closed before the checks")),
        ending => ending,
    }
}

fn opening(stage: &Stage, args: &DemoArgs) -> String {
    format!(
        "bus {}: {} messages/s for {} s through a ring of {} slots; hedger will be killed and restarted\n",
        stage.bus().path().display(),
        units::count(args.rate),
        args.seconds,
        units::count(stage.quotes().capacity_slots),
    )
}

/// Beyond the time the feed needs, this much is for starting and for catching up.
const GRACE: Duration = Duration::from_secs(30);

/// How often the director looks around.
const LOOK: Duration = Duration::from_millis(20);

/// What happens to the hedger next.
enum Plot {
    /// It runs until then.
    KillAt(Instant),
    /// It is dead until then.
    RestartAt(Instant),
    /// Nothing more.
    Told,
}

struct Director<'s> {
    stage: &'s Stage,
    args: &'s DemoArgs,
    stop: Stop,
    // Declared before the desk, so that nobody is left to report when that closes.
    cast: Cast,
    desk: Subscriber<Report>,
    board: Board,
    plot: Plot,
    retaken: Option<u64>,
}

impl<'s> Director<'s> {
    fn new(stage: &'s Stage, args: &'s DemoArgs, stop: Stop) -> Result<Self, Failure> {
        let (desk, cast) = (stage.listen()?, Cast::new(stage.place(), args)?);
        let board = Board::new();
        Ok(Self {
            stage,
            args,
            stop,
            cast,
            desk,
            board,
            plot: Plot::Told,
            retaken: None,
        })
    }

    /// From the first process's start to the last one's end.
    fn direct(&mut self) -> Result<(), Failure> {
        self.board.say(&opening(self.stage, self.args))?;
        for role in [Role::Momentum, Role::Hedger, Role::Charts, Role::Monitor] {
            self.cast.start(role, 0)?;
        }
        self.until(
            |lives| lives.0.iter().all(|life| life.report.is_some()),
            GRACE,
        )?;
        self.cast.start(Role::Feed, 0)?;
        let run = Duration::from_secs(self.args.seconds);
        self.plot = Plot::KillAt(Instant::now() + run.mul_f64(0.4));
        self.until(|lives| lives.0.iter().all(Life::is_over), run + GRACE)?;
        self.hear()
    }

    /// Looks on, and moves the plot, until `over`.
    fn until(&mut self, over: impl Fn(&Lives) -> bool, patience: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + patience;
        while !(over(&self.cast.lives) && matches!(self.plot, Plot::Told)) {
            if self.stop.asked() {
                return Err(Failure::say("the demo was interrupted before its checks"));
            }
            if Instant::now() > deadline {
                return Err(self.stuck());
            }
            self.cast
                .reap()
                .map_err(|e| Failure::io("cannot wait for processes", &e))?;
            self.hear()?;
            self.check_on_everyone()?;
            self.advance()?;
            self.board.show(&self.cast.lives)?;
            self.desk.wait(LOOK)?;
        }
        Ok(())
    }

    /// Notes every report there is.
    fn hear(&mut self) -> Result<(), Failure> {
        while let Some(report) = self.desk.poll()? {
            self.cast.lives.note(report.payload());
        }
        Ok(())
    }

    /// A process that ends badly by itself ends the demo; it has said why on stderr.
    fn check_on_everyone(&self) -> Result<(), Failure> {
        match self.cast.lives.0.iter().find(|life| life.failed()) {
            Some(life) => Err(Failure::say(format!(
                "{} ended before its time",
                life.role.name()
            ))),
            None => Ok(()),
        }
    }

    fn stuck(&self) -> Failure {
        let alive = self.cast.lives.0.iter().filter(|life| !life.is_over());
        let names = alive
            .map(|life| life.role.name())
            .collect::<Vec<_>>()
            .join(", ");
        Failure::say(format!("the demo takes too long; still there: {names}"))
    }

    fn advance(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        match self.plot {
            Plot::KillAt(then) if now >= then => {
                self.kill()?;
                let pause = Duration::from_secs(self.args.seconds).mul_f64(0.1);
                self.plot = Plot::RestartAt(now + pause.min(Duration::from_millis(500)));
            }
            Plot::RestartAt(then) if now >= then => {
                self.restart()?;
                self.plot = Plot::Told;
            }
            _ => {}
        }
        Ok(())
    }

    /// SIGKILL, in the middle of whatever it is doing. What it had published before stays.
    fn kill(&mut self) -> Result<(), Failure> {
        self.cast
            .kill(Role::Hedger)
            .map_err(|e| Failure::io("cannot kill hedger", &e))?;
        self.hear()?;
        let Some(life) = self.cast.lives.last(Role::Hedger) else {
            return Ok(());
        };
        let quotes = self.stage.quotes();
        let left_behind = quotes
            .subscribers
            .iter()
            .find(|subscriber| subscriber.pid == life.pid);
        self.retaken = left_behind.map(|dead| dead.cursor.saturating_sub(life.resume_point()));
        let from = units::count(life.resume_point());
        self.board.tell(&format!(
            "hedger is killed with SIGKILL; it had reported {from} messages"
        ))
    }

    fn restart(&mut self) -> Result<(), Failure> {
        let before = self.cast.lives.last(Role::Hedger);
        let from = before.map_or(0, Life::resume_point);
        self.cast.start(Role::Hedger, from)?;
        self.board
            .tell(&format!("hedger is restarted, from sequence {from} on"))
    }

    fn judge(&mut self) -> Result<Outcome, Failure> {
        self.board.close(&self.cast.lives)?;
        let quotes = self.stage.quotes();
        let evidence = Evidence {
            lives: &self.cast.lives,
            next: quotes.next,
            waited: quotes.waited,
            planned: self.args.seconds * self.args.rate,
            retaken: self.retaken,
        };
        let checks = evidence.checks();
        let words = format!("\n{}\n{}", evidence.latencies(), check::lines(&checks));
        self.board.say(&words)?;
        if checks.iter().all(|check| check.holds) {
            Ok(Outcome::Done)
        } else {
            Err(Failure::say("the demo failed"))
        }
    }
}
