//! Names: of topics, which are data and never paths, and of buses, which are directories.

use std::fmt;

use thiserror::Error;

use crate::shared::fnv1a;

/// The name of a topic: levels separated by `/`, such as `robot/7/pose`.
///
/// 1 to 255 bytes of UTF-8. No level is empty, `.` or `..`. Control characters do not occur, nor do
/// `*` and `>`, which are kept for patterns. Names are compared byte by byte.
///
/// ```
/// use ringbus::TopicName;
///
/// let name = TopicName::new("robot/7/pose")?;
/// assert_eq!(name.to_string(), "robot/7/pose");
/// assert_eq!(name.as_str().split('/').nth(1), Some("7"));
/// # Ok::<(), ringbus::NameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Box<str>);

impl TopicName {
    /// Checks a name.
    ///
    /// ```
    /// use ringbus::{NameError, TopicName};
    ///
    /// assert!(TopicName::new("météo/Genève").is_ok());
    /// assert_eq!(TopicName::new("a//b"), Err(NameError::EmptyLevel { position: 2 }));
    /// let star = NameError::Character { character: '*', position: 2 };
    /// assert_eq!(TopicName::new("a/*"), Err(star));
    /// ```
    ///
    /// # Errors
    ///
    /// The first rule that it breaks, and where.
    pub fn new(name: &str) -> Result<Self, NameError> {
        check_len(name, TOPIC_NAME_MAX_BYTES)?;
        check_characters(name, is_of_topic)?;
        check_levels(name)?;
        Ok(Self(name.into()))
    }

    /// The name as text.
    ///
    /// ```
    /// use ringbus::TopicName;
    ///
    /// assert_eq!(TopicName::new("robot/7/pose")?.as_str(), "robot/7/pose");
    /// # Ok::<(), ringbus::NameError>(())
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hash by which the topic's files are found: FNV-1a of 64 bits, the same in every process
    /// and version. Two names may share it; the file has the whole name.
    pub(crate) fn file_id(&self) -> u64 {
        fnv1a(self.0.as_bytes())
    }
}

/// The name of a bus: 1 to 64 of `A-Z`, `a-z`, `0-9`, `.`, `_`, `-`, and not a `.` first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BusName(Box<str>);

impl BusName {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks, and where.
    pub fn new(name: &str) -> Result<Self, NameError> {
        check_len(name, BUS_NAME_MAX_BYTES)?;
        check_characters(name, |character| {
            character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-')
        })?;
        if name.starts_with('.') {
            return Err(NameError::LeadingDot);
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for BusName {
    /// `default`: the bus of those who name none.
    fn default() -> Self {
        Self("default".into())
    }
}

/// Which rule a name breaks. Positions are in bytes from its start.
///
/// ```
/// use ringbus::{NameError, TopicName};
///
/// let error = TopicName::new("robot//pose").unwrap_err();
/// assert_eq!(error, NameError::EmptyLevel { position: 6 });
/// assert!(error.to_string().contains("empty level at byte 6"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// There is nothing in it.
    #[error("the name is empty; give it at least one character")]
    Empty,

    /// It is too long.
    #[error("the name has {len_bytes} bytes; at most {max_bytes} are allowed")]
    TooLong {
        /// Bytes that it has.
        len_bytes: usize,
        /// Bytes that it may have.
        max_bytes: usize,
    },

    /// A character that may not occur.
    #[error(
        "the name has {character:?} at byte {position}, which is not allowed: {}",
        allowed_beside(*character)
    )]
    Character {
        /// The character.
        character: char,
        /// Where it is.
        position: usize,
    },

    /// Two separators in a row, or one at the start or the end.
    #[error("the name has an empty level at byte {position}; write one '/' between levels")]
    EmptyLevel {
        /// Where the level would begin.
        position: usize,
    },

    /// A level that is `.` or `..`.
    #[error("the name has a level of dots only at byte {position}; levels are not directories")]
    DotLevel {
        /// Where the level begins.
        position: usize,
    },

    /// The name of a bus begins with a dot.
    #[error("the name begins with '.'; hidden directories are not buses")]
    LeadingDot,
}

/// What may stand in a name that may not have `character`.
fn allowed_beside(character: char) -> &'static str {
    match is_of_topic(character) {
        // So it was a bus that was to be named.
        true => "the name of a bus has letters of ASCII, digits, '.', '_' and '-'",
        false => {
            "topics may have all but control characters, '*' and '>', which are for patterns; buses \
             letters of ASCII, digits, '.', '_' and '-'"
        }
    }
}

fn is_of_topic(character: char) -> bool {
    !character.is_control() && !matches!(character, '*' | '>')
}

fn check_len(name: &str, max_bytes: usize) -> Result<(), NameError> {
    match name.len() {
        0 => Err(NameError::Empty),
        len_bytes if len_bytes > max_bytes => Err(NameError::TooLong {
            len_bytes,
            max_bytes,
        }),
        _ => Ok(()),
    }
}

fn check_characters(name: &str, allowed: impl Fn(char) -> bool) -> Result<(), NameError> {
    match name
        .char_indices()
        .find(|&(_, character)| !allowed(character))
    {
        Some((position, character)) => Err(NameError::Character {
            character,
            position,
        }),
        None => Ok(()),
    }
}

fn check_levels(name: &str) -> Result<(), NameError> {
    let mut position = 0;
    for level in name.split('/') {
        match level {
            "" => return Err(NameError::EmptyLevel { position }),
            "." | ".." => return Err(NameError::DotLevel { position }),
            _ => position += level.len() + 1,
        }
    }
    Ok(())
}

impl AsRef<str> for TopicName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for BusName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for BusName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

const TOPIC_NAME_MAX_BYTES: usize = 255;
const BUS_NAME_MAX_BYTES: usize = 64;
