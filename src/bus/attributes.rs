//! Small key-value pairs beside a payload.
//!
//! An encoded list is entry after entry: kind (u8), length of the key (u8), length of the value
//! (u16), key, value; numbers are little-endian. It is read where it lies, entry by entry: lists are
//! short, and an index would cost more than it saves.

use std::fmt;

use thiserror::Error;

/// Attributes of a message, to be published with it: up to 64 KiB of keys and values, as far as the
/// [topic has room for them](super::TopicBuilder::attributes_max).
///
/// Keys are what an application makes of them. Some are known to many:
/// [`CONTENT_TYPE`](Self::CONTENT_TYPE), [`CORRELATION_ID`](Self::CORRELATION_ID),
/// [`REPLY_TO`](Self::REPLY_TO), [`TRACEPARENT`](Self::TRACEPARENT).
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// use ringbus::{Attribute, Attributes, Meta, Patience};
///
/// let topic = bus.topic("orders").attributes_max(128).open_or_create()?;
/// let mut subscriber = topic.subscriber().join()?;
///
/// let attributes = Attributes::new().with("venue", "XNYS")?.with("price", 101.25)?;
/// let meta = Meta::new().attributes(&attributes);
/// topic.publisher()?.publish_with(meta, b"buy", Patience::Forever)?;
///
/// let order = subscriber.poll()?.expect("an order");
/// assert_eq!(order.attributes().get("venue"), Some(Attribute::Text("XNYS")));
/// assert_eq!(order.attributes().get("price"), Some(Attribute::Float(101.25)));
/// assert_eq!(order.attributes().get("side"), None);
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Attributes {
    bytes: Vec<u8>,
}

/// The attributes of a message, read where its publisher wrote them.
///
/// ```
/// # use ringbus::Attributes;
/// let attributes = Attributes::new().with("venue", "XNYS")?.with("lot", 100)?;
/// let keys: Vec<_> = attributes.view().iter().map(|(key, _)| key).collect();
/// assert_eq!(keys, ["venue", "lot"]);
/// # Ok::<(), ringbus::AttributeError>(())
/// ```
#[derive(Clone, Copy, Default)]
pub struct AttributesView<'m> {
    bytes: &'m [u8],
}

/// The value of an attribute.
///
/// ```
/// # use ringbus::Attribute;
/// assert_eq!(Attribute::from("XNYS"), Attribute::Text("XNYS"));
/// assert_eq!(Attribute::from(-7), Attribute::Int(-7));
/// assert_eq!(Attribute::Int(-7).to_string(), "-7");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Attribute<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes that are no text.
    Bytes(&'a [u8]),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Yes or no.
    Bool(bool),
}

impl Attributes {
    /// What the payload is, as a media type: `application/json`.
    pub const CONTENT_TYPE: &'static str = "content-type";
    /// Which request a message is about.
    pub const CORRELATION_ID: &'static str = "correlation-id";
    /// The topic for answers.
    pub const REPLY_TO: &'static str = "reply-to";
    /// Where a message belongs in a distributed trace: <https://www.w3.org/TR/trace-context/>.
    pub const TRACEPARENT: &'static str = "traceparent";

