//! Aeron IPC, its C client and media driver: messages claimed and written in place, by exclusive
//! publications where there is one publisher, taken many at a time.
//!
//! The driver moves the publishers' limit, and spins on processors of its own where there are some. Where
//! the publisher and the subscriber have all there are, a driver that spins or yields holds them up
//! (0.5 to 10 million messages a second), and one that sleeps does best.

use std::ffi::{CStr, CString};
use std::ops::Range;
use std::time::{Duration, Instant};

use rusteron_client::{
    Aeron as Client, AeronBufferClaim, AeronContext, AeronExclusivePublication, AeronImage,
    AeronOfferError, AeronPublication, AeronSubscription, Handlers,
};
use rusteron_media_driver::{AeronDriver, AeronDriverContext};

use crate::Failure;
use crate::cases::{Ends, Payload, Peer, Receiver, Sender};
use crate::crew::{Crew, Part, last_error};

/// The peer.
pub struct Aeron;

const CHANNEL: &CStr = c"aeron:ipc?term-length=16m";
const PATIENCE: Duration = Duration::from_secs(5);
/// From so many processors on, the driver has some of its own.
const CPUS_FOR_DRIVER: usize = 5;
/// The publisher's and the subscriber's.
const CPUS_OF_CLIENTS: usize = 2;

impl Peer for Aeron {
    const NAME: &'static str = "aeron";
    const CASES: &'static [&'static str] = &["pingpong", "stream", "fanout", "contention"];
    type Sender = Out;
    type Receiver = In;

    fn sender(part: &Part, topic: &str, of: Ends) -> Result<Out, Failure> {
        let client = client(part)?;
        let publication = match of.senders {
            1 => Publication::Exclusive(
                client
                    .async_add_exclusive_publication(CHANNEL, stream(topic))?
                    .poll_blocking(PATIENCE)?,
            ),
            _ => Publication::Concurrent(
                client
                    .async_add_publication(CHANNEL, stream(topic))?
                    .poll_blocking(PATIENCE)?,
            ),
        };
        Ok(Out {
            publication,
            claim: AeronBufferClaim::new_zeroed_on_stack(),
            _client: client,
        })
    }

    fn receiver(part: &Part, topic: &str, _: u64, _: Ends) -> Result<In, Failure> {
        let client = client(part)?;
        let subscription = client
            .async_add_subscription(CHANNEL, stream(topic), Handlers::NONE, Handlers::NONE)?
            .poll_blocking(PATIENCE)?;
        Ok(In {
            image: None,
            subscription,
            _client: client,
        })
    }

    fn daemon(crew: &mut Crew) -> Result<(), Failure> {
        crew.start_daemon("driver")
    }

    fn play_own(role: &str, part: &mut Part) -> Result<(), Failure> {
        match role {
            "driver" => drive(part),
            other => Err(format!("aeron has no role {other}").into()),
        }
    }
}

fn dir(part: &Part) -> Result<CString, Failure> {
    Ok(CString::new(
        part.dir().join("aeron").to_string_lossy().into_owned(),
    )?)
}

fn client(part: &Part) -> Result<Client, Failure> {
    let context = AeronContext::new()?;
    context.set_dir(&dir(part)?)?;
    let client = Client::new(&context)?;
    client.start()?;
    Ok(client)
}

/// A stream's number, for its name.
fn stream(topic: &str) -> i32 {
    topic.bytes().fold(0, |sum, byte| sum + i32::from(byte))
}

fn drive(part: &mut Part) -> Result<(), Failure> {
    let context = AeronDriverContext::new()?;
    context.set_dir(&dir(part)?)?;
    context.set_term_buffer_sparse_file(false)?;
    use rusteron_media_driver::bindings::aeron_threading_mode_enum as Threading;
    match std::thread::available_parallelism()?.get() {
        CPUS_FOR_DRIVER.. => {
            leave_to_clients()?;
            context.set_threading_mode(Threading::AERON_THREADING_MODE_DEDICATED)?;
            context.set_conductor_idle_strategy(c"spin")?;
            context.set_sender_idle_strategy(c"spin")?;
            context.set_receiver_idle_strategy(c"spin")?;
        }
        _ => {
            context.set_threading_mode(Threading::AERON_THREADING_MODE_SHARED)?;
            context.set_shared_idle_strategy(c"sleep-ns")?;
        }
    }
    let driver = AeronDriver::new(&context)?;
    driver.start(false)?;
    part.ready()?;
    Ok(())
}

/// Keeps this process off the clients' processors.
fn leave_to_clients() -> Result<(), Failure> {
    // SAFETY: a set of bits, for which zero is a value: none.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for cpu in CPUS_OF_CLIENTS..libc::CPU_SETSIZE as usize {
        // SAFETY: sets a bit of `set`, one of those that it has.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    // SAFETY: `set` is as many bytes as it says.
    match unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) } {
        0 => Ok(()),
        _ => Err(last_error().into()),
    }
}

enum Publication {
    Exclusive(AeronExclusivePublication),
    Concurrent(AeronPublication),
}

/// A publication. Fields are dropped in this order.
pub struct Out {
    publication: Publication,
    claim: AeronBufferClaim,
    _client: Client,
}

impl Sender for Out {
    fn connect(&mut self) -> Result<(), Failure> {
        let start = Instant::now();
        let is_connected = || match &self.publication {
            Publication::Exclusive(publication) => publication.is_connected(),
            Publication::Concurrent(publication) => publication.is_connected(),
        };
        while !is_connected() {
            if start.elapsed() > PATIENCE {
                return Err("nobody subscribes".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    #[inline(always)]
    fn send(&mut self, numbers: Range<u64>, fill: impl Fn(u64) -> Payload) -> Result<(), Failure> {
        for number in numbers {
            loop {
                let claimed = match &self.publication {
                    Publication::Exclusive(to) => to.try_claim(size_of::<Payload>(), &self.claim),
                    Publication::Concurrent(to) => to.try_claim(size_of::<Payload>(), &self.claim),
                };
                match claimed {
                    Ok(_) => break,
                    // Not connected any more: it is over.
                    Err(AeronOfferError::NotConnected) => return Err("nobody subscribes".into()),
                    Err(error) if error.is_retryable() => std::hint::spin_loop(),
                    Err(error) => return Err(error.into()),
                }
            }
            let (places, _) = self.claim.data().as_chunks_mut::<8>();
            for (place, word) in places.iter_mut().zip(fill(number)) {
                *place = word.to_ne_bytes();
            }
            self.claim.commit()?;
        }
        Ok(())
    }
}

/// A subscription to one log.
pub struct In {
    image: Option<AeronImage>,
    subscription: AeronSubscription,
    _client: Client,
}

impl Receiver for In {
    #[inline(always)]
    fn take(&mut self, max: usize, mut see: impl FnMut(&Payload)) -> Result<usize, Failure> {
        let Some(image) = &self.image else {
            self.image = self.subscription.image_at_index(0);
            return Ok(0);
        };
        let taken = image.poll_fn(
            |bytes, _| {
                let (words, _) = bytes.as_chunks::<8>();
                let mut payload = [0; 8];
                for (word, bytes) in payload.iter_mut().zip(words) {
                    *word = u64::from_ne_bytes(*bytes);
                }
                see(&payload);
            },
            max,
        )?;
        Ok(taken as usize)
    }
}
