//! `ringbus sub`: messages to stdout; of one topic here, of many in [`many`].

mod many;

use std::fmt;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use ringbus::{Bus, PollError, Subscriber, SubscriberBuilder, Topic, TopicError};

use crate::args::{Delivery, Format, Place, SubArgs};
use crate::format;
use crate::outcome::{Failure, Outcome, cannot_join, complain};
use crate::output;
use crate::signals::{LOOK_EVERY, Stop};
use crate::source::Source;
use crate::topics;
use crate::units::plural;

/// Messages taken at once: enough to make the cursor's store cheap.
const BATCH: usize = 256;

/// Prints messages until there were enough of them, the time is out, or a signal came.
pub fn run(place: &Place, args: &SubArgs) -> Result<Outcome, Failure> {
    let filter = args.filter.filter();
    if filter.is_some() && args.delivery == Delivery::Observe {
        return Err(Failure::usage(
            "an observer gets every message: filter with --delivery lossy or reliable",
        ));
    }
    let filter = filter.unwrap_or_default();
    let is_pattern = args.topic.contains(['*', '>']);
    if is_pattern {
        if args.delivery == Delivery::Observe {
            return Err(Failure::usage(
                "--delivery observe reads one topic: name it, or subscribe lossy",
            ));
        }
    } else if args.by_time {
        return Err(Failure::usage(
            "--by-time: a topic has one order; it is for patterns",
        ));
    }
    if args.stall_timeout.is_some() && args.delivery != Delivery::Reliable {
        return Err(Failure::usage(
            "--stall-timeout: only --delivery reliable is waited for",
        ));
    }
    let stop = Stop::install()?;
    let until = Until {
        deadline: args.timeout.map(|timeout| Instant::now() + timeout),
        stop,
    };
    let bus = place.open_or_create_for(&args.sharing)?;
    if is_pattern {
        return many::run(&bus, args, filter, &until);
    }
    let Some(topic) = await_topic(&bus, &args.topic, &until)? else {
        return Ok(until.give_up(&args.topic, "it does not exist"));
    };
    let mut printer = Printer::new(args);
    let ending = match args.delivery {
        Delivery::Observe => printer.pump(topic.observer(args.from.start())?, &topic, &until),
        Delivery::Lossy => {
            let subscriber = topic.subscriber().lossy().start(args.from.start());
            printer.pump(
                join(subscriber.filter(filter), &args.topic)?,
                &topic,
                &until,
            )
        }
        Delivery::Reliable => {
            let mut subscriber = topic.subscriber().reliable().start(args.from.start());
            if let Some(timeout) = args.stall_timeout {
                subscriber = subscriber.stall_timeout(timeout);
            }
            printer.pump(
                join(subscriber.filter(filter), &args.topic)?,
                &topic,
                &until,
            )
        }
    };
    printer.losses.sum_up();
    let ending = ending?;
    let lost = args.strict && printer.losses.total > 0;
    Ok(if lost { Outcome::Lost } else { ending })
}

fn join(builder: SubscriberBuilder<[u8]>, topic: &str) -> Result<Subscriber<[u8]>, Failure> {
    let joined = builder.join();
    joined.map_err(|error| Failure::say(cannot_join(topic, &error)))
}

