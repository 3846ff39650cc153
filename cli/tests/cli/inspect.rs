//! `topics`, `info`, `rm`, `gc` and `top`.

use serde_json::json;

use crate::harness::{Running, Scratch};

/// A subscriber of `topic` that is really there.
fn subscriber(bus: &Scratch, topic: &str) -> Running {
    let sub = bus.start(&format!("sub {topic} --delivery reliable"));
    bus.wait_for(topic, |info| {
        let subscribers = info["subscribers"].as_array();
        subscribers.is_some_and(|all| all.iter().any(|one| one["pid"] == sub.pid()))
    });
    sub
}

#[test]
fn topics_are_listed_by_name() {
    let bus = Scratch::new();
    bus.run(
        "pub b/two --fixed 8 --capacity 16 --shared --time clock",
        b"12345678",
    )
    .well();
    bus.run("pub a/one", b"x\ny\n").well();
    let ran = bus.run("topics --json", b"").well();
    let topics = ran.json();
    assert_eq!(topics.as_array().map(Vec::len), Some(2));
    let (one, two) = (&topics[0], &topics[1]);
    assert_eq!(
        (&one["name"], &two["name"]),
        (&json!("a/one"), &json!("b/two"))
    );
    assert_eq!(
        (&one["mode"], &two["mode"]),
        (&json!("exclusive"), &json!("shared"))
    );
    assert_eq!(two["payload"], json!({"kind": "fixed", "bytes": 8}));
    assert_eq!(
        (&two["capacity_slots"], &two["time"]),
        (&json!(16), &json!("clock"))
    );
    assert_eq!(
        (&one["next"], &one["oldest"], &one["published"]),
        (&json!(2), &json!(0), &json!(2))
    );
    let listed = bus.run("topics", b"").well();
    let names: Vec<_> = listed
        .text()
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(names, ["TOPIC", "a/one", "b/two"]);
}

#[test]
fn an_empty_bus_has_no_topics() {
    let bus = Scratch::new();
    bus.run("pub t", b"").well();
    bus.run("rm t", b"").well();
    assert_eq!(bus.run("topics --json", b"").well().json(), json!([]));
    assert_eq!(bus.run("topics", b"").well().text(), "");
}

