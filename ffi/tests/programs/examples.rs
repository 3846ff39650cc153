//! The examples in C and C++, each against Rust in both directions.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use ringbus::{Bus, CallError, Meta, Patience, Start, Topic};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::compiler::{CLANG, CLANGXX, Compiler, GCC, GXX};
use crate::scratch::{Directory, LONG, finish, spawn, spawn_piped};

/// As in the examples.
#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct BookUpdate {
    price_ticks: i64,
    quantity: u64,
    instrument: u32,
    is_ask: u32,
}

const UPDATES: u64 = 20_000;
const FRAMES: u64 = 6;
const FRAME_BYTES: usize = 8 << 20;
const LINES: [&str; 3] = ["first", "", "the last of three"];

/// An example by its compiler; none where that is missing.
fn example(compiler: Compiler, name: &str) -> Option<PathBuf> {
    let is_cpp = compiler.standard.contains("++");
    let (folder, extension) = if is_cpp { ("cpp", "cpp") } else { ("c", "c") };
    compiler.build(&format!("examples/{folder}/{name}.{extension}"))
}

fn directory(compiler: Compiler, name: &str) -> Directory {
    Directory::new(&format!("{name}-{}", compiler.program))
}

fn bus(directory: &Directory) -> Bus {
    Bus::builder().dir(directory.text()).open().unwrap()
}

#[test]
fn lines_go_from_c_to_rust_and_back() {
    lines(GCC);
}

#[test]
fn lines_go_from_cpp_to_rust_and_back() {
    lines(GXX);
}

#[test]
fn lines_of_many_topics_reach_a_loop_of_epoll_in_c() {
    let Some(program) = example(GCC, "epoll") else {
        return;
    };
    let directory = directory(GCC, "epoll");
    let bus = bus(&directory);
    let topics = ["first/topic", "second/topic", "third/topic"];
    let mut arguments = vec![directory.text()];
    arguments.extend(topics);
    let mut receiver = spawn_piped(&program, &arguments);
    let (input, mut said) = (receiver.stdin(), receiver.stdout());
    for round in 0..30 {
        let name = topics[round % 3];
        let topic = bus.topic(name).open_or_create().unwrap();
        let line = format!("message {round}");
        topic.publisher().unwrap().publish(line.as_bytes()).unwrap();
        let mut heard = String::new();
        said.read_line(&mut heard).unwrap();
        assert_eq!(heard.trim_end(), format!("{name}: {line}"));
    }
    drop(input);
    finish(&mut receiver);
}

fn lines(compiler: Compiler) {
    let (Some(publisher), Some(subscriber)) = (
        example(compiler, "publisher"),
        example(compiler, "subscriber"),
    ) else {
        return;
    };
    let directory = directory(compiler, "lines");
    let bus = bus(&directory);
    let topic = bus.topic("to/rust").open_or_create().unwrap();
    let mut receiver = topic.subscriber().reliable().join().unwrap();
    let mut sender = spawn_piped(&publisher, &[directory.text(), "to/rust"]);
    let mut input = sender.stdin();
    LINES
        .iter()
        .for_each(|line| writeln!(input, "{line}").unwrap());
    drop(input);
    for line in LINES {
        assert!(receiver.wait(LONG).unwrap(), "{line} did not come");
        let message = receiver.poll().unwrap().unwrap();
        assert_eq!(message.payload(), line.as_bytes());
    }
    finish(&mut sender);

    let topic = bus.topic("from/rust").open_or_create().unwrap();
    let sender = topic.publisher().unwrap();
    let count = LINES.len().to_string();
    let mut receiver = spawn_piped(&subscriber, &[directory.text(), "from/rust", &count]);
    assert!(sender.wait_subscribers(1, LONG).unwrap());
    for line in LINES {
        sender.publish(line.as_bytes()).unwrap();
    }
    let printed = receiver.stdout().lines().map(Result::unwrap);
    assert_eq!(printed.collect::<Vec<_>>(), LINES);
    finish(&mut receiver);
}

#[test]
fn services_in_c_answer_and_ask_rust() {
    service(GCC);
}

#[test]
fn services_in_cpp_answer_and_ask_rust() {
    service(GXX);
}

