//! From JSON to a policy. Errors come from the place where the parser stands, so that they can name
//! it.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

use super::{Clause, Comparison, Condition, Literal, Number, Policy};

/// The key whose value is a list of policies.
const OR: &str = "$or";

const CONDITIONS: [&str; 6] = [
    "anything-but",
    "equals-ignore-case",
    "exists",
    "numeric",
    "prefix",
    "suffix",
];

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PolicyVisitor)
    }
}

struct PolicyVisitor;

impl<'de> Visitor<'de> for PolicyVisitor {
    type Value = Policy;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of attributes' keys, each with a list of conditions")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Policy, A::Error> {
        let mut clauses: Vec<Clause> = vec![];
        while let Some(key) = map.next_key::<String>()? {
            let is_known = |clause: &Clause| match clause {
                Clause::Key { key: known, .. } => *known == key,
                Clause::AnyOf(_) => key == OR,
            };
            if clauses.iter().any(is_known) {
                return Err(A::Error::custom(format_args!(
                    "the key {key:?} stands there twice; put all conditions into one list"
                )));
            }
            clauses.push(if key == OR {
                Clause::AnyOf(map.next_value::<Alternatives>()?.0)
            } else {
                let any = map.next_value::<Conditions>()?.0;
                Clause::Key { key, any }
            });
        }
        Ok(Policy { clauses })
    }
}

/// Defines a wrapper that is read from a JSON array of at least so many elements.
macro_rules! list {
    ($name:ident, $element:ty, $least:literal, $expected:literal) => {
        struct $name(Vec<$element>);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ListVisitor;

                impl<'de> Visitor<'de> for ListVisitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }

                    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<$name, A::Error> {
                        let mut elements = vec![];
                        while let Some(element) = seq.next_element()? {
                            elements.push(element);
                        }
                        if elements.len() < $least {
                            return Err(A::Error::invalid_length(elements.len(), &self));
                        }
                        Ok($name(elements))
                    }
                }

                deserializer.deserialize_seq(ListVisitor)
            }
        }
    };
}

list!(Conditions, Condition, 1, "a list of one or more conditions");
list!(Alternatives, Policy, 2, "a list of two or more policies");

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ConditionVisitor)
    }
}

struct ConditionVisitor;

