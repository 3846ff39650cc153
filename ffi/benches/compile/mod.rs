//! The programs in C and C++ that the benches run.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support;

/// Compiles `through_c.c` with the library; `None` without a compiler.
pub(crate) fn through_c() -> Option<PathBuf> {
    compile("cc", &[], "through_c.c")
}

/// Compiles a program of this directory with the library; `None` without a compiler.
pub(crate) fn compile(compiler: &str, flags: &[&str], source: &str) -> Option<PathBuf> {
    if !support::has(compiler) {
        return None;
    }
    let libraries = support::library_directory();
    let program = libraries.join(source.replace('.', "_"));
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
    let mut cc = Command::new(compiler);
    cc.args(flags).args(["-O2", "-Wall", "-I"]);
    cc.arg(support::root().join("include"));
    cc.arg(support::root().join("ffi/benches").join(source));
    cc.arg("-L").arg(&names).arg("-lringbus");
    cc.arg(format!("-Wl,-rpath,{}", names.display()));
    support::succeed(cc.arg("-o").arg(&program));
    Some(program)
}
