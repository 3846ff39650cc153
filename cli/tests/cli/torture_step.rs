//! The cases `step` and `stop`, short: some moments of everything, and of one operation all.

use serde_json::Value;

use crate::harness::Scratch;

/// Runs a case, or says why it cannot be run here.
fn torture(line: &str) -> Option<Value> {
    let bus = Scratch::new();
    let dir = bus.path().display();
    let ran = bus.run(&format!("torture {line} --json --dir {dir}"), b"");
    if ran.err.contains("needs ptrace(2)") {
        println!("skipped: {}", ran.err.trim_end());
        return None;
    }
    let found = ran.well().json();
    let left = std::fs::read_dir(bus.path()).expect("the test's directory");
    assert_eq!(left.count(), 0, "something is left");
    Some(found)
}

/// Every operation had its share, and nothing went wrong with any.
fn check(found: &Value, points: &str, least: u64) {
    assert_eq!(found["held"], true, "{found}");
    assert!(found["did"][points].as_u64() >= Some(least), "{found}");
    for (name, operation) in operations(found) {
        let number = |field: &str| operation[field].as_u64().expect("a number");
        assert!(number("points") > 0, "{name}");
        assert!(number("addresses") > 1, "{name}");
        assert!(number("instructions") >= number("addresses"), "{name}");
    }
}

fn operations(found: &Value) -> &serde_json::Map<String, Value> {
    let operations = found["found"]["points"].as_object().expect("an object");
    assert_eq!(found["did"]["operations"], operations.len());
    operations
}

#[test]
fn nobody_feels_a_death_between_two_instructions() {
    for operation in ["exclusive/publish/", "shared/publish/", "release_lossy"] {
        let line = format!("step --count 60 --seed 5 --operation {operation}");
        let Some(found) = torture(&line) else { return };
        check(&found, "kill_points", 60);
    }
}

#[test]
fn nobody_feels_who_is_stopped_between_two_instructions_and_comes_back() {
    for operation in ["shared/publish/", "poll_evictable", "hold_lossy"] {
        let line = format!("stop --count 60 --seed 5 --operation {operation}");
        let Some(found) = torture(&line) else { return };
        check(&found, "stop_points", 60);
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes where nothing is optimised")]
fn nobody_feels_a_death_or_a_stop_in_anything_that_a_process_does() {
    // Each of them ends within the time that a test gives a process, on a busy machine too.
    const OPERATIONS: [&str; 9] = [
        "/publish",
        "/lo",
        "/commit",
        "/abort",
        "reliable",
        "evictable",
        "lossy",
        "bus",
        "/create",
    ];
    for operation in OPERATIONS {
        for (case, points) in [("step", "kill_points"), ("stop", "stop_points")] {
            let line = format!("{case} --count 100 --seed 5 --operation {operation}");
            let Some(found) = torture(&line) else { return };
            check(&found, points, 100);
        }
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes where nothing is optimised")]
fn nobody_feels_a_second_death_while_the_first_is_put_right() {
    for operation in [
        "+publish",
        "+collect",
        "held+join",
        "+join_lossy",
        "+create",
        "+remove",
    ] {
        let line = format!("step --count 60 --seed 5 --operation {operation}");
        let Some(found) = torture(&line) else { return };
        check(&found, "kill_points", 60);
    }
}

#[test]
fn an_operation_that_is_not_there_is_an_error() {
    let bus = Scratch::new();
    let dir = bus.path().display();
    let line = format!("torture step --operation dance --dir {dir}");
    bus.run(&line, b"")
        .badly(2, "no operation has \"dance\" in its name");
    let line = format!("torture kill --operation publish --dir {dir}");
    bus.run(&line, b"")
        .badly(2, "only step and stop know --operation");
}
