//! Gives the shared library the name by which programs find it at run time, its soname.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| env::var(name).expect("cargo sets it");
    let major = variable("CARGO_PKG_VERSION_MAJOR");
    // Before 1.0, every minor version may change the ABI.
    let version = match major.as_str() {
        "0" => format!("0.{}", variable("CARGO_PKG_VERSION_MINOR")),
        _ => major,
    };
    match variable("CARGO_CFG_TARGET_OS").as_str() {
        "windows" => {}
        "macos" => println!(
            "cargo::rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libringbus.{version}.dylib"
        ),
        _ => println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libringbus.so.{version}"),
    }
}
