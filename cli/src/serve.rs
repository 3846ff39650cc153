//! `ringbus serve`: a command for each request, its stdout the reply.

mod command;

use std::time::{Duration, Instant};

use ringbus::{
    Bus, CallError, Deferred, PollError, SegmentError, Server, ServerBuilder, TopicError,
};

use crate::args::{Place, ServeArgs};
use crate::outcome::{Failure, Outcome, complain};
use crate::signals::{LOOK_EVERY, Stop};
use crate::units::plural;

use command::Running;

/// Serves until a signal comes, or there were enough requests.
pub fn run(place: &Place, args: &ServeArgs) -> Result<Outcome, Failure> {
    let mut ending = Ending::new(Stop::install()?, args.grace);
    let bus = place.open_or_create_for(&args.sharing)?;
    let mut server = join(&bus, args)?;
    let mut left = args.count;
    while left != Some(0) && !ending.is_asked_for() {
        let (payload, deferred) = match next(&mut server) {
            Ok(Some(request)) => request,
            Ok(None) => continue,
            Err(error) => {
                tell(args, error)?;
                continue;
            }
        };
        left = left.map(|left| left - 1);
        let answered = match answer(&args.command, payload, server.reply_max(), &mut ending) {
            Ok(reply) => match server.send(&deferred, &reply) {
                Ok(()) => server.finish(deferred),
                Err(error) => {
                    complain(format_args!("{}: {error}", args.service));
                    server.fail(deferred, &error.to_string())
                }
            },
            Err(why) => server.fail(deferred, &why),
        };
        answered?;
    }
    Ok(Outcome::Done)
}

/// Begins to serve; in small pages where the system gives the topics no huge ones.
fn join(bus: &Bus, args: &ServeArgs) -> Result<Server<[u8], [u8]>, CallError> {
    match describe(bus, args).huge_pages(args.huge_pages).join() {
        Err(CallError::Topic(TopicError::Segment(
            error @ (SegmentError::NoHugePages { .. } | SegmentError::Unsupported { .. }),
        ))) if args.huge_pages => {
            complain(format_args!("note: --huge-pages is left out: {error}"));
            describe(bus, args).join()
        }
        joined => joined,
    }
}

fn describe(bus: &Bus, args: &ServeArgs) -> ServerBuilder<[u8], [u8]> {
    let mut builder = bus.server(&args.service);
    if let Some(bytes) = args.request_max {
        builder = builder.request_max(bytes);
    }
    if let Some(bytes) = args.reply_max {
        builder = builder.reply_max(bytes);
    }
    builder
        .prefault(args.prefault)
        .lock_memory(args.lock_memory)
}

/// A request, given back before the command runs: however long that takes, it holds up no client.
fn next(server: &mut Server<[u8], [u8]>) -> Result<Option<(Vec<u8>, Deferred)>, PollError> {
    if !server.wait(LOOK_EVERY)? {
        return Ok(None);
    }
    let request = server.poll()?;
    Ok(request.map(|request| (request.to_vec(), request.defer())))
}

/// Says what was missed; any other error is returned.
fn tell(args: &ServeArgs, error: PollError) -> Result<(), Failure> {
    let missed = match error {
        PollError::Evicted { missed } => missed,
        PollError::Removed => {
            return Err(Failure::say(format_args!(
                "service {}: its topics were removed, and no client is left on them; start it again",
                args.service
            )));
        }
        error => return Err(error.into()),
    };
    let missed = plural(missed, "request");
    complain(format_args!(
        "{}: stuck too long, and missed {missed}",
        args.service
    ));
    Ok(())
}

/// What the command says to a request, or why it says nothing.
fn answer(
    command: &[String],
    request: Vec<u8>,
    reply_max: usize,
    ending: &mut Ending,
) -> Result<Vec<u8>, String> {
    let mut running = Running::start(command, request, reply_max)?;
    loop {
        if let Some(answer) = running.wait(LOOK_EVERY) {
            return answer;
        }
        if ending.is_due() {
            running.end();
            return Err("the server has ended, and waited no longer for its command".to_owned());
        }
    }
}

/// The end of serving: a signal asks for it, and the command that runs has some time left.
struct Ending {
    stop: Stop,
    grace: Duration,
    due: Option<Instant>,
}

impl Ending {
    fn new(stop: Stop, grace: Duration) -> Self {
        Self {
            stop,
            grace,
            due: None,
        }
    }

    /// Whether there is to be no further request.
    fn is_asked_for(&self) -> bool {
        self.due.is_some() || self.stop.asked()
    }

    /// Whether a command that runs is to end now: its time is over, or a second signal came.
    fn is_due(&mut self) -> bool {
        if self.stop.asked() {
            // The next one does not end this process before its command.
            self.stop.is_heeded();
            let now = Instant::now();
            self.due = Some(match self.due {
                None => now + self.grace,
                Some(_) => now,
            });
        }
        self.due.is_some_and(|due| Instant::now() >= due)
    }
}
