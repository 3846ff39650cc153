//! Why a call failed: a code for the program, facts for its next step, a message for people.

use std::error::Error;
use std::ffi::{CString, c_char};
use std::fmt::{self, Display};
use std::{io, ptr};

use ringbus::{
    CallError, Culprit, DirectoryError, HeaderError, JoinError, MultiError, OpenError,
    PatternError, PolicyError, PollError, PublishError, RegistryError, SegmentError, TopicError,
    WaitError,
};

use crate::argument::c_text;
use crate::code::Code;

/// Why a call failed. A pointer, so that a result with one fits into registers.
#[derive(Debug)]
pub(crate) struct Failure(Box<Reason>);

#[derive(Debug)]
struct Reason {
    code: Code,
    cause: Cause,
    /// The topic that it is about, where the call was about many.
    topic: Option<CString>,
}

/// What happened. The errors of publishing and receiving are kept as they are: some programs meet them
/// often and never ask for their text.
#[derive(Debug)]
enum Cause {
    Publish(PublishError),
    Poll(PollError),
    Policy(PolicyError),
    /// A call that has no answer: why, of which server, and how many replies were missed.
    Call {
        message: String,
        server: u16,
        missed: u64,
    },
    /// Anything else, as text, with the operating system's number for it or 0.
    Text {
        message: String,
        system_errno: i32,
    },
}

/// The facts of a failure, for programs. Each is 0 where the failure has no such fact.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FailureFacts {
    /// `sizeof(ringbus_failure)`, set by the caller.
    pub size_bytes: usize,
    /// What the call returned, `RINGBUS_OK` before the first failure on this thread.
    pub code: Code,
    /// `errno` of the system call that failed.
    pub system_errno: i32,
    /// Messages between the last one read and the next one to be read. `RINGBUS_LAGGED`,
    /// `RINGBUS_EVICTED`. Replies of the service, to whomever: `RINGBUS_REPLIES_LOST`.
    pub missed: u64,
    /// The message that is damaged (`RINGBUS_CORRUPTED`), or the next to be published
    /// (`RINGBUS_NOT_YET`).
    pub sequence: u64,
    /// How many messages the subscriber that holds the topic full has not finished reading.
    /// `RINGBUS_FULL`.
    pub behind: u64,
    /// That subscriber's number in the topic.
    pub subscriber: u32,
    /// Its process, as it sees itself; 0 if unknown.
    pub pid: u32,
    /// The line of a policy in which it is wrong, from 1.
    pub line: u32,
    /// The byte of that line after what is wrong, from 1.
    pub column: u32,
    /// The topic that it is about, of those of a multi subscriber; NULL where there is none. Valid until
    /// the next failure on this thread.
    pub topic: *const c_char,
    /// The number of the server. `RINGBUS_SERVER_ENDED`, `RINGBUS_SERVER_FAILED`.
    pub server: u32,
    /// 0.
    pub reserved: u32,
}

