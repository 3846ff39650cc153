//! The flags that say which messages are wanted, and those that give messages their attributes.

use std::time::Duration;

use ringbus::{Attribute, Attributes, Filter, Policy};

use super::values::seconds;
use crate::outcome::Failure;

/// What `sub` wants of a topic.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Which messages (not with --delivery observe)")]
pub struct FilterArgs {
    /// Only messages with this tag; given again, with one of these tags
    #[arg(long = "tag", value_name = "N", value_parser = number)]
    pub tags: Vec<u64>,
    /// Only messages whose tag has VALUE's bits where MASK has ones; both decimal or 0x...
    #[arg(long, value_name = "MASK:VALUE", value_parser = mask)]
    pub tag_mask: Option<(u64, u64)>,
    /// Only messages whose flags have VALUE's bits where MASK has ones
    #[arg(long, value_name = "MASK:VALUE", value_parser = flags_mask)]
    pub flags_mask: Option<(u16, u16)>,
    /// Only messages of the publisher with this number
    #[arg(long, value_name = "N")]
    pub publisher: Option<u16>,
    /// Only messages whose attributes pass this policy: JSON in the grammar of Amazon SNS, such as
    /// {"venue":["XNYS"],"price":[{"numeric":[">",100]}]}
    #[arg(long = "where", value_name = "POLICY", value_parser = Policy::new)]
    pub policy: Option<Policy>,
    /// Of those, only the first of every N, 1 or more
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub every: Option<u64>,
    /// Of those, none within so many seconds of the last one printed
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub at_most_every: Option<Duration>,
}

impl FilterArgs {
    /// The filter, if any of the flags was given.
    pub fn filter(&self) -> Option<Filter> {
        let mut filter = Filter::new();
        if !self.tags.is_empty() {
            filter = filter.tags(self.tags.iter().copied());
        }
        if let Some((mask, value)) = self.tag_mask {
            filter = filter.tag_mask(mask, value);
        }
        if let Some((mask, value)) = self.flags_mask {
            filter = filter.flags_mask(mask, value);
        }
        if let Some(id) = self.publisher {
            filter = filter.publisher(id);
        }
        if let Some(policy) = &self.policy {
            filter = filter.attributes(policy.clone());
        }
        if let Some(every) = self.every {
            filter = filter.every(every);
        }
        if let Some(interval) = self.at_most_every {
            filter = filter.at_most_every(interval);
        }
        (filter != Filter::new()).then_some(filter)
    }
}

/// The attributes of every message that `pub` publishes.
#[derive(Debug, clap::Args)]
pub struct AttributeArgs {
    /// An attribute of every message: a number, true, false, or text; repeat it for more
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = attribute)]
    pub attributes: Vec<(String, String)>,
    /// Room for each message's attributes in bytes, 0 to 65535: 4, the key and the value for each
    /// [default: none]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u16))]
    pub attributes_max: Option<u16>,
}

impl AttributeArgs {
    /// All of them together; as wrong usage, why they cannot be.
    pub fn attributes(&self) -> Result<Attributes, Failure> {
        let mut all = Attributes::new();
        for (number, (key, value)) in self.attributes.iter().enumerate() {
            if self.attributes[..number]
                .iter()
                .any(|(other, _)| other == key)
            {
                let words =
                    format_args!("--attribute: {key} is given twice; a message has it once");
                return Err(Failure::usage(words));
            }
            all.set(key, read(value)).map_err(Failure::usage)?;
        }
        let bytes = all.len_bytes();
        match self.attributes_max {
            Some(max) if bytes > max.into() => Err(Failure::usage(format_args!(
                "the attributes take up {bytes} bytes: --attributes-max {bytes} has room for them"
            ))),
            _ => Ok(all),
        }
    }
}

/// The most exact kind that a value's text can be.
fn read(text: &str) -> Attribute<'_> {
    if let Ok(number) = text.parse::<i64>() {
        return Attribute::Int(number);
    }
    // Only what begins as a number does: `inf` and `nan` are words.
    let begins_so = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    if let Ok(number) = text.parse::<f64>()
        && begins_so
        && number.is_finite()
    {
        return Attribute::Float(number);
    }
    match text {
        "true" => Attribute::Bool(true),
        "false" => Attribute::Bool(false),
        text => Attribute::Text(text),
    }
}

fn attribute(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("must be a key, '=' and a value, like venue=XNYS".to_owned()),
    }
}

/// Decimal, or hexadecimal after 0x.
fn number(text: &str) -> Result<u64, String> {
    let read = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    read.map_err(|_| "must be a number of up to 64 bits, decimal or 0x...".to_owned())
}

fn mask(text: &str) -> Result<(u64, u64), String> {
    let (mask, value) = text
        .split_once(':')
        .ok_or("must be a mask, ':' and a value, like 0xff00:0x0300")?;
    let (mask, value) = (number(mask)?, number(value)?);
    match value & !mask {
        0 => Ok((mask, value)),
        beside => Err(format!(
            "the value has bits outside the mask, {beside:#x}, and so matches nothing: take them out of \
             it, or put them into the mask"
        )),
    }
}

fn flags_mask(text: &str) -> Result<(u16, u16), String> {
    let (mask, value) = mask(text)?;
    let narrow = |bits: u64| u16::try_from(bits).map_err(|_| "flags have 16 bits".to_owned());
    Ok((narrow(mask)?, narrow(value)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_the_most_exact_kind() {
        assert_eq!(read("100"), Attribute::Int(100));
        assert_eq!(read("-1.5"), Attribute::Float(-1.5));
        assert_eq!(read("true"), Attribute::Bool(true));
        for text in ["", "XNYS", "inf", "nan", "1e999", "True", "0x10"] {
            assert_eq!(read(text), Attribute::Text(text));
        }
    }

    #[test]
    fn masks_are_decimal_or_hexadecimal() {
        assert_eq!(mask("0xff00:768"), Ok((0xff00, 768)));
        assert_eq!(mask("3:0"), Ok((3, 0)));
        assert!(mask("0x1:0x2").unwrap_err().contains("0x2"));
        for wrong in ["", "1", "1:", ":1", "0x:1", "-1:1", "1:1:1"] {
            assert!(mask(wrong).is_err(), "{wrong}");
        }
        assert!(flags_mask("65536:0").unwrap_err().contains("16 bits"));
    }
}
