//! Every case of the bench measures, checks its messages and says what it found. How fast is not asked
//! here: a test that depends on it would fail on a busy machine.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Ran, Scratch};

/// Runs a case with its files below the test's directory, and reads the lines of JSON.
fn bench(bus: &Scratch, line: &str) -> Vec<Value> {
    let ran = run(bus, &format!("{line} --json"));
    let lines = ran.text().lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn run(bus: &Scratch, line: &str) -> Ran {
    let ran = bus.run(&format!("bench {line} --dir {}", bus.path().display()), b"");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let complaint = match cfg!(debug_assertions) {
        true => "ringbus: this is a debug build",
        false => "",
    };
    assert!(ran.err.starts_with(complaint), "{}", ran.err);
    assert_eq!(ran.err.lines().count(), usize::from(cfg!(debug_assertions)));
    assert_eq!(
        fs::read_dir(bus.path()).unwrap().count(),
        0,
        "something is left"
    );
    ran
}

/// The bus's line and the floor's, of a case measured beside its floor.
fn beside_the_floor(bus: &Scratch, line: &str) -> [Value; 2] {
    let lines = bench(bus, &format!("{line} --rounds 2"));
    let [bus, floor] = lines.try_into().expect("two lines");
    assert_eq!(
        (&bus["peer"], &floor["peer"]),
        (&"ringbus".into(), &"floor".into())
    );
    assert_eq!((&bus["rounds"], &bus["case"]), (&2.into(), &floor["case"]));
    assert_eq!(floor.get("ratio"), None);
    [bus, floor]
}

/// Checks that there is a number above zero at each of these places.
#[track_caller]
fn positive(value: &Value, pointers: &[&str]) {
    for pointer in pointers {
        let number = value.pointer(pointer).and_then(Value::as_f64);
        assert!(
            number.is_some_and(|number| number > 0.0),
            "{pointer} of {value}"
        );
    }
}

/// Checks that a figure's ratio is what it says.
#[track_caller]
fn divided([bus, floor]: &[Value; 2], pointer: &str) {
    let number = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_f64);
    let ratio = number(bus, &format!("/ratio{pointer}")).expect("a ratio");
    let quotient = number(bus, pointer).unwrap() / number(floor, pointer).unwrap();
    assert!((ratio / quotient - 1.0).abs() < 0.01, "{ratio} {quotient}");
}

/// Builds the shared library of the C ABI beside the command, where it looks for it.
fn build_library() {
    let command = Path::new(env!("CARGO_BIN_EXE_ringbus"));
    let profile = command.parent().expect("a directory");
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    build.args(["build", "--quiet", "-p", "ringbus-ffi", "--target-dir"]);
    build.arg(profile.parent().expect("a directory"));
    if profile.ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().expect("cargo").success());
}

#[test]
fn what_goes_through_c_is_measured_and_checked_alike() {
    build_library();
    let bus = Scratch::new();
    for delivery in ["reliable", "lossy"] {
        for case in [
            "pingpong --iters 200",
            "stream --count 20000 --batch 1",
            "stream --count 20000 --batch 64",
        ] {
            let case = format!("{case} --delivery {delivery}");
            let [in_rust, in_c] =
                ["rust", "c"].map(|via| bench(&bus, &format!("{case} --via {via}")).remove(0));
            assert_eq!(
                (&in_rust["via"], &in_c["via"]),
                (&"rust".into(), &"c".into())
            );
            let names = |line: &Value| {
                let fields = line.as_object().expect("an object").keys();
                fields.cloned().collect::<Vec<_>>()
            };
            assert_eq!(names(&in_rust), names(&in_c));
        }
    }
}

#[test]
fn a_library_that_is_not_there_is_told() {
    let bus = Scratch::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringbus"));
    command.env("RINGBUS_LIBRARY", bus.path().join("none.so"));
    command.args(["bench", "pingpong", "--via", "c", "--dir"]);
    let ran = command.arg(bus.path()).output().expect("it runs");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert!(said.contains("--via c needs the shared library"), "{said}");
    assert!(said.contains("none.so"), "{said}");
}

