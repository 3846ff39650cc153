//! Everything that a program may do on a topic, in any order, whatever is in its segments.

use std::hint::black_box;
use std::time::Duration;

use fastrand::Rng;
use ringbus::{Bus, Observer, Publisher, Start, Subscriber, Timestamp, Topic};

use super::book::{Count, Seat};

/// A program's handles on a topic.
pub struct Handles<'a> {
    bus: &'a Bus,
    topic: &'a Topic<[u8]>,
    seat: &'a Seat,
    publisher: Option<Publisher<[u8]>>,
    subscribers: Vec<Subscriber<[u8]>>,
    observer: Option<Observer<[u8]>>,
    payload_max: usize,
    fixed: bool,
}

const SUBSCRIBERS_MAX: usize = 3;
/// As much of a wait as this case has time for.
const BRIEFLY: Duration = Duration::from_micros(200);

impl<'a> Handles<'a> {
    /// None yet.
    pub fn new(bus: &'a Bus, topic: &'a Topic<[u8]>, seat: &'a Seat) -> Self {
        let payload = topic.info().payload;
        Self {
            bus,
            topic,
            seat,
            publisher: None,
            subscribers: Vec::new(),
            observer: None,
            payload_max: payload.max_bytes(),
            fixed: matches!(payload, ringbus::PayloadKind::Fixed { .. }),
        }
    }

    /// Does one thing, whatever comes of it. `false` if that was impossible data.
    pub fn act(&mut self, random: &mut Rng) -> bool {
        match random.u32(..32) {
            0..4 => self.join_publisher(),
            4..8 => self.join_subscriber(random),
            8..10 => self.observe_from(random),
            10..14 => self.publish(random),
            14..16 => self.lend(random),
            16..21 => self.poll(random),
            21..24 => self.hold_while_publishing(random),
            24..26 => self.observe(),
            26 => self.move_about(random),
            27 => self.wait(random),
            28 => self.inspect(),
            29 => self.look_around(random),
            30 => self.leave(random),
            _ => self.publish_patiently(random),
        }
    }

    fn join_publisher(&mut self) -> bool {
        if self.publisher.is_none() {
            self.publisher = self.note(self.topic.publisher());
        }
        true
    }

    fn join_subscriber(&mut self, random: &mut Rng) -> bool {
        if self.subscribers.len() >= SUBSCRIBERS_MAX {
            self.subscribers
                .swap_remove(random.usize(..SUBSCRIBERS_MAX));
        }
        let builder = self.topic.subscriber().start(start(self.topic, random));
        let builder = builder.spin(Duration::ZERO);
        let builder = match random.u32(..3) {
            0 => builder.reliable(),
            1 => builder.reliable().stall_timeout(BRIEFLY),
            _ => builder.lossy(),
        };
        let joined = self.note(builder.join());
        self.subscribers.extend(joined);
        true
    }

    fn observe_from(&mut self, random: &mut Rng) -> bool {
        let start = start(self.topic, random);
        self.observer = self.note(self.topic.observer(start));
        true
    }

    fn publish(&mut self, random: &mut Rng) -> bool {
        let Some(publisher) = &self.publisher else {
            return true;
        };
        for _ in 0..random.u32(1..12) {
            let payload = vec![9; self.len(random)];
            self.note(publisher.try_publish(&payload));
        }
        true
    }

    fn publish_patiently(&mut self, random: &mut Rng) -> bool {
        let Some(publisher) = &self.publisher else {
            return true;
        };
        let payload = vec![9; self.len(random)];
        self.note(publisher.publish_timeout(&payload, BRIEFLY));
        true
    }

    fn lend(&mut self, random: &mut Rng) -> bool {
        let Some(publisher) = &self.publisher else {
            return true;
        };
        let lent = self.note(publisher.try_loan(self.len(random)));
        let Some(mut loan) = lent else { return true };
        loan.fill(5);
        if random.bool() {
            self.note(loan.try_commit().map_err(|refused| refused.error));
        }
        true
    }

    fn poll(&mut self, random: &mut Rng) -> bool {
        let Self {
            subscribers,
            seat,
            payload_max,
            ..
        } = self;
        subscribers.iter_mut().all(|subscriber| {
            let polled = match random.bool() {
                true => subscriber.poll(),
                false => subscriber.latest(),
            };
            let message = count(seat, polled).flatten();
            message.is_none_or(|message| {
                black_box((
                    message.tag(),
                    message.flags(),
                    message.time(),
                    message.publisher(),
                    message.attributes().iter().count(),
                ));
                is_readable(&message, *payload_max)
            })
        })
    }

