//! What the documents say there is, is there.

use std::{fs, path::Path};

/// The last column of the fault table names tests and cases of `torture`.
#[test]
fn every_test_that_the_fault_table_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let section = text
        .split("\n## Faults\n")
        .nth(1)
        .expect("a section Faults");
    let section = section.split("\n## ").next().expect("its end");
    let rows = section.lines().filter(|line| line.starts_with("| "));
    let shown_by = rows
        .skip(1)
        .filter_map(|row| row.strip_suffix(" |")?.rsplit(" | ").next());
    let names: Vec<_> = shown_by
        .flat_map(|cell| cell.split(", "))
        .filter(|name| *name != "-")
        .collect();
    assert!(names.len() > 40, "{names:?}");
    let cases = fs::read_to_string(root.join("cli/src/args.rs")).expect("the command's flags");
    let is_there = |name: &str| match name.strip_prefix("`torture ") {
        Some(case) => {
            let (initial, rest) = case.trim_end_matches('`').split_at(1);
            cases.contains(&format!("    {}{rest},\n", initial.to_uppercase()))
        }
        None => ["tests", "src", "cli/tests"]
            .iter()
            .any(|below| root.join(below).join(name).exists()),
    };
    let missing: Vec<_> = names.iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "the fault table names {missing:?}");
}
