//! Policies beside a reference that evaluates their JSON as it stands, and what is refused.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::bus::Attributes;

/// The grammar's meaning, condition by condition, without a care for speed.
fn reference(policy: &Map<String, Value>, attributes: &Attributes) -> bool {
    policy.iter().all(|(key, value)| {
        let list = value.as_array().unwrap();
        if key == "$or" {
            return list
                .iter()
                .any(|one| reference(one.as_object().unwrap(), attributes));
        }
        let found = attributes.view().get(key);
        list.iter().any(|condition| holds(condition, found))
    })
}

fn holds(condition: &Value, found: Option<Attribute<'_>>) -> bool {
    let Some(object) = condition.as_object() else {
        return found.is_some_and(|found| is(condition, found));
    };
    let (name, wanted) = object.iter().next().unwrap();
    let text = || wanted.as_str().unwrap();
    let Some(found) = found else {
        return name == "exists" && *wanted == json!(false);
    };
    match name.as_str() {
        "exists" => *wanted == json!(true),
        "prefix" => found
            .as_str()
            .is_some_and(|found| found.starts_with(text())),
        "suffix" => found.as_str().is_some_and(|found| found.ends_with(text())),
        "equals-ignore-case" => found
            .as_str()
            .is_some_and(|found| found.to_lowercase() == text().to_lowercase()),
        "anything-but" => {
            let one = std::slice::from_ref(wanted);
            let excluded = wanted.as_array().map_or(one, Vec::as_slice);
            !excluded.iter().any(|one| holds(one, Some(found)))
        }
        "numeric" => found.as_f64().is_some_and(|found| {
            let pairs = wanted.as_array().unwrap().chunks(2);
            pairs.into_iter().all(|pair| {
                let limit = pair[1].as_f64().unwrap();
                match pair[0].as_str().unwrap() {
                    "=" => found == limit,
                    "<" => found < limit,
                    "<=" => found <= limit,
                    ">" => found > limit,
                    ">=" => found >= limit,
                    other => panic!("{other}"),
                }
            })
        }),
        other => panic!("{other}"),
    }
}

fn is(literal: &Value, found: Attribute<'_>) -> bool {
    match found {
        Attribute::Text(found) => literal.as_str() == Some(found),
        Attribute::Bool(found) => literal.as_bool() == Some(found),
        Attribute::Int(_) | Attribute::Float(_) => literal.as_f64() == found.as_f64(),
        _ => false,
    }
}

/// Few different values, so that conditions meet them.
fn text() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "a", "A", "ab", "aB", "ba", "É", "é"]).prop_map(str::to_owned)
}

fn literal() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(Value::from),
        (-3..3_i64).prop_map(Value::from),
        prop::sample::select(vec![-0.5, 0.0, 1.5]).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ]
}

fn on_text() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec!["prefix", "suffix", "equals-ignore-case"]);
    (name, text()).prop_map(|(name, text)| json!({ name: text }))
}

fn condition() -> impl Strategy<Value = Value> {
    let excluded = prop_oneof![
        literal(),
        on_text(),
        prop::collection::vec(literal(), 1..3).prop_map(Value::from),
    ];
    let sign = prop::sample::select(vec!["=", "<", "<=", ">", ">="]);
    let from = prop::sample::select(vec![">", ">="]);
    let to = prop::sample::select(vec!["<", "<="]);
    let range = (from, -3..3_i32, to, 1..3_i32);
    prop_oneof![
        literal(),
        on_text(),
        excluded.prop_map(|excluded| json!({ "anything-but": excluded })),
        (sign, -3..3_i32).prop_map(|(sign, limit)| json!({ "numeric": [sign, limit] })),
        range.prop_map(|(from, low, to, more)| json!({ "numeric": [from, low, to, low + more] })),
        any::<bool>().prop_map(|yes| json!({ "exists": yes })),
    ]
}

fn policy() -> impl Strategy<Value = Map<String, Value>> {
    let conditions = prop::collection::vec(condition(), 1..3).prop_map(Value::from);
    let keys = prop::collection::btree_map("[xyz]", conditions, 0..3);
    let plain = keys.prop_map(|keys| keys.into_iter().collect::<Map<_, _>>());
    plain.prop_recursive(2, 8, 3, |inner| {
        let alternatives = prop::collection::vec(inner.clone().prop_map(Value::from), 2..4);
        (inner, alternatives).prop_map(|(mut policy, alternatives)| {
            policy.insert("$or".to_owned(), alternatives.into());
            policy
        })
    })
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let value = prop_oneof![
        literal(),
        // As bytes.
        Just(Value::Null),
    ];
    prop::collection::vec(("[xyz]", value), 0..4).prop_map(|entries| {
        let mut attributes = Attributes::new();
        for (key, value) in entries {
            let set = match &value {
                Value::String(text) => attributes.set(&key, text),
                Value::Bool(yes) => attributes.set(&key, *yes),
                Value::Number(number) => match number.as_i64() {
                    Some(number) => attributes.set(&key, number),
                    None => attributes.set(&key, number.as_f64().unwrap()),
                },
                _ => attributes.set(&key, &b"a"[..]),
            };
            set.unwrap();
        }
        attributes
    })
}