#[test]
fn pingpong_tells_one_way_latencies_and_their_ratio_to_the_floor() {
    let bus = Scratch::new();
    let lines = beside_the_floor(&bus, "pingpong --iters 200");
    for line in &lines {
        let percentiles = ["min", "mid", "p50", "p99", "p999", "mean"];
        positive(
            line,
            &percentiles
                .map(|name| format!("/oneway_ns/{name}"))
                .each_ref()
                .map(String::as_str),
        );
        assert_eq!(
            (&line["size"], &line["mode"]),
            (&64.into(), &"exclusive".into())
        );
    }
    divided(&lines, "/oneway_ns/p50");
}

#[test]
fn pingpong_goes_through_every_form_of_topic() {
    let bus = Scratch::new();
    for flags in [
        "--lean",
        "--mode shared",
        "--delivery lossy",
        "--size 8",
        "--size 5000",
    ] {
        let lines = bench(&bus, &format!("pingpong --iters 50 {flags}"));
        assert_eq!(lines.len(), 1, "{flags}");
        positive(&lines[0], &["/oneway_ns/p50", "/clock_ns"]);
    }
}

#[test]
fn latencies_are_drawn_and_logged_beside_the_floor() {
    let cases: [(&str, &[&str]); 4] = [
        ("pingpong --iters 20", &["oneway_ns"]),
        (
            "wake --iters 20",
            &["oneway_ns", "publish_ns", "spinner_oneway_ns"],
        ),
        ("call --iters 20", &["oneway_ns"]),
        ("attach --iters 2", &["attach_ns", "further_topic_ns"]),
    ];
    for (case, names) in cases {
        let (bus, files) = (Scratch::new(), Scratch::new());
        let path = |name: &str| files.path().join(name);
        let (svg, hdr) = (path("latency.svg"), path("latency.hlog"));
        let (svg_path, hdr_path) = (svg.display(), hdr.display());
        run(&bus, &format!("{case} --svg {svg_path} --hdr {hdr_path}"));
        let svg = fs::read_to_string(svg).unwrap();
        let hdr = fs::read_to_string(hdr).unwrap();
        assert!(
            svg.starts_with("<svg ") && svg.ends_with("</svg>\n"),
            "{svg}"
        );
        assert_eq!(svg.matches("<polyline").count(), 2 * names.len(), "{case}");
        for name in names {
            for peer in ["ringbus", "floor"] {
                let tag = format!("Tag={peer}.{name},");
                assert_eq!(hdr.matches(&tag).count(), 1, "{case}: {hdr}");
            }
        }
    }
}

#[test]
fn files_that_cannot_be_written_are_told_of_before_anything_is_measured() {
    let bus = Scratch::new();
    let there = bus.path().join("latency.svg");
    let dir = bus.path().display().to_string();
    for flags in [
        format!("--svg {dir}/nowhere/latency.svg"),
        format!("--svg {} --hdr {dir}", there.display()),
    ] {
        // An hour's work, and more.
        let line = format!("bench pingpong --iters 100000000000 {flags} --dir {dir}");
        bus.start(&line).finish().badly(1, "cannot write ");
        assert!(!there.exists());
    }
}

#[test]
fn one_file_is_not_written_twice() {
    let bus = Scratch::new();
    let dir = bus.path().display().to_string();
    for (svg, hdr) in [("both", "both"), ("both", "../both")] {
        fs::create_dir_all(bus.path().join("within")).unwrap();
        let within = if svg == hdr { "" } else { "within/" };
        // An hour's work, and more.
        let line = format!(
            "bench pingpong --iters 100000000000 --svg {dir}/{svg} --hdr {dir}/{within}{hdr} --dir {dir}"
        );
        let words = format!("--hdr and --svg both name {dir}/both: give each");
        bus.start(&line).finish().badly(2, &words);
        assert!(!bus.path().join("both").exists());
    }
}