#[test]
fn info_tells_who_is_there() {
    let bus = Scratch::new();
    let mut publisher = bus.start("pub t --capacity 32");
    let _stdin = publisher.stdin();
    bus.wait_for("t", |info| {
        info["publishers"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
    });
    let sub = subscriber(&bus, "t");
    let info = bus.run("info t --json", b"").well().json();
    assert_eq!(info["publishers"][0]["pid"], publisher.pid());
    assert_eq!(info["subscribers"][0]["pid"], sub.pid());
    assert_eq!(info["subscribers"][0]["delivery"], "reliable");
    assert_eq!(info["subscribers"][0]["alive"], true);
    let page = bus.run("info t", b"").well();
    let page = page.text();
    for words in ["32 messages", "reliable", "alive", &sub.pid().to_string()] {
        assert!(page.contains(words), "{words:?} is missing: {page}");
    }
}

#[test]
fn a_topic_in_use_is_only_removed_by_force() {
    let bus = Scratch::new();
    bus.run("pub t", b"x\n").well();
    let _sub = subscriber(&bus, "t");
    bus.run("rm t", b"").badly(1, "ringbus: ");
    bus.run("info t", b"").well();
    bus.run("rm t --force", b"").well();
    bus.run("info t", b"").badly(1, "ringbus: ");
}

#[test]
fn a_bus_in_use_is_only_removed_by_force() {
    let bus = Scratch::new();
    bus.run("destroy --bus missing", b"").badly(1, "missing");
    bus.run("pub t --bus b", b"x\n").well();
    bus.run("pub t", b"x\n").well();
    let sub = subscriber(&bus, "t");
    let who = format!("in use by 1 participant: ringbus (pid {}); stop", sub.pid());
    bus.run("destroy", b"").badly(1, &who);
    bus.run("info t", b"").well();
    bus.run("destroy --bus b", b"").well();
    bus.run("destroy --force", b"").well();
    bus.run("topics", b"").badly(1, "default");
    sub.end_by(libc::SIGINT);
    sub.finish();
    assert_eq!(std::fs::read_dir(bus.path()).unwrap().count(), 0);
}

#[test]
fn what_is_nothing_of_a_bus_is_not_removed_with_it() {
    let bus = Scratch::new();
    bus.run("pub t", b"x\n").well();
    for foreign in ["default/notes", "default/topics/notes"] {
        let foreign = bus.path().join(foreign);
        std::fs::create_dir(&foreign).unwrap();
        std::fs::write(foreign.join("important"), b"data").unwrap();
        bus.run("destroy --force", b"")
            .badly(1, "notes: is nothing of a bus");
        assert_eq!(std::fs::read(foreign.join("important")).unwrap(), b"data");
        bus.run("info t", b"").well();
        std::fs::remove_dir_all(&foreign).unwrap();
    }
    bus.run("destroy", b"").well();
}

#[test]
fn a_damaged_bus_is_removed_by_force() {
    let bus = Scratch::new();
    bus.run("pub t", b"x\n").well();
    std::fs::write(bus.path().join("default/registry"), b"no registry").unwrap();
    bus.run("destroy", b"").badly(1, "registry");
    bus.run("destroy --force", b"").well();
    assert_eq!(std::fs::read_dir(bus.path()).unwrap().count(), 0);
}

#[cfg(all(target_os = "linux", not(feature = "portable")))]
#[test]
fn memory_is_placed_as_asked_for_and_info_tells_of_huge_pages() {
    let bus = Scratch::new();
    bus.run("pub t --prefault --lock-memory --capacity 64", b"x\n")
        .well();
    let info = bus.run("info t --json", b"").well().json();
    assert_eq!(info["huge_pages"], false);
    let ran = bus.run("pub h --huge-pages --capacity 16384", b"x\n");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let is_huge = ran.err.is_empty(); // it says where the system gives none
    let info = bus.run("info h --json", b"").well().json();
    assert_eq!(info["huge_pages"], is_huge, "{}", ran.err);
    let page = bus.run("info h", b"").well();
    assert_eq!(page.text().contains(", on huge pages"), is_huge);
}

/// Who may only observe is told how to, and not to have a mode widened. Only root can be another user.
#[cfg(all(target_os = "linux", not(feature = "portable")))]
#[test]
fn who_may_only_observe_is_told_how() {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    // SAFETY: takes nothing.
    if unsafe { libc::geteuid() } != 0 {
        return;
    }
    let bus = Scratch::new();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(bus.path(), open).unwrap();
    bus.run("pub s/t --mode 644", b"x\n").well();
    // One that it may reach.
    let program = bus.path().join("ringbus");
    std::fs::copy(crate::harness::RINGBUS, &program).unwrap();
    let as_nobody = |flags: &str| {
        let mut command = Command::new(&program);
        command.uid(65534).gid(65534).env("RINGBUS_DIR", bus.path());
        command.args(flags.split(' ')).output().unwrap()
    };
    for topic in ["s/t", "s/*"] {
        let flags = format!("sub {topic} --from oldest --count 1 --timeout 0.5");
        let told = as_nobody(&flags);
        let words = String::from_utf8_lossy(&told.stderr).into_owned();
        let advice = "topic s/t: this user may observe it, and not subscribe: read it with --delivery observe";
        assert!(words.contains(advice), "{words}");
    }
    let read = as_nobody("sub s/t --from oldest --count 1 --delivery observe");
    assert_eq!(read.stdout, b"x\n");
}

#[test]
fn gc_clears_away_a_killed_subscriber() {
    let bus = Scratch::new();
    bus.run("pub t", b"x\n").well();
    let sub = subscriber(&bus, "t");
    sub.signal(libc::SIGKILL);
    assert_eq!(sub.finish().code, None);
    let collected = bus.run("gc --json", b"").well().json();
    assert_eq!(collected["subscribers"], 1, "{collected}");
    assert!(collected["participants"].as_u64() >= Some(1), "{collected}");
    let again = bus.run("gc --json", b"").well().json();
    assert_eq!(again["subscribers"], 0, "{again}");
    assert!(
        bus.run("gc", b"")
            .well()
            .text()
            .starts_with("cleared away: ")
    );
}

#[test]
fn top_looks_as_often_as_asked() {
    let bus = Scratch::new();
    bus.run("pub fx/audusd", b"x\n").well();
    let _sub = subscriber(&bus, "fx/audusd");
    let ran = bus.run("top --interval 0.1 --count 2", b"").well();
    let tables = ran
        .text()
        .lines()
        .filter(|line| line.starts_with("TOPIC"))
        .count();
    assert_eq!(
        (tables, ran.text().contains('\x1b')),
        (2, false),
        "{}",
        ran.text()
    );
    assert_eq!(
        ran.text()
            .lines()
            .filter(|line| line.starts_with("fx/audusd"))
            .count(),
        4
    );
    let ran = bus.run("top --interval 0.05 --count 3 --json", b"").well();
    assert_eq!(ran.text().lines().count(), 3);
}

#[test]
fn a_signal_ends_top_well() {
    let bus = Scratch::new();
    bus.run("pub t", b"").well();
    let top = bus.start("top --interval 0.1");
    std::thread::sleep(std::time::Duration::from_millis(300));
    top.end_by(libc::SIGINT);
    assert!(top.finish().well().text().contains("TOPIC"));
}

#[test]
fn what_is_made_is_private_unless_said_otherwise() {
    let bus = Scratch::new();
    bus.run("pub t", b"x\n").well();
    let info = bus.run("info t --json", b"").well().json();
    assert_eq!(info["access"], "0600");
    let page = bus.run("info t", b"").well();
    assert!(page.text().contains("0600: private"), "{}", page.text());
    // A private bus has no topics for others.
    bus.run("pub u --mode 640", b"x\n").badly(1, "`private`");
}

#[test]
fn info_tells_in_words_who_may_use_a_topic() {
    let bus = Scratch::new();
    bus.run("pub t --mode 650", b"x\n").well();
    bus.run("pub own --mode 600", b"x\n").well();
    let info = bus.run("info t --json", b"").well().json();
    assert_eq!(info["access"], "0650");
    let page = bus.run("info t", b"").well();
    let group = &info["group"];
    let words = format!(
        "0650: group {group} may subscribe; owned by user {}",
        info["owner"]
    );
    assert!(page.text().contains(&words), "{}", page.text());
    let own = bus.run("info own --json", b"").well().json();
    assert_eq!(own["access"], "0600");
    bus.run("pub t --mode 620", b"")
        .badly(2, "the group's digit");
}

#[test]
fn a_bus_of_which_a_part_is_missing_or_of_another_kind_is_removed_by_force() {
    let bus = Scratch::new();
    let of_bus = |name: &str| bus.path().join("default").join(name);
    bus.run("pub t", b"x\n").well();
    std::fs::remove_dir_all(of_bus("topics")).unwrap();
    bus.run("destroy --force", b"").well();
    bus.run("pub t", b"x\n").well();
    std::fs::remove_file(of_bus("registry")).unwrap();
    std::fs::create_dir(of_bus("registry")).unwrap();
    std::fs::write(of_bus("registry/data"), b"data").unwrap();
    bus.run("destroy --force", b"")
        .badly(1, "registry/data: is nothing of a bus");
    std::fs::remove_file(of_bus("registry/data")).unwrap();
    bus.run("destroy --force", b"").well();
    assert_eq!(std::fs::read_dir(bus.path()).unwrap().count(), 0);
    std::fs::create_dir(bus.path().join("default")).unwrap();
    bus.run("destroy --force", b"").badly(1, "no bus there");
}

#[test]
fn a_directory_that_cannot_be_one_of_buses_is_told_of_with_what_to_do() {
    let bus = Scratch::new();
    let path = |name: &str| bus.path().join(name).display().to_string();
    std::fs::write(path("file"), b"").unwrap();
    for dir in ["file", "file/below"] {
        for verb in ["pub t", "topics", "sub t --timeout 0", "destroy --force"] {
            let line = format!("--dir {} {verb}", path(dir));
            let words = format!(
                "{}: not a directory; name one that holds buses",
                path("file")
            );
            bus.run(&line, b"").badly(1, &words);
        }
    }
    let line = format!("--dir {} pub t", path("no/such"));
    let words = format!("{}: no such directory; make it (`mkdir -p`)", path("no"));
    bus.run(&line, b"").badly(1, &words);
    bus.run(&format!("--dir {} pub t", path("new")), b"").well();
    std::fs::write(path("new/other"), b"").unwrap();
    let line = format!("--dir {} --bus other topics", path("new"));
    bus.run(&line, b"").badly(1, "new/other: not a directory");
}
