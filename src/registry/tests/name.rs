//! What names may be.

use crate::registry::{BusName, NameError, TopicName};

fn refused(name: &str) -> NameError {
    TopicName::new(name).expect_err(name)
}

#[test]
fn a_topic_name_is_levels_of_any_text() {
    for name in [
        "a",
        "robot/7/pose",
        "a.b",
        "...",
        "день/№ 1",
        "a b",
        ".a/..b",
        "?",
    ] {
        assert_eq!(TopicName::new(name).unwrap().as_str(), name);
    }
}

#[test]
fn levels_are_neither_empty_nor_dots() {
    assert_eq!(refused("/a"), NameError::EmptyLevel { position: 0 });
    assert_eq!(refused("a//b"), NameError::EmptyLevel { position: 2 });
    assert_eq!(refused("é/"), NameError::EmptyLevel { position: 3 });
    assert_eq!(refused("/"), NameError::EmptyLevel { position: 0 });
    assert_eq!(refused("a/../b"), NameError::DotLevel { position: 2 });
    assert_eq!(refused("."), NameError::DotLevel { position: 0 });
}

#[test]
fn patterns_and_control_characters_are_refused() {
    for (name, character, position) in [
        ("a/*", '*', 2),
        ("a*b", '*', 1),
        ("é>", '>', 2),
        ("a\nb", '\n', 1),
        ("a\0", '\0', 1),
        ("\u{85}", '\u{85}', 0),
    ] {
        assert_eq!(
            refused(name),
            NameError::Character {
                character,
                position
            }
        );
    }
}

#[test]
fn length_is_counted_in_bytes() {
    assert_eq!(refused(""), NameError::Empty);
    assert!(TopicName::new(&"a".repeat(255)).is_ok());
    let too_long = NameError::TooLong {
        len_bytes: 256,
        max_bytes: 255,
    };
    assert_eq!(refused(&"é".repeat(128)), too_long);
}

#[test]
fn file_ids_are_fnv_1a() {
    // Test vectors of the algorithm's authors.
    for (name, id) in [
        ("a", 0xaf63_dc4c_8601_ec8c),
        ("foobar", 0x8594_4171_f739_67e8),
    ] {
        assert_eq!(TopicName::new(name).unwrap().file_id(), id);
    }
}

#[test]
fn a_bus_name_is_the_name_of_a_visible_directory() {
    for name in ["default", "A-1_b.c", "0"] {
        assert_eq!(BusName::new(name).unwrap().as_str(), name);
    }
    assert_eq!(BusName::new(""), Err(NameError::Empty));
    assert_eq!(BusName::new(".a"), Err(NameError::LeadingDot));
    assert_eq!(BusName::new(".."), Err(NameError::LeadingDot));
    for (name, character, position) in [("a/b", '/', 1), ("é", 'é', 0), ("a b", ' ', 1)] {
        assert_eq!(
            BusName::new(name),
            Err(NameError::Character {
                character,
                position
            })
        );
    }
    assert!(BusName::new(&"a".repeat(64)).is_ok() && BusName::new(&"a".repeat(65)).is_err());
    assert_eq!(
        BusName::new(BusName::default().as_str()),
        Ok(BusName::default())
    );
}