    /// None.
    ///
    /// ```
    /// assert!(ringbus::Attributes::new().view().is_empty());
    /// ```
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// These and one more, which replaces one of the same key.
    ///
    /// ```
    /// # use ringbus::{Attribute, Attributes};
    /// let attributes = Attributes::new().with("lot", 100)?.with("lot", 200)?;
    /// assert_eq!(attributes.view().get("lot"), Some(Attribute::Int(200)));
    /// # Ok::<(), ringbus::AttributeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`set`](Self::set).
    pub fn with<'a>(
        mut self,
        key: &str,
        value: impl Into<Attribute<'a>>,
    ) -> Result<Self, AttributeError> {
        self.set(key, value)?;
        Ok(self)
    }

    /// Sets one, in place of one of the same key.
    ///
    /// ```
    /// # use ringbus::Attributes;
    /// let mut attributes = Attributes::new();
    /// attributes.set(Attributes::CONTENT_TYPE, "application/json")?;
    /// assert!(attributes.set("", 1).is_err());
    /// # Ok::<(), ringbus::AttributeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AttributeError`] for a key or value of a length that cannot be; then nothing has changed.
    pub fn set<'a>(
        &mut self,
        key: &str,
        value: impl Into<Attribute<'a>>,
    ) -> Result<(), AttributeError> {
        let value = value.into();
        if key.is_empty() || key.len() > KEY_MAX {
            return Err(AttributeError::Key { bytes: key.len() });
        }
        let old = self.position(key);
        let replaced = old.map_or(0, |(start, end)| end - start);
        let added = HEAD_BYTES + key.len() + value.len_bytes();
        let bytes = self.bytes.len() - replaced + added;
        if bytes > ATTRIBUTES_MAX {
            return Err(AttributeError::TooLong { bytes });
        }
        if let Some((start, end)) = old {
            self.bytes.drain(start..end);
        }
        value.write(key, &mut self.bytes);
        Ok(())
    }

    /// Forgets all of them, and keeps the memory for others.
    ///
    /// ```
    /// # use ringbus::Attributes;
    /// let mut attributes = Attributes::new().with("lot", 100)?;
    /// attributes.clear();
    /// assert_eq!(attributes, Attributes::new());
    /// # Ok::<(), ringbus::AttributeError>(())
    /// ```
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// To be read.
    ///
    /// ```
    /// # use ringbus::{Attribute, Attributes};
    /// let attributes = Attributes::new().with("urgent", true)?;
    /// assert_eq!(attributes.view().get("urgent"), Some(Attribute::Bool(true)));
    /// # Ok::<(), ringbus::AttributeError>(())
    /// ```
    pub fn view(&self) -> AttributesView<'_> {
        AttributesView { bytes: &self.bytes }
    }

    /// Bytes that they take up beside a payload: four for each, its key and its value.
    ///
    /// ```
    /// # use ringbus::Attributes;
    /// assert_eq!(Attributes::new().with("lot", 100)?.len_bytes(), 4 + 3 + 8);
    /// # Ok::<(), ringbus::AttributeError>(())
    /// ```
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where the entry of `key` starts and ends.
    fn position(&self, key: &str) -> Option<(usize, usize)> {
        let mut left = self.view();
        loop {
            let start = self.bytes.len() - left.bytes.len();
            let (found, _) = left.next()?;
            if found == key {
                return Some((start, self.bytes.len() - left.bytes.len()));
            }
        }
    }
}

impl<'m> AttributesView<'m> {
    /// What lies in shared memory: anything.
    pub(super) fn new(bytes: &'m [u8]) -> Self {
        Self { bytes }
    }

