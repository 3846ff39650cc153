//! Clients and servers that die.

use std::time::{Duration, Instant};

use ringbus::{CallError, Client};

use super::actor::{Actor, Roles, Stage, eventually, say};
use crate::support::TestBus;

pub const ROLES: Roles = &[
    ("call/silent-server", silent_server),
    ("call/server", server),
    ("call/client", client),
];

/// The bound asked for is 50 ms; a loaded machine may be late.
const KNOWN_WITHIN: Duration = Duration::from_millis(500);
const LONG: Duration = Duration::from_secs(10);

/// Takes a request, and never answers it.
fn silent_server(stage: &Stage) {
    let mut server = stage.bus().server("s").join().unwrap();
    say("serves");
    assert!(server.wait(LONG).unwrap());
    let _request = server.poll().unwrap();
    say("has it");
    stage.wait();
}

/// Answers every request with its payload, until it is killed.
fn server(stage: &Stage) {
    let mut server = stage.bus().server("s").join().unwrap();
    say("serves");
    loop {
        assert!(server.wait(LONG).unwrap());
        while let Some(request) = server.poll().unwrap() {
            let echo = request.to_vec();
            request.reply(&echo).unwrap();
        }
    }
}

/// Calls without an end.
fn client(stage: &Stage) {
    let mut client = stage.bus().client("s").join().unwrap();
    for number in 0_u64.. {
        let reply = client.call(&number.to_le_bytes(), LONG).unwrap();
        assert_eq!(reply.payload(), number.to_le_bytes());
        if number == 100 {
            say("calls");
        }
    }
}

fn start(role: &str, bus: &TestBus) -> Actor {
    Actor::start(role, bus.root().path(), &[])
}

#[test]
fn the_death_of_a_server_is_known_long_before_the_timeout() {
    let bus = TestBus::new();
    let mut longest = Duration::ZERO;
    for _ in 0..10 {
        let mut actor = start("call/silent-server", &bus);
        assert_eq!(actor.hear(), "serves");
        let mut client = bus.client("s").join().unwrap();
        let call = client.send(b"x", LONG).unwrap();
        assert_eq!(actor.hear(), "has it");
        let waiting = std::thread::spawn(move || {
            let answer = client.next(&call, LONG);
            (answer.map(|_| ()), Instant::now(), client)
        });
        std::thread::sleep(Duration::from_millis(5));
        actor.kill();
        let killed = Instant::now();
        let (answer, known, mut client) = waiting.join().unwrap();
        assert!(
            matches!(answer, Err(CallError::ServerEnded { .. })),
            "{answer:?}"
        );
        longest = longest.max(known.saturating_duration_since(killed));
        let none = client.call(b"x", LONG);
        assert!(matches!(none, Err(CallError::NoServer { .. })), "{none:?}");
    }
    println!("deaths of servers were known within {longest:?}");
    assert!(longest <= KNOWN_WITHIN, "{longest:?}");
}

#[test]
fn a_stopped_server_is_alive_and_waited_for() {
    let bus = TestBus::new();
    let mut actor = start("call/server", &bus);
    assert_eq!(actor.hear(), "serves");
    let mut client = bus.client("s").join().unwrap();
    actor.stop();
    let call = client.send(b"x", LONG).unwrap();
    let answer = client.next(&call, Duration::from_millis(100));
    assert!(matches!(answer, Err(CallError::Timeout)), "{answer:?}");
    actor.signal(libc::SIGCONT);
    assert_eq!(client.next(&call, LONG).unwrap().unwrap().payload(), b"x");
}

#[test]
fn a_stopped_server_costs_one_call_and_has_its_share_once_it_goes_on() {
    let bus = TestBus::new();
    let mut actors = [start("call/server", &bus), start("call/server", &bus)];
    for actor in &mut actors {
        assert_eq!(actor.hear(), "serves");
    }
    let mut client: Client<[u8], [u8]> = bus.client("s").join().unwrap();
    actors[0].stop();
    let timeout = Duration::from_millis(300);
    let late = (0..30).filter(|_| match client.call(b"x", timeout) {
        Ok(_) => false,
        Err(CallError::Timeout) => true,
        Err(error) => panic!("{error}"),
    });
    assert_eq!(late.count(), 1);
    actors[0].signal(libc::SIGCONT);
    let mut seen = std::collections::HashSet::new();
    eventually("both answer", || {
        seen.insert(client.call(b"x", LONG).unwrap().server());
        seen.len() == 2
    });
}

#[test]
fn others_answer_when_one_server_is_killed() {
    let bus = TestBus::new();
    let mut actors = [start("call/server", &bus), start("call/server", &bus)];
    for actor in &mut actors {
        assert_eq!(actor.hear(), "serves");
    }
    let mut client: Client<[u8], [u8]> = bus.client("s").join().unwrap();
    let [first, _second] = actors;
    let mut ended = 0;
    let mut victim = Some(first);
    for number in 0..2_000_u32 {
        match client.call(&number.to_le_bytes(), LONG) {
            Ok(reply) => assert_eq!(reply.payload(), number.to_le_bytes()),
            Err(CallError::ServerEnded { .. }) => ended += 1,
            Err(error) => panic!("{error}"),
        }
        if number == 1_000 {
            victim.take().unwrap().kill();
        }
    }
    assert!(ended <= 1, "the dead one was asked {ended} times");
    assert_eq!(client.gather(b"x", LONG).unwrap().len(), 1);
}

#[test]
fn a_killed_client_is_felt_by_nobody() {
    let bus = TestBus::new();
    let mut server = start("call/server", &bus);
    assert_eq!(server.hear(), "serves");
    let mut survivor = bus.client("s").join().unwrap();
    for round in 0..10_u32 {
        let mut victim = start("call/client", &bus);
        assert_eq!(victim.hear(), "calls");
        victim.kill();
        for number in 0..100_u32 {
            let payload = (round << 16 | number).to_le_bytes();
            assert_eq!(survivor.call(&payload, LONG).unwrap().payload(), payload);
        }
    }
}
