//! Unix domain sockets: streams of messages of one size, as many as there are in one system call, polled
//! except where a case is about sleeping.

use std::io::{ErrorKind, Read, Write};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};

use crate::Failure;
use crate::cases::{Ends, Payload, Peer, Receiver, Sender, Wait};
use crate::crew::Part;

/// The peer.
pub struct Socket;

const BYTES: usize = size_of::<Payload>();
/// Room for what is under way; the default is less than a fan-out needs.
static BUFFER_BYTES: libc::c_int = 4 << 20;

impl Peer for Socket {
    const NAME: &'static str = "socket";
    const CASES: &'static [&'static str] = &["pingpong", "stream", "fanout", "wake"];
    type Sender = Out;
    type Receiver = In;

    fn sender(part: &Part, topic: &str, of: Ends) -> Result<Out, Failure> {
        Ok(Out {
            listener: UnixListener::bind(part.dir().join(topic))?,
            receivers: of.receivers,
            streams: Vec::new(),
            batch: Vec::new(),
        })
    }

    fn receiver(part: &Part, topic: &str, _: u64, of: Ends) -> Result<In, Failure> {
        let stream = UnixStream::connect(part.dir().join(topic))?;
        stream.set_nonblocking(matches!(of.wait, Wait::Poll | Wait::Stream))?;
        Ok(In {
            stream,
            bytes: vec![0; 1024 * BYTES],
            filled: 0,
        })
    }
}

/// Sends to all that connected.
pub struct Out {
    listener: UnixListener,
    receivers: u64,
    streams: Vec<UnixStream>,
    batch: Vec<u8>,
}

impl Sender for Out {
    fn connect(&mut self) -> Result<(), Failure> {
        for _ in 0..self.receivers {
            let (stream, _) = self.listener.accept()?;
            stream.set_nonblocking(true)?;
            for option in [libc::SO_SNDBUF, libc::SO_SNDBUFFORCE] {
                // SAFETY: an option of this size at a valid address; refused, the default stays.
                unsafe {
                    libc::setsockopt(
                        stream.as_raw_fd(),
                        libc::SOL_SOCKET,
                        option,
                        (&raw const BUFFER_BYTES).cast(),
                        size_of::<libc::c_int>() as libc::socklen_t,
                    )
                };
            }
            self.streams.push(stream);
        }
        Ok(())
    }

    #[inline(always)]
    fn send(&mut self, numbers: Range<u64>, fill: impl Fn(u64) -> Payload) -> Result<(), Failure> {
        self.batch.clear();
        for number in numbers {
            for word in fill(number) {
                self.batch.extend_from_slice(&word.to_ne_bytes());
            }
        }
        for stream in &mut self.streams {
            let mut rest = self.batch.as_slice();
            while !rest.is_empty() {
                match stream.write(rest) {
                    Ok(sent) => rest = &rest[sent..],
                    Err(e) if e.kind() == ErrorKind::WouldBlock => std::hint::spin_loop(),
                    Err(e) => return Err(e.into()),
                }
            }
        }
        Ok(())
    }
}

/// Receives what came.
pub struct In {
    stream: UnixStream,
    bytes: Vec<u8>,
    /// Bytes of a message that has not all come.
    filled: usize,
}

impl Receiver for In {
    #[inline(always)]
    fn take(&mut self, max: usize, mut see: impl FnMut(&Payload)) -> Result<usize, Failure> {
        let until = self.bytes.len().min(max * BYTES);
        match self.stream.read(&mut self.bytes[self.filled..until]) {
            Ok(0) => return Err("the sender has closed its socket".into()),
            Ok(read) => self.filled += read,
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(e) => return Err(e.into()),
        }
        let (messages, rest) = self.bytes[..self.filled].as_chunks::<BYTES>();
        let (taken, left) = (messages.len(), rest.len());
        for message in messages {
            let (words, _) = message.as_chunks::<8>();
            let mut payload = [0; 8];
            for (word, bytes) in payload.iter_mut().zip(words) {
                *word = u64::from_ne_bytes(*bytes);
            }
            see(&payload);
        }
        self.bytes.copy_within(taken * BYTES..self.filled, 0);
        self.filled = left;
        Ok(taken)
    }

    /// The read itself sleeps.
    fn sleep(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}