    /// The value of a key.
    ///
    /// ```
    /// # use ringbus::{Attribute, Attributes};
    /// let attributes = Attributes::new().with("lot", 100)?;
    /// assert_eq!(attributes.view().get("lot"), Some(Attribute::Int(100)));
    /// assert_eq!(attributes.view().get("price"), None);
    /// # Ok::<(), ringbus::AttributeError>(())
    /// ```
    pub fn get(self, key: &str) -> Option<Attribute<'m>> {
        let mut entries = self.iter();
        entries.find_map(|(found, value)| (found == key).then_some(value))
    }

    /// Keys and values, in the order in which they were set.
    ///
    /// What no publisher of this library writes ends it: damage does not go further than its
    /// message.
    ///
    /// ```
    /// # use ringbus::{Attribute, Attributes};
    /// let attributes = Attributes::new().with("venue", "XNYS")?.with("lot", 100)?;
    /// let all: Vec<_> = attributes.view().iter().collect();
    /// assert_eq!(all, [("venue", Attribute::Text("XNYS")), ("lot", Attribute::Int(100))]);
    /// # Ok::<(), ringbus::AttributeError>(())
    /// ```
    pub fn iter(self) -> impl Iterator<Item = (&'m str, Attribute<'m>)> {
        let mut left = self;
        std::iter::from_fn(move || left.next())
    }

    /// Whether there are none.
    ///
    /// ```
    /// # use ringbus::Attributes;
    /// assert!(!Attributes::new().with("lot", 100)?.view().is_empty());
    /// # Ok::<(), ringbus::AttributeError>(())
    /// ```
    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }

    /// A copy that outlives the message.
    ///
    /// ```
    /// # use ringbus::Attributes;
    /// let attributes = Attributes::new().with("lot", 100)?;
    /// assert_eq!(attributes.view().to_owned(), attributes);
    /// # Ok::<(), ringbus::AttributeError>(())
    /// ```
    pub fn to_owned(self) -> Attributes {
        let mut whole = self;
        while whole.next().is_some() {}
        let read = self.bytes.len() - whole.bytes.len();
        Attributes {
            bytes: self.bytes[..read].to_owned(),
        }
    }

    /// Takes the next entry off; `None` at the end, and where there is something else.
    fn next(&mut self) -> Option<(&'m str, Attribute<'m>)> {
        let (&[kind, key_len, len_low, len_high], rest) = self.bytes.split_first_chunk()?;
        let (key, rest) = rest.split_at_checked(key_len.into())?;
        let value_len = u16::from_le_bytes([len_low, len_high]);
        let (value, rest) = rest.split_at_checked(value_len.into())?;
        let key = str::from_utf8(key).ok()?;
        let value = Attribute::read(kind, value)?;
        self.bytes = rest;
        Some((key, value))
    }
}

impl<'a> Attribute<'a> {
    /// As a number, if it is one.
    ///
    /// ```
    /// # use ringbus::Attribute;
    /// assert_eq!(Attribute::Int(100).as_f64(), Some(100.0));
    /// assert_eq!(Attribute::Text("100").as_f64(), None);
    /// ```
    pub fn as_f64(self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(number as f64),
            Self::Float(number) => Some(number),
            _ => None,
        }
    }

    /// As text, if it is text.
    ///
    /// ```
    /// # use ringbus::Attribute;
    /// assert_eq!(Attribute::Text("XNYS").as_str(), Some("XNYS"));
    /// assert_eq!(Attribute::Bool(true).as_str(), None);
    /// ```
    pub fn as_str(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn read(kind: u8, bytes: &'a [u8]) -> Option<Self> {
        Some(match (kind, bytes) {
            (TEXT, text) => Self::Text(str::from_utf8(text).ok()?),
            (BYTES, bytes) => Self::Bytes(bytes),
            (INT, number) => Self::Int(i64::from_le_bytes(number.try_into().ok()?)),
            (FLOAT, number) => Self::Float(f64::from_le_bytes(number.try_into().ok()?)),
            (BOOL, [0]) => Self::Bool(false),
            (BOOL, [1]) => Self::Bool(true),
            _ => return None,
        })
    }

    fn len_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Int(_) | Self::Float(_) => 8,
            Self::Bool(_) => 1,
        }
    }

    /// Appends an entry whose lengths were checked.
    fn write(&self, key: &str, target: &mut Vec<u8>) {
        let (int, float, bool);
        let (kind, value): (u8, &[u8]) = match self {
            Self::Text(text) => (TEXT, text.as_bytes()),
            Self::Bytes(bytes) => (BYTES, bytes),
            Self::Int(number) => {
                int = number.to_le_bytes();
                (INT, &int)
            }
            Self::Float(number) => {
                float = number.to_le_bytes();
                (FLOAT, &float)
            }
            Self::Bool(yes) => {
                bool = [u8::from(*yes)];
                (BOOL, &bool)
            }
        };
        target.push(kind);
        target.push(key.len() as u8);
        target.extend((value.len() as u16).to_le_bytes());
        target.extend(key.as_bytes());
        target.extend(value);
    }
}

