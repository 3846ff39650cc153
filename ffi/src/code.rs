//! The codes that C sees, and their texts.

/// Declares [`Code`] with the name in the header, the number and the text of each.
macro_rules! codes {
    ($($variant:ident $name:ident = $number:literal $text:literal)+) => {
        /// What a call came to. A number is never changed nor used again.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(i32)]
        pub enum Code {
            $(#[doc = $text] $variant = $number,)+
        }

        impl Code {
            /// Every code: its name in the header, its number, its text with the final NUL.
            pub(crate) const TABLE: &[(&str, i32, &str)] =
                &[$((stringify!($name), $number, concat!($text, "\0")),)+];
        }
    };
}

codes! {
    Ok RINGBUS_OK = 0 "done"
    Empty RINGBUS_EMPTY = 1 "no message yet"
    Timeout RINGBUS_TIMEOUT = 2 "the time passed before anything happened"
    NullArgument RINGBUS_NULL_ARGUMENT = 100 "a pointer that must not be NULL is NULL"
    InvalidArgument RINGBUS_INVALID_ARGUMENT = 101 "a value, name or text that is not allowed"
    Panicked RINGBUS_PANICKED = 102 "a defect in ringbus"
    Forked RINGBUS_FORKED = 103 "the handle belongs to the process that forked"
    Other RINGBUS_OTHER = 104 "a failure that has no code of its own yet"
    NotFound RINGBUS_NOT_FOUND = 200 "it does not exist"
    PermissionDenied RINGBUS_PERMISSION_DENIED = 201 "permission denied"
    NoSpace RINGBUS_NO_SPACE = 202 "shared memory is full"
    System RINGBUS_SYSTEM = 203 "the operating system refused"
    Incompatible RINGBUS_INCOMPATIBLE = 204 "another layout version, or not a ringbus file"
    Mismatch RINGBUS_MISMATCH = 205 "the topic exists with other options"
    Exists RINGBUS_EXISTS = 206 "it exists already"
    PublisherExists RINGBUS_PUBLISHER_EXISTS = 300 "the topic has a living publisher"
    TooManyPublishers RINGBUS_TOO_MANY_PUBLISHERS = 301 "the topic has all the publishers it takes"
    TooManySubscribers RINGBUS_TOO_MANY_SUBSCRIBERS = 302 "the topic has all the subscribers it takes"
    TooManyParticipants RINGBUS_TOO_MANY_PARTICIPANTS = 303 "the bus has all the participants it takes"
    Removed RINGBUS_REMOVED = 304 "the topic was removed since it was opened"
    Full RINGBUS_FULL = 400 "a reliable subscriber holds the topic full"
    TooLong RINGBUS_TOO_LONG = 401 "the payload is longer than the topic takes"
    WrongSize RINGBUS_WRONG_SIZE = 402 "the payload is not exactly as long as the topic takes"
    NotKept RINGBUS_NOT_KEPT = 403 "the topic keeps no tags"
    Lagged RINGBUS_LAGGED = 500 "messages were overwritten before they were read"
    Evicted RINGBUS_EVICTED = 501 "this subscriber stalled too long and was passed"
    Corrupted RINGBUS_CORRUPTED = 502 "the shared memory holds what no ringbus writes"
}

#[cfg(test)]
mod tests {
    use super::Code;

    const HEADER: &str = include_str!("../../include/ringbus.h");

    #[test]
    fn header_and_table_name_the_same_codes() {
        let declared: Vec<(&str, i32)> = HEADER
            .lines()
            .filter_map(|line| line.trim().split_once(" = "))
            .filter(|(name, _)| name.starts_with("RINGBUS_"))
            .map(|(name, rest)| {
                let digits = rest
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(rest.len());
                (name, rest[..digits].parse().unwrap())
            })
            .collect();
        let table: Vec<_> = Code::TABLE
            .iter()
            .map(|(name, number, _)| (*name, *number))
            .collect();
        assert_eq!(declared, table);
    }
}
