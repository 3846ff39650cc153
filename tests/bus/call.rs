//! Requests and replies.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use ringbus::{CallError, Client, PollError, PublishError, Server, TopicError};

use crate::support::TestBus;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(20);

type Pair = (Server<[u8], [u8]>, Client<[u8], [u8]>);

fn pair(bus: &TestBus) -> Pair {
    let server = bus.server("s").join().unwrap();
    (server, bus.client("s").join().unwrap())
}

#[test]
fn each_call_gets_its_own_answer_in_whatever_order() {
    let bus = TestBus::new();
    let (mut server, mut client) = pair(&bus);
    let mut other = bus.client("s").join().unwrap();
    let calls: Vec<_> = (0..200_u8)
        .map(|n| client.send(&[n], LONG).unwrap())
        .collect();
    let others: Vec<_> = (0..200_u8)
        .map(|n| other.send(&[n, 1], LONG).unwrap())
        .collect();
    let mut later = Vec::new();
    while let Some(request) = server.poll().unwrap() {
        let answer = [request.payload(), &[77]].concat();
        later.push((request.defer(), answer));
    }
    for (deferred, answer) in later.into_iter().rev() {
        server.reply(deferred, &answer).unwrap();
    }
    for (n, call) in (0..).zip(&calls) {
        assert_eq!(client.next(call, LONG).unwrap().unwrap().payload(), [n, 77]);
        assert!(client.next(call, LONG).unwrap().is_none());
    }
    for (n, call) in (0..).zip(&others) {
        assert_eq!(
            other.next(call, LONG).unwrap().unwrap().payload(),
            [n, 1, 77]
        );
    }
}

#[test]
fn answers_of_any_length_come_whole() {
    let bus = TestBus::new();
    let (mut server, mut client) = pair(&bus);
    let bytes: Vec<u8> = (0..=255).collect();
    for len in 0..bytes.len() {
        let call = client.send(&bytes[len..], LONG).unwrap();
        assert!(server.wait(LONG).unwrap());
        let request = server.poll().unwrap().unwrap();
        assert_eq!(request.payload(), &bytes[len..]);
        request.reply(&bytes[..len]).unwrap();
        let reply = client.next(&call, LONG).unwrap().unwrap();
        assert_eq!(reply.payload(), &bytes[..len]);
        client.cancel(call);
    }
}

#[test]
fn without_a_server_a_call_fails_at_once() {
    let bus = TestBus::new();
    assert!(matches!(
        bus.client("s").join(),
        Err(CallError::NoServer { .. })
    ));
    assert!(bus.topics().unwrap().is_empty(), "a client makes no topics");
    let (server, mut client) = pair(&bus);
    drop(server);
    let started = Instant::now();
    let answer = client.call(b"x", Duration::from_secs(1_000));
    assert!(matches!(&answer, Err(CallError::NoServer { service }) if service == "s"));
    assert!(matches!(
        client.gather(b"x", LONG),
        Err(CallError::NoServer { .. })
    ));
    assert!(started.elapsed() < Duration::from_secs(100));
}

#[test]
fn a_server_that_leaves_is_known_before_the_timeout() {
    let bus = TestBus::new();
    let (server, mut client) = pair(&bus);
    let call = client.send(b"x", LONG).unwrap();
    let id = server.id();
    drop(server);
    let answer = client.next(&call, Duration::from_secs(1_000));
    assert!(matches!(answer, Err(CallError::ServerEnded { server }) if server == id));
    assert!(client.next(&call, LONG).unwrap().is_none(), "told once");
}

#[test]
fn what_a_server_said_before_it_left_counts() {
    let bus = TestBus::new();
    let (mut server, mut client) = pair(&bus);
    let call = client.send(b"x", LONG).unwrap();
    let request = server.poll().unwrap().unwrap();
    request.send(b"part").unwrap();
    request.reply(b"whole").unwrap();
    drop(server);
    assert_eq!(
        client.next(&call, LONG).unwrap().unwrap().payload(),
        b"part"
    );
    assert_eq!(
        client.next(&call, LONG).unwrap().unwrap().payload(),
        b"whole"
    );
    assert!(client.next(&call, LONG).unwrap().is_none());
}

