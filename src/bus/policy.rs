//! Filter policies: which attributes a subscriber wants, in the JSON grammar of Amazon SNS.
//!
//! The grammar and its meaning: <https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html>.
//! A policy is parsed once into the tree below; to match is to walk it.

mod parse;

use std::{fmt, str::FromStr};

use thiserror::Error;

use super::attributes::{Attribute, AttributesView};

/// Which attributes a message must have: a JSON object in the grammar of Amazon SNS's filter
/// policies.
///
/// Each key is an attribute's, and its value a list of conditions. A message passes if, for every
/// key, at least one of the conditions holds:
///
/// | condition | holds for |
/// |---|---|
/// | `"XNYS"`, `100`, `true` | this text, number, or truth value |
/// | `{"prefix": "X"}`, `{"suffix": "S"}` | text that starts, or ends, like this |
/// | `{"equals-ignore-case": "xnys"}` | this text in capitals or not |
/// | `{"anything-but": ["XNYS", 7]}` | anything but these; also with one text or number, or with `{"prefix": ..}`, `{"suffix": ..}`, `{"equals-ignore-case": ..}` |
/// | `{"numeric": [">", 0, "<=", 5]}` | numbers in a range: one or two of `=`, `<`, `<=`, `>`, `>=` |
/// | `{"exists": true}`, `{"exists": false}` | messages that have, or have not, an attribute of this key |
///
/// The key `"$or"` has a list of policies instead, of which at least one must let the message pass.
/// An attribute that a message has not makes every condition fail but `{"exists": false}`.
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use ringbus::{Attributes, Filter, Meta, Patience, Policy};
///
/// let topic = bus.topic("orders").attributes_max(64).open_or_create()?;
/// let policy = Policy::new(r#"{"venue": ["XNYS"], "price": [{"numeric": [">", 100]}]}"#)?;
/// let filter = Filter::new().attributes(policy);
/// let mut subscriber = topic.subscriber().filter(filter).join()?;
///
/// let publisher = topic.publisher()?;
/// for (venue, price) in [("XNYS", 99.5), ("XNAS", 100.5), ("XNYS", 100.5)] {
///     let attributes = Attributes::new().with("venue", venue)?.with("price", price)?;
///     let meta = Meta::new().attributes(&attributes);
///     publisher.publish_with(meta, b"buy", Patience::Forever)?;
/// }
/// assert_eq!(subscriber.poll()?.expect("an order").sequence(), 2);
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// All of them must hold.
    clauses: Vec<Clause>,
}

impl Policy {
    /// Reads a policy.
    ///
    /// ```
    /// use ringbus::Policy;
    ///
    /// assert!(Policy::new(r#"{"venue": [{"prefix": "X"}]}"#).is_ok());
    /// let refused = Policy::new(r#"{"venue": [{"prefx": "X"}]}"#).unwrap_err();
    /// assert_eq!((refused.line, refused.column), (1, 19));
    /// assert!(refused.reason.starts_with("unknown condition \"prefx\""));
    /// ```
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where.
    pub fn new(json: &str) -> Result<Self, PolicyError> {
        Ok(serde_json::from_str(json)?)
    }

