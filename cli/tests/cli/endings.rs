//! Exit codes, signals, and bad input.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{RINGBUS, Running, Scratch};

#[test]
fn wrong_usage_is_2() {
    let bus = Scratch::new();
    for line in [
        "publish t",
        "pub",
        "pub t --capacity 3",
        "pub t --lines --fixed 8",
        "pub t --fixed 8 --payload-max 8",
        "pub t --fixed 0",
        "pub t --rate 0",
        "pub t --time never",
        "pub t --tag -1",
        "sub t --from newest",
        "sub t --count 0",
        "sub t --timeout -1",
        "sub t --timeout nan",
        "sub t --format xml",
        "sub t --delivery never",
        "info",
        "top --interval 0",
        "demo --seconds 0",
        "sub a --by-time",
        "sub a --delivery observe --every 2",
        "sub a/* --delivery observe",
        "sub a --stall-timeout 1",
        "sub a --tag-mask 0x1:0x2",
        "sub a --flags-mask 1:3",
        "sub a/b*",
        "sub >/a",
        "pub t --bus .hidden",
        "pub t --bus a/b",
        "pub t --attribute a=1 --attribute a=2 --attributes-max 64",
        "pub t --attribute a=1 --attributes-max 4",
        "call a//b x",
        "serve a/ -- cat",
        "torture kill --operation publish",
        "torture kill --bus b",
        "torture step --operation nonsense",
    ] {
        bus.run(line, b"").badly(2, "error: ");
    }
    for name in ["a//b", "/a", "a/", "..", "a*"] {
        for verb in ["pub", "sub", "info", "rm", "call", "serve"] {
            let command = if verb == "serve" { "-- cat" } else { "" };
            bus.run(&format!("{verb} {name} {command}"), b"x\n")
                .badly(2, "error: ");
        }
    }
    assert_eq!(std::fs::read_dir(bus.path()).unwrap().count(), 0, "a bus");
    bus.run("pub t --capacity 1152921504606846976", b"")
        .badly(2, "error: ");
}

#[test]
fn a_pattern_is_called_one() {
    let bus = Scratch::new();
    for (pattern, words) in [
        ("a//*", "the pattern has an empty level at byte 2"),
        ("a/b*", "the pattern's '*' at byte 3 must be a level"),
        ("a/>/b", "the pattern's '>' at byte 2 is not its last level"),
    ] {
        let ran = bus.run(&format!("sub {pattern}"), b"").badly(2, words);
        assert!(!ran.err.contains("the name"), "{}", ran.err);
    }
}

#[test]
fn help_tells_the_exit_codes() {
    let bus = Scratch::new();
    for line in [
        "--help",
        "sub --help",
        "pub --help",
        "demo --help",
        "help top",
    ] {
        assert!(
            bus.run(line, b"").well().text().contains("Usage: ringbus"),
            "{line}"
        );
    }
    assert!(
        bus.run("sub -h", b"")
            .well()
            .text()
            .contains("Exit codes: ")
    );
}

#[test]
fn a_failure_is_1_and_says_why() {
    let bus = Scratch::new();
    for line in ["topics", "info t", "rm t", "gc", "top --count 1"] {
        bus.run(&format!("{line} --bus missing"), b"")
            .badly(1, "ringbus: ");
        assert!(!bus.path().join("missing").exists(), "{line} made a bus");
    }
    bus.run("pub t", b"").well();
    bus.run("info other", b"").badly(1, "other");
    bus.run("rm other", b"").badly(1, "other");
    bus.run("pub t --wait-subscribers 10000", b"")
        .badly(1, "topic t has places for ");
    bus.run("pub new --attribute a=1", b"")
        .badly(1, "new has no room for attributes");
    bus.run("info new", b"").badly(1, "new does not exist");
}

#[test]
fn a_line_too_long_is_named_with_its_length_and_a_remedy() {
    let bus = Scratch::new();
    let input = format!("short\n{}\nnever\n", "x".repeat(300_000));
    let ran = bus.run("pub t --payload-max 100", input.as_bytes());
    let ran = ran.badly(1, "line 2 is 300000 bytes long");
    assert!(ran.err.contains("--payload-max 300000"), "{}", ran.err);
    let ran = bus.run("sub t --from oldest --timeout 0.2", b"");
    assert_eq!(ran.text(), "short\n");
}

