//! The codes that C sees, and their texts.

/// What a call came to: 0 is success, 1 to 99 say what there was to find and are no failures, 100 and
/// above are failures. A number is never changed nor used again; new ones are added at the end of
/// their block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(i32)]
pub enum Code {
    /// Done.
    #[default]
    Ok = 0,

    /// No failure: there is no message yet.
    Empty = 1,
    /// No failure: the time passed before anything happened.
    Timeout = 2,
    /// No failure: the message has no attribute of this key.
    Absent = 3,
    /// No failure: it has ended, the answer to a call or a dispatcher.
    Ended = 4,

    /// The call itself: a pointer that must not be NULL is NULL.
    NullArgument = 100,
    /// The call itself: a value, name or text that is not allowed.
    InvalidArgument = 101,
    /// A defect in ringbus, which reached no further than this call; please report it.
    Panicked = 102,
    /// The handle belongs to the process that forked: open another in the child.
    Forked = 103,
    /// A failure that has no code of its own yet.
    Other = 104,
    /// The handle was closed.
    Closed = 105,
    /// The handle is one of another kind, such as a bus where a publisher belongs.
    WrongHandle = 106,
    /// The handle is none that this library gave.
    NotAHandle = 107,
    /// Another call uses the handle, on another thread or below this one in a signal handler.
    Busy = 108,
    /// The process has about a million handles open.
    TooManyHandles = 109,

    /// Opening: it does not exist, and was not to be created.
    NotFound = 200,
    /// Opening: the file's mode, group or owner forbids it.
    PermissionDenied = 201,
    /// Shared memory is full.
    NoSpace = 202,
    /// The operating system refused; `ringbus_last_failure` has its number for the reason.
    System = 203,
    /// Opening: another layout version, or not a ringbus file.
    Incompatible = 204,
    /// Opening: the topic exists with other options, or another type, than asked for.
    Mismatch = 205,
    /// Creating: it exists already.
    Exists = 206,
    /// Removing: a publisher or subscriber lives.
    InUse = 207,
    /// Creating: this machine has no invariant time-stamp counter.
    NoTsc = 208,
    /// Opening: the topic belongs to another bus than the registry beside it.
    OtherBus = 209,

    /// Joining: an exclusive topic has a living publisher.
    PublisherExists = 300,
    /// Joining: the topic has all the publishers it takes.
    TooManyPublishers = 301,
    /// Joining: the topic has all the subscribers it takes.
    TooManySubscribers = 302,
    /// Joining: the bus has all the participants it takes.
    TooManyParticipants = 303,
    /// Joining: the topic was removed since it was opened.
    Removed = 304,
    /// Joining or seeking: the start lies in the future.
    NotYet = 305,
    /// Joining or seeking: a start by time on a topic that keeps no times.
    NoTime = 306,

    /// Publishing: a reliable subscriber has not read what would be overwritten.
    Full = 400,
    /// Publishing: the payload is longer than the topic takes.
    TooLong = 401,
    /// Publishing: the payload does not have the length, or a multiple of it, that the topic takes.
    WrongSize = 402,
    /// Publishing or filtering: by tags, flags or attributes, and the topic keeps none.
    NotKept = 403,
    /// Publishing: the next slot is on loan; commit or abort that loan first.
    LoanOutstanding = 404,
    /// Publishing: the publisher has as many loans as the topic allows.
    LoanLimit = 405,
    /// Publishing: a run of more messages than the ring has slots.
    RunTooLong = 406,
    /// Publishing: runs exist on exclusive topics only.
    NoRuns = 407,
    /// Publishing: the loan or run is none of this publisher's, or was committed or aborted before.
    NoLoan = 408,
    /// Publishing: the attributes need more room than the topic has for them.
    AttributesTooLong = 409,

    /// Receiving: messages were overwritten before they were read; go on polling.
    Lagged = 500,
    /// Receiving: this reliable subscriber stalled too long and was passed; go on polling.
    Evicted = 501,
    /// The shared memory holds what no ringbus writes.
    Corrupted = 502,
    /// Receiving: the message is not the one, or one of those, that the last poll gave.
    NoMessage = 503,

    /// Calling: no server of the service lives; nothing was sent.
    NoServer = 600,
    /// Calling: the server that was to answer died or left; it may have done what it was asked for.
    ServerEnded = 601,
    /// Calling: the server says that it could not do it.
    ServerFailed = 602,
    /// Calling: replies were overwritten before they were read, perhaps that to the call.
    RepliesLost = 603,
    /// Calling: the server ended its answer without any reply.
    NoReply = 604,
    /// Calling: the call is over, or another client's.
    NoCall = 605,
    /// Serving: the request was answered, or is another server's.
    NoRequest = 606,
}

