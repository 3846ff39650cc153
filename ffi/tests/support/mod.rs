//! Where the libraries are, and running commands.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where the libraries are. Tests of this crate cannot depend on them, as it has no `rlib`: so they
/// are built here, in the profile and the target directory of this test.
pub(crate) fn library_directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        // .../target/debug/deps/this_test
        let executable = env::current_exe().unwrap();
        let directory = executable.ancestors().nth(2).unwrap().to_owned();
        let mut build = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
        build.args(["build", "--quiet", "-p", "ringbus-ffi", "--target-dir"]);
        build.arg(directory.parent().unwrap());
        if cfg!(feature = "portable") {
            build.args(["--features", "portable"]);
        }
        if directory.ends_with("release") {
            build.arg("--release");
        }
        succeed(build.current_dir(root()));
        directory
    })
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Runs a command that must succeed, and gives what it printed.
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{command:?}:\n{text}{error}");
    text.into_owned()
}

/// Whether there is such a program; says that a test is skipped where there is none.
pub(crate) fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        println!("skipped: no {program}");
    }
    found
}
