//! ringbus itself, for what `ringbus bench` has no case of: a wait for many.

use std::ops::Range;
use std::time::Duration;

use ringbus::{Bus, Publisher, Start, Subscriber, WaitSet};

use crate::Failure;
use crate::cases::{Ends, Payload, Peer, Receiver, Sender};
use crate::crew::Part;

/// The peer.
pub struct Ringbus;

impl Peer for Ringbus {
    const NAME: &'static str = "ringbus";
    const CASES: &'static [&'static str] = &["waitset"];
    type Sender = Out;
    type Receiver = In;

    fn sender(part: &Part, topic: &str, _: Ends) -> Result<Out, Failure> {
        let topic = bus(part)?.topic(topic).payload_max(size_of::<Payload>());
        Ok(Out(topic.create()?.publisher()?))
    }

    fn receiver(part: &Part, topic: &str, _: u64, _: Ends) -> Result<In, Failure> {
        let bus = bus(part)?;
        let topic = bus.topic(topic).open()?;
        let subscriber = topic.subscriber().start(Start::Latest).reliable().join()?;
        let mut set = WaitSet::new(&bus)?;
        set.add(&subscriber, 0)?;
        Ok(In { set, subscriber })
    }
}

fn bus(part: &Part) -> Result<Bus, Failure> {
    Ok(Bus::builder().dir(part.dir().join("ringbus")).open()?)
}

/// A publisher.
pub struct Out(Publisher<[u8]>);

impl Sender for Out {
    fn connect(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn send(&mut self, numbers: Range<u64>, fill: impl Fn(u64) -> Payload) -> Result<(), Failure> {
        for number in numbers {
            let mut bytes = [0; size_of::<Payload>()];
            let (words, _) = bytes.as_chunks_mut::<8>();
            for (bytes, word) in words.iter_mut().zip(fill(number)) {
                *bytes = word.to_ne_bytes();
            }
            self.0.publish(&bytes)?;
        }
        Ok(())
    }
}

/// A subscriber in a wait set.
pub struct In {
    set: WaitSet,
    subscriber: Subscriber<[u8]>,
}

impl Receiver for In {
    fn take(&mut self, max: usize, mut see: impl FnMut(&Payload)) -> Result<usize, Failure> {
        for taken in 0..max {
            let Some(message) = self.subscriber.poll()? else {
                return Ok(taken);
            };
            let mut payload = [0; 8];
            for (word, bytes) in payload.iter_mut().zip(message.as_chunks::<8>().0) {
                *word = u64::from_ne_bytes(*bytes);
            }
            see(&payload);
        }
        Ok(max)
    }

    fn sleep(&mut self) -> Result<(), Failure> {
        self.set.wait(Duration::from_secs(1))?;
        Ok(())
    }
}
