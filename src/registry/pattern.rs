//! Patterns over topic names.

use std::{fmt, str::FromStr};

use thiserror::Error;

use super::name::{NameError, TopicName};

/// A set of topics, by their names' levels: `sensors/*/temperature`, `orders/>`.
///
/// A level that is `*` stands for any one level; a last level that is `>` for one or more. All
/// other levels stand for themselves, so a topic's name is the pattern of that topic alone.
///
/// ```
/// use ringbus::Pattern;
///
/// let rooms = Pattern::new("sensors/*/temperature")?;
/// assert!(rooms.matches("sensors/kitchen/temperature"));
/// assert!(!rooms.matches("sensors/temperature"));
/// assert!(!rooms.matches("sensors/kitchen/oven/temperature"));
///
/// let orders = Pattern::new("orders/>")?;
/// assert!(orders.matches("orders/eu") && orders.matches("orders/eu/new"));
/// assert!(!orders.matches("orders"));
/// # Ok::<(), ringbus::PatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Box<str>);

impl Pattern {
    /// Checks a pattern.
    ///
    /// ```
    /// use ringbus::{Pattern, PatternError};
    ///
    /// assert!(Pattern::new(">").is_ok());
    /// assert_eq!(Pattern::new("a/>/b"), Err(PatternError::RestNotLast { position: 2 }));
    /// assert_eq!(Pattern::new("a/b*"), Err(PatternError::PartOfLevel { wildcard: '*', position: 3 }));
    /// ```
    ///
    /// # Errors
    ///
    /// The first rule that it breaks, and where.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        let mut position = 0;
        let mut rest_at = None;
        for level in pattern.split('/') {
            if let Some(position) = rest_at {
                return Err(PatternError::RestNotLast { position });
            }
            if level == ">" {
                rest_at = Some(position);
            } else if level != "*" {
                check_no_wildcard(level, position)?;
            }
            position += level.len() + 1;
        }
        // What is left once the wildcards stand for something must be a name.
        TopicName::new(&pattern.replace(['*', '>'], "x"))?;
        Ok(Self(pattern.into()))
    }

    /// Whether the pattern stands for the topic of this name, among others.
    ///
    /// ```
    /// use ringbus::Pattern;
    ///
    /// assert!(Pattern::new("*/pose")?.matches("robot/pose"));
    /// # Ok::<(), ringbus::PatternError>(())
    /// ```
    pub fn matches(&self, name: &str) -> bool {
        let mut levels = name.split('/');
        for wanted in self.0.split('/') {
            let level = levels.next();
            match (wanted, level) {
                (_, None) => return false,
                (">", Some(_)) => return true,
                ("*", Some(_)) => {}
                (wanted, Some(level)) if wanted != level => return false,
                _ => {}
            }
        }
        levels.next().is_none()
    }

    /// Whether it stands for one topic only, the one of that name.
    ///
    /// ```
    /// use ringbus::Pattern;
    ///
    /// assert!(Pattern::new("robot/pose")?.is_name());
    /// assert!(!Pattern::new("robot/*")?.is_name());
    /// # Ok::<(), ringbus::PatternError>(())
    /// ```
    pub fn is_name(&self) -> bool {
        !self.0.contains(['*', '>'])
    }

    /// The pattern as text.
    ///
    /// ```
    /// use ringbus::Pattern;
    ///
    /// assert_eq!(Pattern::new("orders/>")?.as_str(), "orders/>");
    /// # Ok::<(), ringbus::PatternError>(())
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check_no_wildcard(level: &str, level_at: usize) -> Result<(), PatternError> {
    let found = level.char_indices().find(|(_, c)| matches!(c, '*' | '>'));
    match found {
        None => Ok(()),
        Some((offset, wildcard)) => Err(PatternError::PartOfLevel {
            wildcard,
            position: level_at + offset,
        }),
    }
}

/// Which rule a pattern breaks. Positions are in bytes from its start.
///
/// ```
/// use ringbus::{Pattern, PatternError};
///
/// let error = Pattern::new("sensors/temp*").unwrap_err();
/// assert_eq!(error, PatternError::PartOfLevel { wildcard: '*', position: 12 });
/// assert!(error.to_string().contains("a level of its own"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PatternError {
    /// A `>` is followed by more levels.
    #[error(
        "the pattern's '>' at byte {position} is not its last level; use '*' for a single level"
    )]
    RestNotLast {
        /// Where it is.
        position: usize,
    },
    /// A `*` or `>` has neighbours in its level.
    #[error(
        "the pattern's {wildcard:?} at byte {position} must be a level of its own, between '/' and '/'"
    )]
    PartOfLevel {
        /// `*` or `>`.
        wildcard: char,
        /// Where it is.
        position: usize,
    },
    /// No topic's name could ever match.
    #[error("{}", of_pattern(.0))]
    Name(#[from] NameError),
}

/// Why no name can match, said of the pattern.
fn of_pattern(error: &NameError) -> String {
    error.to_string().replacen("the name", "the pattern", 1)
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(pattern: &str) -> Result<Self, PatternError> {
        Self::new(pattern)
    }
}

/// The pattern of one topic.
impl From<&TopicName> for Pattern {
    fn from(name: &TopicName) -> Self {
        Self(name.as_str().into())
    }
}

impl AsRef<str> for Pattern {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
