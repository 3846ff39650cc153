//! The values of flags: how they are read, and what is said of those that are none.

use std::fmt;
use std::fs;
use std::str::FromStr;
use std::time::Duration;

use ringbus::{Access, NameError, Pattern, PatternError, Start, TopicName};

/// The first message of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartPoint {
    /// The next to be published.
    Latest,
    /// The oldest retained.
    Oldest,
    /// The newest so many.
    Last(u64),
    /// One with this sequence.
    Sequence(u64),
}

impl StartPoint {
    /// In the library's terms.
    pub fn start(self) -> Start {
        match self {
            Self::Latest => Start::Latest,
            Self::Oldest => Start::Oldest,
            Self::Last(count) => Start::Last(count),
            Self::Sequence(sequence) => Start::Sequence(sequence),
        }
    }
}

impl FromStr for StartPoint {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let number = |digits: &str| digits.parse().map_err(|_| Unreadable::START);
        match text.split_once(':') {
            None if text == "latest" => Ok(Self::Latest),
            None if text == "oldest" => Ok(Self::Oldest),
            Some(("last", digits)) => number(digits).map(Self::Last),
            Some(("seq", digits)) => number(digits).map(Self::Sequence),
            _ => Err(Unreadable::START),
        }
    }
}

/// Why a flag's value was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable(pub(super) &'static str);

impl Unreadable {
    /// A start point in none of its forms.
    pub const START: Self = Self("must be latest, oldest, last:N or seq:N");
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Unreadable {}

/// The name of a topic.
pub fn topic(text: &str) -> Result<String, NameError> {
    TopicName::new(text).map(|name| name.to_string())
}

/// The name of a topic, or a pattern of such names.
pub fn topic_or_pattern(text: &str) -> Result<String, PatternError> {
    match text.contains(['*', '>']) {
        true => Pattern::new(text).map(|pattern| pattern.to_string()),
        false => Ok(topic(text)?),
    }
}

/// The name of a service, which its topics' names begin with.
pub fn service(text: &str) -> Result<String, NameError> {
    TopicName::new(text)?;
    TopicName::new(&format!("{text}/requests"))?;
    Ok(text.to_owned())
}

/// Bytes, at least one.
pub fn size(text: &str) -> Result<usize, Unreadable> {
    match text.parse() {
        Ok(bytes) if bytes > 0 => Ok(bytes),
        _ => Err(Unreadable("must be a number of bytes, 1 or more")),
    }
}

/// A power of two.
pub fn capacity(text: &str) -> Result<usize, Unreadable> {
    match text.parse::<usize>() {
        Ok(slots) if slots.is_power_of_two() => Ok(slots),
        _ => Err(Unreadable("must be a power of two: 1, 2, 4, ... 4096, ...")),
    }
}

/// Messages a second.
pub fn rate(text: &str) -> Result<f64, Unreadable> {
    match text.parse::<f64>() {
        Ok(rate) if (1e-6..=1e9).contains(&rate) => Ok(rate),
        _ => Err(Unreadable(
            "must be messages a second, 0.000001 to 1000000000",
        )),
    }
}

/// A time, possibly none.
pub fn seconds(text: &str) -> Result<Duration, Unreadable> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=1e9).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(Unreadable("must be seconds, 0 to 1000000000")),
    }
}

/// A time long enough to look at things in between.
pub fn interval(text: &str) -> Result<Duration, Unreadable> {
    match seconds(text) {
        Ok(interval) if interval >= Duration::from_millis(50) => Ok(interval),
        _ => Err(Unreadable("must be seconds, 0.05 or more")),
    }
}

/// Three octal digits.
pub fn access(text: &str) -> Result<Access, String> {
    let mode = u32::from_str_radix(text, 8)
        .map_err(|_| "must be octal digits, such as 600, 640 or 660".to_owned())?;
    Access::from_mode(mode).map_err(|error| error.to_string())
}

/// The number of a group, or its name in the system's list.
pub fn group(text: &str) -> Result<u32, String> {
    if let Ok(gid) = text.parse() {
        return Ok(gid);
    }
    let list = fs::read_to_string(GROUPS).unwrap_or_default();
    let number = |line: &str| {
        let mut fields = line.split(':');
        let is_it = fields.next() == Some(text);
        fields.nth(1).filter(|_| is_it)?.parse().ok()
    };
    let found = list.lines().find_map(number);
    found.ok_or_else(|| format!("no group of that name in {GROUPS}; give its number"))
}

/// Where the system lists the groups of this host.
const GROUPS: &str = "/etc/group";