#[test]
fn a_late_answer_is_dropped() {
    let bus = TestBus::new();
    let (mut server, mut client) = pair(&bus);
    assert!(matches!(client.call(b"1", SHORT), Err(CallError::Timeout)));
    server.poll().unwrap().unwrap().reply(b"late").unwrap();
    let call = client.send(b"2", LONG).unwrap();
    server.poll().unwrap().unwrap().reply(b"in time").unwrap();
    assert_eq!(
        client.next(&call, LONG).unwrap().unwrap().payload(),
        b"in time"
    );
}

#[test]
fn after_a_timeout_one_can_go_on_waiting() {
    let bus = TestBus::new();
    let (mut server, mut client) = pair(&bus);
    let call = client.send(b"1", LONG).unwrap();
    assert!(matches!(client.next(&call, SHORT), Err(CallError::Timeout)));
    server.poll().unwrap().unwrap().reply(b"after all").unwrap();
    assert_eq!(
        client.next(&call, LONG).unwrap().unwrap().payload(),
        b"after all"
    );
}

#[test]
fn answers_can_be_streams_or_nothing() {
    let bus = TestBus::new();
    let mut server = bus.server("s").typed::<u32, u64>().join().unwrap();
    let mut client = bus.client("s").typed::<u32, u64>().join().unwrap();
    let calls = [3, 0].map(|count| client.send(&count, LONG).unwrap());
    while let Some(request) = server.poll().unwrap() {
        for number in 0..u64::from(*request) {
            request.send(&number).unwrap();
        }
        request.finish().unwrap();
    }
    let mut parts = Vec::new();
    while let Some(part) = client.next(&calls[0], LONG).unwrap() {
        parts.push(*part);
    }
    assert_eq!(parts, [0, 1, 2]);
    assert!(client.next(&calls[1], LONG).unwrap().is_none());
}

#[test]
fn failures_and_dropped_requests_are_told() {
    let bus = TestBus::new();
    let mut server = bus.server("s").typed::<u32, [u16; 4]>().join().unwrap();
    let mut client = bus.client("s").typed::<u32, [u16; 4]>().join().unwrap();
    let long = "\u{e9}".repeat(300);
    let calls = [0; 4].map(|n| client.send(&n, LONG).unwrap());
    server
        .poll()
        .unwrap()
        .unwrap()
        .fail("no such number")
        .unwrap();
    server.poll().unwrap().unwrap().fail(&long).unwrap();
    drop(server.poll().unwrap().unwrap());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _request = server.poll().unwrap().unwrap();
        panic!("in a handler");
    }));
    assert!(panicked.is_err());
    let why = calls.map(|call| match client.next(&call, LONG) {
        Err(CallError::Failed { why, .. }) => why,
        other => panic!("{other:?}"),
    });
    assert_eq!(why[0], "no such number");
    assert_eq!(why[1], "\u{e9}".repeat(100));
    assert_eq!(
        (&*why[2], &*why[3]),
        ("the request was dropped", "the request was dropped")
    );
}

#[test]
fn one_of_several_servers_answers_each_call_and_all_have_their_share() {
    let bus = TestBus::new();
    let mut servers = [(); 3].map(|()| bus.server("s").join().unwrap());
    let mut client = bus.client("s").join().unwrap();
    let calls: Vec<_> = (0..30_u8)
        .map(|n| client.send(&[n], LONG).unwrap())
        .collect();
    for server in &mut servers {
        let id = server.id() as u8;
        let mut served = 0;
        while let Some(request) = server.poll().unwrap() {
            let answer = [request[0], id];
            request.reply(&answer).unwrap();
            served += 1;
        }
        assert_eq!(served, 10);
    }
    for (n, call) in (0..).zip(calls) {
        let reply = client.next(&call, LONG).unwrap().unwrap();
        assert_eq!(reply.payload(), [n, reply.server() as u8]);
        assert!(client.next(&call, LONG).unwrap().is_none());
    }
}

