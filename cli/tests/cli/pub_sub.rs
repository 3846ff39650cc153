//! What goes in by `pub` comes out by `sub`.

use std::io::Write;

use serde_json::json;

use crate::harness::Scratch;

/// `count` records of 56 bytes, no two alike, with newlines and bytes that are no text.
fn records(count: u32) -> Vec<u8> {
    let record = |n: u32| {
        let mut record = [b'\n'; 56];
        record[..4].copy_from_slice(&n.to_le_bytes());
        record[30..34].copy_from_slice(&n.wrapping_mul(0x9e37_79b9).to_le_bytes());
        record
    };
    (0..count).flat_map(record).collect()
}

#[test]
fn lines_come_out_as_they_went_in() {
    let bus = Scratch::new();
    let lines = "one\n\nthree\r\n\u{e9}\nlast\n";
    bus.run("pub t --lines", lines.as_bytes()).well();
    let ran = bus
        .run(
            "sub t --from oldest --count 5 --timeout 10 --format lines",
            b"",
        )
        .well();
    assert_eq!(ran.text(), lines);
}

#[test]
fn a_last_line_without_newline_is_published_too() {
    let bus = Scratch::new();
    bus.run("pub t", b"a\nb").well();
    let ran = bus
        .run("sub t --from oldest --count 2 --timeout 10", b"")
        .well();
    assert_eq!(ran.text(), "a\nb\n");
}

#[test]
fn fixed_records_reach_a_reliable_subscriber_that_waited_for_the_topic() {
    let bus = Scratch::new();
    let input = records(30_000);
    let sub = bus.start(
        "sub es/mbo --delivery reliable --from oldest --count 30000 --timeout 50 --format raw",
    );
    bus.run("pub es/mbo --fixed 56 --wait-subscribers 1", &input)
        .well();
    assert_eq!(sub.finish().well().out, input);
}

#[test]
fn length_prefixed_messages_keep_their_lengths() {
    let bus = Scratch::new();
    bus.run(
        "pub t --length-prefixed",
        b"\x02\0\0\0hi\0\0\0\0\x03\0\0\0\n\xff\n",
    )
    .well();
    let ran = bus
        .run(
            "sub t --from oldest --count 3 --timeout 10 --format hex",
            b"",
        )
        .well();
    assert_eq!(ran.text(), "6869\n\n0aff0a\n");
}

#[test]
fn three_shared_publishers_make_one_order_and_keep_their_own() {
    const EACH: usize = 5_000;
    let bus = Scratch::new();
    let flags = format!(
        "--delivery reliable --from oldest --count {} --timeout 50",
        3 * EACH
    );
    let subs = [0, 1].map(|_| bus.start(&format!("sub news {flags}")));
    let pubs = ["a", "b", "c"].map(|name| {
        let mut running = bus.start("pub news --shared --wait-subscribers 2");
        let mut stdin = running.stdin();
        let lines: String = (0..EACH).map(|n| format!("{name} {n}\n")).collect();
        let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
        (running, writer)
    });
    for (running, writer) in pubs {
        running.finish().well();
        writer.join().unwrap().unwrap();
    }
    let [one, two] = subs.map(|sub| sub.finish().well());
    assert!(one.out == two.out, "the two saw different orders");
    for name in ["a", "b", "c"] {
        let seen = one
            .text()
            .lines()
            .filter_map(|line| line.strip_prefix(name));
        let seen: Vec<usize> = seen.map(|number| number.trim().parse().unwrap()).collect();
        assert!(
            seen.iter().copied().eq(0..EACH),
            "publisher {name}'s own order"
        );
    }
}

#[test]
fn a_subscription_starts_where_it_is_told() {
    let bus = Scratch::new();
    let lines: String = (0..100).map(|n| format!("{n}\n")).collect();
    bus.run("pub t --capacity 64", lines.as_bytes()).well();
    let first = |from: &str| {
        let ran = bus
            .run(&format!("sub t --from {from} --count 1 --timeout 10"), b"")
            .well();
        ran.text().trim().to_owned()
    };
    assert_eq!(first("last:1"), "99");
    assert_eq!(first("last:3"), "97");
    assert_eq!(first("seq:80"), "80");
    let oldest = bus.oldest("t");
    assert!((100 - 64..=100 - 64 * 7 / 8).contains(&oldest), "{oldest}");
    assert_eq!(first("oldest"), oldest.to_string());
    bus.run("sub t --from latest --count 1 --timeout 0.2", b"")
        .badly(3, "");
}

