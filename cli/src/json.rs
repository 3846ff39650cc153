//! What `--json` prints of topics. Field names are the library's.

use std::io::{self, Write};

use ringbus::{
    Attribute, Delivery, PayloadKind, PublisherInfo, PublisherMode, SubscriberInfo, TimeSource,
    TopicInfo, TypeDescription,
};
use serde_json::{Value, json};

use crate::outcome::Failure;

/// Prints `value` and a newline.
pub fn print(value: &Value) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{value}")?;
    Ok(out.flush()?)
}

/// A topic with all its publishers and subscribers.
pub fn topic(info: &TopicInfo) -> Value {
    json!({
        "name": info.name.to_string(),
        "mode": mode(info.mode),
        "capacity_slots": info.capacity_slots,
        "payload": payload(info.payload),
        "alignment_bytes": info.alignment_bytes,
        "time": time(info.time),
        "tags": info.tags,
        "attributes_max_bytes": info.attributes_max_bytes,
        "type": payload_type(&info.payload_type),
        "encoding": info.encoding,
        "schema": text_or_hex(&info.schema),
        "max_publishers": info.max_publishers,
        "max_subscribers": info.max_subscribers,
        "loans": info.loans,
        "pins": info.pins,
        "first_sequence": info.first_sequence,
        "oldest": info.oldest,
        "next": info.next,
        "published": info.published,
        "bytes": info.bytes,
        "full": info.full,
        "waited": info.waited,
        "evicted": info.evicted,
        "memory_bytes": info.memory_bytes,
        "huge_pages": info.huge_pages,
        "owner": info.owner,
        "group": info.access.gid,
        "access": format!("{:04o}", info.access.mode()),
        "publishers": info.publishers.iter().map(publisher).collect::<Vec<_>>(),
        "subscribers": info.subscribers.iter().map(subscriber).collect::<Vec<_>>(),
    })
}

fn publisher(info: &PublisherInfo) -> Value {
    json!({
        "id": info.id,
        "pid": info.pid,
        "process": info.process,
        "alive": info.alive,
        "published": info.published,
        "bytes": info.bytes,
        "full": info.full,
        "waited": info.waited,
    })
}

fn subscriber(info: &SubscriberInfo) -> Value {
    json!({
        "id": info.id,
        "pid": info.pid,
        "process": info.process,
        "alive": info.alive,
        "delivery": delivery(info.delivery),
        "cursor": info.cursor,
        "lag": info.lag,
        "lagged": info.lagged,
        "lag_events": info.lag_events,
        "evictions": info.evictions,
        "holds": info.holds,
    })
}

fn payload(kind: PayloadKind) -> Value {
    match kind {
        PayloadKind::Fixed { bytes } => json!({"kind": "fixed", "bytes": bytes}),
        PayloadKind::Variable { max_bytes } => {
            json!({"kind": "variable", "max_bytes": max_bytes})
        }
    }
}

/// Null for untyped bytes.
fn payload_type(of: &TypeDescription) -> Value {
    match &of.name {
        None => Value::Null,
        Some(name) => json!({
            "name": name,
            "size_bytes": of.size_bytes,
            "alignment_bytes": of.alignment_bytes,
        }),
    }
}

/// `exclusive` or `shared`.
pub fn mode(mode: PublisherMode) -> &'static str {
    match mode {
        PublisherMode::Exclusive => "exclusive",
        PublisherMode::Shared => "shared",
    }
}

/// `reliable` or `lossy`.
pub fn delivery(delivery: Delivery) -> &'static str {
    match delivery {
        Delivery::Reliable => "reliable",
        Delivery::Lossy => "lossy",
    }
}

/// `none`, `clock` or `tsc`.
pub fn time(source: TimeSource) -> &'static str {
    match source {
        TimeSource::None => "none",
        TimeSource::Clock => "clock",
        TimeSource::Tsc => "tsc",
    }
}

/// A key and its value; bytes as `{"hex": "..."}`.
pub fn attribute((key, value): (&str, Attribute<'_>)) -> (String, Value) {
    let value = match value {
        Attribute::Text(text) => json!(text),
        Attribute::Int(number) => json!(number),
        Attribute::Float(number) => json!(number),
        Attribute::Bool(yes) => json!(yes),
        Attribute::Bytes(bytes) => json!({"hex": hex(bytes)}),
        other => json!(other.to_string()),
    };
    (key.to_owned(), value)
}

/// Text as it is, other bytes as `{"hex": "..."}`.
fn text_or_hex(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({"hex": hex(bytes)}),
    }
}

/// Bytes as hex digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut digits = Vec::with_capacity(2 * bytes.len());
    // Writing to a vector does not fail.
    let _ = write_hex(&mut digits, bytes);
    String::from_utf8(digits).unwrap_or_default()
}

/// Writes `bytes` as hex digits, a piece at a time.
pub fn write_hex(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut piece = [0; 128];
    for some in bytes.chunks(piece.len() / 2) {
        for (pair, byte) in piece.chunks_exact_mut(2).zip(some) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        out.write_all(&piece[..2 * some.len()])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_two_digits_a_byte_at_any_length() {
        assert_eq!(hex(b""), "");
        assert_eq!(hex(b"\x00\xff\x1a"), "00ff1a");
        assert_eq!(hex(&[0xab; 200]), "ab".repeat(200));
    }

    #[test]
    fn text_stays_text() {
        assert_eq!(text_or_hex(b"schema"), json!("schema"));
        assert_eq!(text_or_hex(b"\xff"), json!({"hex": "ff"}));
    }
}
