//! How a verb ends, and the exit code that tells a script so.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use ringbus::{CallError, JoinError, OpenError, RegistryError, SegmentError, TopicError};

/// An ending that is no failure of the command itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything asked for was done, or a signal ended it: 0.
    Done,
    /// The time ran out before the topic, or as many messages as asked for, were there: 3.
    TimedOut,
    /// Messages were lost, and `--strict` asked to be told: 4.
    Lost,
}

impl Outcome {
    /// The exit code; 1 and 2 are those of a [`Failure`].
    pub fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Done => 0,
            Self::TimedOut => 3,
            Self::Lost => 4,
        })
    }
}

/// Why a verb could not do its work.
#[derive(Debug)]
pub enum Failure {
    /// Whoever read stdout has had enough: a quiet end, not an error.
    OutputClosed,
    /// What was asked for can never be done, whatever the bus is like: 2, as where flags are none.
    Usage(String),
    /// What went wrong, in words for the user: 1.
    Said(String),
}

impl Failure {
    /// A failure with these words.
    pub fn say(words: impl fmt::Display) -> Self {
        Self::Said(words.to_string())
    }

    /// Wrong usage, of which these words say how to put it right.
    pub fn usage(words: impl fmt::Display) -> Self {
        Self::Usage(words.to_string())
    }

    /// The same failure with more to be said of it.
    pub fn and(self, more: impl fmt::Display) -> Self {
        match self {
            Self::OutputClosed => self,
            Self::Usage(words) => Self::Usage(format!("{words}{more}")),
            Self::Said(words) => Self::Said(format!("{words}{more}")),
        }
    }

    /// An I/O failure of something other than stdout, which `what` names.
    pub fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        Self::Said(format!("{what}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutputClosed => f.write_str("stdout is closed"),
            Self::Usage(words) | Self::Said(words) => f.write_str(words),
        }
    }
}

/// An error of writing to stdout; for any other file use [`Failure::io`].
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::io("cannot write to stdout", &error),
        }
    }
}

macro_rules! said_by_the_bus {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::say(error)
            }
        })+
    };
}

/// Why this user cannot subscribe, and what it can do instead where that is to observe.
pub fn cannot_join(topic: &str, error: &JoinError) -> String {
    match error {
        // It is open, and so may be observed.
        JoinError::Segment(SegmentError::Permission { .. })
        | JoinError::Registry(RegistryError::Segment(SegmentError::Permission { .. })) => format!(
            "topic {topic}: this user may observe it, and not subscribe: read it with --delivery observe"
        ),
        error => error.to_string(),
    }
}

/// What is said of a topic that is to be looked at or removed, where making it is no remedy.
pub fn missing(error: TopicError) -> Failure {
    match error {
        TopicError::NotFound { topic } => Failure::say(format_args!(
            "topic {topic} does not exist; check the bus and the spelling: `ringbus topics` lists what \
             there is"
        )),
        error => error.into(),
    }
}

said_by_the_bus!(
    ringbus::JoinError,
    ringbus::PublishError,
    ringbus::PollError,
    ringbus::MultiError,
);

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Name(error) => Self::usage(format_args!("--bus: {error}")),
            error => Self::say(error),
        }
    }
}

/// No topic has such a name, or such a form.
impl From<TopicError> for Failure {
    fn from(error: TopicError) -> Self {
        match error {
            TopicError::Name(_) | TopicError::Shape(_) => Self::usage(error),
            error => Self::say(error),
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Topic(error) => error.into(),
            error => Self::say(error),
        }
    }
}

/// Says `words` on stderr after the command's name; a closed stderr is nobody's failure.
pub fn complain(words: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "ringbus: {words}");
}
