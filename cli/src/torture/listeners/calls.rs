//! Survivors that call and serve.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ringbus::{CallError, Client, PollError, Server};

use super::{CALLER, LEN_MAX};
use crate::outcome::Failure;
use crate::torture::canary::lock;
use crate::torture::checked;
use crate::torture::faults::{Faults, Kind};
use crate::torture::progress::{Progress, STALL_MAX};

/// What a client is measured by.
pub struct Watched<'w> {
    /// The server that lives throughout.
    pub survivor: u16,
    /// How long sending takes.
    pub calls: &'w Progress,
    /// How long after its death a server is known to be dead.
    pub deaths: &'w Progress,
    /// When a server was killed last.
    pub killed: &'w Mutex<Instant>,
}

/// What became of a client's calls.
#[derive(Default)]
pub struct Called {
    pub answered: u64,
    pub ended: u64,
    pub faults: Faults,
}

/// Calls under way at the same time: some are held by a server until its death.
const WINDOW: usize = 4;
/// Nobody takes so long for an answer, unless for ever.
const GIVE_UP: Duration = Duration::from_secs(20);
/// The longest that a server sleeps before it looks whether it is over.
const NAP: Duration = Duration::from_millis(200);

/// Calls until it is over: each call is answered by what was asked, or its server is dead.
pub fn call(
    client: &mut Client<[u8], [u8]>,
    watched: &Watched<'_>,
    is_over: &AtomicBool,
) -> Result<Called, Failure> {
    let _watch = watched.calls.watch_this_thread();
    let mut called = Called::default();
    let mut under_way = VecDeque::new();
    let mut serial = 0;
    loop {
        while under_way.len() < WINDOW && !is_over.load(Ordering::Acquire) {
            let request = checked::payload(LEN_MAX, CALLER, serial);
            serial += 1;
            let from = Instant::now();
            let call = client.send(&request, GIVE_UP)?;
            watched.calls.took(from, STALL_MAX);
            under_way.push_back((call, request));
        }
        let Some((call, request)) = under_way.pop_front() else {
            return Ok(called);
        };
        match client.next(&call, GIVE_UP) {
            Ok(Some(reply)) => {
                called.answered += 1;
                let is_another = u64::from(reply.payload() != request);
                called.faults.add(Kind::Misplaced, is_another, || {
                    format!("server {} answered another call", reply.server())
                });
            }
            Err(CallError::ServerEnded { server }) if server != watched.survivor => {
                called.ended += 1;
                watched.deaths.took(*lock(watched.killed), STALL_MAX);
            }
            Ok(None) => called.faults.add(Kind::Lost, 1, || "an answer".to_owned()),
            Err(error) => return Err(error.into()),
        }
        client.cancel(call);
    }
}

/// Serves until it is over; returns how many requests.
pub fn serve(
    mut server: Server<[u8], [u8]>,
    progress: &Progress,
    is_over: &AtomicBool,
) -> Result<u64, Failure> {
    let _watch = progress.watch_this_thread();
    let mut served = 0;
    loop {
        let is_last = is_over.load(Ordering::Acquire);
        let is_empty = !server.wait(NAP)?;
        loop {
            let request = match server.poll() {
                Ok(Some(request)) => request,
                Ok(None) => break,
                // It was late by its stall timeout; what it missed, the client is not told of.
                Err(error @ PollError::Evicted { .. }) => return Err(error.into()),
                Err(error) => return Err(error.into()),
            };
            let echo = request.to_vec();
            let from = Instant::now();
            request.reply(&echo)?;
            progress.took(from, STALL_MAX);
            served += 1;
        }
        if is_empty && is_last {
            return Ok(served);
        }
    }
}
