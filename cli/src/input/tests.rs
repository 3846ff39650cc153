use super::*;

/// All messages of `input`, fed in pieces of `piece` bytes, and the error that ended them.
fn cut(
    framing: Framing,
    limit: Limit,
    input: &[u8],
    piece: usize,
) -> (Vec<Vec<u8>>, Option<InputError>) {
    let mut framer = Framer::new(framing, limit);
    let mut messages = Vec::new();
    for bytes in input.chunks(piece) {
        framer.feed(bytes);
        loop {
            match framer.next() {
                Ok(Some(message)) => messages.push(message.to_vec()),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    match framer.finish() {
        Ok(last) => {
            messages.extend(last.map(<[u8]>::to_vec));
            (messages, None)
        }
        Err(error) => (messages, Some(error)),
    }
}

/// The same, with a check that the pieces do not matter.
fn cut_anyhow(framing: Framing, limit: Limit, input: &[u8]) -> (Vec<Vec<u8>>, Option<InputError>) {
    let whole = cut(framing, limit, input, input.len().max(1));
    for piece in 1..input.len() {
        assert_eq!(
            cut(framing, limit, input, piece),
            whole,
            "in pieces of {piece}"
        );
    }
    whole
}

#[test]
fn lines_lose_their_newline_and_the_last_needs_none() {
    let (lines, error) = cut_anyhow(Framing::Lines, Limit::Max(8), b"one\n\ntwo\r\nthree");
    assert_eq!(lines, [&b"one"[..], b"", b"two\r", b"three"]);
    assert_eq!(error, None);
}

#[test]
fn no_input_is_no_message() {
    for framing in [Framing::Lines, Framing::Fixed(4), Framing::LengthPrefixed] {
        assert_eq!(cut(framing, Limit::Max(8), b"", 1), (vec![], None));
    }
}

#[test]
fn a_line_as_long_as_allowed_passes_and_one_longer_is_named_with_its_length() {
    let (lines, error) = cut_anyhow(Framing::Lines, Limit::Max(4), b"1234\n123456789\n1\n");
    assert_eq!(lines, [b"1234"]);
    let limit = Limit::Max(4);
    assert_eq!(
        error,
        Some(InputError::Line {
            number: 2,
            len: 9,
            endless: false,
            limit
        })
    );
}

#[test]
fn a_last_line_too_long_is_an_error_too() {
    let (_, error) = cut_anyhow(Framing::Lines, Limit::Max(4), b"12345");
    let limit = Limit::Max(4);
    assert_eq!(
        error,
        Some(InputError::Line {
            number: 1,
            len: 5,
            endless: false,
            limit
        })
    );
}

#[test]
fn a_topic_of_fixed_length_takes_lines_of_that_length_only() {
    let (lines, error) = cut_anyhow(Framing::Lines, Limit::Exactly(3), b"abc\nab\n");
    assert_eq!(lines, [b"abc"]);
    let limit = Limit::Exactly(3);
    assert_eq!(
        error,
        Some(InputError::Line {
            number: 2,
            len: 2,
            endless: false,
            limit
        })
    );
}

#[test]
fn fixed_records_are_cut_by_length_and_a_remainder_is_an_error() {
    let limit = Limit::Exactly(3);
    assert_eq!(
        cut_anyhow(Framing::Fixed(3), limit, b"abcdef").0,
        [b"abc", b"def"]
    );
    let (records, error) = cut_anyhow(Framing::Fixed(3), limit, b"abcde");
    assert_eq!(records, [b"abc"]);
    assert_eq!(
        error,
        Some(InputError::Truncated {
            number: 2,
            have: 2,
            need: 3
        })
    );
}

#[test]
fn length_prefixes_are_obeyed() {
    let input = b"\x02\0\0\0hi\0\0\0\0\x03\0\0\0you";
    let (messages, error) = cut_anyhow(Framing::LengthPrefixed, Limit::Max(8), input);
    assert_eq!(messages, [&b"hi"[..], b"", b"you"]);
    assert_eq!(error, None);
}

#[test]
fn a_truncated_prefix_or_message_is_an_error() {
    let ends = |input| cut_anyhow(Framing::LengthPrefixed, Limit::Max(8), input).1;
    assert_eq!(
        ends(b"\x02\0"),
        Some(InputError::Truncated {
            number: 1,
            have: 2,
            need: 4
        })
    );
    let inside = Some(InputError::Truncated {
        number: 2,
        have: 1,
        need: 2,
    });
    assert_eq!(ends(b"\0\0\0\0\x02\0\0\0h"), inside);
}

#[test]
fn an_absurd_length_is_refused_before_it_is_waited_for() {
    let (_, error) = cut(
        Framing::LengthPrefixed,
        Limit::Max(8),
        b"\xff\xff\xff\xff",
        4,
    );
    let limit = Limit::Max(8);
    assert_eq!(
        error,
        Some(InputError::Announced {
            number: 1,
            len: u32::MAX.into(),
            limit
        })
    );
}

#[test]
fn a_line_without_end_is_given_up_and_not_kept() {
    let mut framer = Framer::new(Framing::Lines, Limit::Max(16));
    let chunk = vec![b'x'; 1 << 20];
    let error = loop {
        framer.feed(&chunk);
        assert!(framer.held.len() <= 2 * chunk.len());
        if let Err(error) = framer.next() {
            break error;
        }
    };
    assert!(
        error.to_string().starts_with("line 1 is more than "),
        "{error}"
    );
}
