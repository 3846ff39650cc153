//! `ringbus serve` answers `ringbus call`.

use std::time::{Duration, Instant};

use crate::harness::{Running, Scratch};

/// Starts a server, and waits until it serves.
fn serve(bus: &Scratch, line: &str) -> Running {
    let service = line.split(' ').next().expect("a service");
    let servers = || {
        let ran = bus.run(&format!("info {service}/replies --json"), b"");
        let alive = |ran: crate::harness::Ran| {
            let publishers = ran.json()["publishers"].clone();
            let all = publishers.as_array().cloned().unwrap_or_default();
            all.iter().filter(|one| one["alive"] == true).count()
        };
        if ran.code == Some(0) { alive(ran) } else { 0 }
    };
    let before = servers();
    let running = bus.start(&format!("serve {line}"));
    while servers() == before {
        std::thread::sleep(Duration::from_millis(10));
    }
    running
}

#[test]
fn a_command_answers_each_request() {
    let bus = Scratch::new();
    let _server = serve(&bus, "upper -- tr a-z A-Z");
    assert_eq!(bus.run("call upper hello", b"").well().text(), "HELLO\n");
    assert_eq!(
        bus.run("call upper", b"from stdin").well().text(),
        "FROM STDIN\n"
    );
    let reply = bus.run("call upper hello --json", b"").well().json();
    assert_eq!(
        (&reply["payload"], &reply["server"]),
        (&"HELLO".into(), &0.into())
    );
}

#[test]
fn a_command_that_says_too_much_is_ended_and_told_of() {
    let bus = Scratch::new();
    let _server = serve(&bus, "flood --reply-max 64 -- yes");
    for _ in 0..2 {
        let ran = bus.run("call flood x --timeout 30", b"");
        assert_eq!(ran.code, Some(1));
        assert!(ran.err.contains("more than 64 bytes"), "{}", ran.err);
        assert!(ran.err.contains("--reply-max"), "{}", ran.err);
    }
}

#[test]
fn a_call_can_wait_for_servers() {
    let bus = Scratch::new();
    let ran = bus.run("call upper hello --wait-servers 1 --timeout 0.1", b"");
    assert_eq!(ran.code, Some(3));
    assert!(ran.err.contains("fewer than 1 servers"), "{}", ran.err);
    let _server = bus.start("serve upper -- tr a-z A-Z");
    let ran = bus.run("call upper hello --wait-servers 1 --timeout 30", b"");
    assert_eq!(ran.well().text(), "HELLO\n");
}

#[test]
fn all_servers_can_be_asked() {
    let bus = Scratch::new();
    let _one = serve(&bus, "who -- echo one");
    let _two = serve(&bus, "who -- echo two");
    let ran = bus.run("call who x --all", b"").well();
    let mut lines: Vec<_> = ran.text().split_whitespace().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["one", "two"]);
}

#[test]
fn without_a_server_a_call_fails_at_once() {
    let bus = Scratch::new();
    bus.run("pub t", b"x").well(); // so that there is a bus
    let ran = bus.run("call upper hello --timeout 1000", b"");
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("no server of upper lives"), "{}", ran.err);
    let server = serve(&bus, "upper -- cat");
    drop(server);
    let ran = bus.run("call upper hello --timeout 1000", b"");
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("no server of upper lives"), "{}", ran.err);
}

#[cfg(all(target_os = "linux", not(feature = "portable")))]
#[test]
fn a_service_is_for_those_whom_its_first_server_names() {
    let bus = Scratch::new();
    let _server = serve(&bus, "upper --mode 660 -- tr a-z A-Z");
    for topic in ["upper/requests", "upper/replies"] {
        let info = bus.run(&format!("info {topic} --json"), b"").well().json();
        assert_eq!(info["access"], "0660", "{topic}");
    }
}

#[test]
fn a_command_that_fails_is_told_of() {
    let bus = Scratch::new();
    let _server = serve(&bus, "bad -- false");
    let ran = bus.run("call bad x", b"");
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.err, "ringbus: bad: server 0: false: exit status: 1\n");
    let ran = bus
        .run("call bad x --all", b"")
        .badly(1, "false: exit status: 1");
    assert!(
        ran.err.ends_with("ringbus: bad: 1 server did not answer\n"),
        "{}",
        ran.err
    );
}

