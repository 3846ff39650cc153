//! Checked traffic on a topic: a source that publishes numbered messages, a sink that misses none.
//!
//! On a topic that is attacked anything may come, and a handle that the attack has made useless is
//! replaced. On any other the same must come as if nothing happened.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringbus::{Bus, PollError, PublishError, Subscriber, Topic};

use super::book::{Book, Count, Seat};
use super::watch::Pulse;
use crate::outcome::Failure;
use crate::torture::actor::{Actor, Role, Stage, say};
use crate::torture::canary::Canary;
use crate::torture::checked;
use crate::torture::findings::Findings;

/// Who is at work.
pub const ROLES: [Role; 2] = [("hostile/source", source), ("hostile/sink", sink)];

const PAYLOAD_MAX: usize = 64;
/// Between two messages: everybody is to get a turn, on a small machine too.
const PAUSE: Duration = Duration::from_micros(200);
const PATIENCE: Duration = Duration::from_millis(20);
const WAIT: Duration = Duration::from_millis(20);

/// The name of the bus that they work on.
pub const BUS: &str = "traffic";

/// A topic with traffic on it.
pub struct Flow {
    source: Option<Watched>,
    sink: Option<Watched>,
    name: String,
    is_attacked: bool,
}

/// A process whose beats are counted.
struct Watched {
    seat: usize,
    pulse: Pulse,
    actor: Actor,
}

/// How they ended that must not.
#[derive(Default)]
pub struct Ends {
    crashes: Vec<String>,
    /// Ended by SIGBUS.
    no_memory: u64,
    hangs: Vec<String>,
    /// Messages published and not received.
    lost: u64,
}

impl Flow {
    /// Starts source and sink on a topic that is there, in these two seats.
    pub fn start(
        root: &Path,
        name: &str,
        seats: [usize; 2],
        is_attacked: bool,
    ) -> Result<Self, Failure> {
        let canary = Canary::new();
        let start = |role, seat: usize| {
            let args = [
                name.to_owned(),
                seat.to_string(),
                u8::from(is_attacked).to_string(),
            ];
            let mut actor = Actor::start(role, root, &args)?;
            match actor.hear().as_deref() {
                Some("there") => Ok(Some(Watched {
                    pulse: Pulse::new(&canary, &actor, seat),
                    actor,
                    seat,
                })),
                _ => Err(Failure::say(format_args!("{role} did not start"))),
            }
        };
        Ok(Self {
            sink: start(ROLES[1].0, seats[1])?,
            source: start(ROLES[0].0, seats[0])?,
            name: name.to_owned(),
            is_attacked,
        })
    }

    /// Looks after both; one that has ended is done with.
    pub fn look(&mut self, book: &Book, ends: &mut Ends) -> Result<(), Failure> {
        for part in [&mut self.source, &mut self.sink] {
            let Some(watched) = part else { continue };
            if let Some(status) = watched.actor.ended()? {
                use std::os::unix::process::ExitStatusExt;
                match status.signal() {
                    Some(libc::SIGBUS) => ends.no_memory += 1,
                    _ => ends.crashes.push(format!("on {}: {status}", self.name)),
                }
                *part = None;
                continue;
            }
            if watched
                .pulse
                .has_stopped(book.seat(watched.seat).read(Count::At))
            {
                ends.hangs.push(format!("on {}", self.name));
                if let Some(watched) = part.take() {
                    watched.actor.kill()?;
                }
            }
        }
        Ok(())
    }

    /// Whether messages have come through since `before`.
    pub fn received(&self, book: &Book) -> u64 {
        let sink = self.sink.as_ref();
        sink.map_or(0, |sink| book.seat(sink.seat).read(Count::Worked))
    }

    /// Lets both end, once all that was published had the time to arrive.
    pub fn end(mut self, book: &Book, ends: &mut Ends) -> Result<(), Failure> {
        self.look(book, ends)?;
        let Self {
            source,
            sink,
            name,
            is_attacked,
        } = self;
        let mut counted = Vec::new();
        for watched in [source, sink].into_iter().flatten() {
            let status = watched.actor.end()?;
            if !status.success() && !is_attacked {
                ends.crashes.push(format!("on {name}: {status}"));
            }
            counted.push(book.seat(watched.seat).read(Count::Worked));
        }
        if let ([published, received], false) = (&counted[..], is_attacked) {
            ends.lost += published.abs_diff(*received);
        }
        Ok(())
    }
}

