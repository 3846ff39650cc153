//! Programs that were built in different ways, on one topic.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{RINGBUS, Scratch};

/// Builds `ringbus` once more, with these flags for the compiler and for cargo.
fn build(name: &str, compiler: &str, cargo: &[&str]) -> PathBuf {
    let target = Path::new(RINGBUS)
        .ancestors()
        .nth(2)
        .expect("a target directory");
    let target = target.join(name);
    let mut command = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    command
        .args(["build", "-p", "ringbus-cli", "--bin", "ringbus"])
        .args(cargo)
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTFLAGS", compiler)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    assert!(command.status().expect("cargo runs").success(), "{name}");
    target.join("debug/ringbus")
}

#[test]
#[ignore = "builds the program twice more: cargo test -p ringbus-cli --test cli builds -- --ignored"]
fn differently_built_programs_share_a_topic_or_say_why_not() {
    let small = "-Copt-level=s -Ctarget-cpu=native -Coverflow-checks=off -Cpanic=abort";
    let small = build("other", small, &[]);
    let portable = build("portable", "", &["--features", "portable"]);
    let bus = Scratch::new();
    let shell = |script: &str| {
        let (other, portable) = (small.display(), portable.display());
        bus.shell(&format!("OTHER={other}; PORTABLE={portable}; {script}"))
    };
    let lines = "seq 1 20000 > lines; ";
    for (name, flags) in [("exclusive", ""), ("shared", "--shared")] {
        for (publisher, subscriber) in [("$R", "$OTHER"), ("$OTHER", "$R")] {
            let script = format!(
                "{lines} \"{subscriber}\" sub {name} --delivery reliable --count 20000 --timeout 50 > got & \
                 \"{publisher}\" pub {name} --capacity 64 --time clock --wait-subscribers 1 {flags} < lines; \
                 wait $!; cmp lines got; \"{subscriber}\" info {name} --json > seen; \
                 \"$R\" rm {name}"
            );
            shell(&script).well();
        }
    }
    shell("\"$R\" pub t < lines").well();
    shell("\"$PORTABLE\" sub t --from oldest --timeout 5").badly(1, "feature `portable`");
    shell("\"$PORTABLE\" topics").badly(1, "feature `portable`");
}
