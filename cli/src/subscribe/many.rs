//! `ringbus sub PATTERN`: the messages of all topics that match.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Instant;

use ringbus::{Bus, Filter, MultiError, MultiSubscriber, Order, PollError};

use super::{Losses, Printer, TELL_AFTER, Until};
use crate::args::{Delivery, SubArgs};
use crate::format;
use crate::outcome::{Failure, Outcome, cannot_join, complain};
use crate::output;
use crate::source::{View, view};
use crate::units::plural;

/// Messages between two looks at the clock and at signals.
const BATCH: usize = 256;

/// Prints messages until there were enough of them, the time is out, or a signal came.
pub fn run(bus: &Bus, args: &SubArgs, filter: Filter, until: &Until) -> Result<Outcome, Failure> {
    let builder = bus.subscribe_pattern(&args.topic);
    let builder = builder.start(args.from.start()).filter(filter);
    let builder = match args.delivery {
        Delivery::Reliable => builder.reliable(),
        // Observers are refused before: they read one topic.
        Delivery::Lossy | Delivery::Observe => builder.lossy(),
    };
    let builder = match args.stall_timeout {
        Some(timeout) => builder.stall_timeout(timeout),
        None => builder,
    };
    let builder = match args.by_time {
        true => builder.order(Order::Time),
        false => builder,
    };
    let mut many = Many {
        source: builder.join()?,
        losses: BTreeMap::new(),
        awaits_first: true,
    };
    let mut printer = Printer::new(args);
    let ending = many.pump(&mut printer, bus, args, until);
    many.losses.values().for_each(Losses::sum_up);
    let lost = args.strict && many.losses.values().any(|losses| losses.total > 0);
    let ending = ending?;
    Ok(if lost { Outcome::Lost } else { ending })
}

struct Many {
    source: MultiSubscriber<[u8]>,
    /// By topic.
    losses: BTreeMap<String, Losses>,
    /// No topic has matched so far, and nothing was said of that.
    awaits_first: bool,
}

impl Many {
    fn pump(
        &mut self,
        printer: &mut Printer,
        bus: &Bus,
        args: &SubArgs,
        until: &Until,
    ) -> Result<Outcome, Failure> {
        let started = Instant::now();
        while printer.left != Some(0) {
            let taken = self.print_some(printer)?;
            let Some(patience) = until.patience() else {
                break;
            };
            if taken > 0 {
                continue;
            }
            printer.out.flush()?;
            if output::is_closed() {
                return Err(Failure::OutputClosed);
            }
            self.awaits_first &= self.source.topics().next().is_none();
            if self.awaits_first && started.elapsed() >= TELL_AFTER {
                self.awaits_first = false;
                complain(format_args!(
                    "{}: waiting for a topic that matches, which nobody has made yet on {}; publish on \
                     one, or check the bus and the pattern",
                    args.topic,
                    bus.path().display()
                ));
            }
            self.source.wait(patience)?;
        }
        printer.out.flush()?;
        Ok(match printer.left {
            None | Some(0) => Outcome::Done,
            Some(left) => {
                let missing = plural(left, "message");
                let short = format_args!("{missing} of --count did not come");
                until.give_up(&args.topic, short)
            }
        })
    }

    /// Prints what is there now, up to a batch; says how many messages that were.
    fn print_some(&mut self, printer: &mut Printer) -> Result<usize, Failure> {
        for taken in 0..BATCH {
            if printer.left == Some(0) {
                return Ok(taken);
            }
            let told = match self.source.poll() {
                Ok(None) => return Ok(taken),
                Ok(Some(message)) => {
                    let view = view!(message, Some(message.topic().as_str()));
                    format::write(&mut printer.out, printer.format, &view)?;
                    printer.left = printer.left.map(|left| left - 1);
                    continue;
                }
                Err(told) => told,
            };
            // Of a topic that matches: what is wrong with it is said.
            self.awaits_first = false;
            match told {
                MultiError::Poll { topic, source } => self.note(topic.as_str(), source)?,
                MultiError::Open(_) => complain(told),
                MultiError::Join { topic, source } => complain(format_args!(
                    "topic {topic} is left out: {}",
                    cannot_join(topic.as_str(), &source)
                )),
                told => return Err(told.into()),
            }
        }
        Ok(BATCH)
    }

    fn note(&mut self, topic: &str, error: PollError) -> Result<(), Failure> {
        let known = self
            .source
            .topics()
            .find(|known| known.name.as_str() == topic);
        let next = known.map_or(0, |known| known.cursor);
        let losses = self.losses.entry(topic.to_owned());
        let losses = losses.or_insert_with(|| Losses::new(topic));
        match losses.note(error, next) {
            // The others go on.
            Err(damage) if matches!(error, PollError::Corrupted { .. }) => {
                complain(format_args!("{topic} is left out: {damage}"));
                Ok(())
            }
            noted => noted,
        }
    }
}