impl Default for FailureFacts {
    fn default() -> Self {
        Self {
            size_bytes: 0,
            code: Code::Ok,
            system_errno: 0,
            missed: 0,
            sequence: 0,
            behind: 0,
            subscriber: 0,
            pid: 0,
            line: 0,
            column: 0,
            topic: ptr::null(),
            server: 0,
            reserved: 0,
        }
    }
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Display) -> Self {
        let message = message.to_string();
        let system_errno = 0;
        Self::because(
            code,
            Cause::Text {
                message,
                system_errno,
            },
        )
    }

    #[cold]
    fn because(code: Code, cause: Cause) -> Self {
        Self(Box::new(Reason {
            code,
            cause,
            topic: None,
        }))
    }

    /// The same, about one of many topics.
    fn on(mut self, topic: &str) -> Self {
        self.0.topic = Some(c_text(topic));
        self
    }

    pub(crate) fn code(&self) -> Code {
        self.0.code
    }

    pub(crate) fn invalid(message: impl Display) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    pub(crate) fn null(name: &str) -> Self {
        Self::new(Code::NullArgument, format_args!("`{name}` is NULL"))
    }

    /// The same, of the attribute at `index`.
    #[cold]
    pub(crate) fn within(self, index: usize) -> Self {
        Self::new(self.code(), format_args!("`attributes[{index}]`: {self}"))
    }

    fn of(code: Code, error: &(dyn Error + 'static)) -> Self {
        let message = error.to_string();
        let system_errno = errno_of(error).unwrap_or(0);
        Self::because(
            code,
            Cause::Text {
                message,
                system_errno,
            },
        )
    }

    /// The facts, but for the size.
    pub(crate) fn facts(&self) -> FailureFacts {
        let topic = self.0.topic.as_ref();
        let mut facts = FailureFacts {
            code: self.code(),
            topic: topic.map_or(ptr::null(), |topic| topic.as_ptr()),
            ..FailureFacts::default()
        };
        match &self.0.cause {
            Cause::Publish(PublishError::Full(culprit)) => {
                let Culprit {
                    subscriber,
                    pid,
                    behind,
                    ..
                } = *culprit;
                (facts.subscriber, facts.pid, facts.behind) = (subscriber, pid, behind);
            }
            Cause::Poll(PollError::Lagged { missed } | PollError::Evicted { missed }) => {
                facts.missed = *missed;
            }
            Cause::Poll(PollError::Corrupted { sequence })
            | Cause::Publish(PublishError::Corrupted { sequence }) => facts.sequence = *sequence,
            Cause::Poll(PollError::NotYet { next, .. }) => facts.sequence = *next,
            Cause::Text { system_errno, .. } => facts.system_errno = *system_errno,
            Cause::Policy(PolicyError { line, column, .. }) => {
                (facts.line, facts.column) = (*line as u32, *column as u32);
            }
            Cause::Call { server, missed, .. } => {
                (facts.server, facts.missed) = ((*server).into(), *missed);
            }
            Cause::Publish(_) | Cause::Poll(_) => {}
        }
        facts
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(topic) = &self.0.topic {
            write!(f, "topic {}: ", topic.to_string_lossy())?;
        }
        match &self.0.cause {
            Cause::Publish(error) => error.fmt(f),
            Cause::Poll(error) => error.fmt(f),
            Cause::Policy(error) => error.fmt(f),
            Cause::Call { message, .. } | Cause::Text { message, .. } => f.write_str(message),
        }
    }
}

/// The operating system's number for what lies at the root of an error.
fn errno_of(error: &(dyn Error + 'static)) -> Option<i32> {
    // What the library looked for itself, and found what a system call would have refused.
    match error.downcast_ref::<OpenError>() {
        Some(OpenError::Directory(DirectoryError::NotDirectory { .. })) => {
            return Some(libc::ENOTDIR);
        }
        Some(OpenError::Directory(DirectoryError::NoParent { .. })) => return Some(libc::ENOENT),
        _ => {}
    }
    match error.downcast_ref::<io::Error>() {
        Some(error) => error.raw_os_error(),
        None => errno_of(error.source()?),
    }
}

// The enums of the library may grow: what has no code of its own yet is `Other`.

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let code = match &error {
            OpenError::Name(_) | OpenError::Access(_) => Code::InvalidArgument,
            OpenError::Closed { .. } => Code::Mismatch,
            OpenError::Directory(error) => of_directory(error),
            OpenError::Registry(error) => of_registry(error),
            _ => Code::Other,
        };
        Self::of(code, &error)
    }
}

impl From<TopicError> for Failure {
    fn from(error: TopicError) -> Self {
        Self::of(of_topic(&error), &error)
    }
}

