//! Stdin, cut into messages.

use std::fmt;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};

use crate::args::Framing;
use crate::outcome::Failure;
use crate::signals::{LOOK_EVERY, Stop};

/// What arrives at once, and how much of it may wait: enough to keep a pipe busy.
const CHUNK_BYTES: usize = 64 << 10;
const CHUNKS_WAITING: usize = 4;

/// A line beyond this is not measured any further.
const LINE_MEASURED_BYTES: u64 = 64 << 20;

/// Stdin as it arrives. Its reads block for as long as nothing comes, so a thread of its own does
/// them; a signal then finds the rest of the process awake.
pub struct Stdin(Receiver<io::Result<Vec<u8>>>);

/// What came of waiting for input.
pub enum Arrival {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The end of the input.
    End,
    /// The user asked to end.
    Stopped,
}

impl Stdin {
    /// Starts to read.
    pub fn open() -> io::Result<Self> {
        let (sender, receiver) = sync_channel(CHUNKS_WAITING);
        std::thread::Builder::new()
            .name("stdin".to_owned())
            .spawn(move || pump(&sender))?;
        Ok(Self(receiver))
    }

    /// The next bytes, waiting for them.
    pub fn next(&self, stop: &Stop) -> Result<Arrival, Failure> {
        while !stop.asked() {
            match self.0.recv_timeout(LOOK_EVERY) {
                Ok(Ok(bytes)) => return Ok(Arrival::Bytes(bytes)),
                Ok(Err(error)) => return Err(Failure::io("cannot read stdin", &error)),
                Err(RecvTimeoutError::Disconnected) => return Ok(Arrival::End),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        Ok(Arrival::Stopped)
    }
}

fn pump(sender: &SyncSender<io::Result<Vec<u8>>>) {
    let mut stdin = io::stdin().lock();
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let arrived = match stdin.read(&mut chunk) {
            Ok(0) => return,
            Ok(len) => {
                chunk.truncate(len);
                Ok(chunk)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = arrived.is_err();
        if sender.send(arrived).is_err() || failed {
            return;
        }
    }
}

/// How long a message of the topic may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// At most so many bytes.
    Max(usize),
    /// Exactly so many bytes.
    Exactly(usize),
}

impl Limit {
    fn bytes(self) -> usize {
        match self {
            Self::Max(bytes) | Self::Exactly(bytes) => bytes,
        }
    }

    fn allows(self, len: u64) -> bool {
        match self {
            Self::Max(bytes) => len <= bytes as u64,
            Self::Exactly(bytes) => len == bytes as u64,
        }
    }
}

/// Cuts bytes, in whatever pieces they come, into messages. Never holds much more than one message
/// and one piece.
pub struct Framer {
    framing: Framing,
    limit: Limit,
    /// What came and is not given out yet: `held[start..]`.
    held: Vec<u8>,
    start: usize,
    /// Bytes of `held` known to hold no newline, from `start` on.
    searched: usize,
    /// Bytes of a line already known to be too long, counted but not kept.
    skipped: u64,
    /// Messages given out.
    given: u64,
}

impl Framer {
    /// Cuts by `framing` for a topic of `limit`.
    pub fn new(framing: Framing, limit: Limit) -> Self {
        Self {
            framing,
            limit,
            held: Vec::new(),
            start: 0,
            searched: 0,
            skipped: 0,
            given: 0,
        }
    }

    /// Takes in more bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.held.drain(..self.start);
        self.start = 0;
        self.held.extend_from_slice(bytes);
    }

    /// The next whole message of what came so far, if there is one.
    pub fn next(&mut self) -> Result<Option<&[u8]>, InputError> {
        let found = match self.framing {
            Framing::Lines => self.next_line()?,
            Framing::Fixed(bytes) => self.next_of(0, bytes),
            Framing::LengthPrefixed => self.next_prefixed()?,
        };
        self.given += u64::from(found.is_some());
        Ok(found.map(|range| &self.held[range]))
    }

    /// The last message, if the input ended without closing it. Comes after the last `next`.
    pub fn finish(&mut self) -> Result<Option<&[u8]>, InputError> {
        let left = self.held.len() - self.start;
        match self.framing {
            _ if left == 0 && self.skipped == 0 => Ok(None),
            Framing::Lines => {
                self.check_line(left)?;
                let range = self.take(self.start..self.held.len(), 0);
                Ok(Some(&self.held[range]))
            }
            Framing::Fixed(need) => Err(self.truncated(left, need)),
            Framing::LengthPrefixed if left < PREFIX => Err(self.truncated(left, PREFIX)),
            Framing::LengthPrefixed => {
                let need = self.announced();
                Err(self.truncated(left - PREFIX, need))
            }
        }
    }

    fn next_line(&mut self) -> Result<Option<Range<usize>>, InputError> {
        let unread = &self.held[self.start + self.searched..];
        if let Some(at) = unread.iter().position(|&byte| byte == b'\n') {
            let len = self.searched + at;
            self.check_line(len)?;
            self.searched = 0;
            return Ok(Some(self.take(self.start..self.start + len, 1)));
        }
        self.searched = self.held.len() - self.start;
        if self.searched > self.limit.bytes() {
            self.skip_line()?;
        }
        Ok(None)
    }

    /// Drops the beginning of a line too long to keep; its length is still counted, to be told.
    fn skip_line(&mut self) -> Result<(), InputError> {
        self.skipped += self.searched as u64;
        self.start = self.held.len();
        self.searched = 0;
        if self.skipped > LINE_MEASURED_BYTES {
            self.check_line(0)
        } else {
            Ok(())
        }
    }

    fn check_line(&self, len: usize) -> Result<(), InputError> {
        let len = self.skipped + len as u64;
        if self.limit.allows(len) {
            return Ok(());
        }
        let (number, limit) = (self.given + 1, self.limit);
        Err(InputError::Line {
            number,
            len,
            endless: len > LINE_MEASURED_BYTES,
            limit,
        })
    }

    fn next_prefixed(&mut self) -> Result<Option<Range<usize>>, InputError> {
        if self.held.len() - self.start < PREFIX {
            return Ok(None);
        }
        let len = self.announced();
        if !self.limit.allows(len as u64) {
            let (number, limit) = (self.given + 1, self.limit);
            return Err(InputError::Announced {
                number,
                len: len as u64,
                limit,
            });
        }
        Ok(self.next_of(PREFIX, len))
    }

    /// The length before the next message; 4 bytes are there.
    fn announced(&self) -> usize {
        let mut prefix = [0; PREFIX];
        prefix.copy_from_slice(&self.held[self.start..self.start + PREFIX]);
        u32::from_le_bytes(prefix) as usize
    }

    fn next_of(&mut self, prefix: usize, len: usize) -> Option<Range<usize>> {
        let first = self.start + prefix;
        (self.held.len() >= first + len).then(|| self.take(first..first + len, 0))
    }

    /// Gives out `range` and goes on `gap` bytes after it.
    fn take(&mut self, range: Range<usize>, gap: usize) -> Range<usize> {
        self.start = range.end + gap;
        range
    }

    fn truncated(&self, have: usize, need: usize) -> InputError {
        InputError::Truncated {
            number: self.given + 1,
            have,
            need,
        }
    }
}

/// Bytes of a length prefix.
const PREFIX: usize = 4;

/// Why the input is no sequence of the topic's messages. Those before were all given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputError {
    /// A line too long, or for a topic of fixed length also too short.
    Line {
        /// Counted from 1.
        number: u64,
        /// In bytes, without the newline.
        len: u64,
        /// There was no end to it: `len` is only what was read.
        endless: bool,
        /// What the topic allows.
        limit: Limit,
    },
    /// A length prefix beyond what the topic allows.
    Announced {
        /// Counted from 1.
        number: u64,
        /// In bytes.
        len: u64,
        /// What the topic allows.
        limit: Limit,
    },
    /// The input ends inside a message.
    Truncated {
        /// Counted from 1.
        number: u64,
        /// Bytes that came.
        have: usize,
        /// Bytes that should have come.
        need: usize,
    },
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Line {
                number,
                len,
                endless,
                limit,
            } => {
                let more = if endless { "more than " } else { "" };
                write!(
                    f,
                    "line {number} is {more}{len} bytes long, but {}",
                    Remedy(number, limit, len)
                )
            }
            Self::Announced { number, len, limit } => {
                write!(
                    f,
                    "message {number} announces {len} bytes, but {}",
                    Remedy(number, limit, len)
                )
            }
            Self::Truncated { number, have, need } => write!(
                f,
                "the input ends inside message {number}, after {have} of {need} bytes; \
                 is it whole, and cut the way it was written?"
            ),
        }
    }
}

/// What the topic allows, and what to do about this message, which has another length.
struct Remedy(u64, Limit, u64);

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number, limit, len) = self;
        match limit {
            Limit::Max(max) => write!(
                f,
                "the topic's messages have at most {max}; make it shorter, or use a new topic \
                 created with --payload-max {len}"
            ),
            Limit::Exactly(bytes) => write!(
                f,
                "the topic's messages all have {bytes}; use another topic for messages of any length"
            ),
        }?;
        match number {
            1 => Ok(()),
            _ => f.write_str(" (what came before it is published)"),
        }
    }
}

#[cfg(test)]
mod tests;