#[test]
fn json_tells_all_about_a_message() {
    let bus = Scratch::new();
    bus.run(
        "pub t --tag 7 --time clock --shared",
        b"say \"hi\"\n\xff\xfe\n",
    )
    .well();
    let ran = bus
        .run(
            "sub t --from oldest --count 2 --timeout 10 --format json",
            b"",
        )
        .well();
    let messages: Vec<serde_json::Value> = ran
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for (seq, message) in messages.iter().enumerate() {
        assert_eq!((&message["seq"], &message["tag"]), (&json!(seq), &json!(7)));
        assert_eq!(message["flags"], 0);
        assert!(message["publisher"].is_u64(), "{message}");
        assert!(message["time_ns"].as_u64() > Some(0), "{message}");
    }
    assert_eq!(
        (&messages[0]["len"], &messages[0]["payload"]),
        (&json!(8), &json!("say \"hi\""))
    );
    assert_eq!(
        (&messages[1]["len"], &messages[1]["payload_hex"]),
        (&json!(2), &json!("fffe"))
    );
}

#[test]
fn an_observer_sees_the_same_messages() {
    let bus = Scratch::new();
    let input = records(1_000);
    bus.run("pub t --fixed 56", &input).well();
    let line = "sub t --delivery observe --from oldest --count 1000 --timeout 10 --format raw";
    assert_eq!(bus.run(line, b"").well().out, input);
}

#[test]
fn a_rate_is_kept() {
    let bus = Scratch::new();
    let start = std::time::Instant::now();
    bus.run("pub t --rate 100", "x\n".repeat(51).as_bytes())
        .well();
    assert!(start.elapsed().as_millis() >= 500, "{:?}", start.elapsed());
}

#[test]
fn a_topic_keeps_its_form_for_later_publishers() {
    let bus = Scratch::new();
    bus.run("pub t --capacity 64 --payload-max 10", b"a\n")
        .well();
    bus.run("pub t", b"b\n").well();
    bus.run("pub t --capacity 128", b"c\n")
        .badly(1, "ringbus: ");
    bus.run("pub t --fixed 4", b"dddd").badly(1, "ringbus: ");
    let ran = bus
        .run("sub t --from oldest --count 2 --timeout 10", b"")
        .well();
    assert_eq!(ran.text(), "a\nb\n");
}

#[test]
fn buses_of_other_names_and_places_are_apart() {
    let (bus, other) = (Scratch::new(), Scratch::new());
    let here = other.path().display();
    bus.run("pub t --bus one", b"1\n").well();
    bus.run("--bus two pub t", b"2\n").well();
    bus.run(&format!("pub t --bus one --dir {here}"), b"3\n")
        .well();
    let first = |place: &str| {
        let line = format!("sub t {place} --from oldest --count 1 --timeout 10");
        bus.run(&line, b"").well().text().to_owned()
    };
    assert_eq!(first("--bus one"), "1\n");
    assert_eq!(first("--bus two"), "2\n");
    assert_eq!(first(&format!("--bus one --dir {here}")), "3\n");
}

/// Three orders: two venues, two sides of a price, two tags.
fn orders(bus: &Scratch) {
    for (line, flags) in [
        (
            "near",
            "--tag 1 --attribute venue=XNYS --attribute price=99.5",
        ),
        (
            "far",
            "--tag 2 --attribute venue=XNYS --attribute price=101.5 --attribute hot=true",
        ),
        (
            "abroad",
            "--tag 0x3 --attribute venue=XLON --attribute price=200",
        ),
    ] {
        let flags = flags.replace("0x3", "3");
        let verb = format!("pub orders --attributes-max 64 {flags}");
        bus.run(&verb, line.as_bytes()).well();
    }
}