fn of_topic(error: &TopicError) -> Code {
    match error {
        TopicError::Name(_)
        | TopicError::Access(_)
        | TopicError::Shape(_)
        | TopicError::TooLong { .. }
        | TopicError::Control { .. } => Code::InvalidArgument,
        TopicError::NotFound { .. } => Code::NotFound,
        TopicError::Exists { .. } => Code::Exists,
        TopicError::Mismatch { .. } | TopicError::Type { .. } | TopicError::Closed { .. } => {
            Code::Mismatch
        }
        TopicError::NoTsc => Code::NoTsc,
        TopicError::OtherBus { .. } => Code::OtherBus,
        TopicError::InUse { .. } => Code::InUse,
        TopicError::Header { source, .. } => of_header(source),
        TopicError::Segment(error) => of_segment(error),
        _ => Code::Other,
    }
}

impl From<JoinError> for Failure {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::NotYet { asked, next } => PollError::NotYet { asked, next }.into(),
            error => Self::of(of_join(&error), &error),
        }
    }
}

fn of_join(error: &JoinError) -> Code {
    match error {
        JoinError::PublisherExists { .. } => Code::PublisherExists,
        JoinError::TooManyPublishers { .. } => Code::TooManyPublishers,
        JoinError::TooManySubscribers { .. } => Code::TooManySubscribers,
        JoinError::Removed { .. } => Code::Removed,
        JoinError::NotYet { .. } => Code::NotYet,
        JoinError::NoTime { .. } => Code::NoTime,
        JoinError::NotKept { .. } => Code::NotKept,
        JoinError::Header { source, .. } => of_header(source),
        JoinError::Segment(error) => of_segment(error),
        JoinError::Registry(error) => of_registry(error),
        JoinError::Forked => Code::Forked,
        _ => Code::Other,
    }
}

impl From<PublishError> for Failure {
    #[cold]
    fn from(error: PublishError) -> Self {
        let code = match error {
            PublishError::Full(_) => Code::Full,
            PublishError::TooLong { .. } => Code::TooLong,
            PublishError::WrongLength { .. } | PublishError::PartialElement { .. } => {
                Code::WrongSize
            }
            PublishError::NotKept { .. } => Code::NotKept,
            PublishError::LoanOutstanding => Code::LoanOutstanding,
            PublishError::LoanLimit { .. } => Code::LoanLimit,
            PublishError::RunTooLong { .. } => Code::RunTooLong,
            PublishError::AttributesTooLong { .. } => Code::AttributesTooLong,
            PublishError::NoRuns => Code::NoRuns,
            PublishError::NoSpace { .. } => Code::NoSpace,
            PublishError::Corrupted { .. } => Code::Corrupted,
            PublishError::Forked => Code::Forked,
            _ => Code::Other,
        };
        Self::because(code, Cause::Publish(error))
    }
}

impl From<PollError> for Failure {
    #[cold]
    fn from(error: PollError) -> Self {
        let code = match error {
            PollError::Lagged { .. } => Code::Lagged,
            PollError::Evicted { .. } => Code::Evicted,
            PollError::Corrupted { .. } => Code::Corrupted,
            PollError::NotYet { .. } => Code::NotYet,
            PollError::NoTime => Code::NoTime,
            PollError::Removed => Code::Removed,
            PollError::Forked => Code::Forked,
            _ => Code::Other,
        };
        Self::because(code, Cause::Poll(error))
    }
}

impl From<PolicyError> for Failure {
    fn from(error: PolicyError) -> Self {
        Self::because(Code::InvalidArgument, Cause::Policy(error))
    }
}

impl From<PatternError> for Failure {
    fn from(error: PatternError) -> Self {
        Self::of(Code::InvalidArgument, &error)
    }
}

impl From<MultiError> for Failure {
    #[cold]
    fn from(error: MultiError) -> Self {
        match error {
            MultiError::Pattern(error) => error.into(),
            MultiError::Watch(error) => error.into(),
            MultiError::Open(error) => error.into(),
            MultiError::Join { topic, source } => Self::from(source).on(topic.as_str()),
            MultiError::Poll { topic, source } => Self::from(source).on(topic.as_str()),
            MultiError::Thread(_) => Self::of(Code::System, &error),
            MultiError::Forked => Self::of(Code::Forked, &error),
            error => Self::of(Code::Other, &error),
        }
    }
}