#[test]
fn stream_loses_nothing_one_by_one_and_in_batches() {
    let bus = Scratch::new();
    for flags in [
        "",
        "--batch 1",
        "--lean",
        "--mode shared",
        "--size 1000 --capacity 16",
    ] {
        let lines = beside_the_floor(&bus, &format!("stream --count 20000 {flags}"));
        for line in &lines {
            positive(line, &["/msgs_per_s", "/bytes_per_s"]);
            assert_eq!(line["lost"], 0, "{flags}");
        }
        divided(&lines, "/msgs_per_s");
        positive(&lines[1], &["/bare_msgs_per_s"]);
    }
}

#[test]
fn a_lossy_stream_counts_what_it_lost() {
    let bus = Scratch::new();
    let line = &bench(
        &bus,
        "stream --count 100000 --delivery lossy --capacity 64 --batch 1",
    )[0];
    assert!(
        line["lost"].as_u64().is_some_and(|lost| lost < 100_000),
        "{line}"
    );
}

#[test]
fn fanout_has_a_row_for_each_number_of_subscribers() {
    let bus = Scratch::new();
    let lines = beside_the_floor(&bus, "fanout --subs 1,3 --count 2000");
    for line in &lines {
        assert_eq!(line["rows"].as_array().map(Vec::len), Some(2));
        assert_eq!(line.pointer("/rows/1/subs"), Some(&3.into()));
        positive(line, &["/rows/1/publish_ns", "/rows/0/take_ns_each"]);
    }
    divided(&lines, "/rows/1/publish_ns");
}

#[test]
fn wake_is_measured_with_the_processor_asleep_and_awake() {
    let bus = Scratch::new();
    let lines = beside_the_floor(&bus, "wake --iters 20");
    for line in &lines {
        positive(
            line,
            &[
                "/oneway_ns/p50",
                "/spinner_oneway_ns/p50",
                "/publish_ns/p50",
            ],
        );
    }
    divided(&lines, "/spinner_oneway_ns/p50");
}

#[test]
fn contention_checks_the_order_of_each_publisher() {
    let bus = Scratch::new();
    let lines = beside_the_floor(&bus, "contention --pubs 1,3 --count 20000");
    for line in &lines {
        positive(line, &["/rows/0/msgs_per_s", "/rows/1/msgs_per_s"]);
        assert_eq!(line.pointer("/rows/1/lost"), Some(&0.into()));
    }
    let share = lines[0]
        .pointer("/rows/1/fair_share")
        .and_then(Value::as_f64);
    assert!(
        share.is_some_and(|share| (0.0..=1.0).contains(&share)),
        "{share:?}"
    );
}

#[test]
fn sizes_are_passed_and_filled() {
    let bus = Scratch::new();
    let lines = beside_the_floor(
        &bus,
        "sizes --sizes 8,4096,300000 --iters 20 --bytes 1000000",
    );
    for line in &lines {
        assert_eq!(line["rows"].as_array().map(Vec::len), Some(3));
        positive(line, &["/rows/2/pass_ns", "/rows/2/fill_read_bytes_per_s"]);
    }
    divided(&lines, "/rows/0/fill_read_bytes_per_s");
}

#[test]
fn attach_times_each_step_in_a_new_process() {
    let bus = Scratch::new();
    let lines = beside_the_floor(&bus, "attach --iters 3");
    let steps = [
        "/open_bus_us",
        "/open_topic_us",
        "/join_us",
        "/first_message_us",
    ];
    positive(&lines[0], &steps);
    for line in &lines {
        positive(line, &["/attach_us", "/from_spawn_us", "/further_topic_us"]);
    }
    divided(&lines, "/attach_us");
}

#[test]
fn memory_is_what_the_formula_says() {
    let bus = Scratch::new();
    let lines = beside_the_floor(&bus, "memory --idle-ms 50");
    let rows = lines[0]["ratio"]["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 5);
    for row in rows {
        assert_eq!(row["file_bytes"], 1, "{row}");
    }
    assert!(lines[0]["idle_cpu_us_in_a_second"].is_number());
}

#[test]
fn the_floor_is_measured_alone() {
    let bus = Scratch::new();
    let lines = bench(&bus, "floor stream --count 2000");
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["peer"], "floor");
}

