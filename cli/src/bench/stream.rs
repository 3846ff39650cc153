//! As many messages as possible from one process to another, each of them checked.

use serde_json::{Value, json};

use super::backoff::Backoff;
use super::clock::Clock;
use super::crew::{Crew, Part, Role};
use super::floor::ring::{Any, Form, Ring, WithForm};
use super::form::{mark, number_of, out_of_order};
use super::region::Region;
use super::run::{Run, number};
use super::scene::Scene;
use super::via::{Play, Receives, Sends, play};
use crate::args::StreamArgs;
use crate::outcome::Failure;

/// The processes of this case.
pub const ROLES: &[Role] = &[
    ("stream-out", stream_out),
    ("stream-in", stream_in),
    ("floor-out", floor_out),
    ("floor-in", floor_in),
];

const TOPIC: &str = "stream";

/// Through the bus.
pub fn bus(scene: &Scene, args: &StreamArgs) -> Result<Run, Failure> {
    let bus = scene.bus()?;
    let _topic = args.form.create(&bus, TOPIC)?;
    let size = args.form.payload_bytes() as u64;
    let numbers = [
        args.count,
        args.batch,
        size,
        args.form.is_lossy(),
        args.via.number(),
    ];
    let mut crew = Crew::new(scene);
    let reader = crew.start_ready("stream-in", scene.cpu(1), &numbers)?;
    crew.start_ready("stream-out", scene.cpu(0), &numbers)?;
    crew.cue();
    Ok(Run::of(crew.hear(reader)?))
}

/// Through a bare ring of the same header and stride; and, for what the header costs, without one.
pub fn floor(scene: &Scene, args: &StreamArgs) -> Result<Run, Failure> {
    let mut figures = floor_of(scene, args.count, args.form.layout())?;
    let payload = args.form.payload_bytes();
    let bare = Any {
        stride: payload.next_multiple_of(64),
        header: 0,
        payload,
    };
    figures["bare_msgs_per_s"] = floor_of(scene, args.count, bare)?["msgs_per_s"].clone();
    Ok(Run::of(figures))
}

/// The figures of a bare ring of one form.
pub fn floor_of(scene: &Scene, count: u64, form: Any) -> Result<Value, Failure> {
    let bytes = Ring::bytes(form, Ring::slots_in_cache(form));
    let _region = Region::create(scene.root(), &floor_name(form), bytes)?;
    let numbers = [&[count], &form.numbers()[..]].concat();
    let mut crew = Crew::new(scene);
    let reader = crew.start_ready("floor-in", scene.cpu(1), &numbers)?;
    crew.start_ready("floor-out", scene.cpu(0), &numbers)?;
    crew.cue();
    crew.hear(reader)
}

/// Times a stream from its first message to its last.
pub struct Stopwatch {
    clock: Clock,
    started: u64,
    size: usize,
}

impl Stopwatch {
    /// For messages of `size` bytes.
    pub fn new(size: usize) -> Self {
        Self {
            clock: Clock::new(),
            started: 0,
            size,
        }
    }

    /// The first message is there.
    pub fn start(&mut self) {
        self.started = self.clock.now();
    }

    /// So many messages after the first one are there.
    pub fn figures(&self, messages: u64, lost: u64) -> Value {
        let seconds = self.clock.ns(self.clock.now() - self.started) / 1e9;
        let per_s = messages as f64 / seconds;
        json!({
            "msgs_per_s": number(per_s),
            "bytes_per_s": number(per_s * self.size as f64),
            "lost": lost,
        })
    }
}

/// What both processes are told.
struct Stream {
    count: u64,
    batch: u64,
    size: usize,
    is_lossy: bool,
}

impl Stream {
    fn of(part: &mut Part) -> Result<Self, Failure> {
        Ok(Self {
            count: part.number()?,
            batch: part.number()?,
            size: part.number()? as usize,
            is_lossy: part.number()? != 0,
        })
    }
}

fn stream_out(part: &mut Part) -> Result<(), Failure> {
    let stream = Stream::of(part)?;
    play(part, Some(TOPIC), None, stream.is_lossy, Out(stream))
}

struct Out(Stream);

impl Play for Out {
    fn play<P: Sends, S: Receives>(
        self,
        part: &mut Part,
        publisher: Option<P>,
        _: Option<S>,
    ) -> Result<(), Failure> {
        let Self(stream) = self;
        part.ready()?;
        if let Some(mut publisher) = publisher {
            publish(&mut publisher, &stream).map_err(Into::into)?;
            // Stays on the topic until the other has read it all.
            part.wait();
        }
        Ok(())
    }
}

/// Publishes numbers. Payloads are prepared some way ahead: copying what was written the moment before
/// costs a stall that is none of the bus's.
fn publish<P: Sends>(publisher: &mut P, stream: &Stream) -> Result<(), P::Error> {
    let &Stream {
        count, batch, size, ..
    } = stream;
    const AHEAD: u64 = 64;
    let ahead = batch.max(AHEAD);
    let mut payloads = vec![0; size * ahead as usize];
    let mut number = 0;
    while number < count {
        let some = ahead.min(count - number) as usize;
        for payload in payloads.chunks_exact_mut(size).take(some) {
            mark(payload, number);
            number += 1;
        }
        let payloads = &payloads[..size * some];
        match batch {
            1 => payloads
                .chunks_exact(size)
                .try_for_each(|payload| publisher.publish(payload))?,
            batch => payloads
                .chunks(size * batch as usize)
                .try_for_each(|some| publisher.publish_batch(some, size))?,
        }
    }
    Ok(())
}