/// What a poll would have returned, how many messages were missed, and of which topic.
pub(crate) fn of_multi(error: &MultiError) -> (Code, u64, Option<&str>) {
    match error {
        MultiError::Poll { topic, source } => {
            let facts = Failure::from(*source).facts();
            (facts.code, facts.missed, Some(topic.as_str()))
        }
        MultiError::Join { topic, source } => (of_join(source), 0, Some(topic.as_str())),
        MultiError::Open(error) => (of_topic(error), 0, None),
        _ => (Code::Other, 0, None),
    }
}

impl From<CallError> for Failure {
    #[cold]
    fn from(error: CallError) -> Self {
        let (code, server, missed) = match error {
            CallError::Topic(error) => return error.into(),
            CallError::Join(error) => return error.into(),
            CallError::Publish(error) => return error.into(),
            CallError::Poll(error) => return error.into(),
            CallError::NoServer { .. } => (Code::NoServer, 0, 0),
            CallError::ServerEnded { server } => (Code::ServerEnded, server, 0),
            CallError::Failed { server, .. } => (Code::ServerFailed, server, 0),
            CallError::Lost { missed } => (Code::RepliesLost, 0, missed),
            CallError::NoReply => (Code::NoReply, 0, 0),
            CallError::Unknown => (Code::NoCall, 0, 0),
            // Who calls treats a timeout before, which is no failure.
            _ => (Code::Other, 0, 0),
        };
        let message = error.to_string();
        let cause = Cause::Call {
            message,
            server,
            missed,
        };
        Self::because(code, cause)
    }
}

impl From<WaitError> for Failure {
    fn from(error: WaitError) -> Self {
        let code = match &error {
            WaitError::Registry(error) => of_registry(error),
            WaitError::Watched => Code::InUse,
            WaitError::TokenTaken { .. }
            | WaitError::NotWaitable
            | WaitError::NotReadable
            | WaitError::NotOpen
            | WaitError::Circular => Code::InvalidArgument,
            WaitError::OtherBus => Code::OtherBus,
            WaitError::Forked => Code::Forked,
            WaitError::System { .. } => Code::System,
            _ => Code::Other,
        };
        Self::of(code, &error)
    }
}

fn of_directory(error: &DirectoryError) -> Code {
    match error {
        DirectoryError::NoBus { .. } => Code::NotFound,
        DirectoryError::NotOwned { .. } => Code::PermissionDenied,
        DirectoryError::Segment(error) => of_segment(error),
        DirectoryError::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            Code::PermissionDenied
        }
        _ => Code::System,
    }
}

fn of_segment(error: &SegmentError) -> Code {
    match error {
        SegmentError::NoSpace { .. } | SegmentError::NoRoomForFile { .. } => Code::NoSpace,
        SegmentError::NotFound { .. } => Code::NotFound,
        SegmentError::Permission { .. }
        | SegmentError::NotRemovable { .. }
        | SegmentError::Group { .. }
        | SegmentError::ReadOnlyFileSystem { .. } => Code::PermissionDenied,
        SegmentError::Foreign { .. }
        | SegmentError::NotRegular { .. }
        | SegmentError::Truncated { .. } => Code::Incompatible,
        SegmentError::Forked { .. } => Code::Forked,
        _ => Code::System,
    }
}

fn of_registry(error: &RegistryError) -> Code {
    match error {
        RegistryError::Foreign { .. } => Code::Incompatible,
        RegistryError::Damaged { .. } => Code::Corrupted,
        RegistryError::Full { .. } | RegistryError::NoBells { .. } => Code::TooManyParticipants,
        RegistryError::Segment(error) => of_segment(error),
        _ => Code::Other,
    }
}

fn of_header(error: &HeaderError) -> Code {
    match error {
        HeaderError::Checksum => Code::Corrupted,
        _ => Code::Incompatible,
    }
}
