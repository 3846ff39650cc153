//! What `ffi/install` puts in place is all that a program needs: this one knows nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::compiler::{GCC, GXX, scratch};
use crate::scratch::Directory;
use crate::support::{has, library_directory, root, succeed};

/// A prefix of a test's own, with ringbus in it.
fn install(name: &str) -> PathBuf {
    let prefix = scratch().join(format!("prefix-{name}"));
    let _ = fs::remove_dir_all(&prefix);
    let mut install = Command::new(root().join("ffi/install"));
    install.arg("--prefix").arg(&prefix);
    install.arg("--built").arg(library_directory());
    succeed(&mut install);
    prefix
}

/// Copies the programs away from the checkout and everything in it.
fn project(name: &str) -> PathBuf {
    let project = scratch().join(format!("project-{name}"));
    let _ = fs::remove_dir_all(&project);
    fs::create_dir_all(&project).unwrap();
    for source in [
        "tests/c/hello.c",
        "tests/cpp/hello.cpp",
        "ffi/tests/installed/CMakeLists.txt",
    ] {
        let source = root().join(source);
        fs::copy(&source, project.join(source.file_name().unwrap())).unwrap();
    }
    project
}

const IN_C: &str = "0: hello, world\n";
const IN_CPP: &str = "0: 1, 2\n1: 3, 4\n";

fn check(program: &Path, prefix: &Path, expected: &str) {
    let file = program.file_name().unwrap().to_string_lossy();
    let directory = Directory::new(&format!("installed-{file}"));
    let mut run = Command::new(program);
    run.env("RINGBUS_DIR", directory.text());
    run.env("LD_LIBRARY_PATH", prefix.join("lib"));
    assert_eq!(succeed(&mut run), expected, "{}", program.display());
}

#[test]
fn program_finds_it_by_pkg_config() {
    if !has("pkg-config") || !GCC.is_there() || !GXX.is_there() {
        return;
    }
    let (prefix, project) = (install("pkg-config"), project("pkg-config"));
    let asked = |what: &[&str]| {
        let mut command = Command::new("pkg-config");
        command.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
        let flags = succeed(command.args(what).arg("ringbus"));
        flags
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(asked(&["--modversion"]), [env!("CARGO_PKG_VERSION")]);
    let build = |compiler: &str, source: &str, flags: &[String], program: &Path| {
        let mut command = Command::new(compiler);
        command.current_dir(&project).arg(source).args(flags);
        succeed(command.arg("-o").arg(program));
    };
    let flags = asked(&["--cflags", "--libs"]);
    let program = project.join("hello_pc");
    build("cc", "hello.c", &flags, &program);
    check(&program, &prefix, IN_C);
    let program = project.join("hello_pc_cpp");
    build("c++", "hello.cpp", &flags, &program);
    check(&program, &prefix, IN_CPP);
}

#[test]
fn program_finds_it_by_cmake() {
    if !has("cmake") || !GCC.is_there() || !GXX.is_there() {
        return;
    }
    let (prefix, project) = (install("cmake"), project("cmake"));
    let build = project.join("build");
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(&project).arg("-B").arg(&build);
    configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display()));
    succeed(&mut configure);
    succeed(Command::new("cmake").arg("--build").arg(&build));
    check(&build.join("hello"), &prefix, IN_C);
    check(&build.join("hello_static"), &prefix, IN_C);
    check(&build.join("hello_cpp"), &prefix, IN_CPP);
}

#[test]
fn static_library_shows_nothing_but_the_api() {
    if !has("nm") || !has("objcopy") || !has("ld") {
        return;
    }
    let library = install("static").join("lib/libringbus.a");
    let mut nm = Command::new("nm");
    let table = succeed(nm.args(["--extern-only", "--defined-only"]).arg(library));
    let names: Vec<&str> = table
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .collect();
    let foreign: Vec<_> = names
        .iter()
        .filter(|name| !name.starts_with("ringbus_"))
        .collect();
    assert!(names.len() > 50 && foreign.is_empty(), "{foreign:?}");
}

#[test]
fn wrong_use_of_the_installer_is_told() {
    let mut install = Command::new(root().join("ffi/install"));
    let output = install.arg("--perfix=/nowhere").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--prefix DIR"));
}
