//! What the shared library exports is what is committed, and its name says which programs it serves.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::support::{has, library_directory, root, succeed};

#[test]
fn shared_library_exports_what_is_committed_and_nothing_else() {
    if !has("nm") {
        return;
    }
    let library = library_directory().join("libringbus.so");
    let mut nm = Command::new("nm");
    let table = succeed(
        nm.args(["--dynamic", "--defined-only", "--format=posix"])
            .arg(library),
    );
    let exported: BTreeSet<&str> = table
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(committed(), exported.into_iter().collect::<Vec<_>>());
}

#[test]
fn header_declares_what_is_exported() {
    let header = fs::read_to_string(root().join("include/ringbus.h")).unwrap();
    let is_declared = |name: &&str| {
        let call = format!("{name}(");
        let declares = |line: &str| line.contains(&call) && !line.starts_with(" *");
        header.lines().any(declares)
    };
    let symbols = committed();
    let missing: Vec<&str> = symbols
        .iter()
        .map(String::as_str)
        .filter(|name| !is_declared(name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn shared_library_carries_its_major_version() {
    if !has("readelf") {
        return;
    }
    let library = library_directory().join("libringbus.so");
    let dynamic = succeed(Command::new("readelf").arg("--dynamic").arg(library));
    let name = format!("libringbus.so.{}", soname_version());
    assert!(
        dynamic.contains(&format!("[{name}]")),
        "no soname {name}:\n{dynamic}"
    );
}

/// Before 1.0, every minor version may change the ABI.
fn soname_version() -> String {
    match (
        env!("CARGO_PKG_VERSION_MAJOR"),
        env!("CARGO_PKG_VERSION_MINOR"),
    ) {
        ("0", minor) => format!("0.{minor}"),
        (major, _) => major.to_owned(),
    }
}

/// The committed symbols, in order.
fn committed() -> Vec<String> {
    let list = fs::read_to_string(root().join("ffi/symbols.txt")).unwrap();
    let names = list.lines().filter(|line| !line.starts_with('#'));
    names.map(str::to_owned).collect()
}