#[test]
fn a_server_that_let_a_call_time_out_comes_last_until_it_answers() {
    let bus = TestBus::new();
    let mut stuck = bus.server("s").join().unwrap();
    let mut others = [(); 2].map(|()| bus.server("s").join().unwrap());
    let mut client = bus.client("s").join().unwrap();
    // Who is asked, of calls that are sent one at a time.
    let mut ask = |stuck: &mut Server<[u8], [u8]>, answers: bool| {
        let call = client.send(b"x", LONG).unwrap();
        for other in &mut others {
            if let Some(request) = other.poll().unwrap() {
                request.reply(b"y").unwrap();
            }
        }
        while answers && let Some(request) = stuck.poll().unwrap() {
            request.reply(b"y").unwrap();
        }
        let answer = client.next(&call, SHORT);
        client.cancel(call);
        match answer {
            Ok(reply) => Some(reply.unwrap().server()),
            Err(CallError::Timeout) => None,
            Err(error) => panic!("{error}"),
        }
    };
    let asked: Vec<_> = (0..30).map(|_| ask(&mut stuck, false)).collect();
    let late = asked.iter().filter(|server| server.is_none()).count();
    assert_eq!(late, 1, "{asked:?}");
    // It answers the request that timed out, and has its share again.
    let asked: Vec<_> = (0..30).map(|_| ask(&mut stuck, true)).collect();
    let of_it = asked.iter().filter(|server| **server == Some(stuck.id()));
    assert!((9..=10).contains(&of_it.count()), "{asked:?}");
}

#[test]
fn where_no_server_answers_each_is_asked_in_turn() {
    let bus = TestBus::new();
    let mut servers = [(); 2].map(|()| bus.server("s").join().unwrap());
    let mut client = bus.client("s").join().unwrap();
    for _ in 0..8 {
        let answer = client.call(b"x", Duration::ZERO);
        assert!(matches!(answer, Err(CallError::Timeout)), "{answer:?}");
    }
    let asked = servers.each_mut().map(|server| {
        let mut asked = 0;
        while server.poll().unwrap().is_some() {
            asked += 1;
        }
        asked
    });
    assert_eq!(asked, [4, 4]);
}

#[test]
fn a_service_that_cannot_be_made_whole_leaves_nothing() {
    let bus = TestBus::new();
    let too_long = 2 << 30;
    for _ in 0..2 {
        let refused = bus.server("s").reply_max(too_long).join().unwrap_err();
        let is_shape = matches!(refused, CallError::Topic(TopicError::Shape(_)));
        assert!(is_shape, "{refused}");
        assert!(bus.topics().unwrap().is_empty());
    }
    // What others made, or joined meanwhile, stays.
    bus.topic("s/requests").shared().create().unwrap();
    assert!(bus.server("s").reply_max(too_long).join().is_err());
    assert_eq!(bus.topics().unwrap().len(), 1);
    bus.topic("t/replies").create().unwrap();
    let refused = bus.server("t").join().unwrap_err();
    let is_mismatch = matches!(refused, CallError::Topic(TopicError::Mismatch { .. }));
    assert!(is_mismatch, "{refused}");
    let left: Vec<_> = bus.topics().unwrap();
    let left: Vec<_> = left.iter().map(|topic| topic.name.as_str()).collect();
    assert_eq!(left, ["s/requests", "t/replies"]);
}

#[test]
fn gathering_has_an_answer_or_a_reason_from_each() {
    let bus = TestBus::new();
    let mut servers: Vec<_> = (0..4).map(|_| bus.server("s").join().unwrap()).collect();
    let ids: Vec<_> = servers.iter().map(Server::id).collect();
    let mut client = bus.client("s").join().unwrap();
    let call = client.send_to_all(b"x", LONG).unwrap();
    drop(servers.pop()); // says nothing, and leaves
    servers[0].poll().unwrap().unwrap().reply(b"0").unwrap();
    servers[1]
        .poll()
        .unwrap()
        .unwrap()
        .fail("one cannot")
        .unwrap();
    servers[2].poll().unwrap().unwrap().reply(b"2").unwrap();
    let (mut replied, mut failed, mut ended) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        match client.next(&call, LONG) {
            Ok(None) => break,
            Ok(Some(reply)) => replied.push(reply.server()),
            Err(CallError::Failed { server, .. }) => failed.push(server),
            Err(CallError::ServerEnded { server }) => ended.push(server),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(
        (replied, failed, ended),
        (vec![ids[0], ids[2]], vec![ids[1]], vec![ids[3]])
    );
    let answers = client.gather(b"nobody polls", SHORT).unwrap();
    assert_eq!(answers.len(), 3);
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Err(CallError::Timeout)))
    );
}

