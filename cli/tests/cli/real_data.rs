//! The commands of the documentation, word for word, on recorded market data. The recordings are not
//! part of the project: they are looked for in `../shared/data`, beside it.

use std::path::{Path, PathBuf};

use crate::harness::Scratch;

/// The recording's path; none, with a word about it, where it is missing.
fn recording(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data")
        .join(name);
    if path.is_file() {
        return Some(path);
    }
    println!("skipped: there is no {}", path.display());
    None
}

/// Runs `script` where `target/` is, and the recording beside it.
fn in_a_project(recording: &Path, script: &str) -> String {
    let bus = Scratch::new();
    std::fs::create_dir(bus.path().join("target")).unwrap();
    let link = bus.path().join(recording.file_name().unwrap());
    std::os::unix::fs::symlink(recording.canonicalize().unwrap(), link).unwrap();
    bus.shell(script).well().text().to_owned()
}

#[test]
fn a_session_of_market_by_order_messages_arrives_whole() {
    let Some(recording) = recording("es-mbo-20231225.bin") else {
        return;
    };
    let script = "
        $R sub es/mbo --delivery reliable --from oldest --count 68792 --timeout 20 --format raw > target/out.bin &
        $R pub es/mbo --fixed 56 --wait-subscribers 1 < es-mbo-20231225.bin; wait; cmp target/out.bin es-mbo-20231225.bin";
    in_a_project(&recording, script);
}

#[test]
fn quotes_are_retained_listed_told_of_and_removed() {
    let Some(recording) = recording("audusd-quotes-20200101.csv") else {
        return;
    };
    let script = "
        $R pub fx/audusd --lines --capacity 16384 < audusd-quotes-20200101.csv
        $R sub fx/audusd --from oldest --count 9500 --timeout 5 --format lines | cmp - audusd-quotes-20200101.csv
        $R sub fx/audusd --from last:3 --count 3 --format json ; $R topics --json ; $R info fx/audusd ; $R rm fx/audusd
        $R topics";
    let printed = in_a_project(&recording, script);
    let mut lines = printed.lines();
    for seq in 9497..9500 {
        let message: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        assert_eq!(message["seq"], seq);
    }
    let topics: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(
        (&topics[0]["name"], &topics[0]["next"]),
        (&"fx/audusd".into(), &9500.into())
    );
    assert!(lines.any(|line| line.contains("9500")), "{printed}");
    assert!(
        !lines.any(|line| line.starts_with("fx/audusd")),
        "still listed: {printed}"
    );
}
