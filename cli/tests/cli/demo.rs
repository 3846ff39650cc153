//! The demo passes its own checks, and cleans up whatever happens to it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::harness::Scratch;

/// Processes of a demo under `dir`.
fn processes(dir: &Path) -> Vec<String> {
    let dir = dir.display().to_string();
    let lines = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let line = fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    lines
        .filter(|line| line.contains("demo-role") && line.contains(&dir))
        .collect()
}

/// Waits for `holds`, for as long as a busy machine may need.
fn soon(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Starts a demo that names its directory in its processes' command lines.
fn demo(bus: &Scratch, flags: &str) -> crate::harness::Running {
    bus.start(&format!("demo {flags} --dir {}", bus.path().display()))
}

#[test]
fn the_demo_kills_restarts_counts_and_passes_every_check() {
    let bus = Scratch::new();
    let ran = demo(&bus, "--seconds 3").finish();
    println!("{}", ran.text());
    let ran = ran.well();
    let lines = |start: &str| {
        ran.text()
            .lines()
            .filter(|line| line.starts_with(start))
            .count()
    };
    assert_eq!((lines("ok "), lines("FAIL")), (8, 0));
    assert!(ran.text().ends_with("8 of 8 checks held\n"));
    assert!(
        ran.text()
            .contains("momentum (reliable): got 60,000 of 60,000")
    );
    assert!(!ran.text().contains('\x1b'), "no terminal, no escapes");
    assert_eq!(
        fs::read_dir(bus.path()).unwrap().count(),
        0,
        "its bus is gone"
    );
}

#[test]
fn an_interrupted_demo_fails_and_leaves_nothing() {
    let bus = Scratch::new();
    let running = demo(&bus, "--seconds 30");
    soon("the demo has no processes", || {
        processes(bus.path()).len() == 5
    });
    running.end_by(libc::SIGINT);
    running.finish().badly(1, "interrupted");
    assert_eq!(processes(bus.path()), [""; 0]);
    assert_eq!(
        fs::read_dir(bus.path()).unwrap().count(),
        0,
        "its bus is gone"
    );
}

#[test]
fn a_killed_demo_takes_its_processes_with_it_and_its_bus_goes_with_the_next() {
    let bus = Scratch::new();
    let running = demo(&bus, "--seconds 30");
    soon("the demo has no processes", || {
        processes(bus.path()).len() == 5
    });
    running.signal(libc::SIGKILL);
    running.finish();
    soon("the demo's processes live on", || {
        processes(bus.path()).is_empty()
    });
    let left = || fs::read_dir(bus.path()).unwrap().count();
    assert_eq!(left(), 1, "its bus");
    std::thread::sleep(Duration::from_secs(1)); // younger ones may be another demo's, just begun
    demo(&bus, "--seconds 2 --rate 5000").finish(); // its checks are another test's
    assert_eq!(left(), 0, "both buses are gone");
}

#[test]
fn a_demo_on_a_bus_of_the_users_leaves_the_rest_of_it_alone() {
    let bus = Scratch::new();
    bus.run("pub mine --bus work", b"kept\n").well();
    demo(&bus, "--seconds 2 --rate 5000 --bus work")
        .finish()
        .well();
    let ran = bus.run("topics --bus work --json", b"").well();
    assert_eq!(ran.json().as_array().map(Vec::len), Some(1));
    assert_eq!(ran.json()[0]["name"], "mine");
}
