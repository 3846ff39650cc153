//! One process of the demo: the feed, or a strategy that reads it.

use std::io;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use ringbus::{Meta, Patience, PollError, Start, Timestamp};

use super::quote::{LAST, Market, Quote};
use super::report::{Account, Report, Reporter};
use super::{REGISTERED, Role, stage};
use crate::args::{Place, RoleArgs};
use crate::latency::{Latencies, Percentiles};
use crate::outcome::{Failure, Outcome};
use crate::pace::Pace;
use crate::signals::Stop;
use crate::source::{Source, View};

/// Plays `args.role` until the stream ends.
pub fn play(place: &Place, args: &RoleArgs) -> Result<Outcome, Failure> {
    die_with_the_director().map_err(|e| Failure::io("cannot watch stdin", &e))?;
    let role = Role::from_number(args.role)
        .ok_or_else(|| Failure::say("this verb is only for the demo itself: run ringbus demo"))?;
    let bus = place.open_existing()?;
    let reporter = Reporter::new(stage::reports(&bus)?.publisher()?, role, args.life);
    let quotes = stage::quotes(&bus)?;
    let start = Start::Sequence(args.from);
    match role {
        Role::Feed => feed(args, &quotes.publisher()?, reporter),
        Role::Momentum | Role::Hedger => {
            let source = quotes.subscriber().reliable().start(start).join()?;
            Strategy::new(args, reporter, None)?.run(source)
        }
        Role::Charts => {
            let source = quotes.subscriber().lossy().start(start).join()?;
            Strategy::new(args, reporter, Some(Slowness::new(args)))?.run(source)
        }
        Role::Monitor => Strategy::new(args, reporter, None)?.run(quotes.observer(start)?),
    }?;
    Ok(Outcome::Done)
}

/// The director holds the other end of stdin, which the kernel closes even if it is killed.
fn die_with_the_director() -> io::Result<()> {
    std::thread::Builder::new()
        .name("director".to_owned())
        .spawn(|| {
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            std::process::exit(1);
        })?;
    Ok(())
}

/// Publishes `rate` quotes a second for so many seconds; the last one says so.
fn feed(
    args: &RoleArgs,
    publisher: &ringbus::Publisher<Quote>,
    mut reporter: Reporter,
) -> Result<(), Failure> {
    reporter.tell(Report::default())?;
    publisher.wait_subscribers(REGISTERED, Duration::from_secs(10))?;
    let stop = Stop::install()?;
    let (mut market, total) = (Market::open(), args.rate * args.seconds);
    let mut pace = Pace::new(Some(args.rate as f64));
    let mut account = Account::from(0);
    while account.next < total && pace.wait(&stop) {
        let flags = if account.next + 1 == total { LAST } else { 0 };
        let quote = market.quote(account.next, Timestamp::now().as_nanos());
        let sequence =
            publisher.publish_with(Meta::new().flags(flags), &quote, Patience::Forever)?;
        account.take(sequence, true);
        if reporter.is_due() {
            reporter.tell(Report {
                account,
                ..Report::default()
            })?;
        }
    }
    reporter.tell(Report {
        account,
        done: 1,
        ..Report::default()
    })
}

/// How the slow strategy is slow: it holds each message for a while, as long as the run lasts.
/// What the ring still retains then it takes at full speed.
struct Slowness {
    pause: Duration,
    lasts: Duration,
    until: Option<Instant>,
}

impl Slowness {
    /// Twenty times slower than the feed.
    fn new(args: &RoleArgs) -> Self {
        let pause = Duration::from_secs_f64(20.0 / args.rate.max(1) as f64);
        Self {
            pause,
            lasts: Duration::from_secs(args.seconds),
            until: None,
        }
    }

    fn dawdle(&mut self) {
        let now = Instant::now();
        if now < *self.until.get_or_insert(now + self.lasts) {
            std::thread::sleep(self.pause);
        }
    }
}

/// A reader of the feed that keeps account of every sequence.
struct Strategy {
    reporter: Reporter,
    account: Account,
    slowness: Option<Slowness>,
    joined_ns: u64,
    caught_up: u64,
    whole: Latencies,
    recent: Latencies,
    shown: Percentiles,
    shown_until: Instant,
    saw_last: bool,
}

/// How long a window of recent latencies is.
const RECENT: Duration = Duration::from_millis(500);

impl Strategy {
    fn new(
        args: &RoleArgs,
        reporter: Reporter,
        slowness: Option<Slowness>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            reporter,
            account: Account::from(args.from),
            slowness,
            joined_ns: Timestamp::now().as_nanos(),
            caught_up: 0,
            whole: Latencies::new().map_err(Failure::say)?,
            recent: Latencies::new().map_err(Failure::say)?,
            shown: Percentiles::default(),
            shown_until: Instant::now() + RECENT,
            saw_last: false,
        })
    }

    fn run(mut self, mut source: impl Source<Quote>) -> Result<(), Failure> {
        self.tell(&source, false)?;
        while !self.saw_last {
            let taken = self.take_some(&mut source)?;
            if self.reporter.is_due() {
                self.tell(&source, false)?;
            }
            if taken == 0 && !self.saw_last {
                self.note_loss(source.wait(RECENT / 10).map(drop))?;
            }
        }
        self.tell(&source, true)
    }

    fn take_some(&mut self, source: &mut impl Source<Quote>) -> Result<usize, Failure> {
        let max = if self.slowness.is_some() { 1 } else { 64 };
        let taken = source.take(max, &mut |message| {
            self.take(&message);
            ControlFlow::Continue(())
        });
        let count = taken.unwrap_or(0);
        self.note_loss(taken.map(drop))?;
        Ok(count)
    }

    fn take(&mut self, message: &View<'_, Quote>) {
        let quote = message.payload;
        self.measure(quote.published_ns);
        if let Some(slowness) = &mut self.slowness {
            // In the middle of using it: it must not change meanwhile.
            slowness.dawdle();
        }
        let intact = quote.is_intact() && quote.sequence == message.sequence;
        self.account.take(message.sequence, intact);
        self.saw_last = message.flags & LAST != 0;
    }

    fn measure(&mut self, published_ns: u64) {
        if published_ns < self.joined_ns {
            self.caught_up += 1;
            return;
        }
        let latency_ns = Timestamp::now().as_nanos().saturating_sub(published_ns);
        self.whole.record(latency_ns);
        self.recent.record(latency_ns);
    }

    fn note_loss(&mut self, polled: Result<(), PollError>) -> Result<(), Failure> {
        match polled {
            Ok(()) => Ok(()),
            Err(PollError::Lagged { missed }) => {
                self.account.lose(missed);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn tell(&mut self, source: &impl Source<Quote>, done: bool) -> Result<(), Failure> {
        let now = Instant::now();
        if now >= self.shown_until {
            self.shown = self.recent.percentiles();
            self.recent.clear();
            self.shown_until = now + RECENT;
        }
        self.reporter.tell(Report {
            done: done.into(),
            account: self.account,
            lag: source.lag(),
            lagged: source.lagged(),
            caught_up: self.caught_up,
            recent: self.shown,
            whole: self.whole.percentiles(),
            ..Report::default()
        })
    }
}
