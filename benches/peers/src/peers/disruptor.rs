//! disruptor-mp: a ring of 256 KiB, written in batches where there are several messages, and read as far
//! as it goes.

use std::ops::Range;
use std::time::Duration;

use disruptor_mp::{
    CoordinationMode, SharedConsumer, SharedProducer, attach_shared_consumer,
    build_shared_single_producer,
};

use crate::Failure;
use crate::cases::{Ends, Payload, Peer, Receiver, Sender};
use crate::crew::Part;

/// The peer.
pub struct Disruptor;

/// A message, in a line of its own.
#[derive(Clone, Copy, Default)]
#[repr(C, align(64))]
struct Event(Payload);

const SLOTS: usize = 4096;

impl Peer for Disruptor {
    const NAME: &'static str = "disruptor-mp";
    const CASES: &'static [&'static str] = &["pingpong", "stream", "fanout"];
    type Sender = Out;
    type Receiver = In;

    fn sender(part: &Part, topic: &str, of: Ends) -> Result<Out, Failure> {
        let ring = build_shared_single_producer(&name(part, topic), SLOTS).disable_discovery();
        let producer = ring
            .with_coordination(CoordinationMode::Immediate)
            .build_producer(Event::default)?;
        Ok(Out {
            producer,
            receivers: of.receivers,
        })
    }

    fn receiver(part: &Part, topic: &str, number: u64, _: Ends) -> Result<In, Failure> {
        let ring = attach_shared_consumer(&name(part, topic), SLOTS);
        Ok(In(ring.with_consumer_id(&id(number)).build_consumer()?))
    }
}

fn name(part: &Part, topic: &str) -> String {
    format!("{}{topic}", part.tag())
}

fn id(number: u64) -> String {
    format!("c_{number}")
}

/// Its producer.
pub struct Out {
    producer: SharedProducer<Event>,
    receivers: u64,
}

impl Sender for Out {
    fn connect(&mut self) -> Result<(), Failure> {
        for number in 0..self.receivers {
            let wait = Duration::from_secs(5);
            if !self.producer.wait_for_consumer_id(&id(number), wait) {
                return Err(format!("consumer {number} does not come").into());
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn send(&mut self, numbers: Range<u64>, fill: impl Fn(u64) -> Payload) -> Result<(), Failure> {
        let (first, some) = (numbers.start, (numbers.end - numbers.start) as usize);
        if some == 1 {
            self.producer.publish(|event| event.0 = fill(first));
            return Ok(());
        }
        let write = |event: &mut Event, index: usize| event.0 = fill(first + index as u64);
        while self.producer.try_batch_publish(some, write).is_err() {
            std::hint::spin_loop();
        }
        Ok(())
    }
}

/// Its consumer.
pub struct In(SharedConsumer<Event>);

impl Receiver for In {
    #[inline(always)]
    fn take(&mut self, _: usize, mut see: impl FnMut(&Payload)) -> Result<usize, Failure> {
        Ok(self.0.process_available(|event, _| see(&event.0)))
    }
}