/// Starts a server whose command takes the request, runs `script`, and a client; returns both once
/// the script runs.
#[cfg(unix)]
fn busy_server(bus: &Scratch, flags: &str, script: &str) -> (Running, Running) {
    let begun = bus.path().join("begun");
    let script = format!("echo $$ > {}; {script}", begun.display());
    let line = format!("serve slow {flags} -- sh -c").trim().to_owned();
    let words = line.split_whitespace().chain([script.as_str()]);
    let server = bus.start_with(words);
    let call = bus.start("call slow hello --wait-servers 1 --timeout 1000");
    let started = Instant::now();
    while std::fs::read_to_string(&begun)
        .unwrap_or_default()
        .is_empty()
    {
        assert!(started.elapsed() < Duration::from_secs(30), "never began");
        std::thread::sleep(Duration::from_millis(10));
    }
    (server, call)
}

#[cfg(unix)]
#[test]
fn a_server_that_is_to_end_answers_what_it_has_begun() {
    let bus = Scratch::new();
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let (server, call) = busy_server(&bus, "", "sleep 0.5; tr a-z A-Z");
        server.end_by(signal);
        assert_eq!(call.finish().well().text(), "HELLO\n");
        server.finish().well();
        std::fs::remove_file(bus.path().join("begun")).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn a_command_without_an_end_ends_with_its_server() {
    let bus = Scratch::new();
    let deaf = "trap '' TERM; while :; do sleep 0.1; done";
    for (flags, signals, script) in [
        ("--grace 0.2", 1, "sleep 1000"),
        ("--grace 0.2", 1, deaf),
        ("--grace 1000", 2, "sleep 1000"),
    ] {
        let (server, call) = busy_server(&bus, flags, script);
        let pid = std::fs::read_to_string(bus.path().join("begun")).unwrap();
        for _ in 0..signals {
            server.end_by(libc::SIGTERM);
            std::thread::sleep(Duration::from_millis(300)); // it looks at signals every 100
        }
        server.finish().well();
        call.finish().badly(1, "the server has ended");
        assert!(!std::fs::exists(format!("/proc/{}", pid.trim())).unwrap());
        std::fs::remove_file(bus.path().join("begun")).unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_command_does_not_outlive_a_server_that_was_killed_or_hung_up() {
    let bus = Scratch::new();
    for signal in [libc::SIGHUP, libc::SIGKILL] {
        let (server, call) = busy_server(&bus, "", "exec sleep 1000");
        let pid = std::fs::read_to_string(bus.path().join("begun")).unwrap();
        // SAFETY: touches no memory; the process is not collected yet.
        assert_eq!(unsafe { libc::kill(server.pid() as i32, signal) }, 0);
        call.finish();
        let started = Instant::now();
        while is_running(pid.trim()) {
            assert!(started.elapsed() < Duration::from_secs(5), "still there");
            std::thread::sleep(Duration::from_millis(10));
        }
        std::fs::remove_file(bus.path().join("begun")).unwrap();
    }
}

/// Whether there is such a process, and it has not ended: nobody may collect an orphan.
#[cfg(target_os = "linux")]
fn is_running(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    status.is_ok_and(|status| !status.contains(") Z"))
}

#[test]
fn a_server_that_is_killed_ends_the_call() {
    let bus = Scratch::new();
    let server = serve(&bus, "slow -- sleep 3");
    let call = bus.start("call slow x --timeout 1000");
    bus.wait_for("slow/requests", |topic| topic["published"] == 1);
    drop(server);
    let ran = call.finish();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("ended before it answered"), "{}", ran.err);
}

#[test]
fn a_call_that_takes_too_long_ends_with_its_own_code() {
    let bus = Scratch::new();
    let _server = serve(&bus, "slow -- sleep 5");
    let ran = bus.run("call slow x --timeout 0.1", b"");
    assert_eq!(ran.code, Some(3), "{ran:?}");
}

#[cfg(all(target_os = "linux", not(feature = "portable")))]
#[test]
fn the_memory_of_a_service_is_placed_as_asked_for() {
    let bus = Scratch::new();
    let line = "serve upper --huge-pages --prefault --lock-memory -- tr a-z A-Z";
    let server = bus.start(line);
    let ran = bus.run("call upper hello --wait-servers 1", b"");
    assert_eq!(ran.well().text(), "HELLO\n");
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:"));
    let locked: String = locked
        .unwrap()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    assert!(locked.parse::<u64>().unwrap() > 4096, "{status}");
    let info = |topic| {
        bus.run(&format!("info upper/{topic} --json"), b"")
            .well()
            .json()
    };
    let huge = ["requests", "replies"].map(|topic| info(topic)["huge_pages"] == true);
    server.end_by(libc::SIGTERM);
    let err = server.finish().err; // it says where the system gives none
    assert_eq!(huge, [err.is_empty(); 2], "{err}");
}
