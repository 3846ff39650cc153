//! `ringbus serve`: a command for each request, its stdout the reply.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use ringbus::{Deferred, PollError, Server};

use crate::args::{Place, ServeArgs};
use crate::outcome::{Failure, Outcome, complain};
use crate::signals::{LOOK_EVERY, Stop};
use crate::units::plural;

/// Serves until a signal comes, or there were enough requests.
pub fn run(place: &Place, args: &ServeArgs) -> Result<Outcome, Failure> {
    let stop = Stop::install()?;
    let mut builder = place.open_or_create()?.server(&args.service);
    if let Some(bytes) = args.request_max {
        builder = builder.request_max(bytes);
    }
    if let Some(bytes) = args.reply_max {
        builder = builder.reply_max(bytes);
    }
    let mut server = builder.join()?;
    let mut left = args.count;
    while left != Some(0) && !stop.asked() {
        let (payload, deferred) = match next(&mut server) {
            Ok(Some(request)) => request,
            Ok(None) => continue,
            Err(error) => {
                tell(args, error)?;
                continue;
            }
        };
        left = left.map(|left| left - 1);
        let answered = match answer(&args.command, payload) {
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
    let PollError::Evicted { missed } = error else {
        return Err(error.into());
    };
    let missed = plural(missed, "request");
    complain(format_args!(
        "{}: stuck too long, and missed {missed}",
        args.service
    ));
    Ok(())
}

/// What the command says to a request, or why it says nothing.
fn answer(command: &[String], request: Vec<u8>) -> Result<Vec<u8>, String> {
    let [program, arguments @ ..] = command else {
        return Err("there is no command".to_owned());
    };
    let cannot = |e: io::Error| format!("cannot run {program}: {e}");
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(cannot)?;
    let stdin = child.stdin.take();
    // One that does not read all of its request has had enough of it.
    let writer = std::thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&request)));
    let output = child.wait_with_output().map_err(cannot)?;
    let _ = writer.join();
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(format!("{program}: {}", output.status)),
    }
}