fn stream_in(part: &mut Part) -> Result<(), Failure> {
    let stream = Stream::of(part)?;
    play(part, None, Some(TOPIC), stream.is_lossy, In(stream))
}

struct In(Stream);

impl Play for In {
    fn play<P: Sends, S: Receives>(
        self,
        part: &mut Part,
        _: Option<P>,
        subscriber: Option<S>,
    ) -> Result<(), Failure> {
        let Self(stream) = self;
        let mut stopwatch = Stopwatch::new(stream.size);
        part.ready()?;
        let Some(subscriber) = subscriber else {
            return Ok(());
        };
        let mut check = Check::new();
        match stream.batch {
            1 => take_one_by_one(subscriber, &stream, &mut check, &mut stopwatch),
            _ => take_in_batches(subscriber, &stream, &mut check, &mut stopwatch),
        }?;
        check.verdict?;
        part.say(&stopwatch.figures(stream.count - 1 - check.lost, check.lost))
    }
}

/// What has come, and what has not.
struct Check {
    /// The number of the next message; after one that was not the next, that of none.
    due: u64,
    lost: u64,
    verdict: Result<(), Failure>,
}

impl Check {
    const NONE: u64 = u64::MAX;

    fn new() -> Self {
        Self {
            due: 0,
            lost: 0,
            verdict: Ok(()),
        }
    }

    #[inline(always)]
    fn see(&mut self, payload: &[u8]) {
        let found = number_of(payload);
        if found != Some(self.due) {
            return self.refuse(found);
        }
        self.due += 1;
    }

    #[cold]
    fn refuse(&mut self, found: Option<u64>) {
        if self.verdict.is_ok() {
            self.verdict = Err(out_of_order(self.due, found));
        }
        self.due = Self::NONE;
    }

    /// A lossy subscriber is told how many it was too slow for.
    #[cold]
    #[inline(never)]
    fn miss<S: Receives>(&mut self, error: S::Error) -> Result<(), Failure> {
        let missed = S::missed(&error).ok_or_else(|| error.into())?;
        self.due += missed;
        self.lost += missed;
        Ok(())
    }
}

fn take_one_by_one<S: Receives>(
    mut subscriber: S,
    stream: &Stream,
    check: &mut Check,
    stopwatch: &mut Stopwatch,
) -> Result<(), Failure> {
    let mut backoff = Backoff::new();
    drive(stream.count, check, stopwatch, |check| {
        match subscriber.poll(|message| check.see(message)) {
            Ok(Some(())) => Ok(()),
            Ok(None) => {
                backoff.pause();
                Ok(())
            }
            Err(error) => check.miss::<S>(error),
        }
    })
}

fn take_in_batches<S: Receives>(
    mut subscriber: S,
    stream: &Stream,
    check: &mut Check,
    stopwatch: &mut Stopwatch,
) -> Result<(), Failure> {
    let max = stream.batch as usize;
    let mut backoff = Backoff::new();
    drive(stream.count, check, stopwatch, |check| {
        match subscriber.poll_batch(max, |message| check.see(message)) {
            Ok(0) => {
                backoff.pause();
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => check.miss::<S>(error),
        }
    })
}

/// Takes until all messages were due.
#[inline(always)]
fn drive(
    count: u64,
    check: &mut Check,
    stopwatch: &mut Stopwatch,
    mut take: impl FnMut(&mut Check) -> Result<(), Failure>,
) -> Result<(), Failure> {
    while check.due == 0 {
        take(check)?;
    }
    stopwatch.start();
    while check.due < count {
        take(check)?;
    }
    Ok(())
}

fn floor_out(part: &mut Part) -> Result<(), Failure> {
    let count = part.number()?;
    part.form()?.known(FloorOut { part, count })
}

fn floor_in(part: &mut Part) -> Result<(), Failure> {
    let count = part.number()?;
    part.form()?.known(FloorIn { part, count })
}

struct FloorOut<'p> {
    part: &'p Part,
    count: u64,
}

impl WithForm for FloorOut<'_> {
    type Out = Result<(), Failure>;

    fn with<F: Form>(self, form: F) -> Result<(), Failure> {
        let region = self.part.region(&floor_name(form))?;
        let ring = Ring::new(&region, form, Ring::slots_in_cache(form));
        let template = vec![0; form.payload()];
        self.part.ready()?;
        ring.write(self.count, |seq, payload| {
            payload.copy_from_slice(&template[form.payload() - payload.len()..]);
            mark(payload, seq);
        });
        Ok(())
    }
}

struct FloorIn<'p> {
    part: &'p Part,
    count: u64,
}

impl WithForm for FloorIn<'_> {
    type Out = Result<(), Failure>;

    fn with<F: Form>(self, form: F) -> Result<(), Failure> {
        let region = self.part.region(&floor_name(form))?;
        let ring = Ring::new(&region, form, Ring::slots_in_cache(form));
        let mut stopwatch = Stopwatch::new(form.payload());
        self.part.ready()?;
        let mut wrong = None;
        ring.read(self.count, |seq, payload| {
            if seq == 1 {
                stopwatch.start();
            }
            let found = number_of(payload);
            if found != Some(seq) {
                wrong = Some((seq, found));
            }
        });
        match wrong {
            Some((seq, found)) => Err(out_of_order(seq, found)),
            None => self.part.say(&stopwatch.figures(self.count - 1, 0)),
        }
    }
}

fn floor_name(form: impl Form) -> String {
    format!("{TOPIC}-{}-{}", form.header(), form.stride())
}
