//! The headers in every dialect, and every function of the C ABI.

use std::fs;
use std::process::Command;

use crate::compiler::{CLANG, CLANGXX, Compiler, GCC, GXX};
use crate::scratch::{Directory, run};
use crate::support::{root, succeed};

#[test]
fn c_header_is_clean_in_every_dialect() {
    let header = "ringbus.h";
    for compiler in [GCC, CLANG] {
        for standard in ["c99", "c11", "c17"] {
            compiler.standard(standard).check_header(header);
        }
    }
    for compiler in [GXX, CLANGXX] {
        for standard in ["c++11", "c++20"] {
            compiler.standard(standard).check_header(header);
        }
    }
}

#[test]
fn every_function_works_from_c_by_gcc() {
    check_functions(GCC.standard("c99"));
}

#[test]
fn every_function_works_from_c_by_clang() {
    check_functions(CLANG);
}

#[test]
fn every_function_works_from_cpp_by_gcc() {
    check_functions(GXX.standard("c++11"));
}

/// The programs that call every function, each those of one part.
pub(crate) const PROGRAMS: [&str; 7] = [
    "topics",
    "messages",
    "holding",
    "attributes",
    "multi",
    "dispatcher",
    "call",
];

fn check_functions(compiler: Compiler) {
    for name in PROGRAMS {
        let Some(program) = compiler.build(&format!("tests/c/{name}.c")) else {
            return;
        };
        let directory = Directory::new(&format!("{name}-{}", compiler.program));
        run(&program, &[directory.text()]);
    }
}

#[test]
fn programs_of_the_readme_work() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    for (compiler, language, source, expected) in [
        (
            GCC.standard("c99"),
            "c",
            "tests/c/hello.c",
            "0: hello, world\n",
        ),
        (GXX, "cpp", "tests/cpp/hello.cpp", "0: 1, 2\n1: 3, 4\n"),
    ] {
        let shown = format!("```{language}\n{}```\n", read(source));
        assert!(
            read("README.md").contains(&shown),
            "README.md differs from {source}"
        );
        let Some(program) = compiler.build(source) else {
            continue;
        };
        let directory = Directory::new(&format!("hello-{language}"));
        let mut run = Command::new(&program);
        let printed = succeed(run.env("RINGBUS_DIR", directory.text()));
        assert_eq!(printed, expected);
    }
}
