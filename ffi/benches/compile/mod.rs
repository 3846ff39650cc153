//! The program in C that the benches run.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support;

/// Compiles `through_c.c` with the library; `None` without a compiler.
pub(crate) fn through_c() -> Option<PathBuf> {
    if !support::has("cc") {
        return None;
    }
    let libraries = support::library_directory();
    let program = libraries.join("through_c");
    let names = libraries.join("through_c_lib");
    fs::create_dir_all(&names).expect("a directory");
    let major_minor = [
        env!("CARGO_PKG_VERSION_MAJOR"),
        env!("CARGO_PKG_VERSION_MINOR"),
    ];
    let soname = match major_minor {
        ["0", minor] => format!("libringbus.so.0.{minor}"),
        [major, _] => format!("libringbus.so.{major}"),
    };
    for name in ["libringbus.so", &soname] {
        fs::copy(libraries.join("libringbus.so"), names.join(name)).expect("the library");
    }
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-Wall", "-I"])
        .arg(support::root().join("include"));
    cc.arg(support::root().join("ffi/benches/through_c.c"));
    cc.arg("-L").arg(&names).arg("-lringbus");
    cc.arg(format!("-Wl,-rpath,{}", names.display()));
    support::succeed(cc.arg("-o").arg(&program));
    Some(program)
}