/// Opens the topic, waiting for it to appear; none: it did not.
fn await_topic(bus: &Bus, name: &str, until: &Until) -> Result<Option<Topic<[u8]>>, Failure> {
    let mut watch = None;
    let (started, mut is_told) = (Instant::now(), false);
    loop {
        match bus.topic(name).open() {
            Ok(topic) => return Ok(Some(topic)),
            Err(TopicError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let Some(patience) = until.patience() else {
            return Ok(None);
        };
        let watch = match &mut watch {
            Some(watch) => watch,
            none => none.insert(bus.watch()?),
        };
        if output::is_closed() {
            return Err(Failure::OutputClosed);
        }
        if !is_told && started.elapsed() >= TELL_AFTER {
            is_told = true;
            complain(format_args!(
                "{name}: waiting for the topic, which nobody has made yet on {}; publish on it, or check \
                 the bus and the spelling",
                bus.path().display()
            ));
        }
        watch.next(patience)?;
    }
}

/// A wait for a topic that takes longer is told of.
const TELL_AFTER: Duration = Duration::from_secs(1);

/// Whether nothing will ever come from this topic again.
fn is_deserted(topic: &Topic<[u8]>) -> bool {
    topic.is_removed() && topics::living(&topic.info()).0 == 0
}

/// When to end, other than by having enough.
struct Until {
    deadline: Option<Instant>,
    stop: Stop,
}

impl Until {
    /// How long to wait before looking again; none: not at all any more.
    fn patience(&self) -> Option<Duration> {
        if self.stop.asked() {
            return None;
        }
        let Some(deadline) = self.deadline else {
            return Some(LOOK_EVERY);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        (!left.is_zero()).then(|| left.min(LOOK_EVERY))
    }

    /// The ending of what is not done: asked for by a signal, or else `short` of what was wanted.
    fn give_up(&self, topic: &str, short: impl fmt::Display) -> Outcome {
        if self.stop.asked() {
            return Outcome::Done;
        }
        complain(format_args!("{topic}: the time ran out, and {short}"));
        Outcome::TimedOut
    }
}

/// Stdout, and what went there or was lost.
struct Printer {
    out: BufWriter<StdoutLock<'static>>,
    format: Format,
    /// Messages still to print; none: no end.
    left: Option<u64>,
    losses: Losses,
}

impl Printer {
    fn new(args: &SubArgs) -> Self {
        Self {
            out: BufWriter::with_capacity(64 << 10, io::stdout().lock()),
            format: args.format(),
            left: args.count,
            losses: Losses::new(&args.topic),
        }
    }

    /// Prints what comes from `source`. Flushes before each wait: what is there is seen at once.
    fn pump(
        &mut self,
        mut source: impl Source<[u8]>,
        topic: &Topic<[u8]>,
        until: &Until,
    ) -> Result<Outcome, Failure> {
        while self.left != Some(0) {
            let taken = self.print_some(&mut source)?;
            let Some(patience) = until.patience() else {
                break;
            };
            if taken > 0 {
                continue;
            }
            self.out.flush()?;
            if output::is_closed() {
                return Err(Failure::OutputClosed);
            }
            match source.wait(patience) {
                Ok(true) => {}
                Ok(false) if is_deserted(topic) && self.print_some(&mut source)? == 0 => {
                    let words = "was removed, and nobody publishes on it any more";
                    return Err(Failure::say(format!("topic {} {words}", topic.name())));
                }
                Ok(false) => {}
                Err(error) => self.losses.note(error, source.cursor())?,
            }
        }
        self.out.flush()?;
        Ok(match self.left {
            None | Some(0) => Outcome::Done,
            Some(left) => {
                let missing = plural(left, "message");
                let short = format_args!("{missing} of --count did not come");
                until.give_up(&self.losses.topic, short)
            }
        })
    }

    /// Prints what is there now, up to a batch; says how many messages that were.
    fn print_some(&mut self, source: &mut impl Source<[u8]>) -> Result<usize, Failure> {
        let max = self
            .left
            .map_or(BATCH, |left| left.min(BATCH as u64) as usize);
        let mut written = Ok(());
        let taken = source.take(max, &mut |message| {
            written = format::write(&mut self.out, self.format, &message);
            if written.is_ok() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        written?;
        match taken {
            Ok(taken) => {
                self.left = self.left.map(|left| left - taken as u64);
                Ok(taken)
            }
            Err(error) => {
                self.losses.note(error, source.cursor())?;
                Ok(0)
            }
        }
    }
}

/// What was lost. Told on stderr as it happens, at most once a second, and in sum at the end.
struct Losses {
    topic: String,
    total: u64,
    untold: u64,
    told: Option<Instant>,
}

/// The shortest time between two words about losses.
const TELL_EVERY: Duration = Duration::from_secs(1);

impl Losses {
    fn new(topic: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            total: 0,
            untold: 0,
            told: None,
        }
    }

    /// Counts the loss that `error` tells of, before the message of sequence `next`; any other
    /// error is returned.
    fn note(&mut self, error: PollError, next: u64) -> Result<(), Failure> {
        let (PollError::Lagged { missed } | PollError::Evicted { missed }) = error else {
            return Err(error.into());
        };
        if matches!(error, PollError::Evicted { .. }) {
            complain(format_args!(
                "{}: evicted for being stuck too long",
                self.topic
            ));
        }
        self.total += missed;
        self.untold += missed;
        if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            self.tell(next);
        }
        Ok(())
    }

    fn tell(&mut self, next: u64) {
        let lost = plural(self.untold, "message");
        complain(format_args!(
            "{}: lost {lost}; going on at sequence {next}",
            self.topic
        ));
        self.untold = 0;
        self.told = Some(Instant::now());
    }

    fn sum_up(&self) {
        if self.total > 0 {
            complain(format_args!(
                "{}: lost {} in all",
                self.topic,
                plural(self.total, "message")
            ));
        }
    }
}
