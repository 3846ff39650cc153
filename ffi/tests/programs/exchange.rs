//! C, C++ and Rust send to each other, every pair and both ways.

use std::thread;
use std::time::Duration;

use ringbus::{Attribute, Attributes, Bus, CallError, Client, Meta, Patience, Start, Topic};

use crate::compiler::{CLANG, CLANGXX, Compiler, GCC, GXX};
use crate::scratch::{Directory, LONG, finish, spawn};

const SOURCE: &str = "tests/c/exchange.c";
const COUNT: u64 = 10_000;

#[test]
fn c_sends_to_cpp_and_back() {
    send(GCC, GXX);
    send(GXX, GCC);
}

#[test]
fn what_gcc_and_clang_make_understands_each_other() {
    send(GCC, CLANG);
    send(CLANGXX, GXX);
}

fn send(from: Compiler, to: Compiler) {
    let (Some(publisher), Some(subscriber)) = (from.build(SOURCE), to.build(SOURCE)) else {
        return;
    };
    let directory = Directory::new(&format!("{}-to-{}", from.program, to.program));
    let count = COUNT.to_string();
    let mut subscriber = spawn(
        &subscriber,
        &["subscribe", directory.text(), "topic", &count],
    );
    let mut publisher = spawn(&publisher, &["publish", directory.text(), "topic", &count]);
    finish(&mut publisher);
    finish(&mut subscriber);
}

#[test]
fn c_sends_to_rust() {
    let Some(program) = GCC.build(SOURCE) else {
        return;
    };
    let directory = Directory::new("c-to-rust");
    let topic = topic(&directory.bus(), "from/c");
    let subscriber = topic.subscriber().reliable().start(Start::Oldest);
    let mut subscriber = subscriber.join().unwrap();
    let publish = ["publish", directory.text(), "from/c", &COUNT.to_string()];
    let mut publisher = spawn(&program, &publish);
    for n in 0..COUNT {
        assert!(subscriber.wait(LONG).unwrap(), "message {n} did not come");
        let message = subscriber.poll().unwrap().unwrap();
        assert_eq!((message.sequence(), message.tag()), (n, tag_of(n)));
        assert_eq!(message.flags(), n as u16);
        assert_eq!(message.payload(), text_of(n).as_bytes());
        let found: Vec<_> = message.attributes().iter().collect();
        let (text, raw) = (text_of(n), n.to_ne_bytes());
        assert_eq!(found, attributes_of(n, &text, &raw));
    }
    finish(&mut publisher);
}

#[test]
fn rust_sends_to_c() {
    let Some(program) = GCC.build(SOURCE) else {
        return;
    };
    let directory = Directory::new("rust-to-c");
    let topic = topic(&directory.bus(), "from/rust");
    let publisher = topic.publisher().unwrap();
    let subscribe = [
        "subscribe",
        directory.text(),
        "from/rust",
        &COUNT.to_string(),
    ];
    let mut subscriber = spawn(&program, &subscribe);
    assert!(publisher.wait_subscribers(1, LONG).unwrap());
    for n in 0..COUNT {
        let (text, raw) = (text_of(n), n.to_ne_bytes());
        let mut attributes = Attributes::new();
        for (key, value) in attributes_of(n, &text, &raw) {
            attributes.set(key, value).unwrap();
        }
        let meta = Meta::new().tag(tag_of(n)).flags(n as u16);
        let meta = meta.attributes(&attributes);
        let sent = publisher.publish_with(meta, text_of(n).as_bytes(), Patience::For(LONG));
        assert_eq!(sent.unwrap(), n);
    }
    finish(&mut subscriber);
}

fn topic(bus: &Bus, name: &str) -> Topic<[u8]> {
    bus.topic(name)
        .attributes_max(128)
        .open_or_create()
        .unwrap()
}

