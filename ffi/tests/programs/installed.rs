//! What `ffi/install` puts in place is all that a program needs: this one knows nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::compiler::{GCC, GXX, scratch};
use crate::scratch::{Directory, finish, spawn_command};
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
        "tests/c/check.h",
        "tests/c/exchange.c",
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
    assert_eq!(
        pkg_config(&prefix, &["--modversion"]),
        [env!("CARGO_PKG_VERSION")]
    );
    let flags = pkg_config(&prefix, &["--cflags", "--libs"]);
    let program = build("cc", &project, "hello.c", &flags, "hello_pc");
    check(&program, &prefix, IN_C);
    let program = build("c++", &project, "hello.cpp", &flags, "hello_pc_cpp");
    check(&program, &prefix, IN_CPP);
}

/// What pkg-config says of ringbus in a prefix.
fn pkg_config(prefix: &Path, what: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
    let flags = succeed(command.args(what).arg("ringbus"));
    flags.split_whitespace().map(str::to_owned).collect()
}

/// Makes a program of a project's source.
fn build(compiler: &str, project: &Path, source: &str, flags: &[String], program: &str) -> PathBuf {
    let program = project.join(program);
    let mut command = Command::new(compiler);
    command.current_dir(project).arg(source).args(flags);
    succeed(command.arg("-o").arg(&program));
    program
}

#[test]
fn static_library_needs_no_shared_one() {
    if !has("pkg-config") || !GCC.is_there() {
        return;
    }
    let (prefix, project) = (install("archive"), project("archive"));
    let mut flags = pkg_config(&prefix, &["--static", "--cflags", "--libs"]);
    for flag in &mut flags {
        if flag == "-lringbus" {
            *flag = "-l:libringbus.a".to_owned();
        }
    }
    let program = build("cc", &project, "hello.c", &flags, "hello_archive");
    fs::remove_dir_all(&prefix).unwrap();
    check(&program, &prefix, IN_C);
}

/// As a container without anything else needs it.
#[test]
fn fully_static_programs_exchange_messages() {
    let (in_c, in_cpp) = (GCC.with(&["-static"]), GXX.with(&["-static"]));
    if !has("pkg-config") || !in_c.is_there() || !in_cpp.is_there() {
        return;
    }
    let (prefix, project) = (install("fully-static"), project("fully-static"));
    let shared = pkg_config(&prefix, &["--cflags", "--libs"]);
    let mut flags = pkg_config(&prefix, &["--static", "--cflags", "--libs"]);
    flags.push("-static".to_owned());
    let program = build("cc", &project, "hello.c", &flags, "hello_static");
    check(&program, &prefix, IN_C);
    let program = build("c++", &project, "hello.cpp", &flags, "hello_static_cpp");
    check(&program, &prefix, IN_CPP);

    // With a process that has the shared library, both ways.
    let fully_static = build("cc", &project, "exchange.c", &flags, "exchange_static");
    let dynamic = build("cc", &project, "exchange.c", &shared, "exchange_shared");
    let needs_the_library = |program: &Path| {
        let (name, bytes) = (b"libringbus.so", fs::read(program).unwrap());
        bytes.windows(name.len()).any(|at| at == name)
    };
    assert!(needs_the_library(&dynamic) && !needs_the_library(&fully_static));
    for (n, programs) in [(&fully_static, &dynamic), (&dynamic, &fully_static)]
        .into_iter()
        .enumerate()
    {
        let directory = Directory::new(&format!("fully-static-{n}"));
        let start = |program: &Path, role: &str| {
            let mut command = Command::new(program);
            command.env("LD_LIBRARY_PATH", prefix.join("lib"));
            command.args([role, directory.text(), "topic", "1000"]);
            spawn_command(&mut command)
        };
        let mut subscriber = start(programs.0, "subscribe");
        let mut publisher = start(programs.1, "publish");
        finish(&mut publisher);
        finish(&mut subscriber);
    }
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
fn cargo_cinstall_installs_the_same() {
    if !has("cargo-cinstall") || !has("pkg-config") || !GCC.is_there() || !GXX.is_there() {
        return;
    }
    let prefix = scratch().join("prefix-cinstall");
    let _ = fs::remove_dir_all(&prefix);
    let mut cinstall = Command::new("cargo-cinstall");
    cinstall.args(["cinstall", "--debug", "-p", "ringbus-ffi"]);
    cinstall.args(["--libdir", "lib", "--prefix"]).arg(&prefix);
    cinstall.arg("--target-dir").arg(scratch().join("cinstall"));
    succeed(cinstall.current_dir(root()));
    let installed = files_of(&prefix);
    let mut expected = files_of(&install("as-cinstall"));
    expected.retain(|file| !file.contains("cmake"));
    assert_eq!(installed, expected);

    let project = project("cinstall");
    let flags = pkg_config(&prefix, &["--cflags", "--libs"]);
    let program = build("cc", &project, "hello.c", &flags, "hello_cinstall");
    check(&program, &prefix, IN_C);
    // Found by the soname alone, as at run time.
    fs::remove_file(prefix.join("lib/libringbus.so")).unwrap();
    check(&program, &prefix, IN_C);
}

/// The files and links under a directory, sorted.
fn files_of(directory: &Path) -> Vec<String> {
    let find = succeed(
        Command::new("find")
            .arg(directory)
            .args(["-not", "-type", "d"]),
    );
    let strip = |line: &str| {
        line.trim_start_matches(directory.to_str().unwrap())
            .to_owned()
    };
    let mut files: Vec<_> = find.lines().map(strip).collect();
    files.sort();
    files
}

#[test]
fn wrong_use_of_the_installer_is_told() {
    let mut install = Command::new(root().join("ffi/install"));
    let output = install.arg("--perfix=/nowhere").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--prefix DIR"));
}