impl<'de> Visitor<'de> for ConditionVisitor {
    type Value = Condition;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, true, false, or an object with one condition")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Condition, E> {
        Ok(Condition::Is(Literal::Text(text.to_owned())))
    }

    fn visit_bool<E: Error>(self, yes: bool) -> Result<Condition, E> {
        Ok(Condition::Is(Literal::Bool(yes)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Condition, E> {
        Ok(Condition::Is(Literal::Number(Number::Int(number))))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Condition, E> {
        Ok(Condition::Is(Literal::Number(whole(number))))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Condition, E> {
        Ok(Condition::Is(Literal::Number(Number::Float(number))))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Condition, A::Error> {
        let Some(name) = map.next_key::<String>()? else {
            return Err(A::Error::custom(format_args!(
                "an object without a condition; {}",
                known()
            )));
        };
        let condition = match name.as_str() {
            "prefix" => Condition::Prefix(map.next_value()?),
            "suffix" => Condition::Suffix(map.next_value()?),
            "equals-ignore-case" => {
                Condition::EqualsIgnoreCase(map.next_value::<String>()?.to_lowercase())
            }
            "anything-but" => Condition::AnythingBut(map.next_value::<Excluded>()?.0),
            "numeric" => Condition::Numeric(map.next_value::<Range>()?.0),
            "exists" => Condition::Exists(map.next_value()?),
            _ => {
                return Err(A::Error::custom(format_args!(
                    "unknown condition {name:?}; {}",
                    known()
                )));
            }
        };
        match map.next_key::<String>()? {
            None => Ok(condition),
            Some(more) => Err(A::Error::custom(format_args!(
                "{more:?} stands beside {name:?}; an object has one condition, a list has many"
            ))),
        }
    }
}

fn known() -> String {
    format!("there are {}", CONDITIONS.join(", "))
}

/// A number without a fraction; too large a one is rounded.
fn whole(number: u64) -> Number {
    i64::try_from(number).map_or(Number::Float(number as f64), Number::Int)
}

/// What `anything-but` excludes: a text or number, a list of them, or an object with one condition on
/// texts.
struct Excluded(Vec<Condition>);

impl<'de> Deserialize<'de> for Excluded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ExcludedVisitor)
    }
}

struct ExcludedVisitor;

impl ExcludedVisitor {
    fn checked<E: Error>(condition: Condition) -> Result<Condition, E> {
        match condition {
            Condition::Is(_)
            | Condition::Prefix(_)
            | Condition::Suffix(_)
            | Condition::EqualsIgnoreCase(_) => Ok(condition),
            _ => Err(E::custom(
                "anything-but takes texts and numbers, prefix, suffix or equals-ignore-case",
            )),
        }
    }
}

impl<'de> Visitor<'de> for ExcludedVisitor {
    type Value = Excluded;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, a list of those, or an object with one condition")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Excluded, E> {
        Ok(Excluded(vec![ConditionVisitor.visit_str(text)?]))
    }

    fn visit_bool<E: Error>(self, yes: bool) -> Result<Excluded, E> {
        Ok(Excluded(vec![ConditionVisitor.visit_bool(yes)?]))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Excluded, E> {
        Ok(Excluded(vec![ConditionVisitor.visit_i64(number)?]))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Excluded, E> {
        Ok(Excluded(vec![ConditionVisitor.visit_u64(number)?]))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Excluded, E> {
        Ok(Excluded(vec![ConditionVisitor.visit_f64(number)?]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Excluded, A::Error> {
        let mut excluded = vec![];
        while let Some(condition) = seq.next_element()? {
            excluded.push(Self::checked(condition)?);
        }
        match excluded.len() {
            0 => Err(A::Error::invalid_length(0, &"something that is excluded")),
            _ => Ok(Excluded(excluded)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Excluded, A::Error> {
        let condition = ConditionVisitor.visit_map(map)?;
        Ok(Excluded(vec![Self::checked(condition)?]))
    }
}

/// One or two comparisons that some number can pass.
struct Range(Vec<(Comparison, Number)>);

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(RangeVisitor)
    }
}

struct RangeVisitor;

impl<'de> Visitor<'de> for RangeVisitor {
    type Value = Range;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of one comparison and number, or of two for a range")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Range, A::Error> {
        let mut range = vec![];
        while let Some(comparison) = seq.next_element::<Comparison>()? {
            let Some(NumberValue(limit)) = seq.next_element()? else {
                return Err(A::Error::custom(format_args!(
                    "the number after {:?} is missing",
                    comparison.to_string()
                )));
            };
            range.push((comparison, limit));
        }
        if range.is_empty() || range.len() > 2 {
            return Err(A::Error::invalid_length(range.len(), &self));
        }
        if let [(one, low), (other, high)] = range[..]
            && !is_range((one, low), (other, high))
        {
            return Err(A::Error::custom(
                "a range goes from > or >= a number to < or <= a greater one",
            ));
        }
        Ok(Range(range))
    }
}

fn is_range((from, low): (Comparison, Number), (to, high): (Comparison, Number)) -> bool {
    use Comparison::{Greater, GreaterOrEqual, Less, LessOrEqual};
    matches!(from, Greater | GreaterOrEqual)
        && matches!(to, Less | LessOrEqual)
        && Less.holds(low, high)
}

impl<'de> Deserialize<'de> for Comparison {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let sign = String::deserialize(deserializer)?;
        Ok(match sign.as_str() {
            "=" => Self::Equal,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => {
                return Err(D::Error::custom(format_args!(
                    "unknown comparison {sign:?}; there are =, <, <=, >, >="
                )));
            }
        })
    }
}

struct NumberValue(Number);

impl<'de> Deserialize<'de> for NumberValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Condition::deserialize(deserializer)? {
            Condition::Is(Literal::Number(number)) => Ok(Self(number)),
            _ => Err(D::Error::custom("a comparison is with a number")),
        }
    }
}