/// As `describe` of the C program.
fn attributes_of<'a>(n: u64, text: &'a str, raw: &'a [u8]) -> Vec<(&'static str, Attribute<'a>)> {
    vec![
        ("text", Attribute::Text(text)),
        ("raw", Attribute::Bytes(raw)),
        ("minus", Attribute::Int(-(n as i64))),
        ("half", Attribute::Float(n as f64 / 2.0)),
        ("odd", Attribute::Bool(n % 2 == 1)),
    ]
}

/// As `compose` and `tag_of` of the C program.
fn text_of(n: u64) -> String {
    format!("message {n}")
}

fn tag_of(n: u64) -> u64 {
    n * 7 + 1
}

const SERVICE: &str = "tests/c/service.c";
const CALLS: u64 = 1_000;

#[test]
fn servers_in_c_answer_clients_in_c_and_cpp() {
    for (server, client) in [(GCC, GXX), (CLANG, GCC)] {
        let (Some(server), Some(client)) = (server.build(SERVICE), client.build(SERVICE)) else {
            continue;
        };
        let directory = Directory::new("service-c-to-c");
        let count = CALLS.to_string();
        let mut server = spawn(&server, &["serve", directory.text(), &count]);
        let mut client = spawn(&client, &["call", directory.text(), &count]);
        finish(&mut client);
        finish(&mut server);
    }
}

#[test]
fn servers_in_c_answer_clients_in_rust() {
    let Some(program) = GCC.build(SERVICE) else {
        return;
    };
    let directory = Directory::new("service-c-to-rust");
    let bus = directory.bus();
    let mut server = spawn(&program, &["serve", directory.text(), &CALLS.to_string()]);
    let mut client = connect(&bus);
    for n in 0..CALLS {
        let request = request_of(n);
        let turned: Vec<u8> = request.bytes().rev().collect();
        let call = client.send(request.as_bytes(), LONG).unwrap();
        let mut replies = Vec::new();
        let failed = loop {
            match client.next(&call, LONG) {
                Ok(Some(reply)) => replies.push(reply.payload().to_vec()),
                Ok(None) => break None,
                Err(CallError::Failed { why, .. }) => break Some(why),
                Err(error) => panic!("call {n}: {error}"),
            }
        };
        client.cancel(call);
        match (n % 5, n % 3) {
            (4, _) => assert_eq!((failed, replies.len()), (Some(request), 0)),
            (_, 2) => {
                assert_eq!(replies.len(), turned.len());
                assert_eq!((failed, replies.concat()), (None, turned));
            }
            _ => assert_eq!((failed, replies), (None, vec![turned])),
        }
    }
    drop(client);
    finish(&mut server);
}

#[test]
fn servers_in_rust_answer_clients_in_c() {
    let Some(program) = CLANGXX.build(SERVICE).or_else(|| GXX.build(SERVICE)) else {
        return;
    };
    let directory = Directory::new("service-rust-to-c");
    let mut server = directory.bus().server("turn").join().unwrap();
    let mut client = spawn(&program, &["call", directory.text(), &CALLS.to_string()]);
    for n in 0..CALLS {
        assert!(server.wait(LONG).unwrap(), "request {n} did not come");
        let request = server.poll().unwrap().unwrap();
        assert_eq!(request.payload(), request_of(n).as_bytes());
        let turned: Vec<u8> = request.payload().iter().rev().copied().collect();
        match (n % 5, n % 3) {
            (4, _) => request.fail(&request_of(n)).unwrap(),
            (_, 2) => {
                for byte in turned.chunks(1) {
                    request.send(byte).unwrap();
                }
                request.finish().unwrap();
            }
            _ => request.reply(&turned).unwrap(),
        }
    }
    finish(&mut client);
}

fn connect(bus: &Bus) -> Client<[u8], [u8]> {
    loop {
        match bus.client("turn").join() {
            Ok(client) if client.servers() > 0 => return client,
            Ok(_) | Err(CallError::NoServer { .. }) => thread::sleep(Duration::from_millis(1)),
            Err(error) => panic!("{error}"),
        }
    }
}

/// As `compose` of the C program.
fn request_of(n: u64) -> String {
    format!("request {n}")
}