#[test]
fn a_topic_made_for_what_cannot_be_published_does_not_stay_in_the_way() {
    let bus = Scratch::new();
    let line = "x".repeat(2000);
    let ran = bus.run("pub t", line.as_bytes());
    let ran = ran.badly(1, "created with --payload-max 2000");
    assert!(
        ran.err.contains("topic t, made for it, is removed again"),
        "{ran:?}"
    );
    assert!(!ran.err.contains("what came before"), "{ran:?}");
    bus.run("pub t --payload-max 2000", line.as_bytes()).well();
    // One that was there stays, and so does one that somebody else is on.
    bus.run("pub t --payload-max 2000", &[b'x'; 3000])
        .badly(1, "");
    bus.run("info t", b"").well();
    let mut publisher = bus.start("pub u");
    let subscriber = bus.start("sub u");
    bus.wait_for("u", |info| {
        info["subscribers"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
    });
    publisher.stdin().write_all(line.as_bytes()).unwrap();
    let ran = publisher.finish().badly(1, "--payload-max 2000");
    assert!(!ran.err.contains("removed"), "{ran:?}");
    bus.run("info u", b"").well();
    subscriber.end_by(libc::SIGINT);
    subscriber.finish();
}

#[test]
fn input_that_ends_inside_a_message_is_an_error() {
    let bus = Scratch::new();
    bus.run("pub f --fixed 4", b"aaaabb")
        .badly(1, "message 2, after 2 of 4 bytes");
    let words = "message 1, after 1 of 9 bytes";
    bus.run("pub p --length-prefixed", b"\x09\0\0\0x")
        .badly(1, words);
    let words = "announces 4294967295 bytes";
    bus.run("pub p --length-prefixed", b"\xff\xff\xff\xff")
        .badly(1, words);
    bus.run("pub f --lines", b"123\n")
        .badly(1, "line 1 is 3 bytes long");
}

#[test]
fn a_timeout_before_the_topic_or_the_count_is_3() {
    let bus = Scratch::new();
    let start = Instant::now();
    bus.run("sub t --timeout 0.3", b"")
        .badly(3, "t: the time ran out, and it does not exist");
    assert!(start.elapsed() >= Duration::from_millis(300));
    bus.run("pub t", b"a\nb\n").well();
    let ran = bus
        .run("sub t --from oldest --count 3 --timeout 0.3", b"")
        .badly(3, "1 message of --count did not come");
    assert_eq!(ran.text(), "a\nb\n");
    bus.run("sub t --from oldest --timeout 0.3", b"").well();
}

#[test]
fn losses_are_told_and_are_4_with_strict() {
    let bus = Scratch::new();
    let lines: String = (0..100).map(|n| format!("{n}\n")).collect();
    bus.run("pub t --capacity 64", lines.as_bytes()).well();
    let lost = bus.oldest("t");
    let words = format!("ringbus: t: lost {lost} messages in all\n");
    for delivery in ["reliable", "lossy", "observe"] {
        let line = format!("sub t --from seq:0 --delivery {delivery}");
        let rest = format!("--count {} --timeout 10", 100 - lost);
        let ran = bus.run(&format!("{line} {rest}"), b"").badly(0, &words);
        assert!(
            ran.text().starts_with(&format!("{lost}\n")),
            "{}",
            ran.text()
        );
        bus.run(&format!("{line} {rest} --strict"), b"")
            .badly(4, &words);
        // What was lost is why the rest never comes.
        bus.run(&format!("{line} --count 100 --timeout 0.2 --strict"), b"")
            .badly(4, &words);
    }
    bus.run("sub t --from oldest --count 50 --timeout 10 --strict", b"")
        .well();
}

#[test]
fn a_second_exclusive_publisher_is_refused() {
    let bus = Scratch::new();
    let mut first = bus.start("pub t");
    let mut stdin = first.stdin();
    stdin.write_all(b"a\n").unwrap();
    bus.wait_for("t", |info| info["next"] == 1);
    bus.run("pub t", b"b\n").badly(1, "ringbus: ");
    drop(stdin);
    first.finish().well();
    bus.run("pub t", b"b\n").well();
}

#[test]
fn a_signal_ends_a_subscriber_well() {
    let bus = Scratch::new();
    bus.run("pub t", b"a\n").well();
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let mut subs = Vec::new();
        for line in [
            "sub t",
            "sub t --delivery observe",
            "sub missing",
            "sub t --count 5",
        ] {
            subs.push(bus.start(line));
        }
        for sub in subs {
            sub.end_by(signal);
            sub.finish().well();
        }
    }
}