    /// What a subscriber holds is read again after the ring went round.
    fn hold_while_publishing(&mut self, random: &mut Rng) -> bool {
        let len = self.len(random);
        let Some(subscriber) = self.subscribers.first_mut() else {
            return true;
        };
        let Some(batch) = count(self.seat, subscriber.poll_batch(random.usize(1..9))) else {
            return true;
        };
        let payload_max = self.payload_max;
        let is_plausible = || {
            batch
                .iter()
                .all(|message| is_readable(&message, payload_max))
        };
        let before = is_plausible();
        for _ in 0..random.u32(..12) {
            let Some(publisher) = &self.publisher else {
                break;
            };
            count(self.seat, publisher.try_publish(&vec![3; len]));
        }
        before && is_plausible()
    }

    fn observe(&mut self) -> bool {
        let Self {
            observer: Some(observer),
            seat,
            payload_max,
            ..
        } = self
        else {
            return true;
        };
        let is_plausible = (0..4).all(|_| {
            let copied = count(seat, observer.poll()).flatten();
            copied.is_none_or(|copy| is_readable(&copy, *payload_max))
        });
        let newest = count(seat, observer.latest()).flatten();
        is_plausible && newest.is_none_or(|copy| is_readable(&copy, *payload_max))
    }

    fn move_about(&mut self, random: &mut Rng) -> bool {
        for subscriber in &mut self.subscribers {
            let start = start(self.topic, random);
            count(self.seat, subscriber.seek(start));
            black_box((subscriber.cursor(), subscriber.lag(), subscriber.held()));
        }
        true
    }

    fn wait(&mut self, random: &mut Rng) -> bool {
        let timeout = [Duration::ZERO, BRIEFLY][random.usize(..2)];
        for subscriber in &mut self.subscribers {
            count(self.seat, subscriber.wait(timeout));
        }
        if let Some(observer) = &mut self.observer {
            count(self.seat, observer.wait(timeout));
        }
        true
    }

    /// Numbers that nobody's damage can make larger than the topic's form allows.
    fn inspect(&mut self) -> bool {
        let info = self.topic.info();
        black_box(self.topic.is_removed());
        info.publishers.len() <= info.max_publishers as usize
            && info.subscribers.len() <= info.max_subscribers as usize
            && info.oldest <= info.next
            && info.payload.max_bytes() == self.payload_max
    }

    fn look_around(&mut self, random: &mut Rng) -> bool {
        match random.u32(..3) {
            0 => drop(count(self.seat, self.bus.topics())),
            1 => drop(count(self.seat, self.bus.gc())),
            _ => drop(black_box(self.bus.participants())),
        }
        true
    }

    fn leave(&mut self, random: &mut Rng) -> bool {
        if random.bool() {
            self.publisher = None;
        } else {
            self.subscribers.pop();
        }
        true
    }

    /// A length that the topic takes, or nearly.
    fn len(&self, random: &mut Rng) -> usize {
        match self.fixed {
            true => self.payload_max,
            false => random.usize(..self.payload_max + 2),
        }
    }

    fn note<T, E>(&self, result: Result<T, E>) -> Option<T> {
        count(self.seat, result)
    }
}

fn count<T, E>(seat: &Seat, result: Result<T, E>) -> Option<T> {
    seat.add(match result {
        Ok(_) => Count::Worked,
        Err(_) => Count::Failed,
    });
    result.ok()
}

/// Reads a payload to its end: a byte outside of the segment would be a signal.
fn is_readable(payload: &[u8], payload_max: usize) -> bool {
    black_box(
        payload
            .iter()
            .fold(0_u8, |sum, byte| sum.wrapping_add(*byte)),
    );
    payload.len() <= payload_max
}

fn start(topic: &Topic<[u8]>, random: &mut Rng) -> Start {
    match random.u32(..6) {
        0 => Start::Latest,
        1 => Start::Oldest,
        2 => Start::Last(random.u64(..10)),
        3 => Start::Sequence(topic.info().next.saturating_sub(random.u64(..10))),
        4 => Start::Sequence(random.u64(..)),
        _ => Start::Time(Timestamp::from_nanos(random.u64(..) >> random.u32(..64))),
    }
}