proptest! {
    #[test]
    fn a_policy_means_what_its_grammar_says(policy in policy(), attributes in attributes()) {
        let json = Value::from(policy.clone()).to_string();
        let compiled = Policy::new(&json).unwrap();
        prop_assert_eq!(compiled.matches(attributes.view()), reference(&policy, &attributes), "{}", json);
    }

    #[test]
    fn any_text_is_a_policy_or_refused(text in "[{}\\[\\]\":,$or a-z0-9<=>.-]{0,40}") {
        let _ = Policy::new(&text);
    }
}

#[test]
fn whole_numbers_are_compared_exactly() {
    let policy = Policy::new("{\"n\": [9007199254740993]}").unwrap();
    let with = |number: i64| Attributes::new().with("n", number).unwrap();
    assert!(policy.matches(with(9_007_199_254_740_993).view()));
    assert!(!policy.matches(with(9_007_199_254_740_992).view()));
}

#[test]
fn what_is_not_a_number_is_in_no_range() {
    let nan = Attributes::new().with("n", f64::NAN).unwrap();
    for sign in ["=", "<", "<=", ">", ">="] {
        let policy = Policy::new(&json!({"n": [{"numeric": [sign, 0]}]}).to_string()).unwrap();
        assert!(!policy.matches(nan.view()), "{sign}");
    }
}

#[test]
fn a_bad_policy_is_refused_with_place_and_reason() {
    for (json, line, column, reason) in [
        ("", 1, 0, "EOF while parsing"),
        ("{\"a\": [1]", 1, 9, "EOF while parsing an object"),
        ("{\"a\": [1]} x", 1, 12, "trailing characters"),
        (
            "[]",
            1,
            0,
            "invalid type: sequence, expected an object of attributes' keys",
        ),
        (
            "{\"a\": 1}",
            1,
            7,
            "invalid type: integer `1`, expected a list of one or more",
        ),
        (
            "{\"a\": []}",
            1,
            8,
            "invalid length 0, expected a list of one or more",
        ),
        (
            "{\n\"a\": [null]}",
            2,
            10,
            "invalid type: null, expected a text, a number",
        ),
        (
            "{\"a\": [[1]]}",
            1,
            8,
            "invalid type: sequence, expected a text, a number",
        ),
        ("{\"a\": [{}]}", 1, 9, "an object without a condition"),
        (
            "{\"a\": [{\"b\": [1]}]}",
            1,
            11,
            "unknown condition \"b\"; there are anything-but,",
        ),
        (
            "{\"a\": [{\"prefix\": 1}]}",
            1,
            19,
            "invalid type: integer `1`, expected a string",
        ),
        (
            "{\"a\": [{\"prefix\": \"x\", \"suffix\": \"y\"}]}",
            1,
            31,
            "\"suffix\" stands beside",
        ),
        (
            "{\"a\": [1], \"a\": [2]}",
            1,
            14,
            "the key \"a\" stands there twice",
        ),
        (
            "{\"$or\": [{\"a\": [1]}]}",
            1,
            20,
            "invalid length 1, expected a list of two or more",
        ),
        (
            "{\"$or\": [1, 2]}",
            1,
            10,
            "invalid type: integer `1`, expected an object",
        ),
        (
            "{\"a\": [{\"numeric\": []}]}",
            1,
            21,
            "invalid length 0, expected a list of one",
        ),
        (
            "{\"a\": [{\"numeric\": [\"<\"]}]}",
            1,
            24,
            "the number after \"<\" is missing",
        ),
        (
            "{\"a\": [{\"numeric\": [\"<\", \"x\"]}]}",
            1,
            29,
            "a comparison is with a number",
        ),
        (
            "{\"a\": [{\"numeric\": [\"!=\", 1]}]}",
            1,
            26,
            "unknown comparison \"!=\"",
        ),
        (
            "{\"a\": [{\"numeric\": [\">\", 2, \"<\", 1]}]}",
            1,
            35,
            "a range goes from",
        ),
        (
            "{\"a\": [{\"anything-but\": []}]}",
            1,
            26,
            "invalid length 0",
        ),
        (
            "{\"a\": [{\"anything-but\": {\"exists\": true}}]}",
            1,
            40,
            "anything-but takes texts",
        ),
        (
            "{\"a\": [{\"exists\": 1}]}",
            1,
            19,
            "invalid type: integer `1`, expected a boolean",
        ),
    ] {
        let refused = Policy::new(json).unwrap_err();
        assert!(refused.reason.starts_with(reason), "{json}: {refused}");
        let place = (refused.line, refused.column);
        assert_eq!(place, (line, column), "{json}: {refused}");
    }
    let deep = "{\"$or\":[".repeat(1000);
    assert!(Policy::new(&deep).unwrap_err().reason.contains("recursion"));
}