#[test]
fn a_client_that_was_overtaken_is_told_and_a_reliable_one_never_is() {
    for is_reliable in [false, true] {
        let bus = TestBus::new();
        let mut server = bus.server("s").capacity(8).join().unwrap();
        let builder = bus.client("s");
        let builder = if is_reliable {
            builder.reliable()
        } else {
            builder
        };
        let mut client = builder.join().unwrap();
        let call = client.send(b"x", LONG).unwrap();
        let serving = thread::spawn(move || {
            let request = server.poll().unwrap().unwrap();
            for part in 0..100_u8 {
                request.send(&[part]).unwrap();
            }
            request.finish().unwrap();
        });
        if !is_reliable {
            serving.join().unwrap();
            assert!(matches!(
                client.next(&call, LONG),
                Err(CallError::Lost { missed: 90.. })
            ));
            assert!(client.next(&call, LONG).unwrap().is_none());
            continue;
        }
        for part in 0..100 {
            assert_eq!(client.next(&call, LONG).unwrap().unwrap().payload(), [part]);
        }
        assert!(client.next(&call, LONG).unwrap().is_none());
        serving.join().unwrap();
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let bus = TestBus::new();
    let mut server = bus.server("s").request_max(8).reply_max(4).join().unwrap();
    let mut client = bus.client("s").join().unwrap();
    let refused = client.send(&[0; 9], LONG);
    assert!(matches!(
        refused,
        Err(CallError::Publish(PublishError::TooLong { .. }))
    ));
    let call = client.send(&[0; 8], LONG).unwrap();
    let request = server.poll().unwrap().unwrap();
    assert!(matches!(
        request.reply(&[0; 5]),
        Err(PublishError::TooLong { .. })
    ));
    assert!(matches!(
        client.next(&call, LONG),
        Err(CallError::Failed { .. })
    ));
    let call = client.send(&[0; 8], LONG).unwrap();
    let later = server.poll().unwrap().unwrap().defer();
    assert!(matches!(
        server.reply(later, &[0; 5]),
        Err(PublishError::TooLong { .. })
    ));
    assert!(matches!(
        client.next(&call, LONG),
        Err(CallError::Failed { .. })
    ));
    let other = bus.client("s").typed::<u64, u64>().join();
    assert!(matches!(
        other,
        Err(CallError::Topic(TopicError::Type { .. }))
    ));
}

#[test]
fn many_threads_call_at_the_same_time() {
    let bus = TestBus::new();
    let servers: Vec<_> = (0..2)
        .map(|_| bus.server("s").typed::<u64, u64>().join().unwrap())
        .collect();
    let clients: Vec<_> = (0..4)
        .map(|_| bus.client("s").typed::<u64, u64>().join().unwrap())
        .collect();
    let left = AtomicUsize::new(clients.len());
    thread::scope(|scope| {
        for (number, mut client) in (0..).zip(clients) {
            let left = &left;
            scope.spawn(move || {
                for n in 0..500_u64 {
                    let n = n * 10 + number;
                    assert_eq!(*client.call(&n, LONG).unwrap(), n + 1);
                }
                left.fetch_sub(1, Ordering::Relaxed);
            });
        }
        for mut server in servers {
            let left = &left;
            scope.spawn(move || {
                while left.load(Ordering::Relaxed) > 0 {
                    if !server.wait(Duration::from_millis(5)).unwrap() {
                        continue;
                    }
                    while let Some(request) = server.poll().unwrap() {
                        let answer = *request + 1;
                        request.reply(&answer).unwrap();
                    }
                }
            });
        }
    });
}

#[test]
fn what_others_were_answered_meanwhile_is_no_loss_of_the_next_call() {
    let bus = TestBus::new();
    let mut server = bus.server("s").capacity(16).join().unwrap();
    let mut idle = bus.client("s").join().unwrap();
    let mut busy = bus.client("s").join().unwrap();
    let answer = |server: &mut Server<[u8], [u8]>| {
        let request = server.poll().unwrap().expect("a request");
        request.reply(b"yes").unwrap();
    };
    for _ in 0..100 {
        let call = busy.send(b"?", LONG).unwrap();
        answer(&mut server);
        assert!(busy.next(&call, LONG).unwrap().is_some());
        busy.cancel(call);
    }
    let call = idle.send(b"?", LONG).unwrap();
    answer(&mut server);
    let reply = idle.next(&call, LONG).unwrap().expect("a reply");
    assert_eq!(reply.payload(), b"yes");
}

#[test]
fn a_call_that_was_read_to_its_end_is_over() {
    let bus = TestBus::new();
    let (mut server, mut client) = pair(&bus);
    let call = client.send(b"?", LONG).unwrap();
    server.poll().unwrap().unwrap().reply(b"yes").unwrap();
    assert!(client.next(&call, LONG).unwrap().is_some());
    assert!(client.next(&call, LONG).unwrap().is_none());
    assert!(matches!(client.next(&call, LONG), Err(CallError::Unknown)));
    assert!(format!("{client:?}").contains("under_way: 0"), "{client:?}");
}

#[test]
fn the_end_of_a_server_ends_all_its_calls_at_once() {
    let bus = TestBus::new();
    let (server, mut client) = pair(&bus);
    let calls: Vec<_> = (0..500).map(|_| client.send(b"?", LONG).unwrap()).collect();
    drop(server);
    let ended = client.next(&calls[0], LONG).err();
    assert!(matches!(ended, Some(CallError::ServerEnded { server: 0 })));
    for call in &calls[1..] {
        // Known without any more waiting.
        let ended = client.next(call, Duration::ZERO).err();
        assert!(matches!(ended, Some(CallError::ServerEnded { server: 0 })));
    }
}

#[test]
fn the_end_of_a_server_is_known_however_many_replies_come_for_others() {
    let bus = TestBus::new();
    let (server, mut client) = pair(&bus);
    let call = client.send(b"?", LONG).unwrap();
    let (mut busy, mut other) = pair(&bus);
    drop(server);
    let is_over = AtomicBool::new(false);
    thread::scope(|threads| {
        threads.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                if let Some(request) = busy.poll().unwrap() {
                    request.reply(b"!").unwrap();
                }
            }
        });
        threads.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let asked = other.send(b"?", LONG).unwrap();
                let _ = other.next(&asked, SHORT);
                thread::sleep(Duration::from_millis(1));
            }
        });
        let start = Instant::now();
        let ended = client.next(&call, LONG).err();
        is_over.store(true, Ordering::Relaxed);
        assert!(
            start.elapsed() < LONG / 2,
            "known by the end of its time only"
        );
        assert!(
            matches!(ended, Some(CallError::ServerEnded { server: 0 })),
            "{ended:?}"
        );
    });
}

