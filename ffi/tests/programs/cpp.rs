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

/// Payloads that are gone when they are sent, or mean nothing where they are read.
#[test]
fn what_would_dangle_does_not_compile() {
    const HOLDS: &str = "a range must hold its payloads";
    for (statement, reason) in [
        ("publisher.publish_batch(std::vector<int>(2));", HOLDS),
        ("publisher.publish_batch(std::vector<bool>(2));", HOLDS),
        (
            "publisher.publish_batch_with(std::vector<std::pair<ringbus::Meta, float>>(2));",
            HOLDS,
        ),
        (
            "(void)bus.topic<const char *>(\"t\");",
            "means nothing in another process",
        ),
        ("if (publisher.wait_subscribers(1)) {}", "Result<bool>"),
        ("publisher.publish(1);", "nodiscard"),
    ] {
        let source = format!(
            "#include <ringbus.hpp>\n\
             void use(const ringbus::Bus &bus, ringbus::Publisher<double> &publisher) {{\n\
             (void)bus, (void)publisher;\n{statement}\n}}\n"
        );
        if let Some(said) = GXX.refuse(&source) {
            assert!(said.contains(reason), "{statement}\n{said}");
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
