//! Whether an error says what is missing.

use ringbus::{
    DirectoryError, Error, JoinError, OpenError, PublishError, RegistryError, SegmentError,
    TopicError,
};

use super::{LEFT, REFUSED, TRIED, UNCLEAR, WRONG};
use crate::torture::actor::say;

/// What a room has too little of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scarce {
    /// Nothing: no error is expected.
    Nothing,
    /// Bytes, or files, of the file system.
    Room,
    /// Rights to write it.
    Writing,
    /// Open files.
    Descriptors,
    /// Bytes that a file may have.
    FileSize,
    /// Memory to map.
    AddressSpace,
    /// Watches of directories.
    Watches,
}

/// Takes down how a try went; says whether it was no refusal.
pub fn judge<T>(what: &str, tried: Result<T, Error>, scarce: Scarce) -> Option<T> {
    say(TRIED);
    let error = match tried {
        Ok(done) => return Some(done),
        Err(error) => error,
    };
    let words = error.to_string().replace('\n', " ");
    match fits(&error, scarce) {
        _ if scarce == Scarce::Nothing => say(format_args!("{WRONG} {what}: {words}")),
        false => say(format_args!("{UNCLEAR} {what}: {words}")),
        true => say(REFUSED),
    }
    None
}

/// Takes down that `what` did not do as it should.
pub fn wrong(what: &str, words: &str) {
    say(format_args!("{WRONG} {what}: {words}"));
}

/// Takes down that something was left behind.
pub fn left(what: &str, words: &str) {
    say(format_args!("{LEFT} {what}: {words}"));
}

/// Whether an error names what is scarce, with figures that show it.
fn fits(error: &Error, scarce: Scarce) -> bool {
    match (scarce, error) {
        (Scarce::Room, Error::Publish(PublishError::NoSpace { needed_bytes })) => *needed_bytes > 0,
        (
            Scarce::Watches | Scarce::Descriptors,
            Error::Open(OpenError::Directory(DirectoryError::Watch { .. })),
        ) => true,
        (
            Scarce::Descriptors,
            Error::Open(OpenError::Directory(DirectoryError::Read { source, .. })),
        ) => source.raw_os_error() == Some(libc::EMFILE),
        _ => segment_error(error).is_some_and(|error| segment_fits(error, scarce)),
    }
}

fn segment_fits(error: &SegmentError, scarce: Scarce) -> bool {
    match (scarce, error) {
        (
            Scarce::Room,
            SegmentError::NoSpace {
                needed_bytes,
                available_bytes,
                ..
            },
        ) => needed_bytes > available_bytes,
        (
            Scarce::FileSize,
            SegmentError::FileSizeLimit {
                needed_bytes,
                limit_bytes,
                ..
            },
        ) => needed_bytes > limit_bytes,
        (Scarce::AddressSpace, SegmentError::NoAddressSpace { needed_bytes, .. }) => {
            *needed_bytes > 0
        }
        (Scarce::Room, SegmentError::NoRoomForFile { .. })
        | (Scarce::Writing, SegmentError::ReadOnlyFileSystem { .. })
        | (Scarce::Descriptors, SegmentError::TooManyFiles { .. }) => true,
        _ => false,
    }
}

fn segment_error(error: &Error) -> Option<&SegmentError> {
    match error {
        Error::Open(OpenError::Directory(DirectoryError::Segment(error)))
        | Error::Open(OpenError::Registry(RegistryError::Segment(error)))
        | Error::Topic(TopicError::Segment(error))
        | Error::Join(JoinError::Segment(error))
        | Error::Join(JoinError::Registry(RegistryError::Segment(error))) => Some(error),
        _ => None,
    }
}