/// Why an attribute was not set.
///
/// ```
/// # use ringbus::{AttributeError, Attributes};
/// let refused = Attributes::new().with(&"k".repeat(256), 1).unwrap_err();
/// assert_eq!(refused, AttributeError::Key { bytes: 256 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AttributeError {
    /// A key that is empty or too long.
    #[error("an attribute's key has {bytes} bytes; it must have 1 to {max}", max = KEY_MAX)]
    Key {
        /// Bytes that it has.
        bytes: usize,
    },
    /// More than a message can carry.
    #[error("the attributes take up {bytes} bytes; {max} is the most", max = ATTRIBUTES_MAX)]
    TooLong {
        /// Bytes that they would take up.
        bytes: usize,
    },
}

macro_rules! attribute_from {
    ($($type:ty => $value:expr;)+) => {
        $(impl<'a> From<$type> for Attribute<'a> {
            fn from(value: $type) -> Self {
                let make: fn($type) -> Self = $value;
                make(value)
            }
        })+
    };
}

attribute_from! {
    &'a str => Attribute::Text;
    &'a String => |text| Attribute::Text(text);
    &'a [u8] => Attribute::Bytes;
    i64 => Attribute::Int;
    i32 => |number| Attribute::Int(number.into());
    u32 => |number| Attribute::Int(number.into());
    f64 => Attribute::Float;
    bool => Attribute::Bool;
}

impl fmt::Display for Attribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.pad(text),
            Self::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Self::Int(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::Bool(yes) => yes.fmt(f),
        }
    }
}

impl fmt::Debug for AttributesView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

/// The most bytes of one message's attributes.
pub(super) const ATTRIBUTES_MAX: usize = u16::MAX as usize;
const KEY_MAX: usize = u8::MAX as usize;
/// Kind and lengths.
const HEAD_BYTES: usize = 4;

const TEXT: u8 = 1;
const BYTES: u8 = 2;
const INT: u8 = 3;
const FLOAT: u8 = 4;
const BOOL: u8 = 5;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_to_their_first_flaw(bytes in prop::collection::vec(0..6_u8, 0..64)) {
            let view = AttributesView::new(&bytes);
            let copy = view.to_owned();
            prop_assert!(bytes.starts_with(copy.bytes()));
            prop_assert!(view.iter().eq(copy.view().iter()));
        }

        #[test]
        fn what_was_set_last_is_read(
            entries in prop::collection::vec(("[abc]{1,2}", "[xy]{0,9}", -9..9_i64, 0..3), 0..20),
        ) {
            let mut attributes = Attributes::new();
            let mut reference: Vec<(&str, Attribute)> = vec![];
            for (key, text, number, kind) in &entries {
                let value = match kind {
                    0 => Attribute::Text(text),
                    1 => Attribute::Bytes(text.as_bytes()),
                    _ => Attribute::Int(*number),
                };
                attributes.set(key, value).unwrap();
                reference.retain(|(known, _)| known != key);
                reference.push((key, value));
            }
            prop_assert!(attributes.view().iter().eq(reference.iter().copied()));
            for (key, value) in reference {
                prop_assert_eq!(attributes.view().get(key), Some(value));
            }
        }
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let mut attributes = Attributes::new().with("a", 1).unwrap();
        let before = attributes.clone();
        let long = "x".repeat(ATTRIBUTES_MAX);
        let bytes = before.len_bytes() + HEAD_BYTES + 1 + long.len();
        assert_eq!(
            attributes.set("b", &long),
            Err(AttributeError::TooLong { bytes })
        );
        assert_eq!(attributes.set("", 1), Err(AttributeError::Key { bytes: 0 }));
        assert_eq!(attributes, before);
        // As much as fits in place of another.
        let fitting = &long[HEAD_BYTES + 1..];
        attributes.set("a", fitting).unwrap();
        assert_eq!(attributes.len_bytes(), ATTRIBUTES_MAX);
        assert_eq!(attributes.view().get("a"), Some(Attribute::Text(fitting)));
    }
}
