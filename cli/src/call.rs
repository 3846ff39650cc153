//! `ringbus call`: a request to a service, and the answers to stdout.

use std::io::{self, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use ringbus::{Call, CallError, Client};
use serde_json::json;

use crate::args::{CallArgs, Place};
use crate::json;
use crate::outcome::{Failure, Outcome, complain};
use crate::signals::{LOOK_EVERY, Stop};
use crate::units::plural;

/// A client of bytes.
type Caller = Client<[u8], [u8]>;

/// Sends one request, and prints every reply to it.
pub fn run(place: &Place, args: &CallArgs) -> Result<Outcome, Failure> {
    let request = match &args.request {
        Some(text) => text.clone().into_bytes(),
        None => read_stdin()?,
    };
    let stop = Stop::install()?;
    let deadline = Instant::now().checked_add(args.timeout);
    let Some(mut client) = join(place, args, &stop, deadline)? else {
        return Ok(match stop.asked() {
            true => Outcome::Done,
            false => {
                complain(format_args!(
                    "{}: fewer than {} servers came in time",
                    args.service, args.wait_servers
                ));
                Outcome::TimedOut
            }
        });
    };
    let left = deadline.map_or(args.timeout, |end| {
        end.saturating_duration_since(Instant::now())
    });
    let call = match args.all {
        true => client.send_to_all(&request, left)?,
        false => client.send(&request, left)?,
    };
    print_answers(&mut client, &call, args, &stop, deadline)
}

/// Joins the service, once there are as many servers as are to be waited for; `None` if it was too late, or
/// asked to end.
fn join(
    place: &Place,
    args: &CallArgs,
    stop: &Stop,
    deadline: Option<Instant>,
) -> Result<Option<Caller>, Failure> {
    if args.wait_servers == 0 {
        let client = place.open_existing()?.client(&args.service);
        return Ok(Some(client.reliable().join()?));
    }
    let bus = place.open_or_create()?;
    loop {
        match bus.client(&args.service).reliable().join() {
            Ok(client) if client.servers() >= args.wait_servers => return Ok(Some(client)),
            Ok(_) | Err(CallError::NoServer { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if stop.asked() || deadline.is_some_and(|end| end <= Instant::now()) {
            return Ok(None);
        }
        thread::sleep(SERVERS_EVERY);
    }
}

/// How often to look for servers that are waited for.
const SERVERS_EVERY: Duration = Duration::from_millis(10);

fn print_answers(
    client: &mut Caller,
    call: &Call,
    args: &CallArgs,
    stop: &Stop,
    deadline: Option<Instant>,
) -> Result<Outcome, Failure> {
    let mut out = io::stdout().lock();
    let mut failed = 0;
    loop {
        let left = deadline.map_or(LOOK_EVERY, |end| {
            end.saturating_duration_since(Instant::now())
        });
        match client.next(call, left.min(LOOK_EVERY)) {
            Ok(None) => break,
            Ok(Some(reply)) => {
                match args.json {
                    true => writeln!(out, "{}", described(reply.server(), reply.payload()))?,
                    false => {
                        out.write_all(&reply)?;
                        out.write_all(b"\n")?;
                    }
                }
                out.flush()?;
            }
            Err(CallError::Timeout) if stop.asked() => return Ok(Outcome::Done),
            Err(CallError::Timeout) if left.is_zero() => {
                complain(format_args!("{}: {}", args.service, CallError::Timeout));
                return Ok(Outcome::TimedOut);
            }
            Err(CallError::Timeout) => {}
            // The others may still answer.
            Err(error @ (CallError::Failed { .. } | CallError::ServerEnded { .. })) if args.all => {
                complain(format_args!("{}: {error}", args.service));
                failed += 1;
            }
            Err(error) => return Err(Failure::say(format_args!("{}: {error}", args.service))),
        }
    }
    match failed {
        0 => Ok(Outcome::Done),
        _ => Err(Failure::say(format_args!(
            "{}: {} did not answer",
            args.service,
            plural(failed, "server")
        ))),
    }
}

fn described(server: u16, payload: &[u8]) -> serde_json::Value {
    match std::str::from_utf8(payload) {
        Ok(text) => json!({"server": server, "len": payload.len(), "payload": text}),
        Err(_) => {
            json!({"server": server, "len": payload.len(), "payload_hex": json::hex(payload)})
        }
    }
}

fn read_stdin() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().read_to_end(&mut bytes);
    read.map_err(|e| Failure::io("cannot read the request from stdin", &e))?;
    Ok(bytes)
}
