//! What a program must not do gives a code, whoever looks on: nobody, the sanitizers, valgrind.

use std::process::Command;

use crate::compiler::{CLANG, Compiler, GCC, GXX, SANITIZED};
use crate::functions::PROGRAMS;
use crate::scratch::{Directory, finish, run, spawn_command};
use crate::support::has;

#[test]
fn misuse_gives_codes_in_c() {
    misuse(GCC);
}

#[test]
fn misuse_gives_codes_in_cpp() {
    misuse(GXX);
}

#[test]
fn misuse_is_clean_under_the_sanitizers_of_gcc() {
    misuse(GCC.with(SANITIZED));
}

#[test]
fn misuse_is_clean_under_the_sanitizers_of_clang() {
    misuse(CLANG.with(SANITIZED));
}

#[test]
fn functions_are_clean_under_the_sanitizers() {
    for (name, compiler) in PROGRAMS.into_iter().zip([GCC, CLANG].into_iter().cycle()) {
        let sanitized = compiler.with(SANITIZED);
        let Some(program) = sanitized.build(&format!("tests/c/{name}.c")) else {
            continue;
        };
        let directory = Directory::new(&format!("{name}-sanitized"));
        run(&program, &[directory.text()]);
    }
}

fn misuse(compiler: Compiler) {
    for name in ["misuse", "collisions"] {
        let Some(program) = compiler.build(&format!("tests/c/{name}.c")) else {
            return;
        };
        let kind = compiler.flags.len();
        let directory = Directory::new(&format!("{name}-{}-{kind}", compiler.program));
        run(&program, &[directory.text()]);
    }
}

#[test]
fn misuse_is_clean_under_valgrind() {
    // Some fifty times slower than without.
    for name in ["misuse", "collisions"] {
        check_by_valgrind(name, &["500"]);
    }
}

#[test]
fn attributes_are_clean_under_valgrind() {
    check_by_valgrind("attributes", &[]);
}

#[test]
fn subscriptions_to_many_topics_are_clean_under_valgrind() {
    check_by_valgrind("multi", &["500"]);
}

#[test]
fn dispatchers_are_clean_under_valgrind() {
    check_by_valgrind("dispatcher", &["200"]);
}

#[test]
fn calls_are_clean_under_valgrind() {
    check_by_valgrind("call", &["20"]);
}

fn check_by_valgrind(name: &str, arguments: &[&str]) {
    let Some(program) = GCC.with(&["-g"]).build(&format!("tests/c/{name}.c")) else {
        return;
    };
    if !has("valgrind") {
        return;
    }
    let directory = Directory::new(&format!("{name}-valgrind"));
    let mut command = Command::new("valgrind");
    command.args([
        "--quiet",
        "--error-exitcode=99",
        // A child has lost what its parent's threads own; of what else is wrong there, its exit tells.
        "--child-silent-after-fork=yes",
        "--leak-check=full",
        "--show-leak-kinds=definite,indirect,possible",
        "--errors-for-leak-kinds=definite,indirect,possible",
    ]);
    command.arg(program).arg(directory.text()).args(arguments);
    finish(&mut spawn_command(&mut command));
}