impl Code {
    /// Every code with what it means, as C gets it: the text ends in NUL.
    pub(crate) const TABLE: &[(Self, &str)] = &[
        (Self::Ok, "done\0"),
        (Self::Empty, "no message yet\0"),
        (Self::Timeout, "the time passed before anything happened\0"),
        (Self::Absent, "the message has no attribute of this key\0"),
        (Self::Ended, "it has ended\0"),
        (
            Self::NullArgument,
            "a pointer that must not be NULL is NULL\0",
        ),
        (
            Self::InvalidArgument,
            "a value, name or text that is not allowed\0",
        ),
        (Self::Panicked, "a defect in ringbus\0"),
        (
            Self::Forked,
            "the handle belongs to the process that forked\0",
        ),
        (Self::Other, "a failure that has no code of its own yet\0"),
        (Self::Closed, "the handle was closed\0"),
        (Self::WrongHandle, "a handle of another kind\0"),
        (Self::NotAHandle, "not a handle of this library\0"),
        (Self::Busy, "another call uses the handle\0"),
        (Self::TooManyHandles, "too many handles are open\0"),
        (Self::NotFound, "it does not exist\0"),
        (Self::PermissionDenied, "permission denied\0"),
        (Self::NoSpace, "shared memory is full\0"),
        (Self::System, "the operating system refused\0"),
        (
            Self::Incompatible,
            "another layout version, or not a ringbus file\0",
        ),
        (Self::Mismatch, "the topic exists with other options\0"),
        (Self::Exists, "it exists already\0"),
        (Self::InUse, "it is in use\0"),
        (Self::NoTsc, "no invariant time-stamp counter\0"),
        (Self::OtherBus, "the topic belongs to another bus\0"),
        (Self::PublisherExists, "the topic has a living publisher\0"),
        (
            Self::TooManyPublishers,
            "the topic has all the publishers it takes\0",
        ),
        (
            Self::TooManySubscribers,
            "the topic has all the subscribers it takes\0",
        ),
        (
            Self::TooManyParticipants,
            "the bus has all the participants it takes\0",
        ),
        (Self::Removed, "the topic was removed since it was opened\0"),
        (Self::NotYet, "the start lies in the future\0"),
        (Self::NoTime, "the topic keeps no times\0"),
        (Self::Full, "a reliable subscriber holds the topic full\0"),
        (
            Self::TooLong,
            "the payload is longer than the topic takes\0",
        ),
        (
            Self::WrongSize,
            "the payload is not as long as the topic takes\0",
        ),
        (Self::NotKept, "the topic does not keep that\0"),
        (Self::LoanOutstanding, "the next slot is on loan\0"),
        (
            Self::LoanLimit,
            "as many loans as the topic allows are out\0",
        ),
        (Self::RunTooLong, "a run longer than the ring\0"),
        (Self::NoRuns, "no runs on a shared topic\0"),
        (Self::NoLoan, "no such loan is out\0"),
        (
            Self::AttributesTooLong,
            "the topic has less room for attributes\0",
        ),
        (
            Self::Lagged,
            "messages were overwritten before they were read\0",
        ),
        (
            Self::Evicted,
            "this subscriber stalled too long and was passed\0",
        ),
        (
            Self::Corrupted,
            "the shared memory holds what no ringbus writes\0",
        ),
        (Self::NoMessage, "not a message of the last poll\0"),
        (Self::NoServer, "no server lives\0"),
        (Self::ServerEnded, "the server ended before it answered\0"),
        (Self::ServerFailed, "the server could not do it\0"),
        (
            Self::RepliesLost,
            "replies were overwritten before they were read\0",
        ),
        (Self::NoReply, "the server answered with nothing\0"),
        (Self::NoCall, "no such call is under way\0"),
        (Self::NoRequest, "no such request is open\0"),
    ];
}

#[cfg(test)]
mod tests {
    use super::Code;

    const HEADER: &str = include_str!("../../include/ringbus.h");

    /// The names and numbers in the header.
    fn declared() -> Vec<(&'static str, i32)> {
        let codes = HEADER
            .split_once("enum ringbus_code")
            .and_then(|(_, rest)| rest.split_once('}'))
            .unwrap()
            .0;
        codes
            .lines()
            .filter_map(|line| line.trim().trim_end_matches(',').split_once(" = "))
            .map(|(name, number)| (name, number.parse().unwrap()))
            .collect()
    }

    #[test]
    fn every_code_of_the_header_has_a_text() {
        let in_header: Vec<i32> = declared().iter().map(|(_, number)| *number).collect();
        let in_table: Vec<i32> = Code::TABLE.iter().map(|(code, _)| *code as i32).collect();
        assert_eq!(in_header, in_table);
        assert!(in_table.is_sorted());
        for (code, text) in Code::TABLE {
            assert_eq!(text.find('\0'), Some(text.len() - 1), "{code:?}");
        }
    }

    #[test]
    fn no_code_was_renumbered() {
        let shipped = include_str!("../codes.txt");
        for line in shipped.lines().filter(|line| !line.starts_with('#')) {
            let (name, number) = line.split_once(' ').unwrap();
            let number: i32 = number.parse().unwrap();
            assert!(
                declared().contains(&(name, number)),
                "{name} must stay {number}"
            );
        }
        for (name, number) in declared() {
            assert!(
                shipped.contains(&format!("\n{name} {number}\n")),
                "add `{name} {number}` to ffi/codes.txt"
            );
        }
    }
}