#[test]
fn sub_prints_only_what_is_asked_for() {
    let bus = Scratch::new();
    orders(&bus);
    let wanted = |flags: &[&str]| {
        let verb = ["sub", "orders", "--from", "oldest", "--timeout", "0.2"];
        let ran = bus.start_with(verb.iter().chain(flags)).finish();
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
        String::from_utf8(ran.out).unwrap()
    };
    let policy = r#"{"venue":["XNYS"],"price":[{"numeric":[">",100]}]}"#;
    assert_eq!(wanted(&["--where", policy]), "far\n");
    assert_eq!(
        wanted(&["--where", r#"{"hot":[{"exists":false}]}"#]),
        "near\nabroad\n"
    );
    assert_eq!(wanted(&["--tag", "1", "--tag", "0x3"]), "near\nabroad\n");
    assert_eq!(wanted(&["--tag-mask", "0x2:2"]), "far\nabroad\n");
    assert_eq!(
        wanted(&["--every", "2", "--delivery", "reliable"]),
        "near\nabroad\n"
    );
    assert_eq!(wanted(&["--at-most-every", "60"]), "near\n");
}

#[test]
fn attributes_are_printed_as_json_of_their_kind() {
    let bus = Scratch::new();
    orders(&bus);
    let ran = bus
        .run("sub orders --from seq:1 --count 1 --format json", b"")
        .well();
    let expected = json!({"hot": true, "price": 101.5, "venue": "XNYS"});
    assert_eq!(ran.json()["attributes"], expected);
}

#[test]
fn filters_and_attributes_that_cannot_be_are_refused() {
    let bus = Scratch::new();
    bus.run("pub plain --fixed 1", b"x").well();
    for (line, code, words) in [
        (
            r#"sub plain --where {"a":1}"#,
            2,
            "line 1 column 6: invalid type: integer `1`",
        ),
        ("sub plain --tag x", 2, "decimal or 0x"),
        ("sub plain --tag-mask 1", 2, "like 0xff00:0x0300"),
        ("sub plain --every 0", 2, "0 is not in 1.."),
        (
            r#"sub plain --where {"a":[1]}"#,
            1,
            "topic plain keeps no attributes",
        ),
        (
            "sub plain --delivery observe --tag 1",
            2,
            "an observer gets every message",
        ),
        ("pub plain --attribute a", 2, "like venue=XNYS"),
        ("pub plain --attribute a=1", 1, "has no room for attributes"),
        (
            "pub new --attributes-max 4 --attribute a=1",
            2,
            "take up 13 bytes",
        ),
    ] {
        let ran = bus.run(line, b"x");
        assert_eq!(ran.code, Some(code), "{line}: {ran:?}");
        assert!(ran.err.contains(words), "{line}: {}", ran.err);
    }
}

#[test]
fn a_pattern_prints_each_message_with_its_topic() {
    let bus = Scratch::new();
    let sub = bus.start("sub s/*/t --json --from oldest --count 4 --timeout 50 --by-time");
    for (topic, line) in [
        ("s/a/t", "1"),
        ("s/b/t", "2"),
        ("s/b", "no"),
        ("s/a/t", "3"),
        ("s/c/t", "4"),
    ] {
        bus.run(&format!("pub {topic} --time clock"), line.as_bytes())
            .well();
    }
    let mut found = Vec::new();
    for line in sub.finish().well().text().lines() {
        let message: serde_json::Value = serde_json::from_str(line).expect("JSON");
        found.push((message["topic"].clone(), message["payload"].clone()));
    }
    let expected = [
        ("s/a/t", "1"),
        ("s/b/t", "2"),
        ("s/a/t", "3"),
        ("s/c/t", "4"),
    ];
    assert_eq!(
        found,
        expected.map(|(topic, payload)| (json!(topic), json!(payload)))
    );
}

#[test]
fn a_pattern_filters_and_tells_of_topics_that_it_cannot() {
    let bus = Scratch::new();
    bus.run("pub o/a --attributes-max 64 --attribute venue=XNYS", b"yes")
        .well();
    bus.run("pub o/a --attribute venue=XLON", b"no").well();
    bus.run("pub o/plain", b"no").well();
    let flags = [
        "sub",
        "o/>",
        "--from",
        "oldest",
        "--where",
        r#"{"venue":["XNYS"]}"#,
    ];
    let ran = bus
        .start_with(flags.into_iter().chain(["--count", "1", "--timeout", "10"]))
        .finish();
    assert_eq!((ran.code, ran.text()), (Some(0), "yes\n"));
    assert!(ran.err.contains("topic o/plain is left out"), "{}", ran.err);
}