impl Ends {
    /// Messages that were published on sound topics and never came.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Invariants: no crash and no hang, and no SIGBUS unless somebody has taken memory away.
    pub fn report(&self, what: &str, may_lack_memory: bool, findings: &mut Findings) {
        for (kind, ends) in [("crashes", &self.crashes), ("hangs", &self.hangs)] {
            let example = ends.first().map(String::as_str);
            findings.none(&format!("{what}_{kind}"), ends.len() as u64, example);
        }
        let name = format!("{what}_ended_by_sigbus");
        match may_lack_memory {
            true => findings.found(&name, self.no_memory),
            false => findings.none(&name, self.no_memory, None),
        }
    }
}

/// Publishes until its case ends it.
fn source(stage: &Stage) -> Result<(), Failure> {
    let part = Part::new(stage)?;
    let seat = part.book.seat(part.seat);
    let mut topic = part.topic()?;
    let mut publisher = Some(topic.publisher()?);
    part.ready();
    let mut serial = 0;
    while !part.is_over() {
        seat.add(Count::At);
        let payload = checked::payload(PAYLOAD_MAX, std::process::id().into(), serial);
        let published = publisher
            .as_ref()
            .map(|publisher| publisher.publish_timeout(&payload, PATIENCE));
        match published {
            Some(Ok(_)) => {
                serial += 1;
                seat.write(Count::Worked, serial);
            }
            // On a busy machine the sink may not have had its turn yet.
            Some(Err(PublishError::Full(_))) if !part.is_attacked => {}
            Some(Err(error)) if !part.is_attacked => return Err(error.into()),
            Some(Err(_)) | None => {
                seat.add(Count::Failed);
                publisher = None;
                if let Ok(found) = part.topic() {
                    publisher = found.publisher().ok();
                    topic = found;
                }
            }
        }
        thread::sleep(PAUSE);
    }
    drop((publisher, topic));
    Ok(())
}

/// Receives until its case ends it.
fn sink(stage: &Stage) -> Result<(), Failure> {
    let part = Part::new(stage)?;
    let seat = part.book.seat(part.seat);
    let mut subscriber = Some(part.topic()?.subscriber().reliable().join()?);
    part.ready();
    let mut next = HashMap::new();
    let mut over_since = None;
    // What is on its way when the case ends must still arrive.
    while over_since.is_none_or(|since: Instant| since.elapsed() < WAIT) {
        if part.is_over() {
            over_since.get_or_insert_with(Instant::now);
        }
        seat.add(Count::At);
        let received = match &mut subscriber {
            Some(subscriber) => receive(subscriber, seat, &mut next),
            None => Err(None),
        };
        if let Err(error) = received {
            if !part.is_attacked {
                let words = error.map_or(String::new(), |error| error.to_string());
                return Err(Failure::say(words));
            }
            seat.add(Count::Failed);
            subscriber = None;
            thread::sleep(PAUSE);
            let joined = part
                .topic()
                .ok()
                .map(|topic| topic.subscriber().reliable().join());
            subscriber = subscriber.or(joined.and_then(Result::ok));
        }
    }
    Ok(())
}

/// Takes what is there, and compares it with what must come.
fn receive(
    subscriber: &mut Subscriber<[u8]>,
    seat: &Seat,
    next: &mut HashMap<u64, u64>,
) -> Result<(), Option<PollError>> {
    subscriber.wait(WAIT).map_err(Some)?;
    while let Some(message) = subscriber.poll().map_err(Some)? {
        seat.add(Count::Worked);
        let Some((origin, serial)) = checked::read(&message) else {
            seat.add(Count::Wrong);
            continue;
        };
        let expected = next.entry(origin).or_insert(serial);
        if serial != *expected {
            seat.add(Count::Wrong);
        }
        *expected = serial + 1;
    }
    Ok(())
}

/// What source and sink have in common.
struct Part {
    bus: Bus,
    name: String,
    book: Book,
    seat: usize,
    is_attacked: bool,
    over: Arc<AtomicBool>,
}

impl Part {
    fn new(stage: &Stage) -> Result<Self, Failure> {
        let bus = Bus::builder()
            .dir(&stage.root)
            .name(BUS)
            .create(false)
            .open()?;
        let over = Arc::new(AtomicBool::new(false));
        Ok(Self {
            bus,
            name: stage.arg(0)?.to_owned(),
            seat: stage.number(1)? as usize,
            is_attacked: stage.number(2)? != 0,
            book: Book::open(&stage.root)?,
            over,
        })
    }

    fn topic(&self) -> Result<Topic<[u8]>, Failure> {
        Ok(self.bus.topic(&self.name).open()?)
    }

    /// Says so, and has its end noticed.
    fn ready(&self) {
        say("there");
        let over = Arc::clone(&self.over);
        thread::spawn(move || {
            // To the end of stdin, which is that of the case.
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            over.store(true, Ordering::Relaxed);
        });
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}