#[test]
fn without_json_a_table_has_both_and_the_ratio() {
    let bus = Scratch::new();
    let ran = run(&bus, "fanout --subs 2 --count 600 --rounds 1");
    let mut lines = ran.text().lines();
    assert!(
        lines
            .next()
            .is_some_and(|line| line.starts_with("fanout, "))
    );
    let header: Vec<_> = lines
        .nth(1)
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    assert_eq!(header, ["RINGBUS", "FLOOR", "RATIO"]);
    let row = lines.next().unwrap_or_default();
    assert!(row.starts_with("subs 2, publish_ns "), "{row}");
    assert_eq!(row.split_whitespace().count(), 3 + 3);
    let ran = run(&bus, "stream --count 2000 --rounds 1");
    let lines = |start: &str| {
        let lines = ran.text().lines();
        lines.filter(|line| line.starts_with(start)).count()
    };
    let counts = ["msgs_per_s ", "bare_msgs_per_s "].map(lines);
    assert_eq!(
        counts,
        [1, 1],
        "what both have, and what only the floor has"
    );
}

#[test]
fn what_cannot_be_measured_is_refused_with_the_reason() {
    let bus = Scratch::new();
    for (line, code, words) in [
        ("pingpong --size 7", 2, "8 or more"),
        ("fanout --subs 0", 2, "1 to 1024"),
        ("pingpong --cpus 0,x", 2, "numbers of processors"),
        (
            "pingpong --cpus 100000",
            2,
            "--cpus 100000: this process may run on",
        ),
        ("fanout --capacity 512", 2, "needs 1024 slots or more"),
        ("wake --size 8", 2, "16 bytes or more"),
        ("pingpong --bus mine", 2, "leave out --bus"),
        ("nothing", 2, "nothing"),
    ] {
        bus.run(&format!("bench {line}"), b"").badly(code, words);
    }
}

#[test]
fn an_interrupted_bench_says_so_and_leaves_nothing() {
    let bus = Scratch::new();
    let line = format!(
        "bench pingpong --iters 1000000000 --dir {}",
        bus.path().display()
    );
    let running = bus.start(&line);
    running.end_by(libc::SIGINT);
    running.finish().badly(1, "interrupted");
    assert_eq!(
        fs::read_dir(bus.path()).unwrap().count(),
        0,
        "something is left"
    );
}

#[test]
fn call_is_measured_beside_two_publishes() {
    let bus = Scratch::new();
    let lines = beside_the_floor(&bus, "call --iters 200");
    for line in &lines {
        positive(line, &["/oneway_ns/p50", "/oneway_ns/mid"]);
    }
    divided(&lines, "/oneway_ns/mid");
}

#[test]
fn filter_has_a_row_for_each_kind() {
    let bus = Scratch::new();
    let lines = beside_the_floor(&bus, "filter --count 2000");
    for line in &lines {
        let kinds = ["tag", "tags", "mask", "closure", "policy"];
        for (row, kind) in kinds.into_iter().enumerate() {
            assert_eq!(line["rows"][row]["filter"], kind);
            for figure in ["skip", "sift"] {
                positive(line, &[&format!("/rows/{row}/{figure}_ns_each")]);
            }
        }
    }
    divided(&lines, "/rows/0/skip_ns_each");
}

#[test]
fn multi_has_a_row_for_each_number_of_topics() {
    let bus = Scratch::new();
    for line in &beside_the_floor(&bus, "multi --topics 1,20 --count 2000") {
        for (row, topics) in [1, 20].into_iter().enumerate() {
            assert_eq!(line["rows"][row]["topics"], topics);
            for figure in ["in_turn", "by_time", "one_busy"] {
                positive(line, &[&format!("/rows/{row}/{figure}_ns_each")]);
            }
        }
    }
}
