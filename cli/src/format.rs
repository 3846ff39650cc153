//! Messages as `sub` prints them.

use std::io::{self, Write};

use serde_json::Map;

use crate::args::Format;
use crate::json;
use crate::source::View;

/// Writes one message.
pub fn write(out: &mut impl Write, format: Format, message: &View<'_, [u8]>) -> io::Result<()> {
    let payload = message.payload;
    match format {
        Format::Raw => out.write_all(payload),
        Format::Lines => {
            out.write_all(payload)?;
            out.write_all(b"\n")
        }
        Format::Hex => {
            json::write_hex(out, payload)?;
            out.write_all(b"\n")
        }
        Format::Json => {
            write_object(out, message)?;
            out.write_all(b"\n")
        }
    }
}

/// By hand, so that the fields stand in the order a reader looks for them.
fn write_object(out: &mut impl Write, message: &View<'_, [u8]>) -> io::Result<()> {
    let View {
        topic,
        sequence,
        tag,
        flags,
        publisher,
        time_ns,
        attributes,
        payload,
    } = message;
    out.write_all(b"{")?;
    if let Some(topic) = topic {
        out.write_all(br#""topic":"#)?;
        serde_json::to_writer(&mut *out, topic)?;
        out.write_all(b",")?;
    }
    write!(out, r#""seq":{sequence},"tag":{tag},"flags":{flags}"#)?;
    if let Some(publisher) = publisher {
        write!(out, r#","publisher":{publisher}"#)?;
    }
    if let Some(time_ns) = time_ns {
        write!(out, r#","time_ns":{time_ns}"#)?;
    }
    if !attributes.is_empty() {
        let attributes: Map<_, _> = attributes.iter().map(json::attribute).collect();
        out.write_all(br#","attributes":"#)?;
        serde_json::to_writer(&mut *out, &attributes)?;
    }
    write!(out, r#","len":{}"#, payload.len())?;
    match std::str::from_utf8(payload) {
        Ok(text) => {
            out.write_all(br#","payload":"#)?;
            serde_json::to_writer(&mut *out, text)?;
        }
        Err(_) => {
            out.write_all(br#","payload_hex":""#)?;
            json::write_hex(out, payload)?;
            out.write_all(b"\"")?;
        }
    }
    out.write_all(b"}")
}

#[cfg(test)]
mod tests {
    use ringbus::AttributesView;
    use serde_json::{Value, json};

    use super::*;

    fn printed(format: Format, payload: &[u8]) -> Vec<u8> {
        let message = View {
            topic: None,
            sequence: 7,
            tag: 9,
            flags: 1,
            publisher: Some(2),
            time_ns: None,
            attributes: AttributesView::default(),
            payload,
        };
        let mut out = Vec::new();
        write(&mut out, format, &message).unwrap();
        out
    }

    #[test]
    fn raw_lines_and_hex_are_the_payload() {
        assert_eq!(printed(Format::Raw, b"a\xff"), b"a\xff");
        assert_eq!(printed(Format::Lines, b"a\xff"), b"a\xff\n");
        assert_eq!(printed(Format::Hex, b"a\xff"), b"61ff\n");
    }

    #[test]
    fn json_escapes_text() {
        let object: Value =
            serde_json::from_slice(&printed(Format::Json, b"\"\n\xc3\xa9")).unwrap();
        let expected = json!({"seq": 7, "tag": 9, "flags": 1, "publisher": 2, "len": 4, "payload": "\"\n\u{e9}"});
        assert_eq!(object, expected);
    }

    #[test]
    fn json_gives_bytes_that_are_no_text_as_hex() {
        let object: Value = serde_json::from_slice(&printed(Format::Json, b"\xff\0")).unwrap();
        assert_eq!(object["payload_hex"], "ff00");
        assert_eq!(object.get("payload"), None);
    }
}