#[test]
fn a_server_whose_topics_or_bus_were_removed_says_so_once_no_client_is_left() {
    for what in ["s/requests", "s/replies", "the bus"] {
        let bus = TestBus::new();
        let (mut server, mut client) = pair(&bus);
        match what {
            "the bus" => ringbus::Bus::builder()
                .dir(bus.root().path())
                .destroy()
                .unwrap(),
            topic => bus.remove(topic, ringbus::Remove::Force).unwrap(),
        }
        let call = client.send(b"still there?", LONG).unwrap();
        assert!(server.wait(LONG).unwrap(), "{what}");
        server.poll().unwrap().unwrap().reply(b"yes").unwrap();
        assert_eq!(client.next(&call, LONG).unwrap().unwrap().payload(), b"yes");
        assert!(!server.wait(SHORT).unwrap(), "{what}");
        let _unanswered = client.send(b"and now?", LONG).unwrap();
        drop(client);
        assert!(server.wait(LONG).unwrap(), "{what}");
        assert!(server.poll().unwrap().is_some(), "{what}");
        for _ in 0..2 {
            assert_eq!(server.wait(LONG), Err(PollError::Removed), "{what}");
        }
    }
}

#[test]
fn a_server_that_only_polls_is_told_that_its_topics_or_bus_were_removed() {
    for what in ["s/requests", "s/replies", "the bus"] {
        let bus = TestBus::new();
        let (mut server, mut client) = pair(&bus);
        match what {
            "the bus" => ringbus::Bus::builder()
                .dir(bus.root().path())
                .destroy()
                .unwrap(),
            topic => bus.remove(topic, ringbus::Remove::Force).unwrap(),
        }
        // A client is left.
        let start = Instant::now();
        while start.elapsed() < SHORT * 3 {
            assert!(server.poll().unwrap().is_none(), "{what}");
        }
        let _unanswered = client.send(b"a last one", LONG).unwrap();
        drop(client);
        assert!(server.poll().unwrap().is_some(), "{what}");
        let told = loop {
            match server.poll() {
                Ok(none) => assert!(none.is_none(), "{what}"),
                Err(told) => break told,
            }
            assert!(start.elapsed() < LONG, "{what}: not told");
        };
        assert_eq!(told, PollError::Removed, "{what}");
        assert_eq!(server.poll().err(), Some(PollError::Removed), "{what}");
    }
}
