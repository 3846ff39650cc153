//! The C++ header.

use crate::compiler::{CLANGXX, Compiler, GXX, SANITIZED};
use crate::scratch::{Directory, run};

#[test]
fn cpp_header_is_clean_in_every_dialect() {
    for compiler in [GXX, CLANGXX] {
        for standard in ["c++17", "c++20"] {
            compiler.standard(standard).check_header("ringbus.hpp");
        }
    }
}

#[test]
fn every_class_works_without_exceptions() {
    check_objects(GXX.with(&["-fno-exceptions", "-fno-rtti"]));
}

#[test]
fn every_class_works_by_clang() {
    check_objects(CLANGXX);
}

#[test]
fn every_class_is_clean_under_the_sanitizers() {
    check_objects(GXX.with(SANITIZED));
}

#[test]
fn exceptions_of_handlers_end_with_them() {
    for compiler in [GXX.with(SANITIZED), CLANGXX.with(&["-O2"])] {
        check("exceptions", compiler);
    }
}

fn check_objects(compiler: Compiler) {
    check("objects", compiler);
}

fn check(name: &str, compiler: Compiler) {
    let Some(program) = compiler.build(&format!("tests/cpp/{name}.cpp")) else {
        return;
    };
    let kind = compiler.flags.len();
    let directory = Directory::new(&format!("{name}-{}-{kind}", compiler.program));
    run(&program, &[directory.text()]);
}