    /// Whether a message with these attributes passes.
    ///
    /// ```
    /// use ringbus::{Attributes, Policy};
    ///
    /// let policy = Policy::new(r#"{"urgent": [true], "venue": [{"anything-but": "XNAS"}]}"#)?;
    /// let order = Attributes::new().with("urgent", true)?.with("venue", "XNYS")?;
    /// assert!(policy.matches(order.view()));
    /// assert!(!policy.matches(Attributes::new().view()));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn matches(&self, attributes: AttributesView<'_>) -> bool {
        self.clauses.iter().all(|clause| clause.holds(attributes))
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Clause {
    /// Of the attribute `key`, one of the conditions holds.
    Key { key: String, any: Vec<Condition> },
    /// One of the policies lets the message pass.
    AnyOf(Vec<Policy>),
}

#[derive(Clone, Debug, PartialEq)]
enum Condition {
    Is(Literal),
    AnythingBut(Vec<Condition>),
    Prefix(String),
    Suffix(String),
    /// In lower case.
    EqualsIgnoreCase(String),
    Numeric(Vec<(Comparison, Number)>),
    Exists(bool),
}

#[derive(Clone, Debug, PartialEq)]
enum Literal {
    Text(String),
    Number(Number),
    Bool(bool),
}

/// A number of JSON: exact where it is whole.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Number {
    Int(i64),
    Float(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Clause {
    fn holds(&self, attributes: AttributesView<'_>) -> bool {
        match self {
            Self::AnyOf(policies) => policies.iter().any(|policy| policy.matches(attributes)),
            Self::Key { key, any } => {
                let value = attributes.get(key);
                any.iter().any(|condition| condition.holds(value))
            }
        }
    }
}

impl Condition {
    fn holds(&self, value: Option<Attribute<'_>>) -> bool {
        let Some(value) = value else {
            return *self == Self::Exists(false);
        };
        let text = value.as_str();
        match self {
            Self::Is(literal) => literal.is(value),
            Self::AnythingBut(excluded) => !excluded.iter().any(|one| one.holds(Some(value))),
            Self::Prefix(prefix) => text.is_some_and(|text| text.starts_with(prefix.as_str())),
            Self::Suffix(suffix) => text.is_some_and(|text| text.ends_with(suffix.as_str())),
            Self::EqualsIgnoreCase(lower) => {
                text.is_some_and(|text| lower.chars().eq(text.chars().flat_map(char::to_lowercase)))
            }
            Self::Numeric(range) => Number::of(value)
                .is_some_and(|found| range.iter().all(|(how, limit)| how.holds(found, *limit))),
            Self::Exists(wanted) => *wanted,
        }
    }
}

impl Literal {
    fn is(&self, value: Attribute<'_>) -> bool {
        match self {
            Self::Text(text) => value.as_str() == Some(text),
            Self::Number(number) => {
                Number::of(value).is_some_and(|found| Comparison::Equal.holds(found, *number))
            }
            Self::Bool(yes) => value == Attribute::Bool(*yes),
        }
    }
}

impl Number {
    fn of(value: Attribute<'_>) -> Option<Self> {
        match value {
            Attribute::Int(number) => Some(Self::Int(number)),
            Attribute::Float(number) => Some(Self::Float(number)),
            _ => None,
        }
    }

    fn to_f64(self) -> f64 {
        match self {
            Self::Int(number) => number as f64,
            Self::Float(number) => number,
        }
    }
}

impl Comparison {
    fn holds(self, found: Number, limit: Number) -> bool {
        let order = match (found, limit) {
            (Number::Int(found), Number::Int(limit)) => Some(found.cmp(&limit)),
            _ => found.to_f64().partial_cmp(&limit.to_f64()),
        };
        // What is not a number is in no order with anything.
        order.is_some_and(|order| match self {
            Self::Equal => order.is_eq(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        })
    }
}

impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(json: &str) -> Result<Self, PolicyError> {
        Self::new(json)
    }
}

/// Why a policy was refused.
///
/// ```
/// # use ringbus::Policy;
/// let refused = Policy::new("{\"price\": [\n  {\"numeric\": [\"~\", 1]}]}").unwrap_err();
/// assert_eq!(refused.line, 2);
/// assert!(refused.reason.starts_with("unknown comparison \"~\"; there are ="));
/// assert!(refused.to_string().starts_with("policy, line 2 column "));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("policy, line {line} column {column}: {reason}")]
#[non_exhaustive]
pub struct PolicyError {
    /// Where it was noticed, from 1.
    pub line: usize,
    /// The byte of the line after what is wrong, from 1; 0 for an empty line.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl From<serde_json::Error> for PolicyError {
    fn from(error: serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let words = error.to_string();
        let place = format!(" at line {line} column {column}");
        let reason = words.strip_suffix(&place).unwrap_or(&words).to_owned();
        Self {
            line,
            column,
            reason,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Equal => "=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        })
    }
}

#[cfg(test)]
mod tests;
