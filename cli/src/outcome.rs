//! How a verb ends, and the exit code that tells a script so.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

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
    /// The exit code; 1 is a [`Failure`], 2 a usage error (clap's).
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
    /// What went wrong, in words for the user.
    Said(String),
}

impl Failure {
    /// A failure with these words.
    pub fn say(words: impl fmt::Display) -> Self {
        Self::Said(words.to_string())
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
            Self::Said(words) => f.write_str(words),
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

said_by_the_bus!(
    ringbus::OpenError,
    ringbus::TopicError,
    ringbus::JoinError,
    ringbus::PublishError,
    ringbus::PollError,
    ringbus::MultiError,
    ringbus::CallError,
);

/// Says `words` on stderr after the command's name; a closed stderr is nobody's failure.
pub fn complain(words: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "ringbus: {words}");
}
