//! Every example does what it claims: each exits 0 only then.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

#[test]
fn hello() {
    assert_eq!(run("hello"), "0: hello, world\n");
}

#[test]
fn market_data() {
    assert!(run("market_data").contains("none lost"));
}

#[test]
fn camera() {
    assert!(run("camera").contains("each lay in the segment for both"));
}

#[test]
fn telemetry() {
    assert!(run("telemetry").contains("looks at 400 poses"));
}

#[test]
fn pose() {
    assert_eq!(run("pose"), "0: 1, 2\n1: 3, 4\n");
}

#[test]
fn readme_shows_the_examples_that_run() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let readme = read("README.md");
    for (name, left_out) in [("hello.rs", None), ("pose.rs", Some("\nfn main() {"))] {
        let example = read(&format!("examples/{name}"));
        let (_documentation, program) = example.split_once("\n\n").unwrap();
        let shown = left_out.map_or(program, |from| program.split_once(from).unwrap().0);
        assert!(
            readme.contains(&format!("```rust\n{shown}```\n")),
            "README.md differs from {name}"
        );
    }
}

/// Runs an example to its end, in a bus directory of its own, and gives what it printed.
fn run(name: &str) -> String {
    let dir = env::temp_dir().join(format!("ringbus-examples-{name}-{}", process::id()));
    fs::create_dir_all(&dir).unwrap();
    let mut child = Command::new(built(name))
        .env("RINGBUS_DIR", &dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
        }
        thread::sleep(Duration::from_millis(10));
    };
    let root = || ringbus::Bus::builder().dir(&dir);
    for bus in root().names().unwrap() {
        root().name(&bus).destroy().unwrap();
    }
    fs::remove_dir_all(&dir).unwrap();
    let output = std::io::read_to_string(child.stdout.unwrap()).unwrap();
    assert!(status.success(), "{name}: {status}\n{output}");
    output
}

/// The example's program: `cargo test` builds them all, `cargo test --test examples` none.
fn built(name: &str) -> PathBuf {
    static BUILD: Once = Once::new();
    // .../target/debug/deps/this_test
    let profile = env::current_exe()
        .unwrap()
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned();
    let program = profile
        .join("examples")
        .join(name)
        .with_extension(env::consts::EXE_EXTENSION);
    BUILD.call_once(|| {
        if program.exists() {
            return;
        }
        let mut build = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
        build.args(["build", "--quiet", "--examples", "--target-dir"]);
        build.arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.current_dir(root()).status().unwrap().success());
    });
    program
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