#[test]
fn a_signal_ends_a_publisher_that_waits_for_input_or_for_subscribers() {
    let bus = Scratch::new();
    for line in ["pub a", "pub b --wait-subscribers 1"] {
        let mut waiting = bus.start(line);
        let _stdin = waiting.stdin();
        waiting.end_by(libc::SIGTERM);
        waiting.finish().well();
    }
}

/// A publisher with more to say than the topic holds, a reliable subscriber that is stopped, and what
/// else is to be said.
fn stopped(bus: &Scratch, flags: &str) -> (Running, Running, ChildStdin) {
    let mut publisher = bus.start("pub t --capacity 64 --wait-subscribers 1");
    let subscriber = bus.start(&format!("sub t --delivery reliable {flags}"));
    bus.wait_for("t", |info| {
        info["subscribers"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
    });
    subscriber.signal(libc::SIGSTOP);
    let mut stdin = publisher.stdin();
    stdin.write_all("x\n".repeat(1000).as_bytes()).unwrap();
    (publisher, subscriber, stdin)
}

#[test]
fn a_signal_ends_a_publisher_that_waits_for_a_reliable_subscriber() {
    let bus = Scratch::new();
    let (publisher, subscriber, _stdin) = stopped(&bus, "");
    bus.wait_for("t", |info| info["next"].as_u64() >= Some(64));
    std::thread::sleep(Duration::from_millis(1500));
    publisher.end_by(libc::SIGINT);
    let ran = publisher.finish();
    let who = format!(
        "(pid {}) is 64 messages behind; let it go on",
        subscriber.pid()
    );
    let lines: Vec<_> = ran.err.lines().collect();
    assert!(
        matches!(&lines[..], [line] if line.contains(&who)),
        "{ran:?}"
    );
    assert_eq!(ran.code, Some(0));
    subscriber.signal(libc::SIGCONT);
    subscriber.end_by(libc::SIGINT);
    assert!(subscriber.finish().well().out.len() >= 2 * 64);
}

#[test]
fn a_subscriber_says_how_long_it_is_waited_for() {
    let bus = Scratch::new();
    let (publisher, subscriber, stdin) = stopped(&bus, "--stall-timeout 0.2");
    drop(stdin);
    publisher.finish().well();
    subscriber.signal(libc::SIGCONT);
    std::thread::sleep(Duration::from_millis(300));
    subscriber.end_by(libc::SIGINT);
    subscriber
        .finish()
        .badly(0, "t: evicted for being stuck too long");
}

#[test]
fn a_removed_topic_is_read_until_its_last_publisher_leaves() {
    let bus = Scratch::new();
    let mut publisher = bus.start("pub t");
    let mut stdin = publisher.stdin();
    stdin.write_all(b"before\n").unwrap();
    bus.wait_for("t", |info| info["next"] == 1);
    let subscriber = bus.start("sub t --from oldest");
    bus.wait_for("t", |info| {
        info["subscribers"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
    });
    bus.run("rm t --force", b"").well();
    std::thread::sleep(Duration::from_millis(300));
    stdin.write_all(b"after\n").unwrap();
    drop(stdin);
    publisher.finish().well();
    let ran = subscriber.finish().badly(1, "topic t was removed");
    assert_eq!(ran.text(), "before\nafter\n");
}

#[test]
fn a_closed_stdout_ends_a_subscriber_for_which_nothing_comes() {
    let bus = Scratch::new();
    bus.run("pub t", b"only\n").well();
    for line in [
        "sub t --from oldest",
        "sub t --from oldest --delivery observe",
    ] {
        // Whatever reads the first line has enough; nothing is ever published again.
        let ran = bus
            .shell(&format!("\"$R\" {line} --timeout 50 | head -1"))
            .well();
        assert_eq!(ran.text(), "only\n");
    }
    let waits = bus.shell("\"$R\" sub missing --timeout 50 | true");
    waits.well();
}

#[test]
fn a_closed_stdout_ends_a_subscriber_quietly() {
    let bus = Scratch::new();
    let lines: String = (0..4000).map(|n| format!("{n:0100}\n")).collect();
    bus.run("pub t", lines.as_bytes()).well();
    let mut command = Command::new(RINGBUS);
    command
        .args(["sub", "t", "--from", "oldest"])
        .env("RINGBUS_DIR", bus.path());
    let mut sub = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(sub.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    drop(stdout);
    let ended = sub.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr), (Some(0), vec![]));
}

#[test]
fn who_waits_on_a_bus_that_is_destroyed_says_so_and_ends() {
    let bus = Scratch::new();
    bus.run("pub t", b"a\n").well();
    let pattern = bus.start("sub * --from oldest");
    let server = bus.start("serve upper -- tr a-z A-Z");
    for topic in ["t", "upper/requests"] {
        bus.wait_for(topic, |info| {
            info["subscribers"]
                .as_array()
                .is_some_and(|all| !all.is_empty())
        });
    }
    bus.run("call upper x --wait-servers 1", b"").well();
    bus.run("destroy --force", b"").well();
    let ran = pattern.finish().badly(1, "removed since it was opened");
    assert_eq!(ran.text(), "a\n");
    server
        .finish()
        .badly(1, "service upper: its topics were removed");
}

#[test]
fn a_server_whose_topics_are_removed_says_so_and_ends() {
    for topic in ["upper/requests", "upper/replies"] {
        let bus = Scratch::new();
        let server = bus.start("serve upper -- tr a-z A-Z");
        bus.run("call upper x --wait-servers 1", b"").well();
        bus.run(&format!("rm {topic} --force"), b"").well();
        server
            .finish()
            .badly(1, "service upper: its topics were removed");
    }
}

#[test]
fn a_topic_that_is_waited_for_is_told_of() {
    let bus = Scratch::new();
    let ran = bus.run("sub t --timeout 1.5", b"");
    let ran = ran.badly(
        3,
        "ringbus: t: waiting for the topic, which nobody has made yet on ",
    );
    assert_eq!(ran.err.matches("waiting").count(), 1, "{ran:?}");
}

#[test]
fn a_pattern_that_matches_no_topic_is_told_of() {
    let bus = Scratch::new();
    bus.run("pub other", b"").well();
    let ran = bus.run("sub t/> --count 1 --timeout 1.5", b"");
    let ran = ran.badly(
        3,
        "ringbus: t/>: waiting for a topic that matches, which nobody has made yet on ",
    );
    assert_eq!(ran.err.matches("waiting").count(), 1, "{ran:?}");
    bus.run("pub t/1", b"").well();
    let ran = bus.run("sub t/> --count 1 --timeout 1.5", b"").badly(3, "");
    assert!(!ran.err.contains("waiting"), "{ran:?}");
}

#[test]
fn what_is_missing_is_not_said_to_be_made_where_that_is_no_remedy() {
    let bus = Scratch::new();
    bus.run("pub t", b"").well();
    for verb in ["rm", "info"] {
        let ran = bus.run(&format!("{verb} other"), b"");
        let ran = ran.badly(1, "topic other does not exist; check the bus");
        assert!(!ran.err.contains("create"), "{ran:?}");
    }
}

#[test]
fn wrong_usage_shows_the_usage_of_the_verb() {
    let bus = Scratch::new();
    for (line, usage) in [
        ("sub t --by-time", "ringbus sub"),
        ("pub t --attribute a=1 --attribute a=2", "ringbus pub"),
        ("bench pingpong --bus b", "ringbus bench pingpong"),
        ("--bus b/c topics", "ringbus topics"),
    ] {
        bus.run(line, b"").badly(2, &format!("Usage: {usage} ["));
    }
}

#[test]
fn a_signal_that_comes_twice_at_once_ends_a_verb_in_order() {
    let bus = Scratch::new();
    bus.run("pub t", b"x\n").well();
    let dir = bus.path().join("bench");
    std::fs::create_dir(&dir).unwrap();
    let bench = format!("--dir {} bench stream --count 100000000000", dir.display());
    for (line, code) in [("sub t", 0), (&*bench, 1)] {
        let running = bus.start(line);
        running.end_by(libc::SIGTERM);
        // As `timeout` does it: to the process, and to its group.
        std::thread::sleep(std::time::Duration::from_millis(5));
        running.signal(libc::SIGTERM);
        running.finish().badly(code, "");
    }
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
}

#[test]
fn a_publisher_that_waits_on_a_topic_that_is_removed_says_so_and_ends() {
    let bus = Scratch::new();
    let publisher = bus.start("pub t --wait-subscribers 1");
    while !bus.run("info t", b"").text().contains("alive") {}
    bus.run("rm t --force", b"").well();
    publisher.finish().badly(1, "topic t was removed");
}
