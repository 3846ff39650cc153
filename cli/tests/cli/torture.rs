//! Each torture case, run short: it finds nothing, and cleans up whatever happens to it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::harness::{Running, Scratch};

/// Starts a case that works in the test's directory.
fn torture(bus: &Scratch, line: &str) -> Running {
    bus.start(&format!("torture {line} --dir {}", bus.path().display()))
}

/// Runs a case that has to find nothing, and returns what it did.
fn held(line: &str) -> serde_json::Value {
    let bus = Scratch::new();
    let ran = torture(&bus, &format!("{line} --json")).finish();
    println!("{line}: {}", String::from_utf8_lossy(&ran.out));
    let json = ran.well().json();
    assert_eq!(json["held"], true);
    assert_eq!(json["broken"].as_array().map(Vec::len), Some(0));
    assert_eq!(left(&bus), [""; 0]);
    json
}

fn left(bus: &Scratch) -> Vec<String> {
    let entries = fs::read_dir(bus.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

/// Processes of the case in `dir`.
fn processes(dir: &Path) -> usize {
    let dir = dir.display().to_string();
    let lines = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let line = fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    lines
        .filter(|line| line.contains("torture-role") && line.contains(&dir))
        .count()
}

/// Waits for `holds`, for as long as a busy machine may need.
fn soon(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn kills_harm_nobody() {
    let json = held("kill --count 200");
    assert!(json["did"]["kills"].as_u64() >= Some(200));
    assert!(json["did"]["messages"].as_u64() > Some(1000));
    for count in ["torn", "acknowledged_then_lost", "twice", "locks_left"] {
        assert_eq!(json["found"][count], 0, "{count}");
    }
}

#[test]
fn who_comes_and_goes_is_not_felt_by_those_who_stay() {
    let json = held("churn --count 3000");
    for kind in ["joins", "leaves", "creates", "removes"] {
        assert!(json["did"][kind].as_u64() > Some(10), "{kind}");
    }
    for count in ["acknowledged_then_lost", "miscounted", "failed"] {
        assert_eq!(json["found"][count], 0, "{count}");
    }
}

#[test]
fn dead_listeners_servers_and_clients_harm_nobody() {
    let json = held("listeners --count 80");
    assert!(json["did"]["kills"].as_u64() >= Some(80));
    for what in [
        "messages",
        "topics_met",
        "calls_answered",
        "requests_served",
    ] {
        assert!(json["did"][what].as_u64() > Some(10), "{what}");
    }
    for count in ["torn", "acknowledged_then_lost", "misplaced", "locks_left"] {
        assert_eq!(json["found"][count], 0, "{count}");
    }
}

#[test]
fn too_little_of_anything_is_told_and_leaves_nothing() {
    // One or two rooms of each kind.
    let json = held("space --count 16 --seed 1");
    assert_eq!(json["did"]["rooms"], 16);
    for count in ["signals", "left_behind", "unclear_errors", "wrong"] {
        assert_eq!(json["found"][count], 0, "{count}");
    }
    if json["found"]["skipped"] == 0 {
        assert!(json["did"]["tries"].as_u64() > Some(300));
        assert!(json["found"]["refused"].as_u64() > Some(50));
    } else {
        println!("skipped in part: {}", json["found"]["skipped_first"]);
    }
}

#[test]
fn those_kept_apart_work_together_or_are_refused() {
    let json = held("isolation --count 16 --seed 1");
    assert_eq!(json["did"]["scenes"], 16);
    assert_eq!(json["found"]["wrong"], 0);
    if json["found"]["skipped"] != 0 {
        println!("skipped in part: {}", json["found"]["skipped_first"]);
    }
    assert!(json["found"]["skipped"].as_u64() < Some(16));
}

#[test]
fn a_case_says_how_it_began_and_for_people_too() {
    let bus = Scratch::new();
    let ran = torture(&bus, "kill --count 3 --seed 7").finish().well();
    assert!(ran.text().starts_with("kill, seed 7, "), "{}", ran.text());
    assert!(ran.text().ends_with(" checks held\n"), "{}", ran.text());
}

#[test]
fn an_interrupted_case_fails_and_leaves_nothing() {
    let bus = Scratch::new();
    let running = torture(&bus, "kill --seconds 60");
    soon("the case has no processes", || processes(bus.path()) > 3);
    running.end_by(libc::SIGINT);
    running.finish().badly(1, "interrupted");
    assert_eq!(processes(bus.path()), 0);
    assert_eq!(left(&bus), [""; 0]);
}

#[test]
fn a_killed_case_leaves_one_directory_which_the_next_one_removes() {
    let bus = Scratch::new();
    let running = torture(&bus, "kill --seconds 60");
    soon("the case has no processes", || processes(bus.path()) > 3);
    running.signal(libc::SIGKILL);
    running.finish();
    soon("the case's processes live on", || {
        processes(bus.path()) == 0
    });
    assert_eq!(left(&bus).len(), 1);
    // One that was made just now would be left alone.
    std::thread::sleep(Duration::from_millis(1100));
    torture(&bus, "kill --count 3").finish().well();
    assert_eq!(left(&bus), [""; 0]);
}

#[test]
fn bad_words_are_refused_with_a_reason() {
    let bus = Scratch::new();
    for line in [
        "torture",
        "torture nobody",
        "torture kill --count 0",
        "torture kill --seconds 0",
        "torture kill --seed -1",
    ] {
        bus.run(line, b"").badly(2, "error: ");
    }
    bus.run("torture kill --bus work", b"")
        .badly(2, "leave out --bus");
    bus.run("torture kill --dir /nowhere/at/all", b"")
        .badly(1, "cannot make /nowhere/at/all/ringbus-torture-");
    bus.run("torture-role kill/nobody /tmp", b"")
        .badly(1, "run ringbus torture");
}
