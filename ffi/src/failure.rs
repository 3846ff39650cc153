//! Why a call failed: a code for the program, a message for people.

use std::fmt::Display;

use ringbus::{
    DirectoryError, HeaderError, JoinError, OpenError, PollError, PublishError, RegistryError,
    SegmentError, TopicError,
};

use crate::code::Code;

/// Why a call failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Display) -> Self {
        Self {
            code,
            message: message.to_string(),
        }
    }

    pub(crate) fn invalid(message: impl Display) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    pub(crate) fn null(name: &str) -> Self {
        Self::new(Code::NullArgument, format_args!("`{name}` is NULL"))
    }
}

// The enums of the library may grow: what has no code of its own yet is `Other`.

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let code = match &error {
            OpenError::Name(_) => Code::InvalidArgument,
            OpenError::Directory(error) => of_directory(error),
            OpenError::Registry(error) => of_registry(error),
            _ => Code::Other,
        };
        Self::new(code, error)
    }
}

impl From<TopicError> for Failure {
    fn from(error: TopicError) -> Self {
        let code = match &error {
            TopicError::Name(_) | TopicError::Shape(_) | TopicError::TooLong { .. } => {
                Code::InvalidArgument
            }
            TopicError::NotFound { .. } => Code::NotFound,
            TopicError::Exists { .. } => Code::Exists,
            TopicError::Mismatch { .. } | TopicError::Type { .. } => Code::Mismatch,
            TopicError::Header { source, .. } => of_header(source),
            TopicError::Segment(error) => of_segment(error),
            _ => Code::Other,
        };
        Self::new(code, error)
    }
}

impl From<JoinError> for Failure {
    fn from(error: JoinError) -> Self {
        let code = match &error {
            JoinError::PublisherExists { .. } => Code::PublisherExists,
            JoinError::TooManyPublishers { .. } => Code::TooManyPublishers,
            JoinError::TooManySubscribers { .. } => Code::TooManySubscribers,
            JoinError::Removed { .. } => Code::Removed,
            JoinError::Header { source, .. } => of_header(source),
            JoinError::Segment(error) => of_segment(error),
            JoinError::Registry(error) => of_registry(error),
            JoinError::Forked => Code::Forked,
            _ => Code::Other,
        };
        Self::new(code, error)
    }
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        let code = match error {
            PublishError::Full(_) => Code::Full,
            PublishError::TooLong { .. } => Code::TooLong,
            PublishError::WrongLength { .. } | PublishError::PartialElement { .. } => {
                Code::WrongSize
            }
            PublishError::NotKept { .. } => Code::NotKept,
            PublishError::NoSpace => Code::NoSpace,
            PublishError::Corrupted { .. } => Code::Corrupted,
            PublishError::Forked => Code::Forked,
            _ => Code::Other,
        };
        Self::new(code, error)
    }
}

impl From<PollError> for Failure {
    fn from(error: PollError) -> Self {
        let code = match error {
            PollError::Lagged { .. } => Code::Lagged,
            PollError::Evicted { .. } => Code::Evicted,
            PollError::Corrupted { .. } => Code::Corrupted,
            PollError::Forked => Code::Forked,
            _ => Code::Other,
        };
        Self::new(code, error)
    }
}

fn of_directory(error: &DirectoryError) -> Code {
    match error {
        DirectoryError::NoBus { .. } => Code::NotFound,
        DirectoryError::NotOwned { .. } => Code::PermissionDenied,
        DirectoryError::Segment(error) => of_segment(error),
        _ => Code::System,
    }
}

fn of_segment(error: &SegmentError) -> Code {
    match error {
        SegmentError::NoSpace { .. } => Code::NoSpace,
        SegmentError::NotFound { .. } => Code::NotFound,
        SegmentError::Permission { .. } => Code::PermissionDenied,
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
        RegistryError::Full { .. } => Code::TooManyParticipants,
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