fn service(compiler: Compiler) {
    let Some(program) = example(compiler, "service") else {
        return;
    };
    let directory = directory(compiler, "service");
    let bus = bus(&directory);
    let ask = |what: &str, text: &str| {
        let mut command = Command::new(&program);
        let output = command.args([what, directory.text(), text]).output();
        let output = output.unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.success(), printed, said)
    };
    let (went_well, _, said) = ask("call", "x");
    assert!(
        !went_well && said.contains("no server of words lives"),
        "{said}"
    );

    let mut server = spawn(&program, &["serve", directory.text(), "6"]);
    let mut client = loop {
        match bus.client("words").join() {
            Ok(client) if client.servers() > 0 => break client,
            Ok(_) | Err(CallError::NoServer { .. }) => thread::sleep(Duration::from_millis(1)),
            Err(error) => panic!("{error}"),
        }
    };
    let reply = client.call(b"one, two", LONG).unwrap();
    assert_eq!(reply.payload(), b"2 words");
    let refused = client.call(b"  ", LONG);
    assert!(matches!(refused, Err(CallError::Failed { why, .. }) if why == "there are no words"));
    assert_eq!(
        ask("call", "a b  c"),
        (true, "3 words\n".to_owned(), String::new())
    );
    let (went_well, _, said) = ask("call", "");
    assert!(!went_well && said.contains("there are no words"), "{said}");

    // Two servers, of which one is Rust's.
    let mut other = bus.server("words").join().unwrap();
    let mut asking = spawn_piped(&program, &["gather", directory.text(), "all of you"]);
    assert!(other.wait(LONG).unwrap());
    other
        .poll()
        .unwrap()
        .unwrap()
        .fail("not my business")
        .unwrap();
    let mut printed: Vec<_> = asking.stdout().lines().map(Result::unwrap).collect();
    printed.sort();
    assert_eq!(printed[0], "3 words");
    assert!(
        printed.len() == 2 && printed[1].ends_with("not my business"),
        "{printed:?}"
    );
    finish(&mut asking);
    drop(other);
    client.call(b"bye", LONG).unwrap();
    finish(&mut server);
}

#[test]
fn order_books_go_from_c_to_rust_and_back() {
    order_books(CLANG, GCC);
}

#[test]
fn order_books_go_from_cpp_to_rust_and_back() {
    order_books(CLANGXX, GXX);
}

/// By the first of the compilers that is there.
fn order_books(compiler: Compiler, otherwise: Compiler) {
    let Some(program) =
        example(compiler, "order_book").or_else(|| example(otherwise, "order_book"))
    else {
        return;
    };
    let directory = directory(compiler, "books");
    let bus = bus(&directory);
    let open = || -> Topic<BookUpdate> {
        let topic = bus.topic("market/books").typed::<BookUpdate>();
        topic.open_or_create().unwrap()
    };
    let (text, count) = (directory.text(), UPDATES.to_string());

    let subscriber = open().subscriber().reliable();
    let mut strategy = subscriber.join().unwrap();
    let mut feed = spawn(&program, &["feed", text, &count]);
    for n in 0..UPDATES {
        assert!(strategy.wait(LONG).unwrap(), "update {n} did not come");
        let update = strategy.poll().unwrap().unwrap();
        assert_eq!((update.sequence(), *update), (n, update_of(n)));
        assert_eq!(update.tag(), n % 4);
    }
    finish(&mut feed);
    drop(strategy);
    bus.remove("market/books", ringbus::Remove::IfUnused)
        .unwrap();

    let feed = open().publisher().unwrap();
    let mut strategy = spawn(&program, &["strategy", text, &count]);
    assert!(feed.wait_subscribers(1, LONG).unwrap());
    for n in 0..UPDATES {
        let (meta, update) = (Meta::new().tag(n % 4), update_of(n));
        feed.publish_with(meta, &update, Patience::For(LONG))
            .unwrap();
    }
    finish(&mut strategy);
}

fn update_of(n: u64) -> BookUpdate {
    let is_ask = (n / 4 % 2) as u32;
    let depth = (n * 7 % 10) as i64;
    BookUpdate {
        price_ticks: if is_ask == 1 {
            1001 + depth
        } else {
            999 - depth
        },
        quantity: n % 5 * 100,
        instrument: (n % 4) as u32,
        is_ask,
    }
}

#[test]
fn frames_go_from_c_to_rust_and_back() {
    frames(GCC.with(&["-O2"]));
}

#[test]
fn frames_go_from_cpp_to_rust_and_back() {
    frames(GXX.with(&["-O2"]));
}

fn frames(compiler: Compiler) {
    let Some(program) = example(compiler, "camera") else {
        return;
    };
    let directory = directory(compiler, "frames");
    let bus = bus(&directory);
    let open = || {
        let topic = bus.topic("camera/front").payload_fixed(FRAME_BYTES);
        let topic = topic.alignment(4096).capacity(2).max_subscribers(1);
        topic.open_or_create().unwrap()
    };
    let (text, count) = (directory.text(), FRAMES.to_string());
    let is_shade = |frame: &[u8], n| frame.iter().all(|pixel| *pixel == n as u8 * 10);

    let subscriber = open().subscriber().reliable().start(Start::Oldest);
    let mut viewer = subscriber.join().unwrap();
    let mut camera = spawn(&program, &["shoot", text, &count]);
    for n in 0..FRAMES {
        assert!(viewer.wait(LONG).unwrap(), "frame {n} did not come");
        let frame = viewer.poll().unwrap().unwrap();
        assert!(is_shade(&frame, n), "frame {n} is torn");
    }
    finish(&mut camera);
    drop(viewer);
    bus.remove("camera/front", ringbus::Remove::IfUnused)
        .unwrap();

    let camera = open().publisher().unwrap();
    let mut viewer = spawn(&program, &["view", text, &count]);
    assert!(camera.wait_subscribers(1, LONG).unwrap());
    for n in 0..FRAMES {
        let mut frame = camera.loan_timeout(FRAME_BYTES, LONG).unwrap();
        frame.fill(n as u8 * 10);
        frame.commit().unwrap();
    }
    finish(&mut viewer);
}
