//! Patterns beside a reference that follows their definition word for word.

use proptest::prelude::*;

use crate::registry::{NameError, Pattern, PatternError};

/// The definition: a level matches itself, `*` one level, `>` one or more.
fn reference(pattern: &[&str], name: &[&str]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([">"], [_, ..]) => true,
        (["*", pattern @ ..], [_, name @ ..]) => reference(pattern, name),
        ([wanted, pattern @ ..], [level, name @ ..]) => wanted == level && reference(pattern, name),
        _ => false,
    }
}

/// Few different levels, so that many names match.
fn levels(of: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(of), 1..6)
}

proptest! {
    #[test]
    fn a_pattern_matches_what_its_definition_says(
        pattern in levels(&["a", "b", "ab", "*", ">"]),
        name in levels(&["a", "b", "ab", "é"]),
    ) {
        match Pattern::new(&pattern.join("/")) {
            Ok(compiled) => prop_assert_eq!(
                compiled.matches(&name.join("/")),
                reference(&pattern, &name),
            ),
            Err(error) => {
                let at = pattern.iter().position(|level| *level == ">").expect("a '>'");
                let position = pattern[..at].iter().map(|level| level.len() + 1).sum();
                prop_assert!(at + 1 < pattern.len());
                prop_assert_eq!(error, PatternError::RestNotLast { position });
            }
        }
    }

    #[test]
    fn any_text_is_a_pattern_or_refused(text in ".{0,12}", name in ".{0,12}") {
        if let Ok(pattern) = Pattern::new(&text) {
            pattern.matches(&name);
            prop_assert_eq!(pattern.is_name(), crate::registry::TopicName::new(&text).is_ok());
        }
    }
}

#[test]
fn what_could_never_match_is_refused_with_its_place() {
    let refused = |pattern: &str| Pattern::new(pattern).unwrap_err();
    assert_eq!(refused(""), PatternError::Name(NameError::Empty));
    let empty = NameError::EmptyLevel { position: 2 };
    assert_eq!(refused("*//a"), PatternError::Name(empty));
    let dots = NameError::DotLevel { position: 2 };
    assert_eq!(refused("*/.."), PatternError::Name(dots));
    let part = |wildcard, position| PatternError::PartOfLevel { wildcard, position };
    assert_eq!(refused("a/**"), part('*', 2));
    assert_eq!(refused("a>"), part('>', 1));
    assert_eq!(refused(">/>"), PatternError::RestNotLast { position: 0 });
    let long = format!("{}/>", "a".repeat(254));
    assert!(matches!(
        refused(&long),
        PatternError::Name(NameError::TooLong { .. })
    ));
}
